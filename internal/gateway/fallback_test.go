package gateway

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

// falling gives the pool fallbacks for claude-x.
func falling(byCause map[string][]string) rigOption {
	return func(rc *rigConfig) {
		rc.pool = func(p *PoolConfig) { p.Fallbacks = domain.Fallbacks{"claude-x": byCause} }
	}
}

var (
	// Account p serves the asked model, f another one.
	twoModels = []account{
		{name: "p", models: domain.ModelMap{"claude-x": "claude-x"}},
		{name: "f", models: domain.ModelMap{"claude-y": "claude-y", "claude-large": "claude-large"}},
	}
	anyToY     = falling(map[string][]string{"any": {"claude-y"}})
	tooLong    = status(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 300000 tokens > 200000 maximum"}}`)
	refused    = status(400, `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}`)
	badRequest = status(400, `{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}`)
)

func TestFallbackByCause(t *testing.T) {
	byCause := falling(map[string][]string{"any": {"claude-y"}, "context_too_long": {"claude-large"}, "model_gone": {}})
	for name, c := range map[string]struct {
		opt   rigOption
		p     reply
		asked string
		model string // that f was asked for; empty: it was not asked
		code  int
	}{
		"always 503":                        {anyToY, fail503, "p p f", "claude-y", 200},
		"429 without a reset":               {anyToY, fail429, "p f", "claude-y", 200},
		"a revoked key":                     {anyToY, status(401, errorJSON("authentication_error")), "p f", "claude-y", 200},
		"out of capacity":                   {anyToY, fail529, "p f", "claude-y", 200},
		"context too long, any":             {anyToY, tooLong, "p f", "claude-y", 200},
		"context too long, by cause":        {byCause, tooLong, "p f", "claude-large", 200},
		"another cause":                     {byCause, fail503, "p p f", "claude-y", 200},
		"a cause with no model":             {byCause, status(404, errorJSON("not_found_error")), "p", "", 404},
		"content refused":                   {anyToY, refused, "p", "", 400},
		"the caller's fault":                {anyToY, badRequest, "p", "", 400},
		"no fallback for this model":        {falling(nil), fail503, "p p", "", 502},
		"a fallback that nobody serves":     {falling(map[string][]string{"any": {"claude-nobody"}}), fail503, "p p", "", 502},
		"the second of two, in their order": {falling(map[string][]string{"any": {"claude-nobody", "claude-large"}}), fail503, "p p f", "claude-large", 200},
	} {
		for _, ask := range []string{askJSON, askStream} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, twoModels, c.opt)
					r.on("p", c.p)
					r.on("f", jsonOK("fine"))
					if ask == askStream {
						r.on("f", whole("fine"))
					}
					g := r.send(ask)
					if g.Code != c.code || r.names() != c.asked {
						t.Fatalf("status %d, asked %s: %s", g.Code, r.asked(), g.text())
					}
					if c.model == "" {
						return
					}
					mustContain(t, "the answer", g.text(), "fine")
					mustContain(t, "what f was sent", r.attempts[len(r.attempts)-1].body, `"model":"`+c.model+`"`)
					mustContain(t, "the trace", string(r.last().Trace), `"fallback"`, c.model)
					if got := g.Header().Get("X-Turnout-Model"); got != c.model {
						t.Errorf("the answer's header names %q", got)
					}
				})
			})
		}
	}
}

// TestFallbackOnOneAccount: what failed for one model says nothing of another, at the same account.
func TestFallbackOnOneAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, anyToY)
		r.on("a", fail503, fail503, jsonOK("fine"))
		g := r.send(askJSON)
		mustContain(t, "the answer", g.text(), "fine")
		if r.names() != "a a a" {
			t.Errorf("asked %s", r.asked())
		}
	})
}

// TestFallbackMustBeAllowed: a key's list of models holds for fallbacks too.
func TestFallbackMustBeAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoModels, anyToY, func(rc *rigConfig) { rc.key.Models = []string{"claude-x"} })
		r.on("p", fail503)
		if g := r.send(askJSON); g.Code != 502 || r.names() != "p p" {
			t.Errorf("status %d, asked %s", g.Code, r.asked())
		}
	})
}

