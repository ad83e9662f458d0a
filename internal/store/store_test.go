package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
	"turnout/internal/store/storetest"
)

// xor is a sealer that hides nothing from anybody who looks twice, but binds to
// the place and has a current key.
type xor struct{ current byte }

func (x xor) Seal(plain []byte, table, row, column string) ([]byte, error) {
	out := []byte{x.current}
	for _, b := range []byte(table + "/" + row + "/" + column + "\x00" + string(plain)) {
		out = append(out, b^0x5a)
	}
	return out, nil
}

func (x xor) Open(sealed []byte, table, row, column string) ([]byte, error) {
	var plain []byte
	for _, b := range sealed[1:] {
		plain = append(plain, b^0x5a)
	}
	place, rest, _ := bytes.Cut(plain, []byte{0})
	if string(place) != table+"/"+row+"/"+column {
		return nil, errors.New("sealed for another place")
	}
	return rest, nil
}

func (x xor) Current(sealed []byte) bool { return sealed[0] == x.current }

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Sealer: xor{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, t.TempDir()) })
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such rights")
	}
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	if _, err := s.Provision(t.Context(), store.Desired{Accounts: []domain.Account{{Name: "a"}}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, "turnout.db": 0o600, "turnout.db-wal": 0o600, "turnout.db-shm": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%q has rights %o, want %o", name, got, want)
		}
	}
}

