package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
)

var two = []account{{name: "a"}, {name: "b"}}

// TestBeforeCommit: whatever goes wrong before content, the caller sees the other
// account's answer, streaming or not.
func TestBeforeCommit(t *testing.T) {
	faults := map[string]reply{
		"429":                fail429,
		"503":                fail503,
		"529":                fail529,
		"401":                status(401, errorJSON("authentication_error")),
		"403":                status(403, errorJSON("permission_error")),
		"404":                status(404, errorJSON("not_found_error")),
		"redirect":           status(302, ""),
		"connection refused": unsent,
		"html":               func(ctx context.Context, _ *call) (*response, error) { return answer200("text/html", "<html>"), nil },
		"empty 200":          func(ctx context.Context, _ *call) (*response, error) { return answer200("application/json", ""), nil },
		"error inside a 200": func(ctx context.Context, _ *call) (*response, error) {
			return answer200("application/json", errorJSON("api_error")), nil
		},
		"no finish reason": func(context.Context, *call) (*response, error) {
			return answer200("application/json", strings.Replace(messageJSON("x"), `"end_turn"`, "null", 1)), nil
		},
		"half a body": func(ctx context.Context, _ *call) (*response, error) {
			return answer200("application/json", messageJSON("x")[:60]), nil
		},
		"error event at once":     stream(io.EOF, part{0, errEvent}),
		"error event after start": stream(io.EOF, part{0, msgStart + txtStart + errEvent}),
		"cut before content":      stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + ping}),
		"end before content":      stream(io.EOF, part{0, msgStart}),
		"no events":               stream(io.EOF),
		"not an event":            stream(io.EOF, part{0, "event: message_start\ndata: {broken\n\n"}),
	}
	for name, fault := range faults {
		for _, ask := range []string{askJSON, askStream} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, ask == askStream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
					r.on("a", fault)
					if ask == askStream {
						r.on("b", whole("fine"))
					} else {
						r.on("b", jsonOK("fine"))
					}
					g := r.send(ask)
					if g.Code != 200 {
						t.Fatalf("status %d: %s", g.Code, g.text())
					}
					mustContain(t, "the answer", g.text(), "fine")
					mustLack(t, "the answer", g.text(), `"error"`)
					if rec := r.last(); rec.Outcome != OutcomeServed || rec.Account != 2 {
						t.Errorf("recorded %v by account %d", rec.Outcome, rec.Account)
					}
					if g.took > 5*time.Second {
						t.Errorf("took %s", g.took)
					}
				})
			})
		}
	}
}

// TestSameAccountFirst: a momentary fault is retried where it happened, after 200 to
// 500 ms, and the account that failed twice is left.
func TestSameAccountFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", fail503, jsonOK("second try"))
		g := r.send(askJSON)
		mustContain(t, "the answer", g.text(), "second try")
		if r.names() != "a a" {
			t.Errorf("asked %s", r.asked())
		}
		if wait := r.attempts[1].at; wait < 200*time.Millisecond || wait > 500*time.Millisecond {
			t.Errorf("waited %s before the second try, want 200 to 500 ms", wait)
		}
		r.on("a", fail503)
		r.on("b", jsonOK("other"))
		r.attempts = nil
		if g := r.send(askJSON); !strings.Contains(g.text(), "other") || r.names() != "a a b" {
			t.Errorf("asked %s, answered %s", r.asked(), g.text())
		}
		if r.ledger.costs != 3 {
			t.Errorf("the ledger was told of %d failed attempts, want 3", r.ledger.costs)
		}
	})
}

// TestStatedReset: a reset that the upstream states keeps the account out until
// exactly then, and not longer.
func TestStatedReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", status(429, errorJSON("rate_limit_error"), "Retry-After", "60"), jsonOK("back"))
		r.on("b", jsonOK("other"))
		for _, step := range []struct {
			wait time.Duration
			want string
		}{{0, "other"}, {59 * time.Second, "other"}, {time.Second, "back"}} {
			time.Sleep(step.wait)
			if g := r.send(askJSON); !strings.Contains(g.text(), step.want) {
				t.Errorf("after %s: %s, want %s", time.Since(r.began), g.text(), step.want)
			}
		}
	})
}

