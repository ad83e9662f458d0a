package failover

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"
)

func TestFailedIsAscendingAndFound(t *testing.T) {
	p := Classic()
	s := NewState(Session{}, 1)
	if s.Failed() != nil || s.IsFailed(0) {
		t.Errorf("a new request has failed accounts: %+v", s)
	}
	for _, id := range []domain.AccountID{5, -1, 3, 0, 5, 9} {
		s = after(p.With(Override{Switches: new(9)}), s, failing(Unknown, by(id)))
	}
	if got, want := s.Failed(), []domain.AccountID{-1, 0, 3, 5, 9}; !slices.Equal(got, want) {
		t.Errorf("failed: %v, want %v", got, want)
	}
	for id, want := range map[domain.AccountID]int{-1: 1, 0: 1, 3: 1, 5: 2, 9: 1, 4: 0} {
		if s.IsFailed(id) != (want > 0) || s.Tries(id) != want {
			t.Errorf("account %d: failed %v, tries %d", id, s.IsFailed(id), s.Tries(id))
		}
	}
}

// A wait that the client cut short has forgotten nothing, but has been counted.
func TestOnlyACompletedWaitForgets(t *testing.T) {
	for _, p := range []Policy{Classic(), steady(Balanced())} {
		s := after(p, NewState(Session{}, 1), failing(Capacity, status(503)))
		s, d := AfterNoCandidate(p, s, 0, false, 0)
		if d.Action != Round || !s.IsFailed(1) || s.Single || s.Rounds != 1 || s.Waited != 2*s1 {
			t.Errorf("%s, before the wait is over: %+v", p.Profile, s)
		}
		done := d.Completed(s)
		if done.IsFailed(1) || done.Single != (p.Profile == ProfileClassic) {
			t.Errorf("%s, after it: %+v", p.Profile, done)
		}
		if !s.IsFailed(1) || s.Single {
			t.Errorf("%s: completing modified the former state", p.Profile)
		}
	}
}

// Not even a round gives an account more attempts than one may have.
func TestARoundKeepsTheSpentOut(t *testing.T) {
	p := Balanced()
	s := after(p, NewState(Session{}, 1), failing(Transient), failing(Transient), failing(RateLimited, by(2)))
	s = second(AfterNoCandidate(p, s, s1, true, 0))
	if !s.IsFailed(1) || !s.IsSpent(1) || s.IsFailed(2) || s.IsSpent(2) || s.IsSpent(7) {
		t.Errorf("%+v", s)
	}
}

// A client's own retry goes on with the former state, wherever that was kept.
func TestAClientsRetryGoesOn(t *testing.T) {
	p := Balanced()
	s := after(p, NewState(boundTo1, 99),
		failing(RateLimited, stating(s1), func(o *Outcome) { o.Scope, o.Organization = ScopeOrganization, "acme" }),
		failing(Credential, by(2)), failing(Transient, by(3)))
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var kept State
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(kept, s) {
		t.Fatalf("kept\n%+v\nwant\n%+v", kept, s)
	}
	if ok, why := MayBegin(p, kept); !ok || why != ReasonMayBegin {
		t.Errorf("three of five attempts: %v, %s", ok, why)
	}
	if !kept.Excludes(1, "acme") || !kept.IsFailed(2) || kept.IsFailed(3) {
		t.Errorf("%+v", kept)
	}
	kept = after(p, kept, failing(Transient, by(3)), failing(Transient, by(4)))
	if ok, why := MayBegin(p, kept); ok || why != ReasonAttemptsUsed {
		t.Errorf("five of five attempts: %v, %s", ok, why)
	}
	if ok, _ := MayBegin(p, NewState(Session{}, 1)); !ok {
		t.Error("a new request may not begin")
	}
}

// The account that a committed answer broke off at may be asked again by the
// client's retry, until it is spent.
func TestCommittedFailuresExcludeOnlyTheSpent(t *testing.T) {
	cut := failing(StreamCut, func(o *Outcome) { o.Committed = true })
	s := after(Balanced(), NewState(boundTo1, 1), cut)
	if s.IsFailed(1) {
		t.Error("excluded after one attempt")
	}
	if s = after(Balanced(), s, cut); !s.IsFailed(1) || !s.IsSpent(1) {
		t.Error("not excluded after two attempts")
	}
}

func TestMoreUseful(t *testing.T) {
	f := func(class Class, edit ...func(*Failure)) Failure {
		f := Failure{Attempt: 1, Class: class}
		for _, e := range edit {
			e(&f)
		}
		return f
	}
	in := func(d time.Duration) func(*Failure) { return func(f *Failure) { f.Reset, f.Stated = d, true } }
	// From the most to the least useful; neighbours in one row are equal.
	order := [][]Failure{
		{f(ContextTooLong)}, {f(ContentRefused)}, {f(CallerFault)},
		{f(RateLimited, in(s1))}, {f(RateLimited, in(time.Minute)), f(RateLimited, in(59*s1), func(f *Failure) { f.Spent = s1 })},
		{f(RateLimited), f(RateLimited, func(f *Failure) { f.Status = 429 })}, {f(Capacity, in(s1))}, {f(Capacity)},
		{f(Transient)}, {f(FirstTokenLate)}, {f(StreamStalled)}, {f(StreamCut)}, {f(NetworkUnknown)}, {f(NetworkUnsent)},
		{f(EmptyAnswer)}, {f(Unknown)}, {f(QuotaExhausted)}, {f(ModelGone)}, {f(Permission)}, {f(Credential)},
		{Failure{}},
	}
	for i, row := range order {
		for j, other := range order {
			for _, a := range row {
				for _, b := range other {
					if got := MoreUseful(a, b); got != (i < j) {
						t.Errorf("MoreUseful(%+v, %+v) = %v", a, b, got)
					}
				}
			}
		}
	}
}

func TestEveryClassHasARank(t *testing.T) {
	for c := range Class(NumClasses) {
		if usefulness[c] == 0 {
			t.Errorf("%s has none", c)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{RateLimited.String(), "rate_limited"}, {EmptyAnswer.String(), "empty_answer"}, {Class(200).String(), "invalid"},
		{GiveUp.String(), "give_up"}, {Beside.String(), "beside"}, {Await.String(), "await"}, {Action(9).String(), "invalid"},
		{ScopeProvider.String(), "provider"}, {Scope(9).String(), "invalid"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	if AllClasses.Without(Capacity).Has(Capacity) || !AllClasses.Has(EmptyAnswer) || Classes(Unknown).Has(Transient) {
		t.Error("sets of classes do not hold what they say")
	}
}
