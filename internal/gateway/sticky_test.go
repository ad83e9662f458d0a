package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
)

// warmJSON is an answer that wrote tokens to the prompt cache.
func warmJSON(text string) reply {
	return func(context.Context, *call) (*response, error) {
		return answer200("application/json", strings.Replace(messageJSON(text), `"cache_creation_input_tokens":0`, `"cache_creation_input_tokens":50000`, 1)), nil
	}
}

var claude = withHeader("X-Claude-Code-Session-Id", "11111111-2222-3333-4444-555555555555")

// TestSticky: a session stays where it was answered, from the commit on.
func TestSticky(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		first := r.send(askJSON, claude).text()
		for range 10 {
			if g := r.send(askJSON, claude); g.text() != first {
				t.Fatalf("the session moved: %s", r.names())
			}
		}
		others := 0
		for i := range 40 { // equals are told apart by chance
			if r.send(askJSON, withHeader("X-Claude-Code-Session-Id", fmt.Sprint("other-", i))).text() != first {
				others++
			}
		}
		if others == 0 || others == 40 {
			t.Errorf("%d of 40 other sessions went to the other account", others)
		}
	})
}

// TestStickyMoves: a session whose account fails moves once. When the first account, a better one, is back, the session
// stays as long as its cache is warm, and goes there when it has nothing to lose.
func TestStickyMoves(t *testing.T) {
	for name, c := range map[string]struct {
		answer reply
		pause  time.Duration
		want   string
	}{
		"warm":   {warmJSON("b"), 4 * time.Minute, "a a b b b"},
		"cooled": {warmJSON("b"), 6 * time.Minute, "a a b b a"},
		"cold":   {jsonOK("b"), 4 * time.Minute, "a a b b a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", jsonOK("a"), status(429, errorJSON("rate_limit_error"), "Retry-After", "60"), jsonOK("a"))
				r.on("b", c.answer)
				for range 3 {
					r.send(askJSON, claude)
				}
				time.Sleep(c.pause)
				r.send(askJSON, claude)
				if r.names() != c.want {
					t.Errorf("asked %s, want %s\n%s", r.names(), c.want, r.last().Trace)
				}
				mustContain(t, "the second trace", string(r.records[1].Trace), `"x":true`)
			})
		})
	}
}

// A sub-agent begins where its parent's session is, whatever the lots say; the sessions stay apart.
func TestSubAgentsBeginAtTheirParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}, {name: "c"}})
		for _, n := range []string{"a", "b", "c"} {
			r.on(n, jsonOK(n))
		}
		for i := range 20 {
			session := withHeader("X-Claude-Code-Session-Id", fmt.Sprint("s", i))
			parent := r.send(askJSON, session).text()
			child := r.send(askJSON, session, withHeader("X-Claude-Code-Agent-Id", "one"))
			grandchild := r.send(askJSON, session, withHeader("X-Claude-Code-Agent-Id", "two"), withHeader("X-Claude-Code-Parent-Agent-Id", "one"))
			if child.text() != parent || grandchild.text() != parent {
				t.Fatalf("sub-agents of one at %s began at %s and %s", parent, child.text(), grandchild.text())
			}
		}
	})
}

// A caller may name its session, and may have none.
func TestNamedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}})
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		moved := map[string]bool{}
		for i := range 20 {
			r.send(askJSON, withHeader("X-Turnout-Session", "mine"), withHeader("Session-Id", fmt.Sprint("other-", i)))
			moved[r.last().Session.String()+fmt.Sprint(r.last().Account)] = true
		}
		if len(moved) != 1 {
			t.Errorf("one named session is %v", moved)
		}
		r.send(askJSON, claude, withHeader("X-Turnout-Session", "none"))
		if !r.last().Session.IsZero() {
			t.Error("a session that the caller does not want")
		}
	})
}

// TestStickyWarmWaits: with a warm cache a short reset is waited for; without one it
// is not.
func TestStickyWarmWaits(t *testing.T) {
	limited := status(429, errorJSON("rate_limit_error"), "Retry-After", "2")
	for name, c := range map[string]struct {
		first reply
		want  string
		took  time.Duration
	}{
		"warm": {warmJSON("a"), "a@0s a@0s a@2s", 2 * time.Second},
		"cold": {jsonOK("a"), "a@0s a@0s b@0s", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", c.first, limited, jsonOK("again"))
				r.on("b", jsonOK("b"))
				r.send(askJSON, claude)
				g := r.send(askJSON, claude)
				if r.asked() != c.want || g.took != c.took {
					t.Errorf("asked %s (want %s), took %s (want %s)\n%s", r.asked(), c.want, g.took, c.took, r.last().Trace)
				}
			})
		})
	}
}

