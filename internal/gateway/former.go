package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

// formerStates remembers requests that were given up, so that a client's own retry
// of the same body goes on where the last one ended: failed accounts stay
// excluded and no budget is renewed. Clients multiply: Codex alone makes 30
// requests of one turn (captured from 0.169.0). Safe for concurrent use; bounded.
type formerStates struct {
	count atomic.Int32 // so that looking costs nothing while there are none

	mu sync.Mutex
	m  map[formerKey]former
}

type formerKey [16]byte

type former struct {
	state   failover.State
	expires time.Time
}

const (
	formerTTL = 2 * time.Minute
	maxFormer = 4096
)

func newFormerStates() *formerStates { return &formerStates{m: map[formerKey]former{}} }

// formerKeyOf names a request by key, session and body.
func formerKeyOf(key domain.KeyID, s domain.SessionID, body []byte) formerKey {
	h := sha256.New()
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(key))
	h.Write(id[:])
	h.Write(s[:])
	h.Write(body)
	var k formerKey
	copy(k[:], h.Sum(nil))
	return k
}

// any reports whether there is anything to look for.
func (f *formerStates) any() bool { return f.count.Load() > 0 }

// take finds and forgets a state.
func (f *formerStates) take(k formerKey, now time.Time) (former, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.m[k]
	if !ok {
		return former{}, false
	}
	delete(f.m, k)
	f.count.Store(int32(len(f.m)))
	return old, now.Before(old.expires)
}

// put remembers a state until expires, which is when the client was told to come
// back, if that is sooner than formerTTL: what holds then is a new story.
func (f *formerStates) put(k formerKey, s failover.State, now, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.m) >= maxFormer {
		for k, old := range f.m {
			if !now.Before(old.expires) {
				delete(f.m, k)
			}
		}
		if len(f.m) >= maxFormer {
			clear(f.m)
		}
	}
	f.m[k] = former{s, expires}
	f.count.Store(int32(len(f.m)))
}
