package coord

import (
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"turnout/internal/domain"
)

// Memory keeps bindings in this process. Safe for concurrent use.
type Memory struct {
	bindings *otter.Cache[domain.SessionID, domain.Binding]

	mu    sync.Mutex
	dirty map[domain.SessionID]domain.Binding
}

// NewMemory makes an empty Memory that keeps at most maxSessions bindings, the most
// useful ones.
func NewMemory(maxSessions int) *Memory {
	return &Memory{
		bindings: otter.Must(&otter.Options[domain.SessionID, domain.Binding]{
			MaximumSize: maxSessions,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[domain.SessionID, domain.Binding]) time.Duration {
				return max(time.Until(e.Value.Expires), 0)
			}),
		}),
		dirty: map[domain.SessionID]domain.Binding{},
	}
}

// Lookup finds a session's binding.
func (m *Memory) Lookup(s domain.SessionID) (domain.Binding, bool) {
	b, ok := m.bindings.GetIfPresent(s)
	if ok && !time.Now().Before(b.Expires) {
		return domain.Binding{}, false
	}
	return b, ok
}

// Bind replaces the binding of b.Session if its account is still the expected one
// (0: it was unbound), and reports whether it did. So of two requests that move a session at
// the same time one wins, and neither undoes the other.
func (m *Memory) Bind(b domain.Binding, expected domain.AccountID) bool {
	done := false
	m.bindings.Compute(b.Session, func(old domain.Binding, found bool) (domain.Binding, otter.ComputeOp) {
		if found && !time.Now().Before(old.Expires) {
			found = false
		}
		if !found {
			old = domain.Binding{}
		}
		if old.Account != expected {
			return old, otter.CancelOp
		}
		done = true
		return b, otter.WriteOp
	})
	if done {
		m.mu.Lock()
		m.dirty[b.Session] = b
		m.mu.Unlock()
	}
	return done
}

// Load takes over what a former process left behind.
func (m *Memory) Load(bs []domain.Binding) {
	for _, b := range bs {
		m.bindings.Set(b.Session, b)
	}
}

// Drain hands over the bindings that changed since the last call.
func (m *Memory) Drain() []domain.Binding {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.dirty) == 0 {
		return nil
	}
	out := make([]domain.Binding, 0, len(m.dirty))
	for s, b := range m.dirty {
		// Two that moved a session one after the other may have noted it the other way
		// round. The note stands only where the binding had to make room.
		if now, ok := m.bindings.GetIfPresent(s); ok {
			b = now
		}
		out = append(out, b)
	}
	clear(m.dirty)
	return out
}

// Close ends what runs in the background. Nothing may be asked of it afterwards.
func (m *Memory) Close() { m.bindings.StopAllGoroutines() }

// Len is about how many sessions are bound.
func (m *Memory) Len() int { return m.bindings.EstimatedSize() }

// Sessions counts the bindings of each account.
func (m *Memory) Sessions() map[domain.AccountID]int {
	out, now := map[domain.AccountID]int{}, time.Now()
	for b := range m.bindings.Values() {
		if now.Before(b.Expires) {
			out[b.Account]++
		}
	}
	return out
}
