package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

var (
	keyOne  = domain.Spender{Kind: domain.SpenderKey, ID: 1}
	teamTwo = domain.Spender{Kind: domain.SpenderTeam, ID: 2}
)

// settlement is the n-th request's, paid by team two in advance.
func settlement(n int, charged domain.NanoUSD) domain.Settlement {
	at := start.Add(time.Duration(n) * time.Minute)
	id := domain.NewRequestID(at.Add(-time.Second))
	return domain.Settlement{
		Request: id, At: at, Key: 1, Team: 2, Pool: 3, Account: 4, Payer: teamTwo, Model: "claude-x", Plan: "anthropic/claude-x", Tags: "project=a",
		Usage: domain.Usage{Input: 100, CacheRead: 50, CacheWrite5m: 7, CacheWrite1h: 3, Output: 20, Reasoning: 5, Reported: true}, Charged: charged, Cost: charged / 2,
		Flags: domain.FlagPrepaid,
	}
}

func books(t *testing.T, s Store) *store.Books {
	t.Helper()
	b := got(s.CheckBooks(t.Context()))(t)
	for _, w := range b.Wrong {
		t.Error(w)
	}
	return b
}

// take takes for team two.
func take(t *testing.T, s Store, need, want, overdraft domain.NanoUSD) domain.NanoUSD {
	t.Helper()
	purse, _, err := s.Balance(t.Context(), teamTwo)
	must(t, err)
	n, left, err := s.Take(t.Context(), teamTwo, need, want, overdraft, start)
	must(t, err)
	if left != purse-n {
		t.Errorf("%v was in the purse, %v is taken, and %v is said to be left", purse, n, left)
	}
	return n
}

