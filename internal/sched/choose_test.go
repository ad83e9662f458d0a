package sched

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// at is a moment after 2001, when every clock counts in full.
var at = time.UnixMilli(1_800_000_000_000)

// plan is an account of a test and how it stands.
type plan struct {
	domain.Account
	inFlight int
	unused   time.Duration // since its last use; 0: never used
	rests    int           // a scope, or -1
	mute     bool          // does not speak the dialect
}

// pool builds a View of accounts as they stand.
func pool(plans []plan, require ...domain.Labels) (*View, *Cells) {
	return poolBy(domain.LeastLoaded, plans, require...)
}

func poolBy(strategy domain.Strategy, plans []plan, require ...domain.Labels) (*View, *Cells) {
	cells := NewCells()
	accounts := make([]*domain.Account, len(plans))
	for i := range plans {
		p := &plans[i]
		accounts[i] = &p.Account
		l := cells.Live(p.ID)
		for range p.inFlight {
			l.TryAcquire(0, at.Add(-p.unused))
		}
		if p.unused > 0 {
			l.Touch(at.Add(-p.unused))
		} else {
			l.lastUsed.Store(0)
		}
		sent, _ := p.Models.Resolve("m")
		switch p.rests {
		case RestAccount:
			cells.Rest(AccountKey(p.ID)).Extend(at.Add(time.Minute), 1, EndStated)
		case RestAccountModel:
			cells.Rest(AccountModelKey(p.ID, sent)).Extend(at.Add(2*time.Minute), 1, EndStated)
		case RestOrganization:
			cells.Rest(OrganizationKey(p.Platform, OrganizationOf(&p.Account))).Extend(at.Add(3*time.Minute), 1, EndStated)
		case RestProvider:
			cells.Rest(ProviderKey(p.Platform, p.BaseURL, sent)).Extend(at.Add(4*time.Minute), 1, EndStated)
		}
	}
	mute := map[domain.AccountID]bool{}
	for _, p := range plans {
		mute[p.ID] = p.mute
	}
	return Build(7, &domain.Pool{ID: 1, Name: "p"}, "m", domain.DialectAnthropic, require, accounts, func(a *domain.Account) Speech {
		if mute[a.ID] {
			return Mute
		}
		return Native
	}, cells, Tuning{Strategy: strategy, Prices: Prices{Second: 10_000_000, Token: 3_450, ReadSpeed: 10_000}}), cells
}

// account is one in good standing; edit changes it.
func account(id domain.AccountID, edit ...func(*plan)) plan {
	p := plan{Account: domain.Account{ID: id, Name: fmt.Sprint("a", id), Platform: "anthropic", Weight: 1, Enabled: true}, rests: -1}
	for _, e := range edit {
		e(&p)
	}
	return p
}

func priority(n int) func(*plan)           { return func(p *plan) { p.Priority = n } }
func weight(n int) func(*plan)             { return func(p *plan) { p.Weight = n } }
func limit(n int) func(*plan)              { return func(p *plan) { p.MaxInFlight = n } }
func busy(n int) func(*plan)               { return func(p *plan) { p.inFlight = n } }
func unused(d time.Duration) func(*plan)   { return func(p *plan) { p.unused = d } }
func rests(scope int) func(*plan)          { return func(p *plan) { p.rests = scope } }
func organization(name string) func(*plan) { return func(p *plan) { p.Organization = name } }
func paused(p *plan)                       { p.Paused = true }
func disabled(p *plan)                     { p.Enabled = false }
func mute(p *plan)                         { p.mute = true }
func labels(l domain.Labels) func(*plan)   { return func(p *plan) { p.Labels = l } }
func models(m domain.ModelMap) func(*plan) { return func(p *plan) { p.Models = m } }

// warm is a request whose session has a cache to lose.
func warm(bound domain.AccountID) Request {
	return Request{Bound: bound, WarmTokens: 50_000, WarmUntil: at.Add(time.Minute)}
}

