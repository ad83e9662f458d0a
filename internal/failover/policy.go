package failover

import (
	"time"

	"turnout/internal/domain"
)

// NoBound is the value of a maximum, a longest wait or a budget that has none.
// Only the classic profile has such values; 0 always means off.
const NoBound = -1

// Profile is the name of a set of values.
type Profile string

// The profiles.
const (
	ProfileClassic  Profile = "classic"
	ProfileBalanced Profile = "balanced"
)

// Policy is everything that the core decides by. It is a plain value without
// pointers: copies are independent, and two are compared with ==. The zero value
// gives up after every failure.
type Policy struct {
	Profile Profile

	Final ClassSet // never tried again: no other account would answer differently

	// The rules, in the order in which they are asked.
	Same   Rule // the same account again; Max is per account
	Single Rule // takes Same's place in single-account mode where the upstream states a reset; Max is per request; Max 0: there is no such rule
	Grace  Rule // wait for the account that the session is bound to; Max is per request
	Switch Rule // another account; Max is per request
	Round  Rule // nobody is left: wait, forget the failed accounts, begin again; Max is per request

	// Besides is how many accounts one request may start beside a slow one.
	Besides int
	// CapacitySwitches is how many switches a lack of capacity may cause while
	// nothing says that the alternative draws on another provider's capacity.
	// Not zero, because "overloaded" is sometimes said of one account or one
	// place; not many, because usually it is true of them all.
	CapacitySwitches int

	// The budgets of one request.
	Attempts   int           // in all, of every model
	PerAccount int           // on one account
	Waiting    time.Duration // of all waits together
	Total      time.Duration // since the request arrived: beyond it nothing begins. The pool's own limit, which the loop keeps, is above it

	// Pace is the distance of two requests that wait for the same account: one that
	// finds others ahead of it waits so much longer for each, so that they do not all
	// come back in one instant. 0: they may.
	Pace time.Duration

	Stake Stakes
	Rests [NumClasses]Rest

	// Braked are the classes in which a provider's failure must not make more
	// load for it once its retry budget (Retries) is used up.
	Braked  ClassSet
	Retries RetryShare // kept by the loop, for each provider, across requests

	// ShareOrganization: what failed for an organisation excludes all its
	// accounts, and moving within it keeps the cache.
	ShareOrganization bool
	// BillOnFailure: a bound session's first failure sets the cache-billing flag.
	// Without it only leaving the bound account does.
	BillOnFailure bool
	// PinFailed: an account that is excluded may be pinned. Only classic does so.
	PinFailed bool
}

// Rule is one way to go on. A rule whose wait would exceed its longest wait or a
// budget does not apply.
type Rule struct {
	Max     int      // uses; 0: off
	On      ClassSet // the classes that it applies to
	Status  int      // if not 0, only this HTTP status
	Flagged bool     // only failures that say themselves that the same account may be asked again

	Backoff Backoff
	Longest time.Duration // the longest backoff; longer ones make the rule not apply

	// A stated reset replaces the backoff, without jitter, up to LongestStated;
	// longer ones make the rule not apply. With IgnoreStated it changes nothing.
	// With NeedStated the rule applies only where a reset is stated.
	LongestStated time.Duration
	IgnoreStated  bool
	NeedStated    bool

	Total         time.Duration // of Single: all its waits together; 0: no limit but the budget of waiting
	SingleAccount bool          // of Round: what follows is single-account mode
}

// covers reports whether the rule is for this kind of failure.
func (r *Rule) covers(o *Outcome) bool {
	return r.On.Has(o.Class) && (r.Status == 0 || r.Status == o.Status) && (!r.Flagged || o.RetrySame)
}

// Stakes are the prices by which the core stays with a bound account or moves.
type Stakes struct {
	On          bool           // off: grace does not weigh
	SecondPrice domain.NanoUSD // what one second of a caller's waiting is worth
	// TokenPrice is what moving costs for each cached token (cache-write price −
	// cache-read price) while the real prices are not known (Outcome.PriceOfMoving 0).
	TokenPrice domain.NanoUSD
	// ReadSpeed is how many tokens a second an upstream reads anew; 0: no time.
	ReadSpeed int64
}

// Rest says how long a class of failure takes its scope out of scheduling, for all
// requests. The zero value never does; nor does any for a failure of ScopeNone.
type Rest struct {
	Flagged bool  // only failures that say themselves that the same account may be asked again
	Scope   Scope // if not ScopeNone, in place of the failure's own scope

	UntilChanged bool // until the account's credential changes; the fields below say nothing then

	From  int           // the first failure in a row that rests; at least 1
	First time.Duration // that failure's rest; each next one's is twice as long
	Most  time.Duration // the longest rest
	// Jitter takes a random share of at most so many percent off a rest whose end is a
	// guess, so that accounts that failed together are not probed together.
	Jitter int

	// A stated reset rests at the first failure, as it is stated if AsStated (never
	// clamped), else at most Most. With IgnoreStated it changes nothing.
	AsStated     bool
	IgnoreStated bool
}

// For is the effect of a rest on a failure; ok is false if there is none.
func (r Rest) For(o Outcome) (effect Effect, ok bool) {
	if o.Scope == ScopeNone || (r.Flagged && !o.RetrySame) || (r.First <= 0 && !r.UntilChanged) {
		return Effect{}, false
	}
	e := Effect{Kind: EffectRest, Scope: o.Scope, Account: o.Account, Class: o.Class}
	if r.Scope != ScopeNone {
		e.Scope = r.Scope
	}
	switch {
	case r.UntilChanged:
		e.UntilChanged = true
	case o.stated() && !r.IgnoreStated:
		e.For = o.Reset
		if !r.AsStated {
			e.For = min(e.For, r.Most)
		}
		e.Stated = e.For == o.Reset
	case o.Streak < r.From:
		return Effect{}, false
	default:
		e.For = doubled(r.First, o.Streak-r.From, r.Most)
	}
	return e, true
}

// doubled is first × 2^times, at most most.
func doubled(first time.Duration, times int, most time.Duration) time.Duration {
	if first >= most {
		return most
	}
	for range min(times, 62) {
		if first >= most-first {
			return most
		}
		first *= 2
	}
	return first
}