// TestStickyBusy: a busy account is waited for a moment; then the request, and only
// it, is served elsewhere.
func TestStickyBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}, {name: "b", priority: 1}})
		r.on("a", jsonOK("a"), after(2*time.Second, jsonOK("a")), after(5*time.Second, jsonOK("a")), after(8*time.Second, jsonOK("a")), jsonOK("a"))
		r.on("b", jsonOK("b"))
		r.send(askJSON, claude)
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askJSON, claude) })
		synctest.Wait()
		if g := r.send(askJSON, claude); g.text() != messageJSON("a") || g.took != 7*time.Second {
			t.Errorf("%s after %s, want a after the 2 s until the slot is handed over and the answer's own 5 s", g.text(), g.took)
		}
		wg.Wait()
		wg.Go(func() { r.send(askJSON, claude) })
		synctest.Wait()
		if g := r.send(askJSON, claude); g.text() != messageJSON("b") || g.took != 3*time.Second {
			t.Errorf("%s after %s, want b after the 3 s that a busy account is waited for", g.text(), g.took)
		}
		wg.Wait()
		if g := r.send(askJSON, claude); g.text() != messageJSON("a") {
			t.Error("serving one request elsewhere moved the session")
		}
	})
}

// TestStickyOtherModel: a model that the bound account lacks is served elsewhere, and
// the session stays.
func TestStickyOtherModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", models: domain.ModelMap{"claude-x": "claude-x"}}, {name: "b", priority: 1}})
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		r.send(askJSON, claude)
		r.send(strings.Replace(askJSON, "claude-x", "claude-other", 1), claude)
		r.send(askJSON, claude)
		if r.names() != "a b a" {
			t.Errorf("asked %s, want a b a", r.names())
		}
	})
}

// TestDerivedSession: a guessed session binds only where there is something to lose.
func TestDerivedSession(t *testing.T) {
	for name, c := range map[string]struct {
		reply reply
		binds bool
	}{"cold": {jsonOK("x"), false}, "warm": {warmJSON("x"), true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two, byLoad)
				r.on("a", c.reply)
				r.on("b", c.reply)
				for range 4 {
					r.send(askJSON)
					time.Sleep(time.Second)
				}
				if same := r.names() == "a a a a" || r.names() == "b b b b"; same != c.binds {
					t.Errorf("asked %s", r.names())
				}
				if (len(r.bindings) == 1) != c.binds {
					t.Errorf("%d sessions are bound", len(r.bindings))
				}
			})
		})
	}
}

// TestBindingRace: of two requests that open one session at the same time one binds it.
func TestBindingRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two, byLoad)
		r.on("a", after(2*time.Second, jsonOK("a")))
		r.on("b", after(time.Second, jsonOK("b")))
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { r.send(askJSON, claude) })
			synctest.Wait()
		}
		wg.Wait()
		if g := r.send(askJSON, claude); g.text() != messageJSON("b") {
			t.Errorf("the session is not where it was answered first: %s", g.text())
		}
	})
}

// TestPausedAccountLosesItsSessions: a binding to an account that an operator took
// out moves on.
func TestPausedAccountLosesItsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		first := r.send(askJSON, claude).text()
		for _, a := range r.accounts {
			if first == messageJSON(a.Name) {
				a.Paused = true
			}
		}
		r.g.Swap(r.snapshotAgain())
		second := r.send(askJSON, claude).text()
		for _, a := range r.accounts {
			a.Paused = false
		}
		r.g.Swap(r.snapshotAgain())
		if third := r.send(askJSON, claude).text(); second == first || third != second {
			t.Errorf("served by %s, %s, %s", first, second, third)
		}
	})
}

