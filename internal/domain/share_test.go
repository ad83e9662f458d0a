package domain_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func TestShareOut(t *testing.T) {
	for _, c := range []struct {
		whole         domain.NanoUSD
		weights, want []domain.NanoUSD
	}{
		{100, []domain.NanoUSD{1, 1, 1}, []domain.NanoUSD{34, 33, 33}},
		{10, []domain.NanoUSD{3, 0, 4}, []domain.NanoUSD{4, 0, 6}},
		{7, []domain.NanoUSD{0, 0}, []domain.NanoUSD{0, 0}},
		{0, []domain.NanoUSD{5}, []domain.NanoUSD{0}},
		{200 * domain.Dollar, []domain.NanoUSD{domain.MaxNanoUSD, domain.MaxNanoUSD, domain.MaxNanoUSD}, []domain.NanoUSD{66_666_666_667, 66_666_666_667, 66_666_666_666}},
	} {
		if got := domain.ShareOut(c.whole, c.weights); !slices.Equal(got, c.want) {
			t.Errorf("%d by %v: %v, want %v", c.whole, c.weights, got, c.want)
		}
	}
}

func TestSharesSumToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Min(0))
		whole := domain.NanoUSD(amounts.Draw(t, "whole"))
		var weights []domain.NanoUSD
		var some bool
		for _, w := range rapid.SliceOfN(amounts, 1, 20).Draw(t, "weights") {
			weights = append(weights, domain.NanoUSD(w))
			some = some || w > 0
		}
		var sum domain.NanoUSD
		for i, p := range domain.ShareOut(whole, weights) {
			if p < 0 || weights[i] == 0 && p != 0 {
				t.Fatalf("part %d of weight %d is %d", i, weights[i], p)
			}
			sum += p
		}
		if some && sum != whole {
			t.Fatalf("the parts sum to %d, not to %d", sum, whole)
		}
	})
}
