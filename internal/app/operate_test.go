package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turnout/internal/admin"
	"turnout/internal/store"
)

// made makes a key and gives its secret.
func made(t *testing.T, a *App, object string) string {
	t.Helper()
	v, err := a.Create(t.Context(), admin.Keys, []byte(object))
	if err != nil {
		t.Fatal(err)
	}
	return v.(admin.NewKey).Secret
}

// TestOperateBesideReloads: operators, reloads and requests at the same time; what a call did holds for the next request, always.
func TestOperateBesideReloads(t *testing.T) {
	p := newProvider(t)
	p.arrived = make(chan struct{}, 10_000)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for i := range 4 {
				name := fmt.Sprintf("k%d-%d", worker, i)
				secret := made(t, a, fmt.Sprintf(`{"name":%q}`, name))
				if status, body := r.ask(a, secret); status != 200 {
					t.Errorf("%s, just made: %d %s", name, status, body)
				}
				if _, err := a.Do(t.Context(), admin.Keys, name, "revoke", nil); err != nil {
					t.Error(err)
				}
				if status, _ := r.ask(a, secret); status != 401 {
					t.Errorf("%s, just revoked: %d", name, status)
				}
			}
		})
	}
	wg.Go(func() {
		for range 8 {
			if _, err := a.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := a.List(t.Context(), admin.Accounts); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	list, err := a.List(t.Context(), admin.Keys)
	if err != nil || len(list.([]admin.Key)) != 13 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestLastUse: it is known at once, and written from time to time and at the end.
func TestLastUse(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	before := time.Now()
	if status, body := r.ask(a, teamKey); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(r.dir, "data"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	keys, err := s.Keys(t.Context())
	if err != nil || keys[0].LastUsed.Before(before.Truncate(time.Millisecond)) || keys[0].LastUsed.After(time.Now()) {
		t.Errorf("%v, %v", keys[0].LastUsed, err)
	}
}

// TestWhatCannotWorkIsNotMade: nothing is written of an object that the gateway could not run with.
func TestWhatCannotWorkIsNotMade(t *testing.T) {
	p := newProvider(t)
	text := configuration(p.URL, "one=sk-one-11111111") + "teams: [{name: research, require: {region: eu}}]\n"
	r := newRig(t, text)
	a := r.start()
	snap := a.gateway.Snapshot()
	for _, c := range []struct{ kind, object, want string }{
		{admin.Keys, `{"name":"torn","owner":"team:research","require":{"region":"us"}}`, "no account can have both"},
		{admin.Keys, `{"name":"twin","secret":"` + teamKey + `"}`, `the key "team" has the same secret`},
		{admin.Keys, `{"name":"team"}`, "exists already (origin file)"},
		{admin.Accounts, `{"name":"x","platform":"openai"}`, "no API key"},
		{admin.Accounts, `{"name":"x","platform":"openai-compatible","base_url":"https://h/v1?x=1"}`, "a base URL ends before"},
		{admin.Pools, `{"name":"default"}`, "exists already"},
		{admin.Users, `{"name":"u","team":"nobody"}`, "there is no team"},
	} {
		if _, err := a.Create(t.Context(), c.kind, []byte(c.object)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), teamKey) {
			t.Errorf("%s %s: %v", c.kind, c.object, err)
		}
	}
	if a.gateway.Snapshot() != snap {
		t.Error("something was put in force")
	}

	// A file that begins to contradict a key of the API is taken: the key can use nothing, and says so.
	torn := made(t, a, `{"name":"late","owner":"team:research","require":{"tier":"1"}}`)
	r.write(strings.Replace(text, "region: eu", "tier: \"2\"", 1))
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := r.ask(a, torn); status != 403 || !strings.Contains(body, "carries the labels") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(r.log.String(), "a key can use no account") {
		t.Error("the log does not say so")
	}
	// An owner that leaves the file takes its keys along, those of the API too.
	r.write(configuration(p.URL, "one=sk-one-11111111"))
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := r.ask(a, torn); status != 401 || !strings.Contains(body, "which has been disabled") {
		t.Errorf("%d %s", status, body)
	}
}

// TestOfflineKeepsOthersOut: the directory has one user at a time.
func TestOfflineKeepsOthersOut(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	if _, err := OpenOffline(t.Context(), a.config); err == nil || !strings.Contains(err.Error(), "is using the data directory") {
		t.Errorf("err = %v", err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	o, err := OpenOffline(t.Context(), a.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.new(); err == nil || !strings.Contains(err.Error(), "is using the data directory") {
		t.Errorf("err = %v", err)
	}
	if _, err := o.app.Do(t.Context(), admin.Accounts, "one", "rest", []byte(`{"for":"1h"}`)); err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	b := r.start()
	list, err := b.List(t.Context(), admin.Accounts)
	if err != nil || list.([]admin.Account)[0].State != admin.StateResting {
		t.Errorf("%+v, %v", list, err)
	}
}
