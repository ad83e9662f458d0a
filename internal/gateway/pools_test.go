package gateway

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNextPool: the key's next pool is used when the first is exhausted, at once, or busy for longer
// than a moment; the trace says so.
func TestNextPool(t *testing.T) {
	for name, c := range map[string]struct {
		busy time.Duration // how long the first pool's only account is busy
		a    reply
		took time.Duration
		by   string
		next bool
	}{
		"free":              {0, jsonOK("a"), 0, "a", false},
		"busy for a moment": {2 * time.Second, jsonOK("a"), time.Second, "a", false},
		"busy for longer":   {time.Minute, jsonOK("a"), 3 * time.Second, "b", true},
		"exhausted":         {0, status(429, errorJSON("rate_limit_error"), "Retry-After", "60"), 0, "b", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", limit: 1}, {name: "b", pool: "second"}}, func(rc *rigConfig) { rc.key.Pools = []string{"default", "second"} })
				r.on("b", jsonOK("b"))
				var wg sync.WaitGroup
				if c.busy > 0 {
					r.on("a", after(c.busy, jsonOK("slow")), c.a)
					wg.Go(func() { r.send(askLong) })
					time.Sleep(time.Second)
				} else {
					r.on("a", c.a)
				}
				g := r.send(askJSON)
				if g.took != c.took || !strings.Contains(g.text(), `"text":"`+c.by+`"`) {
					t.Errorf("took %s, want %s by %s: %s", g.took, c.took, c.by, g.text())
				}
				if got := strings.Contains(string(r.last().Trace), `"np":true`); got != c.next {
					t.Errorf("the trace says of the next pool: %v", got)
				}
				wg.Wait()
			})
		})
	}
}
