package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a network of one listener in memory. Its cables can be cut: then both ends
// stay open and nothing arrives, as with a machine that lost its power or a NAT that forgot.
type line struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	cables []*cable
}

// cable is the client's end of a connection.
type cable struct {
	net.Conn
	cut, closed chan struct{}
	once        sync.Once
}

func newLine() *line { return &line{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (l *line) Dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	c := &cable{Conn: ours, cut: make(chan struct{}), closed: make(chan struct{})}
	l.mu.Lock()
	l.cables = append(l.cables, c)
	l.mu.Unlock()
	select {
	case l.conns <- theirs:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *line) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *line) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *line) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// dialled are the connections so far.
func (l *line) dialled() []*cable {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cables
}

func (c *cable) isCut() bool {
	select {
	case <-c.cut:
		return true
	default:
		return false
	}
}

func (c *cable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.isCut() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *cable) Write(b []byte) (int, error) {
	if c.isCut() {
		return len(b), nil // into the kernel's buffer, and no further
	}
	return c.Conn.Write(b)
}

func (c *cable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A dead HTTP/2 connection looks like a healthy silence. Without pings every request that
// was given to it waited for its own time limit, and so did each new one. A ping finds it after a known time, and
// the next request gets a new connection; a silence in which pings are answered is left alone.
func TestPingsFindADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		s := &httptest.Server{Listener: l, EnableHTTP2: true, Config: &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Proto)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // a long thought
		})}}
		s.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		c := NewClient(&tls.Config{RootCAs: pool, ServerName: "example.com"}, l.Dial)
		ctx, cancel := context.WithCancel(t.Context())

		resp, err := c.Send(ctx, call(t, "https://upstream.invalid"))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := resp.Body.Read(buf); string(buf[:n]) != "HTTP/2.0" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		var ended time.Time
		var failed error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, failed = resp.Body.Read(buf)
			ended = time.Now()
		}()
		time.Sleep(10*time.Minute + time.Second)
		select {
		case <-done:
			t.Fatalf("a healthy silence was ended: %v", failed)
		default:
		}

		dead := time.Now()
		close(l.dialled()[0].cut)
		<-done
		if took := ended.Sub(dead); failed == nil || took > pingAfter+pingTimeout {
			t.Errorf("found after %v: %v", took, failed)
		}
		_ = resp.Body.Close()

		before := time.Now()
		resp, err = c.Send(ctx, call(t, "https://upstream.invalid"))
		if err != nil || time.Since(before) != 0 || len(l.dialled()) != 2 {
			t.Errorf("the next request: %v after %v, on connection %d", err, time.Since(before), len(l.dialled()))
		}
		cancel()
		if err == nil {
			_ = resp.Body.Close()
		}
		c.Close()
		s.Close()
	})
}
