package ledger

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// life is a book with callers, credits, reloads, outages and crashes in any order, beside what must be true of it.
type life struct {
	ctx    context.Context
	store  *books
	tape   *tape
	book   *Book
	now    time.Time
	owners []Owner
	open   []*Holding
	n      int

	credited domain.NanoUSD
	changed  bool                                   // limits have changed: they can be passed by what was held or spent without them
	settled  map[domain.RequestID]domain.Settlement // as Settle returned them
	least    map[domain.Spender]domain.NanoUSD      // how low each purse may be: the largest overdraft that was ever stated
}

func (l *life) start(t *rapid.T) {
	l.book = NewBook(l.store, l.tape, testPrices, Events{})
	if err := l.book.Recover(l.ctx, l.now); err != nil {
		t.Fatal(err)
	}
	l.configure(t)
}

func (l *life) configure(t *rapid.T) {
	if err := l.book.Configure(l.ctx, l.owners, l.now); err != nil {
		t.Fatal(err)
	}
	for _, o := range l.owners {
		l.least[o.Spender] = max(l.least[o.Spender], o.Spending.Overdraft)
	}
}

func drawOwners(t *rapid.T) (out []Owner) {
	for _, s := range []domain.Spender{
		{Kind: domain.SpenderKey, ID: 1}, {Kind: domain.SpenderKey, ID: 2}, {Kind: domain.SpenderUser, ID: 1}, {Kind: domain.SpenderTeam, ID: 1}, {Kind: domain.SpenderPool, ID: 1},
	} {
		if rapid.IntRange(0, 2).Draw(t, "unlimited") == 1 {
			continue
		}
		o := Owner{Spender: s, Name: s.Kind.String()}
		o.Spending.Prepaid = rapid.Bool().Draw(t, "prepaid")
		o.Spending.Overdraft = domain.NanoUSD(rapid.SampledFrom([]int{0, 0, 500, 3000}).Draw(t, "overdraft"))
		for range rapid.IntRange(0, 2).Draw(t, "budgets") {
			o.Spending.Budgets = append(o.Spending.Budgets, domain.Budget{
				Period: domain.Period(rapid.IntRange(0, 4).Draw(t, "period")), Rolling: rapid.Bool().Draw(t, "rolling"),
				Zone: rapid.SampledFrom([]string{"", "Asia/Kathmandu", "America/New_York"}).Draw(t, "zone"),
				Hard: domain.NanoUSD(rapid.SampledFrom([]int{10, 2000, 4000, 7000, 20_000}).Draw(t, "hard")),
			})
		}
		out = append(out, o)
	}
	return out
}

// check says that what is held and granted in memory adds up, and what is in the store.
func (l *life) check(t *rapid.T) {
	l.book.mu.Lock()
	for s, o := range l.book.owners {
		var held domain.NanoUSD
		for _, h := range l.open {
			for _, on := range h.owners[:h.n] {
				if on == o {
					held += h.amount
				}
			}
		}
		if held != o.held {
			t.Fatalf("%v: %d is held, and its requests hold %d", s, o.held, held)
		}
		if o.Spending.Prepaid && o.granted < 0 || !l.changed && o.Spending.Prepaid && l.paying(o) > o.granted {
			t.Fatalf("%v: %d of a grant of %d is held", s, l.paying(o), o.granted)
		}
		for _, b := range o.budgets {
			if b.roll(o.spent, l.now); !l.changed && b.spent+o.held > b.Hard+max(o.Spending.Overdraft, 0) {
				t.Fatalf("%v %s: %d is spent and %d held of %d", s, b.Label(), b.spent, o.held, b.Hard)
			}
		}
	}
	l.book.mu.Unlock()
	// The store is behind by what is in the journal alone, never ahead; no purse is deeper than stated; nothing came from nowhere.
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	var sum, charged domain.NanoUSD
	for s, n := range l.store.purse {
		if n < -l.least[s] && l.prepaidOnly(s) {
			t.Fatalf("the purse of %v is at %d, with an overdraft of %d", s, n, l.least[s])
		}
		sum += n
	}
	for _, n := range l.store.grant {
		sum += n
	}
	for id, s := range l.store.settled {
		if mine, ok := l.settled[id]; !ok || mine.Charged != s.Charged {
			t.Fatalf("%v is settled with %d, and was to be with %d", id, s.Charged, mine.Charged)
		}
		charged += s.Charged
	}
	if sum+charged != l.credited {
		t.Fatalf("%d is in purses and grants and %d charged, of %d credited", sum, charged, l.credited)
	}
}

