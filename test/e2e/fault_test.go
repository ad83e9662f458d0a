package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"turnout/internal/sim"
)

// faults are the ways in which a provider can fail before any content; each is
// carried over to another account.
var faults = []struct {
	words string
	only  func(form) bool // nil: every form
}{
	{words: "fail429"}, {words: "fail429-ra60"}, {words: "fail429-ram1500"}, {words: "fail429-rad60"}, {words: "fail429-window60"},
	{words: "fail500"}, {words: "fail502"}, {words: "fail503"}, {words: "fail504"}, {words: "fail520"}, {words: "overloaded529"},
	{words: "html429"}, {words: "html502"}, {words: "html503"}, {words: "html403"},
	{words: "auth401"}, {words: "perm403"}, {words: "fail402"}, {words: "quota"}, {words: "credit"}, {words: "unified5h"}, {words: "unified7d"}, {words: "nomodel"},
	{words: "reset"}, {words: "eof"}, {words: "redirect"},
	{words: "cut"}, {words: "rst"}, {words: "malformed"}, {words: "errevent"}, {words: "errevent-es429"}, {words: "errevent-es500"},
	{words: "empty"}, {words: "badgzip"},
	{words: "nofinish-n0", only: func(f form) bool { return f.stream }},
	// These are noticed by their silence alone: after 8 or 10 s another account is asked beside.
	{words: "hang"}, {words: "stall"}, {words: "jsonstall", only: func(f form) bool { return !f.stream }},
}

// TestFaultBeforeContent: whatever goes wrong before the first content, the caller has
// a whole answer of another account.
func TestFaultBeforeContent(t *testing.T) {
	t.Parallel() // it mostly waits
	p := startProvider(t, sim.Options{})
	var config strings.Builder
	config.WriteString("accounts:\n")
	for _, platform := range []form{{openai: false}, {openai: true}} {
		config.WriteString(account(p, platform.platform(), "good-"+platform.platform(), "sk-sim-good-"+platform.platform(), "priority: 1"))
	}
	key := func(i int, f form) string {
		return fmt.Sprintf("sk-sim-%d%s-%s", i, strings.ReplaceAll(f.String(), "-", ""), faults[i].words)
	}
	model := func(i int, f form) string { return fmt.Sprintf("m%d%s", i, strings.ReplaceAll(f.String(), "-", "")) }
	for i := range faults {
		for _, f := range forms {
			config.WriteString(account(p, f.platform(), model(i, f), key(i, f), fmt.Sprintf("models: {%q: %q}", model(i, f), model(i, f))))
		}
	}
	g := startGateway(t, config.String()+keys)
	// All at once: those that are noticed by their silence alone take as long as one.
	c := newClient(t)
	var wg sync.WaitGroup
	for i, fault := range faults {
		for _, f := range forms {
			if fault.only != nil && !fault.only(f) {
				continue
			}
			wg.Go(func() {
				a := ask{form: f, model: model(i, f)}
				if r := a.do(c, g.base); !r.good() || r.text != sim.Text(sim.DefaultChunks) {
					t.Errorf("%s, %s: %s", fault.words, f, &r)
				}
				if p.Count(key(i, f)) == 0 {
					t.Errorf("%s, %s: the failing account was not asked", fault.words, f)
				}
			})
		}
	}
	wg.Wait()
}

