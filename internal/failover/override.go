package failover

import (
	"fmt"
	"time"

	"turnout/internal/domain"
)

// Override replaces single values of a profile; nil leaves one as it is. The
// comments give the names under which users write them in a pool's policy.
type Override struct {
	// Profile is, in a pool's override, the profile that it begins with (profile;
	// empty: balanced), and in a platform's the only one that it is for (empty: all).
	Profile Profile

	// Maxima and budgets, from the pool alone.
	Switches           *int           // switches
	Attempts           *int           // attempts
	AttemptsPerAccount *int           // attempts_per_account
	Waiting            *time.Duration // waiting
	Total              *time.Duration // total
	SameRetries        *int           // same_account_retries
	GraceRetries       *int           // grace_retries
	Rounds             *int           // rounds

	// Values.
	SameBackoff  *time.Duration          // same_account_backoff: the wait before the same account is asked again
	GraceDelay   *time.Duration          // grace_delay: the wait for the bound account where none is stated
	GraceLongest *time.Duration          // grace_longest: the longest wait for the bound account, stated or not
	SecondPrice  *domain.NanoUSD         // second_price: the price of one second of waiting
	Hold         *time.Duration          // hold: the longest wait for a reset while nobody else can serve
	Rests        map[string]RestOverride // rests: by the class's name

	// Values that platforms have; users do not write them.
	SwitchBackoff *Backoff // before the n-th switch
	// Single is the platform's own same-account rule in single-account mode. Its
	// maximum is the platform's, too; the pool's budgets are above it all the same.
	Single *Rule
}

// RestOverride replaces values of one class's rest; nil leaves one as it is.
type RestOverride struct {
	From  *int
	First *time.Duration
	Most  *time.Duration
}

// ForPlatform is what of an override a platform may set: all but the profile and
// the maxima and budgets, which come from the pool alone.
func (o Override) ForPlatform() Override {
	return Override{
		SameBackoff: o.SameBackoff, GraceDelay: o.GraceDelay, GraceLongest: o.GraceLongest, SecondPrice: o.SecondPrice,
		SwitchBackoff: o.SwitchBackoff, Single: o.Single,
	}
}

// ByProfile gives a profile's values; the empty name is balanced.
func ByProfile(name Profile) (Policy, error) {
	switch name {
	case ProfileBalanced, "":
		return Balanced(), nil
	case ProfileClassic:
		return Classic(), nil
	}
	return Policy{}, &SettingError{
		Setting: "profile", Value: string(name), Allowed: string(ProfileBalanced + " or " + ProfileClassic),
	}
}

// Effective is the policy for a failure of an account on a platform, for a request
// in a pool: the pool's profile, overridden by the platform, overridden by the
// pool. The result has been validated. It is worth computing once for each (pool,
// platform) when the configuration is read, not for each failure.
func Effective(platform, pool Override) (Policy, error) {
	p, err := ByProfile(pool.Profile)
	if err != nil {
		return Policy{}, err
	}
	if platform.Profile == "" || platform.Profile == p.Profile {
		p = p.With(platform.ForPlatform())
	}
	p = p.With(pool)
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// With is the policy with the override's values in place of its own; neither is
// modified. The override's profile is not looked at: the policy has one already.
func (p Policy) With(o Override) Policy {
	set(&p.Switch.Max, o.Switches)
	set(&p.Attempts, o.Attempts)
	set(&p.PerAccount, o.AttemptsPerAccount)
	set(&p.Waiting, o.Waiting)
	set(&p.Total, o.Total)
	set(&p.Same.Max, o.SameRetries)
	set(&p.Grace.Max, o.GraceRetries)
	set(&p.Round.Max, o.Rounds)
	set(&p.Stake.SecondPrice, o.SecondPrice)
	set(&p.Single, o.Single)

	// A wait that is asked for must not be longer than its own rule allows: who
	// sets the one sets the other.
	if o.SameBackoff != nil {
		p.Same.Backoff.First = *o.SameBackoff
		p.Same.Longest = atLeast(p.Same.Longest, *o.SameBackoff)
	}
	if o.GraceDelay != nil {
		p.Grace.Backoff.First = *o.GraceDelay
		p.Grace.Longest = atLeast(p.Grace.Longest, *o.GraceDelay)
	}
	if o.GraceLongest != nil {
		p.Grace.Longest, p.Grace.LongestStated = *o.GraceLongest, *o.GraceLongest
	}
	if o.Hold != nil {
		p.Round.LongestStated = *o.Hold
		p.Waiting = atLeast(p.Waiting, *o.Hold)
	}
	for c := range p.Rests {
		if r, ok := o.Rests[Class(c).String()]; ok {
			set(&p.Rests[c].From, r.From)
			set(&p.Rests[c].First, r.First)
			set(&p.Rests[c].Most, r.Most)
			if r.First == nil { // the one that was stated wins
				p.Rests[c].First = min(p.Rests[c].First, p.Rests[c].Most)
			}
			p.Rests[c].Most = max(p.Rests[c].Most, p.Rests[c].First)
		}
	}
	set(&p.Switch.Backoff, o.SwitchBackoff)
	if o.SwitchBackoff != nil || o.Switches != nil {
		p.Switch.Longest = atLeast(p.Switch.Longest, p.Switch.Backoff.full(max(p.Switch.Max, 1)))
	}
	return p
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func atLeast(longest, wait time.Duration) time.Duration {
	if longest == NoBound {
		return NoBound
	}
	return max(longest, wait)
}

// SettingError says which setting of a policy is wrong, and what is allowed.
type SettingError struct {
	Setting string // as users write it, e.g. "attempts_per_account"
	Value   string
	Allowed string
}

// Error names the setting, its value and what is allowed.
func (e *SettingError) Error() string {
	return fmt.Sprintf("%s is %s; allowed: %s", e.Setting, e.Value, e.Allowed)
}
