package domain

import (
	"cmp"
	"math/bits"
	"slices"
)

// ShareOut parts an amount by weights, to the last nano-dollar: each part is its exact share rounded down, and what is left over goes, one
// by one, to the parts that lost most by that (of equals, to the first). The parts sum to the whole. Where all weights are 0 there are
// no parts. Neither amount nor weights may be negative.
func ShareOut(whole NanoUSD, weights []NanoUSD) []NanoUSD {
	// The weights' sum may pass 64 bits: they are halved until it does not.
	var shift uint
	var sum uint64
	for {
		var carry, over uint64
		sum = 0
		for _, w := range weights {
			sum, over = bits.Add64(sum, uint64(w)>>shift, 0)
			carry |= over
		}
		if carry == 0 {
			break
		}
		shift++
	}
	parts := make([]NanoUSD, len(weights))
	if sum == 0 {
		return parts
	}
	type rest struct {
		i    int
		lost uint64
	}
	rests := make([]rest, len(weights))
	left := uint64(whole)
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(whole), uint64(w)>>shift)
		q, r := bits.Div64(hi, lo, sum)
		parts[i], rests[i] = NanoUSD(q), rest{i, r}
		left -= q
	}
	slices.SortStableFunc(rests, func(a, b rest) int { return cmp.Compare(b.lost, a.lost) })
	for _, r := range rests[:left] {
		parts[r.i]++
	}
	return parts
}
