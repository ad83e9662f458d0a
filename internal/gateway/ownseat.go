package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"turnout/internal/caller"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/sched"
	"turnout/internal/upstream"
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

// seatQuery are the parameters that carry a provider's credential in a query: Google's API key, and its token.
var seatQuery = []string{"key", "access_token"}

// credentials are a provider's own.
type credentials struct {
	header http.Header
	query  []string // parameters, as they came
}

func (c *credentials) none() bool { return len(c.header) == 0 && len(c.query) == 0 }

// brought finds the provider's credentials that a caller sends beside its Turnout key. What is a key of this Turnout's itself
// is none, wherever it stands: SDKs insist on an API key, and callers give them the one that they have.
func (x *exchange) brought(r *http.Request) (c credentials) {
	if first(r.Header, caller.KeyHeader) == "" {
		return c
	}
	for _, name := range seatHeaders {
		for _, v := range r.Header[name] {
			if v == "" || x.holdsKey(v) {
				continue
			}
			if c.header == nil {
				c.header = http.Header{}
			}
			c.header[name] = append(c.header[name], v)
		}
	}
	for pair := range parameters(r.URL.RawQuery) {
		name, v, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		if plain, err := url.QueryUnescape(v); err == nil {
			v = plain
		}
		if v != "" && slices.Contains(seatQuery, name) && !x.holdsKey(v) {
			c.query = append(c.query, pair)
		}
	}
	return c
}

// keyPrefix is what keys begin with that Turnout makes. No provider's credential does: so one that has been deleted is known, too.
const keyPrefix = "tk-"

// holdsKey reports whether there is a Turnout key in a credential: as it is, after a scheme, or as a part of Basic's.
func (x *exchange) holdsKey(v string) bool {
	is := func(s string) bool { return strings.HasPrefix(s, keyPrefix) || x.snap.keys.Knows(s) }
	if is(strings.TrimSpace(v)) {
		return true
	}
	for part := range strings.FieldsFuncSeq(v, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' }) {
		if is(part) {
			return true
		}
		if raw, err := base64.StdEncoding.DecodeString(part); err == nil {
			user, password, _ := strings.Cut(string(raw), ":")
			if is(user) || is(password) {
				return true
			}
		}
	}
	return false
}

// outgoing is what of a caller's header and query goes upstream, but for credentials: without its Turnout key, under whatever name
// that may stand.
func outgoing(r *http.Request) (header http.Header, q string) {
	header, q = upstream.RequestHeader(r.Header), query(r)
	secret, _ := caller.Credential(r)
	for name, values := range header {
		for _, v := range values {
			if holds(v, secret) {
				delete(header, name)
			}
		}
	}
	if !strings.Contains(q, "=") {
		return header, q
	}
	var keep []string
	for pair := range parameters(q) {
		_, v, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(v); !holds(v, secret) && (err != nil || !holds(plain, secret)) {
			keep = append(keep, pair)
		}
	}
	if kept := strings.Join(keep, "&"); len(kept) < len(q) {
		q = kept
	}
	return header, q
}

// outgoingQuery is the query alone.
func outgoingQuery(r *http.Request) string {
	_, q := outgoing(r)
	return q
}

// unmistakable is how long a key is that cannot stand in a value by chance, in bytes.
const unmistakable = 16

// holds reports whether a key stands in a value: as a word of it, or, where it is long enough, anywhere.
func holds(v, secret string) bool {
	return strings.Contains(v, secret) && (len(secret) >= unmistakable || slices.Contains(strings.Fields(v), secret))
}

// takeOwnSeat takes the caller's own seat, if it sent one; ok is false where it did not, and
// the key's accounts serve. The seat's id is negative, so that it is nobody's in the records.
func (x *exchange) takeOwnSeat(r *http.Request) (ok bool, err error) {
	own := x.brought(r)
	if own.none() {
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
	_, _ = fmt.Fprintf(h, "%d\x00%q\x00%q", x.key.ID, own.header, own.query)
	id := domain.AccountID(binary.BigEndian.Uint64(h.Sum(nil)) | 1<<63)
	x.ownSeat, x.brings = x.g.ownSeats.of(id, plat, x.began), own
	x.pools = []*pool{p}
	speaks := func(*domain.Account) sched.Speech { return sched.Native }
	v := sched.Build(x.snap.Version, &p.Pool, x.req.Model, x.d.ID(), nil, []*domain.Account{x.ownSeat.account}, speaks, x.ownSeat.cells, p.tuning)
	x.aim(&target{model: x.req.Model, views: []*sched.View{v}})
	return true, nil
}

// seated puts the caller's own credentials back on what goes upstream.
func (x *exchange) seated() {
	maps.Copy(x.header, x.brings.header)
	for _, pair := range x.brings.query {
		x.query = strings.TrimPrefix(x.query+"&"+pair, "&")
	}
}

// platformOf is the kind of upstream that a candidate is.
func (x *exchange) platformOf(c *sched.Candidate) *platform.Platform {
	if x.ownSeat != nil && x.ownSeat.account.ID == c.ID {
		return x.ownSeat.plat
	}
	return x.snap.platforms[c.ID]
}
