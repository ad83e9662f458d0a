package sched

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
)

// What windows are judged by; docs/quota.md explains each.
const (
	// drainBelow is the share left below which a window drains, if it will not last until its reset.
	drainBelow = 0.05
	// drainAlways is the share left below which it drains in any case: what is under way
	// already may be more than that.
	drainAlways = 0.01
	// evidence is how many observations make a forecast as likely right as wrong.
	evidence = 3
	// defaultBucket is how long an empty bucket takes to fill where nothing tells.
	defaultBucket = time.Minute
	// A burn rate's half-life is this part of its window's length, within bounds.
	burnParts     = 12
	burnShortest  = 10 * time.Second
	burnLongest   = 12 * time.Hour
	burnUnknown   = 15 * time.Minute // of a window whose length nobody knows
	paceLeast     = time.Hour        // shorter windows have no pace
	resetSlack    = time.Minute      // resets that differ by less are the same one
	rejectedFor   = AskEarly         // how long a window of unknown length is believed to be closed, whatever reset was told
	measuredShare = 0.01             // of a bucket that must be used before its time to fill tells how long all of it takes
)

// Window is what is known of one of a provider's limits. Readings of answers and Turnout's own
// counting move it. Readers take no lock. Safe for concurrent use.
type Window struct {
	name, family string // never change
	mu           sync.Mutex
	now          atomic.Pointer[windowState] // never nil
}

// windowState is a window at one moment. It is never modified. Times are Unix nanoseconds.
type windowState struct {
	unit   domain.QuotaUnit
	kind   domain.QuotaKind
	status domain.QuotaStatus
	limit  int64 // in units; 0: unknown

	used   float64 // share at the moment at; negative: unknown
	at     int64
	read   int64 // the last reading
	reset  int64 // never 0
	said   bool  // the provider said the reset; else it is a guess
	length int64 // 0: unknown

	// The burn rate: shares that were used, each worth half after a half-life, and how many observations
	// those were, likewise.
	heat, seen float64
	first      int64 // the first reading
	burnAt     int64 // the last one
}

func newWindow(name, family string) *Window {
	w := &Window{name: name, family: family}
	w.now.Store(&windowState{used: -1})
	return w
}

// Observe takes a reading in. Of readings that overtook each other the later one holds.
func (w *Window) Observe(r *domain.QuotaReading, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, ns := w.now.Load(), now.UnixNano()
	if ns < old.read {
		return
	}
	s := *old
	s.unit, s.kind, s.status, s.at, s.read = r.Unit, r.Kind, r.Status, ns, ns
	if r.Limit > 0 {
		s.limit = r.Limit
	}
	if r.Length > 0 {
		s.length = int64(r.Length)
	}
	s.used = r.Used
	if s.used < 0 && r.Remaining >= 0 && s.limit > 0 {
		s.used = max(0, 1-float64(r.Remaining)/float64(s.limit))
	}
	s.takeReset(r, old, ns)
	before, known, fresh := s.since(old, ns)
	switch {
	case s.used < 0 && known && old.status == domain.QuotaRejected && s.status != domain.QuotaRejected && before >= 1:
		// It is open again, and the share was known from the refusal alone: now it is not.
	case s.used < 0 && known:
		s.used = before // only the status was said
	case s.used < 0:
	case known:
		s.burnt(s.used-before, ns)
	case fresh:
		s.burnt(s.used, ns)
	case s.first == 0:
		s.first, s.burnAt = ns, ns
	}
	w.now.Store(&s)
}

// since compares a reading with what was known before: the share that was used of the same window (known),
// or that this one is another (fresh), all of whose use is new.
func (s *windowState) since(old *windowState, ns int64) (before float64, known, fresh bool) {
	switch {
	case old.used < 0:
		return 0, false, false
	case s.kind == domain.QuotaBucket:
		before, _ = old.usedAt(ns) // nothing, once it is full again
		return before, true, false
	case !old.said:
		return old.used, true, false // whether its end was where it was taken to be nobody knows
	case ns >= old.reset || s.said && s.reset > old.reset+s.slack():
		return 0, false, true
	}
	return old.used, true, false
}

// slack is by how much resets may differ and be the same one: some are told in whole seconds from now.
func (s *windowState) slack() int64 { return max(s.length/20, int64(resetSlack)) }

