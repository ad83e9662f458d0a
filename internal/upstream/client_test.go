package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"turnout/internal/domain"
	"turnout/internal/platform"
)

// client is closed at the test's end; roots are the certificates of servers.
func client(t *testing.T, servers ...*httptest.Server) *Client {
	t.Helper()
	pool := x509.NewCertPool()
	for _, s := range servers {
		if s.Certificate() != nil {
			pool.AddCert(s.Certificate())
		}
	}
	c := NewClient(&tls.Config{RootCAs: pool}, nil)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// serveTLS is a server with HTTP/2 and a certificate of its own.
func serveTLS(t *testing.T, h http.HandlerFunc, edit ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet
	for _, e := range edit {
		e(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// call asks base for /v1/messages with a body.
func call(t *testing.T, base string, edit ...func(*Call)) *Call {
	t.Helper()
	p, _ := platform.Lookup("anthropic")
	u, err := p.URL(base, "/v1/messages")
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"model":"m"}`
	c := &Call{
		Account: &domain.Account{ID: 1, APIKey: domain.NewSecret("sk-account")}, Platform: p, URL: u, Method: "POST",
		Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(body)),
		Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
	}
	for _, e := range edit {
		e(c)
	}
	return c
}

// read takes an answer to its end.
func read(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fault is what an attempt that must fail failed with.
func fault(t *testing.T, resp *http.Response, err error) *Fault {
	t.Helper()
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("the attempt got status %d, want a fault", resp.StatusCode)
	}
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatalf("%T is no fault: %v", err, err)
	}
	return f
}

// refused is an address where nothing listens: it was just closed.
func refused(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return "http://" + ln.Addr().String()
}

// raw serves connections with f, one at a time.
func raw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return "http://" + ln.Addr().String()
}

func TestSend(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s key=%s type=%s length=%d encoding=%q body=%s", r.Method, r.URL, r.Proto, r.Header.Get("X-Api-Key"), r.Header.Get("Content-Type"), r.ContentLength, r.Header.Get("Accept-Encoding"), b)
	})
	c := call(t, s.URL)
	c.URL.RawQuery = "beta=true"
	before := len(c.Header)
	resp, err := client(t).Send(t.Context(), c)
	want := `POST /v1/messages?beta=true HTTP/1.1 key=sk-account type=application/json length=13 encoding="" body={"model":"m"}`
	if got := read(t, resp, err); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if len(c.Header) != before || c.Header.Get("X-Api-Key") != "" {
		t.Errorf("the call's header was changed: %v", c.Header)
	}
}

func TestSendWithoutBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.ContentLength) })
	resp, err := client(t).Send(t.Context(), call(t, s.URL, func(c *Call) { c.Method, c.Body, c.Length = "GET", nil, 0 }))
	if got := read(t, resp, err); got != "GET0" {
		t.Error(got)
	}
}

func TestSendUsesHTTP2(t *testing.T) {
	s := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	resp, err := client(t, s).Send(t.Context(), call(t, s.URL))
	if got := read(t, resp, err); got != "HTTP/2.0" {
		t.Error(got)
	}
}

// What failed before anything was sent may be tried anywhere else; what may have been seen
// may not.
func TestSendFaults(t *testing.T) {
	trusted := serveTLS(t, func(http.ResponseWriter, *http.Request) {})
	old := serveTLS(t, func(http.ResponseWriter, *http.Request) {}, func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	})
	unknownName := serveTLS(t, func(http.ResponseWriter, *http.Request) {}, func(s *httptest.Server) {
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("no such name") }}
	})
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	withTLS := func(base string) string { return strings.Replace(base, "http://", "https://", 1) }
	var seen atomic.Int32
	after := func(answer string, reset bool) string {
		return raw(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				seen.Add(1)
			}
			_, _ = io.WriteString(c, answer)
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
		})
	}
	for _, c := range []struct {
		name, base string
		client     *Client
		edit       func(*Call)
		want       FaultKind
	}{
		{"refused", refused(t), client(t), nil, FaultUnsent},
		{"no such host", "http://no..such..host", client(t), nil, FaultUnsent},
		{"an unknown authority", trusted.URL, client(t), nil, FaultUnsent},
		{"another name", strings.Replace(trusted.URL, "127.0.0.1", "localhost", 1), client(t, trusted), nil, FaultUnsent},
		{"no cipher in common", old.URL, client(t, old), nil, FaultUnsent},
		{"a name that the server does not know", unknownName.URL, client(t, unknownName), nil, FaultUnsent},
		{"no TLS there", withTLS(plain.URL), client(t), nil, FaultUnsent},
		{"closed during the handshake", withTLS(raw(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })), client(t), nil, FaultUnsent},
		{"a body that cannot be read", plain.URL, client(t), func(c *Call) { c.Body = func() (io.ReadCloser, error) { return nil, errors.New("gone") } }, FaultUnsent},
		{"a proxy that is no address", plain.URL, client(t), func(c *Call) { c.Account = &domain.Account{ID: 1, Proxy: "http://user:hunter2@bad host"} }, FaultUnsent},
		{"the proxy is refused", plain.URL, client(t), func(c *Call) { c.Account = &domain.Account{ID: 1, Proxy: refused(t)} }, FaultUnsent},
		{"closed before the header", after("", false), client(t), nil, FaultUnknown},
		{"reset before the header", after("", true), client(t), nil, FaultUnknown},
		{"cut inside the header", after("HTTP/1.1 200 OK\r\nContent-", false), client(t), nil, FaultUnknown},
		{"no HTTP", after("SSH-2.0-OpenSSH_9.9\r\n\r\n", false), client(t), nil, FaultUnknown},
		{"an endless header", after("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", maxHeaderBytes), false), client(t), nil, FaultUnknown},
		{"a coding that is not known", after("HTTP/1.1 200 OK\r\nContent-Encoding: lzma\r\nContent-Length: 0\r\n\r\n", false), client(t), nil, FaultUnknown},
		{"a coding that is not what it says", after("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nno gzip here", false), client(t), nil, FaultUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := call(t, c.base)
			if c.edit != nil {
				c.edit(ca)
			}
			resp, err := c.client.Send(t.Context(), ca)
			f := fault(t, resp, err)
			if f.Kind != c.want {
				t.Errorf("%d, want %d: %v", f.Kind, c.want, f)
			}
			if strings.Contains(f.Error(), "hunter2") || strings.Contains(f.Error(), "sk-account") {
				t.Errorf("a secret is in the text: %v", f)
			}
		})
	}
	if seen.Load() != 7 {
		t.Errorf("what may have been seen was sent %d times for 7 attempts", seen.Load())
	}
}

// A redirect is the upstream's answer: the key goes nowhere else.
func TestSendFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	resp, err := client(t).Send(t.Context(), call(t, s.URL))
	read(t, resp, err)
	if resp.StatusCode != http.StatusTemporaryRedirect || elsewhere.Load() != 0 {
		t.Errorf("status %d, %d requests elsewhere", resp.StatusCode, elsewhere.Load())
	}
}

// While a header or a coding's beginning is awaited, the cause of the end decides what it means.
func TestSendMapsCauses(t *testing.T) {
	arrived := make(chan struct{}, 1)
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices that a caller left only past its body
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	coded := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Encoding", "gzip")
		_ = http.NewResponseController(w).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	for where, s := range map[string]*httptest.Server{"the header": silent, "the coding": coded} {
		for _, c := range []struct {
			cause error
			want  FaultKind
		}{{limitError(LimitFirstByte), FaultLimit}, {ErrLost, FaultLost}, {errors.New("left"), FaultCaller}, {nil, FaultCaller}} {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-arrived; cancel(c.cause) }()
			resp, err := client(t).Send(ctx, call(t, s.URL))
			if f := fault(t, resp, err); f.Kind != c.want || f.Kind == FaultLimit && f.Limit != LimitFirstByte {
				t.Errorf("%v, waiting for %s: %d %v, want %d", c.cause, where, f.Kind, f, c.want)
			}
		}
	}
}

// A body that breaks while it is read is told apart in the same way.
func TestBodyMapsCauses(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	resp, err := client(t).Send(ctx, call(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel(limitError(LimitStall))
	_, err = resp.Body.Read(make([]byte, 1))
	if f := FaultOf(ctx, err); f.Kind != FaultLimit || f.Limit != LimitStall {
		t.Errorf("%v: %+v", err, f)
	}
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "x")
	})
	resp, err = client(t).Send(t.Context(), call(t, broken.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.ReadAll(resp.Body)
	if f := FaultOf(t.Context(), err); f.Kind != FaultUnknown || !errors.Is(f, io.ErrUnexpectedEOF) {
		t.Errorf("a cut body: %v", f)
	}
}

// An answer whose coding nobody asked for is read all the same.
func TestSendDecodes(t *testing.T) {
	for _, coding := range codings {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			_, _ = w.Write(packed(t, coding, []byte("hello")))
		})
		resp, err := client(t).Send(t.Context(), call(t, s.URL))
		if got := read(t, resp, err); got != "hello" || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %q, %v", coding, got, resp.Header)
		}
	}
}

// proxy forwards requests and CONNECT tunnels, and refuses those without its password.
type proxy struct {
	*httptest.Server
	forwarded, tunnels atomic.Int32
	refuse             int // status; 0: nobody is refused
}

func newProxy(t *testing.T, refuse int) *proxy {
	p := &proxy{refuse: refuse}
	p.Server = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if p.refuse != 0 || r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpodW50ZXIy" { // user:hunter2
			w.WriteHeader(max(p.refuse, http.StatusProxyAuthRequired))
			return
		}
		if r.Method != http.MethodConnect {
			p.forwarded.Add(1)
			fmt.Fprintf(w, "forwarded to %s, proxy password passed on: %v", r.URL, r.Header.Get("Proxy-Authorization") == "")
			return
		}
		p.tunnels.Add(1)
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(up, down); _ = up.Close() })
		_, _ = io.Copy(down, up)
		_ = down.Close()
		wg.Wait()
	})
	return p
}

func (p *proxy) address() string {
	u, _ := url.Parse(p.URL)
	u.User = url.UserPassword("user", "hunter2")
	return u.String()
}

func TestProxy(t *testing.T) {
	through := func(p string) func(*Call) {
		return func(c *Call) { c.Account = &domain.Account{ID: 1, Proxy: p} }
	}
	secure := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, r.Header["Proxy-Authorization"]) })
	p := newProxy(t, 0)
	resp, err := client(t, secure).Send(t.Context(), call(t, secure.URL, through(p.address())))
	if got := read(t, resp, err); got != "HTTP/2.0[]" || p.tunnels.Load() != 1 {
		t.Errorf("%q through %d tunnels", got, p.tunnels.Load())
	}
	resp, err = client(t).Send(t.Context(), call(t, "http://upstream.invalid", through(p.address())))
	if got := read(t, resp, err); !strings.HasPrefix(got, "forwarded to http://upstream.invalid/v1/messages") || p.forwarded.Load() != 1 {
		t.Errorf("%q", got)
	}
	// An account without a proxy uses none, whatever the environment says.
	t.Setenv("HTTPS_PROXY", p.address())
	t.Setenv("HTTP_PROXY", p.address())
	resp, err = client(t, secure).Send(t.Context(), call(t, secure.URL))
	if read(t, resp, err); p.tunnels.Load() != 1 {
		t.Error("the environment's proxy was used")
	}
}

// A proxy that opens no tunnel has passed nothing on.
func TestProxyRefuses(t *testing.T) {
	secure := serveTLS(t, func(http.ResponseWriter, *http.Request) { t.Error("the request came through") })
	for _, c := range []struct {
		name    string
		status  int
		address func(*proxy) string
	}{
		{"forbidden", 403, (*proxy).address}, {"busy", 503, (*proxy).address}, {"a wrong password", 0, func(p *proxy) string { return p.URL }},
	} {
		p := newProxy(t, c.status)
		resp, err := client(t, secure).Send(t.Context(), call(t, secure.URL, func(ca *Call) { ca.Account = &domain.Account{ID: 1, Proxy: c.address(p)} }))
		if f := fault(t, resp, err); f.Kind != FaultUnsent || strings.Contains(f.Error(), "hunter2") || !strings.Contains(f.Error(), "proxy") {
			t.Errorf("%s: %d %v, want unsent, and that it was the proxy", c.name, f.Kind, f)
		}
	}
}

// conns counts a server's connections.
func conns(s *httptest.Server) (opened, closed *atomic.Int32, gone chan struct{}) {
	opened, closed, gone = &atomic.Int32{}, &atomic.Int32{}, make(chan struct{}, 100)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
			gone <- struct{}{}
		}
	}
	return
}

// Accounts share no connection; one account's requests do.
func TestConnectionsBelongToAccounts(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }))
	opened, _, _ := conns(s)
	s.Start()
	t.Cleanup(s.Close)
	c := client(t)
	for i := range 6 {
		resp, err := c.Send(t.Context(), call(t, s.URL, func(ca *Call) { ca.Account = &domain.Account{ID: domain.AccountID(i%2 + 1)} }))
		read(t, resp, err)
	}
	if opened.Load() != 2 {
		t.Errorf("%d connections for two accounts", opened.Load())
	}
}

// Keep closes the idle connections of who is gone, and nobody else's; answers in flight go on.
func TestKeep(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun ")
		_ = http.NewResponseController(w).Flush()
		if r.Header.Get("X-Slow") != "" {
			<-release
		}
		_, _ = io.WriteString(w, "whole")
	}))
	opened, _, gone := conns(s)
	s.Start()
	t.Cleanup(s.Close)
	c := client(t)
	accounts := []*domain.Account{{ID: 1}, {ID: 2}, {ID: 3}}
	ask := func(a *domain.Account) *Call { return call(t, s.URL, func(ca *Call) { ca.Account = a }) }
	for _, a := range accounts[:2] {
		resp, err := c.Send(t.Context(), ask(a))
		read(t, resp, err)
	}
	slow := ask(accounts[2])
	slow.Header.Set("X-Slow", "1")
	inFlight, err := c.Send(t.Context(), slow)
	if err != nil {
		t.Fatal(err)
	}
	c.Keep(accounts[:1])
	<-gone // account 2's
	close(release)
	if got := read(t, inFlight, nil); got != "begun whole" {
		t.Errorf("an answer in flight became %q", got)
	}
	resp, err := c.Send(t.Context(), ask(accounts[0]))
	if read(t, resp, err); opened.Load() != 3 {
		t.Errorf("%d connections were opened, want 3: the kept account has its own still", opened.Load())
	}
	resp, err = c.Send(t.Context(), ask(accounts[1]))
	if read(t, resp, err); opened.Load() != 4 {
		t.Errorf("%d connections were opened, want 4: the other account's was closed", opened.Load())
	}
	// Another proxy is another connection.
	c.Keep([]*domain.Account{{ID: 1, Proxy: "http://127.0.0.1:1"}, {ID: 2}})
	<-gone
}