func TestChoose(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name    string
		plans   []plan
		require []domain.Labels
		request Request
		want    domain.AccountID // 0: none
		rule    Rule
		counts  map[Verdict]uint16
		bound   Verdict
		soonest time.Duration // after now; 0: not known
	}{
		{name: "nobody"},
		{name: "the only one", plans: []plan{account(1)}, want: 1, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1}},
		{name: "the only one left", plans: []plan{account(1, paused), account(2)}, want: 2, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Paused: 1}},
		{
			name: "everything that rules an account out", require: []domain.Labels{{"eu": "1"}, {"tier": "2"}},
			plans: []plan{
				account(1, disabled, paused, mute), account(2, paused, mute), account(3, mute, models(domain.ModelMap{"x": "x"})), account(4, models(domain.ModelMap{"x": "x"})),
				account(5), account(6, labels(domain.Labels{"eu": "1"})), account(7, labels(domain.Labels{"eu": "1", "tier": "3"})), account(8, labels(domain.Labels{"eu": "1", "tier": "2"})),
			},
			want: 8, rule: RuleOnly,
			counts: map[Verdict]uint16{Eligible: 1, Disabled: 1, Paused: 1, WrongPlatform: 1, NoModel: 1, NoLabel: 3},
		},
		{
			name:    "everything that keeps an account out for now",
			plans:   []plan{account(1, rests(RestAccount)), account(2, rests(RestAccountModel)), account(3, limit(2), busy(2)), account(4), account(5, organization("o"))},
			request: Request{Exclude: []domain.AccountID{4}, ExcludeOrgs: []string{"anthropic/o"}},
			counts:  map[Verdict]uint16{Resting: 2, Full: 1, Excluded: 2}, soonest: time.Minute,
		},
		{name: "an organisation rests for all its accounts", plans: []plan{account(1, organization("o"), rests(RestOrganization)), account(2, organization("o")), account(3)}, want: 3, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Resting: 2}, soonest: 3 * time.Minute},
		{name: "a provider's model rests for all who use it", plans: []plan{account(1, rests(RestProvider)), account(2), account(3, func(p *plan) { p.BaseURL = "http://other" })}, want: 3, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Resting: 2}, soonest: 4 * time.Minute},
		{name: "one that is excluded does not say when", plans: []plan{account(1, rests(RestAccount)), account(2, rests(RestOrganization))}, request: Request{Exclude: []domain.AccountID{1}}, counts: map[Verdict]uint16{Resting: 1, Excluded: 1}, soonest: 3 * time.Minute},
		{name: "the longest of an account's rests counts", plans: []plan{account(1, rests(RestAccount)), account(2, rests(RestProvider))}, counts: map[Verdict]uint16{Resting: 2}, soonest: 4 * time.Minute},
		{name: "the lowest priority number", plans: []plan{account(1, priority(2)), account(2, priority(1), busy(5), unused(s)), account(3, priority(2))}, want: 2, rule: RulePriority, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "the next priority where the best is out", plans: []plan{account(1, priority(-1), rests(RestAccount)), account(2, priority(5))}, want: 2, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Resting: 1}, soonest: time.Minute},
		{name: "the least loaded", plans: []plan{account(1, busy(3), unused(9*s)), account(2, busy(2), unused(s)), account(3, busy(3), unused(9*s))}, want: 2, rule: RuleLoad, counts: map[Verdict]uint16{Eligible: 3}},
		{name: "load is relative to weight", plans: []plan{account(1, busy(1), unused(s)), account(2, busy(2), weight(3), unused(s))}, want: 2, rule: RuleLoad, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "load is relative to the limit", plans: []plan{account(1, busy(2), limit(3), unused(s)), account(2, busy(5), limit(10), unused(s))}, want: 2, rule: RuleLoad, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "no limit counts as the largest", plans: []plan{account(1, busy(3), unused(s)), account(2, busy(2), limit(5), unused(s)), account(3, busy(4), limit(10), unused(s))}, want: 1, rule: RuleLoad, counts: map[Verdict]uint16{Eligible: 3}},
		{name: "the longest unused", plans: []plan{account(1, unused(2*s)), account(2, unused(3*s)), account(3, unused(s))}, want: 2, rule: RuleIdle, counts: map[Verdict]uint16{Eligible: 3}},
		{name: "the longest unused for its weight", plans: []plan{account(1, unused(4*s)), account(2, unused(3*s), weight(2))}, want: 2, rule: RuleIdle, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "one that was never used", plans: []plan{account(1, unused(1000*time.Hour), weight(9)), account(2)}, want: 2, rule: RuleIdle, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "a warm session's account, before any other rule", plans: []plan{account(1), account(2, priority(9), busy(7), unused(s))}, request: warm(2), want: 2, rule: RuleSticky, counts: map[Verdict]uint16{Eligible: 1}},
		{name: "a session with nothing to lose stays in its priority", plans: []plan{account(1), account(2, busy(7), unused(s))}, request: Request{Bound: 2}, want: 2, rule: RuleSticky, counts: map[Verdict]uint16{Eligible: 1}},
		{name: "a session with nothing to lose goes to a better priority", plans: []plan{account(1), account(2, priority(9))}, request: Request{Bound: 2}, want: 1, rule: RulePriority, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "it stays while the better priority is out", plans: []plan{account(1, rests(RestAccount)), account(2, priority(9))}, request: Request{Bound: 2}, want: 2, rule: RuleSticky, counts: map[Verdict]uint16{Eligible: 1, Resting: 1}, soonest: time.Minute},
		{name: "what was warm keeps nobody", plans: []plan{account(1), account(2, priority(9))}, request: Request{Bound: 2, WarmTokens: 1000, WarmUntil: at}, want: 1, rule: RulePriority, counts: map[Verdict]uint16{Eligible: 2}},
		{name: "the session's account is full", plans: []plan{account(1), account(2, limit(1), busy(1), unused(s))}, request: Request{Bound: 2}, want: 1, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Full: 1}, bound: Full},
		{name: "the session's account rests", plans: []plan{account(1, rests(RestAccount)), account(2)}, request: Request{Bound: 1}, want: 2, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Resting: 1}, bound: Resting, soonest: time.Minute},
		{name: "the session's account is excluded", plans: []plan{account(1), account(2)}, request: Request{Bound: 1, Exclude: []domain.AccountID{1}}, want: 2, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1, Excluded: 1}, bound: Excluded},
		{name: "the session's account is gone", plans: []plan{account(1)}, request: Request{Bound: 8}, want: 1, rule: RuleOnly, counts: map[Verdict]uint16{Eligible: 1}, bound: NoModel},
		{name: "pinned, before the session", plans: []plan{account(1, busy(1), unused(s)), account(2), account(3, priority(7))}, request: Request{Pin: 3, Bound: 2}, want: 3, rule: RulePinned, counts: map[Verdict]uint16{Eligible: 1}},
		{name: "pinned and nothing else", plans: []plan{account(1, rests(RestAccount)), account(2)}, request: Request{Pin: 1}, counts: map[Verdict]uint16{Eligible: 1, Resting: 1}, soonest: time.Minute},
		{name: "pinned to nobody", plans: []plan{account(1)}, request: Request{Pin: 8}, counts: map[Verdict]uint16{Eligible: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _ := pool(c.plans, c.require...)
			c.request.Now = at
			d := Choose(v, c.request)
			if got := idOf(d); got != c.want || d.Rule != c.rule {
				t.Errorf("chose %d by %v, want %d by %v", got, d.Rule, c.want, c.rule)
			}
			counts := map[Verdict]uint16{}
			for i, n := range d.Counts {
				if n > 0 {
					counts[Verdict(i)] = n
				}
			}
			if c.counts == nil {
				c.counts = map[Verdict]uint16{}
			}
			if !maps.Equal(counts, c.counts) {
				t.Errorf("counts %v, want %v", counts, c.counts)
			}
			if d.Bound != c.bound {
				t.Errorf("the session's account is %v, want %v", d.Bound, c.bound)
			}
			want := time.Time{}
			if c.soonest > 0 {
				want = at.Add(c.soonest)
			}
			if !d.Soonest.Equal(want) {
				t.Errorf("the soonest returns at %v, want %v", d.Soonest, want)
			}
			if d.Version != 7 {
				t.Errorf("version %d", d.Version)
			}
		})
	}
}