func ledger(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	have := func(t *testing.T, s Store, p domain.Spender, purse, grant domain.NanoUSD) {
		t.Helper()
		a, b, err := s.Balance(ctx, p)
		if err != nil || a != purse || b != grant {
			t.Errorf("%v: %v in the purse and %v in the grant (%v), want %v and %v", p, a, b, err, purse, grant)
		}
		books(t, s)
	}
	position := func(n int64) domain.JournalPosition { return domain.JournalPosition{Segment: 1 << 63, Offset: n} }

	t.Run("credits, grants and what is given back", func(t *testing.T) {
		s := open(t)
		have(t, s, teamTwo, 0, 0)
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 1000, Ref: "invoice 1", Note: "paid"}, start))
		if err := s.Credit(ctx, store.Credit{To: teamTwo, Amount: 1000, Ref: "invoice 1"}, start); !errors.Is(err, store.ErrBooked) {
			t.Errorf("the same invoice again: %v", err)
		}
		for _, bad := range []store.Credit{{To: teamTwo}, {Amount: 5}, {To: domain.Spender{Kind: domain.SpenderPool, ID: 1}, Amount: 5}} {
			if err := s.Credit(ctx, bad, start); domain.KindOf(err) != domain.KindInvalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		for _, c := range []struct{ want, overdraft, got domain.NanoUSD }{{300, 0, 300}, {900, 0, 700}, {1, 0, 0}, {100, 60, 60}, {100, 60, 0}, {5, 0, 0}} {
			if n := take(t, s, 1, c.want, c.overdraft); n != c.got {
				t.Errorf("took %v of %v with an overdraft of %v, want %v", n, c.want, c.overdraft, c.got)
			}
		}
		have(t, s, teamTwo, -60, 1060)
		if n := take(t, s, 200, 300, 100); n != 0 {
			t.Errorf("took %v, which is less than what is needed", n)
		}
		must(t, s.Return(ctx, start, keyOne))
		have(t, s, teamTwo, -60, 1060)
		must(t, s.Return(ctx, start, teamTwo))
		have(t, s, teamTwo, 1000, 0)
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: -400}, start))
		have(t, s, teamTwo, 600, 0)
	})

	t.Run("a settlement is booked once, and losses that come late are added", func(t *testing.T) {
		s := open(t)
		if p := got(s.Applied(ctx))(t); p != (domain.JournalPosition{}) {
			t.Errorf("applied up to %v before anything", p)
		}
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 1000}, start))
		take(t, s, 1, 1000, 0)
		one, two := settlement(1, 200), settlement(2, 300)
		two.WrittenOff, two.Switch, two.Flags = 11, 13, domain.FlagPrepaid|domain.FlagFlat
		two.Losses = []domain.AccountCost{{Account: 5, Amount: 17}, {Account: 6, Amount: 19, Flat: true}}
		must(t, s.Apply(ctx, []domain.Settlement{two, one}, position(10)))
		again := one
		again.Charged = 999
		late := domain.Settlement{Request: one.Request, At: one.At, Late: true, Account: 4, Key: 1, Team: 2, Pool: 3, Payer: teamTwo, Losses: []domain.AccountCost{{Account: 5, Amount: 23}}}
		must(t, s.Apply(ctx, []domain.Settlement{again, one, late, late}, position(20)))
		if p := got(s.Applied(ctx))(t); p != position(20) {
			t.Errorf("applied up to %v", p)
		}
		have(t, s, teamTwo, 0, 500)
		if one := got(s.Settlement(ctx, two.Request))(t); one == nil || one.Payer != teamTwo || one.Charged != 300 || one.Lost != 36 || one.Plan != two.Plan || one.Tags != two.Tags || one.Flags != two.Flags {
			t.Errorf("found %+v", one)
		}
		if none := got(s.Settlement(ctx, settlement(9, 1).Request))(t); none != nil {
			t.Errorf("found %+v", none)
		}
		b := books(t, s)
		sums := map[string][2]domain.NanoUSD{}
		for _, a := range b.Accounts {
			sums[fmt.Sprintf("%s %d", a.Kind, a.Ref)] = [2]domain.NanoUSD{a.Debits, a.Credits}
		}
		want := map[string][2]domain.NanoUSD{
			"funding 0": {1000, 0}, "purse of team 2": {1000, 1000}, "grant of team 2": {500, 1000}, "income 0": {0, 524}, "written off 0": {11, 0}, "switches 0": {13, 0},
			"cost 0": {250, 0}, "payable to account 4": {0, 100}, "flat-priced account 4": {0, 150},
			"loss 0": {17 + 19 + 46, 0}, "payable to account 5": {0, 17 + 46}, "flat-priced account 6": {0, 19},
		}
		if !reflect.DeepEqual(sums, want) {
			t.Errorf("the books say\n%v\nwant\n%v", sums, want)
		}
		if b.Settlements != 2 {
			t.Errorf("%d settlements", b.Settlements)
		}
		must(t, s.Return(ctx, start))
		have(t, s, teamTwo, 500, 0)
	})

	t.Run("what was spent, by slots", func(t *testing.T) {
		s := open(t)
		var all []domain.Settlement
		for i := range 10 { // ten times 100, ten minutes apart
			one := settlement(i*10, 100)
			one.Payer, one.Flags, one.User = keyOne, 0, 9
			all = append(all, one)
		}
		must(t, s.Apply(ctx, all, position(1)))
		have(t, s, keyOne, -1000, 0)
		first := start.Unix() / 900
		for _, who := range []domain.Spender{keyOne, teamTwo, {Kind: domain.SpenderUser, ID: 9}, {Kind: domain.SpenderPool, ID: 3}} {
			spent := got(s.Spent(ctx, who, first+2))(t)
			var sum domain.NanoUSD
			for i, e := range spent {
				sum += e.Amount
				if i == 0 && e.Slot != domain.OlderSlot || i > 0 && (e.Slot < first+2 || e.Slot <= spent[i-1].Slot) {
					t.Errorf("%v: %v", who, spent)
				}
			}
			if sum != 1000 || len(spent) < 4 {
				t.Errorf("%v has spent %v: %v", who, sum, spent)
			}
		}
		before := got(s.Spent(ctx, keyOne, first+3))(t)
		must(t, s.FoldSpending(ctx, first+2))
		must(t, s.FoldSpending(ctx, first+3))
		if after := got(s.Spent(ctx, keyOne, first+3))(t); !reflect.DeepEqual(after, before) {
			t.Errorf("folded, it is %v, and was %v", after, before)
		}
		if none := got(s.Spent(ctx, domain.Spender{Kind: domain.SpenderKey, ID: 77}, 0))(t); len(none) != 0 {
			t.Errorf("somebody else has spent %v", none)
		}
		books(t, s)
	})

	t.Run("credits expire, those that end first are used first", func(t *testing.T) {
		s := open(t)
		day := func(n int) time.Time { return start.Add(time.Duration(n) * 24 * time.Hour) }
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 500}, start))
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 300, Expires: day(9)}, start))
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 200, Expires: day(5)}, start))
		take(t, s, 1, 1000, 0)
		must(t, s.Apply(ctx, []domain.Settlement{settlement(1, 150)}, position(1)))
		if n := got(s.ExpireCredits(ctx, day(6)))(t); n != 0 {
			t.Errorf("%d credits expired out of a grant", n)
		}
		must(t, s.Return(ctx, day(6)))
		if n := got(s.ExpireCredits(ctx, day(4)))(t); n != 0 {
			t.Errorf("%d credits expired too early", n)
		}
		if n := got(s.ExpireCredits(ctx, day(6)))(t); n != 1 {
			t.Errorf("%d credits expired", n)
		}
		have(t, s, teamTwo, 800, 0)
		take(t, s, 1, 800, 0)
		must(t, s.Apply(ctx, []domain.Settlement{settlement(2, 400)}, position(2)))
		must(t, s.Return(ctx, day(6)))
		if n := got(s.ExpireCredits(ctx, day(10)))(t); n != 0 {
			t.Errorf("%d credits expired that were used", n)
		}
		have(t, s, teamTwo, 400, 0)
	})

	t.Run("what expires is not taken from later credits", func(t *testing.T) {
		s := open(t)
		owed := settlement(1, 5)
		owed.Flags = 0
		must(t, s.Apply(ctx, []domain.Settlement{owed}, position(1)))
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 10, Expires: start.Add(time.Hour)}, start))
		if n := got(s.ExpireCredits(ctx, start.Add(2*time.Hour)))(t); n != 1 {
			t.Errorf("%d credits expired", n)
		}
		have(t, s, teamTwo, 0, 0)
		must(t, s.Credit(ctx, store.Credit{To: teamTwo, Amount: 20}, start))
		if n := got(s.ExpireCredits(ctx, start.Add(3*time.Hour)))(t); n != 0 {
			t.Errorf("%d credits expired again", n)
		}
		have(t, s, teamTwo, 20, 0)
	})

	t.Run("credits that amounts cannot say are refused", func(t *testing.T) {
		s := open(t)
		if err := s.Credit(ctx, store.Credit{To: teamTwo, Amount: domain.MaxNanoUSD}, start); domain.KindOf(err) != domain.KindInvalid {
			t.Errorf("the largest amount: %v", err)
		}
		n := 0
		for ; n < 1000; n++ {
			if err := s.Credit(ctx, store.Credit{To: teamTwo, Amount: 99_000_000 * domain.Dollar}, start); err != nil {
				if domain.KindOf(err) != domain.KindInvalid {
					t.Error(err)
				}
				break
			}
		}
		if n < 10 || n == 1000 {
			t.Errorf("%d credits of 99 million dollars", n)
		}
		books(t, s)
	})

	t.Run("records that died are made up for", func(t *testing.T) {
		s := open(t)
		one, two, three := settlement(1, 10), settlement(2, 20), settlement(3, 0)
		two.Flags |= domain.FlagInterrupted
		known := store.RequestRow{ID: one.Request, Key: 1, Model: "as asked", Outcome: store.OutcomeOK, Status: 200, Attempts: 2}
		must(t, s.AppendRequests(ctx, []store.RequestRow{known}))
		for range 2 {
			must(t, s.Restore(ctx, []domain.Settlement{one, two, three}))
		}
		if r := got(s.Request(ctx, one.Request))(t); r.Model != "as asked" || r.Attempts != 2 {
			t.Errorf("the record that there was has become %+v", r)
		}
		if r := got(s.Request(ctx, two.Request))(t); r.Outcome != store.OutcomeCut || r.Usage.Output != two.Usage.Output || r.Account != two.Account || r.Model != two.Model || r.Total != time.Second {
			t.Errorf("restored as %+v", r)
		}
		if all := got(s.Requests(ctx, store.RequestFilter{}))(t); len(all) != 3 {
			t.Errorf("%d records", len(all))
		}
	})

	t.Run("books of random settlements add up", func(t *testing.T) {
		s := open(t)
		rng := rand.New(rand.NewPCG(1, 2))
		charged := domain.NanoUSD(0)
		for batch := range 8 {
			var all []domain.Settlement
			for i := range 1 + rng.IntN(200) {
				one := settlement(batch*1000+i, domain.NanoUSD(rng.IntN(1000)))
				one.Key, one.User, one.Team = domain.KeyID(1+rng.IntN(3)), domain.UserID(rng.IntN(3)), domain.TeamID(rng.IntN(2))
				one.Payer, one.Flags = domain.Spender{Kind: domain.SpenderKey, ID: int64(one.Key)}, domain.SettlementFlags(rng.IntN(1<<8))&^domain.FlagPrepaid
				one.Account, one.Model, one.Tags = domain.AccountID(rng.IntN(4)), fmt.Sprintf("model-%d", rng.IntN(5)), strings.Repeat("x", rng.IntN(3))
				if rng.IntN(4) == 0 {
					one.Losses = append(one.Losses, domain.AccountCost{Account: domain.AccountID(rng.IntN(4)), Amount: domain.NanoUSD(1 + rng.IntN(50)), Flat: rng.IntN(2) == 0})
				}
				charged += one.Charged
				all = append(all, one)
				if rng.IntN(5) == 0 {
					all = append(all, one)
				}
			}
			must(t, s.Apply(ctx, all, position(int64(batch))))
			books(t, s)
		}
		var owed domain.NanoUSD
		for id := range int64(3) {
			purse, _, err := s.Balance(ctx, domain.Spender{Kind: domain.SpenderKey, ID: id + 1})
			must(t, err)
			owed -= purse
		}
		if owed != charged {
			t.Errorf("owners owe %v, and were charged %v", owed, charged)
		}
		must(t, s.Durable(ctx))
	})
}
