package domain

import "time"

// QuotaScope says whose a window is.
type QuotaScope uint8

// The scopes.
const (
	// QuotaOfModel is a window of an organisation for one model, as API keys have them; of an account
	// without an organisation, of the account alone.
	QuotaOfModel QuotaScope = iota
	// QuotaOfAccount is a window of the account, whichever model is asked, as subscriptions have them.
	QuotaOfAccount
)

// QuotaUnit is what a window counts.
type QuotaUnit uint8

// The units.
const (
	QuotaShare        QuotaUnit = iota // nobody says: only shares are known
	QuotaRequests                      // requests
	QuotaTokens                        // tokens of prompt and output
	QuotaInputTokens                   // tokens of the prompt
	QuotaOutputTokens                  // generated tokens
	QuotaSpend                         // money
)

// QuotaKind is how a window gives back what was used.
type QuotaKind uint8

// The kinds.
const (
	QuotaFixed    QuotaKind = iota // all of it at its reset; the next window begins with its first use
	QuotaBucket                    // bit by bit; the reset is when all of it will be there again
	QuotaCalendar                  // all of it at its reset, where the next window begins by itself
)

// QuotaStatus is what the provider says of a window.
type QuotaStatus uint8

// The statuses.
const (
	QuotaUnsaid QuotaStatus = iota
	QuotaAllowed
	QuotaWarning
	QuotaRejected
)

// QuotaReading is what one answer said of one window. The zero value of a field, but
// for Remaining and Used, means that it was not said.
type QuotaReading struct {
	Window string // "requests", "tokens", "5h", "7d_opus", …: at most 32 bytes
	Family string // a word that the names of the window's models have in common; empty: all models of the scope
	Scope  QuotaScope
	Unit   QuotaUnit
	Kind   QuotaKind
	Status QuotaStatus

	Limit     int64   // in units
	Remaining int64   // in units; negative: not said
	Used      float64 // share of the whole, 0 to 1; negative: not said
	Reset     time.Time
	Length    time.Duration
}
