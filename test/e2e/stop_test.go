package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"turnout/internal/sim"
)

// TestGracefulStop: after a stop signal readiness goes first, new requests are refused in
// the caller's protocol, streams go on to their end, and every record is written.
func TestGracefulStop(t *testing.T) {
	for _, f := range []form{{false, true}, {true, true}} {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			g := startGateway(t, "drain_delay: 3s\naccounts:\n"+account(p, f.platform(), "a", "sk-sim-a-n60-d100", "max_concurrency: 1")+account(p, f.platform(), "b", "sk-sim-b", "priority: 1")+keys)
			s := g.open(ask{form: f, model: "m"})
			g.signal(syscall.SIGTERM)
			eventually(t, "readyz to say that it drains", func() bool {
				status, body := g.get("/readyz")
				return status == 503 && body == "draining\n"
			})
			if r := g.send(ask{form: f, model: "m"}); !r.good() { // readiness goes first: whoever has not seen it yet is still served
				t.Errorf("a request just after the signal: %s", &r)
			}
			eventually(t, "new requests to be refused", func() bool { return g.send(ask{form: f, model: "m", key: "none"}).status == 503 })
			if status, _ := g.get("/healthz"); status != 200 {
				t.Errorf("healthz says %d while streams go on", status)
			}
			for _, other := range forms {
				r := g.send(ask{form: other, model: "m"})
				if r.status != 503 || r.fault == "" || r.header.Get("Retry-After") == "" {
					t.Errorf("%s: a new request was answered %s", other, &r)
				}
			}
			if r := s.rest(); !r.good() || r.text != sim.Text(60) {
				t.Errorf("the stream in flight: %s", &r)
			}
			if code := g.exited(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if n := len(p.Requests()); n != 2 {
				t.Errorf("%d upstream requests", n)
			}
			ok := 0
			for _, r := range g.rows() {
				if r.Outcome == "ok" && r.Account == "a" {
					ok++
				}
			}
			if ok != 1 {
				t.Errorf("the stream was not recorded: %+v", g.rows())
			}
			if _, err := os.Stat(filepath.Join(g.dataDir(), "turnout.run")); !os.IsNotExist(err) {
				t.Errorf("the run file is still there (%v)", err)
			}
		})
	}
}

// TestSecondSignal: a second stop signal cuts what is still going on; the caller
// sees that its answer is not whole.
func TestSecondSignal(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "anthropic", "a", "sk-sim-a-n100000-d20", "")+keys)
	s := g.open(ask{form: form{stream: true}, model: "m"})
	g.signal(syscall.SIGTERM)
	eventually(t, "readyz to say that it drains", func() bool {
		status, _ := g.get("/readyz")
		return status == 503
	})
	g.signal(syscall.SIGINT)
	if code := g.exited(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if r := s.rest(); r.err == nil && r.fault == "" || r.ended || r.whole {
		t.Errorf("the cut stream looks whole: %s", &r)
	}
	if rows := g.rows(); len(rows) != 1 {
		t.Errorf("recorded: %+v", rows)
	}
}
