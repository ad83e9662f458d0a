package failover

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// One test for each flaw of classic that balanced mends. Where classic shows the
// flaw within the core, the test shows that too: so it would notice if the profile
// ceased to be classic. (That a client's leaving is noticed at any time, and that
// rests are probed, is the loop's and the jobs' part.)

func TestFlawDecidingWaitsAndActs(t *testing.T) {
	s := NewState(boundTo1, 7)
	o := failing(RateLimited, warm, stating(2*s1))
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s1st, d1st := AfterFailure(Balanced(), s, o)
		s2nd, d2nd := AfterFailure(Balanced(), s, o)
		if !reflect.DeepEqual(s1st, s2nd) || !reflect.DeepEqual(d1st, d2nd) {
			t.Errorf("the same question has two answers:\n%+v\n%+v", d1st, d2nd)
		}
		// Virtual time moves only while somebody waits.
		if waited := time.Since(begin); d1st.Wait != 2*s1 || waited != 0 {
			t.Errorf("deciding on a wait of %v waited %v", d1st.Wait, waited)
		}
	})
}

func TestFlawNothingPinsTheAccount(t *testing.T) {
	for _, p := range []Policy{Classic(), Balanced()} {
		s, d := AfterFailure(p, NewState(Session{}, 1), failing(Transient, retryable))
		if d.Action != RetrySame || d.Account != 1 || p.Profile == ProfileBalanced && s.Excludes(1, "") {
			t.Errorf("%s: the account is not pinned: %+v", p.Profile, d)
		}
	}
}

func TestFlawGraceAfterMarking(t *testing.T) {
	s, d := AfterFailure(Balanced(), NewState(boundTo1, 1), failing(RateLimited, warm))
	if d.Action != RetrySame || len(d.Before) != 0 || s.IsFailed(1) {
		t.Errorf("the account that is stayed with was rested or excluded: %+v", d)
	}
	// A stated reset is known to all, and over when the session is back.
	s, d = AfterFailure(Balanced(), NewState(boundTo1, 1), failing(RateLimited, warm, stating(2*s1)))
	want := []Effect{{Kind: EffectRest, Scope: ScopeAccount, Account: 1, Class: RateLimited, For: 2 * s1, Stated: true}}
	if d.Action != RetrySame || d.Wait < 2*s1 || s.IsFailed(1) || !reflect.DeepEqual(d.Before, want) {
		t.Errorf("the account that is waited for: %+v", d)
	}
	// Once it is left it is rested, too.
	_, d = AfterFailure(Balanced(), s, failing(RateLimited, warm, stating(2*s1)))
	if d.Action != Switch || !reflect.DeepEqual(d.Before, want) {
		t.Errorf("left without a rest: %+v", d)
	}
}

func TestFlawGraceIsBlindToTheCause(t *testing.T) {
	for _, class := range []Class{Credential, Permission, QuotaExhausted, ModelGone} {
		o := failing(class, warm, stating(s1))
		if _, d := AfterFailure(Balanced(), NewState(boundTo1, 1), o); d.Action != Switch || d.Wait != 0 || d.Reason != ReasonCauseLasts {
			t.Errorf("balanced waits for %s: %+v", class, d)
		}
		if _, d := AfterFailure(Classic(), NewState(boundTo1, 1), o); d.Reason != ReasonGrace {
			t.Errorf("classic does not wait for %s: %+v", class, d)
		}
	}
}

func TestFlawGraceIgnoresRetryAfter(t *testing.T) {
	for reset, want := range map[time.Duration]Decision{
		200 * ms:         {Action: RetrySame, Wait: 200 * ms},
		10 * time.Minute: {Action: Switch},
	} {
		o := failing(RateLimited, warm, stating(reset))
		if _, d := AfterFailure(Balanced(), NewState(boundTo1, 1), o); d.Action != want.Action || d.Wait != want.Wait {
			t.Errorf("balanced, %v: %+v", reset, d)
		}
		if _, d := AfterFailure(Classic(), NewState(boundTo1, 1), o); d.Wait != 1500*ms {
			t.Errorf("classic, %v: %+v", reset, d)
		}
	}
}

func TestFlawGraceStacksOnRetries(t *testing.T) {
	attempts := func(p Policy) int {
		s := NewState(boundTo1, 1)
		for n := 1; n <= 50; n++ {
			var d Decision
			if s, d = AfterFailure(p, s, failing(Transient, warm, retryable)); d.Action != RetrySame {
				return n
			}
		}
		return 0
	}
	if n := attempts(Balanced()); n != 2 {
		t.Errorf("balanced makes %d attempts on one account, want 2", n)
	}
	if n := attempts(Classic()); n != 5 {
		t.Errorf("classic makes %d attempts on one account, want 5", n)
	}
}

