package sched

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

// Faults that a review found, each with the choice that was wrong.

// What is warm is so for all of the organisation, also while the session's own account is out.
func TestWarmthOutlivesItsAccount(t *testing.T) {
	for _, how := range []string{"resting", "excluded"} {
		v := scored([]plan{account(1, organization("o")), account(2, organization("o")), account(3)}, func(stat func(domain.AccountID) *Stat) {
			stat(2).FirstToken(2500*time.Millisecond, at)
			stat(3).FirstToken(900*time.Millisecond, at)
		})
		r := Request{Now: at, Bound: 1, WarmTokens: 150_000, WarmUntil: at.Add(4 * time.Minute)}
		if how == "resting" {
			v.Candidates[v.place(1)].Rests[RestAccount].Extend(at.Add(time.Hour), 1, EndStated)
		} else {
			r.Exclude = []domain.AccountID{1}
		}
		for i := range uint64(100) {
			r.Seed = mix(i, 7)
			d := Choose(v, r)
			if idOf(d) != 2 {
				t.Fatalf("%s: the session went to %d, its cache is at 2", how, idOf(d))
			}
			for _, row := range Explain(v, r) { // which shows what the choice saw
				if row.Candidate.ID == 2 && row.Score != d.Score {
					t.Fatalf("chosen with %v, explained with %v", d.Score, row.Score)
				}
			}
		}
	}
}

// A sample of a large pool holds those that there is a reason to go to.
func TestSamplesKnowTheirOwn(t *testing.T) {
	var plans []plan
	for i := 1; i <= 100; i++ {
		org := ""
		if i == 11 || i == 87 {
			org = "o"
		}
		plans = append(plans, account(domain.AccountID(i), limit(10), organization(org)))
	}
	v := scored(plans, nil)
	for i := range uint64(500) {
		if got := idOf(Choose(v, Request{Now: at, Seed: mix(i, 3), Parent: 7})); got != 7 {
			t.Fatalf("a sub-agent of one at 7 began at %d", got)
		}
	}
	v.Find(11).Stat.FirstToken(90*time.Second, at) // so slow that it is left
	for i := range uint64(500) {
		if got := idOf(Choose(v, Request{Now: at, Seed: mix(i, 3), Bound: 11, WarmTokens: 150_000, WarmUntil: at.Add(time.Minute)})); got != 87 {
			t.Fatalf("a session whose cache is in the organisation went to %d", got)
		}
	}
}

// In a large pool one heavy account has what its weight says.
func TestSamplesKeepWeights(t *testing.T) {
	for _, strategy := range []domain.Strategy{domain.Weighted, domain.Scored} {
		plans := []plan{account(1, weight(100))}
		for i := 2; i <= 100; i++ {
			plans = append(plans, account(domain.AccountID(i)))
		}
		v, _ := poolBy(strategy, plans)
		got := 0
		const total = 20_000
		for i := range uint64(total) {
			if idOf(Choose(v, Request{Now: at, Seed: mix(i, 3)})) == 1 {
				got++
			}
		}
		// Scores draw sixteen by weight and then one of them by lot, so the heaviest has somewhat less than its half.
		if share := float64(got) / total; share < 0.04 || strategy == domain.Weighted && (share < 0.47 || share > 0.53) {
			t.Errorf("%v: a share of %.3f", strategy, share)
		}
	}
}

// A stream that was given up counts as at least that slow, and makes nobody quicker.
func TestSlower(t *testing.T) {
	var s Stat
	s.Slower(100*time.Millisecond, at)
	if _, ok := s.FirstTokenTime(at); ok {
		t.Error("a stream that was given up at once says nothing")
	}
	s.Slower(10*time.Second, at)
	if d, ok := s.FirstTokenTime(at); !ok || d != 10*time.Second {
		t.Errorf("%v, %v", d, ok)
	}
	s.Slower(2*time.Second, at)
	if d, _ := s.FirstTokenTime(at); d != 10*time.Second {
		t.Errorf("%v", d)
	}
}

// A refusal that is taken back leaves no wall behind.
func TestAllowedAgain(t *testing.T) {
	v, cells := poolBy(domain.Scored, []plan{account(1), account(2)})
	q, reset := cells.Quota(AccountQuotaKey(1)), at.Add(6*24*time.Hour)
	week := domain.QuotaReading{Window: "7d", Length: 7 * 24 * time.Hour, Used: 1, Remaining: -1, Status: domain.QuotaRejected, Reset: reset}
	q.Observe(&week, at)
	if !v.Find(1).Draining(at.Add(time.Second)) {
		t.Error("a refused account is open")
	}
	week.Used, week.Status = -1, domain.QuotaAllowed
	q.Observe(&week, at.Add(time.Minute))
	if v.Find(1).Draining(at.Add(2 * time.Minute)) {
		t.Error("an account that is allowed again is kept away from")
	}
}

// The window that resets first is worth nothing while another one is used up.
func TestSoonestResetNeedsRoom(t *testing.T) {
	v, cells := poolBy(domain.SoonestReset, []plan{account(1), account(2)})
	read := func(id domain.AccountID, name string, length time.Duration, used float64) {
		cells.Quota(AccountQuotaKey(id)).Observe(&domain.QuotaReading{Window: name, Length: length, Used: used, Remaining: -1, Reset: at.Add(length / 2)}, at)
	}
	read(1, "7d", 7*24*time.Hour, 1)
	read(1, "5h", time.Hour, .1)
	read(2, "5h", 5*time.Hour, .1)
	if d := Choose(v, Request{Now: at.Add(time.Second), Seed: 1}); idOf(d) != 2 {
		t.Errorf("chose %d by %v", idOf(d), d.Rule)
	}
}

// The question whether a rest is over before its end, asked every six hours, is spent by whoever asks it: not by one that could not, and not by
// one that left before it knew.
func TestAskIsNotSpentUnasked(t *testing.T) {
	rests := func() (*Candidate, *Rest, *Rest) {
		quota, other := &Rest{}, &Rest{}
		quota.Extend(at.Add(7*24*time.Hour), 1, EndStated)
		quota.AskAgain(at.Add(AskEarly))
		c := &Candidate{}
		for i := range c.Rests {
			c.Rests[i] = &Rest{}
		}
		c.Rests[0], c.Rests[1] = quota, other
		return c, quota, other
	}
	now := at.Add(AskEarly + time.Minute)
	c, quota, other := rests()
	other.Extend(now.Add(-time.Second), 2, EndGuessed)
	if !other.TryProbe(now) { // somebody else probes another circuit of the account
		t.Fatal("no probe")
	}
	if c.TryProbe(now) || c.Asking() || !quota.due(now.UnixMilli()) {
		t.Error("one that could not ask has spent the question")
	}
	c, quota, _ = rests()
	if !c.TryProbe(now) || !c.Asking() || quota.due(now.UnixMilli()) {
		t.Fatal("nobody asks")
	}
	c.ReturnProbe()
	if c.Asking() || !quota.due(now.UnixMilli()) {
		t.Error("one that left before it knew has spent the question")
	}
	if !c.TryProbe(now) {
		t.Fatal("nobody asks")
	}
	c.EndProbe() // it has asked, and the rest goes on
	if quota.due(now.Add(time.Hour).UnixMilli()) || !quota.due(now.Add(AskEarly).UnixMilli()) {
		t.Error("the question is not asked every six hours")
	}
}
