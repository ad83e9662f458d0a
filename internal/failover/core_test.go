package failover

import (
	"reflect"
	"testing"
	"time"

	"turnout/internal/domain"
)

// Requests that wait for the same account do not come back in one instant: each
// that finds others ahead waits so much longer, as far as its budgets allow it.
func TestPace(t *testing.T) {
	p := steady(Balanced())
	for _, tt := range []struct {
		name  string
		o     Outcome
		until time.Duration
		want  time.Duration
	}{
		{"alone", failing(Transient), 0, 500 * ms},
		{"100 ahead", failing(Transient, ahead(100)), 0, 1300 * ms},
		{"a crowd", failing(Transient, ahead(1_000_000)), 0, 5500 * ms},
		{"a caller that will not wait so long", failing(Transient, ahead(1_000_000)), 2 * s1, 2 * s1},
		{"a stated reset", failing(Transient, stating(2*s1), ahead(250)), 0, 4 * s1},
	} {
		s := NewState(Session{}, 1)
		s.HoldUntil = tt.until
		s, d := AfterFailure(p, s, tt.o)
		if d.Action != RetrySame || d.Wait != tt.want || s.Waited != tt.want {
			t.Errorf("%s: %s after %s (%s counted), want %s", tt.name, d.Action, d.Wait, s.Waited, tt.want)
		}
	}
	if _, d := AfterFailure(Classic(), NewState(Session{}, 1), failing(Transient, ahead(100), func(o *Outcome) { o.RetrySame = true })); d.Wait != 500*ms {
		t.Errorf("classic waits %s", d.Wait)
	}
}

// A wait goes on while the account that it is for still rests, as long as the rule and the budgets allow it for what is
// left, and is no further use of the rule.
func TestAfterWait(t *testing.T) {
	p, bound := Balanced(), NewState(boundTo1, 1)
	p.Waiting = time.Minute
	edit := func(f func(*Policy)) Policy { p := p; f(&p); return p }
	round := Decision{Action: Round, Wait: 6 * s1, Reason: ReasonRound, N: 1, Max: 1, After: []Effect{{Kind: EffectForget}}}
	stay := Decision{Action: RetrySame, Account: 1, Wait: 6 * s1, Reason: ReasonStayCheaper, N: 1, Max: 1}
	reset := Decision{Action: RetrySame, Account: 1, Wait: 2 * s1, Reason: ReasonStatedReset, N: 1, Max: 1}
	backoff := Decision{Action: RetrySame, Account: 1, Wait: 500 * ms, Reason: ReasonSameAccount, N: 1, Max: 1}
	cold := func(o *Outcome) { o.Stake.Tokens = 2000 }
	for _, tt := range []struct {
		name  string
		p     Policy
		until time.Duration
		d     Decision
		o     Outcome
		wait  time.Duration
		why   Reason
	}{
		{"a round", p, 0, round, failing(RateLimited, stating(5*ms)), 5 * ms, ReasonStillResting},
		{"as far apart as before", p, 0, round, failing(RateLimited, stating(5*ms), ahead(100)), 805 * ms, ReasonStillResting},
		{"whatever the cause of the rest", p, 0, round, failing(Permission, stating(5*ms)), 5 * ms, ReasonStillResting},
		{"a rest that is over", p, 0, round, failing(RateLimited, stating(0)), 0, ReasonRestOver},
		{"a rest without an end", p, 0, round, failing(RateLimited), 0, ReasonCauseLasts},
		{"longer than the longest", p, 0, round, failing(RateLimited, stating(20*s1+1)), 0, ReasonWaitTooLong},
		{"beyond the budget of waiting", edit(func(p *Policy) { p.Waiting = s1 - 1 }), 0, round, failing(RateLimited, stating(s1)), 0, ReasonWaitTooLong},
		{"beyond the time", p, 0, round, failing(RateLimited, stating(s1), spent(p.Total)), 0, ReasonWaitTooLong},
		{"beyond what the caller bears", p, 45 * s1, round, failing(RateLimited, stating(s1), spent(44*s1+1)), 0, ReasonWaitTooLong},
		{"a session", p, 0, stay, failing(RateLimited, warm, stating(s1)), s1, ReasonStillResting},
		{"a session that had better move", p, 0, stay, failing(RateLimited, warm, cold, stating(s1)), 0, ReasonMoveCheaper},
		{"a session, for a cause that lasts", p, 0, stay, failing(Credential, warm, stating(s1)), 0, ReasonCauseLasts},
		{"a reset that was near", p, 0, reset, failing(Transient, stating(3*s1)), 3 * s1, ReasonStillResting},
		{"and is no more", p, 0, reset, failing(Transient, stating(3*s1+1)), 0, ReasonWaitTooLong},
		{"a backoff is for no rest", p, 0, backoff, failing(Transient, stating(s1)), 0, ReasonSameAccount},
		{"a switch neither", p, 0, Decision{Action: Switch, Wait: s1, Reason: ReasonSwitch}, failing(Transient, stating(s1)), 0, ReasonSwitch},
		{"classic: a round", Classic(), 0, round, failing(Transient, stating(ms)), 0, ReasonCauseLasts},
		{"classic: grace", Classic(), 0, Decision{Action: RetrySame, Account: 1, Wait: s1, Reason: ReasonGrace}, failing(Transient, stating(ms)), 0, ReasonCauseLasts},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := bound
			before.HoldUntil = tt.until
			s, on := AfterWait(tt.p, before, tt.o, tt.d)
			if on.Wait != tt.wait || on.Reason != tt.why || on.Action != tt.d.Action || on.Account != tt.d.Account || on.N != tt.d.N || len(on.After) != 0 {
				t.Errorf("got %+v", on)
			}
			if before.Waited += on.Wait; !reflect.DeepEqual(s, before) {
				t.Errorf("it counts for more than the wait: %+v", s)
			}
		})
	}
}

