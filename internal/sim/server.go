package sim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerOptions say where and how a Server listens. The zero value is plain HTTP
// on a free port of 127.0.0.1.
type ServerOptions struct {
	Addr string // "host:port"; empty: 127.0.0.1:0
	// TLS serves HTTPS with a certificate made at the start, HTTP/1.1 and HTTP/2
	// as the client prefers.
	TLS bool
	// Listen stands in place of the system's network; nil: the system's.
	Listen func(address string) (net.Listener, error)
}

// Server is a listening provider. Its methods are safe for concurrent use.
type Server struct {
	*Provider

	listener *listener
	http     *http.Server
	roots    *x509.CertPool
	cert     []byte // PEM; nil without TLS
	cancel   context.CancelFunc
	scheme   string
	served   chan struct{} // closed when the accept loop has ended

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
}

// Start listens and serves until Close or Shutdown.
func Start(p *Provider, o ServerOptions) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s := &Server{Provider: p, scheme: "http", served: make(chan struct{})}
	var config *tls.Config
	if o.TLS {
		cert, roots, err := certificate(time.Now())
		if err != nil {
			return nil, fmt.Errorf("start a simulated provider: %w", err)
		}
		s.scheme, s.roots = "https", roots
		s.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
		config = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	if o.Listen == nil {
		o.Listen = func(address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(context.Background(), "tcp", address)
		}
	}
	ln, err := o.Listen(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start a simulated provider: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.listener = cancel, newListener(ln, config)
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: time.Minute,
		TLSConfig:         config.Clone(),            // net/http changes it
		ErrorLog:          log.New(discard{}, "", 0), // what goes wrong here goes wrong on purpose
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(s.listener) // always ErrServerClosed, or the listener's end by Close
	}()
	return s, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// serve counts the request, so that Close can wait for it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.inFlight.Add(1)
	s.mu.Unlock()
	defer s.inFlight.Done()
	s.Provider.ServeHTTP(w, r)
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the base URL without a path: what Anthropic's SDKs take. OpenAI's take
// it with "/v1".
func (s *Server) URL() string { return s.scheme + "://" + s.Addr() }

// Roots is the pool that trusts the server's certificate; nil without TLS.
func (s *Server) Roots() *x509.CertPool { return s.roots }

// Certificate is that certificate in PEM, for clients in other processes; nil
// without TLS.
func (s *Server) Certificate() []byte { return s.cert }

// CloseConnections breaks every open connection at once, as a dying load balancer
// does. New ones are accepted.
func (s *Server) CloseConnections() { s.listener.closeAll() }

// RefuseStreams lets each of the next n HTTP/2 connections answer its first
// request with a GOAWAY that says that nothing was processed: the one failure
// after which a request may safely be sent again. The provider never sees those
// requests. Needs TLS.
func (s *Server) RefuseStreams(n int) { s.listener.refuse(n) }

// Shutdown stops listening and waits for the requests in progress, until the
// context ends; then Close is still to be called.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop a simulated provider: %w", err)
	}
	return nil
}

// Close ends everything at once: requests in progress are aborted, and none of
// them runs any more when it returns. A second call does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.cancel()
	err := s.http.Close()
	err = errors.Join(err, s.listener.Close())
	s.listener.closeAll()
	s.inFlight.Wait()
	<-s.served
	s.listener.wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close a simulated provider: %w", err)
	}
	return nil
}
