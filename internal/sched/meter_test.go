package sched

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func limits(l domain.AccountLimits) func(*plan) { return func(p *plan) { p.Limits = l } }

func newMeter(l domain.AccountLimits) *Meter {
	m := &Meter{}
	m.Limit(l, time.Hour)
	return m
}

func TestMeter(t *testing.T) {
	midnight := at.Truncate(24 * time.Hour).Add(24 * time.Hour)
	tests := []struct {
		name   string
		limits domain.AccountLimits
		move   func(t *testing.T, m *Meter)
		at     time.Time
		closed time.Time // zero: it is open
	}{
		{"nothing was taken", domain.AccountLimits{RequestsPerMinute: 1}, func(*testing.T, *Meter) {}, at, time.Time{}},
		{"the last request of a minute", domain.AccountLimits{RequestsPerMinute: 2}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 0)
			takes(t, m, true, at.Add(10*time.Second), 0)
			takes(t, m, false, at.Add(20*time.Second), 0)
		}, at.Add(20 * time.Second), at.Truncate(time.Second).Add(61 * time.Second)},
		{"a minute later", domain.AccountLimits{RequestsPerMinute: 2}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 0)
			takes(t, m, true, at.Add(10*time.Second), 0)
			takes(t, m, true, at.Add(61*time.Second), 0)
			takes(t, m, false, at.Add(61*time.Second), 0)
		}, at.Add(61 * time.Second), at.Truncate(time.Second).Add(71 * time.Second)},
		{"what was not sent", domain.AccountLimits{RequestsPerMinute: 1, TokensPerMinute: 5, RequestsPerDay: 1, TokensPerDay: 5}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 10)
			takes(t, m, false, at, 0)
			m.Untake(Draw{Tokens: 10}, at.Add(2*time.Second), at.Add(2*time.Second))
		}, at.Add(2 * time.Second), time.Time{}},
		{"tokens as thought", domain.AccountLimits{TokensPerMinute: 100}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 99)
			takes(t, m, true, at, 50)
			takes(t, m, false, at, 1)
		}, at, at.Truncate(time.Second).Add(61 * time.Second)},
		{"fewer tokens than thought", domain.AccountLimits{TokensPerMinute: 100, TokensPerDay: 100}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 100)
			m.Settle(Draw{Tokens: 100}, 99, true, at, at.Add(time.Second))
		}, at.Add(time.Second), time.Time{}},
		{"more tokens than thought", domain.AccountLimits{TokensPerMinute: 100}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 10)
			m.Settle(Draw{Tokens: 10}, 100, true, at, at.Add(time.Second))
		}, at.Add(time.Second), at.Truncate(time.Second).Add(61 * time.Second)},
		{"more tokens than thought, long after", domain.AccountLimits{TokensPerMinute: 100}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 10)
			m.Settle(Draw{Tokens: 10}, 110, true, at, at.Add(5*time.Minute))
		}, at.Add(5 * time.Minute), at.Truncate(time.Second).Add(5*time.Minute + 61*time.Second)},
		{"a day's last", domain.AccountLimits{RequestsPerDay: 1}, func(t *testing.T, m *Meter) { takes(t, m, true, at, 0) }, at, midnight},
		{"a new day", domain.AccountLimits{RequestsPerDay: 1, TokensPerDay: 1}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 1)
			takes(t, m, true, midnight, 0)
		}, midnight.Add(-time.Millisecond), midnight.Add(24 * time.Hour)},
		{"yesterday's rest is not today's", domain.AccountLimits{TokensPerDay: 100}, func(t *testing.T, m *Meter) {
			takes(t, m, true, midnight.Add(-5*time.Minute), 90)
			takes(t, m, true, midnight, 100)
			m.Settle(Draw{Tokens: 90}, 10, true, midnight.Add(-5*time.Minute), midnight)
		}, midnight, midnight.Add(24 * time.Hour)},
		{"what a former process counted", domain.AccountLimits{RequestsPerDay: 10}, func(_ *testing.T, m *Meter) { m.Restore(10, 5, at) }, at, midnight},
		{"a limit is raised", domain.AccountLimits{RequestsPerDay: 1}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 0)
			m.Limit(domain.AccountLimits{RequestsPerDay: 2}, time.Hour)
		}, at, time.Time{}},
		{"a limit is lowered", domain.AccountLimits{RequestsPerDay: 2}, func(t *testing.T, m *Meter) {
			takes(t, m, true, at, 0)
			m.Limit(domain.AccountLimits{RequestsPerDay: 1}, time.Hour)
			takes(t, m, false, at, 0)
		}, at, midnight},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeter(tt.limits)
			tt.move(t, m)
			want := int64(0)
			if !tt.closed.IsZero() {
				want = tt.closed.UnixMilli()
			}
			if got := m.Closed(tt.at.UnixMilli()); got != want {
				t.Errorf("closed until %v, want %v", time.UnixMilli(got).UTC(), tt.closed.UTC())
			}
		})
	}
}

