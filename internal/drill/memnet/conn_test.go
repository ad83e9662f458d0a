package memnet

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	var n Network
	l, err := n.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = n.Dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// TestOrderlyEnd: what was sent before a close arrives, then the end; writing back fails.
func TestOrderlyEnd(t *testing.T) {
	near, far := pair(t)
	if _, err := near.Write([]byte("all of it")); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if b, err := io.ReadAll(far); string(b) != "all of it" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to who has left: %v", err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after one's own close: %v", err)
	}
}

// TestReset: a close that does not linger loses what was sent and is seen as a reset.
func TestReset(t *testing.T) {
	near, far := pair(t)
	_, _ = near.Write([]byte("lost"))
	_ = near.(*Conn).SetLinger(0)
	near.Close()
	if _, err := far.Read(make([]byte, 8)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write: %v", err)
	}
}

// TestDeadlines: they end calls that wait, exactly when they are due, and can be moved.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t)
		defer near.Close()
		defer far.Close()
		began := time.Now()
		_ = near.SetReadDeadline(began.Add(time.Hour))
		time.AfterFunc(time.Minute, func() { _ = near.SetReadDeadline(began.Add(2 * time.Minute)) })
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 2*time.Minute {
			t.Errorf("read: %v after %s", err, time.Since(began))
		}
		_ = near.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, func() { _, _ = far.Write([]byte("x")) })
		if n, err := near.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read after the deadline was lifted: %d, %v", n, err)
		}
		_ = near.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := near.Write(make([]byte, 2*pipeBytes)); n != pipeBytes || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write without a reader: %d, %v", n, err)
		}
	})
}

// TestNobodyThere: a name is not found, a number refuses.
func TestNobodyThere(t *testing.T) {
	var n Network
	_, err := n.Dial(t.Context(), "tcp", "provider.invalid:443")
	if dns := new(net.DNSError); !errors.As(err, &dns) {
		t.Errorf("a name: %v", err)
	}
	if _, err := n.Dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a number: %v", err)
	}
}

// TestHTTP: net/http's server sees its client leave, whatever it waits for.
func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		left := make(chan time.Time, 1)
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				<-r.Context().Done()
				left <- time.Now()
				return
			}
			b, _ := io.ReadAll(r.Body)
			_, _ = w.Write(b)
		})}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		transport := &http.Transport{DialContext: n.Dial}
		defer transport.CloseIdleConnections()
		c := &http.Client{Transport: transport}
		resp, err := c.Post("http://"+l.Addr().String()+"/", "text/plain", strings.NewReader(strings.Repeat("x", 3*pipeBytes)))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); len(b) != 3*pipeBytes {
			t.Errorf("%d bytes came back", len(b))
		}
		resp.Body.Close()
		c.Timeout = time.Minute
		began := time.Now()
		if resp, err := c.Get("http://" + l.Addr().String() + "/hang"); err == nil {
			resp.Body.Close()
			t.Error("an answer")
		}
		if d := (<-left).Sub(began); d != time.Minute {
			t.Errorf("the server saw the client leave after %s", d)
		}
	})
}