// TestAllLimited: nobody is asked in vain, and Retry-After says when somebody is
// really free.
func TestAllLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", status(429, errorJSON("rate_limit_error"), "Retry-After", "90"))
		r.on("b", status(429, errorJSON("rate_limit_error"), "Retry-After", "45"))
		g := r.send(askJSON)
		if g.Code != 429 || g.Header().Get("Retry-After") != "45" {
			t.Errorf("status %d, Retry-After %q: %s", g.Code, g.Header().Get("Retry-After"), g.text())
		}
		time.Sleep(10 * time.Second)
		r.attempts = nil
		g = r.send(`{"model":"claude-x","max_tokens":1,"messages":[]}`)
		if g.Code != 429 || g.Header().Get("Retry-After") != "35" || r.names() != "" {
			t.Errorf("status %d, Retry-After %q, asked %q", g.Code, g.Header().Get("Retry-After"), r.names())
		}
		mustContain(t, "the refusal", g.text(), "rate_limit_error", r.last().ID.String())
	})
}

// TestHoldForNearReset: a reset within the waiting budget is waited for.
func TestHoldForNearReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		r.on("a", status(429, errorJSON("rate_limit_error"), "Retry-After", "12"), jsonOK("patience"))
		g := r.send(askJSON)
		mustContain(t, "the answer", g.text(), "patience")
		if g.took != 12*time.Second {
			t.Errorf("took %s, want exactly the 12 s that were stated", g.took)
		}
	})
}

// TestAfterCommit: once content has gone nothing is tried again, and the caller is told.
func TestAfterCommit(t *testing.T) {
	begin := msgStart + txtStart + delta("one ")
	cases := map[string]struct {
		fault reply
		took  time.Duration
		typ   string
	}{
		"cut":         {stream(io.ErrUnexpectedEOF, part{0, begin}), 0, "api_error"},
		"end":         {stream(io.EOF, part{0, begin}), 0, "api_error"},
		"silence":     {stream(io.EOF, part{0, begin}, part{forever, msgStop}), 30 * time.Second, "timeout_error"},
		"error event": {stream(io.EOF, part{0, begin + errEvent}), 0, "overloaded_error"},
		"malformed":   {stream(io.EOF, part{0, begin + "event: content_block_delta\ndata: {\"type\":\n\n"}), 0, "api_error"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", c.fault)
				g := r.send(askStream)
				mustContain(t, "the stream", g.text(), "one ", "event: error\ndata: ", c.typ, "not whole")
				mustLack(t, "the stream", g.text(), "message_stop")
				if r.names() != "a" {
					t.Errorf("asked %s after the commit", r.asked())
				}
				if g.took != c.took {
					t.Errorf("took %s, want %s", g.took, c.took)
				}
				if rec := r.last(); rec.Outcome != OutcomeBroken || rec.Usage.CacheWrite5m != 2000 {
					t.Errorf("recorded %v with %+v", rec.Outcome, rec.Usage)
				}
			})
		})
	}
}

