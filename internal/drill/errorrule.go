package drill

import (
	"net/http"
	"strings"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// Rules on errors: what is told in place of an error, and an account whose key has an
// end that a provider quotes.
const (
	toldInstead = "Ask the platform team in #llm-help."
	toldAfter   = 30 * time.Second
	quoted      = "secretive"
)

// errorRules are the rows of an administrator's rules on what callers are told.
func errorRules() []*Scenario {
	return []*Scenario{
		{
			Name: "error-rule-replace", Does: "and F too, always 500; a rule replaces status, words and Retry-After", Must: "the rule's words to the caller, after F was asked as ever",
			Accounts: func(m Mode) []Account {
				list := pf("fail500")(m)
				list[1].Behaviour = list[0].Behaviour
				return list
			},
			Pool: func(p *config.Pool) {
				p.Errors = []domain.ErrorRule{
					{Status: http.StatusTeapot, NewStatus: http.StatusBadRequest, Message: "not this one"},
					{Status: http.StatusInternalServerError, NewStatus: http.StatusServiceUnavailable, Message: toldInstead, RetryAfter: toldAfter},
				}
			},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.want(a.Kind == Refusal && a.Status == http.StatusServiceUnavailable, Fail, "not the rule's refusal: %s", a)
				j.want(strings.Contains(a.Error, toldInstead), Fail, "not the rule's words: %s", a.Error)
				j.want(a.RetryAfter == "30", Partial, "not the rule's Retry-After: %q", a.RetryAfter)
				j.attempts(r, primary, 1, 2)
				j.attempts(r, fallback, 1, 2)
			},
		},
		{
			Name: "error-rule-pass", Does: "401 that quotes its key, there is no F, and a rule passes the provider's error on", Must: "the provider's status and words, without the key",
			Accounts: func(Mode) []Account { return []Account{{Name: quoted, Behaviour: words("auth401")}} },
			Pool:     func(p *config.Pool) { p.Errors = []domain.ErrorRule{{Class: "credential", Pass: true}} },
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				said := r.Mode.provider().badKey
				j.want(a.Kind == Refusal && a.Status == http.StatusUnauthorized, Fail, "not the provider's refusal: %s", a)
				j.want(strings.Contains(a.Error, said), Fail, "the provider's words are missing: %s", a.Error)
				j.want(!leaks(a.Error, quoted), Fail, "the account's key is quoted: %s", a.Error)
				j.attempts(r, quoted, 1, 1)
			},
		},
	}
}
