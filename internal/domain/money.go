package domain

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// NanoUSD is an amount of money: 1e-9 US dollars. Money is never a float.
type NanoUSD int64

// Dollar is one US dollar.
const Dollar NanoUSD = 1_000_000_000

// MaxNanoUSD is the largest amount: about 9.2 billion dollars. Sums that would pass it stay at it.
const MaxNanoUSD NanoUSD = math.MaxInt64

// Plus adds, and stays at the largest and smallest amount where the sum would pass them.
func (n NanoUSD) Plus(m NanoUSD) NanoUSD {
	sum := n + m
	switch {
	case n > 0 && m > 0 && sum < 0:
		return MaxNanoUSD
	case n < 0 && m < 0 && sum >= 0:
		return -MaxNanoUSD
	}
	return sum
}

// String is the amount in dollars with as many decimals as it needs, at least two: "$1.50", "-$0.000000001".
func (n NanoUSD) String() string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	decimals := strings.TrimRight(fmt.Sprintf("%09d", u%uint64(Dollar)), "0")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return sign + "$" + strconv.FormatUint(u/uint64(Dollar), 10) + "." + decimals
}

// ParseUSD reads an amount of dollars exactly: a decimal number without a sign, with at most nine places.
func ParseUSD(s string) (NanoUSD, error) {
	whole, fraction, dot := strings.Cut(s, ".")
	if whole == "" || dot && fraction == "" || len(fraction) > 9 {
		return 0, fmt.Errorf("%q is not an amount", s)
	}
	// Unsigned and of 32 bits, so that neither a sign nor an overflow gets through.
	dollars, err := strconv.ParseUint(whole, 10, 32)
	if err != nil {
		return 0, err
	}
	nano, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 32)
	return NanoUSD(dollars*uint64(Dollar) + nano), err
}

// Factor multiplies prices, in millionths: 1_500_000 is one and a half. The zero value leaves a price as it is; see
// Millionths. It is never negative.
type Factor int64

// Free is the factor that makes everything cost nothing: 0 is taken by "as it is".
const Free Factor = -1

// Millionths is the factor in millionths.
func (f Factor) Millionths() uint64 {
	switch {
	case f == 0:
		return 1_000_000
	case f < 0:
		return 0
	}
	return uint64(f)
}

// Times is the product of two factors, half to even in millionths; it stays at the largest.
func (f Factor) Times(g Factor) Factor {
	hi, lo := bits.Mul64(f.Millionths(), g.Millionths())
	if hi >= 1_000_000 {
		return math.MaxInt64
	}
	q, r := bits.Div64(hi, lo, 1_000_000)
	if r > 500_000 || r == 500_000 && q%2 == 1 {
		q++
	}
	switch {
	case q > math.MaxInt64:
		return math.MaxInt64
	case q == 0:
		return Free
	case q == 1_000_000:
		return 0
	}
	return Factor(q)
}

// Period is what a budget's limit is for. The numbers are stored: never renumber.
type Period uint8

// The periods.
const (
	PeriodTotal    Period = 0 // for ever
	PeriodFiveHour Period = 1
	PeriodDay      Period = 2
	PeriodWeek     Period = 3 // begins on Monday
	PeriodMonth    Period = 4
)

var periodNames = [...]string{"total", "5h", "day", "week", "month"}

// String is the period's name in the configuration.
func (p Period) String() string {
	if int(p) < len(periodNames) {
		return periodNames[p]
	}
	return "unknown"
}

// ParsePeriod reads what String wrote.
func ParsePeriod(s string) (Period, bool) {
	for i, n := range periodNames {
		if n == s {
			return Period(i), true
		}
	}
	return 0, false
}

// Budget is how much may be spent in a period.
type Budget struct {
	Name    string  `json:"name,omitempty"` // in errors and headers; empty: the period's name
	Period  Period  `json:"period,omitempty"`
	Rolling bool    `json:"rolling,omitempty"` // the last hours or days, not the calendar's. A rolling month has 30 days
	Zone    string  `json:"zone,omitempty"`    // IANA name of the calendar's time zone; empty: UTC
	Soft    NanoUSD `json:"soft,omitempty"`    // from here on answers carry a warning; 0: never
	Hard    NanoUSD `json:"hard,omitempty"`    // what would pass it is refused; 0: nothing is
}

// Label is what a budget is called towards people.
func (b *Budget) Label() string {
	if b.Name != "" {
		return b.Name
	}
	return b.Period.String()
}

// Length is how long a rolling period lasts; 0 for PeriodTotal.
func (p Period) Length() time.Duration {
	const day = 24 * time.Hour
	switch p {
	case PeriodFiveHour:
		return 5 * time.Hour
	case PeriodDay:
		return day
	case PeriodWeek:
		return 7 * day
	case PeriodMonth:
		return 30 * day
	}
	return 0
}

// Spending is what an owner (a team, a user, a key) or a pool may spend, and at what prices. The zero value spends without limit at
// list prices.
type Spending struct {
	// Prepaid owners spend what was credited to them and no more. A request is paid by its key if that is prepaid, else by
	// the key's user, else by the team; if none is, it is put on the account of the outermost of them. Pools are never prepaid.
	Prepaid   bool     `json:"prepaid,omitempty"`
	Overdraft NanoUSD  `json:"overdraft,omitempty"` // how far below zero a prepaid balance may go
	Budgets   []Budget `json:"budgets,omitempty"`
	Factor    Factor   `json:"factor,omitempty"` // on list prices; those of team, key and pool multiply
}

// HoldSize says how much of what a request may cost is set aside before it is sent. The numbers are stored: never renumber.
type HoldSize uint8

// The sizes.
const (
	HoldMaximum HoldSize = 0 // what the prompt, as estimated, and the longest answer that is asked for can cost
	HoldP95     HoldSize = 1 // what 95 of 100 requests of this key and model have cost; it grows while a stream does
	HoldCap     HoldSize = 2 // as HoldMaximum, and never more than Payment.Cap; it grows while a stream does
)

var holdNames = [...]string{"maximum", "p95", "cap"}

// String is the size's name in the configuration.
func (h HoldSize) String() string {
	if int(h) < len(holdNames) {
		return holdNames[h]
	}
	return "unknown"
}

// ParseHoldSize reads what String wrote.
func ParseHoldSize(s string) (HoldSize, bool) {
	for i, n := range holdNames {
		if n == s {
			return HoldSize(i), true
		}
	}
	return 0, false
}

// Payment is how a pool's requests are paid. The zero value holds the maximum.
type Payment struct {
	Hold HoldSize `json:"hold,omitempty"`
	Cap  NanoUSD  `json:"cap,omitempty"` // of HoldCap
	// RefuseUnpriced: models without a price are refused, not charged at their family's highest. It is stored with the pool as "unpriced".
	RefuseUnpriced bool `json:"-"`
	// CacheBilling: who loses a warm cache because the request was served by another account than its session's pays as if it had been read.
	CacheBilling bool `json:"cache_billing,omitempty"`
}
