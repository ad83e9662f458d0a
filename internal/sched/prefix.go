package sched

import (
	"hash/fnv"
	"sync"
	"time"

	"turnout/internal/domain"
)

// Warm is a cache domain in which a beginning that conversations share is warm.
type Warm struct {
	Domain  uint64           // as in Candidate.Domain
	Account domain.AccountID // of it, that read the beginning last
	Tokens  int64
	Until   time.Time
}

// PrefixID names what conversations of one caller begin with: its tools and its system prompt. The zero Hash is none.
// Nothing of one caller is ever found by another.
type PrefixID struct {
	Caller domain.KeyID
	Kind   uint64 // what parts equal ones: the model, the dialect
	Hash   uint64
}

// prefixKey is one among its caller's.
type prefixKey struct{ kind, hash uint64 }

func (id PrefixID) key() prefixKey { return prefixKey{id.Kind, id.Hash} }

// What is remembered of prefixes, and how they are judged; docs/scheduling.md.
const (
	prefixShards = 64
	mostCallers  = 256 // in one shard
	mostPrefixes = 32  // of one caller
	mostWarm     = 4   // domains of one prefix
	// LeastPrefix is the shortest beginning that a provider caches, in tokens.
	LeastPrefix = 1024
	// A prefix that new conversations have not found in the cache so often in a row, where it should have been, is
	// not shared after all: it is left alone for a while.
	mostMisses  = 2
	prefixDoubt = time.Hour
)

// Prefixes remember in which cache domains the beginnings are warm that conversations of one caller share. The
// number of callers, of prefixes and of domains is bounded, and what is forgotten costs one reading of a prompt. Safe for
// concurrent use; callers wait for each other only where their shards are one.
type Prefixes struct {
	shards [prefixShards]prefixShard
}

type prefixShard struct {
	mu      sync.Mutex
	callers map[domain.KeyID]map[prefixKey]*prefix
}

type prefix struct {
	warm   [mostWarm]Warm // those with Tokens are known
	until  time.Time      // the last of them to expire
	used   time.Time
	read   int64 // what the last new conversation read of it; 0: none did
	misses int
	doubt  time.Time // it is left alone until then
}

// NewPrefixes makes an empty memory.
func NewPrefixes() *Prefixes { return &Prefixes{} }

func (p *Prefixes) shard(caller domain.KeyID) *prefixShard {
	return &p.shards[uint64(caller)%prefixShards]
}

// Look appends the domains in which a prefix is warm at a moment.
func (p *Prefixes) Look(to []Warm, id PrefixID, now time.Time) []Warm {
	if id.Hash == 0 {
		return to
	}
	s := p.shard(id.Caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.callers[id.Caller][id.key()].look(to, now)
}

// Latest appends those of the prefix of a kind that a caller has used last.
func (p *Prefixes) Latest(to []Warm, caller domain.KeyID, kind uint64, now time.Time) []Warm {
	s := p.shard(caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	var last *prefix
	for k, f := range s.callers[caller] {
		if k.kind == kind && (last == nil || f.used.After(last.used)) {
			last = f
		}
	}
	return last.look(to, now)
}

func (f *prefix) look(to []Warm, now time.Time) []Warm {
	if f == nil || now.Before(f.doubt) {
		return to
	}
	for i := range f.warm {
		if w := &f.warm[i]; w.Tokens > 0 && now.Before(w.Until) {
			to = append(to, *w)
		}
	}
	return to
}

// PrefixUse is what an answer said of the cache, of a request that began with a prefix.
type PrefixUse struct {
	Domain  uint64
	Account domain.AccountID
	Tokens  int64         // of the prefix, estimated
	Read    int64         // of the whole prompt, from the cache
	Warm    int64         // of the whole prompt, in the cache afterwards
	Life    time.Duration // of the cache
	// Hoped: nothing else of the request was in the cache there, and the prefix was taken to be.
	Hoped bool
}

// Learn takes in what an answer said. Where it speaks of no cache, nothing is learnt of where the prefix is warm.
func (p *Prefixes) Learn(id PrefixID, u PrefixUse, now time.Time) {
	if id.Hash == 0 || u.Tokens < LeastPrefix || u.Warm <= 0 && !u.Hoped {
		return
	}
	s := p.shard(id.Caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.callers[id.Caller][id.key()]
	if f == nil {
		if f = s.make(id, now); f == nil {
			return
		}
	}
	f.used = now
	switch {
	case u.Hoped && u.Read > 0:
		f.read, f.misses = u.Read, 0
	case u.Hoped:
		f.forget(u.Domain)
		if f.misses++; f.misses >= mostMisses {
			f.misses, f.doubt = 0, now.Add(prefixDoubt)
		}
	}
	tokens := min(u.Tokens, u.Warm)
	if f.read > 0 {
		tokens = min(tokens, f.read) // what is shared is what others have found
	}
	if tokens < LeastPrefix {
		return
	}
	f.put(Warm{Domain: u.Domain, Account: u.Account, Tokens: tokens, Until: now.Add(u.Life)})
}

// put notes a domain; where there is no room, in place of the one that expires first.
func (f *prefix) put(w Warm) {
	at := 0
	for i := range f.warm {
		if f.warm[i].Domain == w.Domain {
			at = i
			break
		}
		if f.warm[i].Until.Before(f.warm[at].Until) {
			at = i
		}
	}
	if old := &f.warm[at]; old.Domain == w.Domain && old.Until.After(w.Until) {
		w.Until = old.Until // one that lives for an hour was not made shorter by one that lives for minutes
	}
	f.warm[at] = w
	if w.Until.After(f.until) {
		f.until = w.Until
	}
}

func (f *prefix) forget(domain uint64) {
	for i := range f.warm {
		if f.warm[i].Domain == domain {
			f.warm[i] = Warm{}
		}
	}
}

// make adds a prefix; nil: the shard is full of callers whose prefixes are warm. The lock is held.
func (s *prefixShard) make(id PrefixID, now time.Time) *prefix {
	own := s.callers[id.Caller]
	if own == nil {
		if len(s.callers) >= mostCallers && !s.sweep(now) {
			return nil
		}
		if s.callers == nil {
			s.callers = map[domain.KeyID]map[prefixKey]*prefix{}
		}
		own = map[prefixKey]*prefix{}
		s.callers[id.Caller] = own
	}
	if len(own) >= mostPrefixes { // the one that has been used the longest ago goes
		var oldest prefixKey
		for k, f := range own {
			if o := own[oldest]; o == nil || f.until.Before(o.until) {
				oldest = k
			}
		}
		delete(own, oldest)
	}
	f := &prefix{}
	own[id.key()] = f
	return f
}

// sweep forgets callers that have nothing warm, and reports whether there were any. The lock is held.
func (s *prefixShard) sweep(now time.Time) (any bool) {
	for caller, own := range s.callers {
		warm := false
		for _, f := range own {
			warm = warm || now.Before(f.until)
		}
		if !warm {
			delete(s.callers, caller)
			any = true
		}
	}
	return any
}

// domainOf numbers a cache domain: an organisation's, for one model.
func domainOf(organization, sent string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(organization))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(sent))
	return h.Sum64()
}

// sharedTerm is what is saved where the request's beginning is warm, in seconds.
func (q *choice) sharedTerm(c *Candidate) float32 {
	for i := range q.r.Shared {
		if w := &q.r.Shared[i]; w.Domain == c.Domain {
			if !q.r.Now.Before(w.Until) {
				return 0
			}
			return -float32(SharedWorth * q.v.Prices.stake(min(w.Tokens, q.r.InputTokens)))
		}
	}
	return 0
}
