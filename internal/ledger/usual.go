package ledger

import (
	"math/bits"
	"sync"

	"turnout/internal/domain"
)

// usual knows what requests of a key and a model have cost, roughly: amounts are counted in steps of a quarter of a power of two, and
// the counts are halved from time to time, so that what is long past fades.
type usual struct {
	mu   sync.Mutex
	hist map[usualKey]*histogram
}

type usualKey struct {
	key   domain.KeyID
	model string
}

const (
	usualLeast = 20     // requests that must have been seen
	usualFade  = 1000   // requests after which counts are halved
	usualMost  = 10_000 // pairs of key and model that are known
	steps      = 4 * 63
)

type histogram struct {
	count [steps + 1]uint16
	total int
}

// step numbers an amount's step; ceil is its largest amount.
func step(n domain.NanoUSD) int {
	if n < 4 {
		return int(max(n, 0))
	}
	exp := bits.Len64(uint64(n)) - 1
	return 4*(exp-1) + int(n>>(exp-2))&3
}

func ceil(step int) domain.NanoUSD {
	if step < 4 {
		return domain.NanoUSD(step)
	}
	exp := step/4 + 1
	if exp >= 62 {
		return domain.MaxNanoUSD
	}
	return domain.NanoUSD(5+step%4)<<(exp-2) - 1
}

func (u *usual) add(key domain.KeyID, model string, cost domain.NanoUSD) {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := usualKey{key, model}
	h := u.hist[k]
	if h == nil {
		if u.hist == nil {
			u.hist = map[usualKey]*histogram{}
		}
		for other := range u.hist { // any one
			if len(u.hist) < usualMost {
				break
			}
			delete(u.hist, other)
		}
		h = &histogram{}
		u.hist[k] = h
	}
	h.count[step(cost)]++
	if h.total++; h.total >= usualFade {
		h.total = 0
		for i := range h.count {
			h.count[i] /= 2
			h.total += int(h.count[i])
		}
	}
}

// of is an amount that 95 of 100 requests have not passed; ok is false where too few are known.
func (u *usual) of(key domain.KeyID, model string) (domain.NanoUSD, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := u.hist[usualKey{key, model}]
	if h == nil || h.total < usualLeast {
		return 0, false
	}
	above := h.total / 20
	for i := steps; i >= 0; i-- {
		if above -= int(h.count[i]); above < 0 {
			return ceil(i), true
		}
	}
	return 0, false
}
