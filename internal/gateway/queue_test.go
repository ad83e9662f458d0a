package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
)

// impatient is a client that says how long it waits for an answer.
func impatient(seconds string) requestOption { return withHeader("X-Stainless-Timeout", seconds) }

// Of one caller's requests the one that has to be served first comes first; another caller's turn stays its turn.
func TestTheEarliestDeadlineComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}}, func(c *rigConfig) { c.settings.QueueWait = time.Minute })
		r.on("a", after(time.Second, jsonOK("fine")))
		second := r.addKey("tk-second-0123456789")
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		for _, c := range []struct {
			name string
			opts []requestOption
		}{
			{"serving", nil}, {"calm 1", nil}, {"calm 2", []requestOption{impatient("600")}}, {"30 s", []requestOption{impatient("30")}},
			{"20 s", []requestOption{withHeader("X-Server-Timeout", "20.5")}}, {"of the second", []requestOption{second}}, {"of the second, 10 s", []requestOption{second, impatient("10")}},
		} {
			wg.Go(func() {
				g := r.send(saying(askJSON, c.name), c.opts...)
				mustContain(t, c.name, g.text(), "fine")
				mu.Lock()
				order = append(order, c.name)
				mu.Unlock()
			})
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		want := "serving, 20 s, of the second, 10 s, 30 s, of the second, calm 1, calm 2"
		if got := strings.Join(order, ", "); got != want {
			t.Errorf("served %s\nwant   %s", got, want)
		}
	})
}

// Who would hardly be served in time is told so at once, with the time when those who wait have been served; the others wait.
func TestWaitingInVainIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}})
		r.on("a", after(4*time.Second, jsonOK("fine")))
		second := r.addKey("tk-second-0123456789")
		for range 5 { // so long slots are held
			r.send(askJSON)
		}
		type end struct {
			code  int
			took  time.Duration
			after string
		}
		ends := make([]end, 14)
		var wg sync.WaitGroup
		for i := range ends {
			wg.Go(func() {
				var opts []requestOption
				if i == 13 {
					opts = append(opts, second)
				}
				g := r.send(saying(askJSON, fmt.Sprint(i)), opts...)
				ends[i] = end{g.Code, g.took, g.Header().Get("Retry-After")}
				if i == 12 {
					mustContain(t, "the refusal", g.text(), "this one would hardly be served within 10s; try again in 36s")
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		// One is served, and eight of the first caller wait; until a ninth has a slot it takes at least (9 − 2√9) × 4 s.
		for i, e := range ends {
			switch {
			case i == 0 || i == 1 || i == 13: // the second caller has its turn
				if e.code != 200 || e.took > 12*time.Second {
					t.Errorf("%d: %+v", i, e)
				}
			case i < 9:
				if e.code != 429 || e.took != 10*time.Second {
					t.Errorf("%d: %+v", i, e)
				}
			default:
				if e.code != 429 || e.took != 0 || e.after != "36" {
					t.Errorf("%d: %+v", i, e)
				}
			}
		}
	})
}

// Where nobody knows how long slots are held, or where more may be free soon, nobody is refused early.
func TestNobodyIsRefusedOnAGuess(t *testing.T) {
	for name, c := range map[string]struct {
		known bool
		limit int
		rests bool
	}{
		"not known":            {false, 1, false},
		"without limit":        {true, 0, false},
		"another returns soon": {true, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", limit: c.limit}, {name: "b", limit: 1, priority: 1}}, byLoad)
				r.on("a", after(5*time.Second, jsonOK("fine")))
				r.on("b", after(5*time.Second, jsonOK("fine")), limitedFor(6), after(5*time.Second, jsonOK("fine")))
				for range 5 * map[bool]int{true: 1}[c.known] {
					var wg sync.WaitGroup
					wg.Go(func() { r.send(askJSON) })
					time.Sleep(time.Millisecond)
					if c.limit == 1 {
						r.send(saying(askJSON, "beside"))
					}
					wg.Wait()
				}
				if c.rests {
					r.cells.Rest(restKeyOf(2)).Extend(time.Now().Add(6*time.Second), 3, 1)
				}
				var wg sync.WaitGroup
				for i := range 30 {
					wg.Go(func() {
						if g := r.send(saying(askJSON, fmt.Sprint(i))); g.took == 0 {
							t.Errorf("%d is refused at once: %s", i, g.text())
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// A request waits no longer for a slot than its caller waits for an answer, less what an answer takes.
func TestWaitingEndsInTimeForTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 1}}, func(c *rigConfig) { c.settings.QueueWait = time.Minute })
		r.on("a", after(2*time.Second, whole("fine")))
		for range 3 {
			r.send(askStream) // begins after two seconds
		}
		r.on("a", after(10*time.Second, whole("fine")))
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askStream) })
		synctest.Wait()
		for _, c := range []struct {
			says string
			took time.Duration
			code int
		}{{"8", 6 * time.Second, 429}, {"2", 0, 429}, {"1.5", 0, 429}, {"0", 0, 200}, {"nonsense", 0, 200}, {"-3", 0, 200}, {"1e99", 0, 200}} {
			wg.Go(func() {
				g := r.send(saying(askStream, c.says), impatient(c.says))
				if g.Code != c.code || c.code != 200 && g.took != c.took {
					t.Errorf("%s s: %d after %s", c.says, g.Code, g.took)
				}
				if c.code != 200 {
					mustContain(t, "the refusal", g.text(), "in time for an answer within the "+(time.Duration(must(strconv.ParseFloat(c.says, 64))*float64(time.Second))).String())
				}
			})
			synctest.Wait()
		}
		wg.Wait()
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What a header says of a client's patience.
func TestPatience(t *testing.T) {
	for value, want := range map[string]time.Duration{"600": 10 * time.Minute, "0.5": time.Second / 2, "": 0, "NaN": 0, "Inf": 0, "-1": 0, "86401": 0, "86400": 24 * time.Hour} {
		if got := patienceOf(http.Header{"X-Stainless-Timeout": {value}}); got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}

// Whose turn it is depends on callers first, then on deadlines, then on who came first; nobody is lost.
func TestLineOrder(t *testing.T) {
	q, now := newQueue(), time.Now()
	same := []*sched.View{{}}
	add := func(caller domain.KeyID, in int) *waiter {
		w := &waiter{caller: caller, views: same, deadline: now.Add(time.Duration(in) * time.Second), pace: time.Second}
		q.line = append(q.line, w)
		return w
	}
	a1, a2, a3, b1 := add(1, 9), add(1, 5), add(1, 5), add(2, 1)
	var order []*waiter
	for len(q.line) > 0 {
		at := 0
		for i := range q.line {
			if q.before(q.line[i], q.line[at]) {
				at = i
			}
		}
		w := q.line[at]
		q.turn++
		q.turns[w.caller] = q.turn
		q.line = slices.Delete(q.line, at, at+1)
		order = append(order, w)
	}
	if !slices.Equal(order, []*waiter{a2, b1, a3, a1}) {
		t.Errorf("the order is wrong")
	}
	q.line = []*waiter{a1, a2, a3, b1}
	for w, want := range map[*waiter]int{
		{caller: 1, deadline: now.Add(10 * time.Second)}: 4, {caller: 1, deadline: now.Add(5 * time.Second)}: 3, {caller: 1, deadline: now}: 1, {caller: 3, deadline: now}: 2, {caller: 2, deadline: now}: 1,
	} {
		w.views = same
		if got := q.ahead(w); got != want {
			t.Errorf("ahead of one of caller %d in %s are %d, want %d", w.caller, w.deadline.Sub(now), got, want)
		}
	}
}