func idOf(d Decision) domain.AccountID {
	if d.Candidate == nil {
		return 0
	}
	return d.Candidate.ID
}

// drawPlans draws a pool in which everything happens.
func drawPlans(t *rapid.T) []plan {
	n := rapid.IntRange(0, 8).Draw(t, "accounts")
	plans := make([]plan, n)
	for i := range plans {
		plans[i] = account(domain.AccountID(i+1), priority(rapid.IntRange(0, 2).Draw(t, "priority")), weight(rapid.IntRange(0, 4).Draw(t, "weight")),
			limit(rapid.IntRange(0, 4).Draw(t, "limit")), busy(rapid.IntRange(0, 4).Draw(t, "busy")), unused(time.Duration(rapid.IntRange(0, 3).Draw(t, "unused"))*time.Second),
			rests(rapid.SampledFrom([]int{-1, -1, -1, -1, -1, RestAccount, RestAccountModel, RestOrganization, RestProvider}).Draw(t, "rests")),
			organization(rapid.SampledFrom([]string{"", "", "o", "p"}).Draw(t, "organization")),
			labels(rapid.SampledFrom([]domain.Labels{nil, {"eu": "1"}}).Draw(t, "labels")),
			models(rapid.SampledFrom([]domain.ModelMap{nil, nil, {"m": "n"}, {"x": "y"}}).Draw(t, "models")),
			func(p *plan) {
				p.BaseURL = rapid.SampledFrom([]string{"", "http://x"}).Draw(t, "address")
				p.Paused, p.mute = rapid.IntRange(0, 8).Draw(t, "paused") == 0, rapid.IntRange(0, 8).Draw(t, "mute") == 0
				p.Enabled = rapid.IntRange(0, 8).Draw(t, "disabled") != 0
			})
	}
	return plans
}