func TestFlawGraceCannotBeSwitchedOff(t *testing.T) {
	off := 0
	for _, p := range []Policy{Classic(), Balanced()} {
		p = p.With(Override{GraceRetries: &off})
		if _, d := AfterFailure(p, NewState(boundTo1, 1), failing(RateLimited, warm)); d.Action != Switch {
			t.Errorf("%s with 0 graces: %+v", p.Profile, d)
		}
	}
}

func TestFlawBillingFlagWithoutASwitch(t *testing.T) {
	stay := failing(RateLimited, warm)
	s, _ := AfterFailure(Balanced(), NewState(boundTo1, 1), stay)
	if s.CacheBilling {
		t.Error("balanced: the flag is set although the session stays")
	}
	if s, _ = AfterFailure(Balanced(), s, stay); !s.CacheBilling {
		t.Error("balanced: the flag is not set although the session leaves its account")
	}
	if s, _ = AfterFailure(Classic(), NewState(boundTo1, 1), stay); !s.CacheBilling {
		t.Error("classic: the flag is not set at the first failure")
	}
	if s, _ = AfterFailure(Balanced(), NewState(boundTo1, 1), failing(RateLimited, by(2))); s.CacheBilling {
		t.Error("balanced: the flag is set although it is not the bound account that is left")
	}
	if s, _ = AfterFailure(Balanced(), NewState(Session{HasBound: true}, 1), failing(RateLimited, by(2))); !s.CacheBilling {
		t.Error("balanced: bound to an account that is unknown: the first that is left stands for it")
	}
	lost := failing(RateLimited, func(o *Outcome) { o.CacheLost = true })
	if s, _ = AfterFailure(Balanced(), NewState(Session{}, 1), lost); !s.CacheBilling {
		t.Error("balanced: the failure says that the cache is lost, and the flag is not set")
	}
}

func TestFlawRoundsWithoutABound(t *testing.T) {
	rounds := func(p Policy) int {
		s := NewState(Session{}, 1)
		for n := range 50 {
			s = after(p, s, failing(Capacity, status(503), by(domain.AccountID(n+1))))
			var d Decision
			if s, d = AfterNoCandidate(p, s, 0, false, 0); d.Action != Round {
				return n
			}
			s = d.Completed(s)
		}
		return 50
	}
	if n := rounds(Balanced()); n != 1 {
		t.Errorf("balanced makes %d rounds, want 1", n)
	}
	if n := rounds(Classic()); n != 50 {
		t.Errorf("classic ends after %d rounds", n)
	}
}

func TestFlawNoTotalDeadline(t *testing.T) {
	o := failing(RateLimited, spent(Balanced().Total))
	if _, d := AfterFailure(Balanced(), NewState(Session{}, 1), o); d.Action != GiveUp || d.Reason != ReasonTotalUsed {
		t.Errorf("balanced: %+v", d)
	}
	if _, d := AfterFailure(Classic(), NewState(Session{}, 1), o); d.Action != Switch {
		t.Errorf("classic: %+v", d)
	}
}

func TestFlawFixedDelays(t *testing.T) {
	seen := map[time.Duration]bool{}
	for seed := range uint64(200) {
		_, d := AfterFailure(Balanced(), NewState(Session{}, seed), failing(Transient))
		if d.Wait < 200*ms || d.Wait > 500*ms {
			t.Fatalf("seed %d: wait %v, want 200 to 500 ms", seed, d.Wait)
		}
		seen[d.Wait/(30*ms)] = true
	}
	if len(seen) < 10 {
		t.Errorf("the waits of 200 requests fall into %d of 10 tenths", len(seen))
	}
	// Nor do the waits of one request repeat each other.
	s, one := AfterFailure(Balanced(), NewState(Session{}, 1), failing(Transient))
	if _, two := AfterFailure(Balanced(), s, failing(Transient, by(2))); one.Wait == two.Wait {
		t.Errorf("two draws of one request are both %v", one.Wait)
	}
	for seed := range uint64(20) {
		if _, d := AfterFailure(Classic(), NewState(Session{}, seed), failing(Transient, retryable)); d.Wait != 500*ms {
			t.Errorf("classic: %+v", d)
		}
	}
}

func TestFlawStatusStandsForMeaning(t *testing.T) {
	for class := range Class(NumClasses) {
		var want Decision
		for i, n := range []int{0, 200, 400, 429, 500, 503, 529} {
			_, d := AfterFailure(Balanced(), NewState(boundTo1, 1), failing(class, warm, status(n)))
			if i == 0 {
				want = d
			} else if !reflect.DeepEqual(d, want) {
				t.Errorf("%s: status %d changes the decision: %+v, else %+v", class, n, d, want)
			}
		}
	}
	s := after(Balanced(), NewState(Session{}, 1), failing(Credential, status(503)))
	if _, d := AfterNoCandidate(Balanced(), s, 0, false, 0); d.Action != GiveUp {
		t.Errorf("a 503 that is not about capacity makes a round: %+v", d)
	}
}

