package e2e

import (
	"strings"
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
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a"+words, "")+account(p, f.platform(), "b", "sk-sim-b"+words, "priority: 1")+keys)
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
			// Nobody is blamed: the account does not rest, and the next request is its again (the
			// other one only comes where it cannot be asked).
			if open := openCircuits(t, g); open != "" {
				t.Errorf("something rests: %s", open)
			}
			if f.stream {
				g.open(ask{form: f, model: "m"}).cancel()
			} else {
				leave := g.begin(ask{form: f, model: "m"})
				seen(t, p, func(r sim.Seen) bool { return r.Seq == 2 })
				leave()
			}
			if next := seen(t, p, func(r sim.Seen) bool { return r.Seq == 2 }); next.Key != "sk-sim-a"+words {
				t.Errorf("the next request went to %s", next.Key)
			}
		})
	}
}

// openCircuits lists what rests, by the metrics.
func openCircuits(t *testing.T, g *gateway) string {
	t.Helper()
	status, body := g.get("/metrics")
	if status != 200 || !strings.Contains(body, "turnout_circuits{") {
		t.Fatalf("the metrics say nothing of circuits: %d\n%s", status, body)
	}
	var open []string
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "turnout_circuits{") && !strings.HasSuffix(line, " 0") {
			open = append(open, line)
		}
	}
	return strings.Join(open, ", ")
}
