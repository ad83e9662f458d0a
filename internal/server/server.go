package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/gateway"
	"turnout/internal/server/socket"
)

// Bounds of a connection that no configuration needs to change.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	bodyWait          = 30 * time.Second
	parserHeaderBytes = 1 << 20 // what net/http reads at all; Options.MaxHeader answers before that
)

// Options are what a Server is built from.
type Options struct {
	Gateway   *gateway.Gateway
	Dialects  Dialects
	Metrics   http.Handler
	Admin     http.Handler // under /admin/
	MaxHeader int          // bytes of a request's headers
	// BodyWait is how long the body of a request that is refused is waited for; 0: 30 s.
	BodyWait time.Duration
	// DrainDelay is how long /readyz says no before new requests are refused, so that
	// whoever balances load sends them elsewhere first.
	DrainDelay time.Duration
	// Listen stands in place of the system's network; nil: the system's.
	Listen func(address string) (net.Listener, error)
	Log    *slog.Logger
}

// Server listens and serves.
type Server struct {
	opts Options
	http *http.Server
	ln   net.Listener
	done chan error
	gone atomic.Bool // not ready any more

	sockets *socket.Handler
}

// New makes a server. Nothing listens yet.
func New(opts Options) *Server {
	if opts.BodyWait == 0 {
		opts.BodyWait = bodyWait
	}
	if opts.Listen == nil {
		opts.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	s := &Server{opts: opts, done: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    parserHeaderBytes,

		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Start listens and begins to serve.
func (s *Server) Start(addr string) error {
	ln, err := s.opts.Listen(addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (is another process using the port? set listen: or --listen to a free one)", addr, err)
	}
	s.ln = ln
	go func() {
		err := s.http.Serve(ln)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
	}()
	return nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Done tells when serving has ended: nil after a stop.
func (s *Server) Done() <-chan error { return s.done }

// Stop says first that the server is not ready, then refuses new requests and lets those in flight go
// on to their end, at most until ctx ends; then they are cut. When it returns nothing runs any more.
func (s *Server) Stop(ctx context.Context) error {
	s.gone.Store(true)
	if s.opts.DrainDelay > 0 && s.ln != nil {
		t := time.NewTimer(s.opts.DrainDelay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	s.opts.Gateway.Drain()
	err := s.opts.Gateway.Wait(ctx)
	// New connections were answered with a refusal until here; now the listener goes.
	shut, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.sockets.Close()
	if err != nil {
		_ = s.http.Close()
		_ = s.opts.Gateway.Wait(shut)
		return fmt.Errorf("some requests had to be cut: %w", err)
	}
	if err := s.http.Shutdown(shut); err != nil {
		_ = s.http.Close()
	}
	return nil
}

// handler is everything in its order: the panic net, the header limit, the routes.
func (s *Server) handler() http.Handler { return s.guard(s.routes()) }

func (s *Server) refuse(d dialect.Dialect, kind domain.Kind, message, allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if allow != "" {
			w.Header().Set("Allow", allow)
		}
		id := domain.NewRequestID(time.Now())
		w.Header().Set("X-Turnout-Request-Id", id.String())
		gateway.Refuse(w, d, domain.Errorf(kind, "route the request", "%s", message), id)
	})
}

// guard stands before every route.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				// The stack holds no values of arguments that could be a secret's text.
				s.opts.Log.Error("a request crashed", "path", clip(r.URL.Path, 128), "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
		}()
		// Whatever happens to the request, its body is not waited for longer than this: an
		// unread one is read off by net/http before its refusal goes out. Who reads it sets deadlines of its own.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.opts.BodyWait))
		if r.Method == http.MethodConnect || r.RequestURI == "*" { // net/http's own answers speak no dialect
			// What follows is meant for a tunnel, or is of HTTP/2: it must not be read as the next request.
			w.Header().Set("Connection", "close")
			s.refuse(s.shape(r), domain.KindMethodNotAllowed, clip(r.Method, 16)+" "+clip(r.RequestURI, 128)+" is nothing that a gateway does; Turnout serves "+mainRoutes,
				"GET, HEAD, POST").ServeHTTP(w, r)
			return
		}
		if strings.Contains(r.URL.Path, "//") { // a base URL that ends in a slash
			r.URL.Path = path.Clean(r.URL.Path)
		}
		if n := headerBytes(r.Header); n > s.opts.MaxHeader {
			w.Header().Set("Connection", "close")
			s.refuse(s.shape(r), domain.KindTooLarge, fmt.Sprintf("the request's headers take %d bytes; the limit is %d", n, s.opts.MaxHeader), "").ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func headerBytes(h http.Header) int {
	n := 0
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + 4
		}
	}
	return n
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
