package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

var (
	noon    = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	account = &domain.Account{ID: 7, Name: "a"}
	key1    = domain.Spender{Kind: domain.SpenderKey, ID: 1}
	team1   = domain.Spender{Kind: domain.SpenderTeam, ID: 1}
)

type rig struct {
	t     *testing.T
	ctx   context.Context
	store *books
	tape  *tape
	book  *Book
	told  []string
	n     int
}

func newRig(t *testing.T, owners ...Owner) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context(), store: newBooks(), tape: &tape{}}
	r.book = NewBook(r.store, r.tape, testPrices, Events{
		Unpriced: func(_ *domain.Account, model string, refused bool) { r.told = append(r.told, "unpriced "+model) },
		Soft: func(o Owner, b domain.Budget, spent domain.NanoUSD) {
			r.told = append(r.told, "soft "+o.Name+" "+b.Label()+" "+spent.String())
		},
	})
	r.configure(noon, owners...)
	return r
}

func (r *rig) configure(now time.Time, owners ...Owner) {
	r.t.Helper()
	if err := r.book.Configure(r.ctx, owners, now); err != nil {
		r.t.Fatal(err)
	}
}

// ask is a request of key 1 in team 1 for 100 tokens of the prompt and 10 of the answer: 1,500 nano at the cheap model.
func (r *rig) ask(at time.Time, edit ...func(*Ask)) *Ask {
	r.n++
	a := &Ask{Request: domain.RequestID{byte(r.n >> 8), byte(r.n), 1}, At: at, Key: 1, Team: 1, Pool: 1, Model: "cheap", Input: 100, Output: 10, Routes: []Route{{account, "cheap"}}}
	for _, e := range edit {
		e(a)
	}
	return a
}

func (r *rig) hold(at time.Time, edit ...func(*Ask)) *Holding {
	r.t.Helper()
	h, err := r.book.Hold(r.ctx, r.ask(at, edit...))
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// refused expects a refusal of a kind, with words in it.
func (r *rig) refused(at time.Time, kind domain.Kind, words string, edit ...func(*Ask)) {
	r.t.Helper()
	_ = r.refusal(at, kind, words, edit...)
}

func (r *rig) refusal(at time.Time, kind domain.Kind, words string, edit ...func(*Ask)) *domain.Error {
	r.t.Helper()
	_, err := r.book.Hold(r.ctx, r.ask(at, edit...))
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Message, words) {
		r.t.Fatalf("refused with %v, want kind %v with %q", err, kind, words)
	}
	return e
}

func used(in, out int64) domain.Usage { return domain.Usage{Input: in, Output: out, Reported: true} }

func (r *rig) settle(h *Holding, at time.Time, u domain.Usage) domain.Settlement {
	r.t.Helper()
	s, first := h.Settle(Final{At: at, Account: account, Model: "cheap", Usage: u})
	if !first {
		r.t.Fatal("it was settled before")
	}
	return s
}

func prepaid(overdraft domain.NanoUSD) domain.Spending {
	return domain.Spending{Prepaid: true, Overdraft: overdraft}
}

func hard(p domain.Period, n domain.NanoUSD) domain.Spending {
	return domain.Spending{Budgets: []domain.Budget{{Period: p, Hard: n}}}
}

func TestNobodyIsLimited(t *testing.T) {
	r := newRig(t)
	h := r.hold(noon)
	if h.Amount() != 0 {
		t.Errorf("%v is held of nobody", h.Amount())
	}
	s := r.settle(h, noon, used(100, 10))
	if s.Charged != 1500 || s.Cost != 1500 || s.Payer != team1 || s.Flags != 0 {
		t.Errorf("settled as %+v", s)
	}
	if _, again := h.Settle(Final{At: noon, Account: account, Model: "cheap", Usage: used(1, 1)}); again {
		t.Error("it is settled twice")
	}
	if err := r.book.Flush(r.ctx); err != nil || r.store.purse[team1] != -1500 || len(r.store.settled) != 1 {
		t.Errorf("%v; the team owes %v, %d settlements", err, r.store.purse[team1], len(r.store.settled))
	}
}

