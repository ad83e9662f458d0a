package admin

import (
	"fmt"
	"strings"
	"time"

	"turnout/internal/domain"
)

// Balances is where the purses of all keys, users and teams are asked for, with GET at ObjectsPath+Balances. Money is put into one with a POST to
// ObjectsPath+kind/NAME/CreditAction, of keys, users or teams.
const (
	Balances     = "balances"
	CreditAction = "credit"
)

// CreditAsk is money for an owner's balance.
type CreditAsk struct {
	AmountUSD string    `json:"amount_usd"` // a decimal number; negative: it is taken back
	Ref       string    `json:"ref,omitempty"`
	Note      string    `json:"note,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
}

// Balance is what an owner has.
type Balance struct {
	Owner     string         `json:"owner"` // "key:NAME", "user:NAME" or "team:NAME"
	Prepaid   bool           `json:"prepaid"`
	Balance   domain.NanoUSD `json:"balance_nano_usd"` // what is left, or, negative, what is owed
	Overdraft domain.NanoUSD `json:"overdraft_nano_usd,omitempty"`
	Held      domain.NanoUSD `json:"held_nano_usd,omitempty"` // by requests in flight
	Budgets   []BudgetState  `json:"budgets,omitempty"`
}

// BudgetState is how far a budget is spent.
type BudgetState struct {
	Name  string         `json:"name"`
	Spent domain.NanoUSD `json:"spent_nano_usd"`
	Soft  domain.NanoUSD `json:"soft_nano_usd,omitempty"`
	Hard  domain.NanoUSD `json:"hard_nano_usd,omitempty"`
	Until time.Time      `json:"until,omitzero"` // when it begins anew
}

// ParseUSD reads a decimal amount of dollars, with at most nine places.
func ParseUSD(s string) (domain.NanoUSD, error) {
	text, negative := strings.CutPrefix(strings.TrimPrefix(s, "+"), "-")
	n, err := domain.ParseUSD(text)
	if err != nil {
		return 0, fmt.Errorf("want US dollars as a decimal number with at most 9 places, such as 25 or -0.5; got %q", s)
	}
	if negative {
		n = -n
	}
	return n, nil
}
