package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
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

// The explanation says what a request would wait for, and which limit of its caller would refuse it, as the next request finds.
func TestRouteTellsWaitsAndLimits(t *testing.T) {
	q := RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic, Session: "11111111-2222-3333-4444-555555555555", Input: 1000}
	route := func(t *testing.T, r *rig) RouteAnswer {
		t.Helper()
		a, err := r.g.Route(q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	fill := func(r *rig, account int) {
		r.accounts[account].MaxInFlight = 1
		r.cells.Live(r.accounts[account].ID).TryAcquire(1, time.Now())
	}
	empty := func(r *rig, account int) { r.cells.Live(r.accounts[account].ID).Release() }
	limited := []account{{name: "a", limit: 1}, {name: "b", limit: 1, priority: 1}}

	t.Run("its account is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limited)
			r.on("a", warmJSON("a"))
			r.on("b", jsonOK("b"))
			r.send(askJSON, claude)
			fill(r, 0)
			a := route(t, r)
			if a.Account != "b" || a.Wait == nil || *a.Wait != (RouteWait{Account: "a", Most: 3, Why: "full"}) || a.Refused != "" {
				t.Errorf("%+v, %+v", a, a.Wait)
			}
			if g := r.send(askJSON, claude); g.took != 3*time.Second || r.accounts[r.last().Account-1].Name != "b" {
				t.Errorf("it took %s", g.took)
			}
			fill(r, 1)
			a = route(t, r)
			if a.Account != "" || a.Wait == nil || a.Wait.Account != "a" {
				t.Errorf("%+v, %+v", a, a.Wait)
			}
			empty(r, 0)
			empty(r, 1)
		})
	})
	t.Run("its account rests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limited)
			r.on("a", warmJSON("a"))
			r.on("b", jsonOK("b"))
			r.send(askJSON, claude)
			rest := r.cells.Rest(restKeyOf(1))
			rest.Extend(time.Now().Add(4*time.Second), uint8(failover.RateLimited), sched.EndStated)
			a := route(t, r)
			if a.Account != "b" || a.Wait == nil || *a.Wait != (RouteWait{Account: "a", Most: 4, Why: "stay_cheaper"}) {
				t.Errorf("%+v, %+v", a, a.Wait)
			}
			if g := r.send(askJSON, claude); g.took != 4*time.Second || r.accounts[r.last().Account-1].Name != "a" {
				t.Errorf("it took %s", g.took)
			}
			rest.Extend(time.Now().Add(40*time.Second), uint8(failover.RateLimited), sched.EndStated)
			if a := route(t, r); a.Account != "b" || a.Wait != nil {
				t.Errorf("%+v, %+v", a, a.Wait)
			}
		})
	})
	t.Run("everybody is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limited[:1])
			r.on("a", after(4*time.Second, jsonOK("a")))
			for range 5 {
				r.send(askJSON)
			}
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() { r.send(saying(askJSON, fmt.Sprint(i))) })
				synctest.Wait()
				a := route(t, r)
				switch {
				case i < 8:
					if want := (RouteWait{Most: 10, Why: "full", Ahead: i, Expect: float64(4 * (i + 1))}); a.Wait == nil || *a.Wait != want || a.Refused != "" {
						t.Errorf("%d: %+v, %+v", i, a, a.Wait)
					}
				case a.Wait != nil || !strings.Contains(a.Refused, "with 8 requests before it") || a.RetryAfter != 36:
					t.Errorf("%d: %+v, %+v", i, a, a.Wait)
				}
			}
			wg.Wait()
		})
	})
	t.Run("a limit of the key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, limited[:1], keyRates(perMinute(60)))
			r.on("a", jsonOK("a"))
			for range 2 {
				if a := route(t, r); a.Refused != "" || a.Account != "a" {
					t.Errorf("%+v", a)
				}
				r.send(askJSON)
			}
			for range 2 { // to ask changes nothing
				if a := route(t, r); !strings.Contains(a.Refused, `the limit of 60 requests a minute of the key "team" is reached; try again in 1s`) || a.RetryAfter != 1 || a.Account != "a" {
					t.Errorf("%+v", a)
				}
			}
			if g := r.send(askJSON); g.Code != 429 {
				t.Errorf("the next request: %d", g.Code)
			}
		})
	})
	t.Run("a limit of the first pool", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, {name: "b", pool: "second"}}, func(c *rigConfig) { c.key.Pools = []string{"default", "second"} })
			snap := r.g.Snapshot()
			snap.rated, snap.pools["default"].rates = true, &domain.Rates{RateLimits: domain.RateLimits{Requests: 1}}
			r.on("a", jsonOK("a"))
			r.on("b", jsonOK("b"))
			r.send(askJSON)
			if a := route(t, r); a.Refused != "" || a.Account != "b" {
				t.Errorf("%+v", a)
			}
		})
	})
}
