package domain

import (
	"errors"
	"strings"
	"time"
)

// OwnPrice is an operator's own price of a model, over what the catalogue of prices says. What it does not name stays as the
// catalogue has it.
type OwnPrice struct {
	Platform string            `json:"platform,omitempty"` // a platform, or a provider of the catalogue; empty: any
	Account  string            `json:"account,omitempty"`  // an account's name, with at most one '*'; empty: any
	Model    string            `json:"model"`              // the upstream's name of the model, with at most one '*'
	From     time.Time         `json:"from,omitzero"`      // from when on; zero: always
	Prices   map[string]string `json:"prices"`             // US dollars as decimal numbers, by the catalogue's names: input_mtok is for a million tokens
}

// Unpriced is what becomes of a request whose model has no price. The numbers are stored: never renumber.
type Unpriced uint8

// The ways.
const (
	UnpricedHighest Unpriced = 0 // it costs the highest price of its family, marked as estimated
	UnpricedRefuse  Unpriced = 1 // it is refused
)

// String is the way's name in the configuration.
func (u Unpriced) String() string {
	if u == UnpricedRefuse {
		return "refuse"
	}
	return "highest"
}

// ParseUnpriced reads what String wrote.
func ParseUnpriced(s string) (Unpriced, error) {
	for _, u := range []Unpriced{UnpricedHighest, UnpricedRefuse} {
		if u.String() == s {
			return u, nil
		}
	}
	return 0, errors.New("want highest or refuse")
}

// CheckDollars says what is wrong with a price: it is a decimal number of US dollars of at most nine digits, and eighteen behind the point.
func CheckDollars(s string) error {
	whole, decimals, point := strings.Cut(s, ".")
	if whole == "" || point && decimals == "" || len(whole) > 9 || len(decimals) > 18 || len(whole) > 1 && whole[0] == '0' ||
		strings.Trim(whole+decimals, "0123456789") != "" {
		return errors.New("want US dollars as a decimal number, such as 3.00 or 0.075")
	}
	return nil
}
