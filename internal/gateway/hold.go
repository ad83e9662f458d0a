package gateway

import (
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// The bounds of what one stream may hold back. A hold that reaches one of them
// commits: it never fails. What is held counts against the memory of request bodies, too.
const (
	maxStartEvents = 64        // before the first content; an answer that has more of them says something
	maxStartBytes  = 256 << 10 // before the first content
	maxHeldBytes   = 16 << 20  // of an answer that is held for longer
	maxHeldTime    = 60 * time.Second
	maxCompletion  = 30 * time.Minute // of an answer that is to be whole before it is shown
	freeHold       = 16 << 10         // bytes that are not counted against the memory of bodies
)

// hold is what of a stream has arrived and not gone out yet. mu is the relay's: a
// timer may end the hold while the relay waits for more.
type hold struct {
	mu     sync.Mutex
	commit domain.Commit
	budget *Budget
	taken  int // bytes of the budget

	buf    []byte
	events int
	tokens int
	first  time.Time // of the first content; zero: none yet
	timer  *time.Timer
	bound  string // what ended the hold before its point was reached
}

// add holds bytes back; false: there is no memory for them, and the hold has to end.
func (h *hold) add(p []byte) bool {
	h.buf = append(h.buf, p...)
	for cap(h.buf) > freeHold && cap(h.buf) > h.taken {
		if !h.budget.take(cap(h.buf) - h.taken) {
			return false
		}
		h.taken = cap(h.buf)
	}
	return true
}

// release gives the held bytes over and ends the hold.
func (h *hold) release() []byte {
	out := h.buf
	h.buf = nil
	if h.taken > 0 {
		h.budget.give(h.taken)
		h.taken = 0
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	return out
}

// due reports whether the answer is to be committed after an event. now is when it
// arrived, size how many bytes are held with it.
func (h *hold) due(kind dialect.EventKind, size int) bool {
	h.events++
	if kind == dialect.EventContent {
		h.tokens++ // providers put one token, or a few, into an event
	}
	switch h.commit.Point {
	case domain.CommitFirstEvent:
		return true
	case domain.CommitContent:
		if kind == dialect.EventContent || kind == dialect.EventFinish || kind == dialect.EventEnd {
			return true
		}
	case domain.CommitTokens:
		if h.tokens >= h.commit.Tokens || kind == dialect.EventFinish || kind == dialect.EventEnd {
			return true
		}
	case domain.CommitSeconds:
		if kind == dialect.EventFinish || kind == dialect.EventEnd {
			return true
		}
	case domain.CommitComplete:
		if kind == dialect.EventEnd {
			return true
		}
	}
	switch {
	case h.first.IsZero() && h.events > maxStartEvents:
		h.bound = "events"
	case h.first.IsZero() && size > maxStartBytes, size > maxHeldBytes:
		h.bound = "bytes"
	}
	return h.bound != ""
}

// patience is how long content is held back at most.
func (h *hold) patience() time.Duration {
	switch h.commit.Point {
	case domain.CommitSeconds:
		return h.commit.Time
	case domain.CommitTokens:
		return maxHeldTime
	case domain.CommitComplete:
		return maxCompletion
	}
	return 0
}
