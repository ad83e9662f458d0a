package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limit names which time limit ended an attempt.
type Limit uint8

// The limits.
const (
	LimitFirstByte  Limit = iota // no answer header in time
	LimitFirstToken              // an answer, but no content in time
	LimitStall                   // the answer fell silent
	LimitFinish                  // the finish reason was seen, but the stream does not end
	LimitTotal                   // the whole attempt took too long
)

// String is the limit's name in traces and metrics.
func (l Limit) String() string {
	return [...]string{"first_byte", "first_token", "stall", "finish", "total"}[l]
}

type limitError Limit

func (l limitError) Error() string { return "time limit " + Limit(l).String() }

// Watch keeps the time limits of one attempt. There is one hard deadline at a time,
// which the attempt moves as it makes progress; a total deadline that never moves; and a
// soft one that calls a function once and cuts nothing. Moving the deadline
// further away costs one atomic store. Safe for concurrent use.
type Watch struct {
	cancel context.CancelCauseFunc
	onSoft func()
	began  time.Time

	deadline atomic.Int64 // nanoseconds after began
	limit    atomic.Uint32
	armed    atomic.Int64 // when the timer fires; at most the deadline

	mu      sync.Mutex
	timer   *time.Timer
	total   time.Duration
	soft    time.Duration // 0: none, or it has been called
	stopped bool
}

// NewWatch starts watching an attempt: first is the hard limit until the first
// Progress, total the limit of the whole attempt. cancel is called with the limit as cause.
func NewWatch(cancel context.CancelCauseFunc, first, total time.Duration) *Watch {
	w := &Watch{cancel: cancel, began: time.Now(), total: total}
	w.limit.Store(uint32(LimitFirstByte))
	w.deadline.Store(int64(first))
	w.timer = time.AfterFunc(min(first, total), w.fire)
	w.armed.Store(int64(min(first, total)))
	return w
}

// Soft calls f once, in a goroutine of its own, if the attempt still runs d after it
// began. A limit that has passed already counts.
func (w *Watch) Soft(d time.Duration, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || d <= 0 {
		return
	}
	w.onSoft, w.soft = f, d
	w.rearm()
}

// NoSoft takes the soft limit away.
func (w *Watch) NoSoft() {
	w.mu.Lock()
	w.soft = 0
	w.mu.Unlock()
}

// Progress moves the hard deadline to d from now, for the given reason.
func (w *Watch) Progress(l Limit, d time.Duration) {
	at := int64(time.Since(w.began) + d)
	w.limit.Store(uint32(l))
	w.deadline.Store(at)
	if at < w.armed.Load() {
		w.mu.Lock()
		w.rearm()
		w.mu.Unlock()
	}
}

// Until moves the hard deadline to d after the attempt began.
func (w *Watch) Until(l Limit, d time.Duration) {
	w.Progress(l, d-time.Since(w.began))
}

// Elapsed is how long the attempt has run.
func (w *Watch) Elapsed() time.Duration { return time.Since(w.began) }

// Stop ends the watch. Nothing is called afterwards, except a soft function that
// has begun already.
func (w *Watch) Stop() {
	w.mu.Lock()
	w.stopped = true
	w.timer.Stop()
	w.mu.Unlock()
}

// rearm sets the timer to the next deadline; the lock is held.
func (w *Watch) rearm() {
	if w.stopped {
		return
	}
	var next int64
	for {
		next = min(w.deadline.Load(), int64(w.total))
		if w.soft > 0 {
			next = min(next, int64(w.soft))
		}
		w.armed.Store(next)
		// Progress looks at armed without the lock. Where it moved the deadline nearer
		// after that was read here and looked before the store, it leaves the timer to us.
		if w.deadline.Load() >= next {
			break
		}
	}
	w.timer.Reset(max(time.Duration(next)-time.Since(w.began), 0))
}

func (w *Watch) fire() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	now := time.Since(w.began)
	switch {
	case now >= w.total:
		w.stopped = true
		w.mu.Unlock()
		w.cancel(limitError(LimitTotal))
		return
	case int64(now) >= w.deadline.Load():
		w.stopped = true
		w.mu.Unlock()
		w.cancel(limitError(w.limit.Load()))
		return
	}
	var call func()
	if w.soft > 0 && now >= w.soft {
		call, w.soft = w.onSoft, 0
	}
	w.rearm()
	w.mu.Unlock()
	if call != nil {
		call()
	}
}
