package limit

import (
	"sync"
	"time"
)

// Limits are those of one cell. The zero value of a field is no limit.
type Limits struct {
	Requests    Rate
	Tokens      Rate
	Concurrency int64
}

// Kind is one of the limits.
type Kind uint8

// The kinds.
const (
	KindNone Kind = iota
	KindRequests
	KindTokens
	KindConcurrency
)

// String is the kind's name in logs and metrics.
func (k Kind) String() string { return [...]string{"none", "requests", "tokens", "concurrency"}[k] }

// Cell counts for one scope. Safe for concurrent use.
type Cell struct {
	Scope Scope
	order uint64 // in which cells are locked

	mu       sync.Mutex
	limits   Limits
	version  uint64 // of the configuration that the limits are from
	requests meter
	tokens   meter
	lows     lows // of tokens
	inFlight int64
}

// Scope is what a limit belongs to. Kinds are the user's words: "key", "pool".
type Scope struct {
	Kind  string
	Name  string
	Model string // a pattern; empty: whatever the model
}

// set puts limits in force. What has been used stays used.
func (c *Cell) set(l Limits, version uint64, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version < c.version || c.limits == l {
		c.version = max(version, c.version)
		return
	}
	c.pass(now.Microseconds())
	if !l.Requests.limited() || !c.limits.Requests.limited() {
		c.requests = meter{at: now.Microseconds()}
	}
	if !l.Tokens.limited() || !c.limits.Tokens.limited() {
		c.tokens = meter{at: now.Microseconds()}
		c.lows.forget()
	}
	c.limits, c.version = l, version
}

// pass lets the time pass until a microsecond; the lock is held.
func (c *Cell) pass(now int64) {
	if c.limits.Requests.limited() {
		c.requests.leak(c.limits.Requests, now)
	}
	if c.limits.Tokens.limited() {
		c.tokens.leak(c.limits.Tokens, now)
		c.lows.seen(c.tokens.level)
	}
}

// refuses says which limit a request would pass, and for how long; the lock is held and the time has passed.
// Whose tokens are more than ever fit in waits until nothing is in there.
func (c *Cell) refuses(tokens, now int64) (kind Kind, wait time.Duration) {
	if c.limits.Concurrency > 0 && c.inFlight >= c.limits.Concurrency {
		kind = KindConcurrency
	}
	if r := c.limits.Requests; r.limited() {
		if w := c.requests.lacks(r, 1, now); w > wait {
			kind, wait = KindRequests, w
		}
	}
	if r := c.limits.Tokens; r.limited() {
		if w := c.tokens.lacks(r, min(tokens, r.Burst), now); w > wait {
			kind, wait = KindTokens, w
		}
	}
	return kind, wait
}

// take lets a request in; the lock is held.
func (c *Cell) take(tokens int64) held {
	h := held{cell: c, tokens: -1}
	c.inFlight++
	if c.limits.Requests.limited() {
		c.requests.add(unit)
	}
	if r := c.limits.Tokens; r.limited() {
		h.tokens = min(tokens, r.Burst)
		c.tokens.add(h.tokens * unit)
		h.seq = c.lows.open(c.tokens.level)
	}
	return h
}

// end takes a request out, which has used so many tokens.
func (c *Cell) end(h *held, used int64, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	if h.tokens < 0 || !c.limits.Tokens.limited() {
		return
	}
	c.pass(now.Microseconds())
	if used >= h.tokens {
		c.tokens.add((used - h.tokens) * unit)
		return
	}
	c.tokens.level -= c.lows.giveBack(h.seq, (h.tokens-used)*unit)
}

// Look tells how far the cell's limits are used, and how many requests it holds of how many (0: any number), taking nothing.
func (c *Cell) Look(now time.Duration) (requests, tokens State, inFlight, most int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass(now.Microseconds())
	if r := c.limits.Requests; r.limited() {
		requests = c.requests.state(r)
	}
	if r := c.limits.Tokens; r.limited() {
		tokens = c.tokens.state(r)
	}
	return requests, tokens, c.inFlight, c.limits.Concurrency
}

// InFlight is how many requests the cell holds.
func (c *Cell) InFlight() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight
}
