package sim

import (
	"hash/maphash"
	"sync"
	"time"
)

// Limits of the prompt caches, as the providers document them.
const (
	minCached     = 1024             // tokens below which nothing is cached
	openaiStep    = 128              // OpenAI's cached prefix grows in such steps
	openaiLife    = 10 * time.Minute // after the last use ("5 to 10 minutes of inactivity")
	lookBack      = 20               // blocks before a breakpoint in which Anthropic looks for an older entry
	bytesPerToken = 4                // the estimate used everywhere in this package
	// Behind so many tokens only these steps are kept: one prompt of megabytes must not push
	// everybody else's out.
	fineCached     = 1 << 16
	coarseStep     = 64 * openaiStep
	maxCacheEntry  = 200_000 // bound of the cache; beyond it everything is forgotten
	requestTokens  = 3       // what a request costs besides its blocks
	anthropicShort = 5 * time.Minute
	anthropicLong  = time.Hour
)

// tokens estimates the tokens of n bytes.
func tokens(n int) int { return (n + bytesPerToken - 1) / bytesPerToken }

// block is a part of a prompt in the order in which it is cached.
type block struct {
	text  []byte        // what is hashed: the block without its cache_control
	size  int           // tokens
	cache time.Duration // a breakpoint after this block with this life; 0: none
}

// cacheUse is what one prompt read from and wrote to the cache, in tokens.
type cacheUse struct{ read, write5m, write1h int }

// promptCache is the cache of a whole provider; every entry belongs to one
// organisation and one model.
type promptCache struct {
	seed    maphash.Seed
	mu      sync.Mutex
	entries map[uint64]cacheEntry
}

type cacheEntry struct {
	until time.Time
	life  time.Duration
}

func newPromptCache() *promptCache {
	return &promptCache{seed: maphash.MakeSeed(), entries: map[uint64]cacheEntry{}}
}

func (c *promptCache) hash(organization, model string) *maphash.Hash {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for _, s := range []string{organization, model} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	return &h
}

// alive reports whether there is an entry, and prolongs it as a read does.
func (c *promptCache) alive(sum uint64, now time.Time) bool {
	e, ok := c.entries[sum]
	if !ok || !now.Before(e.until) {
		return false
	}
	e.until = now.Add(e.life)
	c.entries[sum] = e
	return true
}

func (c *promptCache) put(sum uint64, life time.Duration, now time.Time) {
	if len(c.entries) >= maxCacheEntry {
		clear(c.entries)
	}
	c.entries[sum] = cacheEntry{until: now.Add(life), life: life}
}

func (c *promptCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
}

// explicit is Anthropic's cache: breakpoints that the request sets. The longest
// prefix that is still alive, at a breakpoint or up to lookBack blocks before
// one, is read; from there every breakpoint writes.
func (c *promptCache) explicit(organization, model string, blocks []block, now time.Time) (use cacheUse) {
	sums, upTo := make([]uint64, len(blocks)), make([]int, len(blocks))
	h, total := c.hash(organization, model), 0
	last := -1
	for i, b := range blocks {
		_, _ = h.Write(b.text)
		_ = h.WriteByte(0)
		total += b.size
		sums[i], upTo[i] = h.Sum64(), total
		if b.cache > 0 {
			last = i
		}
	}
	if last < 0 || upTo[last] < minCached {
		return use
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	hit := -1
	for i := last; i >= 0 && hit < 0; i-- {
		if blocks[i].cache == 0 {
			continue
		}
		for k := i; k >= 0 && k >= i-lookBack; k-- {
			if c.alive(sums[k], now) {
				hit = k
				break
			}
		}
	}
	written := 0
	if hit >= 0 {
		use.read, written = upTo[hit], upTo[hit]
	}
	for i := hit + 1; i <= last; i++ {
		if blocks[i].cache == 0 || upTo[i] < minCached {
			continue
		}
		c.put(sums[i], blocks[i].cache, now)
		if blocks[i].cache > anthropicShort {
			use.write1h += upTo[i] - written
		} else {
			use.write5m += upTo[i] - written
		}
		written = upTo[i]
	}
	return use
}

// automatic is OpenAI's cache: the longest known prefix in whole steps, from
// minCached tokens on. Writing is free and not reported.
func (c *promptCache) automatic(organization, model string, prompt []byte, now time.Time) (cached int) {
	h := c.hash(organization, model)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 0
	for n := openaiStep; n*bytesPerToken <= len(prompt); n += openaiStep {
		_, _ = h.Write(prompt[(n-openaiStep)*bytesPerToken : n*bytesPerToken])
		if n < minCached || n > fineCached && n%coarseStep != 0 {
			continue
		}
		if sum := h.Sum64(); cached == before && c.alive(sum, now) {
			cached = n
		} else {
			c.put(sum, openaiLife, now)
		}
		before = n
	}
	return cached
}
