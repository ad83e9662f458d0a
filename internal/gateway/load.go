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
	m  map[loadKey]*failover.Load
}

type loadKey struct {
	pool     domain.PoolID
	provider string
}

// maxLoads bounds the map; addresses come from the configuration.
const maxLoads = 4096

func newLoads() *loads { return &loads{m: map[loadKey]*failover.Load{}} }

// of gives the load to change; the lock is held.
func (l *loads) of(k loadKey) *failover.Load {
	load := l.m[k]
	if load == nil {
		if len(l.m) >= maxLoads {
			clear(l.m)
		}
		load = &failover.Load{}
		l.m[k] = load
	}
	return load
}

// began notes an attempt at a provider and whether it was a retry there.
func (l *loads) began(k loadKey, retry bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	load := l.of(k)
	*load = load.Began(now.Unix(), retry)
}

// ended notes whether an attempt failed by a fault of the provider's.
func (l *loads) ended(k loadKey, failed bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	load := l.of(k)
	if failed {
		*load = load.Failed(now.Unix())
	} else {
		*load = load.Answered(now.Unix())
	}
}

// mayRetry reports whether the provider may be asked again because of its own fault.
func (l *loads) mayRetry(k loadKey, share failover.RetryShare, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).MayRetry(now.Unix(), share)
}

// refuses decides whether a request is refused for the provider's sake.
func (l *loads) refuses(k loadKey, draw uint64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).Refuse(now.Unix(), draw)
}
