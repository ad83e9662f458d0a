package upstream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// trial runs steps against a watch on a virtual clock and says when, after its
// beginning, which limit ended it; 0: nothing did within an hour.
type trial struct {
	*Watch
	t     *testing.T
	began time.Time
	ctx   context.Context
}

func watched(t *testing.T, first, total time.Duration, f func(w *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		w := &trial{NewWatch(cancel, first, total), t, time.Now(), ctx}
		defer w.Stop()
		f(w)
	})
}

// at sleeps until the given time after the beginning.
func (w *trial) at(d time.Duration) { time.Sleep(d - time.Since(w.began)) }

// ends wants the limit, and that it ends the attempt at exactly that time.
func (w *trial) ends(l Limit, after time.Duration) {
	w.t.Helper()
	<-w.ctx.Done()
	if got := time.Since(w.began); got != after {
		w.t.Errorf("ended after %v, want %v", got, after)
	}
	f := FaultOf(w.ctx, w.ctx.Err())
	if f.Kind != FaultLimit || f.Limit != l {
		w.t.Errorf("ended by %v, want %v", f, l)
	}
}

func (w *trial) alive() {
	w.t.Helper()
	synctest.Wait()
	if w.ctx.Err() != nil {
		w.t.Fatalf("ended after %v by %v", time.Since(w.began), context.Cause(w.ctx))
	}
}

func TestWatch(t *testing.T) {
	const s = time.Second
	for name, f := range map[string]func(w *trial){
		"no first byte": func(w *trial) { w.ends(LimitFirstByte, 20*s) },
		"progress moves the deadline": func(w *trial) {
			for i := range 10 {
				w.at(time.Duration(i) * 15 * s)
				w.alive()
				w.Progress(LimitStall, 20*s)
			}
			w.ends(LimitStall, 155*s)
		},
		"the latest progress counts, also a nearer one": func(w *trial) {
			w.at(s)
			w.Progress(LimitStall, 100*s)
			w.at(2 * s)
			w.Progress(LimitFinish, 3*s)
			w.ends(LimitFinish, 5*s)
		},
		"a nearer deadline after the timer has moved": func(w *trial) {
			w.Progress(LimitStall, 100*s)
			w.at(50 * s) // the timer has fired for the first deadline and was set anew
			w.Progress(LimitFinish, s)
			w.ends(LimitFinish, 51*s)
		},
		"until counts from the beginning": func(w *trial) {
			w.at(7 * s)
			w.Until(LimitFirstToken, 30*s)
			w.ends(LimitFirstToken, 30*s)
		},
		"until may be over": func(w *trial) {
			w.at(7 * s)
			w.Until(LimitFirstToken, 5*s)
			w.ends(LimitFirstToken, 7*s)
		},
		"the total never moves": func(w *trial) {
			for i := range 300 {
				w.at(time.Duration(i) * s)
				w.alive()
				w.Progress(LimitStall, 30*s)
			}
			w.ends(LimitTotal, 300*s)
		},
		"a stopped watch ends nothing": func(w *trial) {
			w.Soft(10*s, func() { w.t.Error("the soft limit is reached after the stop") })
			w.at(s)
			w.Stop()
			w.Stop()
			w.Progress(LimitStall, s)
			w.Soft(s, func() { w.t.Error("a soft limit that was set after the stop") })
			w.at(time.Hour)
			w.alive()
		},
		"elapsed": func(w *trial) {
			w.at(3 * s)
			if got := w.Elapsed(); got != 3*s {
				w.t.Errorf("%v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { watched(t, 20*s, 300*s, f) })
	}
	t.Run("a total below the first", func(t *testing.T) { watched(t, 20*s, 5*s, func(w *trial) { w.ends(LimitTotal, 5*s) }) })
}

func TestWatchSoft(t *testing.T) {
	const s = time.Second
	for name, f := range map[string]func(w *trial, note func()){
		"5s": func(w *trial, note func()) { w.Soft(5*s, note); w.at(10 * s) },
		"5s again and again": func(w *trial, note func()) { // once is enough
			w.Soft(5*s, note)
			for i := range 19 {
				w.at(time.Duration(i) * s)
				w.Progress(LimitStall, 20*s)
			}
		},
		"7s late":           func(w *trial, note func()) { w.at(7 * s); w.Soft(5*s, note); w.at(9 * s) },
		"never, taken away": func(w *trial, note func()) { w.Soft(5*s, note); w.at(4 * s); w.NoSoft(); w.at(15 * s) },
		"never, none":       func(w *trial, note func()) { w.Soft(0, note); w.Soft(-s, note); w.at(15 * s) },
		"6s beyond the hard one": func(w *trial, note func()) {
			w.Progress(LimitStall, 4*s)
			w.Soft(6*s, note)
			w.Progress(LimitStall, 30*s)
			w.at(15 * s)
		},
		"never, the hard one is first": func(w *trial, note func()) { w.Soft(25*s, note); w.ends(LimitFirstByte, 20*s); w.at(30 * s) },
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, 20*s, 300*s, func(w *trial) {
				var mu sync.Mutex
				var calls []time.Duration
				f(w, func() {
					mu.Lock()
					defer mu.Unlock()
					calls = append(calls, time.Since(w.began))
				})
				synctest.Wait()
				want, err := time.ParseDuration(name[:2])
				if err != nil {
					if len(calls) != 0 {
						t.Errorf("called at %v", calls)
					}
				} else if len(calls) != 1 || calls[0] != want {
					t.Errorf("called at %v, want once at %v", calls, want)
				}
			})
		})
	}
}

