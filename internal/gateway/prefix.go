package gateway

import (
	"hash/maphash"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
)

// prefix is what the request begins with as others of its caller do: tools and system prompt.
type prefix struct {
	id     sched.PrefixID // the zero id: none that is worth anything
	bytes  int            // of the body
	shared []sched.Warm   // where it was warm when the request came
	own    uint64         // the cache's domain where more than it was warm then, of the request's session; 0: none
}

// prefixHash counts what it is given.
type prefixHash struct {
	maphash.Hash
	n int
}

func (h *prefixHash) Write(b []byte) (int, error) {
	h.n += len(b)
	return h.Hash.Write(b)
}

// prefixed finds the request's prefix, and where that is warm. Where nobody can be chosen there is nothing to know.
//
//go:noinline
func (x *exchange) prefixed() {
	if x.path != "" || x.req.Form || x.ownSeat != nil || x.req.Size/4 < sched.LeastPrefix {
		return
	}
	n := 0
	for _, v := range x.views() {
		n += len(v.Candidates)
	}
	if n < 2 {
		return
	}
	h := prefixHash{}
	h.SetSeed(x.g.seed)
	x.d.Prefix(x.body.bytes(), &x.req, &h)
	if h.n/4 < sched.LeastPrefix {
		return
	}
	x.prefix.bytes = h.n
	x.prefix.id = sched.PrefixID{Caller: x.key.ID, Kind: x.g.prefixKind(x.d.ID(), x.req.Model), Hash: h.Sum64()}
	x.prefix.shared = x.g.prefixes.Look(nil, x.prefix.id, x.began)
	if c := x.candidate(x.binding.Account); c != nil && x.warmAt(c.ID) > 0 {
		x.prefix.own = c.Domain
	}
}

// prefixKind parts the prefixes of a caller: another model's cache is another one, and so is one behind a translation.
func (g *Gateway) prefixKind(d domain.Dialect, model string) uint64 {
	return maphash.String(g.seed, family(model)) + uint64(d)
}

// hopes reports whether the request had nothing in the cache of an attempt's domain but for its beginning, which was taken to be there.
func (x *exchange) hopes(at *attempt) bool {
	if x.prefix.own == at.cand.Domain {
		return false
	}
	for i := range x.prefix.shared {
		if x.prefix.shared[i].Domain == at.cand.Domain {
			return true
		}
	}
	return false
}

// learnPrefix takes in what an answer said of the cache.
func (x *exchange) learnPrefix(at *attempt, life time.Duration, now time.Time) {
	if x.prefix.id.Hash == 0 {
		return
	}
	u := at.usage
	x.g.prefixes.Learn(x.prefix.id, sched.PrefixUse{
		Domain: at.cand.Domain, Account: at.cand.ID, Read: u.CacheRead, Warm: min(u.Warm(), mostWarm), Life: life, Hoped: x.hopes(at),
		Tokens: int64(float64(u.Prompt()) * float64(x.prefix.bytes) / float64(max(x.req.Size, 1))),
	}, now)
}
