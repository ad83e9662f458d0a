package sched

import (
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// fiveHours is a reading of a subscription's window.
func fiveHours(used float64, reset time.Time) domain.QuotaReading {
	return domain.QuotaReading{Window: "5h", Scope: domain.QuotaOfAccount, Used: used, Remaining: -1, Reset: reset, Length: 5 * time.Hour}
}

// tokens is a reading of an API key's bucket that fills in a minute.
func tokens(remaining int64, now time.Time) domain.QuotaReading {
	used := 1 - float64(remaining)/1000
	return domain.QuotaReading{
		Window: "tokens", Unit: domain.QuotaTokens, Kind: domain.QuotaBucket, Limit: 1000, Remaining: remaining, Used: used,
		Reset: now.Add(time.Duration(used * float64(time.Minute))),
	}
}

// perDay is a violated quota of a day that ends at the reset.
func perDay(limit int64, reset time.Time) domain.QuotaReading {
	return domain.QuotaReading{
		Window: "requests_per_day", Unit: domain.QuotaRequests, Kind: domain.QuotaCalendar, Status: domain.QuotaRejected,
		Limit: limit, Used: 1, Reset: reset, Length: 24 * time.Hour,
	}
}

func observe(w *Window, r domain.QuotaReading, now time.Time) { w.Observe(&r, now) }

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestWindowStanding(t *testing.T) {
	const hour = time.Hour
	reset := at.Add(2 * hour)
	type want struct {
		known    bool
		used     float64
		pace     float64
		paced    bool
		dry      bool
		draining bool
	}
	tests := []struct {
		name string
		move func(w *Window)
		at   time.Time
		want want
	}{
		{"nothing was ever said", func(*Window) {}, at, want{}},
		// Three of five hours have passed.
		{"one reading", func(w *Window) { observe(w, fiveHours(.7, reset), at) }, at, want{known: true, used: .7, pace: .1, paced: true}},
		{"behind its time", func(w *Window) { observe(w, fiveHours(.2, reset), at) }, at, want{known: true, used: .2, pace: -.4, paced: true}},
		{"time passes", func(w *Window) { observe(w, fiveHours(.7, reset), at) }, at.Add(hour), want{known: true, used: .7, pace: -.1, paced: true}},
		{"its reset passes", func(w *Window) { observe(w, fiveHours(.7, reset), at) }, reset, want{}},
		// A tenth in half an hour: three tenths last an hour and a half, and the reset comes in an hour and a half.
		{"it burns just so", func(w *Window) {
			observe(w, fiveHours(.6, reset), at)
			observe(w, fiveHours(.7, reset), at.Add(hour/2))
		}, at.Add(hour / 2), want{known: true, used: .7, pace: 0, paced: true}},
		{"it burns too fast", func(w *Window) {
			observe(w, fiveHours(.6, reset), at)
			observe(w, fiveHours(.8, reset), at.Add(hour/2))
		}, at.Add(hour / 2), want{known: true, used: .8, pace: .1, paced: true, dry: true}},
		{"near its end, and it will not last", func(w *Window) {
			observe(w, fiveHours(.9, reset), at)
			observe(w, fiveHours(.96, reset), at.Add(hour/2))
		}, at.Add(hour / 2), want{known: true, used: .96, pace: .26, paced: true, dry: true, draining: true}},
		{"near its end, and it will last", func(w *Window) {
			observe(w, fiveHours(.955, at.Add(3*time.Minute)), at)
			observe(w, fiveHours(.96, at.Add(3*time.Minute)), at.Add(time.Minute))
		}, at.Add(time.Minute), want{known: true, used: .96, pace: .96 - 298./300, paced: true}},
		{"near its end, at the first reading", func(w *Window) { observe(w, fiveHours(.96, reset), at) }, at, want{known: true, used: .96, pace: .36, paced: true, draining: true}},
		{"at its very end", func(w *Window) {
			observe(w, fiveHours(.995, at.Add(3*time.Minute)), at)
		}, at, want{known: true, used: .995, pace: .995 - 297./300, paced: true, draining: true}},
		{"used up", func(w *Window) { observe(w, fiveHours(1, reset), at) }, at, want{known: true, used: 1, pace: .4, paced: true, dry: true, draining: true}},
		{"a later reading of another window", func(w *Window) {
			observe(w, fiveHours(.9, at.Add(time.Minute)), at)
			observe(w, fiveHours(.1, at.Add(6*hour)), at.Add(61*time.Minute))
		}, at.Add(61 * time.Minute), want{known: true, used: .1, pace: .1 - 1./300, paced: true}},
		{"a status alone", func(w *Window) {
			observe(w, fiveHours(.7, reset), at)
			observe(w, domain.QuotaReading{Window: "5h", Used: -1, Remaining: -1, Status: domain.QuotaWarning}, at)
		}, at, want{known: true, used: .7, pace: .1, paced: true}},
		{"a reading that was overtaken", func(w *Window) {
			observe(w, fiveHours(.7, reset), at)
			observe(w, fiveHours(.5, reset), at.Add(-time.Second))
		}, at, want{known: true, used: .7, pace: .1, paced: true}},
		{"no reset", func(w *Window) { observe(w, fiveHours(.7, time.Time{}), at) }, at.Add(4 * hour), want{known: true, used: .7}},
		{"no reset, and longer ago than it is long", func(w *Window) { observe(w, fiveHours(.7, time.Time{}), at) }, at.Add(5 * hour), want{}},
		{"a reset in the past", func(w *Window) { observe(w, fiveHours(.7, at.Add(-hour)), at) }, at, want{known: true, used: .7}},

		{"a bucket", func(w *Window) { observe(w, tokens(400, at), at) }, at, want{known: true, used: .6}},
		{"a bucket fills", func(w *Window) { observe(w, tokens(400, at), at) }, at.Add(18 * time.Second), want{known: true, used: .3}},
		{"a bucket is full", func(w *Window) { observe(w, tokens(400, at), at) }, at.Add(36 * time.Second), want{}},
		{"a bucket is drawn from", func(w *Window) {
			observe(w, tokens(400, at), at)
			w.Count(100, at.Add(time.Second), at.Add(18*time.Second))
		}, at.Add(18 * time.Second), want{known: true, used: .4}},
		{"what the reading knew already is not counted", func(w *Window) {
			observe(w, tokens(400, at), at)
			w.Count(100, at.Add(-time.Second), at.Add(18*time.Second))
		}, at.Add(18 * time.Second), want{known: true, used: .3}},
		{"more than there is", func(w *Window) {
			observe(w, tokens(400, at), at)
			w.Count(math.MaxInt64, at.Add(time.Second), at.Add(18*time.Second))
		}, at.Add(18 * time.Second), want{known: true, used: 1, dry: true, draining: true}},
		{"remaining of a limit that was said before", func(w *Window) {
			observe(w, tokens(400, at), at)
			observe(w, domain.QuotaReading{Window: "tokens", Unit: domain.QuotaTokens, Kind: domain.QuotaBucket, Remaining: 250, Used: -1}, at)
		}, at, want{known: true, used: .75, dry: true}},
		{"remaining of nobody knows how much", func(w *Window) {
			observe(w, domain.QuotaReading{Window: "tokens", Unit: domain.QuotaTokens, Kind: domain.QuotaBucket, Remaining: 250, Used: -1}, at)
		}, at, want{}},

		{"a day is used up", func(w *Window) { observe(w, perDay(250, at.Add(12*hour)), at) }, at, want{known: true, used: 1, pace: .5, paced: true, dry: true, draining: true}},
		{"a new day", func(w *Window) { observe(w, perDay(250, at.Add(12*hour)), at) }, at.Add(18 * hour), want{known: true, used: 0, pace: -.25, paced: true}},
		{"a new day is counted", func(w *Window) {
			observe(w, perDay(250, at.Add(12*hour)), at)
			w.Count(25, at.Add(13*hour), at.Add(18*hour))
		}, at.Add(18 * hour), want{known: true, used: .1, pace: -.15, paced: true}},
		{"and the day after", func(w *Window) {
			observe(w, perDay(250, at.Add(12*hour)), at)
			w.Count(25, at.Add(13*hour), at.Add(18*hour))
		}, at.Add(40 * hour), want{known: true, used: 0, pace: -4. / 24, paced: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWindow("w", "")
			tt.move(w)
			got, known := w.Standing(tt.at)
			if known != tt.want.known {
				t.Fatalf("known is %v: %+v", known, got)
			}
			if !near(got.Used, tt.want.used) || !near(got.Pace, tt.want.pace) || got.Paced != tt.want.paced {
				t.Errorf("used %v, pace %v (%v); want %v, %v (%v)", got.Used, got.Pace, got.Paced, tt.want.used, tt.want.pace, tt.want.paced)
			}
			if got.Dry != tt.want.dry || got.Draining != tt.want.draining {
				t.Errorf("runs dry: %v in %v, draining %v; want %v, %v", got.Dry, got.Exhausted, got.Draining, tt.want.dry, tt.want.draining)
			}
		})
	}
}

// A steady burn is found, whether readings come often or seldom; and confidence grows with them
// and is lost again in silence.
func TestWindowBurn(t *testing.T) {
	for _, step := range []time.Duration{time.Second, time.Minute, 10 * time.Minute} {
		w := newWindow("5h", "")
		reset := at.Add(5 * time.Hour)
		const perHour = .4
		now := at
		for ; now.Before(at.Add(2 * time.Hour)); now = now.Add(step) {
			observe(w, fiveHours(perHour*now.Sub(at).Hours(), reset), now)
		}
		now = now.Add(-step)
		s, _ := w.Standing(now)
		if !near(s.Burn, perHour) {
			t.Errorf("readings every %v: %v an hour, want %v", step, s.Burn, perHour)
		}
		left := (1 - s.Used) / s.Burn
		if !s.Dry || math.Abs(s.Exhausted.Hours()-left) > 1e-6 {
			t.Errorf("readings every %v: it lasts %v (%v), want %v hours", step, s.Exhausted, s.Dry, left)
		}
		n := s.Confidence / (1 - s.Confidence) * evidence
		if most := 1 / (1 - math.Exp2(-float64(step)/float64(25*time.Minute))); n > most || n < .9*most {
			t.Errorf("readings every %v: confidence %v is that of %v observations, want about %v", step, s.Confidence, n, most)
		}
		later, _ := w.Standing(now.Add(25 * time.Minute)) // a half-life: five hours / 12
		if !near(later.Confidence, n/2/(n/2+evidence)) || later.Burn >= .7*s.Burn {
			t.Errorf("after a silence: burn %v, confidence %v", later.Burn, later.Confidence)
		}
	}
}

// Whatever is read and counted in whatever order, a window's figures stay within their bounds.
func TestWindowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWindow("w", "")
		now := at
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(3*time.Hour)).Draw(t, "passes")))
			if rapid.Bool().Draw(t, "counts") {
				w.Count(rapid.Int64Range(0, math.MaxInt64).Draw(t, "n"), now.Add(time.Duration(rapid.IntRange(-5, 1).Draw(t, "began"))*time.Second), now)
			} else {
				r := domain.QuotaReading{
					Kind: domain.QuotaKind(rapid.IntRange(0, 2).Draw(t, "kind")), Unit: domain.QuotaUnit(rapid.IntRange(0, 5).Draw(t, "unit")),
					Limit: rapid.SampledFrom([]int64{0, 1, 1000, 1 << 50}).Draw(t, "limit"), Remaining: rapid.SampledFrom([]int64{-1, 0, 1, 500, 1 << 50}).Draw(t, "remaining"),
					Used:   rapid.SampledFrom([]float64{-1, 0, 1e-300, .5, .97, 1}).Draw(t, "used"),
					Length: rapid.SampledFrom([]time.Duration{0, 1, time.Minute, 5 * time.Hour, 32 * 24 * time.Hour}).Draw(t, "length"),
				}
				if rapid.Bool().Draw(t, "says when") {
					r.Reset = now.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(32*24*time.Hour)).Draw(t, "reset")))
				}
				w.Observe(&r, now)
			}
			s, known := w.Standing(now)
			if !known {
				continue
			}
			switch {
			case !(s.Used >= 0 && s.Used <= 1), !(s.Pace >= -1 && s.Pace <= 1), !(s.Confidence >= 0 && s.Confidence < 1):
				t.Fatalf("out of bounds: %+v", s)
			case !(s.Burn >= 0) || math.IsInf(s.Burn, 0), s.Exhausted < 0:
				t.Fatalf("no rate: %+v", s)
			case !s.Reset.After(now):
				t.Fatalf("the reset has passed: %+v at %v", s, now)
			case s.Used < 1-drainBelow && s.Draining, s.Used > 1-drainAlways && !s.Draining:
				t.Fatalf("draining is %v at %v", s.Draining, s.Used)
			}
		}
	})
}

// Counting and reading from many goroutines loses nothing.
func TestWindowIsShared(t *testing.T) {
	w := newWindow("requests_per_day", "")
	observe(w, perDay(10_000, at.Add(time.Hour)), at)
	now := at.Add(2 * time.Hour) // the next day: nothing is used
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				w.Count(1, now, now)
				w.Standing(now)
			}
		})
	}
	wg.Wait()
	if s, _ := w.Standing(now); !near(s.Used, .08) {
		t.Errorf("800 of 10000 were counted as %v", s.Used)
	}
}
