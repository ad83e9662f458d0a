package config

import (
	"errors"
	"strings"
	"time"

	"turnout/internal/domain"
)

// defaultPool is the pool of whatever names none.
const defaultPool = "default"

// Pool is a pool with its policy.
type Pool struct {
	domain.Pool
	Policy Policy
	// KeepAlive is after how much silence a stream to a caller gets a sign of life;
	// 0: never.
	KeepAlive time.Duration
	Commit    domain.Commit
	Fallbacks domain.Fallbacks
	Limits    domain.TimeLimits
	Errors    []domain.ErrorRule
}

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

// Rest replaces a class's values of how long it takes an account out of scheduling.
type Rest struct {
	From  *int           `json:"from,omitempty"`  // the failure in a row that begins it
	First *time.Duration `json:"first,omitempty"` // the first one; each next is twice as long
	Most  *time.Duration `json:"most,omitempty"`
}

func newPool(name string) Pool {
	return Pool{
		Pool:   domain.Pool{Name: name, Origin: domain.OriginFile, Enabled: true},
		Policy: Policy{Profile: "balanced"}, KeepAlive: 15 * time.Second,
	}
}

// reference is a place that names a pool.
type reference struct {
	at   place
	pool string
}

func (r *reader) pools(n node) {
	names := r.newNames("pool")
	n.list("pools", func(_ int, item node) {
		item = item.named()
		p := newPool("")
		item.mapping(
			field{"name", func(n node) { names.read(n, &p.Name) }},
			field{"policy", func(n node) { n.policy(&p.Policy) }},
			field{"require", func(n node) { n.labels(&p.Require) }},
			field{"keep_alive", scalar(&p.KeepAlive, duration(10*time.Second, 5*time.Minute, true))},
		)
		names.need(item, p.Name)
		r.c.Pools = append(r.c.Pools, p)
	})
}

var readProfile = oneOf("balanced", "classic")

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
	)
}

// scalar makes a field's reader of a value that parse understands.
func scalar[T any](target *T, parse func(string) (T, error)) func(node) {
	return func(n node) {
		if text, ok := n.text(); ok {
			if v, err := parse(text); err != nil {
				n.r.problem(n.at, "%v", err)
			} else {
				*target = v
			}
		}
	}
}

func optional[T any](target **T, parse func(string) (T, error)) func(node) {
	return func(n node) {
		var v T
		before := len(n.r.problems)
		if scalar(&v, parse)(n); len(n.r.problems) == before {
			*target = &v
		}
	}
}

// checked makes a parser of a check.
func checked(check func(string) error) func(string) (string, error) {
	return func(s string) (string, error) { return s, check(s) }
}

func checkPath(s string) (string, error) {
	if s == "" || strings.ContainsRune(s, 0) {
		return "", errors.New("want a path")
	}
	return s, nil
}

// labels reads a mapping of names to names.
func (n node) labels(target *domain.Labels) {
	const most = 16
	out := domain.Labels{}
	n.each(wordKey, func(key string, v node) {
		if checkName(key) != nil {
			n.r.problem(v.key, "a label's name: %v", checkName(key))
			return
		}
		var value string
		scalar(&value, checked(checkName))(v)
		out[key] = value
	})
	if len(out) > most {
		n.r.problem(n.at, "want at most %d labels; this has %d", most, len(out))
	}
	if len(out) > 0 {
		*target = out
	}
}

// poolNames reads a list of pools' names, each at most once.
func (n node) poolNames(target *[]string) {
	seen := map[string]bool{}
	n.list("pools", func(_ int, item node) {
		var name string
		if scalar(&name, checked(checkName))(item); name == "" {
			return
		}
		if seen[name] {
			n.r.problem(item.at, "pool %s is in the list twice", show(name))
			return
		}
		seen[name] = true
		*target = append(*target, name)
		n.r.poolsAt = append(n.r.poolsAt, reference{item.at, name})
	})
}

// defaultPools puts what names no pool into the default one.
func (r *reader) defaultPools(target *[]string, item node) {
	if *target != nil || r.seen(item.at.path+".pools") {
		return
	}
	*target = []string{defaultPool}
	r.poolsAt = append(r.poolsAt, reference{item.at, defaultPool})
}

// names are those that one kind of object has taken.
type names struct {
	r     *reader
	noun  string
	lines map[string]int
}

func (r *reader) newNames(noun string) *names { return &names{r, noun, map[string]int{}} }

func (ns *names) read(n node, target *string) {
	var name string
	before := len(ns.r.problems)
	scalar(&name, checked(checkName))(n)
	if len(ns.r.problems) > before {
		return
	}
	if line, taken := ns.lines[name]; taken {
		ns.r.problem(n.at, "another %s has this name (on line %d): give each a name of its own", ns.noun, line)
	} else {
		ns.lines[name] = n.at.line
	}
	*target = name
}

// need reports an object without a name.
func (ns *names) need(item node, name string) {
	if _, ok := item.pairsQuietly(); ok && name == "" && !ns.r.seen(item.at.path+".name") {
		ns.r.problem(item.at, "the %s has no name: add name", ns.noun)
	}
}
