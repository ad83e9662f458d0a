package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"turnout/internal/domain"
)

// maxWriters is how many pieces of reasoning are remembered at least, twice as many at most: some 10 MiB.
const maxWriters = 1 << 16

// writers remember which account wrote a piece of reasoning that another one cannot read, once a session that has it in its
// history moved; 0: some other one. What is asked for stays longest; a restart forgets all, and costs a refused
// request for each session that moved. Safe for concurrent use.
type writers struct {
	some atomic.Bool

	mu          sync.Mutex
	now, before map[[16]byte]domain.AccountID // the older half goes when the younger one is full
}

// writtenHash names a piece of a key's, so that no caller learns or changes anything of another one's.
func writtenHash(key domain.KeyID, sealed string) (h [16]byte) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(sealed)), uint64(key))
	sum := sha256.Sum256(append(b, sealed...))
	copy(h[:], sum[:])
	return h
}

// any reports whether there is any.
func (w *writers) any() bool { return w.some.Load() }

func (w *writers) find(h [16]byte) (writer domain.AccountID, known bool) {
	if !w.any() {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if writer, known = w.now[h]; known {
		return writer, true
	}
	if writer, known = w.before[h]; known {
		w.put(h, writer)
	}
	return writer, known
}

func (w *writers) add(h [16]byte, writer domain.AccountID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(h, writer)
	w.some.Store(true)
}

// put is for who holds the lock.
func (w *writers) put(h [16]byte, writer domain.AccountID) {
	if w.now == nil || len(w.now) >= maxWriters {
		w.before, w.now = w.now, map[[16]byte]domain.AccountID{}
	}
	w.now[h] = writer
}
