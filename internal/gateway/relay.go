package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/upstream"
)

// Bounds of what a relay reads at a time.
const (
	relayBuffer = 2 << 10  // while a stream is slow; grows to the longest event
	relayBurst  = 32 << 10 // while more arrives than that at a time
	maxEvent    = 16 << 20 // bytes of one event
)

var (
	relayPool = sync.Pool{New: func() any { b := make([]byte, relayBuffer); return &b }}
	burstPool = sync.Pool{New: func() any { b := make([]byte, relayBurst); return &b }}
)

// relayer passes a stream on, event by event, and reads it as it passes. Until the
// commit its events are held back (hold.go). All events that arrive together go out together.
type relayer struct {
	at     *attempt
	resp   *http.Response
	reader dialect.Reader
	conv   *conversion // to the caller's dialect; nil: what arrives goes on as it came
	buf    []byte
	small  []byte  // the buffer that the stream keeps
	pooled *[]byte // what holds it in the pool
	burst  *[]byte // the larger one, while it is in use
	n      int     // bytes in buf
	done   int     // bytes of buf that were read as events
	sent   int     // bytes of buf that were written or dropped

	hold      hold // until owns
	owns      bool
	patient   bool // nobody else could take over what is held back
	unflushed bool // something was written and not yet flushed
	quiet     bool // nothing but signs of life since the last flush
	alive     []byte
	gaps      gaps
	last      time.Time
	ended     bool
	grown     int // how often the holding was looked at

	late dialect.Late // the reader, if nothing of its protocol comes behind the end; nil: there is
	tail tail
	gone bool // the caller has left, and what is still read is for the books alone
}

func (at *attempt) relay(resp *http.Response) result {
	r := newRelayer(at, resp)
	at.follows()
	if at.codec != nil || at.joint != nil {
		if r.conv = newConversion(at); r.conv == nil {
			r.close()
			return resultLost
		}
		r.late = nil // its end is written at the body's
	}
	res := r.run()
	r.close()
	return res
}

//go:noinline
func newRelayer(at *attempt, resp *http.Response) *relayer {
	p := relayPool.Get().(*[]byte)
	req := &at.x.req
	if at.codec != nil || at.joint != nil {
		req = &dialect.Request{Stream: true, Model: at.cand.Sent} // it hides nothing: all of it is read
	}
	var reader dialect.Reader
	if at.x.path == "" {
		reader = at.d.NewReader(req)
	} else {
		further := &dialect.FurtherReader{Hide: req.HideUsage}
		if m, ok := at.d.(dialect.Meter); ok {
			further.ReadUsage = m.ReadUsage
		}
		reader = further
	}
	late, _ := reader.(dialect.Late)
	return &relayer{
		late: late, at: at, resp: resp, reader: reader, buf: *p, small: *p, pooled: p, last: time.Now(),
		hold: hold{commit: at.x.commit, budget: at.x.g.deps.Bodies},
	}
}

// close takes the usage over and gives the buffers back.
//
//go:noinline
func (r *relayer) close() {
	r.hold.mu.Lock()
	r.hold.release()
	r.hold.timer = nil
	r.tail.stop()
	r.hold.mu.Unlock()
	r.at.usage = r.at.plausible(r.reader.Usage())
	if named, ok := r.reader.(dialect.Named); ok {
		r.at.answerID = named.ID()
	}
	from := any(r.reader)
	if r.conv != nil {
		from = r.conv.enc
	}
	if c, ok := from.(dialect.Counter); ok {
		r.at.nextEvent = c.Next()
	}
	if r.at.said != nil {
		r.at.said.ended(r.reader.Open())
	}
	r.calm()
	relayPool.Put(r.pooled)
}

func (r *relayer) run() result {
	at := r.at
	at.watch.Until(upstream.LimitFirstToken, at.limits.content)
	for {
		if r.n == len(r.buf) && !r.room() {
			return at.failClass(failover.StreamCut, "stream.event-too-long", "an event is too long")
		}
		n, err := r.resp.Body.Read(r.buf[r.n:])
		r.hold.mu.Lock()
		res, stop := r.arrived(n, err)
		r.hold.over = stop
		r.hold.mu.Unlock()
		if stop {
			if r.ended {
				return r.drain()
			}
			return res
		}
	}
}

