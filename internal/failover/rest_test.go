package failover

import (
	"testing"
	"time"
)

func TestRests(t *testing.T) {
	b, c := Balanced(), Classic()
	streak := func(n int) func(*Outcome) { return func(o *Outcome) { o.Streak = n } }
	scope := func(s Scope) func(*Outcome) { return func(o *Outcome) { o.Scope = s } }
	rest := func(class Class, d time.Duration) Effect {
		return Effect{Kind: EffectRest, Scope: ScopeAccount, Account: 1, Class: class, For: d}
	}
	edit := func(e Effect, f func(*Effect)) Effect { f(&e); return e }
	stated := func(e *Effect) { e.Stated = true }
	provider := func(e *Effect) { e.Scope = ScopeProvider }
	tests := []struct {
		name   string
		policy Policy
		o      Outcome
		want   Effect // zero: none
	}{
		{"rate limited, stated", b, failing(RateLimited, stating(3*time.Hour)), edit(rest(RateLimited, 3*time.Hour), stated)},
		{"rate limited, first", b, failing(RateLimited), rest(RateLimited, 10*s1)},
		{"rate limited, second", b, failing(RateLimited, streak(2)), rest(RateLimited, 20*s1)},
		{"rate limited, fifth", b, failing(RateLimited, streak(5)), rest(RateLimited, 160*s1)},
		{"rate limited, sixth: 5 min at most", b, failing(RateLimited, streak(6)), rest(RateLimited, 5*time.Minute)},
		{"rate limited, very many", b, failing(RateLimited, streak(1<<40)), rest(RateLimited, 5*time.Minute)},
		{"rate limited, no scope", b, failing(RateLimited, stating(s1), scope(ScopeNone)), Effect{}},
		{"rate limited, one model", b, failing(RateLimited, scope(ScopeAccountModel)), edit(rest(RateLimited, 10*s1), func(e *Effect) { e.Scope = ScopeAccountModel })},
		{"transient, first", b, failing(Transient), Effect{}},
		{"transient, second", b, failing(Transient, streak(2)), Effect{}},
		{"transient, third", b, failing(Transient, streak(3)), rest(Transient, 5*s1)},
		{"transient, sixth", b, failing(Transient, streak(6)), rest(Transient, 25*s1)},
		{"transient, seventh: 25 s at most", b, failing(Transient, streak(7)), rest(Transient, 25*s1)},
		{"transient, stated", b, failing(Transient, stating(20*s1)), edit(rest(Transient, 20*s1), stated)},
		{"transient, stated beyond belief", b, failing(Transient, stating(time.Hour)), rest(Transient, 25*s1)},
		{"network, third", b, failing(NetworkUnsent, streak(3)), rest(NetworkUnsent, 5*s1)},
		{"stall, third", b, failing(StreamStalled, streak(3)), rest(StreamStalled, 5*s1)},
		{"late, twice: slowness opens no circuit", b, failing(FirstTokenLate, streak(2)), Effect{}},
		{"late, third: silence does", b, failing(FirstTokenLate, streak(3)), rest(FirstTokenLate, 5*s1)},
		{"capacity, second in a row", b, failing(Capacity, streak(2)), Effect{}},
		{"capacity, third", b, failing(Capacity, streak(3)), edit(rest(Capacity, 2*s1), provider)},
		{"capacity, fifth", b, failing(Capacity, streak(5)), edit(rest(Capacity, 8*s1), provider)},
		{"capacity of one attempt only", b, failing(Capacity, scope(ScopeNone)), Effect{}},
		{"quota, stated", b, failing(QuotaExhausted, stating(200*time.Hour)), edit(rest(QuotaExhausted, 200*time.Hour), stated)},
		{"quota", b, failing(QuotaExhausted), rest(QuotaExhausted, 5*time.Minute)},
		{"credential", b, failing(Credential, stating(s1)), edit(rest(Credential, 0), func(e *Effect) { e.UntilChanged = true })},
		{"model gone", b, failing(ModelGone), rest(ModelGone, 10*time.Minute)},
		{"caller's fault", b, failing(CallerFault, streak(9)), Effect{}},
		{"content refused", b, failing(ContentRefused, streak(9)), Effect{}},
		{"classic, flagged", c, failing(RateLimited, retryable, stating(time.Hour)), rest(RateLimited, time.Minute)},
		{"classic, not flagged", c, failing(RateLimited, stating(time.Hour)), Effect{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.policy.Rests[tt.o.Class].For(tt.o)
			if got != tt.want || ok != (tt.want != Effect{}) {
				t.Errorf("got  %+v, %v\nwant %+v", got, ok, tt.want)
			}
		})
	}
}

// An account is rested where it is left, whatever comes next, also after the commit.
func TestRestsGoWithEveryWayOfLeaving(t *testing.T) {
	third := func(o *Outcome) { o.Streak = 3 }
	one := 1
	for name, tt := range map[string]struct {
		p Policy
		o Outcome
	}{
		"committed": {Balanced(), failing(StreamStalled, third, func(o *Outcome) { o.Committed = true })},
		"running":   {Balanced(), failing(StreamStalled, third, func(o *Outcome) { o.Running = 1 })},
		"attempts":  {Balanced().With(Override{Attempts: &one}), failing(Transient, third)},
		"total":     {Balanced(), failing(Transient, third, spent(time.Hour))},
		"switch":    {Balanced(), failing(StreamStalled, third)},
	} {
		if _, d := AfterFailure(tt.p, NewState(Session{}, 1), tt.o); len(d.Before) != 1 || d.Before[0].For > 5*s1 || d.Before[0].For < 4*s1 { // less up to a fifth of jitter
			t.Errorf("%s: %+v", name, d)
		}
	}
}
