package simulate

import (
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"
)

// What one session asked side by side is asked side by side.
func TestRecordedSideBySide(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	one := domain.SessionID{1}
	var records []Record
	for i := range 4 {
		records = append(records, Record{At: at.Add(time.Duration(i) * time.Second), Session: one, Input: 1000 * int64(4-i), Output: 10})
	}
	s := Recorded("m", []*domain.Account{{ID: 1, Name: "a", Platform: "anthropic", Weight: 1, Enabled: true}}, records)
	var when []time.Duration
	var prompts []int64
	s.World = worldFunc(func(a Ask) Reply {
		when, prompts = append(when, a.At.Sub(at)), append(prompts, a.Input)
		return Reply{OK: true, First: time.Second, Took: time.Minute, Output: a.Output}
	})
	r := Run(s, DefaultSettings())
	if !slices.Equal(when, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}) || !slices.Equal(prompts, []int64{4000, 3000, 2000, 1000}) || r.Requests != 4 {
		t.Errorf("asked at %v with %d: %+v", when, prompts, r)
	}
}

// The line has as many places as the settings say, and callers take turns in it.
func TestLineOfTheSimulation(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	record := func(n int, caller domain.KeyID) (out []Record) {
		for range n {
			out = append(out, Record{At: at, Caller: caller, Input: 1000 * int64(caller), Output: 100})
		}
		return out
	}
	run := func(records []Record, places int) (Result, []int64) {
		s := Recorded("m", []*domain.Account{{ID: 1, Name: "a", Platform: "anthropic", Weight: 1, Enabled: true, MaxInFlight: 1}}, records)
		var order []int64
		s.World = worldFunc(func(a Ask) Reply {
			order = append(order, a.Input/1000)
			return Reply{OK: true, First: time.Second / 50, Took: time.Second / 50, Output: a.Output}
		})
		set := DefaultSettings()
		set.QueuePlaces = places
		return Run(s, set), order
	}
	if r, _ := run(record(300, 1), 100); r.Failed != 199 || r.Requests != 300 {
		t.Errorf("%d of %d failed", r.Failed, r.Requests)
	}
	if r, _ := run(record(300, 1), 1000); r.Failed != 0 {
		t.Errorf("%d of %d failed", r.Failed, r.Requests)
	}
	if _, order := run(slices.Concat(record(5, 1), record(3, 2)), 100); !slices.Equal(order, []int64{1, 1, 2, 1, 2, 1, 2, 1}) {
		t.Errorf("the order of callers is %d", order)
	}
}