// arrived takes n more bytes of the stream in, and its end; the hold's lock is held.
func (r *relayer) arrived(n int, err error) (res result, stop bool) {
	r.n += n
	if n > 0 {
		full := r.n == len(r.buf)
		if res, stop := r.events(); stop {
			return res, true
		}
		switch {
		case full && len(r.buf) == relayBuffer:
			r.hurry()
		case !full && n < relayBuffer && r.n-r.sent <= relayBuffer/2:
			r.calm()
		}
	}
	if err != nil {
		return r.over(err), true
	}
	return 0, false
}

// hurry changes to a larger buffer: a stream that filled the small one has more to
// say, and fewer, larger writes cost less. The small one is kept for the silences, which are
// most of a stream's life.
func (r *relayer) hurry() {
	r.burst = burstPool.Get().(*[]byte)
	r.move(*r.burst)
}

// calm changes back to the small buffer.
func (r *relayer) calm() {
	if len(r.buf) == relayBuffer {
		return
	}
	if r.n-r.sent <= relayBuffer {
		r.move(r.small)
	}
	if r.burst != nil && len(r.buf) != relayBurst {
		burstPool.Put(r.burst)
		r.burst = nil
	}
}

// move takes what is not yet sent over to another buffer.
func (r *relayer) move(to []byte) {
	copy(to, r.buf[r.sent:r.n])
	r.buf, r.n, r.done, r.sent = to, r.n-r.sent, r.done-r.sent, 0
}

// room makes place in the buffer: what was sent goes, then the buffer grows.
func (r *relayer) room() bool {
	if r.sent > 0 {
		copy(r.buf, r.buf[r.sent:r.n])
		r.n, r.done, r.sent = r.n-r.sent, r.done-r.sent, 0
		return true
	}
	if len(r.buf) >= maxEvent {
		return false
	}
	r.move(make([]byte, 2*len(r.buf)))
	return true
}

// events reads all whole events that have arrived and writes them in one go.
func (r *relayer) events() (res result, stop bool) {
	at := r.at
	now := time.Now()
	if r.owns || !r.hold.first.IsZero() {
		r.gaps.add(now.Sub(r.last))
	}
	r.last = now
	r.quiet = true
	for {
		size := dialect.EndOfEvent(r.buf[r.done:r.n])
		if size == 0 {
			break
		}
		raw := r.buf[r.done : r.done+size]
		ev := r.reader.Event(raw)
		at.events++
		at.text += int64(ev.Text)
		switch ev.Kind {
		case dialect.EventError:
			_ = r.flush()
			if len(r.tail.held) > 0 {
				return r.over(io.EOF), true // the answer was whole before
			}
			return at.failBody(r.resp.Header, ev.Data), true
		case dialect.EventMalformed:
			if !r.owns || r.reader.Open() != dialect.OpenNone {
				// A lost delta inside a block would corrupt it, a tool call above all; and as
				// long as nothing has gone out another account can do better.
				_ = r.flush()
				return at.failClass(failover.StreamCut, "stream.malformed", "an event cannot be read"), true
			}
			r.drop(size)
			continue
		case dialect.EventHidden:
			r.drop(size)
			continue
		case dialect.EventPing:
			if !r.owns && ev.Counted && r.conv == nil {
				r.done += size // held back, it keeps the numbers whole, and counts for nothing
				continue
			}
			if !r.owns {
				r.drop(size) // held back it would be worth nothing, and keep-alives of our own go out meanwhile
				continue
			}
		case dialect.EventContent:
			at.deltas++
		case dialect.EventNote, dialect.EventFinish:
			if at.x.makes() && bytes.Contains(ev.Data, []byte("container")) {
				r.own(ev.Data)
			}
		case dialect.EventEnd:
			if r.reader.Finished() && at.x.makes() {
				r.own(ev.Data)
			}
			if !r.reader.Finished() {
				// Whole means that the finish reason was seen: this end is not passed on.
				_ = r.flush()
				return r.over(io.EOF), true
			}
		}
		if ev.Cut.Present() {
			r.pass(r.done + ev.Cut.Start) // a caller that is gone is noticed at the flush
			r.sent = r.done + ev.Cut.End
		}
		if r.conv != nil {
			if err := r.conv.event(raw, ev.Kind); err != nil {
				_ = r.flush()
				return at.unsaid(err), true
			}
		} else if at.said != nil {
			at.said.event(raw)
		}
		r.tailing(raw, size)
		r.quiet = r.quiet && ev.Kind == dialect.EventPing
		if !r.owns {
			if res, ok := r.holding(ev.Kind, now); !ok {
				return res, true
			}
		}
		if ev.Kind == dialect.EventEnd {
			r.ended = true
			break
		}
	}
	if r.ended {
		r.settle()
	}
	err := r.flush()
	if err == nil && len(r.tail.held) > 0 {
		err = r.endTail(r.late.Stated())
	}
	if err != nil {
		if !r.ended && r.reader.Finished() && r.owns {
			r.leave() // what it has taken is about to be stated
			return 0, false
		}
		r.ended = false
		return resultLeft, true
	}
	if n := at.tokens(); int(n/growEvery) != r.grown {
		r.grown = int(n / growEvery)
		at.x.holding.Grow(at.ctx, at.cand.Account, at.cand.Sent, n, now)
	}
	if r.ended {
		return resultServed, true
	}
	switch {
	case r.reader.Finished():
		at.finishing.Store(r.owns)
		if at.x.ctx.Err() == nil { // else it has its moment already
			at.watch.Progress(upstream.LimitFinish, at.x.pools[0].limits.Finish)
		}
	case r.owns || !r.hold.first.IsZero():
		at.watch.Progress(upstream.LimitStall, stallLimit(&at.x.pools[0].limits, r.reader.Open(), r.owns || r.patient || r.hold.endsSoon(now, at.x.pools[0].limits.TextLeast), at.plat.Pings, &r.gaps))
	}
	return 0, false
}