func TestPrepaid(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.refused(noon, domain.KindBalance, `The balance of team "research" is used up: $0.00 is left`)
	r.store.purse[team1] = 4000
	r.book.Credited(team1)
	a, b := r.hold(noon), r.hold(noon)
	if a.Amount() != 1500 || r.store.grant[team1]+r.store.purse[team1] != 4000 {
		t.Fatalf("%v held, %v in grant, %v in purse", a.Amount(), r.store.grant[team1], r.store.purse[team1])
	}
	e := r.refusal(noon, domain.KindBalance, "$0.000003 is held by requests in flight")
	if e.RetryAfter != 0 {
		t.Errorf("nobody knows when there will be more, and it says in %v", e.RetryAfter)
	}
	r.settle(a, noon, used(50, 5)) // 750: less than was held
	r.settle(b, noon, used(100, 10))
	r.hold(noon) // 1,750 are left
	r.refused(noon, domain.KindBalance, "")
	if err := r.book.Flush(r.ctx); err != nil {
		t.Fatal(err)
	}
	if left := r.store.grant[team1] + r.store.purse[team1]; left != 1750 {
		t.Errorf("%v is left, want 1,750", left)
	}
}

// An empty balance is asked of the store once a second at most, and again at once after a credit.
func TestEmptyBalances(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	for range 10 {
		r.refused(noon, domain.KindBalance, "")
	}
	if r.store.takes != 1 {
		t.Errorf("the store was asked %d times", r.store.takes)
	}
	r.refused(noon.Add(time.Second), domain.KindBalance, "")
	if r.store.takes != 2 {
		t.Errorf("the store was asked %d times", r.store.takes)
	}
	r.store.purse[team1] = 10_000
	r.book.Credited(team1)
	r.hold(noon.Add(time.Second))
}

// The first of key, user and team that is prepaid pays; else it is on the account of the outermost.
func TestWhoPays(t *testing.T) {
	user := domain.Spender{Kind: domain.SpenderUser, ID: 1}
	withUser := func(a *Ask) { a.User = 1 }
	for _, c := range []struct {
		name   string
		owners []Owner
		edit   func(*Ask)
		want   domain.Spender
	}{
		{"the key", []Owner{{key1, "k", prepaid(0)}, {user, "u", prepaid(0)}, {team1, "t", prepaid(0)}}, withUser, key1},
		{"its user", []Owner{{key1, "k", domain.Spending{}}, {user, "u", prepaid(0)}, {team1, "t", prepaid(0)}}, withUser, user},
		{"its team", []Owner{{team1, "t", prepaid(0)}}, withUser, team1},
		{"the team, afterwards", nil, withUser, team1},
		{"the user, afterwards", nil, func(a *Ask) { a.User, a.Team = 1, 0 }, user},
		{"the key, afterwards", nil, func(a *Ask) { a.Team = 0 }, key1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.owners...)
			for _, o := range c.owners {
				r.store.purse[o.Spender] = 1_000_000
			}
			if s := r.settle(r.hold(noon, c.edit), noon, used(100, 10)); s.Payer != c.want || (s.Flags&domain.FlagPrepaid != 0) != (len(c.owners) > 0) {
				t.Errorf("%v pays (%v), want %v", s.Payer, s.Flags, c.want)
			}
		})
	}
}

// What was used beyond what was held is charged as far as the money goes, with the overdraft; the rest is written off.
func TestMoreThanHeld(t *testing.T) {
	for _, c := range []struct {
		balance, overdraft  domain.NanoUSD
		charged, writtenOff domain.NanoUSD
	}{
		{5000, 0, 3000, 0}, {3000, 0, 3000, 0}, {2000, 0, 2000, 1000}, {1500, 0, 1500, 1500}, {1500, 400, 1900, 1100}, {1500, 5000, 3000, 0},
	} {
		r := newRig(t, Owner{team1, "research", prepaid(c.overdraft)})
		r.store.purse[team1] = c.balance
		s := r.settle(r.hold(noon), noon, used(200, 20))
		if s.Charged != c.charged || s.WrittenOff != c.writtenOff || (s.Flags&domain.FlagCapped != 0) != (c.writtenOff > 0) || s.Cost != 3000 {
			t.Errorf("%v with %v overdraft: charged %v, written off %v (%v)", c.balance, c.overdraft, s.Charged, s.WrittenOff, s.Flags)
		}
	}
	// The same for a budget.
	r := newRig(t, Owner{team1, "research", domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodDay, Hard: 2000}}, Overdraft: 300}})
	if s := r.settle(r.hold(noon), noon, used(200, 20)); s.Charged != 2300 || s.WrittenOff != 700 {
		t.Errorf("of a budget: charged %v, written off %v", s.Charged, s.WrittenOff)
	}
	r.refused(noon, domain.KindBudget, `The budget "day" of team "research" is used up: $0.0000023 of $0.000002 is spent`)
}

