package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

// world makes traffic as a company might have it: 200 keys of 80 users in 10 teams, few of which make most of the requests, each with one or
// two models; 40 accounts of 4 platforms, 30 models. A key's conversations stay at three accounts for six hours.
type world struct {
	rng  *rand.Rand
	keys []worldKey
	sum  []int // of the keys' weights, cumulated
	end  time.Time
	last time.Time
}

type worldKey struct {
	key, user, team, pool, platform int64
	models                          []string
	tags                            []string
	weight                          int
}

const (
	worldKeys = 200
	worldDays = 90
)

// worldEnd is when its time ends: the middle of a day.
var worldEnd = time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC)

func newWorld() *world {
	w := &world{rng: rand.New(rand.NewPCG(7, 7)), end: worldEnd}
	total := 0
	for i := range worldKeys {
		k := worldKey{key: int64(i + 1), user: int64(i%80 + 1), team: int64(i%80%10 + 1), pool: int64(i%5 + 1), platform: int64(i % 4), weight: 1 + 4000/(i+10)}
		for m := range 1 + i%2 {
			k.models = append(k.models, fmt.Sprintf("model-%d-%d", k.platform, (i/4+m*3)%8))
		}
		k.tags = []string{fmt.Sprintf("project=p%d", i%40)}
		if i%3 == 0 {
			k.tags = append(k.tags, fmt.Sprintf("cost_centre=c%d,project=p%d", i%7, i%40))
		}
		total += k.weight
		w.keys, w.sum = append(w.keys, k), append(w.sum, total)
	}
	w.last = w.end.Add(-worldDays * 24 * time.Hour)
	return w
}

// fill makes the next records and settlements, step apart.
func (w *world) fill(rows []RequestRow, settled []domain.Settlement, step time.Duration) {
	r := w.rng
	for i := range rows {
		w.last = w.last.Add(step)
		at := w.last.Add(-time.Duration(r.IntN(20_000)) * time.Millisecond)
		j, _ := slices.BinarySearch(w.sum, r.IntN(w.sum[len(w.sum)-1])+1)
		k := &w.keys[j]
		var id domain.RequestID
		binary.BigEndian.PutUint64(id[8:], r.Uint64())
		binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|uint64(r.IntN(1<<16)))
		model := k.models[0]
		if len(k.models) > 1 && r.IntN(5) == 0 {
			model = k.models[1]
		}
		pick := [...]int{0, 0, 0, 1, 1, 2}[r.IntN(6)]
		account := k.platform*10 + 1 + (k.key*7+at.Unix()/21600*3+int64(pick))%10
		u := domain.Usage{Input: r.Int64N(3000), Output: r.Int64N(2000), Reported: true}
		if r.IntN(3) > 0 {
			u.CacheRead, u.CacheWrite5m = r.Int64N(100_000), r.Int64N(5000)
		}
		if r.IntN(3) == 0 {
			u.Reasoning = u.Output / 2
		}
		ttft := time.Duration(200+r.ExpFloat64()*1500) * time.Millisecond
		row := &rows[i]
		*row = RequestRow{
			ID: id, Key: domain.KeyID(k.key), Pool: domain.PoolID(k.pool), Account: domain.AccountID(account), Model: model, Dialect: domain.DialectAnthropic,
			Stream: true, Outcome: OutcomeOK, Status: 200, Attempts: 1, Session: r.Uint64(), Usage: u, TTFT: ttft,
			Total: ttft + time.Duration(u.Output)*12*time.Millisecond, BytesIn: r.Int64N(300_000), BytesOut: r.Int64N(60_000),
		}
		cost := domain.NanoUSD(u.Input*3000 + u.CacheRead*300 + u.CacheWrite5m*3750 + u.Output*15000)
		if r.IntN(25) == 0 {
			row.Outcome, row.Status, row.Class, row.Usage, row.TTFT = OutcomeFailed, 503, uint8(1+r.IntN(6)), domain.Usage{}, 0
			cost, u = 0, domain.Usage{}
		}
		settled[i] = domain.Settlement{
			Request: id, At: at.Add(row.Total), Key: row.Key, User: domain.UserID(k.user), Team: domain.TeamID(k.team), Pool: row.Pool, Account: row.Account,
			Payer: domain.Spender{Kind: domain.SpenderTeam, ID: k.team}, Model: model, Plan: "anthropic/" + model, Tags: k.tags[r.IntN(len(k.tags))], Usage: u,
			Charged: cost, Cost: cost,
		}
		if r.IntN(200) == 0 {
			settled[i].Losses = []domain.AccountCost{{Account: row.Account, Amount: cost/3 + 1}}
		}
	}
}

