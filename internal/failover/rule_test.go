package failover

import (
	"reflect"
	"testing"
	"time"

	"turnout/internal/domain"
)

const (
	ms = time.Millisecond
	s1 = time.Second
)

// boundTo1 is a session whose account is 1.
var boundTo1 = Session{HasBound: true, Bound: 1, BoundKnown: true}

// steady is a policy without jitter, so that its waits are exact.
func steady(p Policy) Policy {
	for _, r := range []*Rule{&p.Same, &p.Single, &p.Grace, &p.Switch, &p.Round} {
		r.Backoff.Jitter = 0
	}
	return p
}

// failing is a failure of account 1 that concerns the account.
func failing(class Class, edit ...func(*Outcome)) Outcome {
	o := Outcome{Account: 1, Class: class, Scope: ScopeAccount, Streak: 1}
	for _, e := range edit {
		e(&o)
	}
	return o
}

func stating(reset time.Duration) func(*Outcome) {
	return func(o *Outcome) { o.Reset, o.Stated = reset, true }
}

// warm is a stake of 100,000 tokens, with account 2 to go to.
func warm(o *Outcome) {
	o.Stake, o.Alternative = Stake{Tokens: 100_000, Expires: 5 * time.Minute}, 2
}

func status(n int) func(*Outcome)          { return func(o *Outcome) { o.Status = n } }
func retryable(o *Outcome)                 { o.RetrySame = true }
func spent(d time.Duration) func(*Outcome) { return func(o *Outcome) { o.Spent = d } }
func by(id domain.AccountID) func(*Outcome) {
	return func(o *Outcome) { o.Account = id }
}

// after is the state when the policy has seen these failures, every wait completed.
func after(p Policy, s State, outcomes ...Outcome) State {
	for _, o := range outcomes {
		var d Decision
		s, d = AfterFailure(p, s, o)
		s = d.Completed(s)
	}
	return s
}

