package sched

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func price(nano domain.NanoUSD) func(*plan) { return func(p *plan) { p.TokenPrice = nano } }

// Under every strategy: nobody is chosen who may not be, somebody is where anybody may be, only of the best
// priority, and the same again.
func TestEveryStrategyKeepsTheRules(t *testing.T) {
	for i := range domain.NumStrategies {
		strategy := domain.Strategy(i)
		t.Run(strategy.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plans := drawPlans(t)
				for i := range plans {
					plans[i].TokenPrice = domain.NanoUSD(rapid.IntRange(0, 2).Draw(t, "price"))
				}
				for len(plans) > 0 && len(plans) < 60 && rapid.IntRange(0, 9).Draw(t, "more") == 0 { // beyond what is looked at one by one
					n := len(plans)
					for j := range n {
						p := plans[j]
						p.ID += domain.AccountID(n)
						plans = append(plans, p)
					}
				}
				r := drawRequest(t)
				v, cells := poolBy(strategy, plans)
				for _, p := range plans {
					sent, _ := p.Models.Resolve("m")
					stat := cells.Stat(p.ID, sent)
					for range rapid.IntRange(0, 2).Draw(t, "failures") {
						stat.Attempt(true, at.Add(-time.Second))
					}
				}
				d := Choose(v, r)
				may := eligible(plans, nil, r)
				var chosen, bound *plan
				best := math.MaxInt
				for i := range may {
					p := &may[i]
					if p.ID == idOf(d) {
						chosen = p
					}
					if p.ID == r.Bound {
						bound = p
					}
					best = min(best, p.Priority)
				}
				switch {
				case d.Candidate != nil && chosen == nil:
					t.Fatalf("account %d may not be chosen", idOf(d))
				case r.Pin != 0:
					if d.Candidate != nil && idOf(d) != r.Pin {
						t.Fatalf("pinned to %d, chose %d", r.Pin, idOf(d))
					}
				case d.Candidate == nil:
					if len(may) > 0 {
						t.Fatalf("none was chosen of %d", len(may))
					}
				case bound == nil && chosen.Priority != best:
					t.Fatalf("priority %d was chosen, %d is free", chosen.Priority, best)
				case bound != nil && chosen.Priority > bound.Priority:
					t.Fatalf("the session left priority %d for %d", bound.Priority, chosen.Priority)
				}
				if again := Choose(v, r); again != d {
					t.Fatalf("%+v, and then %+v", d, again)
				}
			})
		})
	}
}

func TestStrategies(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name     string
		strategy domain.Strategy
		plans    []plan
		want     domain.AccountID
		rule     Rule
	}{
		{"the longest unused, whatever its weight", domain.RoundRobin, []plan{account(1, weight(9), unused(s)), account(2, unused(2*s))}, 2, RuleTurn},
		{"the cheapest", domain.Cheapest, []plan{account(1, price(3000)), account(2, price(1000), busy(9), unused(s)), account(3, price(2000))}, 2, RulePrice},
		{"of equally cheap ones the least loaded", domain.Cheapest, []plan{account(1, price(1), busy(1), unused(s)), account(2, price(1)), account(3, price(2))}, 2, RuleLoad},
		{"the next price where the cheapest is full", domain.Cheapest, []plan{account(1, price(1), limit(1), busy(1), unused(s)), account(2, price(3)), account(3, price(2))}, 3, RulePrice},
		{"the first until it is full", domain.FillFirst, []plan{account(1, limit(2), busy(1), unused(s)), account(2)}, 1, RuleFirst},
		{"then the next", domain.FillFirst, []plan{account(1, limit(2), busy(2), unused(s)), account(2), account(3)}, 2, RuleFirst},
		{"the only one needs no strategy", domain.FillFirst, []plan{account(1, paused), account(2)}, 2, RuleOnly},
		{"priority comes before price", domain.Cheapest, []plan{account(1, priority(1), price(1)), account(2, price(3)), account(3, price(4))}, 2, RulePrice},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _ := poolBy(c.strategy, c.plans)
			if d := Choose(v, Request{Now: at, Seed: 1}); idOf(d) != c.want || d.Rule != c.rule {
				t.Errorf("chose %d by %v, want %d by %v", idOf(d), d.Rule, c.want, c.rule)
			}
		})
	}
}

