package coord

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func session(n byte) domain.SessionID { return domain.SessionID{15: n} }

func binding(s byte, a domain.AccountID, ttl time.Duration) domain.Binding {
	return domain.Binding{Session: session(s), Account: a, Expires: time.Now().Add(ttl)}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memory(t interface{ Cleanup(func()) }, sessions int) *Memory {
	m := NewMemory(sessions)
	t.Cleanup(m.Close)
	return m
}

func TestBind(t *testing.T) {
	m := memory(t, 100)
	for i, step := range []struct {
		to, expected domain.AccountID
		want         bool
	}{{1, 5, false}, {1, 0, true}, {2, 0, false}, {2, 3, false}, {2, 1, true}, {2, 2, true}, {3, 1, false}} {
		if got := m.Bind(binding(1, step.to, time.Hour), step.expected); got != step.want {
			t.Errorf("step %d: bound to %d where %d was expected: %v", i, step.to, step.expected, got)
		}
	}
	if b, ok := m.Lookup(session(1)); !ok || b.Account != 2 {
		t.Errorf("%+v, %v", b, ok)
	}
	if b, ok := m.Lookup(session(2)); ok {
		t.Errorf("another session has %+v", b)
	}
	if m.Len() != 1 {
		t.Errorf("%d sessions", m.Len())
	}
}

// Of all who move a session at the same time one wins, and what it wrote stands.
func TestBindOneWins(t *testing.T) {
	m := memory(t, 1000)
	for round := range 50 {
		s := byte(round)
		var from domain.AccountID
		for step := range 3 { // unbound first, then bound to the winner before
			var won atomic.Int64
			var wins atomic.Int32
			var wg sync.WaitGroup
			for i := range 8 {
				id := domain.AccountID(100*(step+1) + i)
				wg.Go(func() {
					if m.Bind(binding(s, id, time.Hour), from) {
						won.Store(int64(id))
						wins.Add(1)
					}
				})
			}
			wg.Wait()
			b, ok := m.Lookup(session(s))
			if wins.Load() != 1 || !ok || b.Account != domain.AccountID(won.Load()) {
				t.Fatalf("%d won; %d says so, %+v is kept", wins.Load(), won.Load(), b)
			}
			from = b.Account
		}
	}
	// What is drained is what stands, too.
	drained := m.Drain()
	if len(drained) != 50 {
		t.Errorf("%d bindings are drained", len(drained))
	}
	for _, b := range drained {
		if now, _ := m.Lookup(b.Session); now != b {
			t.Errorf("%+v is drained, %+v stands", b, now)
		}
	}
}

// The one who wins last may be the first to note it: what is written down is the binding that stands.
func TestDrainGivesWhatStands(t *testing.T) {
	m := memory(t, 10)
	m.Bind(binding(1, 1, time.Hour), 0)
	stale := binding(1, 1, time.Hour)
	m.Bind(binding(1, 2, time.Hour), 1)
	m.mu.Lock()
	m.dirty[session(1)] = stale // the first one's note, late
	m.mu.Unlock()
	if got := m.Drain(); len(got) != 1 || got[0].Account != 2 {
		t.Errorf("%+v", got)
	}
}

// Sessions do not see one another, whatever is done in whatever order: a plain map agrees.
func TestMemoryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memory(t, 1000)
		model := map[domain.SessionID]domain.Binding{}
		dirty := map[domain.SessionID]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s := rapid.Byte().Draw(t, "session") % 4
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				got := map[domain.SessionID]bool{}
				for _, b := range m.Drain() {
					if got[b.Session] || b != model[b.Session] {
						t.Fatalf("drained %+v, want %+v", b, model[b.Session])
					}
					got[b.Session] = true
				}
				if len(got) != len(dirty) {
					t.Fatalf("%d are drained, %d changed", len(got), len(dirty))
				}
				clear(dirty)
			case 1:
				b := binding(s, domain.AccountID(rapid.IntRange(1, 3).Draw(t, "account")), time.Hour)
				m.Load([]domain.Binding{b})
				model[b.Session] = b
				delete(dirty, b.Session) // loaded is written down already
				m.mu.Lock()
				delete(m.dirty, b.Session)
				m.mu.Unlock()
			default:
				b := binding(s, domain.AccountID(rapid.IntRange(1, 3).Draw(t, "account")), time.Hour)
				expected := domain.AccountID(rapid.IntRange(0, 3).Draw(t, "expected"))
				want := model[b.Session].Account == expected
				if got := m.Bind(b, expected); got != want {
					t.Fatalf("bound %+v where %d was expected: %v", b, expected, got)
				}
				if want {
					model[b.Session], dirty[b.Session] = b, true
				}
			}
			for s, want := range model {
				if got, ok := m.Lookup(s); !ok || got != want {
					t.Fatalf("%v has %+v (%v), want %+v", s, got, ok, want)
				}
			}
		}
	})
}

