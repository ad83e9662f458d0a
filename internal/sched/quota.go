package sched

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
)

// Quota is the windows of one account, or of one organisation for one model. The zero
// value knows none. Safe for concurrent use; readers take no lock.
type Quota struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*Window] // never modified, but replaced
}

// maxWindows bounds what one upstream can make Turnout remember.
const maxWindows = 16

// QuotaKey names a Quota: an account's, or an organisation's for a model.
type QuotaKey struct {
	Account domain.AccountID // 0: an organisation's
	Name    string           // organisation and model
}

// AccountQuotaKey is the Quota of one account, whichever model is asked.
func AccountQuotaKey(id domain.AccountID) QuotaKey { return QuotaKey{Account: id} }

// ModelQuotaKey is the Quota that an account shares with its organisation for one model, by its name
// upstream: the cache domain.
func ModelQuotaKey(a *domain.Account, sent string) QuotaKey {
	return QuotaKey{Name: OrganizationOf(a) + "\x00" + sent}
}

// The quotas of a candidate.
const (
	quotaAccount = iota
	quotaModel
	numQuotas
)

// Windows are those that anything was ever said of. The slice is read only.
func (q *Quota) Windows() []*Window {
	if list := q.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Observe takes a reading in.
func (q *Quota) Observe(r *domain.QuotaReading, now time.Time) {
	if w := q.window(r.Window, r.Family, now); w != nil {
		w.Observe(r, now)
	}
}

// window finds a window or makes it; nil: there are too many already.
func (q *Quota) window(name, family string, now time.Time) *Window {
	if w := find(q.Windows(), name); w != nil {
		return w
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	have := q.Windows()
	if w := find(have, name); w != nil {
		return w
	}
	next := slices.Clone(have)
	if len(next) >= maxWindows {
		next = slices.DeleteFunc(next, func(w *Window) bool {
			_, known := w.Standing(now)
			return !known
		})
	}
	if len(next) >= maxWindows {
		return nil
	}
	w := newWindow(name, family)
	next = append(next, w)
	q.list.Store(&next)
	return w
}

func find(list []*Window, name string) *Window {
	for _, w := range list {
		if w.name == name {
			return w
		}
	}
	return nil
}

// Count notes what an attempt used that began at a time: requests, and tokens.
func (q *Quota) Count(requests int64, u domain.Usage, began, now time.Time) {
	for _, w := range q.Windows() {
		var n int64
		switch w.now.Load().unit {
		case domain.QuotaRequests:
			n = requests
		case domain.QuotaTokens:
			n = u.Prompt() + u.Output
		case domain.QuotaInputTokens:
			n = u.Prompt()
		case domain.QuotaOutputTokens:
			n = u.Output
		}
		if n > 0 {
			w.Count(n, began, now)
		}
	}
}

// Quota gives the windows of a key.
func (c *Cells) Quota(k QuotaKey) *Quota {
	c.mu.RLock()
	q := c.quotas[k]
	c.mu.RUnlock()
	if q != nil {
		return q
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if q = c.quotas[k]; q == nil {
		q = &Quota{}
		if len(c.quotas) < maxRests {
			c.quotas[k] = q
		}
	}
	return q
}

// EachQuota calls f for every key that is known, in no order.
func (c *Cells) EachQuota(f func(QuotaKey, *Quota)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for k, q := range c.quotas {
		f(k, q)
	}
}

// quotasOf are the quotas of an account for a model.
func (c *Cells) quotasOf(a *domain.Account, sent string) [numQuotas]*Quota {
	return [numQuotas]*Quota{c.Quota(AccountQuotaKey(a.ID)), c.Quota(ModelQuotaKey(a, sent))}
}

// Observe takes in what an answer of the candidate said of its windows.
func (c *Candidate) Observe(readings []domain.QuotaReading, now time.Time) {
	for i := range readings {
		which := quotaModel
		if readings[i].Scope == domain.QuotaOfAccount {
			which = quotaAccount
		}
		c.quotas[which].Observe(&readings[i], now)
	}
}

// Count notes what an attempt at the candidate used, for windows that Turnout has to count itself.
func (c *Candidate) Count(requests int64, u domain.Usage, began, now time.Time) {
	for _, q := range c.quotas {
		q.Count(requests, u, began, now)
	}
}

// concerns reports whether a window is about the candidate's model.
func (w *Window) concerns(c *Candidate) bool {
	return w.family == "" || strings.Contains(c.Sent, w.family)
}

// quotaTerm is what the candidate's windows say of asking it, in seconds: it costs to run ahead of a window's time, and
// pays to use what would be lost. Near a window's wall nothing new begins, but what is bound here finishes.
func (c *Candidate) quotaTerm(now time.Time, bound domain.AccountID) (seconds float32) {
	if c.quotas[quotaAccount].list.Load() == nil && c.quotas[quotaModel].list.Load() == nil {
		return 0
	}
	pace, known := c.Pace(now)
	switch {
	case known && pace > 0:
		seconds = float32(PaceSeconds * pace)
	case known:
		seconds = float32(UnusedSeconds * pace)
	}
	if bound != c.ID && c.Draining(now) {
		seconds += DrainSeconds
	}
	return seconds
}

// unknownReset is when an account is taken to have something to lose of which no window tells: half of the commonest window's length
// away, so that those come first that lose something sooner, and those later that lose it later.
const unknownReset = 150 * time.Minute

// resetAt is when the first of the candidate's windows whose rest would be lost resets, in Unix milliseconds; beyond every
// date where one is used up, and unknownReset away where none is known.
func (c *Candidate) resetAt(nowMs int64) float64 {
	ns, first := nowMs*int64(time.Millisecond), int64(math.MaxInt64)
	if share, known := c.Headroom(time.UnixMilli(nowMs)); known && share <= 0 {
		return math.MaxInt64 // another of its windows is used up: nothing of this one can be saved
	}
	for _, q := range &c.quotas {
		if q == nil {
			continue
		}
		for _, w := range q.Windows() {
			s := w.now.Load()
			if _, ok := s.paceAt(ns); !ok || !w.concerns(c) {
				continue
			}
			first = min(first, s.resetAt(ns)/int64(time.Millisecond))
		}
	}
	if first == math.MaxInt64 {
		first = nowMs + unknownReset.Milliseconds()
	}
	return float64(first)
}

// Pace is that of the candidate's tightest window: the largest of used share − elapsed share. Positive:
// at this rate it runs dry before its reset; negative: what is left then is lost. known is false where no window tells.
func (c *Candidate) Pace(now time.Time) (pace float64, known bool) {
	var ns int64
	for _, q := range &c.quotas {
		if q == nil || q.list.Load() == nil {
			continue
		}
		if ns == 0 {
			ns = now.UnixNano()
		}
		for _, w := range q.Windows() {
			// Whom a window concerns is asked last: it is the dearest question.
			if p, ok := w.now.Load().paceAt(ns); ok && (!known || p > pace) && w.concerns(c) {
				pace, known = p, true
			}
		}
	}
	return pace, known
}

// Headroom is the smallest share that is left (0 to 1) of the candidate's windows whose
// reset has not passed; known is false where there is none.
func (c *Candidate) Headroom(now time.Time) (share float64, known bool) {
	var ns int64
	for _, q := range &c.quotas {
		if q == nil || q.list.Load() == nil {
			continue
		}
		if ns == 0 {
			ns = now.UnixNano()
		}
		for _, w := range q.Windows() {
			if used, ok := w.now.Load().usedAt(ns); ok && (!known || 1-used < share) && w.concerns(c) {
				share, known = 1-used, true
			}
		}
	}
	return share, known
}

// Draining reports whether any of the candidate's windows is so near its end that new sessions
// should go elsewhere, while those that are bound to it finish.
func (c *Candidate) Draining(now time.Time) bool {
	var ns int64
	for _, q := range &c.quotas {
		if q == nil || q.list.Load() == nil {
			continue
		}
		if ns == 0 {
			ns = now.UnixNano()
		}
		for _, w := range q.Windows() {
			if w.now.Load().drainingAt(ns) && w.concerns(c) {
				return true
			}
		}
	}
	return false
}