// Lots are drawn in proportion to weights, also where only a sample of the pool is looked at.
func TestWeightedShares(t *testing.T) {
	for _, n := range []int{3, 40} {
		var plans []plan
		sum := 0
		for i := range n {
			plans = append(plans, account(domain.AccountID(i+1), weight(i%3+1)))
			sum += i%3 + 1
		}
		v, _ := poolBy(domain.Weighted, plans)
		rng := rand.New(rand.NewPCG(1, 2))
		var byWeight [4]int
		const requests = 60_000
		for range requests {
			byWeight[Choose(v, Request{Now: at, Seed: rng.Uint64()}).Candidate.Account.Weight]++
		}
		for w := 1; w <= 3; w++ {
			held := 0
			for _, p := range plans {
				if p.Weight == w {
					held += w
				}
			}
			share, want := float64(byWeight[w])/requests, float64(held)/float64(sum)
			if math.Abs(share-want) > 0.05*want+0.005 {
				t.Errorf("%d accounts: weight %d has %.3f of the requests, want %.3f", n, w, share, want)
			}
		}
	}
}

// However large a pool is, everybody in it has a share.
func TestSamplesReachEverybody(t *testing.T) {
	var plans []plan
	for i := range 200 {
		plans = append(plans, account(domain.AccountID(i+1)))
	}
	for _, strategy := range []domain.Strategy{domain.LeastLoaded, domain.Scored, domain.RoundRobin, domain.Weighted} {
		v, _ := poolBy(strategy, plans)
		used := map[domain.AccountID]int{}
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 20_000 {
			now := at.Add(time.Duration(i) * time.Millisecond)
			c := Choose(v, Request{Now: now, Seed: rng.Uint64()}).Candidate
			c.Live.Touch(now)
			used[c.ID]++
		}
		for _, p := range plans {
			if used[p.ID] < 25 || used[p.ID] > 300 {
				t.Errorf("%v: account %d has %d of 20000 requests", strategy, p.ID, used[p.ID])
			}
		}
	}
	// One that is free among full ones is found.
	for i := range plans {
		if i != 77 {
			limit(1)(&plans[i])
			busy(1)(&plans[i])
		}
	}
	for i := range domain.NumStrategies {
		v, _ := poolBy(domain.Strategy(i), plans)
		if d := Choose(v, Request{Now: at, Seed: 5}); idOf(d) != 78 {
			t.Errorf("%v: chose %d, only 78 is free", domain.Strategy(i), idOf(d))
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{3, 100, 10_000} {
		plans := make([]plan, n)
		for i := range plans {
			plans[i] = account(domain.AccountID(i+1), unused(time.Duration(i+1)*time.Second), busy(i%3), limit(8), price(domain.NanoUSD(1000+i%7)), weight(1+i%3))
		}
		for i := range domain.NumStrategies {
			v, cells := poolBy(domain.Strategy(i), plans)
			for j := range plans {
				stat := cells.Stat(plans[j].ID, "m")
				stat.FirstToken(time.Duration(j%9)*100*time.Millisecond, at)
				stat.Attempt(j%10 == 0, at)
			}
			shared := make([]Warm, mostWarm)
			for j := range shared {
				c := v.Candidates[j*n/mostWarm]
				shared[j] = Warm{Domain: c.Domain, Account: c.ID, Tokens: 9000, Until: at.Add(time.Minute)}
			}
			for name, r := range map[string]Request{"any": {Now: at}, "bound": {Now: at, Bound: domain.AccountID(n/2 + 1), WarmTokens: 9000, WarmUntil: at.Add(time.Minute)}, "shared": {Now: at, InputTokens: 20_000, Shared: shared}} {
				if name == "shared" && !scores(v) {
					continue
				}
				b.Run(fmt.Sprintf("%d/%v/%s", n, domain.Strategy(i), name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						r.Seed = mix(r.Seed, 1) // another part of a large pool each time
						if Choose(v, r).Candidate == nil {
							b.Fatal("none")
						}
					}
				})
			}
		}
	}
}

// Requests choose, take and give back at the same time.
func BenchmarkChooseContended(b *testing.B) {
	for _, n := range []int{3, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			plans := make([]plan, n)
			for i := range plans {
				plans[i] = account(domain.AccountID(i+1), limit(64))
			}
			v, _ := poolBy(domain.Scored, plans)
			var seeds atomic.Uint64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := Request{Now: at, Seed: mix(seeds.Add(1), 7)}
				for pb.Next() {
					r.Seed = mix(r.Seed, 1)
					c := Choose(v, r).Candidate
					if c.Live.TryAcquire(c.LimitNow(), at) {
						c.Live.Release()
					}
				}
			})
		})
	}
}
