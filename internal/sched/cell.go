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
	waiting  atomic.Int64 // requests in the line that want this account and no other
	held     heldTime
}

// Queue notes that n more requests wait for this account alone; a negative n, that fewer do.
func (l *Live) Queue(n int) { l.waiting.Add(int64(n)) }

// InFlight is how many requests hold a slot.
func (l *Live) InFlight() int { return int(l.inFlight.Load()) }

// LastUsed is when a slot was last taken; zero: never.
func (l *Live) LastUsed() time.Time {
	if ns := l.lastUsed.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

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

// End is what is known of a rest's end.
type End uint8

// The ends. They are not stored: after a restart the class of the rest tells.
const (
	EndGuessed   End = iota // a guess: one probe at a time, then traffic returns slowly
	EndStated               // the upstream stated it: full traffic returns at once
	EndChanged              // an operator has to change something; a probe asks now and then
	EndEstimated            // as EndGuessed, but that there is a limit is known: it is not passed over
)

// mostReturning is how many requests at a time an account serves before a circuit that
// is on its way back counts as closed.
const mostReturning = 64

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
	failed  atomic.Int64 // when the streak last grew, in Unix nanoseconds
	several atomic.Bool
	end     atomic.Uint32 // an End
	// returning is how many requests at a time each account may serve while traffic comes
	// back after a guessed rest; 0: any number. It doubles with each success.
	returning atomic.Int32
	// probing is when the running probe's lease ends, in Unix milliseconds.
	probing atomic.Int64
	// asks is from when on one request asks whether a rest is over before its end, in Unix milliseconds; 0: none does. asking
	// says that one does.
	asks   atomic.Int64
	asking atomic.Bool
	asked  atomic.Int64 // what asks was before
}

// AskEarly is how long a rest whose end was stated lasts before one request asks whether it is over, and again after
// each that finds that it is not: what states ends may be wrong, and a window may be whole again before its time.
const AskEarly = 6 * time.Hour

// AskAgain lets one request ask at a time, should the rest not be over by then.
func (r *Rest) AskAgain(at time.Time) {
	if ms := at.UnixMilli(); ms < r.until.Load() {
		r.asks.Store(ms)
	}
}

// due reports whether a request may ask before the rest's end.
func (r *Rest) due(nowMs int64) bool {
	asks := r.asks.Load()
	return asks != 0 && nowMs >= asks && nowMs >= r.probing.Load()
}

// probeLease is how long one probe keeps the others out. A probe that is slow but alive
// must not close an account for everybody else.
const probeLease = 5 * time.Second

// Extend rests until the given time, unless it rests longer already: a rest is never
// shortened. class is the cause (package failover's numbers). It reports whether
// anything changed.
func (r *Rest) Extend(until time.Time, class uint8, end End) bool {
	ms := until.Add(time.Millisecond - 1).UnixMilli() // never before the moment itself
	for {
		have := r.until.Load()
		if ms <= have {
			return false
		}
		if r.until.CompareAndSwap(have, ms) {
			r.class.Store(uint32(class))
			r.end.Store(uint32(end))
			r.probing.Store(0)
			r.returning.Store(0)
			r.asking.Store(false)
			if end != EndStated {
				r.asks.Store(0)
			}
			return true
		}
	}
}

// Forever rests until Clear.
func (r *Rest) Forever(class uint8) {
	r.until.Store(forever)
	r.class.Store(uint32(class))
	r.end.Store(uint32(EndChanged))
}

// Clear ends the rest and the streak: something succeeded, or an operator said so.
func (r *Rest) Clear() {
	r.until.Store(0)
	r.forgive()
	r.probing.Store(0)
	r.returning.Store(0)
	r.asks.Store(0)
	r.asking.Store(false)
}

// forgive ends the streak.
func (r *Rest) forgive() {
	if r.streak.Load() != 0 {
		r.streak.Store(0)
		r.by.Store(0)
		r.failed.Store(0)
		r.several.Store(false)
	}
}

// Fail counts one more failure in a row, of an account's attempt that began at a time,
// and says how many that makes and whether several accounts have failed since the
// last success. What had begun before the last failure, or fails while a rest lasts, is one
// failure with it, however many requests were under way.
func (r *Rest) Fail(account domain.AccountID, began, now time.Time) (streak int, several bool) {
	if old := r.by.Swap(int64(account)); old != 0 && old != int64(account) {
		r.several.Store(true)
	}
	last := r.failed.Load()
	if r.until.Load() > now.UnixMilli() || last != 0 && began.UnixNano() <= last {
		if n := r.streak.Load(); n > 0 {
			return int(n), r.several.Load()
		}
	}
	r.failed.Store(now.UnixNano())
	return int(r.streak.Add(1)), r.several.Load()
}

