package sched

import (
	"math"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
)

// Live is the moving part of one account, shared by every View that lists it. The
// zero value is an idle account. Safe for concurrent use.
type Live struct {
	inFlight atomic.Int64
	lastUsed atomic.Int64 // Unix nanoseconds; 0: never
}

// InFlight is how many requests hold a slot.
func (l *Live) InFlight() int { return int(l.inFlight.Load()) }

// TryAcquire takes a slot if fewer than limit are taken (limit 0: always), and notes the use.
func (l *Live) TryAcquire(limit int, now time.Time) bool {
	for {
		n := l.inFlight.Load()
		if limit > 0 && n >= int64(limit) {
			return false
		}
		if l.inFlight.CompareAndSwap(n, n+1) {
			l.lastUsed.Store(now.UnixNano())
			return true
		}
	}
}

// Release gives a slot back.
func (l *Live) Release() {
	if l.inFlight.Add(-1) < 0 {
		panic("sched: a slot was released that nobody held")
	}
}

// Touch notes a use without taking a slot, for a slot that was handed over.
func (l *Live) Touch(now time.Time) { l.lastUsed.Store(now.UnixNano()) }

// forever is a rest that only an explicit event ends.
const forever = math.MaxInt64

// Rest says until when something (an account, an account for one model, an
// organisation, a provider's model) stays out of scheduling, and how often in a
// row it has failed. The zero value rests not. Safe for concurrent use.
type Rest struct {
	until  atomic.Int64 // Unix milliseconds; 0: not resting
	class  atomic.Uint32
	streak atomic.Int32
	// by is the account of the latest failure, several whether others failed as well
	// since the last success.
	by      atomic.Int64
	several atomic.Bool
	// probe: when the rest ends, requests return one at a time until one succeeds.
	probe atomic.Bool
	// probing is when the running probe's lease ends, in Unix milliseconds.
	probing atomic.Int64
}

// probeLease is how long one probe keeps the others out. A probe that is slow but alive
// must not close an account for everybody else.
const probeLease = 5 * time.Second

// Extend rests until the given time, unless it rests longer already: a rest is never
// shortened. class is the cause (package failover's numbers); probe asks for single probes afterwards. It
// reports whether anything changed.
func (r *Rest) Extend(until time.Time, class uint8, probe bool) bool {
	ms := until.UnixMilli()
	for {
		have := r.until.Load()
		if ms <= have {
			return false
		}
		if r.until.CompareAndSwap(have, ms) {
			r.class.Store(uint32(class))
			r.probe.Store(probe)
			r.probing.Store(0)
			return true
		}
	}
}

// Forever rests until Clear.
func (r *Rest) Forever(class uint8) {
	r.until.Store(forever)
	r.class.Store(uint32(class))
}

// Clear ends the rest and the streak: something succeeded, or an operator said so.
func (r *Rest) Clear() {
	r.until.Store(0)
	r.forgive()
	r.probe.Store(false)
	r.probing.Store(0)
}

// forgive ends the streak.
func (r *Rest) forgive() {
	if r.streak.Load() != 0 {
		r.streak.Store(0)
		r.by.Store(0)
		r.several.Store(false)
	}
}

// Fail counts one more failure in a row, of an account, and says how many that
// makes and whether several accounts have failed since the last success. While the
// rest lasts nobody is let in: what fails then had begun before it, and is one
// failure with the one that caused it, however many requests were under way.
func (r *Rest) Fail(account domain.AccountID, now time.Time) (streak int, several bool) {
	if old := r.by.Swap(int64(account)); old != 0 && old != int64(account) {
		r.several.Store(true)
	}
	if r.until.Load() > now.UnixMilli() {
		if n := r.streak.Load(); n > 0 {
			return int(n), r.several.Load()
		}
	}
	return int(r.streak.Add(1)), r.several.Load()
}

// Streak is the number of failures in a row.
func (r *Rest) Streak() int { return int(r.streak.Load()) }

// Restore sets what a former process had stored.
func (r *Rest) Restore(until time.Time, class uint8, streak int) {
	if until.IsZero() {
		r.Forever(class)
	} else {
		r.Extend(until, class, true)
	}
	r.streak.Store(int32(streak))
}

// Class is the cause of the last rest.
func (r *Rest) Class() uint8 { return uint8(r.class.Load()) }

// Until is when the rest ends: zero if there is none; ok is false for a rest without an
// end of its own.
func (r *Rest) Until() (until time.Time, ok bool) {
	switch ms := r.until.Load(); ms {
	case 0:
		return time.Time{}, true
	case forever:
		return time.Time{}, false
	default:
		return time.UnixMilli(ms), true
	}
}

// blocked reports whether the cell keeps requests out at now, and until when that
// may change (forever: nobody knows).
func (r *Rest) blocked(nowMs int64) (blocked bool, untilMs int64) {
	until := r.until.Load()
	if until == 0 {
		return false, 0
	}
	if nowMs < until {
		return true, until
	}
	if r.probe.Load() {
		if lease := r.probing.Load(); nowMs < lease {
			return true, lease
		}
	}
	return false, 0
}

// TryProbe claims the right to use something whose rest has just ended. Where no
// probing is asked for it is always granted.
func (r *Rest) TryProbe(now time.Time) bool {
	if r.until.Load() == 0 || !r.probe.Load() {
		return true
	}
	ms := now.UnixMilli()
	lease := r.probing.Load()
	return ms >= lease && r.probing.CompareAndSwap(lease, ms+probeLease.Milliseconds())
}

// EndProbe gives the right to probe back.
func (r *Rest) EndProbe() { r.probing.Store(0) }

// Succeed ends a probing phase and the streak. It leaves a rest that has yet to end
// alone: an answer that began before the limit struck says nothing about it.
func (r *Rest) Succeed(now time.Time) (ended bool) {
	r.forgive()
	until := r.until.Load()
	if until == 0 || until > now.UnixMilli() {
		return false
	}
	if r.until.CompareAndSwap(until, 0) {
		r.probe.Store(false)
		r.probing.Store(0)
		return true
	}
	return false
}
