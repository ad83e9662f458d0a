package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBytes is what one direction holds before writing waits.
const pipeBytes = 64 << 10

// pipe is one direction of a connection: one end writes, the other reads.
type pipe struct {
	mu    sync.Mutex
	moved sync.Cond // something below changed
	data  []byte
	ended bool // the writer is done: the reader gets io.EOF after the data
	gone  bool // the reader is done: writing is in vain
	reset bool // both at once, and the data is lost
	read  deadline
	write deadline
}

func newPipe() *pipe {
	p := &pipe{}
	p.moved.L = &p.mu
	return p
}

// deadline is a moment after which one end's calls fail. Guarded by the pipe's mu.
type deadline struct {
	timer  *time.Timer
	passed bool
	era    int // of the timer: one that was replaced says nothing
}

func (p *pipe) setDeadline(d *deadline, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.era++
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		p.moved.Broadcast()
		return
	}
	era := d.era
	d.timer = time.AfterFunc(left, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if d.era == era {
			d.passed = true
			p.moved.Broadcast()
		}
	})
}

func (p *pipe) take(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.gone:
			return 0, net.ErrClosed
		case p.reset:
			return 0, syscall.ECONNRESET
		case p.read.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p.data) > 0 || len(b) == 0:
			n := copy(b, p.data)
			if p.data = p.data[n:]; len(p.data) == 0 {
				p.data = nil
			}
			p.moved.Broadcast()
			return n, nil
		case p.ended:
			return 0, io.EOF
		}
		p.moved.Wait()
	}
}

func (p *pipe) put(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.ended:
			return n, net.ErrClosed
		case p.reset:
			return n, syscall.ECONNRESET
		case p.gone:
			return n, syscall.EPIPE
		case p.write.passed:
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		}
		if room := pipeBytes - len(p.data); room > 0 {
			k := min(room, len(b))
			p.data = append(p.data, b[:k]...)
			b, n = b[k:], n+k
			p.moved.Broadcast()
			continue
		}
		p.moved.Wait()
	}
}

// end changes the pipe and wakes whoever waits.
func (p *pipe) end(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.moved.Broadcast()
}

// stop ends one end's deadline, so that no timer outlives its connection.
func (p *pipe) stop(d *deadline) { p.setDeadline(d, time.Time{}) }