// A soft limit cuts nothing, and the hard ones go on counting.
func TestWatchSoftCutsNothing(t *testing.T) {
	watched(t, 20*time.Second, time.Minute, func(w *trial) {
		w.Soft(time.Second, func() {})
		w.at(19 * time.Second)
		w.alive()
		w.ends(LimitFirstByte, 20*time.Second)
	})
}

// A soft function may move deadlines and stop its own watch: it holds no lock.
func TestWatchSoftMayUseTheWatch(t *testing.T) {
	watched(t, 20*time.Second, time.Minute, func(w *trial) {
		w.Soft(time.Second, func() {
			w.Progress(LimitStall, time.Second)
			w.Soft(1500*time.Millisecond, w.NoSoft)
		})
		w.ends(LimitStall, 2*time.Second)
	})
}

// Deadlines are moved from another goroutine than the one that stops; what is stopped stays
// stopped.
func TestWatchConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			ctx, cancel := context.WithCancelCause(t.Context())
			w := NewWatch(cancel, time.Second, time.Minute)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range 20 {
						w.Progress(LimitStall, time.Duration(i+1)*time.Millisecond)
						w.Soft(time.Duration(i)*time.Millisecond, func() {})
						w.NoSoft()
					}
				})
			}
			wg.Go(w.Stop)
			wg.Wait()
			if ctx.Err() != nil {
				t.Fatalf("ended by %v although no time has passed", context.Cause(ctx))
			}
			time.Sleep(time.Hour)
			if ctx.Err() != nil {
				t.Fatalf("ended by %v after the stop", context.Cause(ctx))
			}
			cancel(nil)
		}
	})
}

// The timer fires while progress is made to a nearer deadline: whichever comes first, the nearer deadline
// holds.
func TestWatchProgressWhileFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 500 {
			ctx, cancel := context.WithCancelCause(t.Context())
			began := time.Now()
			w := NewWatch(cancel, time.Second, time.Hour)
			w.Progress(LimitStall, time.Minute) // the timer stays at one second
			time.Sleep(time.Second)             // and fires now, while this goroutine goes on
			w.Progress(LimitFinish, time.Second)
			<-ctx.Done()
			if got := time.Since(began); got != 2*time.Second {
				t.Fatalf("ended after %v, want 2s", got)
			}
			cancel(nil)
		}
	})
}

func TestFaults(t *testing.T) {
	cause := errors.New("EOF")
	canceled := func(with error) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(with)
		return ctx
	}
	for _, c := range []struct {
		ctx  context.Context
		want FaultKind
		text string
	}{
		{context.Background(), FaultUnknown, "EOF"},
		{canceled(nil), FaultCaller, "the caller left"},
		{canceled(errors.New("some reason")), FaultCaller, "the caller left"},
		{canceled(ErrLost), FaultLost, "another attempt was faster"},
		{canceled(limitError(LimitTotal)), FaultLimit, "time limit: total"},
	} {
		f := FaultOf(c.ctx, cause)
		if f.Kind != c.want || f.Error() != c.text || !errors.Is(f, cause) {
			t.Errorf("%v: %v %q, want %v %q", context.Cause(c.ctx), f.Kind, f, c.want, c.text)
		}
	}
	for l, name := range map[Limit]string{LimitFirstByte: "first_byte", LimitFirstToken: "first_token", LimitStall: "stall", LimitFinish: "finish", LimitTotal: "total"} {
		if l.String() != name {
			t.Errorf("%d is called %s", l, l)
		}
	}
}
