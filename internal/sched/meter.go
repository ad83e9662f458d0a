package sched

import (
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
)

// Meter counts what an account is used for against its operator's limits. What a request is
// thought to need is taken before it is sent, and corrected when it has ended. It outlives
// configurations. Safe for concurrent use; the scheduler reads it without a lock.
type Meter struct {
	until atomic.Int64 // Unix milliseconds until which no request may come; 0: one may
	full  atomic.Int64 // the same for new sessions

	mu       sync.Mutex
	limits   domain.AccountLimits
	ttl      time.Duration // of sessions
	sessions map[domain.SessionID]*metered
	requests ring
	tokens   ring
	day      int64 // since 1970, UTC
	perDay   struct{ requests, tokens int64 }
}

// metered is a session that the account serves.
type metered struct {
	last   int64 // when it was last served, in Unix nanoseconds; 0: it was not yet
	flying int   // its requests under way
}

// Draw is what one request takes of an account's limits.
type Draw struct {
	Tokens  int64            // that it is thought to need
	Session domain.SessionID // zero: it belongs to none
	Bound   bool             // the session is bound to the account: it is served however many there are
}

// Limit puts limits in place. What was counted stays. ttl is how long a session counts without being served.
func (m *Meter) Limit(l domain.AccountLimits, ttl time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limits != l || m.ttl != ttl {
		m.limits, m.ttl = l, ttl
		m.until.Store(0) // the next request finds out
		m.full.Store(0)
	}
}

// Take counts a request and the tokens that it is thought to need, unless a limit is
// reached. Requests never pass their limit. The last request that fits may pass a limit of tokens by
// its own size: else one that is larger than what is ever left would wait for ever.
func (m *Meter) Take(d Draw, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	if until := m.closed(now); until != 0 {
		m.until.Store(until)
		return false
	}
	if !m.enter(&d, now) {
		return false
	}
	m.add(1, d.Tokens, now, now)
	return true
}

// Untake undoes a Take whose request was not sent.
func (m *Meter) Untake(d Draw, taken, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	m.leave(d.Session, false, now)
	m.add(-1, -d.Tokens, taken, now)
}

// Settle puts the tokens that were really used in place of those that were taken. served says that the request was: a
// session that was not does not count.
func (m *Meter) Settle(d Draw, used int64, served bool, at, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	m.leave(d.Session, served, now)
	m.add(0, min(used, mostTokens)-d.Tokens, at, now)
}

// mostTokens is what one answer can take at most: no model writes more, and sums of it overflow in no day.
const mostTokens = 1 << 32

// enter counts a session's request; false: there are as many sessions as there may be. The lock is held.
func (m *Meter) enter(d *Draw, now time.Time) bool {
	if m.limits.Sessions == 0 || d.Session == (domain.SessionID{}) {
		return true
	}
	s := m.sessions[d.Session]
	if s == nil {
		if room, _ := m.room(now); !room && !d.Bound {
			return false
		}
		s = &metered{}
		if m.sessions == nil {
			m.sessions = map[domain.SessionID]*metered{}
		}
		m.sessions[d.Session] = s
	}
	s.flying++
	if int64(len(m.sessions)) >= m.limits.Sessions && m.full.Load() <= now.UnixMilli() {
		m.room(now)
	}
	return true
}

// room reports whether a new session may come, and when the first of those that are there ends if it is not served again,
// in Unix nanoseconds; the lock is held.
func (m *Meter) room(now time.Time) (room bool, first int64) {
	for id, s := range m.sessions {
		if s.flying == 0 && s.last+int64(m.ttl) <= now.UnixNano() {
			delete(m.sessions, id)
			continue
		}
		end := s.last
		if s.flying > 0 {
			end = now.UnixNano()
		}
		if end += int64(m.ttl); first == 0 || end < first {
			first = end
		}
	}
	if int64(len(m.sessions)) < m.limits.Sessions {
		m.full.Store(0)
		return true, first
	}
	m.full.Store(first/int64(time.Millisecond) + 1)
	return false, first
}

