package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"time"

	"turnout/internal/caller"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/sched"
)

// A caller's own seat: the caller's own subscription or key at a provider, sent along with the
// Turnout key in x-turnout-key. It goes upstream as it came, to the provider's official address and nowhere
// else; limits, policy and records are Turnout's. Nobody else's account takes over, and nobody else's
// request goes over it.

// seatHeaders carry a provider's own credentials, in the spelling of net/http.
var seatHeaders = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"}

// ownSeat is what is kept of one caller's own credential: where it goes, and its rests.
type ownSeat struct {
	account *domain.Account
	plat    *platform.Platform
	cells   *sched.Cells
	used    time.Time
}

// ownSeats are those that were used lately. Safe for concurrent use.
type ownSeats struct {
	mu sync.Mutex
	m  map[domain.AccountID]*ownSeat
}

const (
	maxOwnSeats = 10_000
	ownSeatLife = time.Hour // without use; longer rests than that are learnt anew
)

// of finds a seat, or makes it.
func (s *ownSeats) of(id domain.AccountID, p *platform.Platform, now time.Time) *ownSeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.m[id]; o != nil {
		o.used = now
		return o
	}
	if s.m == nil {
		s.m = map[domain.AccountID]*ownSeat{}
	}
	if len(s.m) >= maxOwnSeats {
		for k, o := range s.m {
			if now.Sub(o.used) > ownSeatLife {
				delete(s.m, k)
			}
		}
		if len(s.m) >= maxOwnSeats {
			clear(s.m) // their rests are learnt anew
		}
	}
	o := &ownSeat{
		account: &domain.Account{ID: id, Name: "the caller's own seat", Platform: p.Name, Enabled: true},
		plat:    p, cells: sched.NewCells(), used: now,
	}
	s.m[id] = o
	return o
}

// bringsSeat reports whether a caller sends a provider's credential beside its Turnout key.
func bringsSeat(h http.Header) bool {
	if first(h, caller.KeyHeader) == "" {
		return false
	}
	for _, name := range seatHeaders {
		if first(h, name) != "" {
			return true
		}
	}
	return false
}

// ownSeat takes the caller's own seat, if it sent one; ok is false where it did not, and
// the key's accounts serve. The seat's id is negative, so that it is nobody's in the records.
func (x *exchange) takeOwnSeat(r *http.Request) (ok bool, err error) {
	if first(r.Header, caller.KeyHeader) == "" {
		return false, nil
	}
	var credentials []string
	for _, name := range seatHeaders {
		if v := first(r.Header, name); v != "" {
			credentials = append(credentials, name, v)
		}
	}
	if len(credentials) == 0 {
		return false, nil
	}
	const op = "use the caller's own seat"
	var p *pool
	for _, name := range x.key.Pools {
		if c := x.snap.pools[name]; c != nil && c.Enabled && c.ownSeat {
			p = c
			break
		}
	}
	if p == nil {
		return false, domain.Errorf(domain.KindForbidden, op, "no pool of this key lets callers use a seat of their own; send the Turnout key alone, or ask the operator for own_seat: true")
	}
	plat, official := platform.Official(x.d.ID())
	if !official {
		return false, domain.Errorf(domain.KindInvalid, op, "there is no official address for the protocol %s", x.d.ID())
	}
	if o, speech := offer(plat, x.d.ID(), x.path, everyDialect); speech != sched.Native {
		return false, domain.Errorf(domain.KindNotFound, op, "%s is not served at %s", x.path, o.Dialect.ID())
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d\x00%q", x.key.ID, credentials)
	id := domain.AccountID(binary.BigEndian.Uint64(h.Sum(nil)) | 1<<63)
	x.ownSeat = x.g.ownSeats.of(id, plat, x.began)
	x.pools = []*pool{p}
	speaks := func(*domain.Account) sched.Speech { return sched.Native }
	v := sched.Build(x.snap.Version, &p.Pool, x.req.Model, x.d.ID(), nil, []*domain.Account{x.ownSeat.account}, speaks, x.ownSeat.cells, p.tuning)
	x.aim(&target{model: x.req.Model, views: []*sched.View{v}})
	return true, nil
}

// seated puts the caller's own credentials back on what goes upstream.
func (x *exchange) seated(from, to http.Header) {
	for _, name := range seatHeaders {
		if v, ok := from[name]; ok {
			to[name] = v
		}
	}
}

// platformOf is the kind of upstream that a candidate is.
func (x *exchange) platformOf(c *sched.Candidate) *platform.Platform {
	if x.ownSeat != nil && x.ownSeat.account.ID == c.ID {
		return x.ownSeat.plat
	}
	return x.snap.platforms[c.ID]
}