func TestFlawOnlyOneFailureRests(t *testing.T) {
	rests := func(p Policy, class Class) bool {
		_, d := AfterFailure(p, NewState(Session{}, 1), failing(class, by(2), func(o *Outcome) { o.Streak = 3 }))
		return len(d.Before) == 1 && d.Before[0].Kind == EffectRest
	}
	for _, class := range []Class{RateLimited, QuotaExhausted, Credential, Capacity, Permission, ModelGone, StreamStalled} {
		if !rests(Balanced(), class) {
			t.Errorf("balanced: %s does not rest", class)
		}
		if rests(Classic(), class) {
			t.Errorf("classic: %s rests", class)
		}
	}
}

func TestFlawNoNotionOfBytesSent(t *testing.T) {
	for _, p := range []Policy{Classic(), Balanced()} {
		o := failing(StreamCut, retryable, warm, func(o *Outcome) { o.Committed = true })
		if _, d := AfterFailure(p, NewState(boundTo1, 1), o); d.Action != GiveUp || d.Reason != ReasonCommitted {
			t.Errorf("%s: %+v", p.Profile, d)
		}
	}
}

func TestFlawABrownoutIsHammered(t *testing.T) {
	share := Balanced().Retries
	var load Load
	retries := 0
	const now = 1_000_000
	for range 1000 { // every request fails, and is tried again while the budget allows it
		load = load.Began(now, false)
		for range 4 {
			_, d := AfterFailure(Balanced(), NewState(Session{}, 1), failing(Transient, func(o *Outcome) { o.NoRetries = !load.MayRetry(now, share) }))
			if d.Action == GiveUp {
				break
			}
			load = load.Began(now, true)
			retries++
		}
	}
	if retries != 200 {
		t.Errorf("1000 failing requests made %d retries, want 200", retries)
	}
	if _, d := AfterFailure(Classic(), NewState(Session{}, 1), failing(Transient, func(o *Outcome) { o.NoRetries = true })); d.Action != Switch {
		t.Errorf("classic: %+v", d)
	}
}

func TestFlawOrganisationsAreStrangers(t *testing.T) {
	shared := failing(RateLimited, func(o *Outcome) {
		o.Organization, o.Scope = "acme", ScopeOrganization
		o.Alternative, o.AlternativeOrganization = 2, "acme"
	})
	s, d := AfterFailure(Balanced(), NewState(Session{}, 1), shared)
	if d.Action != Switch || !s.IsFailedOrganization("acme") || !s.Excludes(2, "acme") || s.Excludes(2, "") || s.Excludes(3, "other") {
		t.Errorf("balanced: %+v\n%+v", d, s)
	}
	if len(d.Before) != 1 || d.Before[0].Scope != ScopeOrganization {
		t.Errorf("balanced rests %+v", d.Before)
	}
	if s, _ = AfterFailure(Classic(), NewState(Session{}, 1), shared); s.Excludes(2, "acme") {
		t.Error("classic excludes the organisation")
	}

	// What is the account's own leaves the organisation alone, and its cache is warm.
	own := failing(RateLimited, warm, stating(8*s1), func(o *Outcome) { o.Organization, o.AlternativeOrganization = "acme", "acme" })
	s, d = AfterFailure(Balanced(), NewState(boundTo1, 1), own)
	if d.Action != Switch || d.Reason != ReasonCacheShared || s.Excludes(2, "acme") {
		t.Errorf("balanced does not move within the organisation: %+v", d)
	}
	// A round gives the organisation another chance, too.
	s, _ = AfterFailure(Balanced(), NewState(Session{}, 1), shared)
	if s = second(AfterNoCandidate(Balanced(), s, s1, true, 0)); s.Excludes(2, "acme") {
		t.Error("a round did not forget the organisation")
	}
}

func TestFlawTheLastErrorIsAnswered(t *testing.T) {
	s := after(Balanced(), NewState(Session{}, 1),
		failing(Transient, by(1)), failing(RateLimited, by(2), stating(30*s1)), failing(Credential, by(3)))
	if s.Last.Class != Credential {
		t.Errorf("last: %+v", s.Last)
	}
	if b := s.Best; b.Class != RateLimited || b.Account != 2 || b.Attempt != 2 || !b.Stated || b.Reset != 30*s1 {
		t.Errorf("best: %+v", b)
	}
}

func TestFlawCapacityRotatesAccounts(t *testing.T) {
	s, tried := NewState(Session{}, 1), 0
	for id := domain.AccountID(1); id <= 6; id++ {
		var d Decision
		s, d = AfterFailure(Balanced(), s, failing(Capacity, by(id)))
		tried++
		if d.Action != Switch {
			if d.Action != Round || d.Wait == 0 {
				t.Errorf("%+v", d)
			}
			break
		}
	}
	if tried != 2 {
		t.Errorf("%d accounts of a provider without capacity were asked in a row, want 2", tried)
	}
}
