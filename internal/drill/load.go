package drill

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// brownAnswered is how many percent of a brown-out's requests must be answered: of its
// attempts three of ten would be.
const brownAnswered = 10

// brownOut is a provider that fails most of what it is asked, under a load: the fewer
// requests there are, the fewer retries they may cause.
func brownOut(suffix, load string, requests int, every time.Duration) *Scenario {
	return &Scenario{
		Name: "brown-out" + suffix, Does: "the whole provider fails seven of ten requests with 503, at " + load, Must: "upstream attempts ≤ 1.2 × requests; answers or clean errors",
		Accounts: crowd(4, "fail503-share70", "fail503-share70"), Lasts: time.Duration(requests) * every,
		Play: func(ctx context.Context, r *Run) {
			var all sync.WaitGroup
			for range requests {
				all.Go(func() { r.Send(ctx, &r.Scenario.Ask) })
				if !r.Pace.wait(ctx, every) {
					break
				}
			}
			all.Wait()
		},
		Judge: func(r *Run, j *Judgement) {
			whole := 0
			for _, a := range r.Answers {
				if j.whole(a, tokens, Pass) {
					whole++
				}
			}
			j.want(10*len(r.Attempts) <= 12*len(r.Answers), Partial, "%d upstream attempts for %d requests", len(r.Attempts), len(r.Answers))
			j.want(100*whole >= brownAnswered*len(r.Answers), Partial, "only %d of %d requests were answered", whole, len(r.Answers))
		},
	}
}

// The herd: five hundred sessions whose account is limited for six seconds.
const (
	herdSessions = 500
	herdLimited  = 6 * time.Second
	herdWindow   = 50 * time.Millisecond
	herdPercent  = 10
	herdVain     = 25 // attempts in vain: what is under way when the account says that it is limited
	// warmContext is long enough for a prompt cache, so that each session has a stake.
	warmContext = 6 << 10
)

func herd() *Scenario {
	ask := Ask{Context: strings.Repeat("A timetable of many trains. ", warmContext/28)}
	send := func(ctx context.Context, r *Run, over time.Duration) {
		var all sync.WaitGroup
		for i := range herdSessions {
			one := ask
			one.Session = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
			all.Go(func() {
				if r.Pace.wait(ctx, over*time.Duration(i)/herdSessions) {
					r.Send(ctx, &one)
				}
			})
		}
		all.Wait()
	}
	return &Scenario{
		Name: "herd", Does: "429 for 6 s, with 500 sessions bound to it that all ask", Must: "all are served; no 50 ms hold more than 10 % of the attempts after the reset",
		RealTime: true, Lasts: 15 * time.Second, Heavy: true,
		Accounts: func(Mode) []Account { return []Account{{Name: primary, Behaviour: words("")}} },
		Play: func(ctx context.Context, r *Run) {
			send(ctx, r, time.Second)
			r.Set(primary, words(fmt.Sprintf("fail429-ra%d-down%d", int(herdLimited.Seconds()), herdLimited.Milliseconds())))
			send(ctx, r, 2*time.Second)
		},
		Judge: func(r *Run, j *Judgement) {
			for _, a := range r.Answers {
				j.whole(a, tokens, Fail)
			}
			var reset time.Duration
			var after []time.Duration
			vain := 0
			for _, a := range r.at(primary) {
				switch {
				case a.Status == 429:
					vain++
					if reset == 0 {
						reset = a.At + herdLimited
					}
				case reset > 0 && a.At >= reset:
					after = append(after, a.At)
				}
			}
			j.want(vain <= herdVain, Partial, "%d attempts while the account had said that it was limited; at most %d should be made", vain, herdVain)
			if !j.want(len(after) > 0, Fail, "nobody asked again after the reset") {
				return
			}
			n, percent := most(after, herdWindow), herdPercent
			if r.Pace.Slack > 0 { // on sockets, five hundred goroutines on a busy machine wake up in heaps
				percent *= 2
			}
			j.want(100*n <= percent*len(after), Partial, "%d of %d attempts after the reset came within 50 ms", n, len(after))
		},
	}
}