// leave ends a session's request; the lock is held.
func (m *Meter) leave(id domain.SessionID, served bool, now time.Time) {
	s := m.sessions[id]
	if s == nil {
		return
	}
	s.flying = max(s.flying-1, 0)
	if served {
		s.last = now.UnixNano()
	}
	if s.flying == 0 && s.last == 0 {
		delete(m.sessions, id)
		m.full.Store(0)
	}
}

// Restore adds what a former process had counted of the day.
func (m *Meter) Restore(requests, tokens int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	m.perDay.requests += requests
	m.perDay.tokens += tokens
	m.until.Store(m.closed(now))
}

// Closed is until when the limits keep requests out, in Unix milliseconds; 0: they do not.
func (m *Meter) Closed(nowMs int64) int64 {
	if until := m.until.Load(); until > nowMs {
		return until
	}
	return 0
}

// Full is until when no new session may come, in Unix milliseconds; 0: one may.
func (m *Meter) Full(nowMs int64) int64 {
	if until := m.full.Load(); until > nowMs {
		return until
	}
	return 0
}

// MeterStanding is how much of the limits is used.
type MeterStanding struct {
	Limits                        domain.AccountLimits
	RequestsMinute, TokensMinute  int64
	RequestsToday, TokensToday    int64
	Sessions                      int64     // that were served lately, or are being served
	MinuteReset, NextDay, Expires time.Time // MinuteReset: when the last of what the minute counts has left it
	SessionEnds                   time.Time // when the first of them ends, if it is not served again
}

// Standing says how the limits stand.
func (m *Meter) Standing(now time.Time) MeterStanding {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	ends := now
	if _, first := m.room(now); first != 0 {
		ends = time.Unix(0, first)
	}
	return MeterStanding{
		Sessions: int64(len(m.sessions)), SessionEnds: ends,
		Limits: m.limits, RequestsMinute: m.requests.sum, TokensMinute: m.tokens.sum, RequestsToday: m.perDay.requests, TokensToday: m.perDay.tokens,
		MinuteReset: now.Truncate(time.Second).Add(ringSeconds * time.Second), NextDay: time.Unix((m.day+1)*daySeconds, 0), Expires: m.limits.Expires,
	}
}

// add counts, for a request that was taken at a moment; the lock is held. What is more than was taken counts
// now once the taking's minute is over, what is less no longer matters then.
func (m *Meter) add(requests, tokens int64, taken, now time.Time) {
	m.requests.add(requests, taken)
	m.tokens.add(tokens, taken)
	if taken.Unix()/daySeconds == m.day || tokens > 0 {
		m.perDay.requests = max(m.perDay.requests+requests, 0)
		m.perDay.tokens = max(m.perDay.tokens+tokens, 0)
	}
	m.until.Store(m.closed(now))
}

const daySeconds = 24 * 60 * 60

// pass lets time pass; the lock is held.
func (m *Meter) pass(now time.Time) {
	m.requests.pass(now)
	m.tokens.pass(now)
	if day := now.Unix() / daySeconds; day > m.day {
		m.day = day
		m.perDay.requests, m.perDay.tokens = 0, 0
	}
}

// closed is until when a limit is reached, in Unix milliseconds; 0: none is. The lock is held.
func (m *Meter) closed(now time.Time) (until int64) {
	l := &m.limits
	if l.RequestsPerMinute > 0 && m.requests.sum >= l.RequestsPerMinute {
		until = max(until, m.requests.below(l.RequestsPerMinute))
	}
	if l.TokensPerMinute > 0 && m.tokens.sum >= l.TokensPerMinute {
		until = max(until, m.tokens.below(l.TokensPerMinute))
	}
	if l.RequestsPerDay > 0 && m.perDay.requests >= l.RequestsPerDay || l.TokensPerDay > 0 && m.perDay.tokens >= l.TokensPerDay {
		until = max(until, (m.day+1)*daySeconds*1000)
	}
	if until <= now.UnixMilli() {
		return 0
	}
	return until
}

// ringSeconds is how long what is counted stays in a ring. Its own second is one of
// them, so that nothing leaves before 60 seconds are over.
const ringSeconds = 61

