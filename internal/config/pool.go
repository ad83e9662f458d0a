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
	Commit    domain.Commit      // when a stream is committed; zero: at the first content
	Fallbacks domain.Fallbacks   // nil: none
	Limits    domain.TimeLimits  // zero values: the default's
	Rates     *domain.Rates      // of the callers that use it, together; nil: none
	Strategy  domain.Strategy    // how an account is chosen
	Hedge     time.Duration      // see gateway.PoolConfig
	Resume    domain.Resume      // how a broken answer is gone on with
	OwnSeat   bool               // callers may send a provider's credential of their own along
	Unpriced  domain.Unpriced    // what becomes of models without a price
	Payment   domain.Payment     // without RefuseUnpriced, which Unpriced says
	Errors    []domain.ErrorRule // in order: the first that matches holds; at most maxErrorRules
}

func newPool(name string) Pool {
	return Pool{
		Pool:   domain.Pool{Name: name, Origin: domain.OriginFile, Enabled: true},
		Policy: Policy{Profile: profileBalanced}, KeepAlive: 15 * time.Second,
	}
}

// reference is a place that names a pool or a model.
type reference struct {
	at   place
	name string
}

func (r *reader) pools(n node) {
	names := r.newNames("pool")
	n.list("pools", func(_ int, item node) {
		item = item.named()
		p := newPool("")
		item.mapping(append(item.spending(&p.Spending, factor),
			field{"name", func(n node) { names.read(n, &p.Name) }},
			field{"policy", func(n node) { n.policy(&p.Policy) }},
			field{"require", func(n node) { n.labels(&p.Require) }},
			field{"keep_alive", scalar(&p.KeepAlive, duration(10*time.Second, 5*time.Minute, true))},
			field{"commit", func(n node) { n.commit(&p.Commit) }},
			field{"fallbacks", func(n node) { n.fallbacks(&p.Fallbacks) }},
			field{"strategy", scalar(&p.Strategy, domain.ParseStrategy)},
			field{"limits", func(n node) { n.timeLimits(&p.Limits) }},
			field{"rates", func(n node) { n.rates(&p.Rates) }},
			field{"hedge", scalar(&p.Hedge, duration(100*time.Millisecond, time.Minute, true))},
			field{"resume", scalar(&p.Resume, domain.ParseResume)},
			field{"own_seat", scalar(&p.OwnSeat, yesNo)},
			field{"unpriced", scalar(&p.Unpriced, domain.ParseUnpriced)},
			field{"payment", func(n node) { n.payment(&p.Payment) }},
			field{"errors", func(n node) { n.errorRules(&p.Errors) }},
		)...)
		names.need(item, p.Name)
		r.c.Pools = append(r.c.Pools, p)
	})
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