// paying adds up what requests hold that an owner pays.
func (l *life) paying(o *owner) (sum domain.NanoUSD) {
	for _, h := range l.open {
		if h.purse == o {
			sum += h.amount
		}
	}
	return sum
}

// prepaidOnly reports whether nothing was ever charged to a purse afterwards.
func (l *life) prepaidOnly(s domain.Spender) bool {
	for _, one := range l.settled {
		if one.Payer == s && one.Flags&domain.FlagPrepaid == 0 {
			return false
		}
	}
	return true
}

// withinBudgets checks, from the settlements alone, that no budget was passed.
func (l *life) withinBudgets(t *rapid.T, s domain.Settlement) {
	for _, o := range l.owners {
		mine := false
		for _, sp := range spenders(&s) {
			mine = mine || sp == o.Spender
		}
		if !mine {
			continue
		}
		for _, c := range o.Spending.Budgets {
			b := newBudget(c)
			from := b.first(l.now)
			var spent domain.NanoUSD
			for _, one := range l.settled {
				for _, sp := range spenders(&one) {
					if sp == o.Spender && SlotOf(one.At) >= from {
						spent += one.Charged
					}
				}
			}
			if spent > c.Hard+o.Spending.Overdraft {
				t.Fatalf("%v %s: %d of %d is spent, with an overdraft of %d", o.Spender, c.Label(), spent, c.Hard, o.Spending.Overdraft)
			}
		}
	}
}

func TestRandomBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &life{ctx: context.Background(), store: newBooks(), tape: &tape{}, now: noon, settled: map[domain.RequestID]domain.Settlement{}, least: map[domain.Spender]domain.NanoUSD{}}
		l.owners = drawOwners(t)
		l.start(t)
		reloads := rapid.Bool().Draw(t, "reloads")
		actions := map[string]func(*rapid.T){
			"credit": func(t *rapid.T) {
				s := domain.Spender{Kind: domain.SpenderKind(rapid.SampledFrom([]int{1, 2, 3}).Draw(t, "kind")), ID: 1}
				n := domain.NanoUSD(rapid.SampledFrom([]int{1, 1000, 3000, 20_000}).Draw(t, "amount"))
				l.store.purse[s] += n
				l.credited += n
				l.book.Credited(s)
			},
			"hold": func(t *rapid.T) {
				l.n++
				a := &Ask{
					Request: domain.RequestID{byte(l.n >> 8), byte(l.n)}, At: l.now, Key: domain.KeyID(rapid.IntRange(1, 2).Draw(t, "key")),
					User: domain.UserID(rapid.IntRange(0, 1).Draw(t, "user")), Team: domain.TeamID(rapid.IntRange(0, 1).Draw(t, "team")), Pool: 1,
					Model: "cheap", Input: int64(rapid.SampledFrom([]int{0, 50, 100, 200}).Draw(t, "input")), Output: int64(rapid.SampledFrom([]int{1, 10, 50}).Draw(t, "output")),
					Routes: []Route{{account, "cheap"}}, Policy: domain.Payment{Hold: domain.HoldSize(rapid.IntRange(0, 2).Draw(t, "size")), Cap: 1000},
				}
				if h, err := l.book.Hold(l.ctx, a); err == nil {
					l.open = append(l.open, h)
				} else if k := domain.KindOf(err); k != domain.KindBalance && k != domain.KindBudget && k != domain.KindUnavailable {
					t.Fatal(err)
				}
			},
			"grow": func(t *rapid.T) {
				if len(l.open) > 0 {
					h := rapid.SampledFrom(l.open).Draw(t, "of")
					h.Grow(l.ctx, account, "cheap", int64(rapid.IntRange(0, 100).Draw(t, "tokens")), l.now)
				}
			},
			"settle": func(t *rapid.T) {
				if len(l.open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(l.open)-1).Draw(t, "which")
				h := l.open[i]
				if rapid.Bool().Draw(t, "loses") {
					h.Lost(account, "cheap", used(5, 0), l.now)
				}
				u := used(int64(rapid.SampledFrom([]int{0, 50, 100, 250}).Draw(t, "input")), int64(rapid.SampledFrom([]int{0, 1, 10, 60}).Draw(t, "output")))
				f := Final{At: l.now, Account: account, Model: "cheap", Usage: u}
				held := h.Amount()
				s, first := h.Settle(f)
				if full, _ := flatRate(10).Cost(u, 0); full <= held && s.WrittenOff > 0 && !l.changed {
					t.Fatalf("%d was held and %d used, and %d of it could not be charged", held, full, s.WrittenOff)
				}
				if !first {
					t.Fatal("settled before")
				}
				full, _ := flatRate(10).Cost(u, 0)
				if s.Charged < 0 || s.Charged+s.WrittenOff != full {
					t.Fatalf("charged %d and written off %d of %d", s.Charged, s.WrittenOff, full)
				}
				if _, again := h.Settle(f); again {
					t.Fatal("settled twice")
				}
				l.open = append(l.open[:i:i], l.open[i+1:]...)
				if s.Empty() {
					return
				}
				l.settled[s.Request] = s
				if !l.changed {
					l.withinBudgets(t, s)
				}
			},
			"pass time": func(t *rapid.T) {
				l.now = l.now.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 200, 30 * 60}).Draw(t, "minutes")) * time.Minute)
			},
			"flush": func(*rapid.T) { _ = l.book.Flush(l.ctx) },
			"tidy":  func(*rapid.T) { _ = l.book.Tidy(l.ctx, l.now) },
			"reload": func(t *rapid.T) {
				if !reloads || l.store.fail || l.tape.fail {
					return
				}
				l.owners = drawOwners(t)
				l.changed = true
				l.configure(t)
			},
			"outage": func(t *rapid.T) {
				l.store.fail, l.tape.fail = rapid.Bool().Draw(t, "store"), rapid.Bool().Draw(t, "journal")
			},
			"mend": func(*rapid.T) { l.store.fail, l.tape.fail = false, false },
			// The process dies: what is in memory is gone, what it held is free.
			"crash": func(t *rapid.T) {
				for _, s := range l.book.orphans.list { // a crash while the journal is out of order loses these, and nothing else
					delete(l.settled, s.Request)
				}
				l.store.fail, l.tape.fail, l.open = false, false, nil
				l.start(t)
				for id, s := range l.settled {
					if got, ok := l.store.settled[id]; !ok || got.Charged != s.Charged {
						t.Fatalf("%v: settled before the crash, and afterwards %v with %d", id, ok, got.Charged)
					}
				}
				for s, n := range l.store.grant {
					if n != 0 {
						t.Fatalf("%v: a grant of %d is left of the dead", s, n)
					}
				}
			},
			"": l.check,
		}
		actions["hold more"], actions["hold still more"], actions["settle more"] = actions["hold"], actions["hold"], actions["settle"]
		t.Repeat(actions)
	})
}

