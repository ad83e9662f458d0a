package failover

import (
	"math"
	"time"
)

// Backoff says how long to wait before the n-th use of a rule:
// First + (n−1) × Step, less a random share of at most Jitter percent. Jitter only
// ever shortens, so that First, Step and a rule's longest wait are true upper
// bounds. The zero value does not wait.
type Backoff struct {
	First  time.Duration
	Step   time.Duration
	Jitter int // percent, 0 to 100
}

// full is the n-th wait (n ≥ 1) before jitter. It saturates.
func (b Backoff) full(n int) time.Duration {
	if b.Step <= 0 || n <= 1 {
		return b.First
	}
	room := (math.MaxInt64 - b.First) / b.Step
	if time.Duration(n-1) > room {
		return math.MaxInt64
	}
	return b.First + time.Duration(n-1)*b.Step
}

// shorten takes the jitter off a wait; draw is uniform over all 64-bit values.
func (b Backoff) shorten(wait time.Duration, draw uint64) time.Duration {
	if b.Jitter <= 0 || wait <= 0 {
		return wait
	}
	most := mulDiv(int64(wait), int64(b.Jitter), 100)
	// The upper half of most × draw is uniform over [0, most).
	return wait - time.Duration(scale(uint64(most), draw))
}

// draw gives the next random number of a request. It is a function of the seed
// and of how many were drawn before, so a replay of the same state draws the same.
// The mixing is SplitMix64's (Steele, Lea, Flood 2014), which is uniform enough
// to spread waits and has no secret to keep.
func (s *State) draw() uint64 {
	s.Draws++
	z := s.Seed + uint64(s.Draws)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