func TestBudgets(t *testing.T) {
	day := domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodDay, Hard: 3500, Zone: "Asia/Kolkata"}}}
	r := newRig(t, Owner{key1, "ci", day}, Owner{team1, "research", hard(domain.PeriodMonth, 10_000)})
	r.settle(r.hold(noon), noon, used(100, 10))
	b := r.hold(noon)
	e := r.refusal(noon, domain.KindBudget, `The budget "day" of key "ci" is used up: $0.0000015 of $0.0000035 is spent and $0.0000015 is held by requests in flight`)
	if e.RetryAfter != 5*time.Second || !strings.Contains(e.Message, "Requests in flight hold what is left of it") {
		t.Errorf("in %v: %s", e.RetryAfter, e.Message)
	}
	r.settle(b, noon, used(100, 10))
	e = r.refusal(noon, domain.KindBudget, `The budget "day" of key "ci" is used up: $0.000003 of $0.0000035 is spent, and`)
	// In India the day ends at 18:30 UTC.
	if want := 6*time.Hour + 30*time.Minute; e.RetryAfter != want || !strings.Contains(e.Message, "It begins anew at 2026-11-26 18:30 UTC") {
		t.Errorf("in %v: %s", e.RetryAfter, e.Message)
	}
	evening := noon.Add(6*time.Hour + 30*time.Minute)
	r.refused(evening.Add(-time.Second), domain.KindBudget, "")
	for range 2 {
		r.settle(r.hold(evening), evening, used(100, 10))
	}
	next := evening.Add(24 * time.Hour)
	r.settle(r.hold(next), next, used(100, 10))
	r.settle(r.hold(next), next, used(100, 10))
	// 9,000 of the month's 10,000 are spent.
	e = r.refusal(next.Add(24*time.Hour), domain.KindBudget, `The budget "month" of team "research"`)
	if want := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Sub(next.Add(24 * time.Hour)); e.RetryAfter != want {
		t.Errorf("in %v, want %v", e.RetryAfter, want)
	}
	r.refused(noon, domain.KindBudget, "It is more than the whole budget", func(a *Ask) { a.Output = 1000 })
}

// What is held in one period and settled in the next one counts in that.
func TestAcrossThePeriod(t *testing.T) {
	r := newRig(t, Owner{key1, "ci", hard(domain.PeriodDay, 2000)})
	night := time.Date(2026, 11, 26, 23, 59, 0, 0, time.UTC)
	h := r.hold(night)
	morning := night.Add(2 * time.Minute)
	r.refused(morning, domain.KindBudget, "held by requests in flight")
	if s := r.settle(h, morning, used(100, 10)); s.Charged != 1500 {
		t.Errorf("charged %v", s.Charged)
	}
	r.refused(morning, domain.KindBudget, "$0.0000015 of $0.000002 is spent")
}

func TestRollingBudgets(t *testing.T) {
	five := domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodFiveHour, Rolling: true, Hard: 3000}}}
	r := newRig(t, Owner{key1, "ci", five})
	r.settle(r.hold(noon), noon, used(100, 10))
	r.settle(r.hold(noon.Add(time.Hour)), noon.Add(time.Hour), used(100, 10))
	at := noon.Add(2 * time.Hour)
	e := r.refusal(at, domain.KindBudget, "There is room again at 2026-11-26 17:15 UTC")
	r.refused(at.Add(e.RetryAfter-time.Second), domain.KindBudget, "")
	r.settle(r.hold(at.Add(e.RetryAfter)), at.Add(e.RetryAfter), used(100, 10))
	r.refused(at.Add(e.RetryAfter), domain.KindBudget, "18:15 UTC")
}

