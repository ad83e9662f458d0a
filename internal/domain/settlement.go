package domain

import (
	"math"
	"time"
)

// SpenderKind is the kind of what spends. The numbers are stored: never renumber.
type SpenderKind uint8

// The kinds.
const (
	SpenderNone SpenderKind = 0
	SpenderKey  SpenderKind = 1
	SpenderUser SpenderKind = 2
	SpenderTeam SpenderKind = 3
	SpenderPool SpenderKind = 4
)

// String is the kind's noun.
func (k SpenderKind) String() string {
	return [...]string{"none", "key", "user", "team", "pool"}[min(int(k), 4)]
}

// Spender names what spends: a kind and the id of an object of that kind. The zero value names nothing.
type Spender struct {
	Kind SpenderKind
	ID   int64
}

// SettlementFlags mark what is not plain about a settlement. The bits are stored: never renumber.
type SettlementFlags uint16

// The flags.
const (
	FlagEstimated   SettlementFlags = 1 << 0 // the upstream stated no figures, or its prices for them are not known: the amount is Turnout's own estimate
	FlagInterrupted SettlementFlags = 1 << 1 // the answer did not come to its end
	FlagUnpriced    SettlementFlags = 1 << 2 // the model has no price: that of its family's dearest model was taken
	FlagFlat        SettlementFlags = 1 << 3 // the account has a fixed price: Cost is a shadow of what it would have been
	FlagCache       SettlementFlags = 1 << 4 // charged as if the cache had not been lost by a switch
	FlagCapped      SettlementFlags = 1 << 5 // more was used than could be charged: see WrittenOff
	FlagPrepaid     SettlementFlags = 1 << 6 // the payer's grant was charged
	FlagUnusable    SettlementFlags = 1 << 7 // the upstream's figures contradict themselves
)

// AccountCost is what attempts at an account have cost.
type AccountCost struct {
	Account AccountID
	Amount  NanoUSD
	Flat    bool // the account has a fixed price: a shadow
}

// Settlement is what one request came to. Its amounts are never negative, and what the answer costs at list prices times the
// owners' factors is Charged + WrittenOff + Switch.
type Settlement struct {
	Request RequestID
	At      time.Time // when it was settled, to the millisecond
	Key     KeyID
	User    UserID
	Team    TeamID
	Pool    PoolID
	Account AccountID // that answered; 0: none
	Payer   Spender
	Model   string // as it was sent, and priced
	Plan    string // which prices were taken
	Tags    string // canonical; see Key

	Usage Usage

	Charged    NanoUSD       // to the payer
	WrittenOff NanoUSD       // was beyond what the payer could be charged
	Switch     NanoUSD       // was not charged, because the payer did not cause it: the cache that a switch has lost
	Cost       NanoUSD       // of the answer at its account, at list prices
	Losses     []AccountCost // of attempts that came to nothing
	Flags      SettlementFlags

	// Late: the request has been settled already, and only losses are added.
	Late bool
}

// Empty reports whether there is nothing to be written down.
func (s *Settlement) Empty() bool {
	return s.Charged == 0 && s.WrittenOff == 0 && s.Switch == 0 && s.Cost == 0 && len(s.Losses) == 0 && !s.Usage.Reported && s.Usage.Prompt()+s.Usage.Output == 0
}

// JournalPosition is a place in a journal. The zero value is its beginning.
type JournalPosition struct {
	Segment uint64
	Offset  int64 // bytes from the segment's beginning
}

// Before reports whether p comes before q.
func (p JournalPosition) Before(q JournalPosition) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// SpendingSlot is how finely spending is remembered for budgets: every time zone's days begin with one.
const SpendingSlot = 15 * time.Minute

// Spent is what was spent in one slot, numbered from 1970 on. OlderSlot is that of everything before what is remembered slot by slot.
type Spent struct {
	Slot   int64
	Amount NanoUSD
}

// OlderSlot comes before every other one.
const OlderSlot = math.MinInt64
