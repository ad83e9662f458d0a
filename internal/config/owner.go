package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "time/tzdata" // a container without zones has them too

	"turnout/internal/domain"
)

// The bounds of what an owner says.
const (
	maxNetworks = 64
	maxTags     = 16
	maxBudgets  = 8
	maxUSD      = 1_000_000_000 * domain.Dollar
	maxFactor   = 1000
)

func (r *reader) teams(n node) {
	names := r.newNames("team")
	n.list("teams", func(_ int, item node) {
		item = item.named()
		t := domain.Team{Origin: domain.OriginFile, Enabled: true}
		item.mapping(append(item.spending(&t.Spending, purse|factor),
			field{"name", func(n node) { names.read(n, &t.Name) }},
			field{"models", func(n node) { n.patterns(&t.Models) }},
			field{"deny", func(n node) { n.patterns(&t.Deny) }},
			field{"require", func(n node) { n.labels(&t.Require) }},
			field{"rates", func(n node) { n.rates(&t.Rates) }},
			field{"tags", func(n node) { n.tags(&t.Tags) }},
		)...)
		names.need(item, t.Name)
		item.overdraft(&t.Spending)
		r.c.Teams = append(r.c.Teams, t)
	})
}

func (r *reader) users(n node) {
	names := r.newNames("user")
	n.list("users", func(_ int, item node) {
		item = item.named()
		u := domain.User{Origin: domain.OriginFile, Enabled: true}
		item.mapping(append(item.spending(&u.Spending, purse),
			field{"name", func(n node) { names.read(n, &u.Name) }},
			field{"team", func(n node) {
				if scalar(&u.Team, checked(checkName))(n); u.Team != "" {
					r.teamsAt = append(r.teamsAt, reference{n.at, u.Team})
				}
			}},
			field{"models", func(n node) { n.patterns(&u.Models) }},
			field{"deny", func(n node) { n.patterns(&u.Deny) }},
			field{"require", func(n node) { n.labels(&u.Require) }},
			field{"rates", func(n node) { n.rates(&u.Rates) }},
			field{"tags", func(n node) { n.tags(&u.Tags) }},
		)...)
		names.need(item, u.Name)
		item.overdraft(&u.Spending)
		r.c.Users = append(r.c.Users, u)
	})
}

// owner reads user:NAME or team:NAME.
func (n node) owner(user, team *string) {
	text, ok := n.text()
	if !ok {
		return
	}
	kind, name, _ := strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	if checkName(name) != nil || kind != "user" && kind != "team" {
		n.r.problem(n.at, "want user:NAME or team:NAME, such as team:research; got %s", show(text))
		return
	}
	if kind == "user" {
		*user, n.r.usersAt = name, append(n.r.usersAt, reference{n.at, name})
	} else {
		*team, n.r.teamsAt = name, append(n.r.teamsAt, reference{n.at, name})
	}
}

// checkOwners looks for the owners that were named, and for labels of theirs that contradict each other.
func (r *reader) checkOwners() {
	var teams, users []string
	for i := range r.c.Teams {
		teams = append(teams, r.c.Teams[i].Name)
	}
	for i := range r.c.Users {
		users = append(users, r.c.Users[i].Name)
	}
	if r.known != nil {
		teams, users = append(teams, r.known.Teams...), append(users, r.known.Users...)
	}
	for _, c := range []struct {
		noun  string
		refs  []reference
		names []string
	}{{"team", r.teamsAt, teams}, {"user", r.usersAt, users}} {
		is, names := make(map[string]bool, len(c.names)), []string(nil)
		for _, name := range c.names {
			if name != "" && !is[name] {
				is[name] = true
				names = append(names, name)
			}
		}
		for _, ref := range c.refs {
			switch {
			case is[ref.name]:
			case len(names) == 0:
				r.problem(ref.at, "there is no %s %s under %ss (there are none)", c.noun, show(ref.name), c.noun)
			default:
				r.problem(ref.at, "there is no %s %s under %ss (there are: %s)%s", c.noun, show(ref.name), c.noun, listNames(names), suggestion(ref.name, names))
			}
		}
	}
	if len(r.problems) > 0 || r.known != nil {
		return
	}
	_, conflicts := domain.Link(r.c.Keys, r.c.Users, r.c.Teams)
	for _, text := range conflicts {
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "key "), " ")
		r.problem(r.where("keys["+name+"]"), "%s", text)
	}
}

// networks reads a list of CIDRs; an address alone is one of itself.
func (n node) networks(target *[]netip.Prefix) {
	n.list("networks", func(_ int, item node) {
		var p netip.Prefix
		before := len(n.r.problems)
		if scalar(&p, network)(item); len(n.r.problems) > before {
			return
		}
		if slices.Contains(*target, p) {
			n.r.problem(item.at, "it is in the list twice")
			return
		}
		*target = append(*target, p)
	})
	if len(*target) > maxNetworks {
		n.r.problem(n.at, "want at most %d networks; this has %d", maxNetworks, len(*target))
	}
}

func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(s); err == nil && a.Zone() == "" {
			p = netip.PrefixFrom(a, a.BitLen())
		}
	}
	if err != nil || !p.IsValid() || p.Addr().Is4In6() {
		return p, fmt.Errorf("want a network such as 10.0.0.0/8 or 2001:db8::/32, or one address; got %s", show(s))
	}
	if p.Masked() != p {
		return p, fmt.Errorf("want a network whose address ends where its mask does: %s", p.Masked())
	}
	return p, nil
}

