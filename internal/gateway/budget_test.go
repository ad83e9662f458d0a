package gateway

import (
	"testing"
	"time"

	"turnout/internal/failover"
)

// A purse that a bad moment has emptied fills with time as well, so that a quiet
// provider's next request has its retry.
func TestRetryBudgetRefills(t *testing.T) {
	b := newRetryBudgets()
	share := failover.RetryShare{Percent: 20, Burst: 3}
	now := time.Unix(1_000_000, 0)
	if !b.left("p", now) {
		t.Error("a provider that was never asked has no retry")
	}
	b.began("p", share, false, now)
	for i := range 3 {
		if !b.left("p", now) {
			t.Fatalf("empty after %d retries", i)
		}
		b.began("p", share, true, now)
	}
	if b.left("p", now) || b.left("p", now.Add(999*time.Millisecond)) {
		t.Error("more than the burst at once")
	}
	if !b.left("p", now.Add(time.Second)) {
		t.Error("a second has earned nothing")
	}
	b.began("p", share, true, now.Add(time.Second))
	if b.left("p", now.Add(1500*time.Millisecond)) {
		t.Error("one second was counted twice")
	}
	later := now.Add(time.Hour)
	n := 0
	for ; b.left("p", later) && n < 10; n++ {
		b.began("p", share, true, later)
	}
	if n != share.Burst {
		t.Errorf("an hour has saved up %d retries, want the burst of %d", n, share.Burst)
	}
}
