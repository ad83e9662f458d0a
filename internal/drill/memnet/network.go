package memnet

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// firstPort is where ports that nobody chose begin.
const firstPort = 20_000

// backlog is how many connections wait to be accepted before dialling waits.
const backlog = 1024

// Network is one network. The zero value is ready. Safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	port      int
}

// Listen listens at host:port; port 0 takes a free one.
func (n *Network) Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen in memory: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		n.port++
		port = strconv.Itoa(firstPort + n.port)
	}
	l := &listener{of: n, at: addr(net.JoinHostPort(host, port)), queue: make(chan *Conn, backlog), done: make(chan struct{})}
	if n.listeners[string(l.at)] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: l.at, Err: syscall.EADDRINUSE}
	}
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	n.listeners[string(l.at)] = l
	return l, nil
}

// Dial connects to host:port, as net.Dialer.DialContext does.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	n.mu.Lock()
	l := n.listeners[address]
	n.port++
	local := addr("127.0.0.1:" + strconv.Itoa(firstPort+n.port))
	n.mu.Unlock()
	if l == nil {
		host, _, err := net.SplitHostPort(address)
		if err == nil && net.ParseIP(host) == nil {
			err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		} else if err == nil {
			err = syscall.ECONNREFUSED
		}
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	near, far := connect(local, l.at)
	select {
	case l.queue <- far:
		return near, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.at, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.at, Err: ctx.Err()}
	}
}

// addr is an address in memory that looks like one of TCP.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

type listener struct {
	of    *Network
	at    addr
	queue chan *Conn
	done  chan struct{}
	once  sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that wait to be accepted are reset.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		l.of.mu.Lock()
		delete(l.of.listeners, string(l.at))
		l.of.mu.Unlock()
		close(l.done)
		err = nil
		for {
			select {
			case c := <-l.queue:
				_ = c.SetLinger(0)
				_ = c.Close()
			default:
				return
			}
		}
	})
	return err
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.at }
