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

	mu       sync.Mutex
	limits   domain.AccountLimits
	requests ring
	tokens   ring
	day      int64 // since 1970, UTC
	perDay   struct{ requests, tokens int64 }
}

// Limit puts limits in place. What was counted stays.
func (m *Meter) Limit(l domain.AccountLimits) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limits != l {
		m.limits = l
		m.until.Store(0) // the next request finds out
	}
}

// Take counts a request and the tokens that it is thought to need, unless a limit is
// reached. Requests never pass their limit. The last request that fits may pass a limit of tokens by
// its own size: else one that is larger than what is ever left would wait for ever.
func (m *Meter) Take(tokens int64, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	if until := m.closed(now); until != 0 {
		m.until.Store(until)
		return false
	}
	m.add(1, tokens, now, now)
	return true
}

// Untake undoes a Take whose request was not sent.
func (m *Meter) Untake(tokens int64, taken, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	m.add(-1, -tokens, taken, now)
}

// Settle puts what was really used in place of what was taken.
func (m *Meter) Settle(taken, used int64, at, now time.Time) {
	if taken == used {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	m.add(0, used-taken, at, now)
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

// MeterStanding is how much of the limits is used.
type MeterStanding struct {
	Limits                        domain.AccountLimits
	RequestsMinute, TokensMinute  int64
	RequestsToday, TokensToday    int64
	MinuteReset, NextDay, Expires time.Time // MinuteReset: when the last of what the minute counts has left it
}

// Standing says how the limits stand.
func (m *Meter) Standing(now time.Time) MeterStanding {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(now)
	return MeterStanding{
		Limits: m.limits, RequestsMinute: m.requests.sum, TokensMinute: m.tokens.sum, RequestsToday: m.perDay.requests, TokensToday: m.perDay.tokens,
		MinuteReset: now.Truncate(time.Second).Add(ringSeconds * time.Second), NextDay: time.Unix((m.day+1)*daySeconds, 0), Expires: m.limits.Expires,
	}
}

// add counts, for a request that was taken at a moment; the lock is held. What is more than was taken counts
// now once the taking's minute is over, what is less no longer matters then.
func (m *Meter) add(requests, tokens int64, taken, now time.Time) {
	m.requests.add(requests, taken, now)
	m.tokens.add(tokens, taken, now)
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
func (r *ring) add(n int64, taken, now time.Time) {
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

// Take counts a request and the tokens that it is thought to need against the operator's limits; false: one of
// them is reached.
func (c *Candidate) Take(tokens int64, now time.Time) bool {
	return c.meter == nil || c.meter.Take(tokens, now)
}

// Untake undoes a Take whose request was not sent.
func (c *Candidate) Untake(tokens int64, taken, now time.Time) {
	if c.meter != nil {
		c.meter.Untake(tokens, taken, now)
	}
}

// Settle puts what was really used in place of what was taken.
func (c *Candidate) Settle(taken, used int64, at, now time.Time) {
	if c.meter != nil {
		c.meter.Settle(taken, used, at, now)
	}
}

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