// TestIdentify: the signals in their order, and what parts sessions.
func TestIdentify(t *testing.T) {
	id := func(h map[string]string, d dialect.Dialect, body string, key domain.KeyID, pool domain.PoolID) session {
		t.Helper()
		req, err := d.Request([]byte(body), dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		for k, v := range h {
			header.Set(k, v)
		}
		return identify(header, d, &req, []byte(body), key, pool)
	}
	const (
		jsonUser = `{"model":"claude-x","metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"S1\"}"},"messages":[]}`
		oldUser  = `{"model":"claude-x","metadata":{"user_id":"user_abc_account__session_S1"},"messages":[]}`
		plain    = `{"model":"claude-x","system":"be kind","messages":[{"role":"user","content":"hi"}]}`
		longer   = `{"model":"claude-x","system":"be kind","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"more"}]}`
		other    = `{"model":"claude-x","system":"be kind","messages":[{"role":"user","content":"ho"}]}`
		cacheKey = `{"model":"gpt-x","prompt_cache_key":"S1","messages":[]}`
		previous = `{"model":"gpt-x","previous_response_id":"S1","messages":[]}`
		billing1 = `{"model":"claude-x","system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.330.eb4"},{"type":"text","text":"You are"}],"messages":[{"role":"user","content":"hi"}]}`
		billing2 = `{"model":"claude-x","system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.330.29f"},{"type":"text","text":"You are"}],"messages":[{"role":"user","content":"hi"}]}`
	)
	a, o := anthropic.Dialect{}, openai.Dialect{}
	h := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name   string
		got    session
		signal Signal
	}{
		{"claude code", id(h("x-claude-code-session-id", "S1", "session-id", "S2"), a, jsonUser, 1, 1), SignalClaudeCode},
		{"metadata before headers", id(h("session-id", "S2"), a, jsonUser, 1, 1), SignalMetadata},
		{"session-id", id(h("session-id", "S1", "x-session-id", "S2"), o, cacheKey, 1, 1), SignalSessionHeader},
		{"session_id", id(h("session_id", "S1"), o, cacheKey, 1, 1), SignalSessionHeader},
		{"conversation_id", id(h("conversation_id", "S1"), o, cacheKey, 1, 1), SignalSessionHeader},
		{"thread-id", id(h("thread-id", "S1"), o, cacheKey, 1, 1), SignalSessionHeader},
		{"affinity", id(h("x-session-affinity", "S1"), o, cacheKey, 1, 1), SignalAffinityHeader},
		{"x-session-id", id(h("x-session-id", "S1"), o, cacheKey, 1, 1), SignalAffinityHeader},
		{"prompt_cache_key", id(nil, o, cacheKey, 1, 1), SignalCacheKey},
		{"previous_response_id", id(nil, o, previous, 1, 1), SignalPreviousResponse},
		{"old metadata", id(nil, a, oldUser, 1, 1), SignalMetadata},
		{"derived", id(nil, a, plain, 1, 1), SignalDerived},
	} {
		if c.got.signal != c.signal || c.got.id.IsZero() {
			t.Errorf("%s: signal %s", c.name, c.got.signal)
		}
	}
	base := id(h("session-id", "S1"), a, plain, 1, 1).id
	same := func(what string, x, y domain.SessionID, want bool) {
		t.Helper()
		if (x == y) != want {
			t.Errorf("%s: same session is %v", what, x == y)
		}
	}
	same("one value in a header and in the body", base, id(nil, a, jsonUser, 1, 1).id, true)
	same("another key", base, id(h("session-id", "S1"), a, plain, 2, 1).id, false)
	same("another pool", base, id(h("session-id", "S1"), a, plain, 1, 2).id, false)
	same("a sub-agent", base, id(h("session-id", "S1", "x-claude-code-agent-id", "A"), a, plain, 1, 1).id, false)
	same("two sub-agents", id(h("session-id", "S1", "x-claude-code-agent-id", "B"), a, plain, 1, 1).id, id(h("session-id", "S1", "x-claude-code-agent-id", "A"), a, plain, 1, 1).id, false)
	derived := id(nil, a, plain, 1, 1).id
	same("the next turn of a conversation", derived, id(nil, a, longer, 1, 1).id, true)
	same("another conversation", derived, id(nil, a, other, 1, 1).id, false)
	same("another key's equal conversation", derived, id(nil, a, plain, 2, 1).id, false)
	same("Claude Code's changing billing block", id(nil, a, billing1, 1, 1).id, id(nil, a, billing2, 1, 1).id, true)
	if s := id(h("session-id", strings.Repeat("x", 256)), a, plain, 1, 1); !s.id.IsZero() {
		t.Error("a signal that is too long names a session")
	}
	if s := id(h("session-id", string(make([]byte, 0))), a, plain, 1, 1); s.signal != SignalDerived {
		t.Error("an empty signal counts")
	}
	if sum := sha256.Sum256(nil); base == domain.SessionID(sum[:16]) {
		t.Error("the session does not depend on anything")
	}
}
