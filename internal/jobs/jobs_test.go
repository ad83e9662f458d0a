package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is what a batch wrote, and when.
type book struct {
	mu      sync.Mutex
	began   time.Time
	writes  [][]int
	at      []time.Duration
	fails   int // the next writes fail
	failed  []int
	errs    []error
	hold    time.Duration // each write takes
	holding bool
}

func (b *book) write(ctx context.Context, items []int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holding {
		panic("two writes at a time")
	}
	b.holding = true
	b.mu.Unlock()
	time.Sleep(b.hold)
	b.mu.Lock()
	b.holding = false
	if d, ok := ctx.Deadline(); !ok || ctx.Err() != nil || time.Until(d) > writeTimeout {
		panic("a write without a bound")
	}
	if b.fails > 0 {
		b.fails--
		return errBroken
	}
	b.writes, b.at = append(b.writes, slices.Clone(items)), append(b.at, time.Since(b.began))
	return nil
}

// written is what was written so far.
func (b *book) written() ([][]int, []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.writes), slices.Clone(b.at)
}

var errBroken = errors.New("broken")

func (b *book) options() BatchOptions[int] {
	b.began = time.Now()
	return BatchOptions[int]{
		Capacity: 8, Most: 4, Every: time.Second, Patience: 2 * time.Second, Write: b.write,
		Failed: func(err error, n int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.failed, b.errs = append(b.failed, n), append(b.errs, err)
		},
	}
}

func TestBatchWritesAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		batch := NewBatch(b.options())
		time.Sleep(10 * time.Second) // nothing to write
		batch.Add(1)
		time.Sleep(600 * time.Millisecond)
		batch.Add(2)
		time.Sleep(time.Hour)
		batch.Add(3)
		batch.Stop()
		batch.Stop()
		if !slices.EqualFunc(b.writes, [][]int{{1, 2}, {3}}, slices.Equal) || b.at[0] != 11*time.Second || b.at[1] != time.Hour+10*time.Second+600*time.Millisecond {
			t.Errorf("wrote %v at %v", b.writes, b.at)
		}
		if batch.Lost() != 0 {
			t.Errorf("%d lost", batch.Lost())
		}
	})
}

func TestBatchWritesWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		batch := NewBatch(b.options())
		for i := range 6 {
			batch.Add(i)
			synctest.Wait()
		}
		if w, at := b.written(); !slices.EqualFunc(w, [][]int{{0, 1, 2, 3}}, slices.Equal) || at[0] != 0 {
			t.Errorf("wrote %v at %v", w, at)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if w, at := b.written(); !slices.EqualFunc(w, [][]int{{0, 1, 2, 3}, {4, 5}}, slices.Equal) || at[1] != time.Second {
			t.Errorf("wrote %v at %v", w, at)
		}
		batch.Stop()
	})
}

// A write that fails is repeated with growing waits; what comes meanwhile is not lost.
func TestBatchRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{fails: writeTries - 1}
		batch := NewBatch(b.options())
		for i := range 4 {
			batch.Add(i)
		}
		synctest.Wait()
		batch.Add(4)
		batch.Stop()
		if !slices.EqualFunc(b.writes, [][]int{{0, 1, 2, 3}, {4}}, slices.Equal) || batch.Lost() != 0 || len(b.failed) != 0 {
			t.Errorf("wrote %v, lost %d %v", b.writes, batch.Lost(), b.failed)
		}
		if want := writeBackoff * (2 + 4 + 8 + 16); b.at[0] != want {
			t.Errorf("written after %v, want %v", b.at[0], want)
		}
	})
}

func TestBatchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{fails: writeTries}
		batch := NewBatch(b.options())
		for i := range 4 {
			batch.Add(i)
		}
		batch.Add(4)
		batch.Stop()
		if !slices.EqualFunc(b.writes, [][]int{{4}}, slices.Equal) || batch.Lost() != 4 || !slices.Equal(b.failed, []int{4}) || !errors.Is(b.errs[0], errBroken) {
			t.Errorf("wrote %v, lost %d %v %v", b.writes, batch.Lost(), b.failed, b.errs)
		}
	})
}

