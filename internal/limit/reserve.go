package limit

import "time"

// MostCells is how many cells one reservation can be made in: of four owners, each with a limit for whatever
// model and one for this one.
const MostCells = 8

// Ticket is what a request holds. The zero Ticket holds nothing. It is used by one goroutine.
type Ticket struct {
	held [MostCells]held
	n    int
}

// held is what it holds in one cell.
type held struct {
	cell   *Cell
	tokens int64  // -1: none are counted there
	seq    uint64 // of the reservation, in the cell's lows
}

// Answer says whether a reservation was made, and how far the tightest limits are used afterwards.
type Answer struct {
	By         *Cell         // that refuses; nil: it was made
	Kind       Kind          // which of its limits refuses
	RetryAfter time.Duration // how long it does, if nobody else comes; 0: until a request ends
	Rate       Rate          // the limit that refuses, or Concurrency
	Most       int64         // requests at a time, where that refuses
	Requests   State
	Tokens     State
}

// OK reports whether the reservation was made.
func (a *Answer) OK() bool { return a.By == nil }

// Reserve enters a request with so many tokens in all of the cells, or in none. now is the time since any instant, the same for
// all calls; cells are at most MostCells, each once. t must hold nothing.
func Reserve(cells []*Cell, tokens int64, now time.Duration, t *Ticket) (a Answer) {
	var sorted [MostCells]*Cell
	n := copy(sorted[:], cells)
	if n < len(cells) {
		panic("limit: a reservation in more than MostCells cells") // the others would not be held
	}
	for i := 1; i < n; i++ { // always in the same order, so that no two requests wait for each other
		for j := i; j > 0 && sorted[j].order < sorted[j-1].order; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	tokens = min(max(tokens, 0), Most)
	micros := now.Microseconds()
	for _, c := range sorted[:n] {
		c.mu.Lock()
		c.pass(micros)
		// The one that refuses longest is the one to name.
		if kind, wait := c.refuses(tokens, micros); kind != KindNone && (a.By == nil || wait > a.RetryAfter) {
			a.refused(c, kind, wait)
		}
	}
	for i, c := range sorted[:n] {
		if a.By == nil {
			t.held[i] = c.take(tokens)
		}
		if r := c.limits.Requests; r.limited() {
			a.Requests = tighter(a.Requests, c.requests.state(r))
		}
		if r := c.limits.Tokens; r.limited() {
			a.Tokens = tighter(a.Tokens, c.tokens.state(r))
		}
		c.mu.Unlock()
	}
	if a.By == nil {
		t.n = n
	}
	return a
}

// Would says how a reservation would go now, and makes none.
func Would(cells []*Cell, tokens int64, now time.Duration) (a Answer) {
	tokens = min(max(tokens, 0), Most)
	for _, c := range cells {
		c.mu.Lock()
		c.pass(now.Microseconds())
		if kind, wait := c.refuses(tokens, now.Microseconds()); kind != KindNone && (a.By == nil || wait > a.RetryAfter) {
			a.refused(c, kind, wait)
		}
		c.mu.Unlock()
	}
	return a
}

func (a *Answer) refused(c *Cell, kind Kind, wait time.Duration) {
	a.By, a.Kind, a.RetryAfter = c, kind, wait
	switch kind {
	case KindRequests:
		a.Rate = c.limits.Requests
	case KindTokens:
		a.Rate = c.limits.Tokens
	case KindConcurrency:
		a.Most = c.limits.Concurrency
	}
}

// End gives back what a request holds, which has used so many tokens. The ticket holds nothing afterwards, and ending that
// does nothing.
func (t *Ticket) End(used int64, now time.Duration) {
	used = min(max(used, 0), Most)
	for i := range t.held[:t.n] {
		t.held[i].cell.end(&t.held[i], used, now)
	}
	*t = Ticket{}
}
