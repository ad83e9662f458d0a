package price

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"

	"turnout/internal/domain"
)

// fraction is a price of one of something, in nano-USD. Never negative.
type fraction = *big.Rat

// rate is what one of a kind costs: base, and from the tiers' starts on another price. The tier is the whole request's: it
// goes by all of its input tokens, and then holds for every token of it.
type rate struct {
	base  fraction
	steps []step
}

// step: above so many input tokens the price is this.
type step struct {
	above int64
	price fraction
}

// most is the highest price that a rate can come to.
func (r rate) most() fraction {
	m := r.base
	for _, s := range r.steps {
		if s.price.Cmp(m) > 0 {
			m = s.price
		}
	}
	return m
}

// times is the rate with every price multiplied.
func (r rate) times(f fraction) rate {
	out := rate{base: new(big.Rat).Mul(r.base, f)}
	for _, s := range r.steps {
		out.steps = append(out.steps, step{s.above, new(big.Rat).Mul(s.price, f)})
	}
	return out
}

// rates are the prices of a model at one time, by kind.
type rates map[kind]rate

// sheet is rates made ready for sums: every price as a whole number of the same fraction of a nano-USD.
type sheet struct {
	scale uint64 // a price of n is n/scale nano-USD
	lines []line
	// tiered: some price depends on how many input tokens there are.
	tiered bool
	// dearest are the highest price of any input token and of any output token, rising with the input.
	dearestIn, dearestOut []mark
	requests              uint64
}

// line is one kind's price. Lines stand with the most particular kinds first, so that what is counted by a particular
// one has been counted when its wholes come: inner are the places of the lines whose kinds are parts of this one's.
type line struct {
	kind  kind
	inner []uint8
	price uint64
	steps []mark
}

type mark struct {
	above int64
	price uint64
}

// errUnfit: a price that cannot be kept exactly. No catalogue has one: it would need more digits than any price has.
var errUnfit = errors.New("these prices have too many digits to be added up exactly")

