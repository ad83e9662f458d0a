package gateway

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// An absurd figure of one answer keeps neither the caller nor the account at their limits, JSON or stream; a large one that may be is charged.
func TestUsageThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name    string
		tokens  string
		charged bool
		told    bool // what is no number at all is no figure
	}{
		{"a trillion", "1000000000000", false, true}, {"an overflow", "9223372036854775807", false, false}, {"below nothing", "-5000", false, false},
		{"more than a context", "2500000", false, true}, {"a large context", "1000000", true, false},
	} {
		for _, ask := range []string{askJSON, askStream} {
			t.Run(c.name+fmt.Sprint(ask == askStream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ob := &eventObserver{}
					r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{TokensPerDay: 3_000_000}}}, func(rc *rigConfig) {
						rc.observer = ob
						rc.key.Rates = &domain.Rates{RateLimits: domain.RateLimits{Tokens: 100_000}}
					})
					r.on("a", func(ctx context.Context, up *call) (*response, error) {
						if ask == askStream {
							return stream(io.EOF, part{0, strings.ReplaceAll(msgStart, `"input_tokens":10`, `"input_tokens":`+c.tokens) + txtStart + delta("x") + txtEnd})(ctx, up)
						}
						return answer200("application/json", strings.Replace(messageJSON("x"), `"input_tokens":10`, `"input_tokens":`+c.tokens, 1)), nil
					})
					g := r.send(ask)
					if g.Code != 200 {
						t.Fatalf("%d %s", g.Code, g.text())
					}
					again := r.send(ask)
					if (again.Code == 429) != c.charged {
						t.Errorf("the next one: %d %s", again.Code, again.text())
					}
					if today := r.cells.Meter(1).Standing(time.Now()).TokensToday; (today > 100_000) != c.charged {
						t.Errorf("the account has used %d tokens", today)
					}
					if (ob.of(EventUsage) == "anthropic") != c.told {
						t.Errorf("events %v", ob.events)
					}
				})
			})
		}
	}
}
