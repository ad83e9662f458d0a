package gateway

import (
	"sync"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

// loads keeps what each provider (platform and address) was asked of late in each
// pool, across requests: the retry budget, and whether it browns out. Safe for concurrent use.
type loads struct {
	mu sync.Mutex
	m  map[loadKey]*load
}

// load is what one provider was asked of late in one pool, and how much of it may be retries.
type load struct {
	failover.Load
	share failover.RetryShare
	// deciding is held from looking at the budget until what is decided has been counted, so that not all who fail in one instant find it
	// full. It is taken before an exchange's lock.
	deciding sync.Mutex
}

type loadKey struct {
	pool     domain.PoolID
	provider string
}

// maxLoads bounds the map; addresses come from the configuration.
const maxLoads = 4096

func newLoads() *loads { return &loads{m: map[loadKey]*load{}} }

// of gives the load to change; the lock is held.
func (l *loads) of(k loadKey) *load {
	one := l.m[k]
	if one == nil {
		if len(l.m) >= maxLoads {
			clear(l.m)
		}
		one = &load{}
		l.m[k] = one
	}
	return one
}

// decide waits until nobody else decides about a retry at a provider; decided lets the next one.
func (l *loads) decide(k loadKey) (decided func()) {
	l.mu.Lock()
	one := l.of(k)
	l.mu.Unlock()
	one.deciding.Lock()
	return one.deciding.Unlock
}

// empty is how many retry budgets are used up.
func (l *loads) empty(now time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.m {
		if one.share != (failover.RetryShare{}) && one.Retries(now.Unix(), one.share) == 0 {
			n++
		}
	}
	return n
}

// began notes an attempt at a provider and whether it was a retry there.
func (l *loads) began(k loadKey, retry bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of(k)
	one.Load = one.Began(now.Unix(), retry)
}

// ended notes whether an attempt failed by a fault of the provider's.
func (l *loads) ended(k loadKey, failed bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of(k)
	if failed {
		one.Load = one.Failed(now.Unix())
	} else {
		one.Load = one.Answered(now.Unix())
	}
}

// mayRetry reports whether the provider may be asked again because of its own fault.
func (l *loads) mayRetry(k loadKey, share failover.RetryShare, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of(k)
	one.share = share
	return one.MayRetry(now.Unix(), share)
}

// brownsOut reports whether the provider fails more than half of what it is asked.
func (l *loads) brownsOut(k loadKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).BrownsOut(now.Unix())
}

// refuses decides whether a request is refused for the provider's sake.
func (l *loads) refuses(k loadKey, draw uint64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).Refuse(now.Unix(), draw)
}
