package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnout/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveRig puts a rig behind a real listener: deadlines are a socket's.
func serveRig(t *testing.T, r *rig) string {
	t.Helper()
	s := httptest.NewServer(r.g.Handler(Call{Dialect: r.d}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestSlowSender: a caller that stops sending in the middle of its body gets a 408 in its dialect.
func TestSlowSender(t *testing.T) {
	r := newRig(t, two[:1], func(c *rigConfig) { c.settings.ReadWait = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", serveRig(t, r))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: 1000\r\n\r\n{\"model\":", testKey)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	mustContain(t, "the refusal", string(body), "too slowly", "invalid_request_error")
}

// TestNeverReads: a caller that reads nothing counts as gone, and its upstream is cancelled.
func TestNeverReads(t *testing.T) {
	r := newRig(t, two[:1], func(c *rigConfig) { c.settings.WriteWait = 50 * time.Millisecond })
	cancelled := make(chan struct{})
	r.on("a", func(ctx context.Context, _ *call) (*response, error) {
		resp := answer200("text/event-stream", "")
		resp.ContentLength = -1
		resp.Body = &endless{ctx: ctx, first: msgStart + txtStart, more: delta(strings.Repeat("x", 3000)), closed: cancelled}
		return resp, nil
	})
	conn, err := net.Dial("tcp", serveRig(t, r))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", testKey, len(askStream), askStream)
	<-cancelled
	if err := r.g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rec := r.last(); rec.Outcome != OutcomeLeft {
		t.Errorf("recorded %v", rec.Outcome)
	}
}

// endless is a body that always has more.
type endless struct {
	ctx         context.Context
	first, more string
	rest        string
	closed      chan struct{}
}

func (e *endless) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	if e.rest == "" {
		e.rest, e.first = e.first+e.more, ""
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *endless) Close() error {
	close(e.closed)
	return nil
}

// TestBodiesBudget: bodies hold no more memory than was set, and the refusal says so.
func TestBodiesBudget(t *testing.T) {
	r := newRig(t, two[:1])
	r.g.deps.Bodies = NewBudget(100 << 10)
	r.on("a", jsonOK("fine"))
	big := `{"model":"claude-x","x":"` + strings.Repeat("y", 200<<10) + `"}`
	g := r.send(big)
	if g.Code != http.StatusServiceUnavailable || g.Header().Get("Retry-After") == "" {
		t.Errorf("status %d: %s", g.Code, g.text())
	}
	mustContain(t, "the refusal", g.text(), "large requests at once")
	if n := r.g.deps.Bodies.Used(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
	if g := r.send(askJSON); g.Code != 200 {
		t.Errorf("a small request got %d", g.Code)
	}
}

// TestBodyLetGoAtCommit: a body that several attempts may need is gone once one has
// content, while its stream goes on.
func TestBodyLetGoAtCommit(t *testing.T) {
	r := newRig(t, two[:1])
	committed, goOn := make(chan struct{}), make(chan struct{})
	r.on("a", func(ctx context.Context, c *upstream.Call) (*response, error) {
		resp := answer200("text/event-stream", "")
		resp.ContentLength = -1
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(msgStart+txtStart+delta("one")), &gate{committed, goOn}, strings.NewReader(txtStop+msgDelta+msgStop)))
		return resp, nil
	})
	done := make(chan got)
	ask := `{"model":"claude-x","stream":true,"x":"` + strings.Repeat("y", 100<<10) + `"}`
	go func() { done <- r.send(ask) }()
	<-committed
	if n := r.bodies.Used(); n != 0 {
		t.Errorf("%d bytes of the body are held after the commit", n)
	}
	close(goOn)
	if g := <-done; !strings.Contains(g.text(), "message_stop") {
		t.Errorf("the stream did not end well: %s", g.text())
	}
}

// gate says when it is reached, and blocks until it is opened.
type gate struct{ reached, open chan struct{} }

func (g *gate) Read([]byte) (int, error) {
	close(g.reached)
	<-g.open
	return 0, io.EOF
}
