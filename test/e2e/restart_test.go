package e2e

import (
	"path/filepath"
	"strconv"
	"testing"

	"turnout/internal/credential"
	"turnout/internal/sim"
	"turnout/internal/store"
)

// TestRestart: what was learnt survives: stated rests, pauses, the identity of every
// object, and the records.
func TestRestart(t *testing.T) {
	p := startProvider(t, sim.Options{})
	config := "accounts:\n" +
		account(p, "anthropic", "limited", "sk-sim-limited-fail429-ra3600", "") +
		account(p, "anthropic", "good", "sk-sim-good", "priority: 1") +
		account(p, "anthropic", "later", "sk-sim-later", "priority: 2") + keys
	g := startGateway(t, config)
	first := g.send(ask{model: "m"})
	if !first.good() || p.Count("sk-sim-limited-fail429-ra3600") != 1 {
		t.Fatalf("%s", &first)
	}
	g.stop()
	ids := accountIDs(t, g)

	g.start()
	if got := served(t, g, p, ask{model: "m"}); got != "sk-sim-good" {
		t.Errorf("%s answered: the rest was forgotten", got)
	}
	if r := g.recorded(first.id); r.Account != "good" || r.Attempts != 2 {
		t.Errorf("the record of the first run: %+v", r)
	}
	g.stop()

	withStore(t, g, func(s *store.Store) error {
		return s.SetAccountState(t.Context(), "good", store.AccountState{Paused: true})
	})
	g.start()
	if got := served(t, g, p, ask{model: "m"}); got != "sk-sim-later" {
		t.Errorf("%s answered: the pause was forgotten", got)
	}
	g.stop()

	// An account that goes out of the file and comes back is the same one.
	g.write("accounts:\n" + account(p, "anthropic", "later", "sk-sim-later", "") + keys)
	g.start()
	if got := served(t, g, p, ask{model: "m"}); got != "sk-sim-later" {
		t.Errorf("%s answered", got)
	}
	g.stop()
	g.write(config)
	g.start()
	if got := served(t, g, p, ask{model: "m"}); got != "sk-sim-later" {
		t.Errorf("%s answered: the account that came back lost its pause or its rest", got)
	}
	g.stop()
	for name, id := range accountIDs(t, g) {
		if ids[name] != id {
			t.Errorf("account %s was %d and is %d", name, ids[name], id)
		}
	}
	if rows := g.rows("--account", "good"); len(rows) != 2 {
		t.Errorf("%s answers of the account are recorded, want 2", strconv.Itoa(len(rows)))
	}
}

func withStore(t *testing.T, g *gateway, do func(*store.Store) error) {
	t.Helper()
	key, err := credential.ReadFile(filepath.Join(g.dataDir(), credential.FileName))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := credential.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: g.dataDir(), Sealer: ring})
	if err != nil {
		t.Fatal(err)
	}
	if err := do(s); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func accountIDs(t *testing.T, g *gateway) map[string]int64 {
	t.Helper()
	ids := map[string]int64{}
	withStore(t, g, func(s *store.Store) error {
		accounts, err := s.Accounts(t.Context())
		for i := range accounts {
			ids[accounts[i].Name] = int64(accounts[i].ID)
		}
		return err
	})
	return ids
}
