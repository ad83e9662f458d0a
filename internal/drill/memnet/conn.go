package memnet

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Conn is one end of a connection. It has the methods of a *net.TCPConn that servers
// and clients look for.
type Conn struct {
	in, out       *pipe
	local, remote addr

	mu     sync.Mutex
	abrupt bool // Close resets
	closed bool
}

func connect(near, far addr) (a, b *Conn) {
	there, back := newPipe(), newPipe()
	return &Conn{in: back, out: there, local: near, remote: far}, &Conn{in: there, out: back, local: far, remote: near}
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.take(b)
	return n, c.wrap("read", err)
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.put(b)
	return n, c.wrap("write", err)
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// SetLinger says how Close ends the connection: 0 resets it, as with a socket.
func (c *Conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abrupt = sec == 0
	return nil
}

// CloseWrite ends what this end sends; it may go on reading.
func (c *Conn) CloseWrite() error {
	c.out.end(func() { c.out.ended = true })
	return nil
}

// Close implements net.Conn. The other end reads what was sent and then the end, or
// an error if the connection is reset.
func (c *Conn) Close() error {
	c.mu.Lock()
	abrupt, again := c.abrupt, c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return &net.OpError{Op: "close", Net: "tcp", Source: c.local, Addr: c.remote, Err: net.ErrClosed}
	}
	c.in.stop(&c.in.read)
	c.out.stop(&c.out.write)
	c.in.end(func() {
		c.in.gone, c.in.data = true, nil
		c.in.reset = c.in.reset || abrupt
	})
	c.out.end(func() {
		c.out.ended = true
		if abrupt {
			c.out.reset, c.out.data = true, nil
		}
	})
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	c.out.setDeadline(&c.out.write, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.write, t)
	return nil
}
