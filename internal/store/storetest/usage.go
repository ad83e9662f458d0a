package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// usage is what is added up of settlements and records, however it is asked for.
func usage(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	day0 := time.Date(2026, 10, 29, 0, 0, 0, 0, time.UTC)

	// random makes settlements over five days, across the end of a month.
	random := func(t *testing.T, s Store, n int) (all []domain.Settlement) {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range n {
			at := day0.Add(time.Duration(rng.Int64N(int64(5 * 24 * time.Hour)))).Truncate(time.Millisecond)
			one := domain.Settlement{
				Request: domain.NewRequestID(at), At: at, Key: domain.KeyID(1 + rng.IntN(3)), User: domain.UserID(rng.IntN(2)), Team: domain.TeamID(rng.IntN(3)),
				Pool: 1, Account: domain.AccountID(1 + rng.IntN(2)), Model: fmt.Sprintf("m%d", rng.IntN(3)), Tags: []string{"", "project=a", "cost_centre=x,project=a"}[rng.IntN(3)],
				Usage:   domain.Usage{Input: rng.Int64N(100), CacheRead: rng.Int64N(50), CacheWrite5m: 1, CacheWrite1h: 2, Output: rng.Int64N(30), Reasoning: 4},
				Charged: domain.NanoUSD(rng.IntN(1000)), WrittenOff: domain.NanoUSD(rng.IntN(2)), Switch: domain.NanoUSD(rng.IntN(2)), Cost: domain.NanoUSD(rng.IntN(900)),
			}
			one.Payer = domain.Spender{Kind: domain.SpenderKey, ID: int64(one.Key)}
			if i%9 == 0 {
				one.Losses = []domain.AccountCost{{Account: 1, Amount: 7, Flat: i%2 == 0}}
			}
			all = append(all, one)
		}
		must(t, s.Apply(ctx, all, domain.JournalPosition{Offset: 1}))
		return all
	}
	sum := func(all []domain.Settlement, keep func(*domain.Settlement) bool) (u store.UsageSums) {
		for i := range all {
			if x := &all[i]; keep(x) {
				v := store.UsageSums{
					Requests: 1, Input: x.Usage.Input, CacheRead: x.Usage.CacheRead, CacheWrite: x.Usage.CacheWrite5m + x.Usage.CacheWrite1h, Output: x.Usage.Output,
					Reasoning: x.Usage.Reasoning, Charged: x.Charged, WrittenOff: x.WrittenOff, Switched: x.Switch, Cost: x.Cost,
				}
				for _, l := range x.Losses {
					v.Lost += l.Amount
				}
				u = u.Plus(v)
			}
		}
		return u
	}

	t.Run("usage is the sum of its settlements, whatever it is asked by", func(t *testing.T) {
		s := open(t)
		all := random(t, s, 600)
		names := map[string]int64{}
		for id, name := range got(s.Interned(ctx))(t) {
			names[name] = id
		}
		bys := [][]store.UsageBy{
			nil, {store.ByTeam}, {store.ByUser, store.ByKey}, {store.ByAccount}, {store.ByModel, store.ByDay}, {store.ByTags}, {store.ByKey, store.ByModel}, {store.ByHour},
			{store.ByHour, store.ByAccount, store.ByKey}, {store.ByDay, store.ByPool},
		}
		spans := [][2]time.Duration{{0, 5 * 24}, {0, 24}, {5, 7}, {5, 30}, {24, 49}, {23, 72}, {30, 31}, {-100, 500}}
		for _, by := range bys {
			for _, span := range spans {
				for _, only := range []map[store.UsageBy]int64{nil, {store.ByKey: 2}, {store.ByTeam: 0}, {store.ByModel: names["m1"]}} {
					from, until := day0.Add(span[0]*time.Hour), day0.Add(span[1]*time.Hour)
					q := store.UsageQuery{By: by, From: from, Until: until, Only: only}
					want := map[store.UsageKey]store.UsageSums{}
					for i := range all {
						x := &all[i]
						if x.At.Before(from) || !x.At.Before(until) {
							continue
						}
						have := map[store.UsageBy]int64{
							store.ByTeam: int64(x.Team), store.ByUser: int64(x.User), store.ByKey: int64(x.Key), store.ByPool: int64(x.Pool), store.ByAccount: int64(x.Account),
							store.ByModel: names[x.Model], store.ByTags: names[x.Tags],
						}
						fits := true
						for c, id := range only {
							fits = fits && have[c] == id
						}
						if !fits {
							continue
						}
						of := func(c store.UsageBy) int64 {
							if slices.Contains(by, c) {
								return have[c]
							}
							return 0
						}
						k := store.UsageKey{Team: of(store.ByTeam), User: of(store.ByUser), Key: of(store.ByKey), Pool: of(store.ByPool), Account: of(store.ByAccount), Model: of(store.ByModel), Tags: of(store.ByTags)}
						switch {
						case slices.Contains(by, store.ByHour):
							k.Period = x.At.Unix() / 3600
						case slices.Contains(by, store.ByDay):
							k.Period = x.At.Unix() / 86400
						}
						want[k] = want[k].Plus(sum(all[i:i+1], func(*domain.Settlement) bool { return true }))
					}
					rows := map[store.UsageKey]store.UsageSums{}
					for _, r := range got(s.Usage(ctx, q))(t) {
						rows[r.UsageKey] = r.UsageSums
					}
					if !maps.Equal(rows, want) {
						t.Fatalf("by %v in hours %v with %v: %d rows %v, want %d %v", by, span, only, len(rows), rows, len(want), want)
					}
				}
			}
		}
		tagged := got(s.Usage(ctx, store.UsageQuery{From: day0, Until: day0.AddDate(0, 0, 5), Tags: []int64{names["project=a"]}}))(t)
		if want := sum(all, func(x *domain.Settlement) bool { return x.Tags == "project=a" }); len(tagged) != 1 || tagged[0].UsageSums != want {
			t.Errorf("with a tag: %+v, want %+v", tagged, want)
		}
		if none := got(s.Usage(ctx, store.UsageQuery{From: day0, Until: day0.AddDate(0, 0, 5), Tags: []int64{}}))(t); len(none) != 0 {
			t.Errorf("with a tag that nobody has: %+v", none)
		}
		if _, err := s.Usage(ctx, store.UsageQuery{By: []store.UsageBy{store.ByHour, store.ByKey}, From: day0, Until: day0.AddDate(0, 0, 5), Limit: 10}); domain.KindOf(err) != domain.KindInvalid {
			t.Errorf("more rows than the limit: %v", err)
		}
	})

	t.Run("what is swept is carried forward, and the books add up at every step", func(t *testing.T) {
		s := open(t)
		all := random(t, s, 300)
		whole := got(s.Usage(ctx, store.UsageQuery{By: []store.UsageBy{store.ByDay, store.ByKey, store.ByModel}, From: day0, Until: day0.AddDate(0, 0, 5)}))(t)
		before := books(t, s)
		middle := day0.AddDate(0, 0, 3)
		old := 0
		for _, x := range all {
			if x.Request.Time().Before(middle) {
				old++
			}
		}
		gone := 0
		for range 50 {
			n := got(s.DeleteSettlementsBefore(ctx, middle, 40))(t)
			books(t, s)
			gone += n
			if n < 40 {
				break
			}
		}
		if gone != old {
			t.Errorf("%d settlements were swept, want %d", gone, old)
		}
		hours := 0
		for range 100 {
			n := got(s.DeleteHoursBefore(ctx, middle.Add(7*time.Hour), 60))(t)
			books(t, s)
			hours += n
			if n == 0 {
				break
			}
		}
		if hours == 0 {
			t.Error("no hours were swept")
		}
		after := books(t, s)
		if !reflect.DeepEqual(before.Accounts, after.Accounts) || after.Settlements != int64(len(all)-old) {
			t.Errorf("the books changed:\n%+v\n%+v", before, after)
		}
		// Days stay, and what is left of hours is whole from the day on that is not swept.
		order := func(a, b store.UsageRow) int {
			return cmp.Or(cmp.Compare(a.Period, b.Period), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Model, b.Model))
		}
		slices.SortFunc(whole, order)
		again := got(s.Usage(ctx, store.UsageQuery{By: []store.UsageBy{store.ByDay, store.ByKey, store.ByModel}, From: day0.Add(5 * time.Hour), Until: day0.AddDate(0, 0, 5)}))(t)
		slices.SortFunc(again, order)
		if !reflect.DeepEqual(whole, again) {
			t.Errorf("days have changed, or a day whose hours are gone is not whole")
		}
		if since := got(s.HoursSince(ctx))(t); since != middle.Unix()/3600 {
			t.Errorf("hours are kept since %d, want %d", since, middle.Unix()/3600)
		}
		late := all[0]
		late.Late, late.Losses = true, []domain.AccountCost{{Account: 2, Amount: 5}}
		late.Charged, late.WrittenOff, late.Switch, late.Cost = 0, 0, 0, 0
		must(t, s.Apply(ctx, []domain.Settlement{late}, domain.JournalPosition{Offset: 2}))
		books(t, s)
		got(s.DeleteSettlementsBefore(ctx, day0.AddDate(1, 0, 0), 10_000))(t)
		got(s.DeleteHoursBefore(ctx, day0.AddDate(1, 0, 0), 10_000))(t)
		if b := books(t, s); b.Settlements != 0 || !reflect.DeepEqual(b.Accounts[0].Kind, before.Accounts[0].Kind) {
			t.Errorf("%d settlements are left", b.Settlements)
		}
		// The books go on.
		fresh := settlement(1, 500)
		fresh.Payer, fresh.Flags, fresh.At, fresh.Request = keyOne, 0, day0.AddDate(1, 0, 1), domain.NewRequestID(day0.AddDate(1, 0, 1))
		must(t, s.Apply(ctx, []domain.Settlement{fresh}, domain.JournalPosition{Offset: 3}))
		books(t, s)
	})

	t.Run("a closed month never changes", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, store.Desired{
			Teams: []domain.Team{{Name: "one"}, {Name: "two"}}, Accounts: []domain.Account{{Name: "a", Flat: true, Monthly: 200 * domain.Dollar}, {Name: "b"}},
		}))(t)
		all := random(t, s, 300)
		fixed := got(s.FixedPrices(ctx))(t)
		if len(fixed) != 1 || fixed[1] != 200*domain.Dollar {
			t.Fatalf("fixed prices %v", fixed)
		}
		october := store.Month(202610)
		over := october.End()
		if err := s.CloseMonth(ctx, []int64{1}, october, fixed, over.Add(-time.Second)); domain.KindOf(err) != domain.KindInvalid {
			t.Errorf("a month that is not over: %v", err)
		}
		of := func(team domain.TeamID, until time.Time) store.StatementSums {
			return store.StatementSums(sum(all, func(x *domain.Settlement) bool { return x.Team == team && x.At.Before(until) }))
		}
		open1 := got(s.Statement(ctx, 1, october, fixed))(t)
		if !open1.Provisional || open1.Hash != "" || open1.Totals != of(1, over) || open1.Team != "one" || len(open1.Lines) == 0 {
			t.Errorf("the open month: %+v", open1)
		}
		must(t, s.CloseMonth(ctx, []int64{1}, october, fixed, over.Add(time.Hour)))
		books(t, s)
		for _, teams := range [][]int64{{1}, {2, 1}} {
			if err := s.CloseMonth(ctx, teams, october, fixed, over.Add(2*time.Hour)); !errors.Is(err, store.ErrClosed) || domain.KindOf(err) != domain.KindInvalid {
				t.Errorf("closed twice: %v", err)
			}
		}
		if teams := got(s.OpenTeams(ctx, october))(t); !slices.Equal(teams, []int64{0, 2}) {
			t.Errorf("open are %v", teams)
		}
		one := got(s.Statement(ctx, 1, october, fixed))(t)
		if one.Provisional || len(one.Hash) != 64 || one.Totals != open1.Totals || !reflect.DeepEqual(one.Lines, open1.Lines) {
			t.Errorf("the closed month: %+v", one)
		}
		var lines store.UsageSums
		for _, l := range one.Lines {
			lines = lines.Plus(store.UsageSums(l.StatementSums))
		}
		if store.StatementSums(lines) != one.Totals {
			t.Errorf("the lines sum to %+v, the totals are %+v", lines, one.Totals)
		}
		// What comes late is counted in the month that is open.
		late := all[0]
		late.Request, late.At, late.Team, late.Losses = domain.NewRequestID(over.Add(-time.Second)), over.Add(-time.Second), 1, nil
		must(t, s.Apply(ctx, []domain.Settlement{late}, domain.JournalPosition{Offset: 9}))
		books(t, s)
		if again := got(s.Statement(ctx, 1, october, fixed))(t); !reflect.DeepEqual(again, one) {
			t.Errorf("it has changed: %+v", again)
		}
		november := got(s.Statement(ctx, 1, 202611, fixed))(t)
		if want := of(1, over.AddDate(1, 0, 0)).Requests - one.Totals.Requests + 1; november.Totals.Requests != want {
			t.Errorf("November has %d requests, want %d", november.Totals.Requests, want)
		}
		// The fixed price is shared out whole, once for the month, whatever is changed afterwards.
		fixed[1] = 999
		must(t, s.CloseMonth(ctx, got(s.OpenTeams(ctx, october))(t), october, fixed, over.Add(3*time.Hour)))
		var shares, shadows domain.NanoUSD
		for team := range int64(3) {
			st := got(s.Statement(ctx, team, october, fixed))(t)
			if len(st.Flat) != 1 || st.Flat[0].Account != "a" || st.Flat[0].Fixed != 200*domain.Dollar {
				t.Fatalf("team %d: %+v", team, st.Flat)
			}
			shares, shadows = shares+st.Flat[0].Share, shadows+st.Flat[0].Shadow
			if team == 2 && st.Flat[0].All != shadows {
				t.Errorf("the shadows sum to %v, all is %v", shadows, st.Flat[0].All)
			}
		}
		if shares != 200*domain.Dollar {
			t.Errorf("the shares sum to %v", shares)
		}
		if b := books(t, s); b.Months != 3 {
			t.Errorf("%d months are checked", b.Months)
		}
		if teams := got(s.OpenTeams(ctx, october))(t); len(teams) != 0 {
			t.Errorf("open are %v", teams)
		}
	})

	t.Run("how requests went, each counted once", func(t *testing.T) {
		s := open(t)
		at := day0.Add(90 * time.Minute)
		var rows []store.RequestRow
		for i := range 40 {
			r := store.RequestRow{
				ID: domain.NewRequestID(at.Add(time.Duration(i) * time.Second)), Account: domain.AccountID(1 + i%2), Model: "m", Outcome: store.OutcomeOK, Attempts: 2,
				TTFT: time.Duration(i) * 50 * time.Millisecond, Total: time.Second, Wait: 10 * time.Millisecond,
			}
			if i%10 == 9 {
				r.Outcome, r.Class, r.TTFT = store.OutcomeFailed, 3, 0
			}
			rows = append(rows, r)
		}
		must(t, s.AppendRequests(ctx, slices.Clone(rows[:30])))
		must(t, s.AppendRequests(ctx, slices.Clone(rows))) // the commit of the first was in doubt
		must(t, s.AppendRequests(ctx, slices.Clone(rows[5:6])))
		all := got(s.Service(ctx, store.ServiceQuery{From: day0, Until: day0.Add(24 * time.Hour)}))(t)
		if len(all) != 1 || all[0].Requests != 40 || all[0].OK != 36 || all[0].Failed != 4 || all[0].Attempts != 80 || all[0].Total != 40*time.Second || all[0].Wait != 400*time.Millisecond {
			t.Fatalf("%+v", all)
		}
		if n := all[0].First(); n != 35 { // one of the good ones took no time at all
			t.Errorf("%d had content", n)
		}
		if p, ok := all[0].Percentile(50); !ok || p < 850*time.Millisecond || p > 1050*time.Millisecond {
			t.Errorf("half had content within %v", p)
		}
		by := got(s.Service(ctx, store.ServiceQuery{From: day0, Until: day0.Add(24 * time.Hour), ByAccount: true, ByHour: true, Account: 2}))(t)
		if len(by) != 1 || by[0].Account != 2 || by[0].Requests != 20 || by[0].Hour != at.Unix()/3600 {
			t.Errorf("%+v", by)
		}
		fails := got(s.FailuresBy(ctx, day0, day0.Add(24*time.Hour)))(t)
		if len(fails) != 1 || fails[0].Requests != 4 || fails[0].Class != 3 || fails[0].Outcome != store.OutcomeFailed {
			t.Errorf("%+v", fails)
		}
		if _, ok := (&store.Service{}).Percentile(99); ok {
			t.Error("nothing has a percentile")
		}
	})

	t.Run("export joins records and settlements, however many", func(t *testing.T) {
		s := open(t)
		want := map[domain.RequestID][2]bool{}
		var rows []store.RequestRow
		var settled []domain.Settlement
		for i := range 1300 {
			at := day0.Add(time.Duration(i) * time.Second)
			id := domain.NewRequestID(at)
			has := [2]bool{i%5 != 0, i%3 != 0}
			if i%15 == 0 {
				has[0] = true
			}
			if has[0] {
				rows = append(rows, store.RequestRow{ID: id, Key: 1, Model: "m", Outcome: store.OutcomeOK})
			}
			if has[1] {
				settled = append(settled, domain.Settlement{Request: id, At: at.Add(time.Second), Key: 1, Payer: keyOne, Model: "m", Charged: 3, Losses: []domain.AccountCost{{Account: 1, Amount: 2}, {Account: 1, Amount: 5}}})
			}
			if i >= 10 && i < 1290 {
				want[id] = has
			}
		}
		must(t, s.AppendRequests(ctx, rows))
		must(t, s.Apply(ctx, settled, domain.JournalPosition{}))
		var last domain.RequestID
		must(t, s.Export(ctx, day0.Add(10*time.Second), day0.Add(1290*time.Second), func(e store.Export) error {
			var id domain.RequestID
			if e.Request != nil {
				id = e.Request.ID
			}
			if x := e.Settlement; x != nil {
				if e.Request != nil && x.Request != id {
					t.Fatalf("request %s has the settlement of %s", id, x.Request)
				}
				id = x.Request
				if x.Charged != 3 || x.Lost != 7 || x.Took != time.Second || x.Model != "m" {
					t.Fatalf("%+v", x)
				}
			}
			has, ok := want[id]
			if !ok || has != [2]bool{e.Request != nil, e.Settlement != nil} || string(id[:]) <= string(last[:]) {
				t.Fatalf("request %s after %s: %+v, want %v %v", id, last, e, has, ok)
			}
			delete(want, id)
			last = id
			return nil
		}))
		for id, has := range want {
			if has[0] || has[1] {
				t.Fatalf("request %s is missing, and %d more", id, len(want)-1)
			}
		}
		stop := errors.New("stop")
		if err := s.Export(ctx, day0, day0.AddDate(1, 0, 0), func(store.Export) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("err = %v", err)
		}
	})
}