// TestHealthySilence: what real models do must not be cut.
func TestHealthySilence(t *testing.T) {
	think := msgStart + thkStart + strings.Replace(delta("x"), "text_delta\",\"text\"", "thinking_delta\",\"thinking\"", 1)
	cases := map[string]struct {
		fault reply
		ask   string
		took  time.Duration
	}{
		"a minute of thinking with pings before the first token": {
			stream(io.EOF, part{0, msgStart}, part{30 * time.Second, ping}, part{30 * time.Second, ping}, part{5 * time.Second, txtStart + delta("fine") + txtStop + msgDelta + msgStop}), askStream, 65 * time.Second,
		},
		"90 s between events of thinking": {
			stream(io.EOF, part{0, think}, part{89 * time.Second, ping}, part{89 * time.Second, txtStop + txtStart + delta("fine") + txtStop + msgDelta + msgStop}), askStream, 178 * time.Second,
		},
		"a four-minute JSON answer": {after(4*time.Minute, jsonOK("fine")), askJSON, 4 * time.Minute},
		"slow headers":              {after(19*time.Second, whole("fine")), askStream, 19 * time.Second},
		"29 s between pieces of text": {
			stream(io.EOF, part{0, msgStart + txtStart + delta("a")}, part{29 * time.Second, delta("b")}, part{29 * time.Second, delta("fine") + txtStop + msgDelta + msgStop}), askStream, 58 * time.Second,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}})
				r.on("a", c.fault)
				g := r.send(c.ask)
				mustContain(t, "the answer", g.text(), "fine")
				mustLack(t, "the answer", g.text(), "event: error")
				if g.took != c.took || r.names() != "a" {
					t.Errorf("took %s (want %s), asked %s", g.took, c.took, r.asked())
				}
			})
		})
	}
}

// TestTimeLimits: a dead upstream is given up at the limit that is written down, and
// another account is started beside a slow one at the soft limit.
func TestTimeLimits(t *testing.T) {
	cases := map[string]struct {
		a, b  reply
		ask   string
		asked string
		took  time.Duration
		text  string
		code  int
	}{
		"headers, then nothing: beside at 8 s": {
			a: stream(io.EOF, part{0, msgStart}, part{forever, ""}), b: whole("fine"), ask: askStream, asked: "a@0s b@8s", took: 8 * time.Second, text: "fine", code: 200,
		},
		"no headers: beside at 8 s": {
			a: hang, b: whole("fine"), ask: askStream, asked: "a@0s b@8s", took: 8 * time.Second, text: "fine", code: 200,
		},
		"the slow one is faster after all": {
			a: stream(io.EOF, part{0, msgStart}, part{9 * time.Second, txtStart + delta("slow") + txtStop + msgDelta + msgStop}), b: hang, ask: askStream, asked: "a@0s b@8s", took: 9 * time.Second, text: "slow", code: 200,
		},
		"the one beside fails, the slow one answers": {
			a: stream(io.EOF, part{0, msgStart}, part{12 * time.Second, txtStart + delta("slow") + txtStop + msgDelta + msgStop}), b: fail503, ask: askStream, asked: "a@0s b@8s", took: 12 * time.Second, text: "slow", code: 200,
		},
		"the slow one fails, the one beside answers": {
			a: after(9*time.Second, fail503), b: after(5*time.Second, whole("fine")), ask: askStream, asked: "a@0s b@8s", took: 13 * time.Second, text: "fine", code: 200,
		},
		"nobody answers: the first byte's limit": {
			a: hang, b: hang, ask: askStream, asked: "a@0s b@8s", took: 28 * time.Second, text: "timeout_error", code: 504,
		},
		"JSON: beside at 10 s": {
			a: hang, b: jsonOK("fine"), ask: askJSON, asked: "a@0s b@10s", took: 10 * time.Second, text: "fine", code: 200,
		},
		"JSON body that stops": {
			a: stream(io.EOF, part{0, messageJSON("x")[:40]}, part{forever, ""}), b: jsonOK("fine"), ask: askJSON, asked: "a@0s b@10s", took: 10 * time.Second, text: "fine", code: 200,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", c.a)
				r.on("b", c.b)
				g := r.send(c.ask)
				if g.Code != c.code || r.asked() != c.asked || g.took != c.took {
					t.Errorf("status %d, asked %s, took %s; want %d, %s, %s\n%s", g.Code, r.asked(), g.took, c.code, c.asked, c.took, r.last().Trace)
				}
				mustContain(t, "the answer", g.text(), c.text)
				for _, a := range r.attempts {
					if a.ctx.Err() == nil {
						t.Errorf("the attempt at %s was not ended", a.account)
					}
				}
			})
		})
	}
}