func drawRequest(t *rapid.T) Request {
	return Request{
		Now: at, Seed: rapid.Uint64().Draw(t, "seed"),
		Exclude:     rapid.SliceOfN(rapid.Map(rapid.IntRange(1, 8), func(i int) domain.AccountID { return domain.AccountID(i) }), 0, 2).Draw(t, "exclude"),
		ExcludeOrgs: rapid.SampledFrom([][]string{nil, nil, nil, {"anthropic/o"}}).Draw(t, "organisations"),
		Pin:         domain.AccountID(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5}).Draw(t, "pin")),
		Bound:       domain.AccountID(rapid.SampledFrom([]int{0, 0, 1, 2, 3, 9}).Draw(t, "bound")),
		WarmTokens:  rapid.SampledFrom([]int64{0, 1, 1_000_000}).Draw(t, "warm"), WarmUntil: at.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "until"))),
		Parent: domain.AccountID(rapid.SampledFrom([]int{0, 0, 1, 9}).Draw(t, "parent")), InputTokens: 1000,
	}
}

// eligible says from the plans alone who may be chosen.
func eligible(plans []plan, require []domain.Labels, r Request) (out []plan) {
	sent := func(p plan) string { s, _ := p.Models.Resolve("m"); return s }
	serves := func(p plan) bool { _, ok := p.Models.Resolve("m"); return ok }
	resting := func(p plan) bool {
		return slices.ContainsFunc(plans, func(q plan) bool {
			switch q.rests {
			case RestAccount, RestAccountModel:
				return q.ID == p.ID
			case RestOrganization:
				return q.ID == p.ID || q.Organization != "" && q.Organization == p.Organization
			case RestProvider:
				return q.BaseURL == p.BaseURL && sent(q) == sent(p)
			}
			return false
		})
	}
	for _, p := range plans {
		if p.Enabled && !p.Paused && !p.mute && serves(p) && !slices.ContainsFunc(require, func(l domain.Labels) bool { return !p.Labels.Satisfy(l) }) &&
			!slices.Contains(r.Exclude, p.ID) && !(p.Organization != "" && slices.Contains(r.ExcludeOrgs, "anthropic/"+p.Organization)) &&
			!resting(p) && (p.MaxInFlight == 0 || p.inFlight < p.MaxInFlight) {
			out = append(out, p)
		}
	}
	return out
}