// Where the writer cannot keep up, Add waits as long as it may and no longer, and what is
// lost is counted.
func TestBatchFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{hold: 5 * time.Second}
		opts := b.options()
		opts.Capacity, opts.Most = 2, 1
		batch := NewBatch(opts)
		add := func(i int) time.Duration {
			before := time.Now()
			batch.Add(i)
			return time.Since(before)
		}
		for i := range 3 { // one is being written, two wait
			if took := add(i); took != 0 {
				t.Errorf("item %d waited %v", i, took)
			}
			synctest.Wait()
		}
		if took := add(3); took != opts.Patience || batch.Lost() != 1 {
			t.Errorf("waited %v, lost %d", took, batch.Lost())
		}
		time.Sleep(2 * time.Second)
		if took := add(4); took != time.Second || batch.Lost() != 1 {
			t.Errorf("waited %v for the place that came free, lost %d", took, batch.Lost())
		}
		batch.Stop()
		if !slices.EqualFunc(b.writes, [][]int{{0}, {1}, {2}, {4}}, slices.Equal) || !slices.Equal(b.failed, []int{1}) || !errors.Is(b.errs[0], ErrFull) {
			t.Errorf("wrote %v, failed %v %v", b.writes, b.failed, b.errs)
		}
	})
}

// Whatever the bounds, and however many add: everything that was added is written once, in the
// order in which each one added it, in batches of at most the bound, before Stop returns.
func TestBatchLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		adders := rapid.IntRange(1, 4).Draw(rt, "adders")
		each := rapid.IntRange(0, 30).Draw(rt, "each")
		fails := rapid.IntRange(0, writeTries-1).Draw(rt, "fails")
		capacity, most := rapid.IntRange(0, 9).Draw(rt, "capacity"), rapid.IntRange(1, 9).Draw(rt, "most")
		pause := time.Duration(rapid.IntRange(0, 900).Draw(rt, "pause")) * time.Millisecond
		synctest.Test(t, func(*testing.T) {
			b := book{fails: fails, hold: time.Millisecond}
			opts := b.options()
			opts.Capacity, opts.Most, opts.Patience = capacity, most, time.Hour
			batch := NewBatch(opts)
			var wg sync.WaitGroup
			for a := range adders {
				wg.Go(func() {
					for i := range each {
						batch.Add(a*1000 + i)
						time.Sleep(pause)
					}
				})
			}
			wg.Wait()
			batch.Stop()
			next := make([]int, adders)
			for _, w := range b.writes {
				if len(w) == 0 || len(w) > most {
					rt.Errorf("a batch of %d, the bound is %d", len(w), most)
				}
				for _, item := range w {
					if item%1000 != next[item/1000] {
						rt.Errorf("item %d is out of order in %v", item, b.writes)
					}
					next[item/1000]++
				}
			}
			for a, n := range next {
				if n != each {
					rt.Errorf("%d of %d items of adder %d were written", n, each, a)
				}
			}
			if batch.Lost() != 0 {
				rt.Errorf("%d lost", batch.Lost())
			}
		})
	})
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		var lasts []bool
		var mu sync.Mutex
		l := Every(10*time.Second, func(ctx context.Context, last bool) {
			mu.Lock()
			defer mu.Unlock()
			at, lasts = append(at, time.Since(began)), append(lasts, last)
			if ctx.Err() != nil {
				t.Error("called with a context that has ended")
			}
		})
		time.Sleep(35 * time.Second)
		l.Stop()
		l.Stop()
		want := []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second, 35 * time.Second}
		if !slices.Equal(at, want) || !slices.Equal(lasts, []bool{false, false, false, true}) {
			t.Errorf("called at %v, last %v; want %v", at, lasts, want)
		}
		time.Sleep(time.Hour)
		if len(at) != len(want) {
			t.Error("called after the stop")
		}
	})
}

// Stop ends what a call waits for, and returns only after the last call.
func TestLoopStopsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := Every(time.Second, func(ctx context.Context, last bool) {
			calls++
			if last {
				time.Sleep(time.Minute)
				return
			}
			<-ctx.Done()
		})
		time.Sleep(time.Hour)
		before := time.Now()
		l.Stop()
		if took := time.Since(before); took != time.Minute || calls != 2 {
			t.Errorf("stopped after %v and %d calls", took, calls)
		}
	})
}

// A loop that is stopped at once still makes its last call.
func TestLoopStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		Every(time.Second, func(context.Context, bool) { calls++ }).Stop()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}
