package drill

import (
	"bytes"
	"context"
	"time"
)

// leastBad: where more than a part of a pool would rest on guesses, somebody is asked all
// the same.
func leastBad() *Scenario {
	const failing = 3
	return &Scenario{
		Name: "least-bad", Does: "and F too, always 500 until both rest, then both healthy", Must: "the least bad account is asked while both rest, and answers at once",
		RealTime: true, // its waits at one account are not shortened, and the rests must outlast them
		Accounts: func(m Mode) []Account {
			list := pf("fail500")(m)
			list[1].Behaviour = list[0].Behaviour
			return list
		},
		Play: func(ctx context.Context, r *Run) {
			for range failing {
				r.Send(ctx, &r.Scenario.Ask)
			}
			r.heal()
			r.Send(ctx, &r.Scenario.Ask)
		},
		Judge: func(r *Run, j *Judgement) {
			for _, a := range r.Answers[:failing] {
				j.want(a.Kind == Refusal, Fail, "no clean error: %s", a)
			}
			last := r.Answers[failing]
			if !j.whole(last, tokens, Fail) {
				return
			}
			j.within(r, last, time.Second, Partial)
			j.want(len(r.of(last.Request)) == 1, Partial, "%d attempts", len(r.of(last.Request)))
			rec := r.record(last)
			j.want(rec != nil && bytes.Contains(rec.Trace, []byte(`"least_bad"`)), Partial, "the decision does not say that the least bad account was used")
		},
	}
}

// heal lets every account answer from the next request on.
func (r *Run) heal() {
	for i := range r.accounts {
		r.Set(r.accounts[i].Name, words(""))
	}
}
