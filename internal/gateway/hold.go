package gateway

import (
	"net/http"
	"slices"
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
	over   bool   // the stream has ended
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

// endsSoon reports whether the clock lets the answer go within d: then nothing is
// gained by giving it up sooner.
func (h *hold) endsSoon(now time.Time, d time.Duration) bool {
	return h.commit.Point == domain.CommitSeconds && !h.first.IsZero() && h.first.Add(h.commit.Time).Sub(now) <= d
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

// commitHeader is where a caller that may choose says when its stream is committed.
const commitHeader = "X-Turnout-Commit"

// commitPoint is when the request's stream is committed: as the caller says, if its
// key may, else as the key says, else as the pool says.
func (x *exchange) commitPoint(r *http.Request) (domain.Commit, error) {
	const op = "read the header x-turnout-commit"
	if asked := first(r.Header, commitHeader); asked != "" {
		if !slices.Contains(x.key.Overrides, domain.OverrideCommit) {
			return domain.Commit{}, domain.Errorf(domain.KindForbidden, op, "this key may not choose its commit point; leave the header x-turnout-commit out, or ask the operator for overrides: [commit]")
		}
		c, err := domain.ParseCommit(asked)
		if err != nil {
			return c, domain.Errorf(domain.KindInvalid, op, "x-turnout-commit is first_event, content, complete, tokens=N (1 to %d) or seconds=T (0.001 to %d)",
				domain.MaxCommitTokens, int(domain.MaxCommitTime.Seconds()))
		}
		return c, nil
	}
	if x.key.Commit != nil {
		return *x.key.Commit, nil
	}
	return x.pools[0].commit, nil
}