// TestFallbackNotWaitedFor: while the asked model's only account rests, the other model answers at once, and
// the asked one does again when the rest is over.
func TestFallbackNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoModels, anyToY)
		r.on("p", status(429, errorJSON("rate_limit_error"), "Retry-After", "15"), jsonOK("back"))
		r.on("f", jsonOK("fine"))
		for _, step := range []struct {
			wait  time.Duration
			asked string
		}{{0, "p f"}, {5 * time.Second, "f"}, {10 * time.Second, "p"}} {
			time.Sleep(step.wait)
			r.attempts = nil
			if g := r.send(askJSON); g.Code != 200 || g.took != 0 || r.names() != step.asked {
				t.Errorf("status %d after %s, asked %s, want %s", g.Code, g.took, r.asked(), step.asked)
			}
		}
	})
}

// TestFallbackBeside: at the soft limit another model is started beside a slow one.
func TestFallbackBeside(t *testing.T) {
	for _, ask := range []string{askJSON, askStream} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, twoModels, anyToY)
			r.on("p", hang)
			want := 8 * time.Second
			if r.on("f", whole("fine")); ask == askJSON {
				r.on("f", jsonOK("fine"))
				want = 10 * time.Second
			}
			g := r.send(ask)
			mustContain(t, "the answer", g.text(), "fine")
			if g.took != want || r.names() != "p f" {
				t.Errorf("took %s, asked %s", g.took, r.asked())
			}
		})
	}
}

// TestFallbackKeepsAttempts: the asked model does not use up the attempt that a fallback needs.
func TestFallbackKeepsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := domain.ModelMap{"claude-x": "claude-x"}
		accounts := []account{{name: "p1", models: only}, {name: "p2", models: only}, {name: "p3", models: only}, {name: "p4", models: only}, twoModels[1]}
		r := newRig(t, accounts, anyToY)
		for _, name := range []string{"p1", "p2", "p3", "p4"} {
			r.on(name, fail503)
		}
		r.on("f", jsonOK("fine"))
		g := r.send(askJSON)
		mustContain(t, "the answer", g.text(), "fine")
		if n := len(r.attempts); n > failover.Balanced().Attempts || !strings.HasSuffix(r.names(), " f") {
			t.Errorf("%d attempts: %s", n, r.asked())
		}
	})
}

// TestFallbackKeepsTheSession: the session stays where its cache is, and its stake is not mistaken for the other model's.
func TestFallbackKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "p", models: domain.ModelMap{"claude-x": "claude-x"}}, {name: "f"}}, func(rc *rigConfig) {
			rc.accounts[0].priority, rc.accounts[1].priority = 0, 1
			rc.accounts[1].models = domain.ModelMap{"claude-y": "claude-y"}
		}, anyToY)
		session := withHeader("X-Claude-Code-Session-Id", "s1")
		r.on("p", whole("one"), fail503, fail503, whole("three"))
		r.on("f", stream(io.EOF, part{0, msgStart + txtStart + delta("two") + txtEnd}))
		for i, want := range []string{"one", "two", "three"} {
			g := r.send(strings.Replace(askStream, "hi", want, 1), session)
			mustContain(t, "the answer", g.text(), want)
			for _, b := range r.bindings {
				if b.Account != 1 {
					t.Errorf("after request %d the session is bound to account %d", i+1, b.Account)
				}
			}
		}
	})
}

// TestFallbackForUnknownModel: a model that no account serves any more is served by its fallback.
func TestFallbackForUnknownModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoModels[1:], falling(map[string][]string{"model_gone": {"claude-y"}}))
		r.on("f", jsonOK("fine"))
		if g := r.send(askJSON); g.Code != 200 || r.names() != "f" {
			t.Errorf("status %d, asked %s: %s", g.Code, r.asked(), g.text())
		}
	})
}