// holding counts an event that is held back, and commits when it is time to. Where
// that cannot be, ok is false and res is how the attempt ends.
func (r *relayer) holding(kind dialect.EventKind, now time.Time) (res result, ok bool) {
	if r.at.joint != nil {
		return r.joining(kind, now)
	}
	h := &r.hold
	if kind == dialect.EventContent && h.first.IsZero() {
		h.first = now
		r.at.firstContent = now.Sub(r.at.began)
		if h.commit.Point > domain.CommitFirstEvent {
			r.at.watch.NoSoft() // it is not slow; it is not shown
			r.patient = r.at.x.alternative(r.at.cand.ID) == nil && !r.at.x.hasFallback(failover.StreamStalled)
			if d := h.patience(); d > 0 {
				h.timer = time.AfterFunc(d, r.timeUp)
			}
		}
	}
	if !h.due(kind, len(h.buf)+r.ready()) {
		return 0, true
	}
	return r.commit()
}

func (r *relayer) commit() (res result, ok bool) {
	if r.at.x.req.Stored {
		r.own(nil)
	}
	if res, ok = r.at.commit(r.resp, -1); ok {
		r.owns = true
		r.at.heldBound = r.hold.bound
	}
	return res, ok
}

// own remembers what the stream has made at the account.
//
//go:noinline
func (r *relayer) own(data []byte) {
	if named, ok := r.reader.(dialect.Named); ok {
		r.at.answerID = named.ID()
	}
	r.at.made(data)
}

// timeUp ends a hold whose time is over, while the relay waits for more.
func (r *relayer) timeUp() {
	h := &r.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.owns || h.over || h.timer == nil {
		return
	}
	if h.commit.Point != domain.CommitSeconds {
		h.bound = "time"
	}
	if _, ok := r.commit(); ok {
		r.at.watch.Progress(upstream.LimitStall, stallLimit(&r.at.x.pools[0].limits, r.reader.Open(), true, r.at.plat.Pings, &r.gaps))
		r.tellBlock()
		_ = r.at.x.ans.write(writeWhole|writeFlush, h.release()) // a caller that is gone is noticed at the next write
	}
}

// ready is how many bytes wait to be written or held.
func (r *relayer) ready() int {
	if r.conv != nil {
		return len(r.conv.out)
	}
	return r.done - r.sent
}

// take gives what of the stream up to end goes to the caller. It is good until more is read.
func (r *relayer) take(end int) []byte {
	part := r.buf[r.sent:end]
	r.sent = end
	if r.conv != nil {
		part = r.conv.take()
	}
	return part
}

