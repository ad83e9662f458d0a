package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// TestCrowdComesBackSpread: 500 sessions that wait for the account that has their
// caches do not all come back in one instant.
func TestCrowdComesBackSpread(t *testing.T) {
	const sessions = 500
	for name, fault := range map[string]reply{
		"a stated reset": status(429, errorJSON("rate_limit_error"), "Retry-After", "2"),
		"none stated":    fail503,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.settings.QueuePlaces = sessions })
				r.on("a", whole("warm"))
				id := func(i int) requestOption { return withHeader("X-Claude-Code-Session-Id", fmt.Sprint("s", i)) }
				for i := range sessions {
					r.send(askStream, id(i))
				}
				r.attempts = nil
				r.on("a", func(ctx context.Context, c *call) (*response, error) {
					if time.Since(r.began) < 100*time.Millisecond {
						return fault(ctx, c)
					}
					return whole("back")(ctx, c)
				})
				failed := 0
				var wg sync.WaitGroup
				var mu sync.Mutex
				for i := range sessions {
					wg.Go(func() {
						if g := r.send(askStream, id(i)); !strings.Contains(g.text(), "back") {
							mu.Lock()
							failed++
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				first := slices.IndexFunc(r.attempts, func(m made) bool { return m.at >= 100*time.Millisecond })
				if first < 0 {
					t.Fatalf("nobody asked again: %d failed; the last: %s", failed, r.last().Trace)
				}
				retries := r.attempts[first:]
				stated := name == "a stated reset"
				if stated && first > sessions/10 {
					t.Errorf("%d attempts in vain, although the account had said that it is limited", first)
				}
				// Without a stated reset the retry budget lets a part of them ask again.
				if want := sessions; stated && (failed > 0 || len(retries) != want) || len(retries) < want/3 {
					t.Fatalf("%d requests failed, %d retries", failed, len(retries))
				}
				most := 0
				for i := range retries {
					n := 0
					for j := i; j < len(retries) && retries[j].at-retries[i].at < 50*time.Millisecond; j++ {
						n++
					}
					most = max(most, n)
				}
				if most > len(retries)/10 {
					t.Errorf("%d of %d retries within 50 ms", most, len(retries))
				}
			})
		})
	}
}

// TestBrownout: a provider that fails everything is asked little more often than there are requests, and far
// less once that is known; a provider that is back is asked again soon.
func TestBrownout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}})
		for _, name := range []string{"a", "b", "c", "d"} {
			r.on(name, fail503)
		}
		const requests = 200
		for i := range requests {
			g := r.send(fmt.Sprintf(`{"model":"claude-x","max_tokens":100,"messages":[{"role":"user","content":"%d"}]}`, i))
			if g.Code < 500 && g.Code != 429 {
				t.Fatalf("status %d: %s", g.Code, g.text())
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(r.attempts); n > requests*12/10 {
			t.Errorf("%d attempts for %d requests", n, requests)
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			r.on(name, jsonOK("back"))
		}
		back := time.Now()
		for i := 0; ; i++ {
			if g := r.send(fmt.Sprintf(`{"model":"claude-x","max_tokens":100,"messages":[{"role":"user","content":"again %d"}]}`, i)); g.Code == 200 {
				break
			}
			if time.Since(back) > 30*time.Second {
				t.Fatal("30 s after its recovery the provider is still not asked")
			}
			time.Sleep(time.Second)
		}
	})
}

// TestThrottledElsewhere: a request is kept from a provider that browns out for another one.
func TestThrottledElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &eventObserver{}
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, func(c *rigConfig) { c.observer = o })
		r.accounts[1].BaseURL = "http://other.invalid"
		r.on("a", fail503)
		r.on("b", jsonOK("fine"))
		x := &exchange{pools: []*pool{r.g.Snapshot().pools["default"]}}
		key := loadKey{x.pools[0].ID, "anthropic http://upstream.invalid"}
		for range 1000 {
			r.g.loads.began(key, false, time.Now())
			r.g.loads.ended(key, true, time.Now())
		}
		if g := r.send(askJSON); g.Code != 200 || r.names() != "b" || o.of(EventThrottled) != "anthropic" {
			t.Errorf("status %d, asked %q, events %q", g.Code, r.names(), o.events)
		}
		r.on("b", fail503)
		r.attempts = nil
		r.accounts[1].Enabled = false
		r.g.Swap(r.snapshotAgain())
		g := r.send(askJSON)
		if g.Code != 529 || r.names() != "" || g.Header().Get("Retry-After") != "5" {
			t.Errorf("status %d, asked %q, Retry-After %q", g.Code, r.names(), g.Header().Get("Retry-After"))
		}
		mustContain(t, "the refusal", g.text(), "overloaded_error", "was not sent")
		mustContain(t, "the trace", string(r.last().Trace), "brownout")
	})
}