func ahead(n int) func(*Outcome) { return func(o *Outcome) { o.Ahead = n } }

// No wait ends later than a JSON caller can be held.
func TestHoldUntil(t *testing.T) {
	s := NewState(Session{}, 1)
	s.HoldUntil = 10 * s1
	if _, d := AfterNoCandidate(Balanced(), s, 9*s1, true, 0); d.Action != Round || d.Wait != 9*s1 {
		t.Errorf("a near reset: %+v", d)
	}
	if _, d := AfterNoCandidate(Balanced(), s, 11*s1, true, 0); d.Action != GiveUp {
		t.Errorf("a reset past it: %+v", d)
	}
}

// A model that is still to be fallen back to has an attempt left, whatever happens to the asked one.
func TestFallback(t *testing.T) {
	p := Balanced()
	s := NewState(Session{HasBound: true, BoundKnown: true, Bound: 1}, 1)
	s.Reserved = 1
	attempts := 0
	for { // accounts 1, 2, 3, …, each with one failure that is not retried there
		o := failing(ModelGone)
		o.Account, o.Alternative, o.AlternativeWell = domain.AccountID(1+attempts), domain.AccountID(2+attempts), true
		var d Decision
		s, d = AfterFailure(p, s, o)
		attempts++
		if d.Action != Switch {
			break
		}
	}
	if attempts != p.Attempts-1 {
		t.Fatalf("%d attempts before the fallback, want all of %d but the one that is kept", attempts, p.Attempts)
	}
	before := clone(s)
	next, d := AfterExhausted(p, s, "other", 0)
	if d.Action != Fallback || d.Reason != ReasonFallback || d.Detail != "other" || next.Failed() != nil || next.Attempts != attempts || next.Reserved != 0 || next.Session.HasBound {
		t.Errorf("%+v\n%+v", d, next)
	}
	if s.Attempts != before.Attempts || len(s.Accounts) != len(before.Accounts) {
		t.Error("the state was modified")
	}
	o := failing(Transient)
	if next, d = AfterFailure(p, next, o); d.Action != GiveUp || next.Attempts != p.Attempts {
		t.Errorf("after the last attempt: %+v", d)
	}
	if _, d = AfterExhausted(p, next, "third", 0); d.Action != GiveUp || d.Reason != ReasonAttemptsUsed {
		t.Errorf("a fallback beyond the attempts: %+v", d)
	}
	late := s
	late.Last.Spent = p.Total
	if _, d = AfterExhausted(p, late, "other", 0); d.Reason != ReasonTotalUsed {
		t.Errorf("a fallback beyond the time: %+v", d)
	}
}

