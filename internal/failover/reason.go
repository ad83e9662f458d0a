package failover

// Reason names the rule that decided. It is short and from a bounded set, so that
// it can be a metric's label; Decision.Detail has the amounts.
type Reason string

// Reasons to go on.
const (
	ReasonSameAccount   Reason = "same_account"   // a momentary fault: the same account again, after a backoff
	ReasonStatedReset   Reason = "stated_reset"   // the same account again, when the upstream said
	ReasonSingleAccount Reason = "single_account" // single-account mode: the same account again, when the upstream said
	ReasonGrace         Reason = "grace"          // the bound account gets another chance, whatever the cause
	ReasonStayCheaper   Reason = "stay_cheaper"   // waiting at the bound account costs less than moving
	ReasonNowhereElse   Reason = "nowhere_else"   // the bound account is waited for because no other can serve
	ReasonRestOver      Reason = "rest_over"      // the bound account no longer rests
	ReasonStillResting  Reason = "still_resting"  // the account that was waited for rests a little longer: so does the wait
	ReasonSwitch        Reason = "switch"         // another account
	ReasonRound         Reason = "round"          // nobody is left: wait, forget, begin again
	ReasonStillRunning  Reason = "still_running"  // another attempt of this request is under way
	ReasonSlow          Reason = "slow"           // the attempt is slow: another account beside it
	ReasonHedge         Reason = "hedge"          // the pool asks for a second attempt before the first is slow
	ReasonFallback      Reason = "fallback"       // nobody is left for the asked model: another model
)

// Reasons to leave the bound account; they stand in place of ReasonSwitch.
const (
	ReasonMoveCheaper  Reason = "move_cheaper"  // moving costs less than waiting
	ReasonNoStake      Reason = "no_stake"      // there is no warm cache to lose
	ReasonStakeExpires Reason = "stake_expires" // the cache would be cold by the end of the wait
	ReasonCacheShared  Reason = "cache_shared"  // the alternative reads the same organisation's cache
	ReasonWaitTooLong  Reason = "wait_too_long" // the wait exceeds the rule's longest wait or a budget
	ReasonCauseLasts   Reason = "cause_lasts"   // waiting does not mend this class of failure
)

// Reasons to give up, or (from AtSoftLimit) to start nothing.
const (
	ReasonCommitted     Reason = "committed"      // content has gone to the caller
	ReasonFinalClass    Reason = "final_class"    // no other account would answer differently
	ReasonAttemptsUsed  Reason = "attempts_used"  // the budget of attempts
	ReasonTotalUsed     Reason = "total_used"     // the budget of time
	ReasonWaitingUsed   Reason = "waiting_used"   // the wait exceeds the longest wait or the budget of waiting
	ReasonSwitchesUsed  Reason = "switches_used"  // the maximum of switches
	ReasonNotSwitched   Reason = "not_switched"   // the policy does not switch for this class
	ReasonNoCapacity    Reason = "no_capacity"    // the provider's other accounts fare no better
	ReasonRetriesUsed   Reason = "retries_used"   // the provider's retry budget across requests
	ReasonRoundsUsed    Reason = "rounds_used"    // the maximum of rounds
	ReasonNoAccount     Reason = "no_account"     // nobody is left and nothing says that waiting helps
	ReasonBesideUsed    Reason = "beside_used"    // another account has been started beside a slow one before
	ReasonNoAlternative Reason = "no_alternative" // nobody to start beside the slow one
	ReasonWaitCheaper   Reason = "wait_cheaper"   // reading the stake anew costs more than waiting on
	ReasonBrownout      Reason = "brownout"       // the provider fails most of what it is asked
	ReasonMayBegin      Reason = "may_begin"      // the request may (go on to) make an attempt
)
