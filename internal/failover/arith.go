package failover

import (
	"math"
	"math/bits"
)

// mulDiv is a × b ÷ c in 128 bits, saturating. Negative factors count as zero:
// amounts and times here are never negative, and a nonsense input must not turn a
// cost into a gain.
func mulDiv(a, b, c int64) int64 {
	if a <= 0 || b <= 0 || c <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(q)
}

// plus adds two non-negative amounts, saturating.
func plus[T ~int64](a, b T) T {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// scale maps a uniform 64-bit draw onto [0, n).
func scale(n, draw uint64) uint64 {
	hi, _ := bits.Mul64(n, draw)
	return hi
}

// under reports whether a count may grow by one more under a maximum.
func under(used, maximum int) bool { return maximum == NoBound || used < maximum }
