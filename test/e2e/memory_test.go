package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"turnout/internal/sim"
)

// stackOfStream is what the goroutines of an open stream may hold of stack, in bytes: 8 KiB the request's own, and some
// 10 KiB those of both connections. Stacks double: were the request's goroutine to need a little more than its 8 KiB
// once, it would be 26 KiB in all. Then look for what needs it, and do that apart (gateway/answer.go) or with less.
const stackOfStream = 22 << 10

// TestOpenStreamsTakeLittleStack: also on a connection that has carried another stream before, to its end: the goroutine is the same.
func TestOpenStreamsTakeLittleStack(t *testing.T) {
	const streams = 200
	for _, f := range forms {
		if !f.stream {
			continue
		}
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			// Else new goroutines begin with as much stack as others had at the last collection.
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a", "")+keys+"pools:\n  - {name: default, limits: {text_gap: 30m}, rates: {requests_per_minute: 1000000, tokens_per_minute: 100000000, concurrency: 1000}}\n", "GODEBUG=adaptivestackstart=0")
			before := g.stack()
			for i := range streams {
				c := newClient(t)
				if r := (&ask{form: f, model: "m-n2"}).do(c, g.base); !r.good() {
					t.Fatal(&r)
				}
				s := g.openWith(c, ask{form: f, model: "m-stall2", header: map[string]string{"X-Session-Id": fmt.Sprint("s", i)}})
				defer s.cancel()
			}
			if each := (g.stack() - before) / streams; each > stackOfStream {
				t.Errorf("an open stream takes %d bytes of stack, more than %d", each, stackOfStream)
			} else {
				t.Logf("an open stream takes %d bytes of stack", each)
			}
		})
	}
}

// stack is what the gateway's goroutines hold of stack, in bytes.
func (g *gateway) stack() int {
	g.t.Helper()
	status, body := g.get("/metrics")
	m := regexp.MustCompile(`(?m)^go_memstats_stack_inuse_bytes (\S+)$`).FindStringSubmatch(body)
	if status != http.StatusOK || m == nil {
		g.t.Fatalf("status %d, %d bytes of metrics, and no stacks among them", status, strings.Count(body, ""))
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return int(n)
}
