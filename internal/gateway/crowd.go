package gateway

import (
	"sync"

	"turnout/internal/domain"
)

// crowd counts who waits for what, so that those who wait for the same account do not
// come back to it in one instant, and no caller stands behind all of another's. Safe for
// concurrent use; it holds one entry for each request that waits.
type crowd struct {
	mu sync.Mutex
	m  map[crowdKey]map[domain.KeyID]int
}

// crowdKey is what is waited for: an account, or anybody of a pool.
type crowdKey struct {
	account domain.AccountID
	pool    domain.PoolID
}

func newCrowd() *crowd { return &crowd{m: map[crowdKey]map[domain.KeyID]int{}} }

// seat is a place in a crowd. The zero seat is none.
type seat struct {
	c      *crowd
	k      crowdKey
	caller domain.KeyID
	ahead  int // how many were ahead when it was taken
}

// join takes a place and says how many are ahead: of each other caller at most as many
// as of this one, so that callers take turns.
func (c *crowd) join(k crowdKey, caller domain.KeyID) (ahead int, s seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	callers := c.m[k]
	if callers == nil {
		callers = map[domain.KeyID]int{}
		c.m[k] = callers
	}
	own := callers[caller]
	ahead = own
	for id, n := range callers {
		if id != caller {
			ahead += min(n, own+1)
		}
	}
	callers[caller]++
	return ahead, seat{c, k, caller, ahead}
}

// leave gives the place back. It may be called more than once.
func (s *seat) leave() {
	if s.c == nil {
		return
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	callers := s.c.m[s.k]
	if callers[s.caller]--; callers[s.caller] == 0 {
		delete(callers, s.caller)
	}
	if len(callers) == 0 {
		delete(s.c.m, s.k)
	}
	s.c = nil
}

// waiting is how many requests wait in all.
func (c *crowd) waiting() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, callers := range c.m {
		for _, k := range callers {
			n += k
		}
	}
	return n
}

// held is how many requests wait for anybody of a pool.
func (c *crowd) held(pool domain.PoolID) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.m[crowdKey{pool: pool}] {
		n += k
	}
	return n
}
