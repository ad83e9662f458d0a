package failover

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestBothAmountsAreNamed(t *testing.T) {
	for reset, want := range map[time.Duration]string{
		8 * s1: "waiting 8s costs $0.0800, moving 100000 cached tokens $0.4450",
		9 * s1: "waiting 9s costs $0.0900, moving 2000 cached tokens $0.0089",
	} {
		o := failing(RateLimited, warm, stating(reset))
		if reset == 9*s1 {
			o.Stake.Tokens = 2000
		}
		if _, d := AfterFailure(Balanced(), NewState(boundTo1, 1), o); d.Detail != want {
			t.Errorf("%v: %q, want %q", reset, d.Detail, want)
		}
	}
}

func TestStayOrMove(t *testing.T) {
	p, bound := Balanced(), NewState(boundTo1, 1)
	off := 0
	stay := func(wait time.Duration, why Reason) Decision {
		return Decision{Action: RetrySame, Account: 1, Wait: wait, Reason: why, N: 1, Max: 1}
	}
	move := func(why Reason) Decision { return Decision{Action: Switch, Reason: why} }
	tests := []struct {
		name string
		p    Policy
		s    State
		o    Outcome
		want Decision // Detail apart
	}{
		{"worth waiting", p, bound, failing(RateLimited, warm, stating(8*s1)), stay(8*s1, ReasonStayCheaper)},
		{"not worth it", p, bound, failing(RateLimited, warm, stating(8*s1), func(o *Outcome) { o.Stake.Tokens = 2000 }), move(ReasonMoveCheaper)},
		{"too long", p, bound, failing(RateLimited, warm, stating(20*s1+1)), move(ReasonWaitTooLong)},
		{"nothing at stake", p, bound, failing(RateLimited, stating(s1)), move(ReasonNoStake)},
		{"the stake expires", p, bound, failing(RateLimited, warm, stating(s1), func(o *Outcome) { o.Stake.Expires = s1 }), move(ReasonStakeExpires)},
		{"nowhere else", p, bound, failing(RateLimited, warm, stating(20*s1), func(o *Outcome) { o.Alternative = 0 }), stay(20*s1, ReasonNowhereElse)},
		{"a refused credential", p, bound, failing(Credential, warm, stating(s1)), move(ReasonCauseLasts)},
		{"a rest without an end", p, bound, failing(RateLimited, warm), move(ReasonCauseLasts)},
		{"the rest is over", p, bound, failing(RateLimited, warm, stating(0)), Decision{Action: RetrySame, Account: 1, Reason: ReasonRestOver}},
		{"not the bound account", p, bound, failing(RateLimited, warm, stating(s1), by(2)), move(ReasonSwitch)},
		{"excluded by this request", p, after(p, bound, failing(Credential)), failing(RateLimited, warm, stating(s1)), move(ReasonSwitch)},
		{"grace is used", p, first(AfterFailure(p, bound, failing(RateLimited, warm))), failing(RateLimited, warm, stating(s1)), move(ReasonSwitch)},
		{"grace is off", p.With(Override{GraceRetries: &off}), bound, failing(RateLimited, warm, stating(s1)), move(ReasonSwitch)},
		{"classic moves", Classic(), bound, failing(RateLimited, warm, stating(s1)), move(ReasonSwitch)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, d := StayOrMove(tt.p, tt.s, tt.o)
			weighed := d.Reason == ReasonStayCheaper || d.Reason == ReasonMoveCheaper
			if weighed != (d.Detail != "") {
				t.Errorf("%s with detail %q", d.Reason, d.Detail)
			}
			d.Detail = ""
			if !reflect.DeepEqual(d, tt.want) {
				t.Errorf("got  %+v\nwant %+v", d, tt.want)
			}
			if s.Attempts != tt.s.Attempts || s.Switches != tt.s.Switches || !reflect.DeepEqual(s.Accounts, tt.s.Accounts) || s.Waited != tt.s.Waited+d.Wait {
				t.Errorf("the state counts more than the wait: %+v", s)
			}
		})
	}
}

func first(s State, _ Decision) State { return s }