// TestSingleAccountSlow: the last candidate has no soft limit, only the hard ones.
func TestSingleAccountSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		r.on("a", hang)
		g := r.send(askStream)
		if g.Code != 504 || g.took != 20*time.Second || r.names() != "a" {
			t.Errorf("status %d after %s, asked %s", g.Code, g.took, r.asked())
		}
		if g.Header().Get("X-Should-Retry") != "false" {
			t.Error("the caller is not told that trying again at once is useless")
		}
	})
}

// TestMissingEnd: a finish reason without a terminal event is a whole answer.
func TestMissingEnd(t *testing.T) {
	for name, end := range map[string]reply{
		"closed":    stream(io.EOF, part{0, msgStart + txtStart + delta("fine") + txtStop + msgDelta}),
		"reset":     stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("fine") + txtStop + msgDelta}),
		"kept open": stream(io.EOF, part{0, msgStart + txtStart + delta("fine") + txtStop + msgDelta}, part{forever, ""}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two[:1])
				r.on("a", end)
				g := r.send(askStream)
				mustContain(t, "the stream", g.text(), "fine", "end_turn", "event: message_stop")
				mustLack(t, "the stream", g.text(), "event: error")
				if rec := r.last(); rec.Outcome != OutcomeServed || rec.Usage.Output != 7 {
					t.Errorf("recorded %v with %+v", rec.Outcome, rec.Usage)
				}
				if g.took > 5*time.Second {
					t.Errorf("took %s", g.took)
				}
			})
		})
	}
}

// TestCallerLeaves: at every point the upstream is cancelled at once, nothing more is
// tried, and the record says 499.
func TestCallerLeaves(t *testing.T) {
	begin := msgStart + txtStart + delta("one ")
	for name, c := range map[string]struct {
		a    reply
		when time.Duration
	}{
		"before the header":      {hang, 3 * time.Second},
		"before content":         {stream(io.EOF, part{0, msgStart}, part{forever, ""}), 3 * time.Second},
		"in the middle":          {stream(io.EOF, part{0, begin}, part{forever, ""}), 3 * time.Second},
		"while waiting to retry": {fail503, 100 * time.Millisecond},
		"before it began":        {hang, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}})
				r.on("a", c.a)
				ctx, leave := context.WithCancel(t.Context())
				if c.when == 0 {
					leave()
				} else {
					time.AfterFunc(c.when, leave)
				}
				defer leave()
				g := r.send(askStream, withContext(ctx))
				if g.took != c.when {
					t.Errorf("the request lived for %s after the caller left", g.took-c.when)
				}
				if rec := r.last(); rec.Outcome != OutcomeLeft || rec.Status != dialect.StatusClientClosed {
					t.Errorf("recorded %v, %d", rec.Outcome, rec.Status)
				}
				if len(r.attempts) > 1 {
					t.Errorf("asked %s", r.asked())
				}
				if rest := r.cells.Rest(restKeyOf(1)); rest.Streak() > 1 {
					t.Error("the caller's leaving counts as a failure of the account")
				}
			})
		})
	}
}

// TestKeepAlive: silence opens the answer after the set time, not before, and from
// then on errors are events.
func TestKeepAlive(t *testing.T) {
	keep := func(c *rigConfig) { c.keepAlive = 15 * time.Second }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], keep)
		r.on("a", stream(io.EOF, part{0, msgStart}, part{40 * time.Second, txtStart + delta("fine") + txtStop + msgDelta + msgStop}))
		g := r.send(askStream)
		if n := strings.Count(g.text(), "event: ping"); n != 2 {
			t.Errorf("%d keep-alives in 40 s, want 2", n)
		}
		if strings.Index(g.text(), "message_start") < strings.Index(g.text(), "event: ping") {
			t.Errorf("the held start came before the keep-alive:\n%s", g.text())
		}
		mustContain(t, "the stream", g.text(), "fine", "message_stop")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], keep)
		r.on("a", stream(io.ErrUnexpectedEOF, part{0, msgStart}, part{16 * time.Second, ""}))
		g := r.send(askStream)
		if g.Code != 200 {
			t.Errorf("status %d after the answer was opened", g.Code)
		}
		mustContain(t, "the stream", g.text(), "event: ping", "event: error")
	})
	synctest.Test(t, func(t *testing.T) { // a JSON answer is never opened early
		r := newRig(t, two[:1], keep)
		r.on("a", after(40*time.Second, fail503))
		if g := r.send(askJSON); g.Code != 502 || strings.Contains(g.text(), "ping") {
			t.Errorf("status %d: %s", g.Code, g.text())
		}
	})
}