func openScale(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, Sealer: noSeal{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// write puts n requests with their settlements into a store, as the gateway does, in batches.
func (w *world) write(t testing.TB, s *Store, n, batch int) {
	t.Helper()
	rows, settled := make([]RequestRow, batch), make([]domain.Settlement, batch)
	step := worldDays * 24 * time.Hour / time.Duration(n)
	began := time.Now()
	for done := 0; done < n; done += batch {
		w.fill(rows, settled, step)
		if err := s.AppendRequests(context.Background(), rows); err != nil {
			t.Fatal(err)
		}
		kept := settled[:0:0]
		for _, one := range settled {
			if !one.Empty() {
				kept = append(kept, one)
			}
		}
		if err := s.Apply(context.Background(), kept, domain.JournalPosition{Offset: int64(done)}); err != nil {
			t.Fatal(err)
		}
		if done > 0 && done%1_000_000 < batch {
			t.Logf("%d requests after %s", done, time.Since(began).Round(time.Second))
		}
	}
}

// sizes are the bytes a request that each table and index takes.
func sizes(t testing.TB, db *sql.DB, n int) (total float64) {
	t.Helper()
	err := scanRows(context.Background(), db, func(scan func(...any) error) error {
		var name string
		var size float64
		err := scan(&name, &size)
		if size/float64(n) >= 0.5 {
			t.Logf("%-24s %6.1f bytes a request", name, size/float64(n))
		}
		total += size / float64(n)
		return err
	}, "SELECT name, SUM(pgsize) FROM dbstat WHERE name <> 'traces' GROUP BY name ORDER BY 2 DESC")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-24s %6.1f bytes a request", "all", total)
	return total
}

// mostBytes is what a request may take in the database, with its settlement, its indexes and its part of all roll-ups, but without its trace.
const mostBytes = 250

func TestBytesPerRequestAllTold(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 requests")
	}
	s := openScale(t, t.TempDir())
	var empty float64
	if err := s.read.QueryRow("SELECT SUM(pgsize) FROM dbstat").Scan(&empty); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	// As dense as ten million in ninety days.
	w.last = w.end.Add(-scaleRows * (worldDays * 24 * time.Hour / 10_000_000))
	w.writeDense(t, s, scaleRows)
	if total := sizes(t, s.read, scaleRows) - empty/scaleRows; total < 100 || total > mostBytes {
		t.Errorf("a request takes %.1f bytes all told, want at most %d (and more than 100, or this measures nothing)", total, mostBytes)
	} else {
		t.Logf("%.1f bytes without what an empty database has", total)
	}
	checkScale(t, s)
}

// writeDense is write with the distances of ten million requests.
func (w *world) writeDense(t testing.TB, s *Store, n int) {
	t.Helper()
	rows, settled := make([]RequestRow, 500), make([]domain.Settlement, 500)
	for range n / 500 {
		w.fill(rows, settled, worldDays*24*time.Hour/10_000_000)
		if err := s.AppendRequests(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), slices.DeleteFunc(slices.Clone(settled), func(x domain.Settlement) bool { return x.Empty() }), domain.JournalPosition{}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkScale(t *testing.T, s *Store) {
	t.Helper()
	b, err := s.CheckBooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range b.Wrong {
		t.Error(w)
	}
}

// consoleQueries are what a console asks, each with its statements.
func consoleQueries(s *Store, since int64, someID domain.RequestID) []consoleQuery {
	now := worldEnd
	day := 24 * time.Hour
	midnight := now.Truncate(day)
	monthStart := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	usage := func(name string, q UsageQuery) consoleQuery {
		return consoleQuery{name, q.statements(since), func(ctx context.Context) error { _, err := s.Usage(ctx, q); return err }}
	}
	requests := func(name string, f RequestFilter) consoleQuery {
		query, args := f.query()
		return consoleQuery{name, []statement{{query, args}}, func(ctx context.Context) error { _, err := s.Requests(ctx, f); return err }}
	}
	service := func(name string, q ServiceQuery) consoleQuery {
		return consoleQuery{name, q.statements(since), func(ctx context.Context) error { _, err := s.Service(ctx, q); return err }}
	}
	return []consoleQuery{
		usage("totals of the last 24 hours", UsageQuery{From: now.Add(-day), Until: now}),
		usage("totals of the last 7 days", UsageQuery{From: now.Add(-7 * day), Until: now}),
		usage("totals of the last 30 days", UsageQuery{From: now.Add(-30 * day), Until: now}),
		usage("by hours, 24 hours", UsageQuery{By: []UsageBy{ByHour}, From: now.Add(-day), Until: now}),
		usage("by days and teams, 30 days", UsageQuery{By: []UsageBy{ByDay, ByTeam}, From: midnight.Add(-30 * day), Until: now}),
		usage("by days and models, 30 days", UsageQuery{By: []UsageBy{ByDay, ByModel}, From: midnight.Add(-30 * day), Until: now}),
		usage("by days and accounts, 30 days", UsageQuery{By: []UsageBy{ByDay, ByAccount}, From: midnight.Add(-30 * day), Until: now}),
		usage("by days, 90 days", UsageQuery{By: []UsageBy{ByDay}, From: midnight.Add(-90 * day), Until: now}),
		usage("keys, 30 days", UsageQuery{By: []UsageBy{ByKey}, From: midnight.Add(-30 * day), Until: now}),
		usage("users, 30 days", UsageQuery{By: []UsageBy{ByUser}, From: midnight.Add(-30 * day), Until: now}),
		usage("tags, 30 days", UsageQuery{By: []UsageBy{ByTags}, From: midnight.Add(-30 * day), Until: now}),
		usage("one key's month by days", UsageQuery{By: []UsageBy{ByDay}, Only: map[UsageBy]int64{ByKey: 3}, From: monthStart, Until: monthStart.AddDate(0, 1, 0)}),
		usage("one key's month by models", UsageQuery{By: []UsageBy{ByModel}, Only: map[UsageBy]int64{ByKey: 3}, From: monthStart, Until: monthStart.AddDate(0, 1, 0)}),
		requests("the newest 50 requests", RequestFilter{}),
		requests("the newest 50 of a key", RequestFilter{Key: 3}),
		requests("the newest 50 of an account", RequestFilter{Account: 7}),
		requests("the newest 50 that failed", RequestFilter{Failed: true}),
		requests("50 requests of a day 60 days ago", RequestFilter{Since: now.Add(-61 * day), Until: now.Add(-60 * day)}),
		{"one request", []statement{{selectRequests + " WHERE r.id = ?", []any{someID[:]}}}, func(ctx context.Context) error { _, err := s.Request(ctx, someID); return err }},
		service("how requests went by hours, 7 days", ServiceQuery{From: now.Add(-7 * day), Until: now, ByHour: true}),
		service("first-token times by accounts, 24 hours", ServiceQuery{From: now.Add(-day), Until: now, ByAccount: true}),
		service("how requests went by hours, 30 days", ServiceQuery{From: now.Add(-30 * day), Until: now, ByHour: true}),
		service("first-token times of an account by hours, 24 hours", ServiceQuery{From: now.Add(-day), Until: now, ByHour: true, Account: 7}),
		service("first-token times by models, 7 days", ServiceQuery{From: now.Add(-7 * day), Until: now, ByModel: true}),
		{"failures by hours and classes, 7 days", []statement{{selectFailures, []any{now.Add(-7*day).Unix() / 3600, hourAfter(now)}}}, func(ctx context.Context) error {
			_, err := s.FailuresBy(ctx, now.Add(-7*day), now)
			return err
		}},
	}
}

type consoleQuery struct {
	name       string
	statements []statement
	run        func(context.Context) error
}

// TestConsoleQueriesUseIndexes: none of them walks through a whole table.
func TestConsoleQueriesUseIndexes(t *testing.T) {
	s := openScale(t, t.TempDir())
	w := newWorld()
	w.writeDense(t, s, 500)
	list, err := s.Requests(t.Context(), RequestFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, since := range []int64{0, worldEnd.Add(-40*24*time.Hour).Unix() / 3600} {
		for _, q := range consoleQueries(s, since, list[0].ID) {
			for _, st := range q.statements {
				var plan []string
				err := scanRows(t.Context(), s.read, func(scan func(...any) error) error {
					var id, parent, unused int64
					var detail string
					err := scan(&id, &parent, &unused, &detail)
					plan = append(plan, detail)
					return err
				}, "EXPLAIN QUERY PLAN "+st.query, st.args...)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range plan {
					// Along the primary key to a limit is no walk through all of it.
					newest := step == "SCAN r" && strings.Contains(st.query, "ORDER BY r.id DESC LIMIT") && !slices.Contains(plan, "USE TEMP B-TREE FOR ORDER BY")
					if strings.HasPrefix(step, "SCAN") && !newest && !strings.Contains(step, "requests_failed") || step == "USE TEMP B-TREE FOR ORDER BY" {
						t.Errorf("%s: %s\n%s", q.name, step, st.query)
					}
				}
			}
			if err := q.run(t.Context()); err != nil {
				t.Errorf("%s: %v", q.name, err)
			}
		}
	}
}

// TestScale builds a database of ten million requests and measures what a console asks of it. It is for make bench-usage.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("TURNOUT_BENCH_USAGE"))
	if n == 0 {
		t.Skip("for make bench-usage")
	}
	dir := os.Getenv("TURNOUT_BENCH_USAGE_DIR") // is kept, and taken as it is if it is there
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		s, err := Open(context.Background(), Options{Dir: dir, Sealer: noSeal{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, pragma := range []string{"PRAGMA synchronous=OFF", "PRAGMA cache_size=-400000", "PRAGMA wal_autocheckpoint=40000"} { // for the build alone
			if _, err := s.write.Exec(pragma); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		newWorld().write(t, s, n, 5000)
		t.Logf("built in %s", time.Since(began).Round(time.Second))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests, %.1f bytes each in the file", n, float64(fi.Size())/float64(n))
	s := openScale(t, dir)
	if os.Getenv("TURNOUT_BENCH_USAGE_SIZES") != "" {
		sizes(t, s.read, n)
	}
	list, err := s.Requests(t.Context(), RequestFilter{Key: 3, Until: worldEnd.Add(-45 * 24 * time.Hour), Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%-50s %9s %9s %9s %9s", "query", "warm p50", "warm max", "cold p50", "cold max")
	for i, q := range consoleQueries(s, 0, list[0].ID) {
		measure := func(cold bool, times int) []time.Duration {
			s, err := Open(context.Background(), Options{Dir: dir, ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			q := consoleQueries(s, 0, list[0].ID)[i]
			var took []time.Duration
			for k := range times + 1 {
				if cold {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					if err := forget(path); err != nil {
						t.Fatal(err)
					}
					if s, err = Open(context.Background(), Options{Dir: dir, ReadOnly: true}); err != nil {
						t.Fatal(err)
					}
					q = consoleQueries(s, 0, list[0].ID)[i]
				}
				began := time.Now()
				if err := q.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if k > 0 {
					took = append(took, time.Since(began))
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			slices.Sort(took)
			return took
		}
		cold, warm := measure(true, 5), measure(false, 20)
		text := func(d time.Duration) string { return fmt.Sprintf("%.1fms", float64(d)/1e6) }
		t.Logf("%-50s %9s %9s %9s %9s", q.name, text(warm[len(warm)/2]), text(warm[len(warm)-1]), text(cold[len(cold)/2]), text(cold[len(cold)-1]))
		if most := 100 * time.Millisecond; warm[len(warm)/2] > most || cold[len(cold)/2] > most {
			t.Errorf("%s takes longer than %s", q.name, most)
		}
	}
}
