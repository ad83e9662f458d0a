package gateway

import (
	"bytes"
	"context"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// A caller gets the end of an answer once that has been settled, and pays what the upstream states also when it leaves just before. Both
// mean to read on for a moment when all that the caller wants has come.

// The longest such moments.
const (
	tailPatience  = 2 * time.Second // for the usage behind the last event of a protocol that has no terminal one
	leavePatience = 2 * time.Second // for the usage of a finished answer whose caller has left
)

// How much of the end of an answer that is passed through is held back until it has been settled, in bytes. Behind the usage of a JSON answer there stand
// metadata at most, which OpenAI bounds to 16 values of 512 characters.
const (
	wholeTail  = 32 << 10
	copiedTail = 256
)

// usageAtEnd finds the usage that a JSON answer states of which only the end is there. It has to be the answer's own: what follows it closes
// that, and nothing within it.
func usageAtEnd(d dialect.Dialect, end []byte) (u domain.Usage) {
	for to := len(end); ; {
		i := bytes.LastIndex(end[:to], []byte(`"usage`))
		if i < 0 {
			return u
		}
		if a := d.Whole(append([]byte{'{'}, end[i:]...)); a.Valid && a.Usage.Reported {
			return a.Usage
		}
		if to = i; len(end)-i > wholeTail {
			return u
		}
	}
}

// tail is the end of a stream without a terminal event, which is held back until it has been settled.
type tail struct {
	held  []byte
	over  bool // it has gone out, or goes out with the body's end
	timer *time.Timer
}

func (t *tail) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// take gives over what is held.
func (t *tail) take() []byte {
	out := t.held
	t.held, t.over = nil, true
	t.stop()
	return out
}

// tailing takes an event that goes to the caller in: into the tail, if all that has begun is finished and its usage is not known, else to the others.
func (r *relayer) tailing(raw []byte, size int) {
	if r.late == nil || r.tail.over {
		r.done += size
		return
	}
	if !r.reader.Finished() {
		if len(r.tail.held) > 0 { // another candidate has begun
			r.pass(r.done)
			if held := r.tail.held; r.owns {
				r.unflushed = true
				_ = r.at.x.ans.write(0, r.hold.release(), held) // the error stays with the answer
			} else {
				r.keep(held)
			}
			r.tail.held = nil
			r.tail.stop()
			r.tail.timer = nil
		}
		r.done += size
		return
	}
	r.pass(r.done)
	r.tail.held = append(r.tail.held, raw...)
	r.done += size
	r.sent = r.done
	if r.tail.timer == nil {
		r.tail.timer = time.AfterFunc(tailPatience, r.tailDue)
	}
}

// endTail settles and lets the end go, once its usage is stated.
func (r *relayer) endTail(stated bool) error {
	if !stated || !r.owns {
		return nil
	}
	r.settle()
	return r.at.x.ans.write(writeWhole|writeFlush, r.hold.release(), r.tail.take())
}

// tailDue lets the end go for which no usage came.
func (r *relayer) tailDue() {
	r.hold.mu.Lock()
	defer r.hold.mu.Unlock()
	if !r.hold.over && len(r.tail.held) > 0 {
		_ = r.endTail(true) // a caller that is gone is noticed at the next write
	}
}

// leave reads on for a moment after the caller has left.
func (r *relayer) leave() {
	if !r.gone {
		r.gone = true
		r.at.finishing.Store(true)
		if r.at.x.ctx.Err() == nil { // else the moment has begun
			r.at.watch.Progress(upstream.LimitFinish, leavePatience)
		}
	}
}

// follow makes the attempt's context, which ends with the caller's; but that of a stream which has finished, a moment later.
func (at *attempt) follow(caller context.Context, stream bool) {
	if !stream {
		at.ctx, at.cancel = context.WithCancelCause(caller)
		return
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(caller))
	stop := context.AfterFunc(caller, func() {
		if at.finishing.Load() {
			at.watch.Progress(upstream.LimitFinish, leavePatience)
			return
		}
		cancel(context.Cause(caller))
	})
	at.ctx, at.cancel = ctx, func(cause error) { stop(); cancel(cause) }
}
