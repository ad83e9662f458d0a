package sched

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

// An account that drains serves the sessions that are bound to it, and those who wait for it by name; nobody else.
func TestDraining(t *testing.T) {
	for strategy := range domain.FillFirst + 1 {
		plans := []plan{
			{Account: domain.Account{ID: 1, Name: "drains", Enabled: true, Draining: true, Weight: 1}, rests: -1},
			{Account: domain.Account{ID: 2, Name: "other", Enabled: true, Priority: 1, Weight: 1}, rests: -1},
		}
		v, cells := poolBy(strategy, plans)
		for _, c := range []struct {
			r    Request
			want domain.AccountID
		}{
			{Request{}, 2}, {Request{Bound: 2}, 2}, {Request{Parent: 1}, 2},
			{Request{Bound: 1}, 1}, {Request{Bound: 1, WarmTokens: 1000, WarmUntil: at.Add(time.Hour)}, 1}, {Request{Pin: 1}, 1},
		} {
			c.r.Now = at
			d := Choose(v, c.r)
			if d.Candidate == nil || d.Candidate.ID != c.want {
				t.Errorf("%v: %+v: %+v, want %d", strategy, c.r, d, c.want)
			}
			if c.want == 2 && c.r.Bound == 0 && d.Counts[Draining] != 1 {
				t.Errorf("%v: counts %v", strategy, d.Counts)
			}
		}
		// Nobody waits for it, and it is not the least bad.
		cells.Rest(AccountKey(1)).Extend(at.Add(time.Minute), 1, EndGuessed)
		cells.Rest(AccountKey(2)).Extend(at.Add(2*time.Minute), 1, EndGuessed)
		if d, ok := v.Soonest(at, func(*Candidate) bool { return false }); !ok || d != 2*time.Minute {
			t.Errorf("%v: soonest %v, %v", strategy, d, ok)
		}
		if d := Choose(v, Request{Now: at}); d.Candidate != nil || !d.Soonest.Equal(at.Add(2*time.Minute)) {
			t.Errorf("%v: %+v", strategy, d)
		}
	}
}

func TestTiedRequestsGoToADrainingAccount(t *testing.T) {
	a := &domain.Account{ID: 1, Name: "a", Enabled: true, Draining: true}
	for _, tied := range []bool{false, true} {
		v := Build(1, &domain.Pool{}, "m", domain.DialectAnthropic, nil, []*domain.Account{a}, func(*domain.Account) Speech { return Native }, NewCells(), Tuning{Tied: tied})
		if d := Choose(v, Request{Now: at}); (d.Candidate != nil) != tied || v.Candidates[0].Drains() == tied {
			t.Errorf("tied %v: %+v", tied, d)
		}
	}
}
