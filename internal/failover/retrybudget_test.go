package failover

import (
	"testing"

	"pgregory.net/rapid"
)

func TestRetryBudget(t *testing.T) {
	share := RetryShare{Percent: 20, Floor: 2}
	const now = 1_000_000
	var l Load
	for range 2 {
		if !l.MayRetry(now, share) {
			t.Fatal("little traffic has no retry")
		}
		l = l.Began(now, true)
	}
	if l.MayRetry(now, share) || l.Retries(now, share) != 0 {
		t.Error("more than the floor")
	}
	for range 15 {
		l = l.Began(now+2*slotSeconds, false)
	}
	if n := l.Retries(now+2*slotSeconds, share); n != 1 {
		t.Errorf("15 requests and 2 retries leave %d, want 1", n)
	}
	// The retries expire before the requests do, which came later.
	if n := l.Retries(now+loadSlots*slotSeconds, share); n != 3 {
		t.Errorf("%d left once the retries have expired, want 3", n)
	}
	if n := l.Retries(now+10*loadSlots*slotSeconds, share); n != 2 {
		t.Errorf("%d left once everything has expired, want the floor of 2", n)
	}
	if l.MayRetry(now, RetryShare{}) {
		t.Error("no share, and a retry")
	}
}

// Whatever is asked when: within a window there are never more retries than the share, nor than the floor.
func TestRetriesAreAShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := RetryShare{Percent: rapid.IntRange(0, 100).Draw(t, "percent"), Floor: rapid.IntRange(0, 5).Draw(t, "floor")}
		now := rapid.Int64Range(0, 1<<40).Draw(t, "begin")
		var l Load
		requests, retries := 0, 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "a retry") {
				if l.MayRetry(now, share) {
					l, retries = l.Began(now, true), retries+1
				}
			} else {
				l, requests = l.Began(now, false), requests+1
			}
			if most := max(share.Floor, requests*share.Percent/100); retries > most {
				t.Fatalf("%d retries of %d requests, at most %d", retries, requests, most)
			}
		}
	})
}

// A provider that answers half of what it is asked is not refused; the less it answers, the more is; and
// one that has recovered is asked again at once.
func TestRefuse(t *testing.T) {
	const now, n = 1_000_000, 4000
	load := func(requests, failed int) (l Load) {
		for i := range requests {
			if l = l.Began(now, false); i < failed {
				l = l.Failed(now)
			}
		}
		return l
	}
	refused := func(l Load) (share float64) {
		s := State{Seed: 7}
		for range n {
			if l.Refuse(now, s.draw()) {
				share++
			}
		}
		return share / n
	}
	for _, c := range []struct {
		name            string
		l               Load
		atLeast, atMost float64
	}{
		{"idle", Load{}, 0, 0}, {"too little to say", load(19, 19), 0, 0}, {"healthy", load(200, 0), 0, 0}, {"half", load(200, 100), 0, 0},
		{"three quarters fail", load(200, 150), 0.45, 0.55}, {"all fail", load(200, 200), 0.98, 0.999},
		{"all fail, little traffic", load(20, 20), 0.9, 0.98}, {"recovered", load(200, 200).Answered(now), 0, 0},
	} {
		if got := refused(c.l); got < c.atLeast || got > c.atMost {
			t.Errorf("%s: %.3f are refused, want %.2f to %.2f", c.name, got, c.atLeast, c.atMost)
		}
	}
	if late := load(200, 200); late.Refuse(now+loadSlots*slotSeconds+slotSeconds, 0) {
		t.Error("what has expired is held against the provider")
	}
}
