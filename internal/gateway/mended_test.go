package gateway

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// Each test here tells the story of a fault that was once there.

// A bound account that is only busy was left for the next pool at once, and the
// session moved with it.
func TestPoolsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}, {name: "b", priority: 1}, {name: "c"}}, func(c *rigConfig) { c.key.Pools = []string{"default", "second"} })
		r.accounts[2].Pools = []string{"second"}
		snap, err := NewSnapshot(2, DefaultSettings(), r.g.Snapshot().keys, []PoolConfig{
			{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}}, {Pool: domain.Pool{ID: 2, Name: "second", Enabled: true}},
		}, r.accounts, r.cells)
		if err != nil {
			t.Fatal(err)
		}
		r.g.Swap(snap)
		r.on("a", jsonOK("a"), after(2*time.Second, jsonOK("a")), jsonOK("a"))
		r.on("b", fail503)
		r.on("c", jsonOK("c"))
		r.send(askJSON, claude)
		done := make(chan got)
		go func() { done <- r.send(askJSON, claude) }()
		synctest.Wait()
		if g := r.send(askJSON, claude); g.text() != messageJSON("a") || g.took != 2*time.Second {
			t.Errorf("%s after %s; the busy account was to be waited for", g.text(), g.took)
		}
		<-done
		// The second pool serves only what the first cannot, and then keeps its sessions.
		r.on("a", fail503)
		r.attempts = nil
		if g := r.send(askJSON, withHeader("Session-Id", "other")); g.text() != messageJSON("c") || r.names() != "a a b b c" {
			t.Errorf("asked %s, answered %s", r.names(), g.text())
		}
		r.on("a", jsonOK("a"))
		time.Sleep(time.Hour / 2)
		if g := r.send(askJSON, withHeader("Session-Id", "other")); g.text() != messageJSON("c") {
			t.Errorf("the session left the account where its cache is: %s", g.text())
		}
	})
}

// An end without a finish reason was passed off as whole once content had gone.
func TestEndWithoutFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], openAI)
		r.on("a", stream(io.EOF, part{0, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hal\"},\"finish_reason\":null}]}\n\n"}, part{time.Second, "data: [DONE]\n\n"}))
		g := r.send(chatAsk)
		mustContain(t, "the stream", g.text(), "hal", `"error"`)
		mustLack(t, "the stream", g.text(), "[DONE]")
		if r.last().Outcome != OutcomeBroken {
			t.Errorf("recorded %v", r.last().Outcome)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart + delta("hal") + msgStop}))
		g := r.send(askStream)
		mustContain(t, "the stream", g.text(), "hal", "event: error")
		mustLack(t, "the stream", g.text(), "message_stop")
	})
}

// Seventy comments of a relay that was only waiting committed the stream.
func TestPingsDoNotCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, openAI)
		var waiting []part
		for range 200 {
			waiting = append(waiting, part{10 * time.Millisecond, ": PROCESSING\n\n"})
		}
		r.on("a", stream(io.ErrUnexpectedEOF, waiting...))
		r.on("b", stream(io.EOF, part{0, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"}))
		g := r.send(chatAsk)
		mustContain(t, "the stream", g.text(), `"ok"`, "[DONE]")
		mustLack(t, "the stream", g.text(), "error", "PROCESSING")
	})
}

// One caller that left emptied the model list for everybody, for ten minutes.
func TestModelsSurviveACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], openAI)
		list := func(context.Context, *call) (*response, error) {
			return answer200("application/json", `{"object":"list","data":[{"id":"gpt-x","object":"model"}]}`), nil
		}
		r.on("a", fail503, after(time.Second, list))
		get := func(ctx context.Context) string {
			req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/models", nil)
			req.Header.Set("X-Api-Key", testKey)
			w := httptest.NewRecorder()
			r.g.Models(r.d, "").ServeHTTP(w, req)
			return w.Body.String()
		}
		mustLack(t, "the list while the account is down", get(t.Context()), "gpt-x")
		time.Sleep(20 * time.Second)
		ctx, leave := context.WithTimeout(t.Context(), time.Second/2)
		get(ctx)
		leave()
		before := len(r.attempts)
		mustContain(t, "the list for the next caller", get(t.Context()), "gpt-x")
		mustContain(t, "the list a minute later", get(t.Context()), "gpt-x")
		if len(r.attempts) != before {
			t.Error("the account was asked again")
		}
	})
}

