package limit

import "time"

// unit is what one request or token weighs: what a limit of one a minute lets through in a microsecond weighs 1, so that
// every rate is a whole number.
const unit = 60_000_000

// Most is the largest rate and the largest burst; what a request reports beyond it is cut. Levels stay far below an
// overflow with it.
const Most = 1_000_000_000

// mostDebt bounds a level, of which corrections may make more than the burst.
const mostDebt = 1 << 60

// Rate is so many a minute, and how many may come at once after a rest. The zero Rate is no limit.
type Rate struct {
	PerMinute int64
	Burst     int64
}

func (r Rate) limited() bool { return r.PerMinute > 0 }

// meter is a leaky bucket: what was let through fills it, time empties it.
type meter struct {
	level int64 // in units
	at    int64 // the microsecond until which it has leaked
}

// leak lets the time pass until now. Time never goes back: whoever comes late comes at the time of the one before.
func (m *meter) leak(r Rate, now int64) {
	passed := now - m.at
	if passed <= 0 {
		return
	}
	m.at = now
	if passed > m.level/r.PerMinute {
		m.level = 0
		return
	}
	m.level -= passed * r.PerMinute
}

// lacks is how long after now n more fit in; 0: at once. n is at most the burst.
func (m *meter) lacks(r Rate, n, now int64) time.Duration {
	over := m.level + (n-r.Burst)*unit
	if over <= 0 {
		return 0
	}
	wait := (over + r.PerMinute - 1) / r.PerMinute
	return time.Duration(max(m.at-now, 0)+wait) * time.Microsecond
}

func (m *meter) add(weight int64) { m.level = min(m.level+weight, mostDebt) }

// State is how far a rate limit is used. The zero State is that of no limit.
type State struct {
	Limit     int64         // how many may come at once after a rest
	PerMinute int64         // how many come back
	Remaining int64         // how many may still come now
	Reset     time.Duration // until all of Limit may
}

// Known reports whether there is a limit at all.
func (s State) Known() bool { return s.Limit > 0 }

func (m *meter) state(r Rate) State {
	return State{
		Limit: r.Burst, PerMinute: r.PerMinute, Remaining: max(r.Burst*unit-m.level, 0) / unit,
		Reset: time.Duration((m.level+r.PerMinute-1)/r.PerMinute) * time.Microsecond,
	}
}

// tighter is the one of two states of which less is left.
func tighter(a, b State) State {
	if !a.Known() || b.Known() && b.Remaining < a.Remaining {
		return b
	}
	return a
}
