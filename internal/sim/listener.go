package sim

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// listener accepts connections, completes their TLS handshakes, and keeps them
// so that they can be broken.
type listener struct {
	net.Listener
	config *tls.Config // nil: plain
	ready  chan net.Conn
	done   chan struct{}
	once   sync.Once
	err    error // of the accept loop, once ready is not fed any more
	ended  chan struct{}

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	refusing int
	work     sync.WaitGroup // the accept loop, handshakes and refused connections
}

const handshakeLimit = 10 * time.Second

func newListener(ln net.Listener, config *tls.Config) *listener {
	l := &listener{
		Listener: ln, config: config, ready: make(chan net.Conn), done: make(chan struct{}), ended: make(chan struct{}),
		conns: map[net.Conn]struct{}{},
	}
	l.work.Go(l.loop)
	return l
}

func (l *listener) loop() {
	defer close(l.ended)
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			l.err = err
			return
		}
		conn := l.keep(raw)
		if l.config == nil {
			l.offer(conn)
			continue
		}
		l.work.Go(func() { l.handshake(tls.Server(conn, l.config)) })
	}
}

func (l *listener) handshake(conn *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return
	}
	if conn.ConnectionState().NegotiatedProtocol == "h2" && l.refuses() {
		refuseStream(conn)
		_ = conn.Close()
		return
	}
	l.offer(conn)
}

// offer hands a connection to Accept.
func (l *listener) offer(conn net.Conn) {
	select {
	case l.ready <- conn:
	case <-l.done:
		_ = conn.Close()
	}
}

// Accept gives the next connection that is ready for HTTP.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.ready:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-l.ended:
		return nil, l.err
	}
}

// Close stops accepting. Connections stay.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		err = l.Listener.Close()
	})
	return err
}

// wait returns when nothing runs any more; to be called after Close and closeAll.
func (l *listener) wait() { l.work.Wait() }

func (l *listener) refuse(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing = n
}

func (l *listener) refuses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusing == 0 {
		return false
	}
	l.refusing--
	return true
}

// keep registers a connection until it is closed. One that arrives during the
// close is closed at once.
func (l *listener) keep(raw net.Conn) net.Conn {
	c := &keptConn{Conn: raw, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		_ = raw.Close()
	default:
		l.conns[c] = struct{}{}
	}
	return c
}

func (l *listener) closeAll() {
	l.mu.Lock()
	conns := l.conns
	l.conns = map[net.Conn]struct{}{}
	l.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
}

// keptConn forgets itself in its listener when it is closed.
type keptConn struct {
	net.Conn

	of *listener
}

func (c *keptConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// SetLinger passes on what decides whether a close is a reset. A connection that
// cannot be reset is closed in order.
func (c *keptConn) SetLinger(sec int) error {
	if t, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return t.SetLinger(sec)
	}
	return nil
}

// CloseWrite is what net/http asks for before it closes a connection whose last
// answer has to arrive.
func (c *keptConn) CloseWrite() error {
	if t, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return t.CloseWrite()
	}
	return nil
}