func TestAtSoftLimit(t *testing.T) {
	p, fresh := Balanced(), NewState(Session{}, 1)
	bound := NewState(boundTo1, 1)
	one, two := 1, 2
	slow := func(edit ...func(*Outcome)) Outcome {
		o := failing(Unknown, edit...)
		if o.Alternative == 0 {
			o.Alternative = 2
		}
		o.Spent = 8 * s1
		return o
	}
	silent := func(d time.Duration) func(*Outcome) { return func(o *Outcome) { o.Silent = d } }
	tests := []struct {
		name   string
		p      Policy
		s      State
		o      Outcome
		action Action
		why    Reason
		again  time.Duration
	}{
		{"nothing at stake", p, fresh, slow(), Beside, ReasonSlow, 0},
		{"once in a request", p, first(AtSoftLimit(p, fresh, slow())), slow(), Await, ReasonBesideUsed, 0},
		{"nobody else", p, fresh, slow(func(o *Outcome) { o.Alternative = 1 }), Await, ReasonNoAlternative, 8 * s1},
		{"the alternative has failed", p, after(p, fresh, failing(Credential, by(2))), slow(), Await, ReasonNoAlternative, 8 * s1},
		{"its organisation has failed", p, after(p, fresh, failing(RateLimited, by(3), func(o *Outcome) { o.Scope, o.Organization = ScopeOrganization, "acme" })),
			slow(func(o *Outcome) { o.AlternativeOrganization = "acme" }), Await, ReasonNoAlternative, 8 * s1},
		{"two attempts: the slow one and another", p.With(Override{Attempts: &two}), fresh, slow(), Beside, ReasonSlow, 0},
		{"one attempt", p.With(Override{Attempts: &one}), fresh, slow(), Await, ReasonAttemptsUsed, 0},
		{"attempts under way count", p.With(Override{Attempts: &two}), fresh, slow(func(o *Outcome) { o.Running = 1 }), Await, ReasonAttemptsUsed, 0},
		{"committed", p, fresh, slow(func(o *Outcome) { o.Committed = true }), Await, ReasonCommitted, 0},
		{"a stake dearer than waiting on", p, bound, slow(warm), Await, ReasonWaitCheaper, 26*s1 + 500*ms + 1},
		{"asked again then", p, bound, slow(warm, silent(34*s1+500*ms+1)), Await, ReasonWaitCheaper, ms},
		{"and a moment later", p, bound, slow(warm, silent(34*s1+501*ms)), Beside, ReasonSlow, 0},
		{"a long silence", p, bound, slow(warm, silent(time.Minute)), Beside, ReasonSlow, 0},
		{"the same organisation's cache", p, bound, slow(warm, func(o *Outcome) { o.Organization, o.AlternativeOrganization = "acme", "acme" }), Beside, ReasonSlow, 0},
		{"a provider that browns out", p, fresh, slow(func(o *Outcome) { o.NoRetries = true }), Await, ReasonRetriesUsed, 8 * s1},
		{"a hedge", p, fresh, slow(func(o *Outcome) { o.Hedge = true }), Beside, ReasonHedge, 0},
		{"no hedge where something is warm", p, bound, slow(warm, silent(time.Hour), func(o *Outcome) { o.Hedge = true }), Await, ReasonWaitCheaper, 0},
		{"no hedge beyond the retry budget", p, fresh, slow(func(o *Outcome) { o.Hedge, o.NoRetries, o.AlternativeWell = true, true, true }), Await, ReasonRetriesUsed, 0},
		{"no hedge to nobody", p, fresh, slow(func(o *Outcome) { o.Hedge, o.Alternative = true, 1 }), Await, ReasonNoAlternative, 8 * s1},
		{"the total", p.With(Override{Total: new(8 * s1)}), fresh, slow(), Await, ReasonTotalUsed, 0},
		{"classic starts nobody beside", Classic(), fresh, slow(), Await, ReasonBesideUsed, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, d := AtSoftLimit(tt.p, tt.s, tt.o)
			if d.Action != tt.action || d.Reason != tt.why || d.Wait != tt.again || len(d.Before)+len(d.After) != 0 {
				t.Errorf("got %+v", d)
			}
			if begun := s.Besides - tt.s.Besides; (begun == 1) != (d.Action == Beside) {
				t.Errorf("%d begun", begun)
			}
			if s.Besides = tt.s.Besides; !reflect.DeepEqual(s, tt.s) {
				t.Errorf("the state changed: %+v", s)
			}
		})
	}
}

// The attempt that is left of two goes on; only after it does the core decide.
func TestTheLoserOfTwoDoesNotDecide(t *testing.T) {
	p := Balanced()
	s := first(AtSoftLimit(p, NewState(Session{}, 1), failing(Unknown, func(o *Outcome) { o.Alternative = 2 })))
	s, d := AfterFailure(p, s, failing(NetworkUnknown, by(2), func(o *Outcome) { o.Running = 1 }))
	if d.Action != Await || !s.IsFailed(2) || s.Attempts != 1 {
		t.Fatalf("%+v %+v", d, s)
	}
	if _, d = AfterFailure(p, s, failing(Transient)); d.Action != RetrySame || d.Account != 1 {
		t.Errorf("%+v", d)
	}
}

func TestExtremeAmountsSaturate(t *testing.T) {
	o := failing(RateLimited, stating(20*s1), func(o *Outcome) {
		o.Stake, o.Alternative = Stake{Tokens: math.MaxInt64, Expires: math.MaxInt64}, 2
	})
	if _, d := AfterFailure(Balanced(), NewState(boundTo1, 1), o); d.Reason != ReasonStayCheaper || strings.Contains(d.Detail, "-") {
		t.Errorf("%+v", d)
	}
	if got := mulDiv(math.MaxInt64, math.MaxInt64, math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("mulDiv: %d", got)
	}
	if got := mulDiv(3, -1, 1); got != 0 {
		t.Errorf("mulDiv of a negative factor: %d", got)
	}
	if got := (Backoff{First: 1, Step: math.MaxInt64 / 2}).full(9); got != math.MaxInt64 {
		t.Errorf("backoff: %d", got)
	}
}
