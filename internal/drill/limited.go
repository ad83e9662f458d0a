package drill

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"turnout/internal/domain"
)

// fifty is how many accounts are limited at once.
const fifty = 50

// The resets of the rows with fifty limited accounts.
const (
	nearReset = 8 * time.Second
	farReset  = 300 * time.Second
	laterOnes = 600 * time.Second
)

// crowd is so many accounts of one priority; the first behaves as the words say, and
// the rest as others do.
func crowd(n int, first, others string) func(Mode) []Account {
	return func(Mode) []Account {
		out := make([]Account, n)
		for i := range out {
			out[i] = Account{Name: fmt.Sprintf("a%02d", i+1), Level: true, Behaviour: words(others)}
		}
		out[0].Behaviour = words(first)
		return out
	}
}

// limited are the rows of accounts that say when they will be free.
func limited() []*Scenario {
	return []*Scenario{
		{
			Name: "all-limited-near", Does: "fifty accounts, all 429 for 8 s", Must: "requests are held until the soonest reset, and served",
			RealTime: true, Accounts: crowd(fifty, near(), near()),
			Play: func(ctx context.Context, r *Run) {
				var all sync.WaitGroup
				for _, n := range []int{20, 10} {
					for range n {
						all.Go(func() { r.Send(ctx, &r.Scenario.Ask) })
					}
					r.Pace.wait(ctx, 2*time.Second)
				}
				all.Wait()
			},
			Judge: func(r *Run, j *Judgement) {
				for _, a := range r.Answers {
					if j.whole(a, tokens, Fail) {
						j.within(r, a, nearReset+5*time.Second, Partial)
					}
				}
				early := 0
				for _, a := range r.Attempts {
					if a.At > 3*time.Second && a.At < nearReset-time.Second {
						early++
					}
				}
				j.want(early == 0, Partial, "%d attempts at accounts that had said that they were limited", early)
			},
		},
		{
			Name: "all-limited-far", Does: "fifty accounts, all 429, the first one's reset in 300 s, the others' in 600 s", Must: "a refusal whose Retry-After is true",
			RealTime: true, Accounts: crowd(fifty, "fail429-ra300", "fail429-ra600"),
			Play: func(ctx context.Context, r *Run) {
				for range fifty { // until every account has said so
					r.Send(ctx, &r.Scenario.Ask)
					if seen := r.accountsSeen(); seen == fifty {
						break
					}
				}
				r.Send(ctx, &r.Scenario.Ask)
			},
			Judge: judgeFar,
		},
		{
			Name: "one-organisation", Does: "429, and so would P's other key, of the same organisation", Must: "no attempt at the other key; F answers",
			Modes: organised,
			Accounts: func(m Mode) []Account {
				list := pf("fail429-ra30")(m)
				list[0].Organization = "acme"
				twin := list[0]
				twin.Name = "p2"
				return []Account{list[0], twin, list[1]}
			},
			Judge: func(r *Run, j *Judgement) {
				if j.whole(r.only(), tokens, Fail) {
					j.attempts(r, primary, 1, 1)
					j.attempts(r, "p2", 0, 0)
					j.attempts(r, fallback, 1, 1)
				}
			},
		},
	}
}

// organised: what is known of the accounts' limits is that an organisation shares them.
func organised(m Mode) string {
	switch {
	case m.compatible():
		return "a compatible endpoint has no organisations"
	case m.spoken() == domain.DialectGeminiContent:
		return "the limit is one of a model, which nobody is known to share"
	}
	return ""
}

func near() string {
	return fmt.Sprintf("fail429-ra%d-down%d", int(nearReset.Seconds()), nearReset.Milliseconds())
}

// accountsSeen is how many accounts have been asked so far.
func (r *Run) accountsSeen() int {
	n := 0
	for i := range r.accounts {
		if r.provider.Count(r.accounts[i].key()) > 0 {
			n++
		}
	}
	return n
}

func judgeFar(r *Run, j *Judgement) {
	for _, a := range r.Answers {
		j.want(a.Kind == Refusal, Fail, "no clean refusal: %s", a)
	}
	last := r.Answers[len(r.Answers)-1]
	first := r.at("a01")
	if !j.want(len(first) > 0, Fail, "the account with the soonest reset was never asked") {
		return
	}
	j.want(len(r.of(last.Request)) == 0, Partial, "%d attempts although every account had said that it was limited", len(r.of(last.Request)))
	j.want(last.Status == 429, Partial, "refused with status %d, not 429", last.Status)
	left := first[0].At + farReset - last.At
	seconds, err := strconv.Atoi(last.RetryAfter)
	if !j.want(err == nil, Partial, "no Retry-After: %q", last.RetryAfter) {
		return
	}
	// Not too early, and not so late that somebody waits for nothing; a little is spread.
	const spread = 30 * time.Second
	said := time.Duration(seconds) * time.Second
	j.want(said >= left-time.Second && said <= left+spread, Partial, "Retry-After says %s, and the first account is free in %s", said, short(left))
}
