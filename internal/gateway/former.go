package gateway

import (
	"encoding/binary"
	"hash/maphash"
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

// former is what is left of a request that was given up.
type former struct {
	state   failover.State
	expires time.Time

	// Where nothing of the former state may be tried any more, a retry of the
	// client's makes one attempt from next on, and next moves twice as far each time, four
	// times once there were many attempts: a fault that lasted a second must not cost two minutes, and
	// all tries of one turn together are to be 8 attempts at most.
	next     time.Time
	patience time.Duration
	attempts int // of all the client's tries
}

func (f *former) known() bool { return !f.expires.IsZero() }

const (
	formerTTL      = 2 * time.Minute  // after the client was last told to come back
	formerPatience = 5 * time.Second  // until the first trial
	formerMany     = 5                // attempts
	formerRetry    = 10 * time.Second // the longest that a client is told to wait for a trial
	maxFormer      = 4096
)

// goOn decides how a request begins that may be a client's own retry; false: it is
// refused at once.
func (x *exchange) goOn() bool {
	f := &x.former
	if !f.known() {
		x.goOnBroken()
		return true
	}
	x.state = f.state
	if x.anyLeft(&f.state) {
		x.g.deps.Observer.Event(EventClientRetry, "continued", 1)
		return true
	}
	why := failover.ReasonNoAccount
	if ok, used := failover.MayBegin(*x.policy(), f.state); !ok {
		why = used
	}
	if x.began.Before(f.next) {
		x.notes = append(x.notes, note{decision: failover.Decision{Action: failover.GiveUp, Reason: why}, soonest: f.next.Sub(x.began)})
		x.g.deps.Observer.Event(EventClientRetry, "refused", 1)
		return false
	}
	x.g.deps.Observer.Event(EventClientRetry, "trial", 1)
	x.trial = true
	x.state = failover.NewState(f.state.Session, f.state.Seed)
	x.state.Attempts = max(x.policy().Attempts-1, 0)
	return true
}

// goOnBroken begins with what the session's last answers cost where they broke after their commit. A client does
// not always send the same body again then: Claude Code 2.1.330 adds that it was cut off, and gives up at the fourth time.
// An account gets as many attempts as of one request; then others are asked, if there are any.
func (x *exchange) goOnBroken() {
	if !x.broke.known() {
		return
	}
	s := x.state
	s.Accounts = x.broke.state.Accounts
	if !x.anyLeft(&s) {
		return
	}
	x.state = s
	if len(s.Failed()) > 0 {
		x.avoids = true
		x.g.deps.Observer.Event(EventClientRetry, "continued", 1)
	}
}

func newFormerStates() *formerStates { return &formerStates{m: map[formerKey]former{}} }

// Two seeds of this process: a request is known by 128 bits that nobody outside can aim at.
var bodySeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// formerKeyOf names a request by key, session and body. It is called deep in a stream's
// stack, so it needs little of it.
//
//go:noinline
func formerKeyOf(key domain.KeyID, s domain.SessionID, body []byte) (k formerKey) {
	var all [8 + len(s) + 8]byte
	binary.BigEndian.PutUint64(all[:8], uint64(key))
	copy(all[8:], s[:])
	for i, seed := range bodySeeds {
		binary.BigEndian.PutUint64(all[len(all)-8:], maphash.Bytes(seed, body))
		binary.BigEndian.PutUint64(k[8*i:], maphash.Bytes(seed, all[:]))
	}
	return k
}

// any reports whether there is anything to look for.
func (f *formerStates) any() bool { return f.count.Load() > 0 }

// forget drops every state.
func (f *formerStates) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.m)
	f.count.Store(0)
}

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
	if !now.Before(old.expires) {
		return former{}, false
	}
	return old, true
}

// anyLeft reports whether a request with that state may ask anybody.
func (x *exchange) anyLeft(s *failover.State) bool {
	if ok, _ := failover.MayBegin(*x.policy(), *s); !ok {
		return false
	}
	for _, v := range x.views() {
		for i := range v.Candidates {
			if c := &v.Candidates[i]; !s.Excludes(c.ID, c.Organization) {
				return true
			}
		}
	}
	return false
}

// put remembers a state.
func (f *formerStates) put(k formerKey, s former, now time.Time) {
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
	f.m[k] = s
	f.count.Store(int32(len(f.m)))
}

// remember keeps the state of a failed request for the client's own retry.
func (x *exchange) remember(end ending) {
	if x.ownSeat != nil {
		return // what happened at one seat says nothing of another one's
	}
	if end.refused() || x.state.Attempts == 0 || x.policy().Profile != failover.ProfileBalanced {
		return
	}
	self := x.self
	if end.broken == nil {
		body := x.body.bytes()
		if body == nil {
			return
		}
		self = formerKeyOf(x.key.ID, x.session.id, body)
	}
	now := time.Now()
	if end.broken != nil && !x.session.id.IsZero() {
		x.g.former.put(formerKeyOf(x.key.ID, x.session.id, nil), former{state: x.state, expires: now.Add(formerTTL)}, now)
	}
	f := x.former
	switch {
	case !f.known():
		f = former{patience: formerPatience, next: now.Add(formerPatience)}
	case x.trial:
		f.patience *= 2
		if f.attempts >= formerMany {
			f.patience *= 2
		}
		f.next = now.Add(f.patience)
	}
	f.attempts += len(x.attempts)
	f.state = x.state
	if !x.anyLeft(&f.state) && !end.keepRetry {
		// Until then the same request is refused at once. A client that is told to wait for
		// longer only sleeps, and each of its tries finds the next trial due.
		end.err.RetryAfter = max(end.err.RetryAfter, min(f.next.Sub(now), formerRetry))
	}
	f.expires = now.Add(formerTTL + end.err.RetryAfter)
	x.g.former.put(self, f, now)
}
