package cli

import (
	"strings"
	"testing"
	"time"

	"turnout/internal/gateway"
)

// What a request would wait for, which limit would refuse it, and where its beginning is warm is said in words.
func TestRouteText(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		a    gateway.RouteAnswer
		want []string
	}{
		"nobody": {gateway.RouteAnswer{}, []string{"would find nobody free now.\n"}},
		"refused": {
			gateway.RouteAnswer{Account: "b", Rule: "only", Refused: `the limit of 60 requests a minute of the key "team" is reached`},
			[]string{`would be refused now: the limit of 60 requests a minute of the key "team" is reached.`, "Otherwise it would go to b: the only one that could serve."},
		},
		"full": {
			gateway.RouteAnswer{Account: "b", Rule: "score", Wait: &gateway.RouteWait{Account: "a", Most: 3, Why: "full"}},
			[]string{"would go to b: lowest score.\nBefore that it would wait up to 3s for a, its session's own, which is full."},
		},
		"resting": {
			gateway.RouteAnswer{Account: "b", Rule: "score", Wait: &gateway.RouteWait{Account: "a", Most: 4, Why: "stay_cheaper"}},
			[]string{"Before that it would wait up to 4s for a, its session's own: waiting here costs less than moving."},
		},
		"the line": {
			gateway.RouteAnswer{Wait: &gateway.RouteWait{Most: 10, Why: "full", Ahead: 3, Expect: 8}},
			[]string{"nobody free now.\nIt would wait up to 10s for a slot, behind 3 others, and have one in 8s on the average.\n"},
		},
		"shared": {
			gateway.RouteAnswer{Account: "a", Rule: "score", Shared: []gateway.RouteWarm{{Account: "a", Tokens: 9000, Until: now.Add(time.Minute)}, {Account: "c", Tokens: 8000, Until: now.Add(2 * time.Minute)}}},
			[]string{"is warm at a (9000 tokens, for another 1m0s), c (8000 tokens, for another 2m0s).\n"},
		},
	} {
		got := routeText(&c.a, now)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
	}
}