func TestSecretsAreSealedInTheFile(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Sealer: xor{1}})
	if err != nil {
		t.Fatal(err)
	}
	want := store.Desired{Accounts: []domain.Account{{Name: "a", APIKey: domain.NewSecret("sk-canary"), Proxy: "http://u:canary@127.0.0.1:1"}}}
	if _, err := s.Provision(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("canary")) {
		t.Error("a secret is in the file")
	}

	// Another current key: the same secret is sealed anew, once.
	s, err = store.Open(t.Context(), store.Options{Dir: dir, Sealer: xor{2}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, resealed := range []int{1, 0} {
		c, err := s.Provision(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Resealed) != resealed || len(c.Edited) != 0 {
			t.Errorf("time %d: %v", i, c)
		}
	}
}

// Objects that say nothing of newer settings are stored as older versions stored them:
// a comparison of texts finds edits, and a new version must not find what nobody made.
func TestOldObjectsAreNotEdited(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := store.Desired{
		Pools: []store.Pool{{Pool: domain.Pool{Name: "default"}, Policy: []byte(`{"policy":{"profile":"balanced"},"keep_alive":15000000000}`)}},
		Keys: []domain.Key{{Name: "team", Hash: [32]byte{1}, Pools: []string{"default"}, Models: []string{"claude-*"}, Require: domain.Labels{"region": "eu"},
			Expires: time.UnixMilli(1_900_000_000_123)}},
	}
	if _, err := s.Provision(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for query, want := range map[string]string{
		"SELECT spec FROM pools": `{"policy":{"policy":{"profile":"balanced"},"keep_alive":15000000000}}`,
		"SELECT spec FROM keys":  `{"pools":["default"],"models":["claude-*"],"require":{"region":"eu"},"expires":1900000000123}`,
	} {
		var spec string
		if err := db.QueryRowContext(t.Context(), query).Scan(&spec); err != nil || spec != want {
			t.Errorf("%s: %s, %v; want %s", query, spec, err, want)
		}
	}
}

func TestSecretsNeedTheSealer(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Provision(t.Context(), store.Desired{Accounts: []domain.Account{{Name: "a", APIKey: domain.NewSecret("sk-canary")}}}); err != nil {
		t.Fatal(err)
	}
	ro, err := store.Open(t.Context(), store.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if _, err := ro.Accounts(t.Context()); err == nil || !strings.Contains(err.Error(), "without the master key") {
		t.Errorf("err = %v", err)
	}
	if n, err := ro.Names(t.Context()); err != nil || len(n.Accounts) != 1 {
		t.Errorf("names = %v, %v", n, err)
	}
	if _, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()}); err == nil {
		t.Error("opened for writing without a sealer")
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	now := time.UnixMilli(1_800_000_000_000)
	row := store.RequestRow{ID: domain.NewRequestID(now), Model: "m", Outcome: store.OutcomeOK}
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Sealer: xor{1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.AppendRequests(t.Context(), []store.RequestRow{row}),
		s.SaveBindings(t.Context(), []domain.Binding{{Session: [16]byte{1}, Account: 1, Expires: now.Add(time.Hour)}}),
		s.SaveRests(t.Context(), []store.Rest{{RestKey: store.RestKey{Scope: 1, Subject: "1"}, Until: now.Add(time.Hour)}}),
		s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, store.FileName+"-wal")); err == nil && fi.Size() > 0 {
		t.Errorf("Close left %d bytes in the log", fi.Size())
	}
	s = open(t, dir)
	row2 := row
	row2.ID = domain.NewRequestID(now.Add(time.Second))
	if err := s.AppendRequests(t.Context(), []store.RequestRow{row2}); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Requests(t.Context(), store.RequestFilter{Model: "m"}); err != nil || len(l) != 2 {
		t.Errorf("requests = %v, %v", l, err)
	}
	if l, err := s.LoadBindings(t.Context(), now); err != nil || len(l) != 1 {
		t.Errorf("bindings = %v, %v", l, err)
	}
	if l, err := s.LoadRests(t.Context(), now); err != nil || len(l) != 1 {
		t.Errorf("rests = %v, %v", l, err)
	}
}

func TestReadOnlyBesideAServer(t *testing.T) {
	dir := t.TempDir()
	if _, err := store.Open(t.Context(), store.Options{Dir: dir, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Fatalf("err = %v", err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Sealer: xor{1}})
	if err != nil {
		t.Fatal(err)
	}
	ro, err := store.Open(t.Context(), store.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	id := domain.NewRequestID(time.Now())
	if err := s.AppendRequests(t.Context(), []store.RequestRow{{ID: id, Model: "m", Outcome: store.OutcomeOK}}); err != nil {
		t.Fatal(err)
	}
	if _, err := ro.Request(t.Context(), id); err != nil {
		t.Error("the reader does not see what the server wrote:", err)
	}
	for name, err := range map[string]error{
		"append":   ro.AppendRequests(t.Context(), []store.RequestRow{{ID: id}}),
		"pause":    ro.SetAccountState(t.Context(), "a", store.AccountState{Paused: true}),
		"bindings": ro.SaveBindings(t.Context(), make([]domain.Binding, 1)),
	} {
		if err == nil || !strings.Contains(err.Error(), "for reading only") {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	if err := ro.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// And when no server runs.
	ro, err = store.Open(t.Context(), store.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if _, err := ro.Request(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	broken := func(edit func(t *testing.T, file string)) string {
		dir := t.TempDir()
		s, err := store.Open(t.Context(), store.Options{Dir: dir, Sealer: xor{1}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		edit(t, filepath.Join(dir, store.FileName))
		return dir
	}
	exec := func(stmt string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(stmt); err != nil {
				t.Fatal(err)
			}
		}
	}
	newer := broken(exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"))
	older := broken(exec("DELETE FROM goose_db_version WHERE version_id > 0"))
	garbage := broken(func(t *testing.T, file string) {
		if err := os.WriteFile(file, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		o          store.Options
	}{
		{"a newer schema", "a newer Turnout has written it (schema 999; this one knows up to 8)", store.Options{Dir: newer, Sealer: xor{1}}},
		{"a newer schema, reading", "a newer Turnout has written it", store.Options{Dir: newer, ReadOnly: true}},
		{"an older schema, reading", "start the server of this version once", store.Options{Dir: older, ReadOnly: true}},
		{"garbage", "the file is damaged or is not Turnout's database", store.Options{Dir: garbage, Sealer: xor{1}}},
		{"garbage, reading", "the file is damaged or is not Turnout's database", store.Options{Dir: garbage, ReadOnly: true}},
		{"a file for a directory", "make the data directory (data_dir)", store.Options{Dir: file, Sealer: xor{1}}},
		{"nothing", "set data_dir", store.Options{Sealer: xor{1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), c.o)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"with space", "q?mark=1&x", "per%20cent#hash", "é"} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, "?") {
			continue
		}
		dir := filepath.Join(t.TempDir(), name)
		open(t, dir)
		if _, err := os.Stat(filepath.Join(dir, store.FileName+"-wal")); err != nil {
			t.Errorf("%q: the database is elsewhere: %v", name, err)
		}
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	s := open(t, t.TempDir())
	const goroutines, batches = 8, 10
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for b := range batches {
				rows := randomRows(20, time.Now())
				for i := range rows {
					rows[i].Model = fmt.Sprintf("model-%d-%d", g%2, b) // the same new names at once
				}
				if err := s.AppendRequests(t.Context(), rows); err != nil {
					t.Error(err)
				}
				if err := s.SaveBindings(t.Context(), []domain.Binding{{Session: [16]byte{byte(b)}, Account: 1, Expires: time.Now()}}); err != nil {
					t.Error(err)
				}
				if _, err := s.Requests(t.Context(), store.RequestFilter{Limit: 10}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := s.Requests(t.Context(), store.RequestFilter{Model: "model-1-9", Limit: 1000})
	if err != nil || len(list) != goroutines/2*20 {
		t.Errorf("%d records of one model, %v", len(list), err)
	}
}

func TestCanceledWriteLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rows := randomRows(3, time.Now())
	if err := s.AppendRequests(ctx, rows); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	if err := s.AppendRequests(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Requests(t.Context(), store.RequestFilter{}); err != nil || len(l) != 3 {
		t.Errorf("%d records, %v", len(l), err)
	}
}

// randomRows look like real traffic: a few keys, accounts and models, one request
// a millisecond, recorded in the order in which they end.
func randomRows(n int, from time.Time) []store.RequestRow {
	rows := make([]store.RequestRow, n)
	for i := range rows {
		r := &rows[i]
		*r = store.RequestRow{
			ID:  domain.NewRequestID(from.Add(time.Duration(i-rand.IntN(500)) * time.Millisecond)),
			Key: domain.KeyID(1 + rand.IntN(50)), Pool: domain.PoolID(1 + rand.IntN(3)), Account: domain.AccountID(1 + rand.IntN(20)),
			Model: models[rand.IntN(len(models))], Dialect: domain.DialectAnthropic, Stream: true, Outcome: store.OutcomeOK, Status: 200,
			Attempts: 1, Session: rand.Uint64(),
			Usage: domain.Usage{Input: rand.Int64N(3000), CacheRead: rand.Int64N(100_000), CacheWrite5m: rand.Int64N(5000),
				Output: rand.Int64N(4000), Reasoning: rand.Int64N(2000), Reported: true},
			TTFT: time.Duration(rand.Int64N(5e9)), Total: time.Duration(rand.Int64N(60e9)),
			BytesIn: rand.Int64N(300_000), BytesOut: rand.Int64N(60_000), Trace: trace,
		}
		if rand.IntN(20) == 0 {
			r.Outcome, r.Status, r.Class = store.OutcomeFailed, 503, 2
		}
	}
	return rows
}

var (
	trace  = bytes.Repeat([]byte("0123456789"), 50)
	models = func() (m []string) {
		for i := range 30 {
			m = append(m, fmt.Sprintf("claude-model-%d", i))
		}
		return m
	}()
)