// What has expired is not found, and is as good as unbound for who binds anew.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(10)
		defer m.Close()
		const ttl = 10 * time.Minute
		m.Bind(binding(1, 1, ttl), 0)
		time.Sleep(ttl - 1)
		if _, ok := m.Lookup(session(1)); !ok {
			t.Error("forgotten before its time")
		}
		m.Bind(binding(1, 1, ttl), 1) // used: the time begins again
		time.Sleep(ttl - 1)
		if _, ok := m.Lookup(session(1)); !ok {
			t.Error("its use did not keep it")
		}
		time.Sleep(time.Nanosecond)
		if b, ok := m.Lookup(session(1)); ok {
			t.Errorf("found after its time: %+v", b)
		}
		if m.Bind(binding(1, 2, ttl), 1) {
			t.Error("the expired account is still expected")
		}
		if !m.Bind(binding(1, 2, ttl), 0) {
			t.Error("an expired session cannot be bound")
		}
		m.Load([]domain.Binding{{Session: session(2), Account: 1, Expires: time.Now()}})
		if _, ok := m.Lookup(session(2)); ok {
			t.Error("what had expired before it was loaded is found")
		}
	})
}

func TestDrain(t *testing.T) {
	m := memory(t, 100)
	if got := m.Drain(); got != nil {
		t.Errorf("nothing has changed: %v", got)
	}
	m.Load([]domain.Binding{binding(9, 1, time.Hour)})
	if got := m.Drain(); got != nil {
		t.Errorf("what was loaded is written down already: %v", got)
	}
	m.Bind(binding(1, 1, time.Hour), 0)
	m.Bind(binding(1, 2, time.Hour), 1)
	m.Bind(binding(2, 3, time.Hour), 0)
	m.Bind(binding(2, 4, time.Hour), 9) // not done
	var got []string
	for _, b := range m.Drain() {
		got = append(got, fmt.Sprint(b.Session[15], b.Account))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"1 2", "2 3"}) {
		t.Errorf("%q", got)
	}
	if got := m.Drain(); got != nil {
		t.Errorf("drained twice: %v", got)
	}
}

// The size is bounded; what is left out has been written down.
func TestMemoryIsBounded(t *testing.T) {
	m := memory(t, 100)
	const n = 5000
	for i := range n {
		m.Bind(domain.Binding{Session: domain.SessionID{byte(i), byte(i >> 8), 1}, Account: 1, Expires: time.Now().Add(time.Hour)}, 0)
	}
	m.bindings.CleanUp()
	if m.Len() > 100 {
		t.Errorf("%d bindings are kept, the bound is 100", m.Len())
	}
	if got := len(m.Drain()); got != n {
		t.Errorf("%d of %d are drained", got, n)
	}
}

func BenchmarkLookup(b *testing.B) {
	m := memory(b, 200_000)
	m.Bind(binding(1, 1, time.Hour), 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.Lookup(session(1)); !ok {
			b.Fatal("lost")
		}
	}
}