// A caller that hung up was settled with nothing; a broken answer was attributed twice; the
// slower of two attempts not at all.
func TestLedgerContract(t *testing.T) {
	begin := msgStart + txtStart + delta("hal")
	cases := map[string]struct {
		a, b   reply
		leave  time.Duration
		prompt int64
		costs  int
	}{
		"left":   {a: stream(io.EOF, part{0, begin}, part{forever, ""}), leave: 5 * time.Second, prompt: 2010},
		"broken": {a: stream(io.ErrUnexpectedEOF, part{0, begin}), prompt: 2010},
		"beside": {a: stream(io.EOF, part{0, msgStart}, part{forever, ""}), b: whole("hi"), prompt: 2010, costs: 1},
		"failed": {a: fail503, b: whole("hi"), prompt: 2010, costs: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accounts := []account{{name: "a"}}
				if c.b != nil {
					accounts = append(accounts, account{name: "b", priority: 1})
				}
				r := newRig(t, accounts)
				r.on("a", c.a)
				r.on("b", c.b)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				if c.leave > 0 {
					time.AfterFunc(c.leave, leave)
				}
				r.send(askStream, withContext(ctx))
				if got := r.ledger.used.Prompt(); got != c.prompt || r.ledger.costs != c.costs {
					t.Errorf("settled %d prompt tokens and was told of %d other attempts, want %d and %d", got, r.ledger.costs, c.prompt, c.costs)
				}
				if r.last().Usage != r.ledger.used {
					t.Errorf("recorded %+v, settled %+v", r.last().Usage, r.ledger.used)
				}
			})
		})
	}
}

// JSON went out inside an event stream that a keep-alive had opened.
func TestJSONAfterKeepAlive(t *testing.T) {
	keep := func(c *rigConfig) { c.keepAlive = 10 * time.Second }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], keep)
		r.on("a", after(15*time.Second, jsonOK("hello")))
		g := r.send(askStream)
		mustContain(t, "the stream", g.text(), "event: ping", "event: error")
		mustLack(t, "the stream", g.text(), "hello")
	})
	synctest.Test(t, func(t *testing.T) { // before the keep-alive it is passed on as it came
		r := newRig(t, two[:1], keep)
		r.on("a", after(5*time.Second, jsonOK("hello")))
		if g := r.send(askStream); g.text() != messageJSON("hello") || g.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", g.Header().Get("Content-Type"), g.text())
		}
	})
}

// flushes notes what had been written at each flush.
type flushes struct {
	*httptest.ResponseRecorder
	texts []string
}

func (f *flushes) FlushError() error {
	f.texts = append(f.texts, f.Body.String())
	return nil
}

// Content that arrived together with a hidden event stayed in the buffer.
func TestFlushBeforeHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], openAI)
		chunk := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"final words\"},\"finish_reason\":\"stop\"}]}\n\n"
		hidden := "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"
		r.on("a", stream(io.EOF, part{0, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"}, part{time.Second, chunk + hidden}, part{4 * time.Second, "data: [DONE]\n\n"}))
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(chatAsk))
		req.Header.Set("X-Api-Key", testKey)
		w := &flushes{ResponseRecorder: httptest.NewRecorder()}
		r.g.Handler(Call{Dialect: r.d}).ServeHTTP(w, req)
		if !slices.ContainsFunc(w.texts, func(text string) bool {
			return strings.Contains(text, "final words") && !strings.Contains(text, "[DONE]")
		}) {
			t.Errorf("the content was flushed only with the end: %q", w.texts)
		}
	})
}

// A caller's own retry was refused without a word about when to come back.
func TestRefusedRetrySaysWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", fail529, fail529, jsonOK("back"))
		g := r.send(askJSON)
		if g.Code != 529 || g.Header().Get("Retry-After") == "" {
			t.Fatalf("status %d, Retry-After %q", g.Code, g.Header().Get("Retry-After"))
		}
		wait, err := time.ParseDuration(g.Header().Get("Retry-After") + "s")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		if g := r.send(askJSON); g.Code != 200 {
			t.Errorf("after the %s that were named: status %d", wait, g.Code)
		}
	})
}