// keepAlive is the sign of life inside the block that is open.
func (r *relayer) keepAlive() []byte {
	if r.conv != nil {
		return r.conv.enc.KeepAlive()
	}
	return r.reader.KeepAlive()
}

// pass writes or holds what was read up to end.
func (r *relayer) pass(end int) {
	part := r.take(end)
	if len(part) == 0 {
		return
	}
	if !r.owns {
		r.keep(part)
		return
	}
	r.unflushed = true
	_ = r.at.x.ans.write(0, r.hold.release(), part) // the error stays with the answer
}

// keep holds a part back; where there is no memory for it the hold ends with it.
func (r *relayer) keep(part []byte) {
	if !r.hold.add(part) && r.hold.bound == "" {
		r.hold.bound = "memory"
	}
}

// flush passes everything that was read on, and out.
func (r *relayer) flush() error {
	if !r.owns && r.hold.bound != "" {
		_, _ = r.commit() // if it cannot be, the attempt has been overtaken and is being cancelled
	}
	if r.ready() == 0 && !r.unflushed && (!r.owns || r.hold.buf == nil) {
		r.sent = r.done
		return nil
	}
	r.unflushed = false
	part := r.take(r.done)
	if r.sent == r.n {
		r.n, r.done, r.sent = 0, 0, 0
	}
	if !r.owns {
		r.keep(part)
		return nil
	}
	mode := writeWhole | writeFlush
	if r.quiet {
		mode |= writeQuiet
	}
	r.tellBlock()
	return r.at.x.ans.write(mode, r.hold.release(), part)
}

// tellBlock tells the answer what a sign of life is in the block that is open now.
func (r *relayer) tellBlock() {
	if alive := r.keepAlive(); len(alive) != len(r.alive) || len(alive) > 0 && &alive[0] != &r.alive[0] {
		r.alive = alive
		r.at.x.ans.inside(alive)
	}
}

// settle settles what the whole stream has used, before its end goes out.
func (r *relayer) settle() {
	if r.owns {
		r.at.usage = r.at.plausible(r.reader.Usage())
		r.at.x.charge(r.at, r.at.usageOf(), true)
	}
}

// drop leaves the next size bytes out.
func (r *relayer) drop(size int) {
	r.pass(r.done)
	r.done += size
	r.sent = r.done
}

// over ends a stream whose body ended (err is io.EOF) or broke.
func (r *relayer) over(err error) result {
	at := r.at
	fault := (*upstream.Fault)(nil)
	if !errors.Is(err, io.EOF) {
		fault = upstream.FaultOf(at.ctx, err)
		switch fault.Kind {
		case upstream.FaultCaller:
			return resultLeft
		case upstream.FaultLost:
			return resultLost
		}
	}
	if r.reader.Finished() {
		// The finish reason was seen: the answer is whole, only its end is missing.
		closing := r.reader.Closing()
		if r.conv != nil {
			if err := r.conv.close(); err != nil {
				return at.unsaid(err)
			}
			closing = r.conv.take()
		}
		if !r.owns {
			if res, ok := r.commit(); !ok {
				return res
			}
		}
		r.settle()
		if at.x.ans.write(writeWhole|writeFlush, r.hold.release(), r.tail.take(), closing) != nil {
			return resultLeft
		}
		return resultServed
	}
	switch {
	case fault != nil:
		return at.failFault(fault)
	case at.events == 0 || !r.owns && r.hold.events == 0:
		return at.failClass(failover.EmptyAnswer, "stream.empty", "a stream without events")
	case !r.owns && r.hold.first.IsZero():
		return at.failClass(failover.EmptyAnswer, "stream.no-content", "a stream that ends without content and without a finish reason")
	}
	return at.failClass(failover.StreamCut, "stream.cut", "the stream ended without a finish reason")
}

// drain reads what follows the terminal event, so that the connection can be used
// again. The caller has everything already.
func (r *relayer) drain() result {
	r.at.watch.Progress(upstream.LimitFinish, endPatience)
	var rest [256]byte
	for range 4 {
		if _, err := r.resp.Body.Read(rest[:]); err != nil {
			break
		}
	}
	return resultServed
}