// TestLeastBad: when more than half of a pool rests on guesses, the least bad is asked rather than nobody, and
// its success closes the circuit.
func TestLeastBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two, byLoad)
		r.on("a", fail503)
		r.on("b", fail503)
		for i := range 6 { // until both rest
			r.send(strings.Replace(askJSON, "hi", fmt.Sprint(i), 1))
		}
		now := time.Now()
		for _, a := range r.accounts {
			if s := r.cells.Rest(restKeyOf(a.ID)).State(now); s != sched.Guessed {
				t.Fatalf("account %s is %s", a.Name, s)
			}
		}
		r.on("a", jsonOK("fine"))
		r.on("b", jsonOK("fine"))
		g := r.send(askJSON)
		if g.Code != 200 || g.took != 0 {
			t.Fatalf("status %d after %s: %s", g.Code, g.took, g.text())
		}
		mustContain(t, "the trace", string(r.last().Trace), "least_bad")
		if s := r.cells.Rest(restKeyOf(r.last().Account)).State(now); s != sched.Returning {
			t.Errorf("the account that answered is %s", s)
		}
	})
}

// TestSilentAccountRests: an account that never answers costs a few requests their time, not every one.
func TestSilentAccountRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", hang)
		r.on("b", whole("fine"))
		slow := 0
		for i := range 10 {
			g := r.send(strings.Replace(askStream, "hi", fmt.Sprint(i), 1))
			mustContain(t, "the answer", g.text(), "fine")
			if g.took > 0 {
				slow++
			}
			time.Sleep(time.Millisecond)
		}
		if slow != 3 {
			t.Errorf("%d of 10 requests waited for the silent account, want 3", slow)
		}
	})
}

// TestSlowReturn: after a guessed rest requests come back one, then two, four, … at a time.
func TestSlowReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.settings.QueueWait = time.Minute })
		r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(time.Second), uint8(failover.Transient), sched.EndGuessed)
		time.Sleep(time.Second)
		var mu sync.Mutex
		now, most := 0, map[time.Duration]int{}
		r.on("a", func(ctx context.Context, c *call) (*response, error) {
			mu.Lock()
			now++
			at := time.Since(r.began)
			most[at] = max(most[at], now)
			mu.Unlock()
			res, err := after(time.Second, jsonOK("fine"))(ctx, c)
			mu.Lock()
			now--
			mu.Unlock()
			return res, err
		})
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if g := r.send(strings.Replace(askJSON, "hi", fmt.Sprint(i), 1)); g.Code != 200 {
					t.Errorf("status %d: %s", g.Code, g.text())
				}
			})
		}
		wg.Wait()
		for at, want := range map[time.Duration]int{1 * time.Second: 1, 2 * time.Second: 2} {
			if most[at] > want {
				t.Errorf("at %s %d requests were under way, want at most %d", at, most[at], want)
			}
		}
		if most[1*time.Second] != 1 || len(most) > 8 {
			t.Errorf("under way by time: %v", most)
		}
	})
}

// TestCallersTakeTurns: a caller with one request does not wait behind a hundred of another's.
func TestCallersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}}, func(c *rigConfig) { c.settings.QueueWait = time.Hour })
		r.on("a", after(time.Second, jsonOK("fine")))
		second := r.addKey("tk-second-0123456789")
		var order []string
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r.send(strings.Replace(askJSON, "hi", fmt.Sprint("first ", i), 1))
				mu.Lock()
				order = append(order, "first")
				mu.Unlock()
			})
		}
		time.Sleep(500 * time.Millisecond)
		for i := range 2 {
			wg.Go(func() {
				r.send(strings.Replace(askJSON, "hi", fmt.Sprint("second ", i), 1), second)
				mu.Lock()
				order = append(order, "second")
				mu.Unlock()
			})
		}
		wg.Wait()
		if i, j := slices.Index(order, "second"), lastIndex(order, "second"); i > 2 || j > 4 {
			t.Errorf("the second caller's two requests ended at places %d and %d of %d", i+1, j+1, len(order))
		}
	})
}

func lastIndex(s []string, v string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == v {
			return i
		}
	}
	return -1
}

