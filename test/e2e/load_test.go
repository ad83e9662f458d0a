package e2e

import (
	"fmt"
	"sync"
	"testing"

	"turnout/internal/sim"
)

// TestThousandRequests: 1,000 requests at concurrency 32 against three accounts, of
// which one always answers 429 and one always 503, are 1,000 good answers; and the two are
// soon left alone.
func TestThousandRequests(t *testing.T) {
	const (
		requests    = 1000
		concurrency = 32
		pieces      = 12
	)
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			good, limited, down := fmt.Sprintf("sk-sim-good-n%d", pieces), "sk-sim-limited-fail429", "sk-sim-down-fail503"
			g := startGateway(t, "accounts:\n"+
				account(p, f.platform(), "good", good, "")+account(p, f.platform(), "limited", limited, "")+account(p, f.platform(), "down", down, "")+keys)
			c := newClient(t)
			a := ask{form: f, model: "model-a"}
			want := sim.Text(pieces)
			work := make(chan int)
			var wg sync.WaitGroup
			var mu sync.Mutex
			bad := 0
			for range concurrency {
				wg.Go(func() {
					for range work {
						if r := a.do(c, g.base); !r.good() || r.text != want {
							mu.Lock()
							if bad++; bad <= 3 {
								t.Errorf("a bad answer: %s", &r)
							}
							mu.Unlock()
						}
					}
				})
			}
			for i := range requests {
				work <- i
			}
			close(work)
			wg.Wait()
			if bad > 0 {
				t.Errorf("%d of %d answers were bad", bad, requests)
			}
			// Before the first refusal is known each of the requests in flight may meet it, the
			// 503 twice; after that only single probes come.
			t.Logf("attempts: good %d, limited %d, down %d", p.Count(good), p.Count(limited), p.Count(down))
			if n := p.Count(limited); n == 0 || n > concurrency+4 {
				t.Errorf("the limited account was asked %d times", n)
			}
			if n := p.Count(down); n == 0 || n > 2*concurrency+8 {
				t.Errorf("the account that is down was asked %d times", n)
			}
			if n := p.Count(good); n != requests {
				t.Errorf("the good account was asked %d times for %d answers", n, requests)
			}
			g.stop()
			if rows := g.rows(); len(rows) != requests {
				t.Errorf("%d requests were recorded", len(rows))
			}
		})
	}
}