// takeReset settles when the window is whole again. Where the reading does not say, the old reset holds
// as long as it lies ahead, and else the reading is good for as long as the window is at most.
func (s *windowState) takeReset(r *domain.QuotaReading, old *windowState, ns int64) {
	bucket := s.kind == domain.QuotaBucket
	switch {
	case !r.Reset.IsZero() && r.Reset.UnixNano() > ns:
		s.reset, s.said = r.Reset.UnixNano(), true
		if bucket && s.used >= measuredShare {
			s.length = int64(float64(s.reset-ns) / s.used)
		}
	case bucket && s.used >= 0:
		s.reset, s.said = ns+max(int64(s.used*float64(s.fill())), 1), old.said && s.length > 0
	case old.reset > ns:
		s.reset, s.said = old.reset, old.said
	default:
		s.reset, s.said = ns+s.fill(), false
	}
}

// fill is how long the window is, or is taken to be.
func (s *windowState) fill() int64 {
	if s.length > 0 {
		return s.length
	}
	return int64(defaultBucket)
}

// Count notes that Turnout itself used n units, by an attempt that began at a time.
// What had begun before the last reading is in it already. It moves only windows whose limit is known.
func (w *Window) Count(n int64, began, now time.Time) {
	if s := w.now.Load(); s.limit <= 0 || s.used < 0 || s.read >= began.UnixNano() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.now.Load()
	if old.read >= began.UnixNano() {
		return
	}
	ns := max(now.UnixNano(), old.at) // somebody else's later moment may have come first
	used, known := old.usedAt(ns)
	if !known {
		return
	}
	s := *old
	s.at, s.reset = ns, old.resetAt(ns)
	if s.reset != old.reset {
		s.status = domain.QuotaUnsaid
	}
	s.used = min(used+float64(n)/float64(s.limit), 1)
	if s.kind == domain.QuotaBucket {
		s.reset = ns + max(int64(s.used*float64(s.fill())), 1)
	}
	s.burnt(s.used-used, ns)
	w.now.Store(&s)
}

// resetAt is the reset that lies ahead at a moment: windows of the calendar begin again by themselves.
func (s *windowState) resetAt(ns int64) int64 {
	if s.kind != domain.QuotaCalendar || ns < s.reset || s.length <= 0 {
		return s.reset
	}
	return s.reset + ((ns-s.reset)/s.length+1)*s.length
}

// usedAt is the used share at a moment; known is false once the reset has passed, since nobody knows what
// others used of the next window. Of a window that begins by itself only Turnout's own use is known.
func (s *windowState) usedAt(ns int64) (used float64, known bool) {
	if s.used < 0 {
		return 0, false
	}
	if ns >= s.reset {
		return 0, s.kind == domain.QuotaCalendar && s.length > 0 && s.limit > 0
	}
	if s.status == domain.QuotaRejected && s.length == 0 && s.kind == domain.QuotaFixed && ns-s.read >= int64(rejectedFor) {
		return 0, false // a reset that nothing bounds may be a mistake: whoever asks now finds out
	}
	if s.kind == domain.QuotaBucket && ns > s.at {
		return s.used * float64(s.reset-ns) / float64(s.reset-s.at), true
	}
	return s.used, true
}

// paceAt is used share − elapsed share of the window. A bucket has no pace: it has no end at which
// what is left would be lost. Neither has a window that is soon whole again.
func (s *windowState) paceAt(ns int64) (pace float64, known bool) {
	if s.kind == domain.QuotaBucket || s.length < int64(paceLeast) || !s.said {
		return 0, false
	}
	used, known := s.usedAt(ns)
	if !known {
		return 0, false
	}
	left := float64(s.resetAt(ns)-ns) / float64(s.length)
	return used - max(0, 1-left), true
}

// halfLife is that of the burn rate.
func (s *windowState) halfLife() float64 {
	if s.length <= 0 {
		return float64(burnUnknown)
	}
	return float64(min(max(s.length/burnParts, int64(burnShortest)), int64(burnLongest)))
}