func drawSettlement(t *rapid.T) domain.Settlement {
	amount := rapid.Map(rapid.Int64Range(0, 1<<62), func(n int64) domain.NanoUSD { return domain.NanoUSD(n) })
	id := rapid.Int64Range(0, 1<<50)
	text := rapid.StringN(0, 50, 200)
	tokens := rapid.Int64Range(0, 1<<40)
	s := domain.Settlement{
		At: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "at")), Key: domain.KeyID(id.Draw(t, "key")), User: domain.UserID(id.Draw(t, "user")), Team: domain.TeamID(id.Draw(t, "team")),
		Pool: domain.PoolID(id.Draw(t, "pool")), Account: domain.AccountID(id.Draw(t, "account")), Payer: domain.Spender{Kind: domain.SpenderKind(rapid.IntRange(0, 4).Draw(t, "kind")), ID: id.Draw(t, "payer")},
		Model: text.Draw(t, "model"), Plan: text.Draw(t, "plan"), Tags: text.Draw(t, "tags"),
		Charged: amount.Draw(t, "charged"), WrittenOff: amount.Draw(t, "written off"), Switch: amount.Draw(t, "switch"), Cost: amount.Draw(t, "cost"),
		Flags: domain.SettlementFlags(rapid.Uint16().Draw(t, "flags")), Late: rapid.Bool().Draw(t, "late"),
	}
	copy(s.Request[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "request"))
	for _, n := range usageFields(&s.Usage) {
		*n = tokens.Draw(t, "tokens")
	}
	s.Usage.Reported, s.Usage.Estimated, s.Usage.Tier = rapid.Bool().Draw(t, "reported"), rapid.Bool().Draw(t, "estimated"), domain.Tier(rapid.IntRange(0, 3).Draw(t, "tier"))
	for range rapid.IntRange(0, 3).Draw(t, "losses") {
		s.Losses = append(s.Losses, domain.AccountCost{Account: domain.AccountID(id.Draw(t, "account")), Amount: amount.Draw(t, "loss"), Flat: rapid.Bool().Draw(t, "flat")})
	}
	return s
}