// tags reads a mapping of names to short texts.
func (n node) tags(target *map[string]string) {
	out := map[string]string{}
	n.each(wordKey, func(key string, v node) {
		if checkName(key) != nil {
			n.r.problem(v.key, "a tag's name: %v", checkName(key))
			return
		}
		n.r.see(v.at)
		var value string
		scalar(&value, checked(checkName))(v)
		out[key] = value
	})
	if len(out) > maxTags {
		n.r.problem(n.at, "want at most %d tags; this has %d", maxTags, len(out))
	}
	if len(out) > 0 {
		*target = out
	}
}

func (n node) tagNames(target *[]string) {
	n.list("tags", func(_ int, item node) {
		var name string
		before := len(n.r.problems)
		if scalar(&name, checked(checkName))(item); len(n.r.problems) > before {
			return
		}
		if slices.Contains(*target, name) {
			n.r.problem(item.at, "it is in the list twice")
			return
		}
		*target = append(*target, name)
	})
	if len(*target) > maxTags {
		n.r.problem(n.at, "want at most %d tags; this has %d", maxTags, len(*target))
	}
}

// What an object may say of money beside budgets.
const (
	purse  = 1 << iota // prepaid and overdraft_usd
	factor             // price_factor
)

// spending gives the readers of what an object says of money.
func (n node) spending(s *domain.Spending, may int) []field {
	out := []field{{"budgets", func(n node) { n.budgets(&s.Budgets) }}}
	if may&factor != 0 {
		out = append(out, field{"price_factor", scalar(&s.Factor, priceFactor)})
	}
	if may&purse != 0 {
		out = append(out, field{"prepaid", scalar(&s.Prepaid, yesNo)}, field{"overdraft_usd", scalar(&s.Overdraft, usd(maxUSD))})
	}
	return out
}

// overdraft reports one that nothing is paid from.
func (n node) overdraft(s *domain.Spending) {
	if path := n.at.path + ".overdraft_usd"; !mayOverdraw(s) && s.Overdraft > 0 {
		n.r.problem(n.r.where(path), "this has no effect without prepaid: true or a budget with hard_usd beside it: add one, or take this out")
	}
}

// priceFactor reads a decimal number with at most six places.
func priceFactor(s string) (domain.Factor, error) {
	wrong := fmt.Errorf("want a decimal number with at most 6 places, from 0 to %d, such as 1.2; got %s", maxFactor, show(s))
	whole, fraction, dot := strings.Cut(s, ".")
	if whole == "" || dot && fraction == "" || len(fraction) > 6 {
		return 0, wrong
	}
	units, err := strconv.ParseUint(whole, 10, 16)
	if err != nil {
		return 0, wrong
	}
	millionths, err := strconv.ParseUint(fraction+strings.Repeat("0", 6-len(fraction)), 10, 32)
	n := domain.Factor(units*1_000_000 + millionths)
	switch {
	case err != nil || n > maxFactor*1_000_000:
		return 0, wrong
	case n == 0:
		return domain.Free, nil
	case n == 1_000_000:
		return 0, nil
	}
	return n, nil
}

func (n node) budgets(target *[]domain.Budget) {
	labels := map[string]bool{}
	n.list("budgets", func(_ int, item node) {
		var b domain.Budget
		before := len(n.r.problems)
		item.mapping(
			field{"name", scalar(&b.Name, checked(checkName))},
			field{"period", scalar(&b.Period, period)},
			field{"rolling", scalar(&b.Rolling, yesNo)},
			field{"zone", scalar(&b.Zone, zone)},
			field{"soft_usd", scalar(&b.Soft, someUSD)},
			field{"hard_usd", scalar(&b.Hard, someUSD)},
		)
		if _, ok := item.pairsQuietly(); !ok || len(n.r.problems) > before {
			return
		}
		in := func(key string) place { return n.r.where(item.at.path + "." + key) }
		switch {
		case !n.r.seen(item.at.path + ".period"):
			n.r.problem(item.at, "the budget has no period: add period (5h, day, week, month or total)")
		case b.Soft == 0 && b.Hard == 0:
			n.r.problem(item.at, "the budget limits nothing: add hard_usd (what would pass it is refused), soft_usd (from there on callers are warned), or both")
		case b.Hard > 0 && b.Soft > b.Hard:
			n.r.problem(in("soft_usd"), "soft_usd is more than hard_usd, so that it would never warn: lower it")
		case b.Rolling && b.Period == domain.PeriodTotal:
			n.r.problem(in("rolling"), "a total never ends, so that nothing can roll: take this out")
		case b.Zone != "" && (b.Rolling || b.Period == domain.PeriodTotal):
			n.r.problem(in("zone"), "this has no effect: only periods of the calendar begin somewhere")
		case labels[b.Label()]:
			n.r.problem(item.at, "another budget here is called %s too: give one of them a name", b.Label())
		default:
			labels[b.Label()] = true
			*target = append(*target, b)
		}
	})
	if len(*target) > maxBudgets {
		n.r.problem(n.at, "want at most %d budgets; this has %d", maxBudgets, len(*target))
	}
}

func period(s string) (domain.Period, error) {
	if p, ok := domain.ParsePeriod(s); ok {
		return p, nil
	}
	_, err := oneOf("5h", "day", "week", "month", "total")(s)
	return 0, err
}

func zone(s string) (string, error) {
	if l, err := time.LoadLocation(s); err != nil || s == "" || l == time.Local {
		return "", fmt.Errorf("want a time zone's name, such as Europe/Berlin or UTC; got %s", show(s))
	}
	return s, nil
}

// someUSD reads an amount that is not nothing.
func someUSD(s string) (domain.NanoUSD, error) {
	n, err := usd(maxUSD)(s)
	if err == nil && n == 0 {
		err = errors.New("want more than 0: a budget of nothing is a key that is revoked")
	}
	return n, err
}
