package drill

import (
	"context"
	"net/http"
	"strings"

	"turnout/internal/domain"
)

// refusedKeys are the rows of an account whose key is refused.
func refusedKeys() []*Scenario {
	const requests = 3
	again := func(ctx context.Context, r *Run) {
		for range requests {
			r.Send(ctx, &r.Scenario.Ask)
		}
	}
	never := func(r *Run, j *Judgement) {
		for _, a := range r.Answers {
			j.want(a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden, Fail, "the caller got P's %d, and its own key is good", a.Status)
			j.want(!leaks(a.Error, primary), Fail, "the caller reads of an account's key: %s", a.Error)
		}
		j.attempts(r, primary, 1, 1)
	}
	refused := &Scenario{
		Name: "key-refused", Does: "401, its key is refused; three requests", Must: "F answers, the caller never sees a 401, and P is asked once",
		Accounts: pf("auth401"), Play: again,
		Judge: func(r *Run, j *Judgement) {
			for _, a := range r.Answers {
				j.whole(a, tokens, Fail)
			}
			j.attempts(r, fallback, requests, requests)
			never(r, j)
		},
	}
	alone := &Scenario{
		Name: "key-refused-alone", Does: "401, its key is refused, and there is no F; three requests", Must: "clean errors that are no 401 and name no key; P is asked once",
		Accounts: func(m Mode) []Account { return pf("auth401")(m)[:1] }, Play: again,
		Judge: func(r *Run, j *Judgement) {
			for _, a := range r.Answers {
				j.want(a.Kind == Refusal && a.Status >= 500, Fail, "no clean error of the gateway: %s", a)
			}
			never(r, j)
		},
	}
	return []*Scenario{refused, asModels(refused, domain.FallbackAny), alone}
}

// leaks reports whether a text quotes the key of an account, or a part of it as
// providers do.
func leaks(text, account string) bool {
	a := Account{Name: account}
	key := a.key()
	return strings.Contains(text, key) || strings.Contains(text, key[:len("sk-sim-")]) || len(account) > 4 && strings.Contains(text, "*"+account[len(account)-4:])
}
