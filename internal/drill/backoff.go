package drill

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// jittered is how many percent of a rest whose end is a guess are taken off at most.
const jittered = 20

// The short wait before the same account is asked again. No clock shortens it.
const (
	sameLeast = 200 * time.Millisecond
	sameMost  = 500 * time.Millisecond
)

// Three accounts that are limited together, and how often somebody asks.
const (
	limitedAccounts = 3
	backoffEvery    = 300 * time.Millisecond
	backoffLasts    = 35 * time.Second
)

// errorOften: each request's first attempt fails, and the waits before the second ones
// are not one and the same.
func errorOften() *Scenario {
	const requests = 6
	return &Scenario{
		Name: "error-often", Does: "500 at every second attempt; six requests", Must: "each is tried once more at P, after 200 to 500 ms and not after the same time",
		Accounts: pf("fail500-share50"),
		Play: func(ctx context.Context, r *Run) {
			for range requests {
				r.Send(ctx, &r.Scenario.Ask)
			}
		},
		Judge: func(r *Run, j *Judgement) {
			var gaps []time.Duration
			for _, a := range r.Answers {
				j.whole(a, tokens, Fail)
				of := r.of(a.Request)
				for i := 1; i < len(of); i++ {
					gaps = append(gaps, of[i].At-of[i-1].At-of[i-1].Took)
				}
			}
			j.attempts(r, fallback, 0, 0)
			if !j.want(len(gaps) >= requests/2, Partial, "only %d requests were tried once more", len(gaps)) {
				return
			}
			for _, g := range gaps {
				j.want(g >= sameLeast-time.Millisecond && g <= sameMost+r.Pace.Slack, Partial, "P was asked again after %s", short(g))
			}
			j.want(spread(gaps) > time.Millisecond, Partial, "P was always asked again after %s: there is no jitter", short(gaps[0]))
		},
	}
}

// spread is the distance of the largest from the smallest.
func spread(d []time.Duration) time.Duration {
	least, most := d[0], d[0]
	for _, x := range d {
		least, most = min(least, x), max(most, x)
	}
	return most - least
}

// limitedBackoff: accounts that were limited together are asked again after rests that
// grow as the policy says, and not all at once.
func limitedBackoff() *Scenario {
	return &Scenario{
		Name: "limited-backoff", Does: "three accounts, always 429, no Retry-After; three requests a second for 35 s", Must: "all served by F; each is asked again after the policy's rest, twice as long each time, less up to 20 %, and not all at the same times",
		Lasts: backoffLasts,
		Accounts: func(m Mode) []Account {
			return append(crowd(limitedAccounts, "fail429", "fail429")(m), pf("")(m)[1])
		},
		Play: func(ctx context.Context, r *Run) {
			var all sync.WaitGroup
			for at := time.Duration(0); at < backoffLasts; at += backoffEvery {
				all.Go(func() { r.Send(ctx, &r.Scenario.Ask) })
				if !r.Pace.wait(ctx, backoffEvery) {
					break
				}
			}
			all.Wait()
		},
		Judge: func(r *Run, j *Judgement) {
			for _, a := range r.Answers {
				j.whole(a, tokens, Fail)
			}
			by := restOf(&r.pool.Policy, "rate_limited")
			var second, third []time.Duration // the gaps before the second and the third attempt
			for i := range limitedAccounts {
				name := fmt.Sprintf("a%02d", i+1)
				due := by.first
				at := moments(r.at(name))
				for n := 1; n < len(at); n++ {
					gap := at[n] - at[n-1]
					least := r.Pace.of(due * (100 - jittered) / 100)
					j.want(gap >= least && r.Pace.within(gap, due+2*backoffEvery), Partial, "%s was asked for the %s time after %s, and its rest is %s", name, ordinal(n+1), short(r.Pace.told(gap)), short(due))
					due = min(2*due, by.most)
					switch n {
					case 1:
						second = append(second, gap)
					case 2:
						third = append(third, gap)
					}
				}
			}
			if len(second) < 2 || len(third) < 2 || r.pool.Policy.Profile == profileClassic { // which has no jitter
				return
			}
			j.want(max(spread(second), spread(third)) > r.Pace.of(backoffEvery)/2, Partial, "all accounts were asked again at the same times: there is no jitter")
		},
	}
}

func ordinal(n int) string {
	names := [...]string{"zeroth", "first", "second", "third", "fourth", "fifth"}
	if n < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%dth", n)
}