// ring is the sum of the last minute, by seconds. The zero value is empty.
type ring struct {
	slots [ringSeconds]int64
	last  int64 // the latest second that has a slot
	sum   int64
}

// pass lets what is too old leave.
func (r *ring) pass(now time.Time) {
	second := now.Unix()
	if second-r.last >= ringSeconds {
		*r = ring{last: second}
		return
	}
	for r.last < second {
		r.last++
		slot := &r.slots[r.last%ringSeconds]
		r.sum -= *slot
		*slot = 0
	}
}

// add counts n in the second at which it was taken. Of what has left the ring already more counts now, and
// less counts no more.
func (r *ring) add(n int64, taken time.Time) {
	second := min(taken.Unix(), r.last)
	if second <= r.last-ringSeconds {
		if n < 0 {
			return
		}
		second = r.last
	}
	for ; n < 0 && second > r.last-ringSeconds; second-- {
		// What was taken may have been counted a moment before.
		slot := &r.slots[second%ringSeconds]
		less := min(-n, *slot)
		*slot -= less
		r.sum -= less
		n += less
	}
	if n > 0 {
		r.slots[second%ringSeconds] += n
		r.sum += n
	}
}

// below is when the sum falls below a limit, in Unix milliseconds, if nothing is added.
func (r *ring) below(limit int64) int64 {
	sum := r.sum
	second := r.last - ringSeconds + 1
	for ; second < r.last; second++ {
		if sum -= r.slots[second%ringSeconds]; sum < limit {
			break
		}
	}
	return (second + ringSeconds) * 1000
}

// Meter gives an account's counters.
func (c *Cells) Meter(id domain.AccountID) *Meter {
	c.mu.RLock()
	m := c.meters[id]
	c.mu.RUnlock()
	if m != nil {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m = c.meters[id]; m == nil {
		m = &Meter{}
		c.meters[id] = m
	}
	return m
}

// meterOf is what counts for an account's limits; nil: nothing has to be counted.
func (c *Cells) meterOf(a *domain.Account) *Meter {
	if !a.Limits.Counted() {
		return nil
	}
	return c.Meter(a.ID)
}

// Meter counts for the operator's limits; nil: there are none that have to be counted.
func (c *Candidate) Meter() *Meter { return c.meter }

// limited is until when the operator's limits keep requests out, in Unix milliseconds; 0: they do not.
func (c *Candidate) limited(nowMs int64) int64 {
	if c.expires != 0 && nowMs >= c.expires {
		return forever
	}
	if c.meter == nil {
		return 0
	}
	return c.meter.Closed(nowMs)
}

// unwelcome is until when the operator's limit of sessions keeps a request out that is not of a session which
// is bound here, in Unix milliseconds; 0: it does not.
func (c *Candidate) unwelcome(r *Request, nowMs int64) int64 {
	if c.meter == nil || r.Bound == c.ID {
		return 0
	}
	until := c.meter.Full(nowMs)
	if until != 0 && c.meter.counts(r.Session) {
		return 0 // it has a place, although it is not bound yet
	}
	return until
}

// counts reports whether a session has a place.
func (m *Meter) counts(id domain.SessionID) bool {
	if id.IsZero() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[id] != nil
}

// Unwelcome is how long the operator's limit of sessions keeps new ones out; ok is false where it does not.
func (c *Candidate) Unwelcome(now time.Time) (d time.Duration, ok bool) {
	if c.meter == nil {
		return 0, false
	}
	until := c.meter.Full(now.UnixMilli())
	return time.UnixMilli(until).Sub(now), until != 0
}

// Limited is how long the operator's limits keep requests out; ok is false where they do not, or for good.
func (c *Candidate) Limited(now time.Time) (d time.Duration, ok bool) {
	until := c.limited(now.UnixMilli())
	if until == 0 || until == forever {
		return 0, false
	}
	return time.UnixMilli(until).Sub(now), true
}

// expiresAt is an account's date in Unix milliseconds; 0: it has none.
func expiresAt(a *domain.Account) int64 {
	if a.Limits.Expires.IsZero() {
		return 0
	}
	return a.Limits.Expires.UnixMilli()
}
