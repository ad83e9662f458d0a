package config

import (
	"slices"
	"strings"
	"time"

	"turnout/internal/domain"
)

// The profiles that a policy begins with.
const (
	profileBalanced = "balanced"
	profileClassic  = "classic"
)

// Policy is a profile with the settings that replace its values; nil leaves one
// as the profile has it.
type Policy struct {
	Profile            string          `json:"profile"` // balanced or classic
	Switches           *int            `json:"switches,omitempty"`
	Attempts           *int            `json:"attempts,omitempty"`
	AttemptsPerAccount *int            `json:"attempts_per_account,omitempty"`
	Waiting            *time.Duration  `json:"waiting,omitempty"`
	Total              *time.Duration  `json:"total,omitempty"`
	SameAccountRetries *int            `json:"same_account_retries,omitempty"`
	GraceRetries       *int            `json:"grace_retries,omitempty"`
	GraceWait          *time.Duration  `json:"grace_wait,omitempty"`
	Rounds             *int            `json:"rounds,omitempty"`
	SecondPrice        *domain.NanoUSD `json:"second_price_usd,omitempty"` // of one second of a caller's waiting
	Hold               *time.Duration  `json:"hold,omitempty"`             // the longest wait for a reset while nobody else is free
	MaxResting         *int            `json:"max_resting,omitempty"`      // percent of a pool that may rest on a guess
	Rests              map[string]Rest `json:"rests,omitempty"`            // by class of failure
}

// Rest replaces a class's values of how long it takes an account out of scheduling;
// nil leaves one as the profile has it.
type Rest struct {
	From  *int           `json:"from,omitempty"`  // the failure in a row that begins it
	First *time.Duration `json:"first,omitempty"` // the first one; each next is twice as long
	Most  *time.Duration `json:"most,omitempty"`  // the longest one
}

var readProfile = oneOf(profileBalanced, profileClassic)

// policy is a profile's name, or a mapping with settings beside it.
func (n node) policy(p *Policy) {
	if text, ok := scalarText(n.ast); ok {
		if profile, err := readProfile(text); err != nil {
			n.r.problem(n.at, "%v (or a mapping, such as {profile: balanced, switches: 5})", err)
		} else {
			p.Profile = profile
		}
		return
	}
	n.mapping(
		field{"profile", scalar(&p.Profile, readProfile)},
		field{"switches", optional(&p.Switches, number(0, 50))},
		field{"attempts", optional(&p.Attempts, number(1, 100))},
		field{"attempts_per_account", optional(&p.AttemptsPerAccount, number(1, 20))},
		field{"waiting", optional(&p.Waiting, duration(0, 10*time.Minute, true))},
		field{"total", optional(&p.Total, duration(time.Second, day, false))},
		field{"same_account_retries", optional(&p.SameAccountRetries, number(0, 20))},
		field{"grace_retries", optional(&p.GraceRetries, number(0, 20))},
		field{"grace_wait", optional(&p.GraceWait, duration(0, time.Minute, true))},
		field{"rounds", optional(&p.Rounds, number(0, 20))},
		field{"second_price_usd", optional(&p.SecondPrice, usd(1000e9))},
		field{"hold", optional(&p.Hold, duration(0, 10*time.Minute, true))},
		field{"max_resting", optional(&p.MaxResting, percent)},
		field{"rests", func(n node) { n.rests(&p.Rests) }},
	)
	if at, given := n.r.at[n.at.path+".rests."+classCredential]; given && p.Profile == profileBalanced {
		n.r.warn(at, "this has no effect in the profile %s, where a refused credential rests until it changes", profileBalanced)
	}
}

// The bounds of a rest. The longest is a month, which is how long quotas last.
const (
	maxRestFrom = 1000
	minRest     = 10 * time.Millisecond
	maxRest     = 30 * day
)

// rests reads a mapping from a class of failure to how long it takes an account out
// of scheduling.
func (n node) rests(target *map[string]Rest) {
	allowed := slices.DeleteFunc(FailureClasses(), restless)
	out := map[string]Rest{}
	ok := n.each(pathKey, func(class string, v node) {
		switch {
		case restless(class):
			n.r.problem(v.key, "this failure is the request's own and rests no account: take it out")
			return
		case !slices.Contains(allowed, class):
			n.r.problem(v.key, "want a class of failure, one of %s; got %s%s", strings.Join(allowed, ", "), show(class), suggestion(class, allowed))
			return
		}
		n.r.see(v.at)
		out[class] = v.rest()
	})
	if ok && len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty: name at least one class of failure, or take the key out")
	}
	if len(out) > 0 {
		*target = out
	}
}

func (n node) rest() (out Rest) {
	before := len(n.r.problems)
	n.mapping(
		field{"from", optional(&out.From, number(1, maxRestFrom))},
		field{"first", optional(&out.First, duration(minRest, maxRest, false))},
		field{"most", optional(&out.Most, duration(minRest, maxRest, false))},
	)
	switch {
	case len(n.r.problems) > before:
	case out == Rest{}:
		n.r.problem(n.at, "this changes nothing: name at least one of from, first and most, or take the key out")
	case out.First != nil && out.Most != nil && *out.First > *out.Most:
		n.r.problem(n.at, "the first rest (%s) is longer than the longest (most, %s): raise the one or lower the other", formatDuration(*out.First), formatDuration(*out.Most))
	}
	return out
}

// timeLimits reads how long upstreams may take. Their names and their order are
// domain's.
func (n node) timeLimits(target *domain.TimeLimits) {
	var fields []field
	for _, l := range target.Each() {
		fields = append(fields, field{l.Name, scalar(l.Value, duration(100*time.Millisecond, day, false))})
	}
	n.mapping(fields...)
	if len(mustPairs(n.ast)) == 0 && isMapping(n.ast) {
		n.r.problem(n.at, "the mapping is empty: name at least one limit, or take the key out")
	}
}
