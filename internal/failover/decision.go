package failover

import (
	"time"

	"turnout/internal/domain"
)

// Outcome is one failed attempt as the core sees it. All times are durations, so
// that no decision depends on a clock.
type Outcome struct {
	Account      domain.AccountID
	Organization string // the cache and limit domain of the account; empty: the account is alone
	Provider     string // whose capacity the account draws on; a label that is only compared; empty: unknown

	Class  Class
	Status int   // HTTP status, 0 if there was none
	Scope  Scope // whom the failure concerns, as classified

	// Probe: the attempt was to find out whether the account is back. It is not, so it is
	// not asked again at once.
	Probe bool

	// RetrySame: the failure itself says that the same account may be asked
	// again at once. Only the classic profile looks at it.
	RetrySame bool
	// CacheLost: the failure itself says that the caller's cache is lost
	// (classic's force-cache-billing flag).
	CacheLost bool

	// Reset is how long from now until the reset that the upstream stated
	// (Retry-After and its kin). Meaningful only if Stated; a reset of zero or
	// less says nothing and counts as not stated.
	Reset  time.Duration
	Stated bool

	Opened    bool // status and headers have gone to the caller
	Committed bool // content has gone to the caller
	// Resume: what has gone can be gone on with: it is plain text, and the pool wants it. Then a committed answer is
	// treated as if nothing had gone, once in a request.
	Resume bool

	// Running is how many other attempts of this request are still under way
	// (one was started beside another). While there are any, nothing new begins.
	Running int
	// NoRetries: the provider's retry budget across requests is used up (see
	// RetryBudget), so it must not be asked again because of a fault of its own.
	NoRetries bool

	Spent time.Duration // since the request arrived, or since the answer broke that is gone on with
	// Hedge: the attempt is not slow yet; the pool asks for another one beside it all the same. Only AtSoftLimit
	// looks at it: it grants that to sessions with nothing to lose, within the retry budget.
	Hedge bool
	// Silent is how long the slow attempt has been silent; only AtSoftLimit looks
	// at it. Zero: Spent stands for it.
	Silent time.Duration
	Cost   domain.NanoUSD // what the attempt cost upstream, where known

	// Ahead is how many other requests wait already for what this one would wait for.
	Ahead int
	// Soonest is how long it takes until an account that this request could still use
	// is back from a rest; 0: none rests, or nobody knows.
	Soonest time.Duration
	// Fallback: another model is configured for this class of failure, and an account is
	// free to serve it now.
	Fallback bool

	// Streak is how many failures in a row, this one included, Scope has had
	// across requests without a success between. At least 1.
	Streak int

	Stake Stake // what the session would lose by leaving Account

	// Alternative is where the scheduler would go next without Account, as far as it
	// knows before this failure's own exclusions and rests; zero if nowhere.
	Alternative             domain.AccountID
	AlternativeOrganization string
	AlternativeProvider     string
	// AlternativeWell: Alternative's own last answer was no failure. So the fault is
	// not the whole provider's, and asking there is allowed without a retry budget: in a
	// brownout no account stays well for long.
	AlternativeWell bool
	// PriceOfMoving is what reading the stake anew at Alternative costs more than
	// reading it from the cache here; 0 while prices are unknown.
	PriceOfMoving domain.NanoUSD
}

// Stake is what a bound session has to lose by moving to another account.
type Stake struct {
	Tokens  int64         // cached tokens that are still warm; 0: no stake
	Expires time.Duration // how long they stay warm from now
}

// Warm reports whether there is anything to lose.
func (s Stake) Warm() bool { return s.Tokens > 0 && s.Expires > 0 }

// Action is what the loop does next.
type Action uint8

// The actions. Giving up is the zero value: a decision that nobody filled in
// never repeats anything. The numbers are stored in traces: never renumber.
const (
	GiveUp    Action = iota
	RetrySame        // ask Decision.Account again, after Decision.Wait
	Switch           // let the scheduler choose another account, after Decision.Wait
	Round            // forget the failed accounts (an effect after the wait) and begin again
	Beside           // start another account beside the one that is slow
	Await            // go on waiting for the attempts that are under way; start nothing
	Fallback         // go on with another model
)

var actionNames = [...]string{"give_up", "retry_same", "switch", "round", "beside", "await", "fallback"}

// String is the action's name.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "invalid"
}

// Decision is a value: it can be kept, shown, replayed and compared.
type Decision struct {
	Action  Action
	Account domain.AccountID // pinned, for RetrySame; zero otherwise: the scheduler chooses
	Wait    time.Duration    // to wait before acting; 0 when giving up; for Await: ask AtSoftLimit again then, 0: never
	Reason  Reason           // never empty
	Detail  string           // optional amounts for people, e.g. what staying and moving would cost
	N, Max  int              // this is the N-th of at most Max uses of the rule (Max 0: the rule has no count)

	// Before happens at once, whether or not the wait is completed.
	Before []Effect
	// After happens only if the wait was completed.
	After []Effect
}

// EffectKind is what an effect does.
type EffectKind uint8

// The effects.
const (
	// EffectRest takes Scope (of Account) out of scheduling for For. A rest is
	// never shortened by a later one.
	EffectRest EffectKind = iota
	// EffectForget empties the request's sets of failed accounts and organisations,
	// but for accounts that have had all the attempts that one account may have.
	EffectForget
	// EffectSingleAccount puts the request into single-account mode.
	EffectSingleAccount
)

// Effect is a consequence of a decision beyond this request or beyond a wait.
type Effect struct {
	Kind    EffectKind
	Scope   Scope
	Account domain.AccountID
	Class   Class
	For     time.Duration // of a rest; 0 with UntilChanged
	Stated  bool          // the upstream stated the reset: probing before it is useless
	// UntilChanged: the rest lasts until the account's credential changes.
	UntilChanged bool
}