// addKey gives the rig a second caller.
func (r *rig) addKey(secret string) requestOption {
	r.t.Helper()
	snap := r.g.Snapshot()
	snap.keys = twoKeys{snap.keys, secret, &domain.Key{ID: 2, Name: "second", Hash: sha256.Sum256([]byte(secret)), Pools: []string{"default"}, Enabled: true}}
	return withHeader("X-Api-Key", secret)
}

type twoKeys struct {
	Keys
	secret string
	key    *domain.Key
}

func (k twoKeys) Check(secret string, now time.Time) (*domain.Key, error) {
	if secret == k.secret {
		return k.key, nil
	}
	return k.Keys.Check(secret, now)
}

func (k twoKeys) Knows(secret string) bool { return secret == k.secret || k.Keys.Knows(secret) }

// TestJSONHold: a stream is held for a reset as long as the pool says; a caller that
// waits for a JSON answer, which can be shown no sign of life, for 45 s at most.
func TestJSONHold(t *testing.T) {
	hold := 2 * time.Minute
	patient := func(c *rigConfig) { c.policy.Hold, c.keepAlive = &hold, 15*time.Second }
	for _, c := range []struct {
		reset string
		ask   string
		took  time.Duration
		code  int
	}{
		{"40", askJSON, 40 * time.Second, 200}, {"50", askJSON, 0, 429}, {"100", askStream, 100 * time.Second, 200}, {"130", askStream, 0, 429},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}}, patient)
			next := jsonOK("fine")
			if c.ask == askStream {
				next = whole("fine")
			}
			r.on("a", status(429, errorJSON("rate_limit_error"), "Retry-After", c.reset), next)
			g := r.send(c.ask)
			if g.Code != c.code || g.took != c.took {
				t.Errorf("reset in %s s: status %d after %s, want %d after %s", c.reset, g.Code, g.took, c.code, c.took)
			}
			if c.code == 429 && g.Header().Get("Retry-After") != c.reset {
				t.Errorf("Retry-After is %q, want %s", g.Header().Get("Retry-After"), c.reset)
			}
		})
	}
}

// TestHoldsAreBounded: more than so many requests do not wait for the same reset.
func TestHoldsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.settings.QueuePlaces = 10 })
		r.on("a", status(429, errorJSON("rate_limit_error"), "Retry-After", "15"), jsonOK("fine"))
		r.send(askJSON, withContext(cancelled()))
		codes := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				g := r.send(strings.Replace(askJSON, "hi", fmt.Sprint(i), 1))
				mu.Lock()
				codes[g.Code]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if codes[200] != 10 || codes[429] != 20 {
			t.Errorf("statuses %v, want 10 served and 20 told to come back", codes)
		}
	})
}

// cancelled is the context of a caller that leaves after a second.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	return ctx
}

// An answer that breaks after its commit, and a client that does not send the same again but adds that it was cut off
// (captured from Claude Code 2.1.330, which gives up at the fourth): the third try goes elsewhere, and
// the session stays there.
func TestBrokenSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", whole("hi"))
		session := withHeader("X-Claude-Code-Session-Id", "s")
		r.send(askStream, session)
		r.on("a", stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("so")}))
		r.on("b", whole("hello"))
		ask := func(n int) string {
			return strings.Replace(askStream, `"hi"`, `"hi`+strings.Repeat(" You were cut off.", n)+`"`, 1)
		}
		for n := range 4 {
			r.send(ask(n), session)
		}
		if got := r.names(); got != "a a a b b" {
			t.Errorf("asked %s", got)
		}
	})
	t.Run("nobody else", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}})
			r.on("a", stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("so")}))
			for n := range 3 {
				r.send(strings.Replace(askStream, `"hi"`, fmt.Sprintf(`"hi %d"`, n), 1), withHeader("X-Claude-Code-Session-Id", "s"))
			}
			if got := r.names(); got != "a a a" {
				t.Errorf("asked %s", got)
			}
		})
	})
}

