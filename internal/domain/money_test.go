package domain

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestNanoUSDString(t *testing.T) {
	for _, c := range []struct {
		n    NanoUSD
		want string
	}{
		{0, "$0.00"}, {Dollar, "$1.00"}, {1_500_000_000, "$1.50"}, {1, "$0.000000001"}, {-1, "-$0.000000001"},
		{-12_340_000_000, "-$12.34"}, {123_456_000, "$0.123456"}, {math.MinInt64, "-$9223372036.854775808"},
	} {
		if got := c.n.String(); got != c.want {
			t.Errorf("%d is %q, want %q", int64(c.n), got, c.want)
		}
	}
}

func TestSumsStayInRange(t *testing.T) {
	for _, c := range [][3]NanoUSD{
		{1, 2, 3}, {MaxNanoUSD, 1, MaxNanoUSD}, {-MaxNanoUSD, -2, -MaxNanoUSD}, {MaxNanoUSD, -1, MaxNanoUSD - 1}, {-5, 3, -2},
	} {
		if got := c[0].Plus(c[1]); got != c[2] {
			t.Errorf("%d + %d = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestFactors(t *testing.T) {
	for _, c := range [][3]Factor{
		{0, 0, 0}, {1_500_000, 0, 1_500_000}, {0, 1_500_000, 1_500_000}, {1_500_000, 2_000_000, 3_000_000}, {Free, 7_000_000, Free},
		{500_000, 2_000_000, 0}, {1, 1, Free}, {1_000_001, 500_000, 500_000}, {1_000_003, 500_000, 500_002}, {math.MaxInt64, 2_000_000, math.MaxInt64},
	} {
		if got := c[0].Times(c[1]); got != c[2] {
			t.Errorf("%d × %d = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// Any product is the exact one, rounded half to even.
func TestFactorsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := rapid.Int64Range(1, 1<<40).Draw(t, "f"), rapid.Int64Range(1, 1<<40).Draw(t, "g")
		got := new(big.Int).SetUint64(Factor(f).Times(Factor(g)).Millionths())
		exact := new(big.Int).Mul(big.NewInt(f), big.NewInt(g))
		rest := new(big.Int).Sub(new(big.Int).Mul(got, big.NewInt(1_000_000)), exact)
		rest.Abs(rest)
		if limit := big.NewInt(500_000); rest.Cmp(limit) > 0 || rest.Cmp(limit) == 0 && got.Bit(0) == 1 {
			t.Fatalf("%d × %d = %v millionths", f, g, got)
		}
	})
}

func TestPeriods(t *testing.T) {
	for p := range Period(len(periodNames)) {
		if got, ok := ParsePeriod(p.String()); !ok || got != p {
			t.Errorf("%v is read as %v", p, got)
		}
		if (p.Length() == 0) != (p == PeriodTotal) {
			t.Errorf("%v lasts %v", p, p.Length())
		}
	}
	if _, ok := ParsePeriod("year"); ok {
		t.Error("a year is no period")
	}
}