// A refused credential closed its account for good.
func TestRefusedCredentialIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", status(401, errorJSON("authentication_error")), jsonOK("a"))
		r.on("b", jsonOK("b"))
		for _, step := range []struct {
			wait time.Duration
			want string
		}{{0, "b"}, {9 * time.Minute, "b"}, {time.Minute, "a"}} {
			time.Sleep(step.wait)
			if g := r.send(askJSON); g.text() != messageJSON(step.want) {
				t.Errorf("after %s: %s, want %s", time.Since(r.began), g.text(), step.want)
			}
		}
	})
}

// Where only refused credentials are left, the caller is not told to come back.
func TestOnlyRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", status(401, errorJSON("authentication_error")))
		if g := r.send(askJSON); g.Code != 502 || g.Header().Get("X-Should-Retry") != "false" {
			t.Errorf("status %d", g.Code)
		}
		g := r.send(askStream)
		if g.Code != 503 || g.Header().Get("Retry-After") != "" || len(r.attempts) != 1 {
			t.Errorf("status %d, Retry-After %q, asked %s", g.Code, g.Header().Get("Retry-After"), r.asked())
		}
		mustContain(t, "the refusal", g.text(), "renew a credential")
	})
}

// An attempt that fails just when another one is being started beside it was told to
// await that one, which never came.
func TestFailureAtTheSoftLimit(t *testing.T) {
	for seed := range 300 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
			r.on("a", after(8*time.Second+time.Duration(seed%3-1), status(401, errorJSON("authentication_error"))))
			r.on("b", whole("fine"))
			if g := r.send(askStream); g.Code != 200 || !strings.Contains(g.text(), "fine") {
				t.Fatalf("status %d, asked %s\n%s", g.Code, r.asked(), r.last().Trace)
			}
			if rest := r.cells.Rest(restKeyOf(2)); rest.Streak() != 0 {
				t.Error("the account that answered is blamed")
			}
		})
	}
}

// chopped gives its bytes in pieces of random size.
type chopped struct {
	b   []byte
	rnd *rand.Rand
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := min(1+c.rnd.IntN(1<<c.rnd.IntN(17)), len(p), len(c.b))
	copy(p, c.b[:n])
	c.b = c.b[n:]
	return n, nil
}

func (c *chopped) Close() error { return nil }

// TestRelayIsExact: whatever the events look like and however they arrive, the caller
// gets their bytes, less what was hidden.
func TestRelayIsExact(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		eol := []string{"\n", "\r\n"}[rnd.IntN(2)]
		hide := rnd.IntN(2) == 0
		var in, want bytes.Buffer
		event := func(pre, cut, post string) {
			in.WriteString(pre + cut + post)
			want.WriteString(pre)
			if !hide {
				want.WriteString(cut)
			}
			want.WriteString(post)
		}
		text := func() string { return strings.Repeat("ab\\n\\\"ü", rnd.IntN(1<<rnd.IntN(13))) }
		event(`data: {"choices":[{"index":0,"delta":{"content":"x`+text()+`"},"finish_reason":null}]`, `,"usage":null`, `}`+eol+eol)
		for range rnd.IntN(60) {
			switch rnd.IntN(6) {
			case 0:
				event(": comment "+text()+eol+eol, "", "")
			case 1:
				event(`data: {"choices":[{"index":0,"delta":{"content":"`+text()+`"},"finish_reason":null}]`, `,  "usage": null`, `}`+eol+eol)
			case 2:
				event(`data: {`, `"usage":null,`, `"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"`+text()+`"}}]}}]}`+eol+eol)
			default:
				event(`data: {"choices":[{"index":0,"delta":{"content":"`+text()+`"},"finish_reason":null}]`, `,"usage":null`, `}`+eol+eol)
			}
		}
		event(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+eol+eol, "", "")
		event("", `data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}`+eol+eol, "")
		event("data: [DONE]"+eol+eol, "", "")
		r := newRig(t, two[:1], openAI)
		r.on("a", func(context.Context, *call) (*response, error) {
			resp := answer200("text/event-stream", "")
			resp.ContentLength, resp.Body = -1, &chopped{bytes.Clone(in.Bytes()), rnd}
			return resp, nil
		})
		ask := chatAsk
		if !hide {
			ask = strings.Replace(ask, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
		}
		if g := r.send(ask); g.text() != want.String() || r.last().Usage.Output != 7 {
			t.Fatalf("seed %d: %d bytes, want %d; outcome %v, usage %+v", seed, len(g.text()), want.Len(), r.last().Outcome, r.last().Usage)
		}
	}
}
