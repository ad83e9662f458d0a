package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A pool that hedges asks a second account beside one that has not begun: for sessions with nothing to lose, once, and
// whoever is first answers. Both attempts are recorded; the rig sees that the caller pays once.
func TestHedge(t *testing.T) {
	for name, c := range map[string]struct {
		hedge  time.Duration
		a, b   reply
		ask    string
		before reply // of an earlier turn of the session
		asked  string
		took   time.Duration
	}{
		"a stream":             {2 * time.Second, after(6*time.Second, whole("a")), after(time.Second, whole("b")), askStream, nil, "a@0s b@2s", 3 * time.Second},
		"an answer":            {2 * time.Second, after(6*time.Second, jsonOK("a")), after(time.Second, jsonOK("b")), askJSON, nil, "a@0s b@2s", 3 * time.Second},
		"the first wins":       {2 * time.Second, after(3*time.Second, whole("a")), after(4*time.Second, whole("b")), askStream, nil, "a@0s b@2s", 3 * time.Second},
		"quick enough":         {2 * time.Second, after(time.Second, whole("a")), whole("b"), askStream, nil, "a@0s", time.Second},
		"not asked for":        {0, after(6*time.Second, whole("a")), whole("b"), askStream, nil, "a@0s", 6 * time.Second},
		"something is warm":    {2 * time.Second, after(6*time.Second, whole("a")), whole("b"), askStream, warmJSON("a"), "a@0s a@0s", 6 * time.Second},
		"and then it is slow":  {2 * time.Second, after(3*time.Minute, whole("a")), whole("b"), askStream, warmJSON("a"), "a@0s a@0s b@17.251000001s", 17251*time.Millisecond + 1},
		"the other fails":      {2 * time.Second, after(6*time.Second, whole("a")), status(503, errorJSON("api_error")), askStream, nil, "a@0s b@2s", 6 * time.Second},
		"the first fails then": {2 * time.Second, after(4*time.Second, status(503, errorJSON("api_error"))), after(6*time.Second, whole("b")), askStream, nil, "a@0s b@2s", 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Hedge = c.hedge } })
				r.on("a", c.a)
				if c.before != nil {
					r.on("a", c.before, c.a)
					r.send(askJSON, claude)
				}
				r.on("b", c.b)
				g := r.send(c.ask, claude)
				if r.asked() != c.asked || g.took != c.took || g.Code != 200 {
					t.Errorf("%d, asked %s (want %s), took %s (want %s)\n%s", g.Code, r.asked(), c.asked, g.took, c.took, r.last().Trace)
				}
				if n := strings.Count(c.asked, "b@"); n != strings.Count(string(r.last().Trace), `"bs":true`) || n > 0 && r.last().Attempts != 2 {
					t.Errorf("%d attempts: %s", r.last().Attempts, r.last().Trace)
				}
			})
		})
	}
}
