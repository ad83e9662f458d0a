package e2e

import (
	"testing"
	"time"

	"turnout/internal/sim"
)

// TestCallerLeaves: a caller that goes away ends the upstream request within a
// second, and is recorded as gone, not as a failure of the account's.
func TestCallerLeaves(t *testing.T) {
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			words := "-n100000-d20" // content for half an hour
			if !f.stream {
				words = "-ttft600000" // silence before the answer
			}
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a"+words, "")+account(p, f.platform(), "b", "sk-sim-b"+words, "")+keys)
			var left time.Time
			if f.stream {
				s := g.open(ask{form: f, model: "m"})
				left = time.Now()
				s.cancel()
			} else {
				s := g.begin(ask{form: f, model: "m"})
				seen(t, p, func(r sim.Seen) bool { return true })
				left = time.Now()
				s()
			}
			gone := seen(t, p, func(r sim.Seen) bool { return r.Outcome == sim.Aborted })
			if d := gone.End.Sub(left); d > time.Second {
				t.Errorf("the upstream was left running for %s", d)
			}
			eventually(t, "the record", func() bool { return len(g.rows()) == 1 })
			if r := g.rows()[0]; r.Outcome != "canceled" || r.Status != 499 || r.Attempts != 1 {
				t.Errorf("recorded as %+v", r)
			}
			if n := len(p.Requests()); n != 1 {
				t.Errorf("%d upstream requests", n)
			}
			// Nobody is blamed: the next request is served by any of them at once.
			if status, _ := g.get("/readyz"); status != 200 {
				t.Errorf("readyz says %d", status)
			}
		})
	}
}
