package sched

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"turnout/internal/domain"
)

// scored is a pool by score; edit changes what is known of its accounts.
func scored(plans []plan, edit func(stat func(domain.AccountID) *Stat)) *View {
	v, cells := poolBy(domain.Scored, plans)
	if edit != nil {
		edit(func(id domain.AccountID) *Stat { return cells.Stat(id, "m") })
	}
	return v
}

// Each term alone says how many seconds an account is worse for it.
func TestTerms(t *testing.T) {
	near := func(got float32, want float64) bool { return math.Abs(float64(got)-want) < 0.001 }
	for _, c := range []struct {
		name  string
		plans []plan
		edit  func(stat func(domain.AccountID) *Stat)
		r     Request
		want  Score // of account 1
	}{
		{"nothing is known", []plan{account(1)}, nil, Request{}, Score{TermFirstToken: UnknownFirstToken}},
		{"a first token", []plan{account(1)}, func(stat func(domain.AccountID) *Stat) { stat(1).FirstToken(400*time.Millisecond, at) }, Request{}, Score{TermFirstToken: 0.4}},
		{
			"a first token of half an hour ago counts no more",
			[]plan{account(1)},
			func(stat func(domain.AccountID) *Stat) {
				stat(1).FirstToken(9*time.Second, at.Add(-31*time.Minute))
			},
			Request{},
			Score{TermFirstToken: UnknownFirstToken},
		},
		{
			"one failure, after no answer",
			[]plan{account(1)},
			func(stat func(domain.AccountID) *Stat) { stat(1).Attempt(true, at) },
			Request{},
			Score{TermFirstToken: UnknownFirstToken, TermErrors: RetrySeconds / 3}, // a quarter fails
		},
		{
			"failures weigh half after a minute",
			[]plan{account(1)},
			func(stat func(domain.AccountID) *Stat) {
				for range 6 {
					stat(1).Attempt(true, at.Add(-time.Minute))
				}
			},
			Request{},
			Score{TermFirstToken: UnknownFirstToken, TermErrors: RetrySeconds}, // 3 of 3 + 3
		},
		{"half of its limit is in use", []plan{account(1, limit(10), busy(5))}, nil, Request{}, Score{TermFirstToken: UnknownFirstToken, TermLoad: LoadSeconds / 2}},
		{"twice the weight is half the load", []plan{account(1, limit(10), weight(1), busy(5)), account(2, limit(10), weight(2))}, nil, Request{}, Score{TermFirstToken: UnknownFirstToken, TermLoad: LoadSeconds}},
		{
			"a price", // 7,500 tokens and 5 × 500 of the answer at $3 a million are $0.03
			[]plan{account(1, price(3000))},
			nil,
			Request{InputTokens: 7500},
			Score{TermFirstToken: UnknownFirstToken, TermCost: 3},
		},
		{
			"a warm cache, for all of its organisation", // 10,000 tokens: a second to read and $0.0345
			[]plan{account(1, organization("o"), limit(1)), account(2, organization("o"))},
			nil,
			Request{Bound: 2, WarmTokens: 10_000, WarmUntil: at.Add(time.Second)},
			Score{TermFirstToken: UnknownFirstToken, TermWarmth: -4.45},
		},
		{"no cache where it is another's", []plan{account(1), account(2)}, nil, Request{Bound: 2, WarmTokens: 10_000, WarmUntil: at.Add(time.Second)}, Score{TermFirstToken: UnknownFirstToken}},
		{
			"a beginning that is warm", // 10,000 tokens, as above
			[]plan{account(1)},
			nil,
			Request{InputTokens: 12_000, Shared: []Warm{{Domain: domainOf("\x00a1", "m"), Tokens: 10_000, Until: at.Add(time.Second)}}},
			Score{TermFirstToken: UnknownFirstToken, TermShared: -SharedWorth * 4.45},
		},
		{
			"a beginning that has expired",
			[]plan{account(1)},
			nil,
			Request{InputTokens: 12_000, Shared: []Warm{{Domain: domainOf("\x00a1", "m"), Tokens: 10_000, Until: at}}},
			Score{TermFirstToken: UnknownFirstToken},
		},
		{"the parent's account", []plan{account(1)}, nil, Request{Parent: 1}, Score{TermFirstToken: UnknownFirstToken, TermParent: -ParentSeconds}},
		{"the parent's organisation", []plan{account(1, organization("o")), account(2, organization("o"))}, nil, Request{Parent: 2}, Score{TermFirstToken: UnknownFirstToken, TermParent: -ParentSeconds * DomainShare}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := scored(c.plans, c.edit)
			c.r.Now, c.r.Pin = at, 1
			if c.r.Bound != 0 { // what is warm is known once the session's account has been looked at
				c.r.Pin = 0
				v.Candidates[v.place(2)].Live.TryAcquire(0, at)
				for range 40 {
					v.Candidates[v.place(2)].Live.TryAcquire(0, at)
				}
			}
			d := Choose(v, c.r)
			got := d.Score
			if idOf(d) != 1 {
				q := choice{v: v, r: &c.r, d: &d, nowMs: at.UnixMilli(), warm: c.r.warmAt(&v.Prices), domain: v.Find(c.r.Bound).Organization}
				got = q.score(v.Find(1), int64(v.Find(1).Live.InFlight()))
			} else if c.r.Parent != 0 {
				c.r.Pin = 0
				q := choice{v: v, r: &c.r, d: &d, nowMs: at.UnixMilli(), parentDomain: v.Find(c.r.Parent).Organization}
				got = q.score(v.Find(1), 0)
			}
			for i := range got {
				if !near(got[i], float64(c.want[i])) {
					t.Errorf("%v is %.4f s, want %.4f s", Term(i), got[i], c.want[i])
				}
			}
		})
	}
}

