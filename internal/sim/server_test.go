package sim

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func secureTransport(s *Server) *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots()}, ForceAttemptHTTP2: true}
}

func TestHTTP2(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{TLS: true})
	c := secureClient(t, s)
	for _, f := range []format{anthropic, openai} {
		for _, stream := range []bool{true, false} {
			h := hear(t, c, f, request(bounded(t), t, s.URL(), f, "sk-sim", hello(stream)))
			if h.text != Text(DefaultChunks) || h.err != nil {
				t.Errorf("%s stream=%t: text %q, error %v", f, stream, h.text, h.err)
			}
		}
		for _, words := range []string{"reset", "eof", "cut3", "rst3"} {
			h := hear(t, c, f, request(bounded(t), t, s.URL(), f, "sk-sim-"+words, hello(true)))
			if h.err == nil || h.finish != "" {
				t.Errorf("%s %s: error %v, finish %q: want a broken stream", f, words, h.err, h.finish)
			}
		}
	}
	for _, seen := range s.Requests() {
		if seen.Proto != "HTTP/2.0" {
			t.Errorf("%s came with %s", seen.Key, seen.Proto)
		}
	}
}

// TestRefuseStreams: a client that knows HTTP/2 sends the request again by
// itself, because GOAWAY said that it was not processed.
func TestRefuseStreams(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{TLS: true})
	s.RefuseStreams(2)
	h := hear(t, secureClient(t, s), anthropic, request(bounded(t), t, s.URL(), anthropic, "sk-sim", hello(true)))
	if h.err != nil || h.text != Text(DefaultChunks) {
		t.Fatalf("after two GOAWAYs: text %q, error %v", h.text, h.err)
	}
	if n := s.Count("sk-sim"); n != 1 {
		t.Errorf("the provider saw %d requests, want 1: refused ones were not processed", n)
	}
	s.RefuseStreams(1)
	tr := secureTransport(s)
	t.Cleanup(tr.CloseIdleConnections)
	r := request(bounded(t), t, s.URL(), anthropic, "sk-sim", hello(true))
	r.GetBody = nil // cannot be sent again
	if h := hear(t, &http.Client{Transport: tr}, anthropic, r); h.err == nil {
		t.Error("a request without GetBody survived a GOAWAY: it was not refused")
	}
}

// TestGoAwayWord: the connection is not used again.
func TestGoAwayWord(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := start(t, New(Options{}), ServerOptions{TLS: secure})
		c := secureClient(t, s)
		for range 2 {
			hear(t, c, openai, request(bounded(t), t, s.URL(), openai, "sk-sim-goaway", hello(false)))
		}
		seen := s.Requests()
		if len(seen) != 2 || seen[0].Remote == seen[1].Remote {
			t.Errorf("tls=%t: %d requests, both from one connection", secure, len(seen))
		}
	}
}

func TestCloseConnections(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{})
	done := make(chan heard, 1)
	go func() {
		done <- hear(t, client(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-sim-stall2", hello(true)))
	}()
	if _, err := s.Wait(bounded(t), func(s Seen) bool { return s.Events == 2 }); err != nil {
		t.Fatal(err)
	}
	s.CloseConnections()
	if h := <-done; h.err == nil {
		t.Error("the client saw an orderly end")
	}
	if h := hear(t, client(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-sim", hello(true))); h.err != nil {
		t.Errorf("new connections are refused: %v", h.err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := start(t, New(Options{}), ServerOptions{TLS: secure})
		done := make(chan heard, 1)
		go func() {
			done <- hear(t, secureClient(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-sim-hang", hello(true)))
		}()
		if _, err := s.Wait(bounded(t), func(s Seen) bool { return s.Key == "sk-sim-hang" }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if h := <-done; h.err == nil {
			t.Errorf("tls=%t: a closed server answered", secure)
		}
		for _, seen := range s.Requests() {
			if seen.End.IsZero() {
				t.Errorf("tls=%t: a request is still open after Close", secure)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	}
}

func TestShutdownWaits(t *testing.T) {
	s := start(t, New(Options{Speed: 1e6}), ServerOptions{})
	done := make(chan heard, 1)
	go func() {
		done <- hear(t, client(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-sim-n500-d1000", hello(true)))
	}()
	if _, err := s.Wait(bounded(t), func(s Seen) bool { return s.Events > 0 }); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if h := <-done; h.err != nil || h.text != Text(500) {
		t.Errorf("a request in progress was not ended in order: %v", h.err)
	}
}

func TestRefusedAddress(t *testing.T) {
	addr, release, err := RefusedAddress()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			t.Fatalf("%s accepted a connection", addr)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error = %v, want a refusal", err)
		}
	}
	if ln, err := net.Listen("tcp", addr); err == nil {
		ln.Close()
		t.Error("somebody else could listen there")
	}
}

// TestManyRequests: a thousand requests at concurrency 32, all answered whole.
func TestManyRequests(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{})
	tr := &http.Transport{MaxIdleConnsPerHost: 32}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	work := make(chan int)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range work {
				f := format(i % 2)
				h := hear(t, c, f, request(t.Context(), t, s.URL(), f, fmt.Sprintf("sk-sim-%d", i%3), hello(i%4 < 2)))
				if h.err != nil || h.text != Text(DefaultChunks) || h.finish == "" {
					t.Errorf("request %d: text %q, error %v", i, h.text, h.err)
				}
			}
		})
	}
	for i := range 1000 {
		work <- i
	}
	close(work)
	wg.Wait()
	for _, seen := range s.Requests() {
		if seen.Outcome != OK {
			t.Errorf("request %d ended as %s", seen.Seq, seen.Outcome)
		}
	}
	if n := s.Count("sk-sim-0") + s.Count("sk-sim-1") + s.Count("sk-sim-2"); n != 1000 {
		t.Errorf("counted %d requests", n)
	}
}

// TestRun prints where it listens and what can be asked, serves, and ends with
// its context.
func TestRun(t *testing.T) {
	for _, secure := range []bool{false, true} {
		ctx, stop := context.WithCancel(bounded(t))
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			err := Run(ctx, RunOptions{Server: ServerOptions{TLS: secure}, Verbose: true}, w)
			w.Close()
			done <- err
		}()
		var text bytes.Buffer
		buf := make([]byte, 4096)
		for !strings.Contains(text.String(), "listens on") || !strings.Contains(text.String(), "errevent carries\n") {
			n, err := r.Read(buf)
			if err != nil {
				t.Fatalf("output ended early: %v\n%s", err, &text)
			}
			text.Write(buf[:n])
		}
		go func() { _, _ = io.Copy(io.Discard, r) }()
		_, rest, _ := strings.Cut(text.String(), "listens on ")
		base, _, _ := strings.Cut(rest, "\n")
		if !secure {
			resp, err := client(t, nil).Do(request(ctx, t, base, openai, "sk-sim", hello(false)))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		} else if !strings.HasPrefix(base, "https://") {
			t.Errorf("base URL %q", base)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{})
	_, err := Start(New(Options{}), ServerOptions{Addr: s.Addr()})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error = %v, want address in use", err)
	}
}
