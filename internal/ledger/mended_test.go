package ledger

import (
	"strings"
	"sync"
	"testing"
	"time"

	"turnout/internal/domain"
)

// Many who come at once are not refused for want of money that is there, however the takings fall.
func TestPlentyIsNotRefused(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 1_000_000 * domain.Dollar
	asks := make([]*Ask, 500)
	for i := range asks {
		// Each as large as what is taken at a time: every one has to take, and any other may be faster with it.
		asks[i] = r.ask(noon, func(a *Ask) { a.Input = int64(grantMost) / 10 })
	}
	var wg sync.WaitGroup
	for _, a := range asks {
		wg.Go(func() {
			if _, err := r.book.Hold(r.ctx, a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A holding that is settled while it takes more holds nothing afterwards.
func TestSettledWhileItGrows(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 100 * domain.Dollar
	h := r.hold(noon, func(a *Ask) { a.Policy = domain.Payment{Hold: domain.HoldCap, Cap: 1000} })
	var once sync.Once
	r.store.taking = func() { once.Do(func() { r.settle(h, noon, used(1, 1)) }) }
	h.Grow(r.ctx, account, "cheap", int64(10*grantMost), noon)
	if s := r.book.Standing(team1, noon); s.Held != 0 || h.Amount() != 0 {
		t.Errorf("%v is held by nobody", s.Held)
	}
}

// A budget that comes while requests are in flight counts what they cost when they are settled.
func TestBudgetThatComesMeanwhile(t *testing.T) {
	r := newRig(t)
	a, b := r.hold(noon), r.hold(noon)
	r.configure(noon, Owner{team1, "research", hard(domain.PeriodDay, 3000)})
	r.settle(a, noon, used(100, 10))
	r.settle(b, noon, used(100, 10))
	r.refused(noon, domain.KindBudget, "$0.000003 of $0.000003 is spent")
	// The same for one that goes and comes back.
	r.configure(noon)
	r.configure(noon, Owner{team1, "research", hard(domain.PeriodDay, 4500)})
	c := r.hold(noon)
	r.configure(noon)
	r.settle(c, noon, used(100, 10))
	r.configure(noon, Owner{team1, "research", hard(domain.PeriodDay, 4500)})
	r.refused(noon, domain.KindBudget, "$0.0000045 of $0.0000045 is spent")
}

// What an owner that pays before no longer has in its grant comes back, once nothing is held of it.
func TestGrantsOfFormerOwnersComeBack(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 100_000
	h := r.hold(noon)
	r.configure(noon)
	s := r.settle(h, noon, used(100, 10))
	if s.Charged != 1500 || s.Flags&domain.FlagPrepaid == 0 {
		t.Errorf("settled as %+v", s)
	}
	if err := r.book.Tidy(r.ctx, noon); err != nil || r.store.purse[team1] != 98_500 || r.store.grant[team1] != 0 {
		t.Errorf("%v; %v in the purse, %v in the grant", err, r.store.purse[team1], r.store.grant[team1])
	}
	r.configure(noon, Owner{team1, "research", prepaid(0)})
	r.hold(noon)
}

// A configuration that comes while something is being taken makes no money.
func TestConfiguredWhileTaking(t *testing.T) {
	owner := Owner{team1, "research", prepaid(0)}
	r := newRig(t, owner)
	r.store.purse[team1] = 100_000
	var wg sync.WaitGroup
	var once sync.Once
	r.store.taking = func() {
		once.Do(func() {
			wg.Go(func() {
				if err := r.book.Configure(r.ctx, nil, noon); err != nil {
					t.Error(err)
				}
				if err := r.book.Configure(r.ctx, []Owner{owner}, noon); err != nil {
					t.Error(err)
				}
			})
		})
	}
	a := r.hold(noon)
	wg.Wait()
	r.settle(a, noon, used(100, 10))
	for {
		h, err := r.book.Hold(r.ctx, r.ask(noon))
		if err != nil {
			break
		}
		r.settle(h, noon, used(100, 10))
	}
	if err := r.book.Flush(r.ctx); err != nil {
		t.Fatal(err)
	}
	if left := r.store.purse[team1] + r.store.grant[team1]; left < 0 || left >= 1500 {
		t.Errorf("%v is left", left)
	}
}

// Who is refused takes nothing.
func TestRefusedTakesNothing(t *testing.T) {
	r := newRig(t, Owner{team1, "research", prepaid(0)})
	r.store.purse[team1] = 1000
	r.refused(noon, domain.KindBalance, "$0.000001 is left, and this request may cost up to $0.0000015")
	if r.store.purse[team1] != 1000 {
		t.Errorf("%v is left in the purse", r.store.purse[team1])
	}
}

// What all who use a pool spend together is told to none of them.
func TestPoolsTellNoAmounts(t *testing.T) {
	pool := domain.Spender{Kind: domain.SpenderPool, ID: 1}
	r := newRig(t, Owner{pool, "secret-pool", domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodDay, Soft: 1, Hard: 2000}}}})
	r.settle(r.hold(noon), noon, used(100, 0))
	h := r.hold(noon, func(a *Ask) { a.Input = 10 })
	r.settle(h, noon, used(10, 0))
	e := r.refusal(noon, domain.KindBudget, "A budget of all who use this pool is used up. It begins anew at 2026-11-27 00:00 UTC.")
	for _, text := range append(h.Warnings(), e.Message) {
		if strings.Contains(text, "$") || strings.Contains(text, "secret-pool") {
			t.Errorf("it says %q", text)
		}
	}
	if e.RetryAfter != 12*time.Hour {
		t.Errorf("in %v", e.RetryAfter)
	}
}

// Another pool than the one that was asked may serve: it is that one's budget which is spent.
func TestThePoolThatServed(t *testing.T) {
	one, two := domain.Spender{Kind: domain.SpenderPool, ID: 1}, domain.Spender{Kind: domain.SpenderPool, ID: 2}
	limit := hard(domain.PeriodDay, 2000)
	r := newRig(t, Owner{one, "one", limit}, Owner{two, "two", limit})
	h := r.hold(noon)
	s, _ := h.Settle(Final{At: noon, Account: account, Model: "cheap", Usage: used(100, 10), Pool: 2})
	if s.Pool != 2 || s.Charged != 1500 {
		t.Errorf("settled as %+v", s)
	}
	r.hold(noon)
	r.refused(noon, domain.KindBudget, "", func(a *Ask) { a.Pool = 2 })
}

func TestLimited(t *testing.T) {
	r := newRig(t, Owner{key1, "k", prepaid(0)}, Owner{team1, "t", domain.Spending{Budgets: []domain.Budget{{Soft: 5}}}},
		Owner{domain.Spender{Kind: domain.SpenderPool, ID: 1}, "p", hard(domain.PeriodDay, 5)})
	for _, c := range []struct {
		key, team, pool int64
		want            bool
	}{{1, 0, 0, true}, {2, 0, 0, false}, {2, 1, 0, false}, {2, 1, 1, true}} {
		if got := r.book.Limited(domain.KeyID(c.key), 0, domain.TeamID(c.team), domain.PoolID(c.pool)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
