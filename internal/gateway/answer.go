package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// requestIDHeader names the request on every answer.
const requestIDHeader = "X-Turnout-Request-Id"

// modelHeader names the model that answered, where it is not the one that was asked for.
const modelHeader = "X-Turnout-Model"

// answer is what goes to the caller. It keeps two points apart: opened (status and
// headers have gone) and committed (content has gone, and one attempt owns the answer from
// then on). Several attempts may race for the commit; one wins. Safe for
// concurrent use.
type answer struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	wait time.Duration // how long the caller may take to read what was written before it counts as gone

	ownSeat bool        // the account is the caller's own, and so are its limits
	array   *arrayFrame // the stream goes out as a JSON array; nil: as events

	mu        sync.Mutex
	opened    bool
	unsent    bool // it is opened as a stream, and its header is still to go out with the first bytes
	committed *attempt
	plain     bool // what was committed is no stream: nothing of Turnout's own may stand within it
	ended     bool // nothing more may be written
	failed    error
	written   int64
	deadline  time.Time // of the next write
	lastSign  time.Time // the last write that the caller takes for a sign of life
	midEvent  bool      // the last bytes written did not end an event

	// Keep-alives of a stream that has nothing to say.
	alive  keepAlive
	within []byte // the open block's own sign of life; nil: none is open
	sent   int    // keep-alives that went out
	timer  *time.Timer
}

// writeMode says what a write is.
type writeMode uint8

// The modes, which add up.
const (
	writeWhole writeMode = 1 << iota // it ends an event
	writeFlush                       // it goes out at once
	writeQuiet                       // it holds nothing but the upstream's own signs of life
)

func newAnswer(w http.ResponseWriter, wait time.Duration) *answer {
	return &answer{w: w, rc: http.NewResponseController(w), wait: wait}
}

// startKeepAlives opens the answer as an event stream once it has been silent for
// so long, and gives signs of life as long as it stays silent between events.
func (a *answer) startKeepAlives(k keepAlive) {
	if k.every <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alive, a.lastSign = k, time.Now()
	a.timer = time.AfterFunc(k.every, a.tick)
}

// streamType is the media type of a stream.
func (a *answer) streamType() string {
	if a.array != nil {
		return "application/json; charset=utf-8"
	}
	return eventStream + "; charset=utf-8"
}

// inside tells what is a sign of life inside the block that is open now; nil: none is.
func (a *answer) inside(event []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.within = event
}

func (a *answer) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.plain || a.failed != nil {
		return
	}
	wait := a.alive.every - time.Since(a.lastSign)
	if wait <= 0 {
		wait = a.alive.every
		if !a.midEvent {
			if !a.opened {
				a.open(nil, http.StatusOK, a.streamType())
			}
			event := a.alive.between
			if a.alive.inside && a.within != nil {
				event = a.within
			}
			a.put(event)
			a.flush()
			a.lastSign = time.Now()
			a.sent++
		}
	}
	a.timer.Reset(wait)
}

// end stops the keep-alives; nothing is written afterwards.
func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended && a.array != nil && a.committed != nil && a.failed == nil {
		a.send(a.array.end())
	}
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// commit makes at the owner of the answer, unless another attempt has become that.
// On the first commit the headers go out if they have not yet. A keep-alive may have opened
// the answer as an event stream: then nothing else can be sent any more, and opened is true. An array is JSON from its
// beginning, and takes any answer.
func (a *answer) commit(at *attempt, header http.Header, status int, contentType string, length int64) (owns, opened bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.committed != nil || a.ended {
		if at.joint != nil && !a.ended {
			a.committed = at // the answer that broke becomes its
		}
		return a.committed == at && !a.ended, false
	}
	if a.opened && !isEventStream(contentType) && a.array == nil {
		return false, true
	}
	a.committed, a.plain = at, !isEventStream(contentType)
	if a.array != nil && a.plain {
		a.array.plain, length = true, -1 // brackets may have to go around it
	}
	notes := at.notes()
	for name, values := range notes {
		a.w.Header()[name] = values // once the header has gone, for a WebSocket alone
	}
	if a.opened {
		a.late(at.x.d.ID(), notes)
	}
	if !a.opened {
		if length >= 0 {
			a.w.Header()["Content-Length"] = []string{strconv.FormatInt(length, 10)}
		}
		if a.array != nil && isEventStream(contentType) {
			contentType = a.streamType()
		}
		a.open(header, status, contentType)
	}
	return true, false
}

// notes are what the header of an answer says of Turnout's own; nil: nothing.
func (at *attempt) notes() (h http.Header) {
	add := func(name string, values []string) {
		if h == nil {
			h = http.Header{}
		}
		h[name] = values
	}
	if len(at.warnings) > 0 {
		add(warningHeader, fewer(at.warnings))
	}
	if at.target.fallback {
		add(modelHeader, []string{at.cand.Sent})
	}
	if at.x.key.Decision {
		add(decisionHeader, []string{at.decided()})
	}
	return h
}

// Bounds of what a header says in warnings: Python's client takes 100 headers, and proxies put all of them into 4 KiB.
const (
	maxWarnings     = 40
	maxWarningBytes = 5 << 9
)

