package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

const anyText = "\x00any"

// TestFaultsOnTheWire sends a request for every fault over a real connection, in
// both formats, as JSON and as a stream, and looks at what a client sees.
func TestFaultsOnTheWire(t *testing.T) {
	type want struct {
		status   int
		err      error  // of the call or of the body
		text     string // anyText: whatever
		finish   bool
		sentinel bool
		bad      int
		failed   string
		outcome  Outcome
	}
	whole := want{status: 200, text: Text(DefaultChunks), finish: true, sentinel: true, outcome: OK}
	failed := func(status int, kind string) want { return want{status: status, failed: kind, outcome: Failed} }
	for _, c := range []struct {
		words string
		// Anthropic and OpenAI, stream; then JSON (zero: as the stream)
		a, o   want
		aj, oj want
	}{
		{words: "healthy", a: whole, o: whole},
		{words: "trickle-gzip-goaway", a: whole, o: whole},
		{words: "fail429", a: failed(429, "rate_limit_error"), o: failed(429, "requests")},
		{words: "fail500", a: failed(500, "api_error"), o: failed(500, "server_error")},
		{words: "fail503", a: failed(503, "api_error"), o: failed(503, "server_error")},
		{words: "overloaded529", a: failed(529, "overloaded_error"), o: failed(529, "server_error")},
		{words: "auth401", a: failed(401, "authentication_error"), o: failed(401, "invalid_request_error")},
		{words: "perm403", a: failed(403, "permission_error"), o: failed(403, "invalid_request_error")},
		{words: "quota", a: failed(400, "invalid_request_error"), o: failed(429, "insufficient_quota")},
		{words: "credit", a: failed(400, "invalid_request_error"), o: failed(429, "billing_not_active")},
		{words: "unified5h", a: failed(429, "rate_limit_error"), o: failed(429, "requests")},
		{words: "ctxlen", a: failed(400, "invalid_request_error"), o: failed(400, "invalid_request_error")},
		{words: "refused", a: failed(400, "invalid_request_error"), o: failed(400, "invalid_request_error")},
		{words: "nomodel", a: failed(404, "not_found_error"), o: failed(404, "invalid_request_error")},
		{words: "html502", a: want{status: 502, bad: 1, outcome: Failed}, o: want{status: 502, bad: 1, outcome: Failed}},
		{words: "redirect", a: want{status: 307, bad: 1, outcome: Failed}, o: want{status: 307, bad: 1, outcome: Failed}},
		{words: "reset", a: want{err: syscall.ECONNRESET, outcome: Failed}, o: want{err: syscall.ECONNRESET, outcome: Failed}},
		{words: "eof", a: want{err: io.EOF, outcome: Failed}, o: want{err: io.EOF, outcome: Failed}},
		{
			words: "cut7",
			a:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(7), outcome: Broken},
			o:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(7), outcome: Broken},
			aj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
			oj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
		},
		{
			words: "cut40", // more than a usual answer has: the answer grows
			a:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(40), outcome: Broken},
			o:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(40), outcome: Broken},
			aj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
			oj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
		},
		{
			words: "n3-cut40", // never after the finish
			a:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(3), outcome: Broken},
			o:     want{status: 200, err: io.ErrUnexpectedEOF, text: Text(3), outcome: Broken},
			aj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
			oj:    want{status: 200, err: io.ErrUnexpectedEOF, bad: 1, outcome: Broken},
		},
		{
			words: "rst7",
			a:     want{status: 200, err: syscall.ECONNRESET, text: anyText, outcome: Broken},
			o:     want{status: 200, err: syscall.ECONNRESET, text: anyText, outcome: Broken},
			aj:    want{status: 200, err: syscall.ECONNRESET, text: anyText, bad: 1, outcome: Broken},
			oj:    want{status: 200, err: syscall.ECONNRESET, text: anyText, bad: 1, outcome: Broken},
		},
		{
			words: "malformed5",
			a:     want{status: 200, text: Text(5) + strings.TrimPrefix(Text(DefaultChunks), Text(6)), finish: true, sentinel: true, bad: 1, outcome: Broken},
			o:     want{status: 200, text: Text(5) + strings.TrimPrefix(Text(DefaultChunks), Text(6)), finish: true, sentinel: true, bad: 1, outcome: Broken},
			aj:    want{status: 200, bad: 1, outcome: Broken},
			oj:    want{status: 200, bad: 1, outcome: Broken},
		},
		{
			words: "errevent",
			a:     want{status: 200, failed: "overloaded_error", outcome: Broken},
			o:     want{status: 200, failed: "server_error", outcome: Broken},
		},
		{
			words: "errstart",
			a:     want{status: 200, failed: "overloaded_error", outcome: Broken},
			o:     want{status: 200, failed: "server_error", outcome: Broken},
		},
		{
			words: "errevent4-es429",
			a:     want{status: 200, failed: "rate_limit_error", text: Text(4), outcome: Broken},
			o:     want{status: 200, failed: "requests", text: Text(4), outcome: Broken},
			aj:    want{status: 200, failed: "rate_limit_error", outcome: Broken},
			oj:    want{status: 200, failed: "requests", outcome: Broken},
		},
		{
			words: "empty",
			a:     want{status: 200, outcome: Broken}, o: want{status: 200, outcome: Broken},
			aj: want{status: 200, bad: 1, outcome: Broken}, oj: want{status: 200, bad: 1, outcome: Broken},
		},
		{
			words: "nofinish",
			a:     want{status: 200, text: Text(DefaultChunks), outcome: Broken},
			o:     want{status: 200, text: Text(DefaultChunks), outcome: Broken},
		},
		{
			words: "nosentinel",
			a:     want{status: 200, text: Text(DefaultChunks), finish: true, outcome: Broken},
			o:     want{status: 200, text: Text(DefaultChunks), finish: true, outcome: Broken},
			aj:    whole, oj: whole,
		},
		{
			words: "garbage",
			a:     want{status: 200, text: Text(DefaultChunks), finish: true, sentinel: true, bad: 1, outcome: Broken},
			o:     want{status: 200, text: Text(DefaultChunks), finish: true, sentinel: true, bad: 1, outcome: Broken},
			aj:    whole, oj: whole,
		},
	} {
		for _, f := range []format{anthropic, openai} {
			for _, stream := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/stream=%t", c.words, f, stream), func(t *testing.T) {
					s := start(t, New(Options{}), ServerOptions{})
					w := c.a
					switch {
					case f == openai && !stream && c.oj != (want{}):
						w = c.oj
					case f == openai:
						w = c.o
					case !stream && c.aj != (want{}):
						w = c.aj
					}
					if !stream {
						w.sentinel = false
					}
					h := hear(t, client(t, s), f, request(bounded(t), t, s.URL(), f, "sk-sim-"+c.words, hello(stream)))
					if !errors.Is(h.err, w.err) {
						t.Errorf("error = %v, want %v", h.err, w.err)
					}
					if w.text == anyText {
						w.text = h.text
					}
					got := want{h.status, w.err, h.text, h.finish != "", h.sentinel, h.bad, h.failed, w.outcome}
					if got != w {
						t.Errorf("a client sees\n%+v, want\n%+v\n%s", got, w, h.body)
					}
					seen, err := s.Wait(bounded(t), func(s Seen) bool { return !s.End.IsZero() })
					if err != nil {
						t.Fatal(err)
					}
					if seen.Outcome != w.outcome {
						t.Errorf("outcome = %s, want %s", seen.Outcome, w.outcome)
					}
					if stream && w.bad == 0 && seen.Events != h.events && w.text != anyText && !errors.Is(w.err, syscall.ECONNRESET) {
						t.Errorf("the provider counted %d content events, the client %d", seen.Events, h.events)
					}
				})
			}
		}
	}
}

