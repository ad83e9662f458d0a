package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// committing gives the pool a commit point.
func committing(c domain.Commit) rigOption {
	return func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Commit = c } }
}

var complete = domain.Commit{Point: domain.CommitComplete}

// words is a stream of n pieces of text, a second apart, that then ends as end says;
// past those pieces comes last.
func words(n int, gap time.Duration, end error, last string) reply {
	parts := []part{{0, msgStart + txtStart}}
	for i := range n {
		parts = append(parts, part{gap, delta(fmt.Sprintf("w%d ", i))})
	}
	return stream(end, append(parts, part{0, last})...)
}

const txtEnd = txtStop + msgDelta + msgStop

// TestCommitPoints: what fails before the commit point is carried over without a trace,
// and what fails after it is the protocol's error event.
func TestCommitPoints(t *testing.T) {
	broken := func(n int) reply { return words(n, time.Second, io.ErrUnexpectedEOF, "") }
	tokens3, seconds2 := domain.Commit{Point: domain.CommitTokens, Tokens: 3}, domain.Commit{Point: domain.CommitSeconds, Time: 2500 * time.Millisecond}
	for name, c := range map[string]struct {
		commit domain.Commit
		a      reply
		whole  bool
	}{
		"complete: cut at once":             {complete, broken(1), true},
		"complete: cut after 40 words":      {complete, broken(40), true},
		"complete: silence":                 {complete, words(20, time.Second, io.EOF, "" /* then */), true},
		"complete: malformed":               {complete, words(9, 0, io.EOF, "event: content_block_delta\ndata: {\"type\":\n\n"+txtEnd), true},
		"complete: error event":             {complete, words(9, 0, io.EOF, errEvent), true},
		"complete: no finish reason":        {complete, words(9, 0, io.EOF, txtStop), true},
		"tokens: cut before":                {tokens3, broken(2), true},
		"tokens: cut after":                 {tokens3, broken(3), false},
		"seconds: cut before":               {seconds2, broken(3), true},
		"seconds: cut after":                {seconds2, broken(5), false},
		"content: cut before":               {domain.Commit{}, broken(0), true},
		"content: cut after":                {domain.Commit{}, broken(1), false},
		"first event: cut after the start":  {domain.Commit{Point: domain.CommitFirstEvent}, broken(0), false},
		"first event: cut before any event": {domain.Commit{Point: domain.CommitFirstEvent}, stream(io.ErrUnexpectedEOF), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, committing(c.commit))
				r.on("a", c.a)
				r.on("b", words(5, time.Second, io.EOF, txtEnd))
				g := r.send(askStream)
				if c.whole {
					mustLack(t, "the stream", g.text(), "event: error")
					if text := r.textOf(g.text()); text != "w0 w1 w2 w3 w4 " {
						t.Errorf("the caller read %q", text)
					}
					if n := strings.Count(g.text(), "message_start"); n != 2 { // its name and its type
						t.Errorf("message_start stands %d times", n)
					}
					mustContain(t, "the stream", g.text(), "message_stop")
					return
				}
				mustContain(t, "the stream", g.text(), "event: error", "not whole")
				mustLack(t, "the stream", g.text(), "message_stop")
				if r.names() != "a" {
					t.Errorf("asked %s after the commit", r.asked())
				}
			})
		})
	}
}

// textOf joins a stream's text deltas.
func (r *rig) textOf(stream string) string {
	var b strings.Builder
	for line := range strings.Lines(stream) {
		if _, rest, ok := strings.Cut(line, `"text_delta","text":"`); ok {
			text, _, _ := strings.Cut(rest, `"`)
			b.WriteString(text)
		}
	}
	return b.String()
}

// TestHeldStall: content that is held back and falls silent is given up by the
// stream's own pace, long before the limit that holds after the commit.
func TestHeldStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, committing(complete))
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart + delta("x")}, part{50 * time.Millisecond, delta("y")}, part{forever, ""}))
		r.on("b", whole("fine"))
		g := r.send(askStream)
		mustContain(t, "the stream", g.text(), "fine", "message_stop")
		mustLack(t, "the stream", g.text(), `"x"`, "event: error")
		if want := 10*time.Second + 50*time.Millisecond; g.took != want {
			t.Errorf("took %s, want %s (asked %s)", g.took, want, r.asked())
		}
	})
}

// stamped notes when something was written.
type stamped struct {
	*httptest.ResponseRecorder
	began time.Time
	wrote []string
}

func (s *stamped) Write(p []byte) (int, error) {
	s.wrote = append(s.wrote, fmt.Sprintf("%s %s", time.Since(s.began), strings.SplitN(string(p), "\n", 2)[0]))
	return s.ResponseRecorder.Write(p)
}

func (r *rig) sendStamped(body string, opts ...requestOption) *stamped {
	s := &stamped{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	req := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(body))
	req.Header.Set("X-Api-Key", testKey)
	for _, o := range opts {
		o(req)
	}
	r.g.Handler(Call{Dialect: r.d}).ServeHTTP(s, req)
	return s
}