// TestFaultAfterContent: once content has gone out, the answer ends in the protocol's own
// error event. It never ends as if it were whole, and is never begun again.
func TestFaultAfterContent(t *testing.T) {
	for _, f := range forms {
		if !f.stream {
			continue
		}
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			words := []string{"cut5", "rst5", "errevent5", "errevent5-es429", "errevent5-es500", "malformed5", "nofinish"}
			var config strings.Builder
			config.WriteString("accounts:\n" + account(p, f.platform(), "good", "sk-sim-good", "priority: 1"))
			for i, w := range words {
				config.WriteString(account(p, f.platform(), fmt.Sprintf("bad-%d", i), fmt.Sprintf("sk-sim-%d-%s", i, w), fmt.Sprintf("models: {m%d: m%d}", i, i)))
			}
			g := startGateway(t, config.String()+keys)
			for i, w := range words {
				t.Run(w, func(t *testing.T) {
					r := g.send(ask{form: f, model: fmt.Sprintf("m%d", i)})
					if r.err != nil || r.status != 200 || r.text == "" || !strings.HasPrefix(sim.Text(sim.DefaultChunks), r.text) {
						t.Errorf("the content before the fault is not there: %s", &r)
					}
					if r.fault == "" || r.ended || r.whole {
						t.Errorf("no clean error: %s\n%s", &r, r.body)
					}
					if strings.Contains(r.said, "sk-sim") || strings.Contains(r.said, "bad-") {
						t.Errorf("the error names the account: %s", r.said)
					}
					if row := g.recorded(r.id); row.Outcome != "cut" || row.Attempts != 1 {
						t.Errorf("recorded as %+v", row)
					}
				})
			}
			if n := p.Count("sk-sim-good"); n != 0 {
				t.Errorf("%d answers were begun again after content", n)
			}
		})
	}
}

// TestWholeWithoutSentinel: an answer whose finish reason was seen is whole, and the
// caller gets the end that the provider left out.
func TestWholeWithoutSentinel(t *testing.T) {
	for _, f := range []form{{false, true}, {true, true}} {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a-nosentinel", "")+keys)
			if r := g.send(ask{form: f, model: "m"}); !r.good() || r.text != sim.Text(sim.DefaultChunks) {
				t.Errorf("%s", &r)
			}
		})
	}
}

// TestFinal: what no other account would answer differently is asked once and passed
// on in the provider's own words.
func TestFinal(t *testing.T) {
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a", "")+account(p, f.platform(), "b", "sk-sim-b", "")+keys)
			for _, c := range []struct{ model, says string }{
				{"x-ctxlen", "tokens"}, {"x-refused", ""}, {"x-fail400", "Bad Request"}, {"x-fail422", ""},
			} {
				before := len(p.Requests())
				r := g.send(ask{form: f, model: c.model})
				if r.status < 400 || r.status > 499 || r.fault != "invalid_request_error" || !strings.Contains(r.said, c.says) {
					t.Errorf("%s: %s", c.model, &r)
				}
				if n := len(p.Requests()) - before; n != 1 {
					t.Errorf("%s: %d upstream requests", c.model, n)
				}
			}
		})
	}
}

// TestAllFail: where nobody is left the caller gets the most useful failure, in its
// own protocol and without anything private.
func TestAllFail(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, c := range []struct {
		words  string
		status int
	}{
		{"fail429-ra90", 429},
		{"auth401", 502}, // an account's fault is not the caller's 401
		{"fail500", 502},
		{"empty", 502},
		{"cut", 502},
	} {
		t.Run(c.words, func(t *testing.T) {
			for _, f := range forms {
				p := startProvider(t, sim.Options{})
				g := startGateway(t, "accounts:\n"+account(p, f.platform(), "secret-name", "sk-sim-a-"+c.words, "")+account(p, f.platform(), "b", "sk-sim-b-"+c.words, "")+keys)
				r := g.send(ask{form: f, model: "m"})
				if r.status != c.status || r.fault == "" || r.id == "" {
					t.Errorf("%s: %s", f, &r)
				}
				if !strings.Contains(r.said, r.id) {
					t.Errorf("%s: the text does not name the request: %s", f, r.said)
				}
				for _, private := range []string{"secret-name", "sk-sim", "acme"} {
					if strings.Contains(r.body, private) {
						t.Errorf("%s: %q is in %s", f, private, r.body)
					}
				}
				if c.words == "fail429-ra90" {
					if after := r.header.Get("Retry-After"); after != "90" && after != "89" || r.header.Get("X-Should-Retry") != "false" {
						t.Errorf("%s: retry-after %q, x-should-retry %q", f, after, r.header.Get("X-Should-Retry"))
					}
				}
			}
		})
	}
}