// TestSilence: the client leaves a silent provider, which notices.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		words  string
		stream bool
		status int // 0: the headers never come
		events int // content events before the silence
	}{
		{words: "hang", stream: true},
		{words: "hang"},
		{words: "ttft999999999", stream: true},
		{words: "headersthen999999999", stream: true, status: 200},
		{words: "headersthen999999999", status: 200},
		{words: "stall3", stream: true, status: 200, events: 3},
		{words: "stall", stream: true, status: 200},
		{words: "d999999999", stream: true, status: 200, events: 1},
		{words: "think999999999", stream: true, status: 200},
		{words: "think999999999"},
		{words: "jsonstall", status: 200},
		{words: "stall", status: 200},
	} {
		for _, f := range []format{anthropic, openai} {
			for _, tls := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%t/tls=%t", c.words, f, c.stream, tls), func(t *testing.T) {
					s := start(t, New(Options{}), ServerOptions{TLS: tls})
					ctx, leave := context.WithCancel(bounded(t))
					defer leave()
					answered := make(chan error, 1)
					go func() {
						r := request(ctx, t, s.URL(), f, "sk-sim-"+c.words, hello(c.stream))
						resp, err := secureClient(t, s).Do(r)
						if err != nil {
							answered <- err
							return
						}
						defer resp.Body.Close()
						answered <- nil
						_, err = io.Copy(io.Discard, resp.Body)
						answered <- err
					}()
					if c.status != 0 {
						if err := <-answered; err != nil {
							t.Fatalf("no headers: %v", err)
						}
					}
					if _, err := s.Wait(ctx, func(s Seen) bool { return s.Status == c.status && s.Events == c.events }); err != nil {
						t.Fatalf("the request did not come so far: %v", err)
					}
					leave()
					if err := <-answered; err == nil {
						t.Error("the client saw an orderly end of a silent answer")
					}
					seen, err := s.Wait(bounded(t), func(s Seen) bool { return !s.End.IsZero() })
					if err != nil {
						t.Fatal(err)
					}
					if seen.Outcome != Aborted {
						t.Errorf("outcome = %s, want aborted", seen.Outcome)
					}
				})
			}
		}
	}
}

