package gateway

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
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
