package drill

import (
	"strings"
	"time"

	"turnout/internal/domain"
)

// ours are faults beyond the sixteen.
func ours() []*Scenario {
	// byF is the judge of what P fails with before any content: F answers.
	byF := func(limit time.Duration) func(*Run, *Judgement) {
		return func(r *Run, j *Judgement) {
			if j.whole(r.only(), tokens, Fail) {
				j.attempts(r, primary, 0, 2)
				j.attempts(r, fallback, 1, 1)
				j.within(r, r.only(), limit, Partial)
			}
		}
	}
	at := func(where Address) func(Mode) []Account {
		return func(m Mode) []Account {
			list := pf("")(m)
			list[0].Address = where
			return list
		}
	}
	unfinished := &Scenario{
		Name: "no-finish", Does: "all of the text, and then the end without a finish reason", Must: "the whole answer of F, or the protocol's error",
		Accounts: pf("nofinish"), Judge: func(r *Run, j *Judgement) { broken(r, j, r.only()) },
	}
	list := []*Scenario{
		{
			Name: "error-in-200", Does: "an error event in a 200, before any content (JSON: an error body)", Must: "F answers",
			Accounts: pf("errevent"), Judge: byF(10 * time.Second),
		},
		{Name: "empty-200", Does: "a 200 with nothing in it", Must: "F answers", Accounts: pf("empty"), Judge: byF(10 * time.Second)},
		unfinished, complete(unfinished),
		{
			Name: "trickle", Does: "one byte a second", Must: "F is started beside P and answers in less than 15 s",
			Accounts: pf("trickle1-drip1000"), Judge: byF(15 * time.Second),
		},
		{Name: "bad-gzip", Does: "says gzip and is not", Must: "F answers", Accounts: pf("badgzip"), Judge: byF(10 * time.Second)},
		{
			Name: "redirect", Does: "307 to another path", Must: "it is not followed, F answers",
			Accounts: pf("redirect"),
			Judge: func(r *Run, j *Judgement) {
				byF(10*time.Second)(r, j)
				for _, a := range r.Attempts {
					j.want(!strings.HasPrefix(a.Path, "/redirected"), Fail, "the redirect was followed, key and prompt and all")
				}
			},
		},
		{Name: "tls", Does: "a certificate that nobody trusts", Must: "F answers", Accounts: at(Untrusted), Judge: byF(10 * time.Second)},
		{Name: "dns", Does: "a name that does not resolve", Must: "F answers", Accounts: at(NoName), Judge: byF(10 * time.Second)},
		{
			Name: "commit-by-header", Does: "the stream dies after 40 tokens; the caller, who may, asks for x-turnout-commit: complete", Must: "the whole answer",
			Modes: only("commit is of streams", streaming), Accounts: pf("cut40"),
			Ask:   Ask{Key: commitKey, Header: map[string]string{"X-Turnout-Commit": domain.Commit{Point: domain.CommitComplete}.String()}},
			Judge: func(r *Run, j *Judgement) { j.whole(r.only(), tokens, Safe) },
		},
	}
	list = append(list, otherCause(), errorOften(), limitedBackoff(), lateFailure())
	list = append(list, commitPoints()...)
	list = append(list, refusedKeys()...)
	list = append(list, limited()...)
	list = append(list, leastBad(),
		brownOut("", "five requests a second for a minute", 300, 200*time.Millisecond),
		brownOut("-slow", "a request a second for two minutes", 120, time.Second),
		brownOut("-slower", "a request in two seconds for two minutes", 60, 2*time.Second),
		herd())
	list = append(list, errorRules()...)
	list = append(list, keepAlives()...)
	list = append(list, retriers()...)
	list = append(list, leavers()...)
	for _, s := range list {
		s.Group = Ours
	}
	return list
}

// otherCause: a fallback that is configured for one cause is not used for others.
func otherCause() *Scenario {
	s := asModels(&Scenario{Accounts: pf("fail503"), Does: "always 503"}, tooLong)
	s.Name = "fallback-other-cause"
	s.Does += ", configured for " + tooLong + " alone"
	s.Must = "a clean error; F is not asked"
	s.Judge = func(r *Run, j *Judgement) {
		j.want(r.only().Kind == Refusal, Fail, "no clean error: %s", r.only())
		j.want(len(r.at(fallback)) == 0, Fail, "F was asked")
	}
	return s
}

// lateFailure: what fails late fails before any content, too.
func lateFailure() *Scenario {
	return &Scenario{
		Name: "late-failure", Does: "a minute of silence, then 503 (a stream: an error event before any content)", Must: "F answers", Lasts: 2 * time.Minute,
		Ask: Ask{Effort: "high"}, // with which a minute is below every soft limit
		Accounts: func(m Mode) []Account {
			if m.Stream {
				return pf("headersthen60000-errevent-es503")(m)
			}
			return pf("ttft60000-fail503")(m)
		},
		Judge: func(r *Run, j *Judgement) {
			if j.whole(r.only(), tokens, Fail) {
				j.attempts(r, primary, 1, 2)
				j.attempts(r, fallback, 1, 1)
			}
		},
	}
}