func secureClient(t *testing.T, s *Server) *http.Client {
	tr := &http.Transport{}
	if s.Roots() != nil {
		tr = secureTransport(s)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestBadGzip: the announced encoding is a lie, so that decoding fails.
func TestBadGzip(t *testing.T) {
	for _, stream := range []bool{true, false} {
		s := start(t, New(Options{}), ServerOptions{})
		h := hear(t, client(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-badgzip", hello(stream)))
		if h.err == nil || !strings.Contains(h.err.Error(), "gzip: invalid header") {
			t.Errorf("stream=%t: error = %v, want an invalid gzip header", stream, h.err)
		}
	}
}

// TestGzip: the same answer, compressed, for a client that accepts it.
func TestGzip(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{})
	for _, stream := range []bool{true, false} {
		r := request(bounded(t), t, s.URL(), anthropic, "sk-sim-gzip", hello(stream))
		resp, err := client(t, s).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !resp.Uncompressed {
			t.Errorf("stream=%t: the answer was not compressed", stream)
		}
	}
}

// TestPermanentFaultsReachEveryPath: what never ends also answers the lists;
// what is used up does not, and is not used up by them.
func TestPermanentFaultsReachEveryPath(t *testing.T) {
	s := start(t, New(Options{}), ServerOptions{})
	list := func(key string) int {
		r := request(bounded(t), t, s.URL(), openai, key, "")
		r.Method, r.URL.Path, r.Body, r.ContentLength = http.MethodGet, "/v1/models", nil, 0
		return hear(t, client(t, s), openai, r).status
	}
	if got := list("sk-sim-fail503"); got != 503 {
		t.Errorf("list with a permanent fault = %d, want 503", got)
	}
	if got := list("sk-sim-fail503x1"); got != 200 {
		t.Errorf("list with a fault for one answer = %d, want 200", got)
	}
	if got := hear(t, client(t, s), openai, request(bounded(t), t, s.URL(), openai, "sk-sim-fail503x1", hello(false))).status; got != 503 {
		t.Errorf("first answer = %d, want 503", got)
	}
}
