package gateway

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/ledger"
)

// Faults that a review found in limits and in what is learnt of accounts.

// A request that a pool's limit keeps out takes nothing of the account's own.
func TestRefusedByAPoolTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", pool: "second", limits: domain.AccountLimits{Sessions: 1, RequestsPerDay: 1000}}}, func(c *rigConfig) { c.key.Pools = []string{"default", "second"} })
		snap := r.g.Snapshot()
		snap.rated, snap.pools["second"].rates = true, &domain.Rates{RateLimits: domain.RateLimits{Requests: 1}}
		r.on("a", status(401, errorJSON("authentication_error")))
		r.on("b", jsonOK("hi"))
		named := func(n string) requestOption { return withHeader("X-Claude-Code-Session-Id", n) }
		r.send(askJSON, named("one"))
		if g := r.send(askJSON, named("one")); g.Code == 200 {
			t.Fatalf("%d %s", g.Code, g.text())
		}
		if got := r.cells.Meter(2).Standing(time.Now()); got.RequestsToday != 1 {
			t.Errorf("%d requests were counted, one was sent", got.RequestsToday)
		}
		time.Sleep(72 * time.Hour)
		if g := r.send(askJSON, named("two")); g.Code != 200 {
			t.Errorf("days later: %d %s", g.Code, g.text())
		}
	})
}

// A session that has a place at an account may go on, although nothing binds it there.
func TestGuessedSessionKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{Sessions: 1}}})
		r.on("a", jsonOK("a"))
		for range 3 {
			if g := r.send(askJSON); g.Code != 200 {
				t.Fatalf("%d %s", g.Code, g.text())
			}
			time.Sleep(10 * time.Second)
		}
		if g := r.send(askJSON, withHeader("X-Turnout-Session", "another")); g.Code != 429 {
			t.Errorf("another session: %d", g.Code)
		}
	})
}

// Who makes callers leave, or is always overtaken, is known to be slow.
func TestSlowAccountsAreKnown(t *testing.T) {
	none := withHeader("X-Turnout-Session", "none")
	for name, c := range map[string]struct {
		a     reply
		hedge time.Duration
	}{"left": {hang, 0}, "overtaken": {after(20*time.Second, whole("a")), 2 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two, func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Hedge = c.hedge } })
				r.on("a", c.a)
				r.on("b", after(1200*time.Millisecond, whole("b")))
				first := 0
				for range 40 {
					asked := len(strings.Fields(r.names()))
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					r.send(askStream, none, withContext(ctx))
					cancel()
					if strings.Fields(r.names())[asked] == "a" {
						first++
					}
					time.Sleep(5 * time.Second)
				}
				if first > 3 {
					t.Errorf("of 40 requests %d began at the slow account", first)
				}
			})
		})
	}
}

// The commit point is the caller's choice, and says nothing of the account.
func TestCommitPointIsNotTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], func(c *rigConfig) { c.key.Overrides = []string{domain.OverrideCommit} })
		r.on("a", stream(nil, part{time.Second, msgStart + txtStart + delta("x")}, part{20 * time.Second, txtStop + msgDelta + msgStop}))
		g := r.send(askStream, withHeader("X-Turnout-Commit", "complete"))
		if d, ok := r.cells.Stat(1, "claude-x").FirstTokenTime(time.Now()); g.Code != 200 || !ok || d != time.Second {
			t.Errorf("%d: a first token after %v, %v", g.Code, d, ok)
		}
	})
}

// crashingLedger panics once.
type crashingLedger struct {
	Ledger
	crash bool
}

func (l *crashingLedger) Hold(ctx context.Context, h *ledger.Ask) (Holding, error) {
	if l.crash {
		l.crash = false
		panic("a crash while a request is taken in")
	}
	return l.Ledger.Hold(ctx, h)
}

// A request that crashes while it is taken in leaves nothing taken.
func TestCrashWhileReceiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], keyRates(domain.Rates{RateLimits: domain.RateLimits{Concurrency: 1}}))
		r.on("a", jsonOK("a"))
		r.g.deps.Ledger = &crashingLedger{r.g.deps.Ledger, true}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not crash")
				}
			}()
			r.send(askJSON)
		}()
		if g := r.send(askJSON); g.Code != 200 {
			t.Errorf("afterwards: %d %s", g.Code, g.text())
		}
	})
}