// TestClientsOwnRetries: what real clients do on a failure that lasts (captured: Codex
// 0.169.0 makes 30 requests of one turn, Claude Code 2.1.330 eleven), and what reaches the upstream.
func TestClientsOwnRetries(t *testing.T) {
	ms, s := time.Millisecond, time.Second
	var codex []time.Duration
	for i := range 6 { // five quick requests, for each of six streams
		codex = append(codex, 200*ms, 400*ms, 800*ms, 1600*ms, 200*ms<<i)
	}
	claude := []time.Duration{500 * ms, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 32 * s, 32 * s, 32 * s, 0}
	for name, c := range map[string]struct {
		waits []time.Duration
		fault reply
	}{
		"Codex, 503":        {codex, fail503},
		"Codex, cut":        {codex, stream(io.EOF, part{0, msgStart})},
		"Claude Code, 503":  {claude, fail503},
		"Claude Code, 529":  {claude, fail529},
		"Claude Code, 429":  {claude, fail429},
		"Claude Code, hang": {claude, unsent},
	} {
		for _, accounts := range [][]account{{{name: "a"}}, two, {{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}} {
			t.Run(fmt.Sprintf("%s, %d accounts", name, len(accounts)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, accounts)
					for _, a := range accounts {
						r.on(a.name, c.fault)
					}
					for _, wait := range c.waits {
						g := r.send(askStream, withHeader("X-Claude-Code-Session-Id", "s"))
						if g.Code == http.StatusOK {
							t.Fatal(g.text())
						}
						var after int
						_, _ = fmt.Sscan(g.Header().Get("Retry-After"), &after)
						time.Sleep(max(wait, time.Duration(after)*s)) // both take it as a minimum
					}
					if n := len(r.attempts); n > 8 {
						t.Errorf("%d upstream requests for one turn of %d tries: %s", n, len(c.waits), r.asked())
					}
				})
			})
		}
	}
}

// TestErrorRules: administrators decide what callers are told.
func TestErrorRules(t *testing.T) {
	rule := func(rules ...domain.ErrorRule) rigOption {
		return func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Errors = rules } }
	}
	quota := status(403, `{"type":"error","error":{"type":"permission_error","message":"Region not supported for key sk-a, ask sales"}}`)
	for name, c := range map[string]struct {
		opt    rigOption
		a      reply
		ask    string
		code   int
		has    []string
		lacks  string
		header map[string]string
	}{
		"no rule":           {rule(), quota, askJSON, 502, []string{"api_error"}, "Region", nil},
		"pass":              {rule(domain.ErrorRule{Class: "permission", Pass: true}), quota, askJSON, 403, []string{"permission_error", "Region not supported", "[redacted]"}, "sk-a", nil},
		"pass by its words": {rule(domain.ErrorRule{Contains: "REGION", Pass: true}), quota, askJSON, 502, []string{"Region"}, "", nil},
		"pass by its code":  {rule(domain.ErrorRule{Code: "permission_error", Status: 403, Platform: "anthropic", Pass: true}), quota, askJSON, 403, []string{"Region"}, "", nil},
		"replace": {rule(domain.ErrorRule{Class: "permission", NewStatus: 429, Message: "Ask the desk", NewCode: "desk", RetryAfter: time.Minute}), quota, askJSON, 429,
			[]string{"rate_limit_error", "Ask the desk", "req_"}, "Region", map[string]string{"Retry-After": "60"}},
		"replace only the words":         {rule(domain.ErrorRule{Message: "Ask the desk"}), fail503, askStream, 502, []string{"api_error", "Ask the desk"}, "", nil},
		"replace the provider's refusal": {rule(domain.ErrorRule{Class: "content_refused", Message: "Not here"}), refused, askJSON, 400, []string{"invalid_request_error", "Not here"}, "filtering", nil},
		"the first that matches":         {rule(domain.ErrorRule{Status: 404, Message: "one"}, domain.ErrorRule{Message: "two"}, domain.ErrorRule{Message: "three"}), fail503, askJSON, 502, []string{"two"}, "three", nil},
		"in a stream that has begun":     {rule(domain.ErrorRule{Class: "stream_cut", Message: "Cut, sorry"}), stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("x")}), askStream, 200, []string{"event: error", "Cut, sorry"}, "message_stop", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, c.opt)
				r.on("a", c.a)
				g := r.send(c.ask)
				if g.Code != c.code {
					t.Errorf("status %d: %s", g.Code, g.text())
				}
				mustContain(t, "the answer", g.text(), c.has...)
				if c.lacks != "" {
					mustLack(t, "the answer", g.text(), c.lacks)
				}
				for k, v := range c.header {
					if got := g.Header().Get(k); got != v {
						t.Errorf("%s is %q, want %q", k, got, v)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // nobody could be asked
		r := newRig(t, []account{{name: "a"}}, rule(domain.ErrorRule{Class: "rate_limited", Message: "All desks are busy"}))
		r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(time.Hour), uint8(failover.RateLimited), sched.EndStated)
		if g := r.send(askJSON); g.Code != 429 || !strings.Contains(g.text(), "All desks are busy") {
			t.Errorf("status %d: %s", g.Code, g.text())
		}
	})
}