// Streak is the number of failures in a row.
func (r *Rest) Streak() int { return int(r.streak.Load()) }

// Restore sets what a former process had stored.
func (r *Rest) Restore(until time.Time, class uint8, end End, streak int) {
	if until.IsZero() {
		r.Forever(class)
	} else {
		r.Extend(until, class, end)
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
		return !r.due(nowMs), until
	}
	if r.probes() {
		if lease := r.probing.Load(); nowMs < lease {
			return true, lease
		}
	}
	return false, 0
}

// TryProbe claims the right to use something whose rest has just ended. Where no
// probing is asked for it is always granted.
func (r *Rest) TryProbe(now time.Time) bool {
	ms, until := now.UnixMilli(), r.until.Load()
	early := ms < until && r.asks.Load() != 0
	if until == 0 || !early && !r.probes() {
		return true
	}
	if early && !r.due(ms) {
		return false
	}
	lease := r.probing.Load()
	if ms < lease || !r.probing.CompareAndSwap(lease, ms+probeLease.Milliseconds()) {
		return false
	}
	if early {
		r.asked.Store(r.asks.Load())
		r.asks.Store(ms + AskEarly.Milliseconds())
		r.asking.Store(true)
	}
	return true
}

// ReturnProbe gives the right to probe back unused: who has it next may also ask what nobody has asked now.
func (r *Rest) ReturnProbe() {
	if r.asking.CompareAndSwap(true, false) {
		r.asks.Store(r.asked.Load())
	}
	r.probing.Store(0)
}

// EndProbe ends a probe that found nothing out that ends the rest.
func (r *Rest) EndProbe() {
	r.probing.Store(0)
	r.asking.Store(false)
}

// probes reports whether single requests have to find out whether the rest is over.
func (r *Rest) probes() bool { return End(r.end.Load()) != EndStated }

// guessed reports whether the rest may be passed over, should too many rest.
func (r *Rest) guessed() bool { return End(r.end.Load()) == EndGuessed }

// slowly reports whether traffic returns slowly after the rest.
func (r *Rest) slowly() bool { e := End(r.end.Load()); return e == EndGuessed || e == EndEstimated }

// Begin notes that an answer has begun: that ends a rest that is over, whatever
// becomes of the answer. It leaves a rest that has yet to end alone, because an answer that began
// before the limit struck says nothing about it; through says that the request was let
// through although the rest, a guess, had yet to end. It reports whether more requests
// may come than before.
func (r *Rest) Begin(now time.Time, through bool) (more bool) {
	until := r.until.Load()
	if until == 0 || until > now.UnixMilli() && !(through && r.guessed()) && !r.asking.Load() {
		return false
	}
	back := int32(0)
	if r.slowly() {
		back = 1
	}
	if !r.until.CompareAndSwap(until, 0) {
		return false
	}
	r.returning.Store(back)
	r.probing.Store(0)
	r.asks.Store(0)
	r.asking.Store(false)
	return true
}

// Succeed notes a whole answer: it forgives the streak, or lets twice as many
// requests in while traffic returns, and forgives once all of it may. An answer that
// only began forgives nothing, or an account that breaks every one would never rest. It reports
// whether more requests may come than before.
func (r *Rest) Succeed(now time.Time) (more bool) {
	began := r.Begin(now, false)
	if r.until.Load() != 0 {
		return began
	}
	n := r.returning.Load()
	if n == 0 {
		r.forgive()
		return began
	}
	if next := 2 * n; next < mostReturning {
		return r.returning.CompareAndSwap(n, next)
	}
	r.returning.Store(0)
	r.forgive()
	return true
}

// State is what a circuit is doing.
type State uint8

// The states.
const (
	Closed    State = iota // full traffic
	Known                  // resting until a stated reset, or until something is changed
	Guessed                // resting for a time that is a guess
	Probing                // one request finds out whether it is back
	Returning              // traffic comes back slowly
	NumStates = int(Returning) + 1
)

// String is the state's name in metrics and tables.
func (s State) String() string {
	return [...]string{"closed", "resting_known", "resting_guessed", "probing", "returning"}[s]
}

// State is what the circuit is doing at now.
func (r *Rest) State(now time.Time) State {
	until := r.until.Load()
	switch {
	case until > now.UnixMilli() && r.slowly():
		return Guessed
	case until > now.UnixMilli():
		return Known
	case until != 0 && r.probes():
		return Probing
	case r.returning.Load() > 0:
		return Returning
	}
	return Closed
}
