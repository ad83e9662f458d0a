package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// manyKeys are several callers.
type manyKeys struct{ byName map[string]*domain.Key }

func (k manyKeys) Check(secret string, _ time.Time) (*domain.Key, error) {
	if key := k.byName[secret]; key != nil {
		return key, nil
	}
	return nil, domain.Errorf(domain.KindUnauthenticated, "check", "no such key")
}

func (k manyKeys) Knows(secret string) bool { return k.byName[secret] != nil }

func (k manyKeys) Named(name string) (*domain.Key, []string) { return k.byName[name], nil }

// machine is a gateway in the middle of a random life.
type machine struct {
	*rig
	keys map[string]*domain.Key

	mu      sync.Mutex
	moods   *rand.Rand
	running map[string]int // requests at once that an account has
}

// Whatever callers, upstreams and operators do, in any order: an account is asked only by those who may use it and never
// beyond its limit; no session is two callers', and none is bound where its caller may not go; every request ends
// and gives back what it took (the rig looks at slots, bodies, holds and goroutines at the end).
func TestRandomLives(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { live(t, seed) })
		})
	}
}

func live(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	strategy := domain.Strategy(rng.IntN(domain.NumStrategies))
	var accounts []account
	for i := range 2 + rng.IntN(6) {
		accounts = append(accounts, account{
			name: fmt.Sprint("a", i), limit: rng.IntN(4), priority: rng.IntN(2), pool: []string{"default", "other"}[rng.IntN(2)],
			org: []string{"", "", "o"}[rng.IntN(3)],
		})
	}
	accounts[0].pool, accounts[1].pool = "default", "other"
	m := &machine{keys: map[string]*domain.Key{}, moods: rand.New(rand.NewPCG(seed, 2)), running: map[string]int{}}
	m.rig = newRig(t, accounts, func(c *rigConfig) { c.pool = func(p *PoolConfig) { p.Strategy = strategy } })
	for _, a := range m.accounts {
		a.Labels = []domain.Labels{nil, {"eu": "1"}, {"eu": "1", "tier": "2"}}[rng.IntN(3)]
		m.on(a.Name, m.answers(a))
	}
	for i, k := range []domain.Key{
		{Pools: []string{"default"}}, {Pools: []string{"default", "other"}}, {Pools: []string{"other"}, Require: domain.Labels{"eu": "1"}},
		{Pools: []string{"other", "default"}, Require: domain.Labels{"tier": "2"}},
	} {
		k.ID, k.Name, k.Enabled = domain.KeyID(i+1), fmt.Sprint("key", i), true
		m.keys[k.Name] = &k
	}
	m.g.Snapshot().keys = manyKeys{m.keys}

	var wg sync.WaitGroup
	var cancels []context.CancelFunc
	for range 80 {
		switch rng.IntN(10) {
		case 0: // time passes
			time.Sleep(time.Duration(rng.IntN(20_000)) * time.Millisecond)
		case 1: // somebody leaves
			if len(cancels) > 0 {
				cancels[rng.IntN(len(cancels))]()
			}
		case 2: // an operator takes an account out, or back
			a := m.accounts[rng.IntN(len(m.accounts))]
			edited := *a
			edited.Paused = !a.Paused
			m.swap(a, &edited)
		default:
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			name := fmt.Sprint("key", rng.IntN(len(m.keys)))
			body := []string{askJSON, askStream}[rng.IntN(2)]
			options := []requestOption{withContext(ctx), withHeader("X-Api-Key", name), withHeader("X-Caller", "of-"+name)}
			if rng.IntN(3) > 0 { // all callers name their sessions alike
				options = append(options, withHeader("Session-Id", fmt.Sprint("s", rng.IntN(4))))
			}
			if rng.IntN(3) == 0 {
				options = append(options, withHeader("X-Claude-Code-Agent-Id", fmt.Sprint("g", rng.IntN(2))))
			}
			wg.Go(func() { m.send(body, options...) })
		}
		synctest.Wait()
		for _, a := range m.accounts {
			if n := m.cells.Live(a.ID).InFlight(); a.MaxInFlight > 0 && n > a.MaxInFlight {
				t.Fatalf("account %s holds %d slots of %d", a.Name, n, a.MaxInFlight)
			}
		}
	}
	wg.Wait()
	for _, cancel := range cancels {
		cancel()
	}
	m.look()
}

// swap puts an edited account into a new configuration, as a reload does.
func (m *machine) swap(old, edited *domain.Account) {
	m.accounts = slices.Clone(m.accounts) // a configuration in force is not edited
	for i, a := range m.accounts {
		if a == old {
			m.accounts[i] = edited
		}
	}
	before := m.g.Snapshot()
	var pools []PoolConfig
	for name, p := range before.pools {
		pools = append(pools, PoolConfig{Pool: domain.Pool{ID: p.ID, Name: name, Enabled: true}, Strategy: p.tuning.Strategy})
	}
	snap, err := NewSnapshot(before.Version+1, before.Settings, manyKeys{m.keys}, pools, m.accounts, m.cells)
	if err != nil {
		m.t.Fatal(err)
	}
	m.g.Swap(snap)
}

// answers are an upstream with moods, which looks at who asks.
func (m *machine) answers(a *domain.Account) reply {
	fine, warm := whole("hello"), warmJSON("hello")
	moods := []reply{
		status(429, errorJSON("rate_limit_error"), "Retry-After", "3"), status(503, errorJSON("api_error")), status(529, errorJSON("overloaded_error")),
		status(400, errorJSON("invalid_request_error")),
	}
	return func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		key := m.keys[strings.TrimPrefix(call.Header.Get("X-Caller"), "of-")]
		allowed := false
		for _, p := range key.Pools {
			allowed = allowed || p == call.Account.Pools[0]
		}
		if !allowed || !call.Account.Labels.Satisfy(key.Require) {
			m.t.Errorf("%s asked %s, in pool %v with labels %v", key.Name, call.Account.Name, call.Account.Pools, call.Account.Labels)
		}
		m.mu.Lock()
		m.running[a.Name]++
		if a.MaxInFlight > 0 && m.running[a.Name] > a.MaxInFlight {
			m.t.Errorf("%s has %d requests at once, its limit is %d", a.Name, m.running[a.Name], a.MaxInFlight)
		}
		mood, pause := m.moods.IntN(12), time.Duration(m.moods.IntN(4000))*time.Millisecond
		m.mu.Unlock()
		defer func() {
			m.mu.Lock()
			m.running[a.Name]--
			m.mu.Unlock()
		}()
		next := warm
		if call.Header.Get("Accept") == eventStream {
			next = fine
		}
		if mood < len(moods) {
			next = moods[mood]
		}
		return after(pause, next)(ctx, call)
	}
}

// look holds what is left against the rules.
func (m *machine) look() {
	owner := map[domain.SessionID]domain.KeyID{}
	for _, r := range m.records {
		if r.Session.IsZero() {
			continue
		}
		if other, known := owner[r.Session]; known && other != r.Key {
			m.t.Errorf("keys %d and %d share a session", other, r.Key)
		}
		owner[r.Session] = r.Key
	}
	for id, b := range m.bindings {
		for _, k := range m.keys {
			if k.ID != owner[id] {
				continue
			}
			for _, a := range m.accounts {
				if a.ID == b.Account && !a.Labels.Satisfy(k.Require) {
					m.t.Errorf("a session of %s is bound to %s, whose labels are %v", k.Name, a.Name, a.Labels)
				}
			}
		}
	}
	if len(m.records) == 0 {
		m.t.Error("nothing happened")
	}
}