// Whatever the pool looks like: only who may be chosen is; the rules hold in their order; and the
// same is chosen again, in whatever order the accounts are listed.
func TestChooseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plans := drawPlans(t)
		require := rapid.SampledFrom([][]domain.Labels{nil, nil, {{"eu": "1"}}}).Draw(t, "require")
		r := drawRequest(t)
		v, _ := pool(plans, require...)
		d := Choose(v, r)
		got := idOf(d)
		may := eligible(plans, require, r)
		find := func(id domain.AccountID) *plan {
			i := slices.IndexFunc(may, func(p plan) bool { return p.ID == id })
			if i < 0 {
				return nil
			}
			return &may[i]
		}
		chosen := find(got)
		switch {
		case got != 0 && chosen == nil:
			t.Fatalf("account %d was chosen, which may not be", got)
		case r.Pin != 0:
			if want := find(r.Pin); (want == nil) != (got == 0) || got != 0 && (got != r.Pin || d.Rule != RulePinned) {
				t.Fatalf("pinned to %d, chose %d by %v", r.Pin, got, d.Rule)
			}
		case got == 0:
			if len(may) > 0 {
				t.Fatalf("none was chosen of %d", len(may))
			}
		case find(r.Bound) != nil:
			better := slices.ContainsFunc(may, func(p plan) bool { return p.Priority < find(r.Bound).Priority })
			lost := r.WarmTokens > 0 && r.WarmUntil.After(at)
			switch {
			case d.Bound != Eligible:
				t.Fatalf("bound to %d, which is %v", r.Bound, d.Bound)
			case better && !lost && d.Rule == RulePriority:
				checkBest(t, plans, require, may, chosen, RuleNone)
			case better && !lost || got != r.Bound || d.Rule != RuleSticky:
				t.Fatalf("bound to %d, chose %d by %v", r.Bound, got, d.Rule)
			}
		default:
			checkBest(t, plans, require, may, chosen, d.Rule)
		}
		if got == 0 {
			total := uint16(0)
			for _, n := range d.Counts {
				total += n
			}
			if int(total) != len(plans) || d.Rule != RuleNone {
				t.Fatalf("%d of %d accounts are accounted for, rule %v", total, len(plans), d.Rule)
			}
		}
		for i, u := range d.RunnersUp {
			if u.Account != 0 && (u.Account == got || find(u.Account) == nil || find(u.Account).inFlight != u.InFlight || i > 0 && u == d.RunnersUp[i-1]) {
				t.Fatalf("account %d is no runner-up to %d: %+v", u.Account, got, d.RunnersUp)
			}
		}
		if again := Choose(v, r); again != d {
			t.Fatalf("%+v, and then %+v", d, again)
		}
		shuffled := rapid.Permutation(plans).Draw(t, "order")
		w, _ := pool(shuffled, require...)
		if again := Choose(w, r); idOf(again) != got || again.Rule != d.Rule || again.Counts != d.Counts {
			t.Fatalf("in another order %d by %v, was %d by %v", idOf(again), again.Rule, got, d.Rule)
		}
	})
}

// checkBest holds the choice against the ranking, written down once more and plainly.
func checkBest(t *rapid.T, plans []plan, require []domain.Labels, may []plan, chosen *plan, rule Rule) {
	largest := 1
	for _, p := range eligible(plans, require, Request{}) {
		largest = max(largest, p.MaxInFlight)
	}
	for _, p := range plans { // whoever is in the View, full and resting ones too
		if _, ok := p.Models.Resolve("m"); ok && p.Enabled && !p.Paused && !p.mute && !slices.ContainsFunc(require, func(l domain.Labels) bool { return !p.Labels.Satisfy(l) }) {
			largest = max(largest, p.MaxInFlight)
		}
	}
	capacity := func(p plan) int {
		return max(p.Weight, 1) * cmp.Or(p.MaxInFlight, largest)
	}
	idle := func(p plan) time.Duration {
		if p.unused == 0 {
			return 1 << 62
		}
		return p.unused * time.Duration(max(p.Weight, 1))
	}
	rank := func(a, b plan) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.inFlight*capacity(b), b.inFlight*capacity(a)), cmp.Compare(idle(b), idle(a)))
	}
	peers := 0
	for _, p := range may {
		if rank(p, *chosen) < 0 {
			t.Fatalf("account %d was chosen by %v; %d is better", chosen.ID, rule, p.ID)
		}
		if p.Priority == chosen.Priority {
			peers++
		}
	}
	switch {
	case rule == RuleNone: // said by the caller
	case len(may) == 1 && rule != RuleOnly, len(may) > 1 && peers == 1 && rule != RulePriority, peers > 1 && rule != RuleLoad && rule != RuleIdle:
		t.Fatalf("account %d of %d, %d in its priority, was chosen by %v", chosen.ID, len(may), peers, rule)
	}
}

