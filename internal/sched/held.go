package sched

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// heldTime is how long an account's slots are held of late, an exponential average over time. Reading takes no lock.
type heldTime struct {
	mu          sync.Mutex
	sum, weight float64 // seconds, and how many, each worth half after heldHalfLife
	packed      atomic.Uint64
	at          atomic.Int64 // Unix milliseconds
}

const (
	heldHalfLife = 5 * time.Minute
	// leastHeld is how many recent ones tell something.
	leastHeld = 5
)

// Held notes how long an attempt has held one of the account's slots.
func (l *Live) Held(took time.Duration, now time.Time) {
	h := &l.held
	h.mu.Lock()
	defer h.mu.Unlock()
	fade := decay(time.Duration(now.UnixMilli()-h.at.Load())*time.Millisecond, heldHalfLife)
	h.sum, h.weight = h.sum*fade+took.Seconds(), h.weight*fade+1
	h.packed.Store(uint64(math.Float32bits(float32(h.sum/h.weight)))<<32 | uint64(math.Float32bits(float32(h.weight))))
	h.at.Store(now.UnixMilli())
}

// HeldTime is how long a slot of the account is held on the average; ok is false where too few were of late.
func (l *Live) HeldTime(now time.Time) (mean time.Duration, ok bool) {
	packed := l.held.packed.Load()
	weight := float64(math.Float32frombits(uint32(packed)))
	if weight*decay(time.Duration(now.UnixMilli()-l.held.at.Load())*time.Millisecond, heldHalfLife) < leastHeld-0.5 {
		return 0, false
	}
	return time.Duration(float64(math.Float32frombits(uint32(packed>>32))) * float64(time.Second)), true
}