// fewer are as many of the warnings as a header has room for; the record has more.
func fewer(warnings []string) []string {
	size := 0
	for i, w := range warnings {
		if size += len(w) + len(warningHeader) + len(": \r\n"); size > maxWarningBytes || i == maxWarnings {
			out := append([]string(nil), warnings[:i]...)
			return append(out, "and "+strconv.Itoa(len(warnings)-i)+" more; see the record of this request")
		}
	}
	return warnings
}

// late says what a header would have, when a sign of life has opened the answer before; the lock is held. Comments are passed over by
// every reader of events but Google's, which the trailer is left for.
func (a *answer) late(d domain.Dialect, notes http.Header) {
	for name, values := range notes {
		if a.array != nil || d == domain.DialectGeminiContent {
			a.w.Header()[http.TrailerPrefix+name] = values
			continue
		}
		for _, v := range values {
			a.put([]byte(": " + strings.ToLower(name) + ": " + v + "\n\n"))
		}
	}
}

func isEventStream(contentType string) bool {
	return strings.HasPrefix(contentType, eventStream)
}

// open sends status and headers; the lock is held.
func (a *answer) open(upstreamHeader http.Header, status int, contentType string) {
	a.opened = true
	h := a.w.Header()
	if upstreamHeader != nil {
		upstream.AnswerHeader(upstreamHeader, h)
		if a.ownSeat {
			upstream.OwnLimits(upstreamHeader, h)
		}
	}
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	if isEventStream(contentType) || a.array != nil {
		// Proxies in between must neither keep nor gather the events.
		h["Cache-Control"] = []string{"no-cache"}
		h["X-Accel-Buffering"] = []string{"no"}
		a.unsent = true
	}
	a.w.WriteHeader(status)
}

// put writes bytes of a stream, or of a JSON answer; the lock is held.
func (a *answer) put(p []byte) {
	if a.array != nil && len(p) > 0 {
		p = a.array.add(p)
	}
	a.send(p)
}

// send writes bytes as they are; the lock is held.
func (a *answer) send(p []byte) {
	if a.failed != nil || len(p) == 0 {
		return
	}
	now := time.Now()
	if a.deadline.Sub(now) < a.wait-a.wait/8 { // moved now and then, not with every write
		a.deadline = now.Add(a.wait)
		_ = a.rc.SetWriteDeadline(a.deadline) // a writer without deadlines blocks as long as it likes
	}
	n, err := a.w.Write(p)
	a.written += int64(n)
	a.failed = err
}

func (a *answer) flush() {
	if a.failed == nil {
		a.failed = a.rc.Flush()
		a.unsent = false
	}
}

// write sends bytes of the committed answer. The error means that the caller is gone.
func (a *answer) write(mode writeMode, parts ...[]byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unsent {
		a.first(mode, parts)
	} else {
		a.sendAll(mode, parts)
	}
	return a.failed
}

// first sends the first bytes of a stream, and with them its header, for which net/http needs 4 KiB of stack and more.
//
//go:noinline
func (a *answer) first(mode writeMode, parts [][]byte) {
	parts = append([][]byte(nil), parts...) // so that those of every other write need not be allocated
	apart(func() { a.sendAll(mode, parts) })
}

// apart runs f in a goroutine of its own and waits for it. A goroutine keeps the stack that it has needed once, and stacks
// double: so what an open stream's goroutine needs much stack for, it does apart, or it would hold 16 KiB in place
// of 8 for as long as the stream lasts (a test holds it to that).
func apart(f func()) {
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	if p := <-done; p != nil {
		panic(p) // where the request's own net is
	}
}

// sendAll writes and flushes; the lock is held.
func (a *answer) sendAll(mode writeMode, parts [][]byte) {
	for _, p := range parts {
		a.put(p)
	}
	a.midEvent = mode&writeWhole == 0
	// Some clients take a ping inside a block for silence.
	if a.timer != nil && (mode&writeQuiet == 0 || !a.alive.inside || a.within == nil) {
		a.lastSign = time.Now()
	}
	if mode&writeFlush != 0 {
		a.flush()
	}
}

// state tells what the caller has seen so far.
func (a *answer) state() (opened, committed bool, written int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened, a.committed != nil, a.written
}

// keepAlives is how many signs of life of Turnout's own have gone out.
func (a *answer) keepAlives() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

// owner is the attempt that owns the answer, or nil.
func (a *answer) owner() *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed
}

// fail ends the answer with an error: a status if nothing was opened, otherwise the
// dialect's own event. before runs under the lock on headers that are not yet sent.
func (a *answer) fail(stream bool, status int, body, event []byte, before func(http.Header)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
	switch {
	case !a.opened:
		a.opened = true
		before(a.w.Header())
		h := a.w.Header()
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		a.w.WriteHeader(status)
		a.send(body)
	case stream && !a.plain:
		if a.midEvent {
			a.put([]byte("\n\n"))
		}
		a.put(event)
		if a.array != nil {
			a.send(a.array.end())
		}
		a.flush()
	default:
		// A JSON answer that broke in the middle has no way to say so but a broken
		// connection; a clean end would look like a whole answer.
		a.failed = http.ErrAbortHandler
	}
}

// aborted reports whether the connection has to be broken, because the answer broke
// and its protocol has no other way to say so.
func (a *answer) aborted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Is(a.failed, http.ErrAbortHandler)
}
