package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
	"turnout/internal/platform"
)

// Limits of the connections themselves; what an answer may take is up to a Watch.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	maxIdlePerHost   = 1024
	maxHeaderBytes   = 256 << 10
	pingAfter        = 15 * time.Second // HTTP/2: silence after which the connection is asked whether it lives
	pingTimeout      = 15 * time.Second
)

// Client sends attempts. Every account has connections of its own, so that one
// account's limits, proxy and broken connections never touch another's. Safe for
// concurrent use.
type Client struct {
	roots *tls.Config // nil: the system's
	dial  Dial

	mu         sync.RWMutex
	transports map[transportKey]*http.Transport
}

type transportKey struct {
	account domain.AccountID
	proxy   string
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient makes a client. roots may be nil, and then the system's certificates are
// trusted; so may dial, and then the system's network is used.
func NewClient(roots *tls.Config, dial Dial) *Client {
	if dial == nil {
		dial = dialer.DialContext
	}
	return &Client{roots: roots, dial: dial, transports: map[transportKey]*http.Transport{}}
}

// Call is one attempt. Nothing in it is modified.
type Call struct {
	Account  *domain.Account
	Platform *platform.Platform
	URL      *url.URL
	Method   string
	Header   http.Header                   // already filtered, see RequestHeader; cloned and signed here
	Length   int64                         // of the body
	Body     func() (io.ReadCloser, error) // a fresh reader each time it is called; nil: no body
}

// Send makes the attempt and returns as soon as the answer's header is there. The
// caller closes the answer's body. An error is always a *Fault.
func (c *Client) Send(ctx context.Context, call *Call) (*http.Response, error) {
	header := make(http.Header, len(call.Header)+2)
	for k, v := range call.Header {
		header[k] = v
	}
	call.Platform.Sign(header, call.Account.APIKey)
	var began progress
	req := (&http.Request{
		Method: call.Method, URL: call.URL, Host: call.URL.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(began.watch(ctx))
	if call.Body != nil {
		body, err := call.Body()
		if err != nil {
			if ctx.Err() != nil { // it was let go because this attempt has been overtaken
				return nil, faultOf(ctx, err)
			}
			return nil, &Fault{Kind: FaultUnsent, Err: err}
		}
		// GetBody lets the transport repeat what is safe to repeat by itself: a
		// connection that was closed before a byte was written, a request that an HTTP/2
		// server refused or passed over with GOAWAY.
		req.Body, req.GetBody, req.ContentLength = body, call.Body, call.Length
	}
	t, err := c.transport(call.Account)
	if err != nil {
		return nil, &Fault{Kind: FaultUnsent, Err: err}
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		f := faultOf(ctx, err)
		if f.Kind == FaultUnknown && !began.connected.Load() {
			f.Kind = FaultUnsent
		}
		return nil, f
	}
	if err := decode(resp); err != nil {
		_ = resp.Body.Close()
		return nil, faultOf(ctx, err)
	}
	return resp, nil
}

// progress is how far an attempt came. Before it has a connection (looked up, dialled, through
// the proxy, past the TLS handshake) nothing of it can have been sent, whatever the error says.
type progress struct {
	trace     httptrace.ClientTrace
	connected atomic.Bool
}

func (p *progress) watch(ctx context.Context) context.Context {
	p.trace.GotConn = func(httptrace.GotConnInfo) { p.connected.Store(true) }
	return httptrace.WithClientTrace(ctx, &p.trace)
}

func (c *Client) transport(a *domain.Account) (*http.Transport, error) {
	key := transportKey{a.ID, a.Proxy}
	c.mu.RLock()
	t := c.transports[key]
	c.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t = c.transports[key]; t != nil {
		return t, nil
	}
	t = &http.Transport{
		DialContext:            c.connect,
		TLSHandshakeTimeout:    handshakeTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdlePerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		WriteBufferSize:        2 << 10, // for the header and a small body; larger ones pass it by
		DisableCompression:     true,    // answers are relayed as they come
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if c.roots != nil {
		t.TLSClientConfig = c.roots.Clone()
	}
	if a.Proxy != "" {
		u, err := url.Parse(a.Proxy)
		if err != nil {
			return nil, errors.New("the account's proxy is not a URL")
		}
		t.Proxy = http.ProxyURL(u)
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("the proxy refused the tunnel: %s", answer.Status)
			}
			return nil
		}
	}
	c.transports[key] = t
	return t, nil
}

var dialer = net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}

func (c *Client) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return pooledConn{conn}, nil
}

// pooledConn sends bodies through pooled buffers. Without it net/http allocates 32 KiB
// for every body that it copies to a connection.
type pooledConn struct{ net.Conn }

var copyPool = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// onlyWriter hides the connection's own ReadFrom, which would allocate.
type onlyWriter struct{ io.Writer }

// ReadFrom implements io.ReaderFrom, which net/http looks for.
func (c pooledConn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyPool.Get().(*[]byte)
	defer copyPool.Put(buf)
	return io.CopyBuffer(onlyWriter{c.Conn}, r, *buf)
}

// Keep closes the idle connections of every account that is not in keep, after a
// change of configuration. Answers in flight go on.
func (c *Client) Keep(keep []*domain.Account) {
	wanted := make(map[transportKey]bool, len(keep))
	for _, a := range keep {
		wanted[transportKey{a.ID, a.Proxy}] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, t := range c.transports {
		if !wanted[k] {
			t.CloseIdleConnections()
			delete(c.transports, k)
		}
	}
}

// Close closes every idle connection.
func (c *Client) Close() { c.Keep(nil) }

// FaultKind is how far a failed attempt came.
type FaultKind uint8

// The kinds of faults.
const (
	FaultUnknown FaultKind = iota // the upstream may have seen the request
	FaultUnsent                   // nothing of the request was sent
	FaultLimit                    // a limit of a Watch ended it
	FaultCaller                   // the caller left
	FaultLost                     // another attempt of the same request was faster
)

// Fault is a failure of the connection.
type Fault struct {
	Kind  FaultKind
	Limit Limit // with FaultLimit
	Err   error // for logs: may name addresses
}

func (f *Fault) Error() string {
	switch f.Kind {
	case FaultLimit:
		return "time limit: " + f.Limit.String()
	case FaultCaller:
		return "the caller left"
	case FaultLost:
		return "another attempt was faster"
	}
	return fmt.Sprint(f.Err)
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// ErrLost is the cause with which the loser of two attempts is cancelled.
var ErrLost = errors.New("another attempt was faster")

// FaultOf reads what an error of an attempt under ctx means, while sending or
// while reading the answer.
func FaultOf(ctx context.Context, err error) *Fault { return faultOf(ctx, err) }

func faultOf(ctx context.Context, err error) *Fault {
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		var l limitError
		switch {
		case errors.As(cause, &l):
			return &Fault{Kind: FaultLimit, Limit: Limit(l), Err: err}
		case errors.Is(cause, ErrLost):
			return &Fault{Kind: FaultLost, Err: err}
		}
		return &Fault{Kind: FaultCaller, Err: err}
	}
	if err.Error() == "http: server closed idle connection" { // net/http says so only where nothing was written
		return &Fault{Kind: FaultUnsent, Err: err}
	}
	return &Fault{Kind: FaultUnknown, Err: err}
}
