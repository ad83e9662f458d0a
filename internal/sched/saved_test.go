package sched

import (
	"encoding/json"
	"testing"
	"time"

	"turnout/internal/domain"
)

// A window is the same in the next process, burn rate and all; buckets and what is over are not kept.
func TestSavedWindows(t *testing.T) {
	var q Quota
	see := func(r domain.QuotaReading, now time.Time) { q.Observe(&r, now) }
	see(fiveHours(.5, at.Add(2*time.Hour)), at)
	see(fiveHours(.6, at.Add(2*time.Hour)), at.Add(10*time.Minute))
	see(perDay(250, at.Add(time.Hour)), at.Add(10*time.Minute))
	see(tokens(400, at.Add(10*time.Minute)), at.Add(10*time.Minute))
	over := fiveHours(.9, at.Add(11*time.Minute))
	over.Window = "over"
	see(over, at.Add(10*time.Minute))

	now := at.Add(15 * time.Minute)
	saved := q.Save(at, now)
	if len(saved) != 2 || len(q.Save(at.Add(10*time.Minute), now)) != 0 {
		t.Fatalf("saved are %+v", saved)
	}
	var next Quota
	for i := range saved {
		b, err := json.Marshal(saved[i])
		if err != nil {
			t.Fatal(err)
		}
		var read SavedWindow
		if err := json.Unmarshal(b, &read); err != nil {
			t.Fatal(err)
		}
		next.Restore(&read, now)
	}
	for _, name := range []string{"5h", "requests_per_day"} {
		for _, when := range []time.Time{now, at.Add(70 * time.Minute), at.Add(30 * time.Hour)} {
			want, known := find(q.Windows(), name).Standing(when)
			got, gotKnown := find(next.Windows(), name).Standing(when)
			if got != want || known != gotKnown {
				t.Errorf("%s at %v: %+v (%v), want %+v (%v)", name, when.Sub(at), got, gotKnown, want, known)
			}
		}
	}

	// What has been heard since then is newer, and what cannot be is not believed.
	r := fiveHours(.7, at.Add(2*time.Hour))
	next.Observe(&r, now)
	next.Restore(&saved[0], now)
	if s, _ := find(next.Windows(), "5h").Standing(now); s.Used != .7 {
		t.Errorf("an old state took the place of a reading: %+v", s)
	}
	for name, spoil := range map[string]func(*SavedWindow){
		"a share of two": func(s *SavedWindow) { s.Used = 2 }, "a negative share": func(s *SavedWindow) { s.Used = -1 }, "no reset": func(s *SavedWindow) { s.Reset = 0 },
		"the future": func(s *SavedWindow) { s.At = now.Add(time.Hour).UnixNano() }, "the past": func(s *SavedWindow) { s.Reset = at.UnixNano() }, "a bucket": func(s *SavedWindow) { s.Kind = domain.QuotaBucket },
	} {
		bad, none := saved[0], Quota{}
		spoil(&bad)
		if none.Restore(&bad, now); len(none.Windows()) != 0 {
			t.Errorf("%s was believed", name)
		}
	}
}
