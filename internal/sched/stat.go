package sched

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// How fast what was seen of an account is forgotten: half of it in this time.
const (
	// ErrorHalfLife is short: an account that failed a minute ago may be well again, and while nobody asks it
	// its record fades, so that it is tried again.
	ErrorHalfLife = time.Minute
	// FirstTokenHalfLife is longer: speed changes with the hour, not with the minute.
	FirstTokenHalfLife = 5 * time.Minute
)

// priorWeight is how many good answers every account is taken to have given before the first: one failure
// makes an error rate of a quarter, not of one.
const priorWeight = 3

// Stat is how an account has fared with one model of late: its error rate and its time to the first token, as
// exponentially weighted averages over time. The zero value knows nothing. Safe for concurrent use; reading takes no lock.
type Stat struct {
	mu             sync.Mutex
	failed, weight float64 // attempts, each worth half after ErrorHalfLife
	first, seen    float64 // sum of seconds and their weight, each worth half after FirstTokenHalfLife
	errorsAt       time.Time
	firstAt        time.Time

	errors     atomic.Uint64 // failed and weight at errorsAt, as float32 each
	at         atomic.Int64  // errorsAt, Unix milliseconds
	firstToken atomic.Uint64 // float64 bits of seconds; 0: not known
	firstSeen  atomic.Int64  // firstAt, Unix milliseconds
}

// Attempt notes an attempt that ended at now. Failures that are the caller's own fault are none of the account's.
func (s *Stat) Attempt(failed bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fade := decay(now.Sub(s.errorsAt), ErrorHalfLife)
	s.failed, s.weight = s.failed*fade, s.weight*fade+1
	if failed {
		s.failed++
	}
	s.errorsAt = now
	s.errors.Store(uint64(math.Float32bits(float32(s.failed)))<<32 | uint64(math.Float32bits(float32(s.weight))))
	s.at.Store(now.UnixMilli())
}

// FirstToken notes how long a stream's first content took.
func (s *Stat) FirstToken(took time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fade := decay(now.Sub(s.firstAt), FirstTokenHalfLife)
	s.first, s.seen = s.first*fade+took.Seconds(), s.seen*fade+1
	s.firstAt = now
	s.firstToken.Store(math.Float64bits(s.first / s.seen))
	s.firstSeen.Store(now.UnixMilli())
}

// Slower notes a stream that was given up before its first content, after so long: a bound from below, which counts where
// it is more than what is known.
func (s *Stat) Slower(took time.Duration, now time.Time) {
	known, ok := s.firstTokenSeconds(now.UnixMilli())
	if !ok {
		known = UnknownFirstToken
	}
	if took.Seconds() > known {
		s.FirstToken(took, now)
	}
}

// ErrorRate is the share of attempts that failed of late, 0 to 1.
func (s *Stat) ErrorRate(now time.Time) float64 { return s.errorRate(now.UnixMilli()) }

func (s *Stat) errorRate(nowMs int64) float64 {
	packed := s.errors.Load()
	failed := float64(math.Float32frombits(uint32(packed >> 32)))
	if failed == 0 {
		return 0
	}
	weight := float64(math.Float32frombits(uint32(packed)))
	fade := decay(time.Duration(nowMs-s.at.Load())*time.Millisecond, ErrorHalfLife)
	return failed * fade / (weight*fade + priorWeight)
}

// firstTokenStale is how long what was measured counts; after it the account is as good as unknown.
const firstTokenStale = 6 * FirstTokenHalfLife

// FirstTokenTime is the average time to the first token; ok is false if none was measured of late.
func (s *Stat) FirstTokenTime(now time.Time) (d time.Duration, ok bool) {
	f, ok := s.firstTokenSeconds(now.UnixMilli())
	return time.Duration(f * float64(time.Second)), ok
}

func (s *Stat) firstTokenSeconds(nowMs int64) (float64, bool) {
	bits := s.firstToken.Load()
	if bits == 0 || nowMs-s.firstSeen.Load() > firstTokenStale.Milliseconds() {
		return 0, false
	}
	return math.Float64frombits(bits), true
}

// decay is how much of something is left after d.
func decay(d, halfLife time.Duration) float64 {
	if d <= 0 {
		return 1
	}
	return math.Exp2(-float64(d) / float64(halfLife))
}
