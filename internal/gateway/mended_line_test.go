package gateway

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
)

// Who waits for other accounts of the pool is not ahead of a request: neither its refusal nor what it is told counts them.
func TestLineOfOtherAccounts(t *testing.T) {
	for name, shared := range map[string]bool{"apart": false, "one account serves both": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, y := domain.ModelMap{"claude-x": "claude-x"}, domain.ModelMap{"claude-y": "claude-y"}
				if shared {
					x["claude-y"] = "claude-y"
				}
				r := newRig(t, []account{{name: "fast", limit: 1, models: x}, {name: "slow", limit: 1, models: y}})
				r.on("fast", after(time.Second, jsonOK("fine")))
				r.on("slow", after(9*time.Second, jsonOK("fine")))
				ask := func(m, what string) string {
					return fmt.Sprintf(`{"model":%q,"max_tokens":100,"messages":[{"role":"user","content":%q}]}`, m, what)
				}
				for i := range 5 {
					r.send(ask("claude-x", fmt.Sprint("warm", i)))
				}
				var wg sync.WaitGroup
				for i := range 30 { // how long slots of the slow account are held nobody knows, so they wait
					wg.Go(func() { r.send(ask("claude-y", fmt.Sprint(i))) })
					synctest.Wait()
				}
				wg.Go(func() { r.send(ask("claude-x", "being served")) })
				synctest.Wait()
				a, _ := r.g.Route(RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic})
				g := r.send(ask("claude-x", "mine"))
				told := a.Wait != nil && a.Wait.Ahead == 0
				if (g.Code == 200) == shared || told == shared {
					t.Errorf("%d after %s: %s; told %+v %q", g.Code, g.took, g.text(), a.Wait, a.Refused)
				}
				wg.Wait()
			})
		})
	}
}

// The explanation of a route tells of the line what the next request finds: that it waits where an account is back from its rest in time, and that it
// waits a moment for a first pool that is only busy.
func TestRouteTellsTheLine(t *testing.T) {
	t.Run("a rest that ends in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a", limit: 1}, {name: "b", limit: 1, priority: 1}}, byLoad)
			r.on("a", after(5*time.Second, jsonOK("fine")))
			r.on("b", after(5*time.Second, jsonOK("fine")))
			for i := range 5 {
				r.send(saying(askJSON, fmt.Sprint("w", i)))
			}
			r.cells.Rest(restKeyOf(2)).Extend(time.Now().Add(6*time.Second), 3, sched.EndStated)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() { r.send(saying(askJSON, fmt.Sprint(i))) })
				synctest.Wait()
			}
			a, err := r.g.Route(RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic})
			g := r.send(saying(askJSON, "mine"))
			if err != nil || a.Refused != "" || a.Wait == nil || a.Wait.Expect != 0 || g.took == 0 {
				t.Errorf("told %+v %q, %v; it took %s", a.Wait, a.Refused, err, g.took)
			}
			wg.Wait()
		})
	})
	t.Run("a first pool that is busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a", limit: 1}, {name: "b", pool: "second"}}, func(c *rigConfig) { c.key.Pools = []string{"default", "second"} })
			r.on("a", after(20*time.Second, jsonOK("fine")))
			r.on("b", jsonOK("fine"))
			var wg sync.WaitGroup
			wg.Go(func() { r.send(saying(askJSON, "x")) })
			synctest.Wait()
			a, err := r.g.Route(RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic})
			g := r.send(saying(askJSON, "mine"))
			if err != nil || a.Account != "b" || a.Wait == nil || a.Wait.Account != "" || a.Wait.Most != g.took.Seconds() {
				t.Errorf("told %s, %+v, %v; it took %s", a.Account, a.Wait, err, g.took)
			}
			wg.Wait()
		})
	})
}
