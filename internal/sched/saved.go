package sched

import (
	"time"

	"turnout/internal/domain"
)

// SavedWindow is a window as it is kept for another process. Times are Unix nanoseconds.
type SavedWindow struct {
	Window string             `json:"window"`
	Family string             `json:"family,omitempty"`
	Unit   domain.QuotaUnit   `json:"unit,omitempty"`
	Kind   domain.QuotaKind   `json:"kind,omitempty"`
	Status domain.QuotaStatus `json:"status,omitempty"`
	Limit  int64              `json:"limit,omitempty"`
	Used   float64            `json:"used"`
	At     int64              `json:"at"`
	Read   int64              `json:"read"`
	Reset  int64              `json:"reset"`
	Said   bool               `json:"said,omitempty"`
	Length int64              `json:"length,omitempty"`
	Heat   float64            `json:"heat,omitempty"`
	Seen   float64            `json:"seen,omitempty"`
	First  int64              `json:"first,omitempty"`
	BurnAt int64              `json:"burn_at,omitempty"`
}

// savedFor is how long a window of the calendar is worth keeping after its reset: only Turnout knows how large it is.
const savedFor = 7 * 24 * time.Hour

// Until is when nothing that is saved of the window matters any more.
func (s *SavedWindow) Until() time.Time {
	until := time.Unix(0, s.Reset)
	if s.Kind == domain.QuotaCalendar {
		until = until.Add(savedFor)
	}
	return until
}

// Save gives what has changed after a moment and is worth keeping. Buckets are not: they are full before anybody reads it.
func (q *Quota) Save(since, now time.Time) (out []SavedWindow) {
	for _, w := range q.Windows() {
		s := w.now.Load()
		if s.at <= since.UnixNano() || s.used < 0 || s.kind == domain.QuotaBucket {
			continue
		}
		one := SavedWindow{
			Window: w.name, Family: w.family, Unit: s.unit, Kind: s.kind, Status: s.status, Limit: s.limit, Used: s.used, At: s.at, Read: s.read,
			Reset: s.reset, Said: s.said, Length: s.length, Heat: s.heat, Seen: s.seen, First: s.first, BurnAt: s.burnAt,
		}
		if one.Until().After(now) {
			out = append(out, one)
		}
	}
	return out
}

// Restore takes over what a former process had saved, where nothing newer is known.
func (q *Quota) Restore(one *SavedWindow, now time.Time) {
	if one.Kind == domain.QuotaBucket || !(one.Used >= 0 && one.Used <= 1) || one.Reset <= 0 || one.At > now.UnixNano() || !one.Until().After(now) {
		return
	}
	w := q.window(one.Window, one.Family, now)
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now.Load().read >= one.Read {
		return
	}
	w.now.Store(&windowState{
		unit: one.Unit, kind: one.Kind, status: one.Status, limit: max(one.Limit, 0), used: one.Used, at: one.At, read: one.Read,
		reset: one.Reset, said: one.Said, length: max(one.Length, 0), heat: max(one.Heat, 0), seen: max(one.Seen, 0), first: one.First, burnAt: one.BurnAt,
	})
}