// TestQueue: all full means waiting in line, first come first served, for at most
// ten seconds and at most so many.
func TestQueue(t *testing.T) {
	full := []account{{name: "a", limit: 1}}
	few := func(c *rigConfig) { c.settings.QueuePlaces = 2 }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, full, few)
		r.on("a", after(4*time.Second, jsonOK("served")))
		var wg sync.WaitGroup
		ends := make([]got, 4)
		for i := range ends {
			wg.Go(func() { ends[i] = r.send(fmt.Sprintf(`{"model":"claude-x","max_tokens":%d,"messages":[]}`, i+1)) })
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		for i, want := range []time.Duration{4 * time.Second, 8*time.Second - time.Millisecond, 12*time.Second - 2*time.Millisecond} {
			if ends[i].Code != 200 || ends[i].took != want {
				t.Errorf("request %d: %d after %s, want 200 after %s", i, ends[i].Code, ends[i].took, want)
			}
		}
		if g := ends[3]; g.Code != 429 || g.took != 0 || g.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d after %s: %s", g.Code, g.took, g.text())
		}
		if r.g.Queued() != 0 {
			t.Errorf("%d still wait", r.g.Queued())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, full, few)
		r.on("a", after(time.Minute, jsonOK("served")))
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askJSON) })
		synctest.Wait()
		g := r.send(`{"model":"claude-x","max_tokens":7,"messages":[]}`)
		if g.Code != 429 || g.took != 10*time.Second {
			t.Errorf("%d after %s", g.Code, g.took)
		}
		mustContain(t, "the refusal", g.text(), "limit of concurrent requests", "gateway")
		ctx, leave := context.WithTimeout(t.Context(), 3*time.Second)
		defer leave()
		if g := r.send(`{"model":"claude-x","max_tokens":8,"messages":[]}`, withContext(ctx)); g.took != 3*time.Second || r.last().Outcome != OutcomeLeft {
			t.Errorf("the caller left the line: %s, %v", g.took, r.last().Outcome)
		}
		wg.Wait()
	})
}

// TestSlotsUnderLoad: many requests at once never pass a limit and lose no slot
// (the rig checks that at its end).
func TestSlotsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 3}, {name: "b", limit: 2}, {name: "c", limit: 1}})
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		work := func(ctx context.Context, c *call) (*response, error) {
			mu.Lock()
			now[c.Account.Name]++
			most[c.Account.Name] = max(most[c.Account.Name], now[c.Account.Name])
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			now[c.Account.Name]--
			mu.Unlock()
			return jsonOK("ok")(ctx, c)
		}
		for _, n := range []string{"a", "b", "c"} {
			r.on(n, work)
		}
		var wg sync.WaitGroup
		bad := 0
		for i := range 100 {
			wg.Go(func() {
				if g := r.send(fmt.Sprintf(`{"model":"claude-x","max_tokens":%d,"messages":[]}`, i+1)); g.Code != 200 {
					mu.Lock()
					bad++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if bad > 0 || most["a"] != 3 || most["b"] != 2 || most["c"] != 1 {
			t.Errorf("%d refused, at most in flight %v", bad, most)
		}
	})
}

// TestPassThrough: bytes go through as they came but for the mapped model.
func TestPassThrough(t *testing.T) {
	const ask = `{ "unknown" : {"deep":[1,2,{"x":"é\n"}]}, "messages":[{"role":"user","content":"hi"}],  "max_tokens":5, "model" : "claude-x" }`
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", models: domain.ModelMap{"claude-*": "vendor/claude-*"}}})
		r.on("a", jsonOK("fine"))
		g := r.send(ask)
		if want := strings.Replace(ask, `"claude-x"`, `"vendor/claude-x"`, 1); r.attempts[0].body != want {
			t.Errorf("sent %s\nwant %s", r.attempts[0].body, want)
		}
		if g.text() != messageJSON("fine") || g.Header().Get("Request-Id") != "req_up" {
			t.Errorf("answered %s with %v", g.text(), g.Header())
		}
	})
}