// A free model is not kept waiting for a provider that is out of capacity, nor for a
// warm cache that would be lost by either.
func TestFallbackBeforeWaiting(t *testing.T) {
	p := Balanced()
	s := NewState(Session{}, 1)
	s.CapacitySwitches = p.CapacitySwitches
	if _, d := AfterFailure(p, s, failing(Capacity)); d.Action != Round {
		t.Errorf("without another model: %+v", d)
	}
	if _, d := AfterFailure(p, s, failing(Capacity, func(o *Outcome) { o.Fallback = true })); d.Action != GiveUp {
		t.Errorf("with another model: %+v", d)
	}
}

// A probe that failed has found out that the account is not back: it is not asked again at once.
func TestProbeIsNotRetried(t *testing.T) {
	probe := func(o *Outcome) { o.Probe, o.Alternative, o.AlternativeWell = true, 2, true }
	if _, d := AfterFailure(Balanced(), NewState(Session{}, 1), failing(Transient, probe)); d.Action != Switch {
		t.Errorf("%+v", d)
	}
	if _, d := AfterFailure(Balanced(), NewState(Session{}, 1), failing(Transient, probe, stating(s1))); d.Action != RetrySame {
		t.Errorf("with a reset a second away: %+v", d)
	}
	if _, d := AfterFailure(Classic(), NewState(Session{}, 1), failing(Transient, probe, func(o *Outcome) { o.RetrySame = true })); d.Action != RetrySame {
		t.Errorf("classic knows no probes: %+v", d)
	}
}

func TestAfterOvertaken(t *testing.T) {
	s := NewState(Session{}, 1)
	if _, e := AfterOvertaken(Balanced(), s, failing(Unknown, func(o *Outcome) { o.Streak = 2 })); len(e) != 0 {
		t.Errorf("twice in a row: %+v", e)
	}
	if _, e := AfterOvertaken(Balanced(), s, failing(Unknown, func(o *Outcome) { o.Streak = 3 })); len(e) != 1 || e[0].Class != FirstTokenLate {
		t.Errorf("three in a row: %+v", e)
	}
}

// Of fifty accounts that are all limited not every one is asked: once the switches are
// used, the first that returns is waited for, if that is soon.
func TestManyLimitedAccounts(t *testing.T) {
	for _, c := range []struct {
		soonest time.Duration
		class   Class
		want    Action
	}{{8 * s1, RateLimited, Round}, {0, RateLimited, GiveUp}, {21 * s1, RateLimited, GiveUp}, {8 * s1, Credential, GiveUp}} {
		s := NewState(Session{}, 1)
		s.Switches = Balanced().Switch.Max
		_, d := AfterFailure(Balanced(), s, failing(c.class, stating(30*s1), func(o *Outcome) { o.Soonest = c.soonest }))
		if d.Action != c.want || d.Action == Round && d.Wait != c.soonest || len(d.Before) != 1 {
			t.Errorf("%s, the first returns in %s: %+v", c.class, c.soonest, d)
		}
	}
}

// Whoever waits for a silent account is helped by one that answers, also while the
// provider's retry budget is used up: one for each request is no hammering.
func TestBesideAWellAccount(t *testing.T) {
	o := failing(FirstTokenLate, func(o *Outcome) { o.NoRetries, o.Alternative, o.Silent = true, 2, 8*s1 })
	if _, d := AtSoftLimit(Balanced(), NewState(Session{}, 1), o); d.Action != Await || d.Reason != ReasonRetriesUsed {
		t.Errorf("beside one that failed as well: %+v", d)
	}
	o.AlternativeWell = true
	if _, d := AtSoftLimit(Balanced(), NewState(Session{}, 1), o); d.Action != Beside {
		t.Errorf("beside one that is well: %+v", d)
	}
}

// A switch that waits for nothing does not wait for those who wait for the account that it leaves.
func TestSwitchIsNotPaced(t *testing.T) {
	p := Balanced()
	o := Outcome{Account: 1, Class: Credential, Ahead: 500, Alternative: 2}
	if _, d := AfterFailure(p, NewState(Session{}, 1), o); d.Action != Switch || d.Wait != 0 {
		t.Errorf("%+v", d)
	}
}