// TestHoldEndsInSilence: a hold that is over in time lets go of what it has, also
// while the upstream says nothing.
func TestHoldEndsInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, committing(domain.Commit{Point: domain.CommitSeconds, Time: 3 * time.Second}))
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart}, part{time.Second, delta("early")}, part{20 * time.Second, delta("late") + txtEnd}))
		s := r.sendStamped(askStream)
		if len(s.wrote) < 2 || !strings.HasPrefix(s.wrote[0], "4s event: message_start") || !strings.HasPrefix(s.wrote[len(s.wrote)-1], "21s ") {
			t.Errorf("wrote %q", s.wrote)
		}
		if text := r.textOf(s.Body.String()); text != "earlylate" {
			t.Errorf("the caller read %q", text)
		}
	})
}

// TestHoldIsBounded: a hold that reaches a bound commits; it never fails.
func TestHoldIsBounded(t *testing.T) {
	big := delta(strings.Repeat("x", 1<<20))
	for name, c := range map[string]struct {
		opts  []rigOption
		parts []part
		bound string
	}{
		"bytes":        {[]rigOption{committing(complete)}, []part{{0, msgStart + txtStart + strings.Repeat(big, 17)}}, "bytes"},
		"memory":       {[]rigOption{committing(complete), func(c *rigConfig) { c.bodies = 64 << 10 }}, []part{{0, msgStart + txtStart + delta("a")}, {0, delta(strings.Repeat("y", 100<<10))}, {0, delta("b")}}, "memory"},
		"time":         {[]rigOption{committing(complete)}, []part{{0, msgStart + txtStart + delta("a")}}, ""},
		"start events": {nil, []part{{0, msgStart + strings.Repeat("event: note\ndata: {\"type\":\"note\"}\n\n", 65)}}, "events"},
		"start bytes":  {nil, []part{{0, msgStart + "event: note\ndata: {\"type\":\"note\",\"x\":\"" + strings.Repeat("x", 300<<10) + "\"}\n\n"}}, "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &eventObserver{}
				r := newRig(t, []account{{name: "a"}}, append(c.opts, func(rc *rigConfig) { rc.observer = o })...)
				parts := c.parts
				if name == "time" {
					for range 220 {
						parts = append(parts, part{9 * time.Second, delta("a")})
					}
					c.bound = "time"
				}
				r.on("a", stream(io.ErrUnexpectedEOF, parts...))
				g := r.send(askStream)
				mustContain(t, "the stream", g.text(), "message_start", "event: error")
				if got := o.of(EventHold); got != c.bound {
					t.Errorf("the hold ended at %q, want %q", got, c.bound)
				}
				if r.names() != "a" {
					t.Errorf("asked %s", r.asked())
				}
			})
		})
	}
}

// TestWhoChoosesTheCommit: the caller where its key may, else the key, else the pool.
func TestWhoChoosesTheCommit(t *testing.T) {
	broken := words(5, 0, io.ErrUnexpectedEOF, "")
	for name, c := range map[string]struct {
		key    domain.Key
		header string
		status int
		whole  bool
		says   string
	}{
		"the pool":                    {domain.Key{}, "", 200, false, ""},
		"the key":                     {domain.Key{Commit: &complete}, "", 200, true, ""},
		"the caller":                  {domain.Key{Overrides: []string{"commit"}}, "complete", 200, true, ""},
		"the caller beats the key":    {domain.Key{Overrides: []string{"commit"}, Commit: &complete}, "content", 200, false, ""},
		"a caller that may not":       {domain.Key{}, "complete", 403, false, "overrides: [commit]"},
		"a caller that says nonsense": {domain.Key{Overrides: []string{"commit"}}, "tokens=0", 400, false, "tokens=N (1 to 100000)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, func(rc *rigConfig) { rc.key.Commit, rc.key.Overrides = c.key.Commit, c.key.Overrides })
				r.on("a", broken)
				r.on("b", whole("fine"))
				var opts []requestOption
				if c.header != "" {
					opts = append(opts, withHeader("X-Turnout-Commit", c.header))
				}
				g := r.send(askStream, opts...)
				if g.Code != c.status {
					t.Fatalf("status %d: %s", g.Code, g.text())
				}
				mustContain(t, "the answer", g.text(), c.says)
				if c.status == 200 && strings.Contains(g.text(), "event: error") == c.whole {
					t.Errorf("whole is %v:\n%s", !c.whole, g.text())
				}
			})
		})
	}
}

// TestCompleteKeepsAlive: an answer that is held to its end is a well-formed stream with signs of life before it.
func TestCompleteKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) {
			c.keepAlive, c.pool = 15*time.Second, func(p *PoolConfig) { p.Commit, p.KeepAlive = complete, 15*time.Second }
		})
		r.on("a", words(20, 2*time.Second, io.EOF, txtEnd))
		s := r.sendStamped(askStream)
		if len(s.wrote) < 3 || s.wrote[0] != "15s event: ping" || s.wrote[1] != "30s event: ping" || !strings.HasPrefix(s.wrote[2], "40s event: message_start") {
			t.Errorf("wrote %q", s.wrote)
		}
	})
}

type eventObserver struct {
	noObserver
	events []string
}

func (o *eventObserver) Event(event, detail string, _ int) {
	o.events = append(o.events, event+" "+detail)
}

func (o *eventObserver) of(event string) string {
	for _, e := range o.events {
		if name, detail, _ := strings.Cut(e, " "); name == event {
			return detail
		}
	}
	return ""
}
