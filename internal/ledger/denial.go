package ledger

import (
	"fmt"
	"time"

	"turnout/internal/domain"
)

// inFlightFor is when it is worth asking again where only requests in flight are in the way. Nobody knows when they end.
const inFlightFor = 5 * time.Second

const doing = "hold what the request may cost"

// Denial is why a request may not be paid.
type Denial struct {
	Owner   Owner
	Budget  string // the label of the budget that has no room; empty: the balance has none
	Limit   domain.NanoUSD
	Spent   domain.NanoUSD // of the budget; of a balance: what is left
	Held    domain.NanoUSD // by other requests in flight
	Needed  domain.NanoUSD
	Until   time.Time // when there is room, as things stand; zero: nobody knows
	Rolling bool
	At      time.Time
}

// Error is what the caller is told.
func (d *Denial) Error() *domain.Error {
	who := fmt.Sprintf("%s %q", d.Owner.Spender.Kind, d.Owner.Name)
	if d.Budget == "" {
		e := domain.Errorf(domain.KindBalance, doing, "The balance of %s is used up: %s is left%s, and this request may cost up to %s. "+
			"Ask whoever runs this Turnout to credit it, or ask for less (max_tokens).", who, d.Spent, inFlight(d.Held), d.Needed)
		return e
	}
	if d.Owner.Spender.Kind == domain.SpenderPool { // what all its callers spend together is not this one's to know
		return d.until(domain.Errorf(domain.KindBudget, doing, "A budget of all who use this pool is used up. "))
	}
	return d.until(domain.Errorf(domain.KindBudget, doing, "The budget %q of %s is used up: %s of %s is spent%s, and this request may cost up to %s. ",
		d.Budget, who, d.Spent, d.Limit, inFlight(d.Held), d.Needed))
}

// until says when there is room again.
func (d *Denial) until(e *domain.Error) *domain.Error {
	switch {
	case d.Needed > d.Limit:
		e.Message += "It is more than the whole budget: ask for less (max_tokens), or for a larger budget."
	case d.Until.Equal(d.At):
		e.Message += "Requests in flight hold what is left of it: try again when they have ended."
		e.RetryAfter = inFlightFor
	case d.Until.IsZero():
		e.Message += "It ends for good: ask whoever runs this Turnout for a new one."
	default:
		verb := "It begins anew"
		if d.Rolling {
			verb = "There is room again"
		}
		e.Message += fmt.Sprintf("%s at %s.", verb, d.Until.UTC().Format("2006-01-02 15:04 MST"))
		e.RetryAfter = max(d.Until.Sub(d.At), time.Second)
	}
	return e
}

func inFlight(held domain.NanoUSD) string {
	if held == 0 {
		return ""
	}
	return fmt.Sprintf(" and %s is held by requests in flight", held)
}