// A session stays while leaving would cost more than it brings, and leaves when it does not.
func TestStayOrLeave(t *testing.T) {
	slow := func(d time.Duration) func(func(domain.AccountID) *Stat) {
		return func(stat func(domain.AccountID) *Stat) {
			stat(1).FirstToken(d, at)
			stat(2).FirstToken(500*time.Millisecond, at)
		}
	}
	failing := func(n int) func(func(domain.AccountID) *Stat) {
		return func(stat func(domain.AccountID) *Stat) {
			for range n {
				stat(1).Attempt(true, at)
			}
		}
	}
	for _, c := range []struct {
		name string
		edit func(stat func(domain.AccountID) *Stat)
		warm int64
		want domain.AccountID
	}{
		{"equal accounts, nothing to lose", nil, 0, 1},
		{"a little slower, nothing to lose", slow(1400 * time.Millisecond), 0, 1},
		{"much slower, nothing to lose", slow(8 * time.Second), 0, 2},
		{"much slower, a little to lose", slow(8 * time.Second), 2_000, 2},
		{"much slower, much to lose", slow(8 * time.Second), 50_000, 1},
		{"failing now and then, much to lose", failing(2), 50_000, 1},
		{"failing again and again, a little to lose", failing(9), 2_000, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := scored([]plan{account(1), account(2)}, c.edit)
			d := Choose(v, Request{Now: at, Seed: 3, Bound: 1, WarmTokens: c.warm, WarmUntil: at.Add(time.Minute)})
			if idOf(d) != c.want || (d.Rule == RuleSticky) != (c.want == 1) || (d.Rule == RuleLeft) != (c.want == 2) {
				t.Errorf("chose %d by %v", idOf(d), d.Rule)
			}
			// The decision says what was weighed.
			other := d.RunnersUp[0]
			if d.Stay == 0 || other.Account == 0 || other.Account == idOf(d) {
				t.Errorf("%+v does not say what was weighed", d)
			}
		})
	}
}

// A better priority that is back steals no warm session, unless its score says so; a session with nothing to lose goes
// there.
func TestRecoverySteals(t *testing.T) {
	v := scored([]plan{account(1), account(2, priority(1))}, nil)
	for _, c := range []struct {
		warm int64
		want domain.AccountID
	}{{0, 1}, {50_000, 2}} {
		d := Choose(v, Request{Now: at, Bound: 2, WarmTokens: c.warm, WarmUntil: at.Add(time.Minute)})
		if idOf(d) != c.want {
			t.Errorf("with %d warm tokens: chose %d by %v, want %d", c.warm, idOf(d), d.Rule, c.want)
		}
	}
}

// Sub-agents begin at their parent's account and spread within its organisation as it fills.
func TestSubAgentsSpread(t *testing.T) {
	v := scored([]plan{account(1, limit(8)), account(2, limit(8), organization("o")), account(3, limit(8), organization("o"))}, nil)
	got := map[domain.AccountID]int{}
	for i := range uint64(16) {
		c := Choose(v, Request{Now: at, Seed: i * 977, Parent: 2}).Candidate
		if !c.Live.TryAcquire(c.LimitNow(), at) {
			t.Fatal("no slot")
		}
		got[c.ID]++
		if i == 0 && c.ID != 2 {
			t.Errorf("the first sub-agent began at %d", c.ID)
		}
	}
	if got[1] != 0 || got[3] < 4 || got[2] < 4 {
		t.Errorf("16 sub-agents went to %v; want all in the parent's organisation, and spread", got)
	}
	if c := Choose(v, Request{Now: at, Parent: 2}).Candidate; c.ID != 1 {
		t.Errorf("with the organisation full a sub-agent went to %d", c.ID)
	}
}

// The nearly equal share, by weight; who is clearly worse gets next to nothing.
func TestScoresShare(t *testing.T) {
	v := scored([]plan{account(1), account(2, weight(3)), account(3)}, func(stat func(domain.AccountID) *Stat) {
		stat(3).FirstToken(4*time.Second, at)
	})
	rng := rand.New(rand.NewPCG(1, 2))
	got := map[domain.AccountID]int{}
	for range 20_000 {
		d := Choose(v, Request{Now: at, Seed: rng.Uint64()})
		got[idOf(d)]++
		if d.Rule != RuleScore {
			t.Fatal(d.Rule)
		}
	}
	if share := float64(got[2]) / float64(got[1]); share < 2.8 || share > 3.2 || got[3] != 0 {
		t.Errorf("shares %v; want 1 to 3, and nothing for the slow one", got)
	}
}

// Reading while others write gives a value that somebody wrote.
func TestStatUnderLoad(t *testing.T) {
	var s Stat
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 10_000 {
			s.Attempt(i%2 == 0, at)
			s.FirstToken(time.Second, at)
		}
	}()
	for range 10_000 {
		if p := s.ErrorRate(at); p < 0 || p > 0.67 {
			t.Fatalf("an error rate of %v", p)
		}
		if d, ok := s.FirstTokenTime(at); ok && d != time.Second {
			t.Fatalf("a first token after %v", d)
		}
	}
	<-done
	if p := s.ErrorRate(at.Add(time.Hour)); p > 0.001 {
		t.Errorf("an error rate of %v after an hour", p)
	}
}