func takes(t *testing.T, m *Meter, want bool, now time.Time, tokens int64) {
	t.Helper()
	if got := m.Take(Draw{Tokens: tokens}, now); got != want {
		t.Errorf("taken at %v: %v, want %v", now.Sub(at), got, want)
	}
}

// In no 60 seconds and on no day are there more requests than allowed, and a refusal ends when it says.
func TestMeterNeverPassesItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := domain.AccountLimits{RequestsPerMinute: rapid.Int64Range(1, 5).Draw(t, "a minute"), RequestsPerDay: rapid.Int64Range(1, 40).Draw(t, "a day")}
		m := newMeter(l)
		now := at
		var taken []time.Time
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 900, 20_000, 59_999, 7_200_000}).Draw(t, "passes")) * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(t, "waits") == 0 {
				if until := m.Closed(now.UnixMilli()); until != 0 {
					now = time.UnixMilli(until)
					if m.Closed(now.UnixMilli()) != 0 || !m.Take(Draw{}, now) {
						t.Fatalf("it said until %v and is closed then", now)
					}
					taken = append(taken, now)
				}
			}
			if m.Take(Draw{}, now) {
				taken = append(taken, now)
			} else if m.Closed(now.UnixMilli()) <= now.UnixMilli() {
				t.Fatal("it refuses and says that it is open")
			}
			var minute, day int64
			for _, at := range taken {
				if now.Sub(at) < time.Minute {
					minute++
				}
				if at.Unix()/daySeconds == now.Unix()/daySeconds {
					day++
				}
			}
			if minute > l.RequestsPerMinute || day > l.RequestsPerDay {
				t.Fatalf("%d requests in a minute and %d in a day, allowed are %+v", minute, day, l)
			}
		}
	})
}

// However many come at once, no more are let in than allowed.
func TestMeterUnderContention(t *testing.T) {
	m := newMeter(domain.AccountLimits{RequestsPerMinute: 50})
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if m.Take(Draw{Tokens: 3}, at) {
					in.Add(1)
					m.Settle(Draw{Tokens: 3}, 5, true, at, at)
				}
			}
		})
	}
	wg.Wait()
	if s := m.Standing(at); in.Load() != 50 || s.RequestsMinute != 50 || s.TokensToday != 250 {
		t.Errorf("%d were let in, and %+v counted", in.Load(), s)
	}
}

// A limit is a verdict of its own, with its end.
func TestChooseLimited(t *testing.T) {
	minute := domain.AccountLimits{RequestsPerMinute: 1}
	v, cells := pool([]plan{account(1, limits(minute)), account(2, limits(domain.AccountLimits{Expires: at}))})
	cells.Meter(1).Limit(minute, time.Hour)
	d := Choose(v, Request{Now: at})
	if idOf(d) != 1 || d.Counts[Limited] != 1 {
		t.Fatalf("chosen is %d, counts %v; want the account that has not expired", idOf(d), d.Counts)
	}
	if !d.Candidate.Meter().Take(Draw{Tokens: 10}, at) {
		t.Fatal("the first request is refused")
	}
	d = Choose(v, Request{Now: at, Bound: 1, LeastBad: true})
	end := at.Truncate(time.Second).Add(61 * time.Second)
	if d.Candidate != nil || d.Counts[Limited] != 2 || d.Bound != Limited || !d.Soonest.Equal(end) {
		t.Errorf("chosen is %d, counts %v, bound %v, soonest %v; want none until %v", idOf(d), d.Counts, d.Bound, d.Soonest, end)
	}
	c := v.Find(1)
	if in, ok := c.Limited(at); !ok || in != end.Sub(at) || !c.Resting(at) {
		t.Errorf("limited for %v (%v), resting %v", in, ok, c.Resting(at))
	}
	if _, ok := v.Find(2).Limited(at); ok || !v.Find(2).Resting(at) {
		t.Error("an account past its date has an end, or is used")
	}
	if d := Choose(v, Request{Now: end}); idOf(d) != 1 {
		t.Errorf("after its end chosen is %d", idOf(d))
	}
}