// Exact ties are broken by the seed alone, and every account has its share of them.
func TestChooseBreaksTiesBySeed(t *testing.T) {
	v, _ := pool([]plan{account(1), account(2), account(3), account(4)})
	got := map[domain.AccountID]int{}
	for seed := range uint64(4000) {
		got[idOf(Choose(v, Request{Now: at, Seed: seed}))]++
	}
	for id := domain.AccountID(1); id <= 4; id++ {
		if got[id] < 850 || got[id] > 1150 {
			t.Errorf("account %d won %d of 4000 ties", id, got[id])
		}
	}
}

// At low load, where nothing is in flight when the next request comes, the accounts are used in
// proportion to their weights, as far as whole requests allow: with few accounts the lighter ones
// have somewhat more than their share.
func TestIdleAccountsShareByWeight(t *testing.T) {
	const requests = 20_000
	for _, weights := range [][]int{{1, 1, 1}, {2, 1}, {3, 1}, {5, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {10, 10, 1, 1, 1, 1}} {
		plans, sum := []plan{}, 0
		for i, w := range weights {
			plans, sum = append(plans, account(domain.AccountID(i+1), weight(w))), sum+w
		}
		v, _ := pool(plans)
		used := make([]int, len(weights))
		rnd := rand.New(rand.NewPCG(1, 2))
		now := at
		for range requests {
			now = now.Add(time.Duration(500+rnd.IntN(1000)) * time.Millisecond)
			c := Choose(v, Request{Now: now, Seed: rnd.Uint64()}).Candidate
			if !c.Live.TryAcquire(c.Limit, now) {
				t.Fatal("no slot")
			}
			c.Live.Release()
			used[c.ID-1]++
		}
		for i, w := range weights {
			share, want := float64(used[i])/requests, float64(w)/float64(sum)
			if share < 0.85*want || share > 1.3*want {
				t.Errorf("weights %v: account %d has %.3f of the requests, want about %.3f", weights, i+1, share, want)
			}
		}
	}
}

// Under load, where requests overlap, the slots in use are in proportion to weights and limits.
func TestBusyAccountsShareByWeightAndLimit(t *testing.T) {
	v, _ := pool([]plan{account(1, weight(1)), account(2, weight(2)), account(3, weight(5))})
	for i := range 800 {
		c := Choose(v, Request{Now: at.Add(time.Duration(i) * time.Millisecond), Seed: uint64(i)}).Candidate
		c.Live.TryAcquire(c.Limit, at.Add(time.Duration(i)*time.Millisecond))
	}
	for i, want := range []int{100, 200, 500} {
		if got := v.Candidates[i].Live.InFlight(); got < want-1 || got > want+1 {
			t.Errorf("account %d has %d requests in flight, want %d", i+1, got, want)
		}
	}
	v, _ = pool([]plan{account(1, limit(10)), account(2, limit(30))})
	for i := range 40 {
		c := Choose(v, Request{Now: at, Seed: uint64(i)}).Candidate
		if c == nil || !c.Live.TryAcquire(c.Limit, at) {
			t.Fatalf("no slot for request %d of 40", i+1)
		}
		if a, b := v.Candidates[0].Live.InFlight(), v.Candidates[1].Live.InFlight(); a*3 > b+3 || b > a*3+3 {
			t.Errorf("%d of 10 and %d of 30 slots are in use", a, b)
		}
	}
	if c := Choose(v, Request{Now: at}).Candidate; c != nil {
		t.Error("all slots are taken")
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for v := range Verdict(NumVerdicts) {
		seen[v.String()] = true
	}
	for r := RuleNone; r <= RuleFirst; r++ {
		seen["rule "+r.String()] = true
	}
	for i, name := range domain.Strategies() {
		seen["strategy "+name] = true
		if got, err := domain.ParseStrategy(name); err != nil || int(got) != i {
			t.Errorf("%s is read as %v, %v", name, got, err)
		}
	}
	if _, err := domain.ParseStrategy("best"); err == nil || !strings.Contains(err.Error(), "fill_first") {
		t.Errorf("an unknown strategy: %v", err)
	}
	for i := range Term(NumTerms) {
		seen["term "+i.String()] = true
	}
	if len(seen) != NumVerdicts+int(RuleFirst)+1+domain.NumStrategies+NumTerms || seen[""] {
		t.Errorf("names are missing or used twice: %v", slices.Sorted(maps.Keys(seen)))
	}
}
