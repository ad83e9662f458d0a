package gateway

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// limited says 429 with so many seconds to go until a moment of the rig's clock, and then does what then does. A request
// whose text says "late N" is told N ms after it was sent.
func limited(r *rig, until time.Duration, seconds int, then reply) reply {
	late := regexp.MustCompile(`late (\d+)`)
	return func(ctx context.Context, c *call) (*response, error) {
		if time.Since(r.began) >= until {
			return then(ctx, c)
		}
		rc, err := c.Body()
		if err != nil {
			return nil, err
		}
		text, _ := io.ReadAll(rc)
		d := 0
		if m := late.FindSubmatch(text); m != nil {
			_, _ = fmt.Sscan(string(m[1]), &d)
		}
		return after(time.Duration(d)*time.Millisecond, limitedFor(seconds))(ctx, c)
	}
}

func limitedFor(seconds int) reply {
	return status(429, errorJSON("rate_limit_error"), "Retry-After", fmt.Sprint(seconds))
}

func saying(ask, text string) string { return strings.Replace(ask, "hi", text, 1) }

// aloft sends requests that are under way when the limit strikes, each told so many ms later, and then returns; done waits
// for all.
func (r *rig) aloft(ask string, late ...int) (done func() []got) {
	answers := make([]got, len(late))
	var wg sync.WaitGroup
	for i, ms := range late {
		wg.Go(func() { answers[i] = r.send(saying(ask, fmt.Sprint("late ", ms))) })
	}
	synctest.Wait()
	return func() []got { wg.Wait(); return answers }
}

// A limit that strikes is told to all that is under way, one after the other, and each makes the rest a little longer. Who was
// told first once woke up before the account was back, and had no second hold to wait for that.
func TestAWaitLastsUntilTheAccountIsBack(t *testing.T) {
	for name, ask := range map[string]string{"stream": askStream, "JSON": askJSON} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}})
				then := jsonOK("fine")
				if ask == askStream {
					then = whole("fine")
				}
				r.on("a", limited(r, 6*time.Second, 6, then))
				others := r.aloft(ask, 5, 40)
				g := r.send(ask)
				mustContain(t, "the answer", g.text(), "fine")
				if g.took != 6040*time.Millisecond {
					t.Errorf("served after %s, and the account was back after 6.04 s", g.took)
				}
				mustContain(t, "the trace", string(r.last().Trace), `[6000,"round","still_resting",40,40]`)
				for _, g := range others() {
					mustContain(t, "another's answer", g.text(), "fine")
				}
				if want := "a@0s a@0s a@0s a@6.04s a@6.048s a@6.056s"; r.asked() != want {
					t.Errorf("asked %s, want %s", r.asked(), want)
				}
			})
		})
	}
}

// Nor does a session leave the account that has its cache, for the sake of a few milliseconds: neither one that was
// told of the limit, nor one that found the account resting.
func TestASessionWaitsUntilItsAccountIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", stream(io.EOF, part{0, strings.ReplaceAll(msgStart, "2000", "100000") + txtStart + delta("warm") + txtEnd}))
		r.on("b", whole("elsewhere"))
		one, two := withHeader("X-Claude-Code-Session-Id", "one"), withHeader("X-Claude-Code-Session-Id", "two")
		r.send(askStream, one)
		r.send(askStream, two)
		r.attempts = nil
		r.on("a", limited(r, 6*time.Second, 6, whole("back")))
		others := r.aloft(askStream, 40)
		var wg sync.WaitGroup
		for i, session := range []requestOption{one, two} {
			wg.Go(func() {
				g := r.send(saying(askStream, fmt.Sprint("again ", i)), session)
				mustContain(t, "the answer", g.text(), "back")
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		others()
		if want := "a@0s a@0s b@40ms a@6.04s a@6.048s"; r.asked() != want {
			t.Errorf("asked %s, want %s", r.asked(), want)
		}
		for _, rec := range r.records[len(r.records)-2:] {
			mustContain(t, "the trace", string(rec.Trace), "still_resting", `waiting `)
		}
	})
}

// Who waits on stays as far from the others as before.
func TestThoseWhoWaitOnComeBackSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 200
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.settings.QueuePlaces = 2 * requests })
		r.on("a", limited(r, 6*time.Second, 6, whole("fine")))
		others := r.aloft(askStream, 10, 20, 100, 200, 400)
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() { mustContain(t, "the answer", r.send(saying(askStream, fmt.Sprint("no ", i))).text(), "fine") })
		}
		wg.Wait()
		for _, g := range others() {
			mustContain(t, "another's answer", g.text(), "fine")
		}
		var back []time.Duration
		for _, a := range r.attempts {
			if a.at >= 6*time.Second {
				back = append(back, a.at)
			}
		}
		if len(back) != requests+5 || back[0] != 6400*time.Millisecond {
			t.Errorf("%d came back, the first after %s", len(back), back[0])
		}
		for i := range back {
			n := 0
			for _, at := range back[i:] {
				if at-back[i] < 50*time.Millisecond {
					n++
				}
			}
			if n > 16 { // one in 8 ms of those who woke up too early, and one of those who did not
				t.Fatalf("%d of %d came back within 50 ms of %s", n, len(back), back[i])
			}
		}
	})
}