// So many sessions, and no more; those that are bound go on, and one that was not served leaves its place.
func TestMeterSessions(t *testing.T) {
	session := func(b byte) domain.SessionID { return domain.SessionID{b} }
	m := newMeter(domain.AccountLimits{Sessions: 2})
	take := func(want bool, id byte, bound bool, now time.Time) {
		t.Helper()
		if got := m.Take(Draw{Session: session(id), Bound: bound}, now); got != want {
			t.Errorf("session %d at %v: %v, want %v", id, now.Sub(at), got, want)
		}
	}
	settle := func(id byte, served bool, now time.Time) { m.Settle(Draw{Session: session(id)}, 0, served, now, now) }
	open := func(want time.Time, now time.Time) {
		t.Helper()
		got := m.Full(now.UnixMilli())
		if want.IsZero() && got != 0 || !want.IsZero() && got != want.UnixMilli()+1 {
			t.Errorf("at %v it is full until %v, want %v", now.Sub(at), time.UnixMilli(got).Sub(at), want.Sub(at))
		}
	}
	take(true, 1, false, at)
	open(time.Time{}, at)
	take(true, 2, false, at)
	open(at.Add(time.Hour), at)
	take(false, 3, false, at)
	take(true, 0, false, at) // no session
	settle(2, false, at)     // it was not served: there is room again
	open(time.Time{}, at)
	take(true, 3, false, at.Add(time.Minute))
	settle(1, true, at.Add(2*time.Minute))
	settle(3, true, at.Add(3*time.Minute))
	take(false, 4, false, at.Add(4*time.Minute))
	open(at.Add(62*time.Minute), at.Add(4*time.Minute))
	take(true, 5, true, at.Add(5*time.Minute)) // bound, one more than allowed
	take(true, 1, false, at.Add(6*time.Minute))
	settle(1, true, at.Add(7*time.Minute))
	m.Untake(Draw{Session: session(5)}, at, at.Add(8*time.Minute))
	take(false, 4, false, at.Add(62*time.Minute)) // the first was served again meanwhile
	open(at.Add(63*time.Minute), at.Add(62*time.Minute))
	take(true, 4, false, at.Add(63*time.Minute))
	if s := m.Standing(at.Add(63 * time.Minute)); s.Sessions != 2 || !s.SessionEnds.Equal(at.Add(67*time.Minute)) {
		t.Errorf("%d sessions, the first ends after %v", s.Sessions, s.SessionEnds.Sub(at))
	}
}

// To a session that is bound to it an account is open, and to no other.
func TestChooseFullOfSessions(t *testing.T) {
	l := domain.AccountLimits{Sessions: 1}
	v, cells := pool([]plan{account(1, limits(l))})
	cells.Meter(1).Limit(l, time.Hour)
	if !v.Find(1).Meter().Take(Draw{Session: domain.SessionID{1}}, at) {
		t.Fatal("the first session is refused")
	}
	if d := Choose(v, Request{Now: at}); d.Candidate != nil || d.Counts[Limited] != 1 || d.Soonest.Sub(at).Round(time.Second) != time.Hour {
		t.Errorf("a new session: %d, %v, soonest %v", idOf(d), d.Counts, d.Soonest)
	}
	if d := Choose(v, Request{Now: at, Bound: 1}); idOf(d) != 1 {
		t.Errorf("the bound one: %d, %v", idOf(d), d.Counts)
	}
}