// What a single failure leads to. Everything of a decision but its effects.
func TestAfterFailure(t *testing.T) {
	type want struct {
		action  Action
		account domain.AccountID
		wait    time.Duration
		reason  Reason
		n, max  int
	}
	balanced, classic := steady(Balanced()), Classic()
	limited := func(o Override) Policy { return balanced.With(o) }
	n := func(i int) *int { return &i }
	d := func(v time.Duration) *time.Duration { return &v }
	fresh, bound := NewState(Session{}, 1), NewState(boundTo1, 1)

	tests := []struct {
		name   string
		policy Policy
		state  State
		o      Outcome
		want   want
	}{
		// committed and final
		{"balanced: committed", balanced, bound, failing(StreamCut, func(o *Outcome) { o.Committed = true }), want{reason: ReasonCommitted}},
		{"committed, and to be resumed", balanced, fresh, failing(StreamCut, func(o *Outcome) { o.Committed, o.Resume = true, true }), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"resumed before", balanced, State{Resumed: true}, failing(StreamCut, func(o *Outcome) { o.Committed, o.Resume = true, true }), want{reason: ReasonCommitted}},
		{"a refusal is not resumed", balanced, fresh, failing(ContentRefused, func(o *Outcome) { o.Committed, o.Resume = true, true }), want{reason: ReasonFinalClass}},
		{"classic: committed", classic, bound, failing(StreamCut, retryable, func(o *Outcome) { o.Committed = true }), want{reason: ReasonCommitted}},
		{"balanced: caller's fault", balanced, fresh, failing(CallerFault), want{reason: ReasonFinalClass}},
		{"balanced: content refused", balanced, fresh, failing(ContentRefused), want{reason: ReasonFinalClass}},
		{"balanced: context too long", balanced, fresh, failing(ContextTooLong), want{reason: ReasonFinalClass}},
		{"classic: caller's fault", classic, fresh, failing(CallerFault, retryable), want{reason: ReasonFinalClass}},
		{"committed before final", balanced, fresh, failing(CallerFault, func(o *Outcome) { o.Committed = true }), want{reason: ReasonCommitted}},
		{"opened is not committed", balanced, fresh, failing(Transient, func(o *Outcome) { o.Opened = true }), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},

		// another attempt under way
		{"balanced: another is running", balanced, fresh, failing(Transient, func(o *Outcome) { o.Running = 1 }), want{action: Await, reason: ReasonStillRunning}},

		// budgets
		{"balanced: fifth attempt", balanced, after(balanced, fresh, failing(RateLimited), failing(RateLimited, by(2)), failing(Transient, by(3)), failing(Transient, by(3))),
			failing(Transient, by(4)), want{reason: ReasonAttemptsUsed, n: 5, max: 5}},
		{"attempts 1: nothing after the first", limited(Override{Attempts: n(1)}), fresh, failing(Transient), want{reason: ReasonAttemptsUsed, n: 1, max: 1}},
		{"balanced: ten minutes", balanced, fresh, failing(Transient, spent(10*time.Minute)), want{reason: ReasonTotalUsed}},
		{"a wait beyond the total: the rule does not apply", balanced, fresh, failing(Transient, spent(10*time.Minute-100*ms)), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"classic: no total", classic, fresh, failing(Transient, spent(time.Hour)), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"waiting 0: no wait", limited(Override{Waiting: d(0)}), fresh, failing(Transient), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"one attempt an account", limited(Override{AttemptsPerAccount: n(1)}), fresh, failing(Transient), want{Switch, 0, 0, ReasonSwitch, 1, 3}},

		// same account
		{"balanced: transient", balanced, fresh, failing(Transient), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: nothing was sent", balanced, fresh, failing(NetworkUnsent), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: network", balanced, fresh, failing(NetworkUnknown), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: unknown", balanced, fresh, failing(Unknown), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: empty", balanced, fresh, failing(EmptyAnswer), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: the second time at one account", balanced, after(balanced, fresh, failing(Transient)), failing(Transient), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: short stated reset", balanced, fresh, failing(Transient, stating(3*s1)), want{RetrySame, 1, 3 * s1, ReasonStatedReset, 1, 1}},
		{"balanced: stated reset over 3 s", balanced, fresh, failing(Transient, stating(3*s1+1)), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"a stated reset of zero says nothing", balanced, fresh, failing(Transient, stating(0)), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 1}},
		{"balanced: rate limited, unbound", balanced, fresh, failing(RateLimited, stating(s1)), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: ignores the failure's own flag", balanced, fresh, failing(RateLimited, retryable), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: switched off", limited(Override{SameRetries: n(0)}), fresh, failing(Transient), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: a longer backoff is allowed by setting it", limited(Override{SameBackoff: d(s1)}), fresh, failing(Transient), want{RetrySame, 1, s1, ReasonSameAccount, 1, 1}},
		{"classic: flagged", classic, fresh, failing(Unknown, retryable), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 3}},
		{"classic: third retry", classic, after(classic, fresh, failing(Unknown, retryable), failing(Unknown, retryable)), failing(Unknown, retryable), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 3, 3}},
		{"classic: not flagged", classic, fresh, failing(Transient), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"classic: ignores a stated reset", classic, fresh, failing(Unknown, retryable, stating(time.Hour)), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 3}},
		{"classic: an excluded account is pinned all the same", classic, after(classic, fresh, failing(Unknown)), failing(Unknown, retryable), want{RetrySame, 1, 500 * ms, ReasonSameAccount, 1, 3}},
		{"balanced: an excluded account is never pinned", balanced, after(balanced, fresh, failing(RateLimited)), failing(Transient), want{Switch, 0, 0, ReasonSwitch, 2, 3}},
		{"balanced: nor with attempts left", limited(Override{AttemptsPerAccount: n(5)}), after(balanced, fresh, failing(RateLimited)), failing(Transient), want{Switch, 0, 0, ReasonSwitch, 2, 3}},

		// grace, stay or move
		{"balanced: bound and warm, stated", balanced, bound, failing(RateLimited, warm, stating(8*s1)), want{RetrySame, 1, 8 * s1, ReasonStayCheaper, 1, 1}},
		{"balanced: bound and warm, not stated", balanced, bound, failing(RateLimited, warm), want{RetrySame, 1, 1500 * ms, ReasonStayCheaper, 1, 1}},
		{"balanced: bound and warm, capacity", balanced, bound, failing(Capacity, warm), want{RetrySame, 1, 1500 * ms, ReasonStayCheaper, 1, 1}},
		{"balanced: bound and warm, an hour", balanced, bound, failing(RateLimited, warm, stating(time.Hour)), want{Switch, 0, 0, ReasonWaitTooLong, 1, 3}},
		{"balanced: a small stake", balanced, bound, failing(RateLimited, warm, stating(8*s1), func(o *Outcome) { o.Stake.Tokens = 2000 }), want{Switch, 0, 0, ReasonMoveCheaper, 1, 3}},
		{"balanced: a known price of moving", balanced, bound, failing(RateLimited, warm, stating(8*s1), func(o *Outcome) { o.Stake.Tokens, o.PriceOfMoving = 2000, 1e9 }), want{RetrySame, 1, 8 * s1, ReasonStayCheaper, 1, 1}},
		{"balanced: seconds that cost more", limited(Override{SecondPrice: new(domain.NanoUSD(1e9))}), bound, failing(RateLimited, warm, stating(18*s1), func(o *Outcome) { o.PriceOfMoving = 8e9 }), want{Switch, 0, 0, ReasonMoveCheaper, 1, 3}},
		{"balanced: no stake", balanced, bound, failing(RateLimited, stating(s1)), want{Switch, 0, 0, ReasonNoStake, 1, 3}},
		{"balanced: the stake expires", balanced, bound, failing(RateLimited, warm, stating(8*s1), func(o *Outcome) { o.Stake.Expires = 8 * s1 }), want{Switch, 0, 0, ReasonStakeExpires, 1, 3}},
		{"balanced: nowhere else", balanced, bound, failing(RateLimited, warm, stating(20*s1), func(o *Outcome) { o.Alternative = 0 }), want{RetrySame, 1, 20 * s1, ReasonNowhereElse, 1, 1}},
		{"balanced: the organisation's limit, an alternative within it: others may be left, so it is weighed", balanced, bound,
			failing(RateLimited, warm, stating(18*s1), func(o *Outcome) {
				o.Scope, o.Organization, o.AlternativeOrganization, o.Stake.Tokens = ScopeOrganization, "acme", "acme", 2000
			}), want{Switch, 0, 0, ReasonMoveCheaper, 1, 3}},
		{"balanced: one grace", balanced.With(Override{AttemptsPerAccount: n(5)}), after(balanced, bound, failing(RateLimited, warm)), failing(RateLimited, warm), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: not the bound account", balanced, bound, failing(RateLimited, warm, by(3)), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: bound to an unknown account", balanced, NewState(Session{HasBound: true}, 1), failing(RateLimited, warm), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: late is not waited for", balanced, bound, failing(FirstTokenLate, warm), want{Switch, 0, 0, ReasonCauseLasts, 1, 3}},
		{"balanced: longest wait by the pool", limited(Override{GraceLongest: d(2 * s1)}), bound, failing(RateLimited, warm, stating(3*s1)), want{Switch, 0, 0, ReasonWaitTooLong, 1, 3}},
		{"classic: bound", classic, bound, failing(Credential), want{RetrySame, 1, 1500 * ms, ReasonGrace, 1, 1}},
		{"classic: after the same-account retries", classic, after(classic, bound, failing(Unknown, retryable), failing(Unknown, retryable), failing(Unknown, retryable)),
			failing(Unknown, retryable), want{RetrySame, 1, 1500 * ms, ReasonGrace, 1, 1}},
		{"classic: grace used", classic, after(classic, bound, failing(Unknown)), failing(Unknown), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"classic: delay and maximum by settings", classic.With(Override{GraceRetries: n(2), GraceDelay: d(4 * s1)}), after(classic, bound, failing(Unknown)), failing(Unknown), want{RetrySame, 1, 4 * s1, ReasonGrace, 2, 2}},

		// switch
		{"balanced: credential", balanced, fresh, failing(Credential), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: model gone", balanced, fresh, failing(ModelGone), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: fourth switch", balanced, after(balanced, fresh, failing(RateLimited), failing(RateLimited, by(2)), failing(RateLimited, by(3))), failing(RateLimited, by(4)), want{reason: ReasonSwitchesUsed, n: 3, max: 3}},
		{"switches 0", limited(Override{Switches: n(0)}), fresh, failing(RateLimited), want{reason: ReasonSwitchesUsed, n: 0, max: 0}},
		{"classic: maximum", classic.With(Override{Switches: n(1)}), after(classic, fresh, failing(Unknown)), failing(Unknown, by(2)), want{reason: ReasonSwitchesUsed, n: 1, max: 1}},
		{"a class that is not switched", func() Policy { p := balanced; p.Switch.On = 0; return p }(), fresh, failing(RateLimited), want{reason: ReasonNotSwitched}},
		{"a platform's delay, first", classic.With(Override{SwitchBackoff: &Backoff{Step: s1}}), fresh, failing(Unknown), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"a platform's delay, second", classic.With(Override{SwitchBackoff: &Backoff{Step: s1}}), after(classic, fresh, failing(Unknown)), failing(Unknown, by(2)), want{Switch, 0, s1, ReasonSwitch, 2, 3}},
		{"a delay beyond the budget", limited(Override{SwitchBackoff: &Backoff{First: s1}, Waiting: d(999 * ms)}), fresh, failing(RateLimited), want{reason: ReasonWaitingUsed}},

		// capacity
		{"balanced: capacity, first", balanced, fresh, failing(Capacity), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: capacity again: a round, not another account", balanced, after(balanced, fresh, failing(Capacity)), failing(Capacity, by(2)), want{Round, 0, 2 * s1, ReasonRound, 1, 1}},
		{"balanced: capacity, no round left", limited(Override{Rounds: n(0)}), after(balanced, fresh, failing(Capacity)), failing(Capacity, by(2)), want{reason: ReasonNoCapacity, n: 1, max: 1}},
		{"balanced: capacity, another provider", balanced, after(balanced, fresh, failing(Capacity)),
			failing(Capacity, by(2), func(o *Outcome) { o.Provider, o.AlternativeProvider = "p", "q" }), want{Switch, 0, 0, ReasonSwitch, 2, 3}},
		{"classic: capacity is a failure like others", classic, after(classic, fresh, failing(Capacity)), failing(Capacity, by(2)), want{Switch, 0, 0, ReasonSwitch, 2, 3}},

		// the retry budget across requests
		{"balanced: a provider that browns out", balanced, fresh, failing(Transient, func(o *Outcome) { o.NoRetries = true }), want{reason: ReasonRetriesUsed}},
		{"balanced: another provider may be asked", balanced, fresh, failing(Transient, func(o *Outcome) { o.NoRetries, o.Provider, o.AlternativeProvider = true, "p", "q" }), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: one account's fault is no brownout", balanced, fresh, failing(Transient, func(o *Outcome) { o.NoRetries, o.AlternativeWell = true, true }), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: a limit is not a brownout", balanced, fresh, failing(RateLimited, func(o *Outcome) { o.NoRetries = true }), want{Switch, 0, 0, ReasonSwitch, 1, 3}},
		{"balanced: no grace either", balanced, bound, failing(Capacity, warm, func(o *Outcome) { o.NoRetries = true }), want{reason: ReasonRetriesUsed}},

		{"the zero policy gives up", Policy{}, fresh, failing(Transient), want{reason: ReasonAttemptsUsed, n: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, d := AfterFailure(tt.policy, tt.state, tt.o)
			if got := (want{d.Action, d.Account, d.Wait, d.Reason, d.N, d.Max}); got != tt.want {
				t.Errorf("got  %+v\nwant %+v\n(detail %q)", got, tt.want, d.Detail)
			}
		})
	}
}

func TestAfterNoCandidate(t *testing.T) {
	balanced, classic := steady(Balanced()), Classic()
	fresh := NewState(Session{}, 1)
	forget := []Effect{{Kind: EffectForget}}
	tests := []struct {
		name    string
		policy  Policy
		state   State
		soonest time.Duration
		known   bool
		want    Decision
	}{
		{"balanced: nothing to wait for", balanced, after(balanced, fresh, failing(Credential)), 0, false, Decision{Reason: ReasonNoAccount}},
		{"balanced: a rest ends within the budget", balanced, after(balanced, fresh, failing(RateLimited)), 7 * s1, true,
			Decision{Action: Round, Wait: 7 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: a rest ends too late", balanced, after(balanced, fresh, failing(RateLimited)), 20*s1 + 1, true, Decision{Reason: ReasonWaitingUsed}},
		{"balanced: what was waited counts", balanced, after(balanced, fresh, failing(Transient), failing(RateLimited, by(2))), 20 * s1, true, Decision{Reason: ReasonWaitingUsed}},
		{"balanced: everybody rested from the start", balanced, fresh, 3 * s1, true,
			Decision{Action: Round, Wait: 3 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: nobody at all", balanced, fresh, 0, false, Decision{Reason: ReasonNoAccount}},
		{"balanced: capacity", balanced, after(balanced, fresh, failing(Capacity)), 0, false,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: capacity, with the rest's own end", balanced, after(balanced, fresh, failing(Capacity)), 5 * s1, true,
			Decision{Action: Round, Wait: 5 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: capacity, a rest shorter than the backoff", balanced, after(balanced, fresh, failing(Capacity)), s1, true,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: one round", balanced, second(AfterNoCandidate(balanced, fresh, s1, true, 0)), s1, true, Decision{Reason: ReasonRoundsUsed, N: 1, Max: 1}},
		{"balanced: a round brings back nobody who is spent", balanced, after(balanced, fresh, failing(Transient), failing(Capacity)), 0, false, Decision{Reason: ReasonNoAccount}},
		{"balanced: a round may bring back others of a spent account's organisation", balanced, after(balanced, fresh, failing(Transient), failing(Capacity, func(o *Outcome) { o.Scope, o.Organization = ScopeOrganization, "acme" })), 0, false,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, Max: 1, After: forget}},
		{"balanced: capacity, the budget of waiting", balanced.With(Override{Waiting: new(s1)}), after(balanced, fresh, failing(Capacity)), 0, false, Decision{Reason: ReasonWaitingUsed}},
		{"balanced: capacity, the total", balanced.With(Override{Total: new(10 * s1)}), after(balanced, fresh, failing(Capacity, spent(9*s1))), 0, false, Decision{Reason: ReasonWaitingUsed}},
		{"balanced: attempts used", balanced.With(Override{Attempts: new(1)}), after(balanced, fresh, failing(Capacity)), s1, true, Decision{Reason: ReasonAttemptsUsed, N: 1, Max: 1}},
		{"classic: 503", classic, after(classic, fresh, failing(Unknown, status(503))), 0, false,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, After: []Effect{{Kind: EffectForget}, {Kind: EffectSingleAccount}}}},
		{"classic: 503, whatever is stated", classic, after(classic, fresh, failing(Unknown, status(503))), time.Hour, true,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, After: []Effect{{Kind: EffectForget}, {Kind: EffectSingleAccount}}}},
		{"classic: another status", classic, after(classic, fresh, failing(Unknown, status(529))), s1, true, Decision{Reason: ReasonNoAccount}},
		{"classic: no failure yet", classic, fresh, s1, true, Decision{Reason: ReasonNoAccount}},
		{"classic: switches at the maximum", classic.With(Override{Switches: new(0)}), after(classic.With(Override{Switches: new(0)}), fresh, failing(Unknown, status(503))), 0, false,
			Decision{Action: Round, Wait: 2 * s1, Reason: ReasonRound, N: 1, After: []Effect{{Kind: EffectForget}, {Kind: EffectSingleAccount}}}},
		{"classic: switches over the maximum", classic.With(Override{Switches: new(0)}), after(classic, fresh, failing(Unknown, status(503))), 0, false,
			Decision{Reason: ReasonSwitchesUsed, N: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, d := AfterNoCandidate(tt.policy, tt.state, tt.soonest, tt.known, 0)
			if !reflect.DeepEqual(d, tt.want) {
				t.Errorf("got  %+v\nwant %+v", d, tt.want)
			}
		})
	}
}

// second is the state that came with a decision, its wait completed.
func second(s State, d Decision) State { return d.Completed(s) }

// Single-account mode: the platform's own rule for stated resets, the ordinary one
// where nothing is stated.
func TestSingleAccountMode(t *testing.T) {
	p := Classic().With(Override{Single: &Rule{
		Max: 3, On: AllClasses, NeedStated: true, LongestStated: 15 * s1, Total: 30 * s1,
	}})
	s := after(p, NewState(Session{}, 1), failing(Unknown, status(503)))
	if _, d := AfterFailure(p, s, failing(Unknown, retryable, stating(10*s1))); d.Wait != 500*ms {
		t.Errorf("before the mode: %+v", d)
	}
	s = second(AfterNoCandidate(p, s, 0, false, 0))
	if !s.Single || len(s.Failed()) != 0 {
		t.Fatalf("after the round: %+v", s)
	}
	if _, d := AfterFailure(p, s, failing(Unknown, retryable)); d.Wait != 500*ms || d.Reason != ReasonSameAccount {
		t.Errorf("nothing stated: %+v", d)
	}
	if _, d := AfterFailure(p, s, failing(Unknown, stating(15*s1+1))); d.Action != Switch {
		t.Errorf("each wait is at most 15 s: %+v", d)
	}
	for i, wait := range []time.Duration{15 * s1, 10 * s1} {
		var d Decision
		s, d = AfterFailure(p, s, failing(Unknown, stating(wait)))
		want := Decision{Action: RetrySame, Account: 1, Wait: wait, Reason: ReasonSingleAccount, N: i + 1, Max: 3}
		if !reflect.DeepEqual(d, want) {
			t.Errorf("got %+v, want %+v", d, want)
		}
	}
	if _, d := AfterFailure(p, s, failing(Unknown, stating(5*s1+1))); d.Action != Switch {
		t.Errorf("30 s in all: %+v", d)
	}
	s, d := AfterFailure(p, s, failing(Unknown, stating(5*s1)))
	if d.Action != RetrySame || d.N != 3 {
		t.Errorf("exactly 30 s: %+v", d)
	}
	if _, d = AfterFailure(p, s, failing(Unknown, stating(1))); d.Action != Switch {
		t.Errorf("three in all: %+v", d)
	}
}