// compile makes a sheet. The kinds must be complete: with a part its wholes, with two kinds what is both.
func (r rates) compile() (*sheet, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	order := make([]kind, 0, len(r))
	scale := big.NewInt(1)
	grow := func(f fraction) {
		gcd := new(big.Int).GCD(nil, nil, scale, f.Denom())
		scale.Mul(scale, new(big.Int).Quo(f.Denom(), gcd))
	}
	for k, v := range r {
		order = append(order, k)
		grow(v.base)
		for _, s := range v.steps {
			grow(s.price)
		}
	}
	if !scale.IsInt64() {
		return nil, errUnfit
	}
	slices.SortFunc(order, func(a, b kind) int {
		if d := particular(b) - particular(a); d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	out := &sheet{scale: scale.Uint64()}
	whole := func(f fraction) (uint64, error) {
		n := new(big.Int).Mul(f.Num(), new(big.Int).Quo(scale, f.Denom()))
		if !n.IsInt64() {
			return 0, errUnfit
		}
		return n.Uint64(), nil
	}
	for _, k := range order {
		l := line{kind: k}
		for j, m := range out.lines {
			if wholes[m.kind].has(k) {
				l.inner = append(l.inner, uint8(j)) //nolint:gosec // there are fewer than 64 kinds
			}
		}
		var err error
		if l.price, err = whole(r[k].base); err != nil {
			return nil, err
		}
		for _, s := range r[k].steps {
			n, err := whole(s.price)
			if err != nil {
				return nil, err
			}
			l.steps = append(l.steps, mark{s.above, n})
		}
		out.tiered = out.tiered || len(l.steps) > 0
		if k == kRequests {
			out.requests = l.price
		}
		out.lines = append(out.lines, l)
	}
	out.dearestIn, out.dearestOut = out.dearest("input"), out.dearest("output")
	return out, nil
}

// check: what a sum needs to count nothing twice and nothing not at all.
func (r rates) check() error {
	for k := range r {
		var err error
		wholes[k].each(func(w kind) {
			if _, ok := r[w]; !ok && err == nil {
				err = fmt.Errorf("%s has a price and %s, of which it is a part, has none", units[k].price, units[w].price)
			}
		})
		for j := range r {
			if j <= k || wholes[j].has(k) || wholes[k].has(j) {
				continue
			}
			if both, ok := join(j, k); ok && err == nil {
				if _, has := r[both]; !has {
					err = fmt.Errorf("%s and %s have prices, and what is both (%s) has none", units[k].price, units[j].price, units[both].price)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete gives every kind that the check misses the price of the whole that says most.
func (r rates) complete() {
	for {
		var add kind = kinds
		for k := range r {
			wholes[k].each(func(w kind) {
				if _, ok := r[w]; !ok {
					add = w
				}
			})
			for j := range r {
				if both, ok := join(j, k); ok && j != k {
					if _, has := r[both]; !has {
						add = both
					}
				}
			}
		}
		if add == kinds {
			return
		}
		v, ok := r.of(add)
		if !ok { // a part without a whole: the whole is free
			v = rate{base: new(big.Rat)}
		}
		r[add] = v
	}
}

// of is what a kind costs: by its own price or by that of the whole that says most. Of two wholes that say as much, the
// dearer one.
func (r rates) of(k kind) (_ rate, ok bool) {
	if v, ok := r[k]; ok {
		return v, true
	}
	best, at := rate{}, -1
	wholes[k].each(func(w kind) {
		v, has := r[w]
		if has && (particular(w) > at || particular(w) == at && v.most().Cmp(best.most()) > 0) {
			best, at = v, particular(w)
		}
	})
	return best, at >= 0
}

func (s *sheet) dearest(direction string) []mark {
	starts := []int64{-1}
	for _, l := range s.lines {
		for _, m := range l.steps {
			starts = append(starts, m.above)
		}
	}
	slices.Sort(starts)
	out := []mark{}
	highest := uint64(0)
	for _, above := range slices.Compact(starts) {
		for _, l := range s.lines {
			if l.kind.of(direction) {
				highest = max(highest, l.at(above+1))
			}
		}
		out = append(out, mark{above, highest})
	}
	return out
}

// at is the line's price in a request of so many input tokens.
func (l *line) at(input int64) uint64 {
	p := l.price
	for i := range l.steps {
		if input > l.steps[i].above {
			p = l.steps[i].price
		}
	}
	return p
}

// sum is an unsigned number of 128 bits that stays at its largest.
type sum struct{ hi, lo uint64 }

func (s *sum) add(count int64, price uint64) {
	if count <= 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(count), price)
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	if s.hi, carry = bits.Add64(s.hi, hi, carry); carry != 0 {
		*s = sum{math.MaxUint64, math.MaxUint64}
	}
}

// rounded is s·factor/(scale·ten^digits), half to even. A sum at its largest is the largest amount, however it is divided, unless
// the factor is zero.
func (s sum) rounded(f domain.Factor, scale uint64, digits int) domain.NanoUSD {
	m := f.Millionths()
	if m == 0 {
		return 0
	}
	if s.hi == math.MaxUint64 {
		return domain.MaxNanoUSD
	}
	// Three words, times the factor.
	c1, c0 := bits.Mul64(s.lo, m)
	c2, mid := bits.Mul64(s.hi, m)
	c1, carry := bits.Add64(c1, mid, 0)
	c2 += carry
	n := [3]uint64{c2, c1, c0}
	// Divided in turn by scale, by the decimals of the counts and by a million; dividing in turn gives the same whole number
	// as dividing at once, and what was lost on the way is more than nothing or it is not.
	lost := divide(&n, scale) != 0
	if digits > 0 {
		lost = divide(&n, pow10(digits)) != 0 || lost
	}
	rest := divide(&n, perMillion)
	if n[0] != 0 || n[1] != 0 || n[2] >= uint64(domain.MaxNanoUSD) {
		return domain.MaxNanoUSD
	}
	const half = perMillion / 2
	if rest > half || rest == half && (lost || n[2]&1 == 1) {
		n[2]++
	}
	return domain.NanoUSD(n[2]) //nolint:gosec // below the largest amount
}

// divide divides n in place and gives the remainder.
func divide(n *[3]uint64, d uint64) (rest uint64) {
	for i := range n {
		n[i], rest = bits.Div64(rest, n[i], d)
	}
	return rest
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
