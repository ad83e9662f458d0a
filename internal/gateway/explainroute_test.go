package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// Where a request would go is where the next one goes, and every account says why it is that one or not.
func TestRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{
			{name: "slow", limit: 4}, {name: "quick", limit: 4}, {name: "later", priority: 1}, {name: "limited"},
			{name: "other", models: domain.ModelMap{"gpt-*": "gpt-*"}}, {name: "abroad", platform: "openai"},
		}, func(c *rigConfig) { c.key.Decision = true })
		nobodys := withHeader("X-Turnout-Session", "none")
		r.on("slow", after(6*time.Second, whole("a")))
		r.on("quick", after(time.Second, whole("b")))
		r.on("limited", status(429, errorJSON("rate_limit_error"), "Retry-After", "90"))
		for range 40 { // until every one of the best has been asked
			g := r.send(askStream, nobodys)
			last := r.last()
			if h := g.Header().Get("X-Turnout-Decision"); !strings.HasPrefix(h, `account="`+r.accounts[last.Account-1].Name+`", rule=`) || !strings.Contains(h, ", score=") {
				t.Fatalf("the caller is told %q", h)
			}
		}
		q := RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic}
		a, err := r.g.Route(q)
		if err != nil || len(a.Pools) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		got := map[string]RouteCandidate{}
		for _, c := range a.Pools[0].Candidates {
			got[c.Account] = c
		}
		if a.Account != "quick" || a.Rule != "score" || a.Key != "team" || !got["quick"].Chosen || a.Pools[0].Strategy != "score" {
			t.Errorf("%+v", a)
		}
		for name, verdict := range map[string]string{"slow": "eligible", "quick": "eligible", "later": "eligible", "limited": "resting", "other": "no_model", "abroad": "eligible"} {
			if got[name].Verdict != verdict {
				t.Errorf("%s is %s, want %s", name, got[name].Verdict, verdict)
			}
		}
		if l := got["limited"]; l.Cause != "rate_limited" || l.Until == nil || time.Until(*l.Until) <= 0 {
			t.Errorf("the resting one: %+v", l)
		}
		if s := got["slow"]; s.Terms["first_token"] < 5.9 || s.Terms["first_token"] > 6.1 || s.Score < got["quick"].Score+4 || s.Limit != 4 {
			t.Errorf("the slow one: %+v", s)
		}
		if !got["abroad"].Translated || got["quick"].Translated {
			t.Errorf("translated: %+v", got)
		}
		if r.send(askStream, nobodys); r.accounts[r.last().Account-1].Name != a.Account {
			t.Errorf("the next request went to account %d", r.last().Account)
		}

		// A session's own account, and what is warm there.
		r.on("slow", warmJSON("a"))
		r.on("quick", warmJSON("b"))
		r.send(askJSON, claude)
		q.Session = "11111111-2222-3333-4444-555555555555" // claude's
		home := r.accounts[r.last().Account-1].Name
		if a, err = r.g.Route(q); err != nil || a.Account != home || a.Rule != "sticky" || a.Bound == nil || a.Bound.Account != home || a.Bound.WarmTokens == 0 || a.Bound.Stay == 0 {
			t.Errorf("%+v, %+v, %v", a, a.Bound, err)
		}
		for _, c := range []struct {
			q    RouteQuery
			kind domain.Kind
			says string
		}{
			{RouteQuery{Model: "claude-x", Key: "nobody"}, domain.KindNotFound, "team"},
			{RouteQuery{}, domain.KindInvalid, "model"},
		} {
			if _, err := r.g.Route(c.q); domain.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", c.q, err)
			}
		}
	})
}

// Who may not see the decision does not.
func TestDecisionIsForThoseWhoMaySeeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		if h := r.send(askJSON).Header().Get("X-Turnout-Decision"); h != "" {
			t.Errorf("told %q", h)
		}
	})
}
