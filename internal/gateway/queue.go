package gateway

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
)

// queue is the line of requests that found every eligible account full: callers
// take turns, and of one caller the request comes first that has to be served first; bounded for each pool. A slot that becomes
// free is handed over to a request that can use it, so that no newcomer overtakes
// the line. Who would hardly be served in time is not let in. Safe for concurrent use.
type queue struct {
	waiting atomic.Int64 // so that giving a slot back is cheap while nobody waits

	mu    sync.Mutex
	line  []*waiter
	pools map[domain.PoolID]int
	turns map[domain.KeyID]uint64 // when a caller last had its turn; empty while nobody waits
	turn  uint64
}

type waiter struct {
	caller  domain.KeyID
	views   []*sched.View
	only    domain.AccountID // wait for this account alone; 0: any
	exclude func(*sched.Candidate) bool
	got     chan *sched.Candidate // holds one
	pool    domain.PoolID
	// deadline is when it has to have a slot; of equals the first comes first.
	deadline time.Time
	// pace is how long it takes on the average until one of the accounts that it can use is free again; 0: nobody knows.
	pace time.Duration
}

// waited says why a request has no slot, and how long it would take to have one, as far as is known.
type waited struct {
	full, late bool // the line is; it would hardly have one in time
	expect     time.Duration
}

// expected is how long it takes, on the average, until the n-th slot is free.
func (w *waiter) expected(n int) time.Duration { return time.Duration(n) * w.pace }

// hardly reports whether the n-th slot will hardly be free within a time: not if slots come as much faster than
// on the average as they do one time in forty (their number is Poisson's, whose deviation is its root).
func (w *waiter) hardly(n int, within time.Duration) bool {
	return (float64(n)-2*math.Sqrt(float64(n)))*float64(w.pace) > float64(within)
}

// ahead is how many of those who wait for what the waiter waits for would have a slot before it: of its own caller's those that have to be served
// before it, and of each other caller at most as many, and one. The lock is held.
func (q *queue) ahead(w *waiter) int {
	own, others := 0, map[domain.KeyID]int{}
	shares := map[*sched.View]bool{}
	for _, o := range q.line {
		switch {
		case o == w || o.pool != w.pool || o.only != w.only || !w.shares(o, shares):
		case o.caller != w.caller:
			others[o.caller]++
		case !w.deadline.Before(o.deadline):
			own++
		}
	}
	n := own
	for _, k := range others {
		n += min(k, own+1)
	}
	return n
}

// standing is how many would be ahead of a waiter, and how many of its pool wait.
func (q *queue) standing(w *waiter) (ahead, places int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ahead(w), q.pools[w.pool]
}

// shares reports whether another waiter can use an account that this one can. known remembers it by the other's views.
func (w *waiter) shares(o *waiter, known map[*sched.View]bool) bool {
	if w.only != 0 {
		return true // both wait for that one
	}
	for _, v := range o.views {
		shared, ok := known[v]
		if !ok {
			shared = slices.Contains(w.views, v) || slices.ContainsFunc(w.views, func(own *sched.View) bool {
				return slices.ContainsFunc(own.Candidates, func(c sched.Candidate) bool { return v.Find(c.ID) != nil })
			})
			known[v] = shared
		}
		if shared {
			return true
		}
	}
	return false
}

func newQueue() *queue {
	return &queue{pools: map[domain.PoolID]int{}, turns: map[domain.KeyID]uint64{}}
}

// release gives a slot of an account back, or hands it to the first request in the
// line that can use it.
func (q *queue) release(id domain.AccountID, live *sched.Live, now time.Time) {
	if q.waiting.Load() > 0 && q.handOver(id, live, now) {
		return
	}
	live.Release()
	if q.waiting.Load() > 0 {
		// Somebody may have joined the line after the check above and seen no free slot.
		q.offer(id, live, now)
	}
}

// offer lets the line have a slot that is free for another reason than a release,
// such as a rest that ended.
func (q *queue) offer(id domain.AccountID, live *sched.Live, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i, c := q.next(id, now); c != nil && live.TryAcquire(c.LimitNow(), now) {
		q.give(i, c)
	}
}

