package ledger

import (
	"time"

	"turnout/internal/domain"
)

// Standing is how far an owner's limits are used.
type Standing struct {
	Prepaid bool
	Granted domain.NanoUSD // of a prepaid one: what is in memory of its balance, with what is held
	Held    domain.NanoUSD // by requests in flight
	Budgets []BudgetStanding
}

// BudgetStanding is how far one budget is spent.
type BudgetStanding struct {
	domain.Budget
	Spent domain.NanoUSD
	Until time.Time // when it begins anew; zero: it is a rolling one, or one for ever
}

// Standing tells how far an owner's limits are used; nothing is known of one that has none.
func (b *Book) Standing(of domain.Spender, now time.Time) (s Standing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.owners[of]
	if o == nil {
		return s
	}
	s.Prepaid, s.Granted, s.Held = o.Spending.Prepaid, o.granted, o.held
	for _, g := range o.budgets {
		g.roll(o.spent, now)
		s.Budgets = append(s.Budgets, BudgetStanding{g.Budget, g.spent, g.until})
	}
	return s
}