// burnt notes that a share was used since the last moment, evenly: its earlier parts are worth less by now.
// Less than before is a correction, and nothing that anybody gave back.
func (s *windowState) burnt(share float64, ns int64) {
	if s.first == 0 {
		s.first, s.burnAt = ns, ns
	}
	old := s.decay(ns)
	if halves := float64(ns-s.burnAt) / s.halfLife(); halves > 0 {
		share *= (1 - old) / (halves * math.Ln2)
	}
	s.heat, s.seen, s.burnAt = s.heat*old+max(share, 0), s.seen*old+1, ns
}

// decay is what observations up to burnAt are worth at a moment.
func (s *windowState) decay(ns int64) float64 {
	return math.Exp2(-float64(max(ns-s.burnAt, 0)) / s.halfLife())
}

// burnPerNano is the burn rate at a moment, in shares a nanosecond. An exponential average of rates is
// biased towards nothing while it is younger than its half-life; that is divided out.
func (s *windowState) burnPerNano(ns int64) float64 {
	if s.seen == 0 || s.heat == 0 {
		return 0
	}
	half := s.halfLife()
	age := float64(max(ns-s.first, int64(time.Second)))
	return s.heat * s.decay(ns) * math.Ln2 / half / (1 - math.Exp2(-age/half))
}

// exhausted is how long the window lasts at its burn rate; ok is false where it lasts until
// its reset, or where nothing is known.
func (s *windowState) exhausted(ns int64) (in float64, ok bool) {
	used, known := s.usedAt(ns)
	if !known {
		return 0, false
	}
	if used >= 1 {
		return 0, true
	}
	rate := s.burnPerNano(ns)
	if s.kind == domain.QuotaBucket {
		rate -= 1 / float64(s.fill())
	}
	if rate <= 0 {
		return 0, false
	}
	in = (1 - used) / rate
	return in, s.kind == domain.QuotaBucket && in < float64(maxForecast) || in < float64(s.resetAt(ns)-ns)
}

// maxForecast is how far ahead the end of a bucket is told.
const maxForecast = 24 * time.Hour

// drainingAt reports whether the window is so near its end that nothing new should begin on it.
func (s *windowState) drainingAt(ns int64) bool {
	used, known := s.usedAt(ns)
	if !known {
		return false
	}
	left := 1 - used
	switch {
	case left > drainBelow:
		return false
	case left <= drainAlways:
		return true
	}
	if s.seen >= 1 {
		_, dry := s.exhausted(ns)
		return dry
	}
	pace, known := s.paceAt(ns)
	return !known || pace > 0
}

// Standing is a window as it is shown to people.
type Standing struct {
	Window, Family string
	Unit           domain.QuotaUnit
	Kind           domain.QuotaKind
	Status         domain.QuotaStatus
	Limit          int64         // in units; 0: unknown
	Used           float64       // share
	Reset          time.Time     // when it is whole again
	Length         time.Duration // 0: unknown
	Read           time.Time     // the last reading

	Pace      float64 // meaningful only if Paced
	Paced     bool
	Burn      float64       // shares an hour
	Exhausted time.Duration // at that rate, before the reset; meaningful only if Dry
	Dry       bool
	// Confidence in Burn and Exhausted: n/(n+3), where each of the n observations is worth half after a
	// half-life of the burn rate.
	Confidence float64
	Draining   bool
}

// Standing says how the window stands; ok is false where nothing is known of it any more.
func (w *Window) Standing(now time.Time) (out Standing, ok bool) {
	s, ns := w.now.Load(), now.UnixNano()
	used, known := s.usedAt(ns)
	if !known {
		return out, false
	}
	out = Standing{
		Window: w.name, Family: w.family, Unit: s.unit, Kind: s.kind, Status: s.status, Limit: s.limit, Used: used,
		Reset: time.Unix(0, s.resetAt(ns)), Length: time.Duration(s.length), Read: time.Unix(0, s.read),
		Burn: s.burnPerNano(ns) * float64(time.Hour), Draining: s.drainingAt(ns),
	}
	out.Pace, out.Paced = s.paceAt(ns)
	var in float64
	if in, out.Dry = s.exhausted(ns); out.Dry {
		out.Exhausted = time.Duration(in)
	}
	n := s.seen * s.decay(ns)
	out.Confidence = n / (n + evidence)
	return out, true
}