func (q *queue) handOver(id domain.AccountID, live *sched.Live, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i, c := q.next(id, now)
	if c == nil {
		return false
	}
	if limit := c.LimitNow(); limit > 0 && live.InFlight() > limit { // the limit was lowered meanwhile
		return false
	}
	live.Touch(now)
	q.give(i, c)
	return true
}

// next is whose turn it is among those who can use the account: the caller that has
// waited longest for a turn, and of its requests the one that has to be served first; the lock is held.
func (q *queue) next(id domain.AccountID, now time.Time) (i int, c *sched.Candidate) {
	for j, w := range q.line {
		if c != nil && !q.before(w, q.line[i]) {
			continue
		}
		if got := w.accepts(id, now); got != nil {
			i, c = j, got
		}
	}
	return i, c
}

// before reports whether a waiter comes before one that has stood in the line for longer; the lock is held.
func (q *queue) before(w, other *waiter) bool {
	if w.caller == other.caller {
		return w.deadline.Before(other.deadline)
	}
	return q.turns[w.caller] < q.turns[other.caller]
}

// give takes a waiter out of the line and hands it the slot; the lock is held.
func (q *queue) give(i int, c *sched.Candidate) {
	w := q.line[i]
	q.turn++
	q.turns[w.caller] = q.turn
	q.remove(i)
	w.got <- c
}

func (q *queue) remove(i int) {
	w := q.line[i]
	q.line = slices.Delete(q.line, i, i+1)
	q.waiting.Add(-1)
	if q.pools[w.pool]--; q.pools[w.pool] == 0 {
		delete(q.pools, w.pool)
	}
	if len(q.line) == 0 {
		clear(q.turns)
	}
}

func (w *waiter) accepts(id domain.AccountID, now time.Time) *sched.Candidate {
	if w.only != 0 && w.only != id {
		return nil
	}
	for _, v := range w.views {
		if c := v.Find(id); c != nil && !w.exclude(c) && !c.Resting(now) {
			return c
		}
	}
	return nil
}

// wait joins the line for at most patience and gives a candidate with its slot
// taken. nil: the line had no place, or it would take too long; or else the time is
// over, ctx ended, or retry fired (something may have changed: choose again).
func (q *queue) wait(ctx context.Context, w *waiter, places int, patience time.Duration, retry <-chan time.Time) (c *sched.Candidate, why waited) {
	w.got = make(chan *sched.Candidate, 1)
	q.mu.Lock()
	n := q.ahead(w) + 1
	why.expect = w.expected(n)
	why.full = q.pools[w.pool] >= places
	if why.late = w.hardly(n, patience); why.full || why.late {
		q.mu.Unlock()
		return nil, why
	}
	q.line = append(q.line, w)
	q.pools[w.pool]++
	q.waiting.Add(1)
	// Between the choice and this line a slot may have become free.
	if got := w.takes(time.Now()); got != nil {
		q.remove(len(q.line) - 1)
		q.mu.Unlock()
		return got, why
	}
	q.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c = <-w.got:
		return c, why
	case <-timer.C:
	case <-ctx.Done():
	case <-retry:
	}
	q.mu.Lock()
	if i := slices.Index(q.line, w); i >= 0 {
		why.expect = w.expected(q.ahead(w) + 1)
		q.remove(i)
		q.mu.Unlock()
		return nil, why
	}
	q.mu.Unlock()
	return <-w.got, why // handed over in the same instant: the caller of wait owns the slot
}

// poke lets the line look again after rests have ended.
func (q *queue) poke(now time.Time) {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		best, who := -1, (*sched.Candidate)(nil)
		for i, w := range q.line {
			if best >= 0 && !q.before(w, q.line[best]) {
				continue
			}
			if c := w.takes(now); c != nil {
				if who != nil {
					who.Live.Release() // somebody else comes first
				}
				best, who = i, c
			}
		}
		if best < 0 {
			return
		}
		q.give(best, who)
	}
}

// takes finds any candidate that the waiter can use, and takes its slot.
func (w *waiter) takes(now time.Time) *sched.Candidate {
	for _, v := range w.views {
		for i := range v.Candidates {
			if c := w.accepts(v.Candidates[i].ID, now); c != nil && c.Live.TryAcquire(c.LimitNow(), now) {
				return c
			}
		}
	}
	return nil
}

// length is how many requests wait.
func (q *queue) length() int { return int(q.waiting.Load()) }