// Budgets that come with a reload know what was spent before, be it applied or only in the journal; so they do after a restart.
func TestBudgetsKnowTheBefore(t *testing.T) {
	r := newRig(t)
	r.settle(r.hold(noon), noon, used(100, 10))
	if err := r.book.Flush(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.settle(r.hold(noon), noon, used(100, 10))
	flying := r.hold(noon)
	owner := Owner{team1, "research", hard(domain.PeriodDay, 4000)}
	r.configure(noon, owner)
	r.refused(noon, domain.KindBudget, "$0.000003 of $0.000004 is spent")
	r.settle(flying, noon, used(100, 10)) // was held when nobody limited it
	if err := r.book.Flush(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.configure(noon, owner)
	r.refused(noon, domain.KindBudget, "$0.0000045 of $0.000004 is spent")

	r.book = NewBook(r.store, r.tape, testPrices, Events{})
	if err := r.book.Recover(r.ctx, noon); err != nil {
		t.Fatal(err)
	}
	r.configure(noon, owner)
	r.refused(noon, domain.KindBudget, "$0.0000045 of $0.000004 is spent")
	total := Owner{team1, "research", hard(domain.PeriodTotal, 5000)}
	r.configure(noon.Add(90*24*time.Hour), total)
	e := r.refusal(noon.Add(90*24*time.Hour), domain.KindBudget, "It ends for good")
	if e.RetryAfter != 0 {
		t.Errorf("for good, and in %v", e.RetryAfter)
	}
}

func TestFactorsMultiply(t *testing.T) {
	pool := domain.Spender{Kind: domain.SpenderPool, ID: 1}
	r := newRig(t, Owner{key1, "ci", domain.Spending{Factor: 2_000_000}}, Owner{team1, "research", domain.Spending{Factor: 500_000, Prepaid: true}},
		Owner{pool, "p", domain.Spending{Factor: 3_000_000}})
	r.store.purse[team1] = 10_000
	h := r.hold(noon)
	s := r.settle(h, noon, used(100, 10))
	if s.Charged != 4500 || s.Cost != 1500 {
		t.Errorf("charged %v at a cost of %v", s.Charged, s.Cost)
	}
	r = newRig(t, Owner{key1, "ci", domain.Spending{Factor: domain.Free, Prepaid: true}})
	if s := r.settle(r.hold(noon), noon, used(100, 10)); s.Charged != 0 || s.Cost != 1500 {
		t.Errorf("who is free is charged %v (cost %v)", s.Charged, s.Cost)
	}
}

func TestUnpriced(t *testing.T) {
	odd := func(a *Ask) { a.Model, a.Routes = "odd", []Route{{account, "odd"}} }
	strict := func(a *Ask) { odd(a); a.Policy.RefuseUnpriced = true }
	r := newRig(t)
	r.refused(noon, domain.KindForbidden, `The model "odd" has no price here`, strict)
	r.hold(noon, strict, func(a *Ask) { a.Routes = append(a.Routes, Route{account, "cheap"}) })
	if r.book.Priced(account, "odd", noon) || r.book.Priced(account, "unheard of", noon) || !r.book.Priced(account, "cheap", noon) {
		t.Error("the wrong ones are priced")
	}
	h := r.hold(noon, odd)
	s, _ := h.Settle(Final{At: noon, Account: account, Model: "odd", Usage: used(100, 10)})
	if s.Charged != 30_000 || s.Flags != domain.FlagUnpriced|domain.FlagEstimated {
		t.Errorf("charged %v (%v)", s.Charged, s.Flags)
	}
	unheard := func(a *Ask) { a.Model, a.Routes = "unheard of", []Route{{account, "unheard of"}} }
	limited := newRig(t, Owner{team1, "research", prepaid(0)})
	limited.refused(noon, domain.KindForbidden, `The model "unheard of" has no price here`, unheard)
	h = r.hold(noon, unheard)
	s, _ = h.Settle(Final{At: noon, Account: account, Model: "unheard of", Usage: used(100, 10)})
	if s.Charged != 0 || s.Flags != domain.FlagUnpriced|domain.FlagEstimated {
		t.Errorf("charged %v (%v)", s.Charged, s.Flags)
	}
	if got := strings.Join(r.told, ", "); got != "unpriced odd, unpriced odd, unpriced odd, unpriced unheard of" {
		t.Errorf("the operator is told %s", got)
	}
}

// plainRate has prices for the standard tier alone.
type plainRate struct{ flatRate }

func (plainRate) Has(t domain.Tier) bool { return t == domain.TierStandard }

type plainPrices struct{}

func (plainPrices) Plan(*domain.Account, string, time.Time) (Plan, bool) { return plainRate{10}, false }

// A request that was served in a tier without prices of its own costs the standard ones, and the amount is an estimate.
func TestTierWithoutPrices(t *testing.T) {
	r := newRig(t)
	r.book.prices = plainPrices{}
	for tier, want := range map[domain.Tier]domain.SettlementFlags{domain.TierStandard: 0, domain.TierPriority: domain.FlagEstimated} {
		u := used(100, 10)
		u.Tier = tier
		s, _ := r.hold(noon).Settle(Final{At: noon, Account: account, Model: "m", Usage: u})
		if s.Cost != 1500 || s.Flags != want {
			t.Errorf("%v: %v (%v)", tier, s.Cost, s.Flags)
		}
	}
}

func TestLosses(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 1500
	h := r.hold(noon)
	other := &domain.Account{ID: 8, Flat: true}
	if n := h.Lost(other, "cheap", used(100, 0), noon); n != 1000 {
		t.Errorf("lost %v", n)
	}
	h.Lost(account, "cheap", domain.Usage{}, noon) // it cost nothing
	s := r.settle(h, noon, used(100, 10))
	if s.Charged != 1500 || len(s.Losses) != 1 || s.Losses[0] != (domain.AccountCost{Account: 8, Amount: 1000, Flat: true}) {
		t.Errorf("settled as %+v", s)
	}
	h.Lost(account, "cheap", used(10, 0), noon)
	if err := r.book.Flush(r.ctx); err != nil || len(r.store.lost[s.Request]) != 2 || len(r.store.settled) != 1 {
		t.Errorf("%v, losses %v, %d settlements", err, r.store.lost[s.Request], len(r.store.settled))
	}
}

// Who lost a warm cache because the request had to move pays as if it had been read; the difference is the operator's.
func TestForgivenSwitches(t *testing.T) {
	forgive := func(a *Ask) { a.Policy.CacheBilling = true }
	r := newRig(t)
	u := domain.Usage{Input: 40, CacheWrite5m: 60, Output: 10, Reported: true}
	f := Final{At: noon, Account: account, Model: "cheap", Usage: u, LostCache: 80}
	s, _ := r.hold(noon, forgive).Settle(f)
	if s.Charged != 1100 || s.Switch != 400 || s.Cost != 1500 || s.Flags != domain.FlagCache || s.Usage != u {
		t.Errorf("settled as %+v", s)
	}
	if s, _ = r.hold(noon).Settle(f); s.Charged != 1500 || s.Switch != 0 {
		t.Errorf("without the policy: %+v", s)
	}
	f.LostCache = 0
	if s, _ = r.hold(noon, forgive).Settle(f); s.Charged != 1500 || s.Switch != 0 {
		t.Errorf("without a move: %+v", s)
	}
}

func TestFiguresThatCannotBe(t *testing.T) {
	for _, u := range []domain.Usage{{Input: -5, Output: 10}, {Input: 10, Output: 10, Reasoning: 50}, {Input: 1 << 60, Output: 1 << 60}} {
		r := newRig(t)
		s := r.settle(r.hold(noon), noon, u)
		if s.Flags&domain.FlagUnusable == 0 || s.Charged < 0 || s.Charged > 10*mostTokens*6 {
			t.Errorf("%+v is charged %v (%v)", u, s.Charged, s.Flags)
		}
	}
}

func TestUsualHolds(t *testing.T) {
	usual := func(a *Ask) { a.Policy.Hold, a.Output = domain.HoldP95, 1000 }
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 10_000_000
	h := r.hold(noon, usual)
	if h.Amount() != 51_000 {
		t.Errorf("before anything is known %v is held", h.Amount())
	}
	for range 100 {
		r.settle(h, noon, used(100, 10))
		h = r.hold(noon, usual)
	}
	if n := h.Amount(); n < 1500 || n > 1900 {
		t.Errorf("of what usually costs 1,500 %v is held", n)
	}
	h.Grow(r.ctx, account, "cheap", 100, noon)
	if n := h.Amount(); n != 9000 { // half as much again as 6,000
		t.Errorf("after 100 tokens %v is held", n)
	}
	if s := r.settle(h, noon, used(100, 100)); s.Charged != 6000 {
		t.Errorf("charged %v", s.Charged)
	}
	capped := r.hold(noon, func(a *Ask) { a.Policy = domain.Payment{Hold: domain.HoldCap, Cap: 700} })
	if n := capped.Amount(); n != 700 {
		t.Errorf("capped at 700, and %v is held", n)
	}
}

func TestDearestRouteAndFallback(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 20_000
	h := r.hold(noon, func(a *Ask) { a.Routes = append(a.Routes, Route{account, "dear"}) })
	if h.Amount() != 15_000 {
		t.Errorf("%v is held for two routes", h.Amount())
	}
	h.Settle(Final{At: noon})
	h = r.hold(noon)
	if err := h.Again(r.ctx, []Route{{account, "dear"}}, noon); err != nil || h.Amount() != 15_000 {
		t.Errorf("%v; %v is held for the fallback", err, h.Amount())
	}
	other := r.hold(noon)
	if err := other.Again(r.ctx, []Route{{account, "dear"}}, noon); domain.KindOf(err) != domain.KindBalance || other.Amount() != 1500 {
		t.Errorf("a fallback that cannot be paid: %v, %v is held", err, other.Amount())
	}
}

func TestSoftLimits(t *testing.T) {
	soft := domain.Spending{Budgets: []domain.Budget{{Name: "team money", Period: domain.PeriodDay, Soft: 1000, Hard: 6000}}}
	r := newRig(t, Owner{team1, "research", soft})
	h := r.hold(noon)
	if len(h.Warnings()) != 0 {
		t.Errorf("warned too early: %q", h.Warnings())
	}
	r.settle(h, noon, used(100, 10))
	want := `budget "team money" of team "research": $0.0000015 of $0.000006 spent, begins anew at 2026-11-27 00:00 UTC`
	for range 2 {
		h = r.hold(noon)
		if got := h.Warnings(); len(got) != 1 || got[0] != want {
			t.Errorf("warned with %q, want %q", got, want)
		}
		h.Settle(Final{At: noon})
	}
	if got := strings.Join(r.told, ", "); got != "soft research team money $0.0000015" {
		t.Errorf("the operator is told %q", got)
	}
	r.configure(noon, Owner{team1, "research", soft})
	r.hold(noon).Settle(Final{At: noon})
	if len(r.told) != 1 {
		t.Errorf("after a reload the operator is told again: %q", r.told)
	}
	next := noon.Add(24 * time.Hour)
	h = r.hold(next)
	if len(h.Warnings()) != 0 {
		t.Errorf("warned of yesterday: %q", h.Warnings())
	}
}

// A journal that takes nothing stops new requests, loses no settlement, and lets requests in again by itself.
func TestJournalOutOfOrder(t *testing.T) {
	r := newRig(t)
	a, b := r.hold(noon), r.hold(noon)
	r.tape.fail = true
	r.settle(a, noon, used(100, 10))
	r.settle(b, noon, used(100, 10))
	if n, lost := r.book.Unwritten(); n != 2 || lost != 0 {
		t.Errorf("%d wait, %d are lost", n, lost)
	}
	r.refused(noon, domain.KindUnavailable, "cannot be written down")
	if r.book.Flush(r.ctx) == nil {
		t.Error("flushed although nothing is written")
	}
	r.tape.fail = false
	r.hold(noon)
	if err := r.book.Flush(r.ctx); err != nil || len(r.store.settled) != 2 {
		t.Errorf("%v, %d of 2 settled", err, len(r.store.settled))
	}
}

func TestStoreDown(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 10_000
	r.store.fail = true
	r.refused(noon, domain.KindUnavailable, "books cannot be reached")
	r.store.fail = false
	h := r.hold(noon)
	r.store.fail = true
	r.settle(h, noon, used(100, 10)) // is in the journal
	r.hold(noon)                     // out of the grant
	if r.book.Flush(r.ctx) == nil {
		t.Error("flushed into a store that is down")
	}
	r.store.fail = false
	if err := r.book.Close(r.ctx, noon); err != nil || len(r.store.settled) != 1 || r.store.purse[team1] != 8500 {
		t.Errorf("%v, %d settled, %v left", err, len(r.store.settled), r.store.purse[team1])
	}
}

// A reload that ends a prepaid owner gives its grant back.
func TestReloadReturnsGrants(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 10_000
	r.settle(r.hold(noon), noon, used(100, 10))
	r.configure(noon)
	if r.store.purse[team1] != 8500 || r.store.grant[team1] != 0 {
		t.Errorf("%v in the purse, %v in the grant", r.store.purse[team1], r.store.grant[team1])
	}
}