// What is left of the rest has to fit what may be waited; where it does not, the caller is told at once.
func TestWaitingOnIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		ask  string
		opt  rigOption
		more time.Duration // so much longer the account rests
		ok   bool
		took time.Duration
	}{
		"within the budget":       {askStream, func(*rigConfig) {}, 5 * time.Second, true, 20 * time.Second},
		"beyond the budget":       {askStream, func(*rigConfig) {}, 6 * time.Second, false, 15 * time.Second},
		"beyond the longest hold": {askStream, func(c *rigConfig) { c.policy.Waiting = new(time.Minute) }, 21 * time.Second, false, 15 * time.Second},
		"beyond a JSON's hold": {askJSON, func(c *rigConfig) { c.policy.Waiting, c.policy.Hold = new(time.Minute), new(time.Minute) }, 31 * time.Second, false,
			15 * time.Second},
		"within a JSON's hold": {askJSON, func(c *rigConfig) { c.policy.Waiting, c.policy.Hold = new(time.Minute), new(time.Minute) }, 30 * time.Second, true,
			45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, c.opt)
				then := jsonOK("fine")
				if c.ask == askStream {
					then = whole("fine")
				}
				r.on("a", limitedFor(15), then)
				time.AfterFunc(10*time.Second, func() {
					r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(5*time.Second+c.more), uint8(failover.RateLimited), sched.EndStated)
				})
				g := r.send(c.ask)
				if ok := strings.Contains(g.text(), "fine"); ok != c.ok || g.took != c.took {
					t.Errorf("served is %v after %s, want %v after %s", ok, g.took, c.ok, c.took)
				}
				if want := fmt.Sprint(c.more.Seconds()); !c.ok && g.Header().Get("Retry-After") != want {
					t.Errorf("Retry-After is %q, want %s", g.Header().Get("Retry-After"), want)
				}
			})
		})
	}
}

// Whoever is back serves: a hold is not for one account alone.
func TestNobodyWaitsOnBesideAFreeAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}})
		r.on("a", limitedFor(6), whole("fine"))
		r.on("b", limitedFor(8), whole("fine"))
		time.AfterFunc(time.Second, func() { // now b is the first to return
			r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(9*time.Second), uint8(failover.RateLimited), sched.EndStated)
		})
		g := r.send(askStream)
		if !strings.Contains(g.text(), "fine") || g.took != 8*time.Second || !strings.HasSuffix(r.names(), " b") {
			t.Errorf("took %s, asked %s: %s", g.took, r.asked(), g.text())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}})
		r.on("a", limitedFor(6), whole("fine"))
		r.on("b", limitedFor(6), whole("fine"))
		time.AfterFunc(time.Second, func() {
			r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(9*time.Second), uint8(failover.RateLimited), sched.EndStated)
		})
		g := r.send(askStream)
		if !strings.Contains(g.text(), "fine") || g.took != 6*time.Second || !strings.HasSuffix(r.names(), " b") {
			t.Errorf("took %s, asked %s: %s", g.took, r.asked(), g.text())
		}
	})
}

// Where the end of the rest was a guess, one of those who were held finds out; the others, who have been tried as well, wait
// for what comes of it.
func TestTheHeldWaitForTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		r.on("a", after(time.Second, fail429), after(time.Second, fail429), after(time.Second, fail429), after(2*time.Second, whole("fine")))
		for _, g := range r.aloft(askStream, 1, 2, 3)() {
			mustContain(t, "the answer", g.text(), "fine")
		}
		if n := len(r.attempts); n != 6 {
			t.Errorf("asked %s", r.asked())
		}
	})
}

// Between the choice and the question what follows a rest may end: that is no reason to give up.
func TestARestThatEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		snap := r.g.Snapshot()
		p := snap.pools["default"]
		x := &exchange{g: r.g, snap: snap, ctx: t.Context(), began: time.Now(), key: &domain.Key{ID: 1}, pools: []*pool{p}, ans: &answer{}}
		x.aim(&target{model: "claude-x", views: []*sched.View{snap.view(p, viewAsk{model: "claude-x", dialect: r.d.ID()}, x.key)}})
		const rest = probeMoment + time.Second
		r.cells.Rest(restKeyOf(1)).Extend(time.Now().Add(rest), uint8(failover.RateLimited), sched.EndStated)
		picked := x.pick(0)
		if picked.cand != nil {
			t.Fatal("a resting account was chosen")
		}
		time.Sleep(rest)
		if d := x.afterNoCandidate(picked.at, &picked.choice); d.Action != failover.Round || d.Wait != rest {
			t.Errorf("decided %+v", d)
		}
		x.seat.leave()
	})
}

// Who comes shortly before the end of a rest waits for it too, and not in the line for a slot, from which all came
// back in one instant.
func TestWhoComesLateWaitsLikeTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		r.on("a", limited(r, 4*time.Second, 4, whole("fine")))
		others := r.aloft(askStream, 0)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { mustContain(t, "the answer", r.send(saying(askStream, fmt.Sprint("no ", i))).text(), "fine") })
		}
		wg.Wait()
		others()
		if want := "a@0s a@4s a@4.008s a@4.016s a@4.024s a@4.032s"; r.asked() != want {
			t.Errorf("asked %s, want %s", r.asked(), want)
		}
	})
}

// Who waits for a provider that has no capacity takes its retry from the budget when it decides to wait, because all
// that decide meanwhile would find it full.
func TestRoundsKeepToTheRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, floor = 30, 10
		r := newRig(t, []account{{name: "a"}})
		r.on("a", func(ctx context.Context, c *call) (*response, error) {
			if time.Since(r.began) > time.Second {
				return whole("back")(ctx, c)
			}
			return status(529, errorJSON("overloaded_error"))(ctx, c)
		})
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() { r.send(saying(askStream, fmt.Sprint("no ", i))) })
		}
		wg.Wait()
		if n := len(r.attempts); n > requests+floor {
			t.Errorf("%d attempts for %d requests, where %d retries were left", n, requests, floor)
		}
	})
}
