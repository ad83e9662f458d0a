package gateway

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect/anthropic"
	"turnout/internal/domain"
)

// What is at stake belongs to a model: a request of another one within the conversation neither uses it nor takes its place while it is warm.
func TestStakeIsOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wires["anthropic"]
		r := newRig(t, []account{{name: "a", org: "x"}, {name: "b", org: "y", priority: 1}}, as(anthropic.Dialect{}))
		says := func(tokens string) reply {
			return stream(io.EOF, part{0, strings.ReplaceAll(strings.Join(w.parts("1", "t"), ""), "2000", tokens)})
		}
		r.on("a", says("2000"), says("50"), says("50"), says("70"))
		in := withHeader("X-Claude-Code-Session-Id", "s1")
		small := strings.Replace(w.ask, "claude-x", "claude-small", 1)
		has := func(what string, tokens int64) {
			t.Helper()
			for _, b := range r.bindings {
				if len(r.bindings) != 1 || b.WarmTokens != tokens {
					t.Errorf("%s: %d warm tokens, want %d", what, b.WarmTokens, tokens)
				}
			}
		}
		told := func(model string) int64 {
			a, err := r.g.Route(RouteQuery{Model: model, Dialect: domain.DialectAnthropic, Session: "s1", Input: 1000})
			if err != nil || a.Bound == nil {
				t.Fatalf("%+v, %v", a, err)
			}
			return a.Bound.WarmTokens
		}
		r.sendAs(w, w.ask, in)
		has("the conversation's", 2000)
		r.sendAs(w, small, in)
		has("after another model's", 2000)
		if own, other, dated := told("claude-x"), told("claude-small"), told("claude-x-20260101"); own != 2000 || other != 0 || dated != 2000 {
			t.Errorf("told %d of its own model, %d of another, %d of a version", own, other, dated)
		}
		time.Sleep(warmShort + time.Second)
		r.sendAs(w, small, in)
		has("once it was cold", 50)
		time.Sleep(warmShort + time.Second)
		r.sendAs(w, w.ask, in)
		has("and back", 70)
	})
}
