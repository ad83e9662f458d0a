package config

import (
	"fmt"
	"slices"

	"turnout/internal/domain"
)

// payment reads how a pool's requests are paid.
func (n node) payment(p *domain.Payment) {
	var hold, limit bool
	n.mapping(
		field{"hold", func(n node) { hold = true; scalar(&p.Hold, holdSize)(n) }},
		field{"cap_usd", func(n node) { limit = true; scalar(&p.Cap, usd(maxUSD))(n) }},
		field{"cache_billing", scalar(&p.CacheBilling, yesNo)},
	)
	switch {
	case limit && p.Hold != domain.HoldCap:
		n.r.problem(n.r.where(n.at.path+".cap_usd"), "this has no effect without hold: cap beside it")
	case hold && p.Hold == domain.HoldCap && p.Cap <= 0:
		n.r.problem(n.at, "hold: cap needs cap_usd, the most that is set aside for one request, such as 0.05")
	}
}

func holdSize(s string) (domain.HoldSize, error) {
	if h, ok := domain.ParseHoldSize(s); ok {
		return h, nil
	}
	return 0, fmt.Errorf("want one of maximum, p95, cap; got %s", show(s))
}

// mayOverdraw reports whether an overdraft means something.
func mayOverdraw(s *domain.Spending) bool {
	return s.Prepaid || slices.ContainsFunc(s.Budgets, func(b domain.Budget) bool { return b.Hard > 0 })
}
