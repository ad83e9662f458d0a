package sched

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

// forLater, added to when an attempt began, makes it later than any failure before it.
const forLater = time.Hour

// A burst of requests that meet the same wall at once is one failure: the rest must
// not double with each of them.
func TestRestCountsABurstOnce(t *testing.T) {
	var r Rest
	now := time.Unix(1_000_000, 0)
	if n, _ := r.Fail(1, now.Add(forLater), now); n != 1 {
		t.Fatalf("the first failure makes %d in a row", n)
	}
	r.Extend(now.Add(10*time.Second), 3, EndGuessed)
	for range 31 {
		if n, _ := r.Fail(1, now.Add(time.Millisecond).Add(forLater), now.Add(time.Millisecond)); n != 1 {
			t.Fatalf("a failure of the same burst makes %d in a row", n)
		}
	}
	if n, _ := r.Fail(1, now.Add(10*time.Second).Add(forLater), now.Add(10*time.Second)); n != 2 {
		t.Errorf("a failure after the rest makes %d in a row", n)
	}
	if r.Succeed(now.Add(11 * time.Second)); r.Streak() != 2 || r.State(now.Add(11*time.Second)) != Returning {
		t.Errorf("a probe that succeeded leaves a streak of %d; it is forgiven once all traffic is back", r.Streak())
	}
}

// Failures before any rest count one by one: some rests begin with the third.
func TestRestCountsFailuresBeforeIt(t *testing.T) {
	var r Rest
	now := time.Unix(1_000_000, 0)
	for want := 1; want <= 3; want++ {
		if n, _ := r.Fail(1, now.Add(forLater), now); n != want {
			t.Errorf("%d in a row, want %d", n, want)
		}
	}
}

func TestCandidateWell(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for i := range numRests {
		c := Candidate{ID: 1, Rests: [numRests]*Rest{{}, {}, {}, {}}}
		if !c.Well() {
			t.Fatal("nothing has failed")
		}
		c.Rests[i].Fail(1, now.Add(forLater), now)
		if c.Well() {
			t.Errorf("a failure in scope %d is not seen", i)
		}
	}
	c := Candidate{ID: 1, Rests: [numRests]*Rest{{}, {}, {}, {}}}
	c.Rests[RestProvider].Fail(2, now.Add(forLater), now)
	if !c.Well() {
		t.Error("one other account's word about the provider makes this one unwell")
	}
	c.Rests[RestProvider].Fail(3, now.Add(forLater), now)
	if c.Well() {
		t.Error("two other accounts' word about the provider does not")
	}
}

// Whether several accounts have failed tells a provider's fault from one account's.
func TestRestKnowsWhetherSeveralFailed(t *testing.T) {
	var r Rest
	now := time.Unix(1_000_000, 0)
	for _, step := range []struct {
		account domain.AccountID
		ok      bool
		want    bool
	}{{account: 1}, {account: 1}, {account: 2, want: true}, {account: 1, want: true}, {ok: true}, {account: 2}, {account: 2}, {account: 3, want: true}} {
		if step.ok {
			r.Succeed(now)
			continue
		}
		if _, several := r.Fail(step.account, now.Add(forLater), now); several != step.want {
			t.Errorf("after account %d failed: several = %v", step.account, several)
		}
	}
}

// Requests that were under way when one failed are one failure with it, as long as
// nobody rests: a hundred at once must not make the longest rest.
func TestRestCountsWhatWasUnderWayOnce(t *testing.T) {
	var r Rest
	now := time.Unix(1_000_000, 0)
	for i := range 100 {
		if n, _ := r.Fail(1, now, now.Add(time.Second+time.Duration(i)*time.Millisecond)); n != 1 {
			t.Fatalf("failure %d of the same moment makes %d in a row", i+1, n)
		}
	}
	if n, _ := r.Fail(1, now.Add(1100*time.Millisecond), now.Add(2*time.Second)); n != 2 {
		t.Errorf("a later one makes %d in a row", n)
	}
}