// TestHiddenUsage: usage that Turnout asked for is recorded and not shown.
func TestHiddenUsage(t *testing.T) {
	chunk := func(rest string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x",` + rest + "}\n\n"
	}
	upstreamStream := chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null`) +
		chunk(`"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}],"usage":null`) +
		chunk(`"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":null}],"usage":null`) +
		chunk(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null`) +
		chunk(`"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":4}}`) +
		"data: [DONE]\n\n"
	want := domain.Usage{Input: 36, CacheRead: 64, Output: 9, Reasoning: 4, Reported: true}
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, two[:1], openAI)
			r.on("a", stream(io.EOF, part{0, upstreamStream}))
			ask := chatAsk
			if asked {
				ask = strings.Replace(ask, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
			}
			g := r.send(ask)
			if !strings.Contains(r.attempts[0].body, `"stream_options":{"include_usage":true}`) {
				t.Errorf("sent %s", r.attempts[0].body)
			}
			if got := r.last().Usage; got != want {
				t.Errorf("recorded %+v, want %+v", got, want)
			}
			if asked && g.text() != upstreamStream {
				t.Errorf("the caller asked and got\n%s", g.text())
			}
			if !asked {
				mustLack(t, "the stream", g.text(), "usage", "prompt_tokens")
				plain := strings.ReplaceAll(upstreamStream, `,"usage":null`, "")
				i := strings.Index(plain, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[],`)
				if g.text() != plain[:i]+"data: [DONE]\n\n" {
					t.Errorf("got\n%s", g.text())
				}
			}
		})
	}
}

// TestClientRetry: a client's own retry does not begin from nothing, and a fault that
// has passed is found out soon.
func TestClientRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", fail503)
		var tries []string
		for range 30 { // as Codex does: 30 requests for one turn
			before := len(r.attempts)
			if g := r.send(askJSON); g.Code != 502 {
				t.Fatalf("status %d", g.Code)
			}
			if n := len(r.attempts) - before; n > 0 {
				tries = append(tries, fmt.Sprintf("%d@%s", n, time.Since(r.began).Round(time.Second)))
			}
			time.Sleep(time.Second)
		}
		if len(r.attempts) > 8 {
			t.Errorf("%d upstream requests for one turn: %v", len(r.attempts), tries)
		}
		r.on("a", jsonOK("back"))
		var back time.Duration
		for range 60 {
			if g := r.send(askJSON); g.Code == 200 {
				back = time.Since(r.began)
				break
			}
			time.Sleep(time.Second)
		}
		if back == 0 || back > 60*time.Second {
			t.Errorf("a passed fault was noticed after %s", back)
		}
	})
}

// TestRefusals: what cannot succeed asks no upstream.
func TestRefusals(t *testing.T) {
	narrow := func(c *rigConfig) {
		c.accounts[0].models = domain.ModelMap{"claude-*": "claude-*"}
		c.key.Models = []string{"claude-*", "gone"}
	}
	cases := map[string]struct {
		ask  string
		opts []requestOption
		code int
		text string
	}{
		"no key":        {askJSON, []requestOption{withHeader("X-Api-Key", "")}, 401, "authentication_error"},
		"wrong key":     {askJSON, []requestOption{withHeader("X-Api-Key", "tk-ffffffffffffffff")}, 401, "authentication_error"},
		"not JSON":      {`{"model":`, nil, 400, "not a JSON object"},
		"an array":      {`[]`, nil, 400, "not a JSON object"},
		"no model":      {`{"messages":[]}`, nil, 400, "model"},
		"model twice":   {`{"model":"claude-x","model":"claude-y"}`, nil, 400, "more than once"},
		"Model":         {`{"model":"claude-x","Model":"claude-y"}`, nil, 400, "ambiguous"},
		"not allowed":   {`{"model":"gpt-9"}`, nil, 403, "may not use"},
		"unknown model": {`{"model":"gone"}`, nil, 404, "not_found_error"},
		"stream: maybe": {`{"model":"claude-x","stream":"maybe"}`, nil, 400, "stream"},
		"bad encoding":  {askJSON, []requestOption{withHeader("Content-Encoding", "compress")}, 415, "not supported"},
		"not gzip":      {askJSON, []requestOption{withHeader("Content-Encoding", "gzip")}, 400, "not valid gzip"},
		"too large":     {`{"model":"claude-x","x":"` + strings.Repeat("y", 2000) + `"}`, nil, 413, "request_too_large"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, narrow, func(c *rigConfig) { c.settings.MaxBody = 1000 })
				g := r.send(c.ask, c.opts...)
				if g.Code != c.code {
					t.Errorf("status %d, want %d: %s", g.Code, c.code, g.text())
				}
				mustContain(t, "the refusal", g.text(), c.text, `"type":"error"`, g.Header().Get("X-Turnout-Request-Id"))
				if len(r.attempts) > 0 {
					t.Errorf("asked %s", r.asked())
				}
			})
		})
	}
}

// TestVerbatim: what only the caller can mend is handed through as it came, after one
// attempt, without the account's private parts.
func TestVerbatim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		body := `{"type":"error","error":{"type":"invalid_request_error","message":"safeguards: Extra inputs are not permitted (org-AbCdEfGh12345678IjKlMnOp, key sk-a)"},"request_id":"req_x"}`
		r.on("a", status(400, body))
		g := r.send(askJSON)
		if g.Code != 400 || len(r.attempts) != 1 {
			t.Errorf("status %d after asking %s", g.Code, r.asked())
		}
		mustContain(t, "the answer", g.text(), "safeguards: Extra inputs are not permitted", "[redacted]")
		mustLack(t, "the answer", g.text(), "org-AbCdEfGh12345678IjKlMnOp", "sk-a)")
		if g.Header().Get("Request-Id") != "req_up" {
			t.Error("the provider's request id is lost")
		}
	})
}

// TestTrace: the record's trace is JSON, small, and tells the story.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", fail503)
		r.on("b", jsonOK("fine"))
		r.send(askJSON)
		rec := r.last()
		var tr struct {
			A []struct {
				A int64  `json:"a"`
				K string `json:"k"`
				Q []any  `json:"q"`
			} `json:"a"`
		}
		if err := json.Unmarshal(rec.Trace, &tr); err != nil {
			t.Fatalf("%v in %s", err, rec.Trace)
		}
		if len(tr.A) != 3 || tr.A[0].K != "transient" || tr.A[0].Q[0] != "retry_same" || tr.A[1].Q[0] != "switch" || tr.A[2].A != 2 {
			t.Errorf("trace %s", rec.Trace)
		}
		if len(rec.Trace) > 900 {
			t.Errorf("the trace of three attempts takes %d bytes", len(rec.Trace))
		}
		if rec.Attempts != 3 || rec.Class != failover.Unknown {
			t.Errorf("recorded %d attempts, class %v", rec.Attempts, rec.Class)
		}
	})
}

// TestDrain: a stopping gateway refuses what is new and waits for what is not.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", after(10*time.Second, jsonOK("fine")))
		var wg sync.WaitGroup
		var first got
		wg.Go(func() { first = r.send(askJSON) })
		synctest.Wait()
		r.g.Drain()
		if g := r.send(askJSON); g.Code != 503 || g.Header().Get("Retry-After") == "" {
			t.Errorf("a new request got %d", g.Code)
		}
		began := time.Now()
		if err := r.g.Wait(t.Context()); err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
		wg.Wait()
		if first.Code != 200 {
			t.Errorf("the request in flight got %d", first.Code)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.g.Wait(ctx); err != nil {
			t.Errorf("idle, and yet: %v", err)
		}
	})
}
