package sched

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

// A rest with a far end that was stated lets one request ask whether it is over, again and again, and keeps its end for all others.
func TestAFarEndIsAskedAbout(t *testing.T) {
	const class = 4
	far := at.Add(20 * 24 * time.Hour)
	open := func(r *Rest, now time.Time) bool {
		blocked, until := r.blocked(now.UnixMilli())
		if until != 0 && until != far.UnixMilli() {
			t.Errorf("its end is %d", until)
		}
		return !blocked
	}
	rest := func() *Rest {
		r := &Rest{}
		r.Extend(far, class, EndStated)
		r.AskAgain(at.Add(AskEarly))
		return r
	}
	r := rest()
	if due := at.Add(AskEarly); open(r, due.Add(-time.Second)) || !open(r, due) || !r.TryProbe(due) || open(r, due) || r.TryProbe(due) {
		t.Error("not one request asks, when it is time")
	}
	// It still rests: the same end is stated once more.
	r.EndProbe()
	r.Extend(far, class, EndStated)
	if again := at.Add(2 * AskEarly); open(r, again.Add(-time.Second)) || !open(r, again) || !r.TryProbe(again) {
		t.Error("nobody asks again")
	}
	if now := at.Add(2 * AskEarly).Add(time.Second); !r.Begin(now, false) || !open(r, now) || r.State(now) != Closed {
		t.Error("an answer does not end it")
	}

	r = rest()
	if r.Begin(at.Add(2*AskEarly), false) {
		t.Error("an answer ended it that nobody asked for")
	}
	r.TryProbe(at.Add(AskEarly))
	r.EndProbe() // it failed
	if r.Begin(at.Add(AskEarly).Add(time.Minute), false) {
		t.Error("an answer ended it although the one that asked has failed")
	}
	r = rest()
	r.Extend(far.Add(time.Hour), class, EndGuessed)
	if blocked, _ := r.blocked(far.UnixMilli()); !blocked {
		t.Error("a guess is asked about before its end")
	}
	r = &Rest{}
	r.AskAgain(at)
	if !r.TryProbe(at) || r.Begin(at, false) {
		t.Error("what rests not is asked about")
	}
	r.Extend(at.Add(time.Hour), class, EndStated)
	if r.AskAgain(at.Add(2 * time.Hour)); !r.TryProbe(at.Add(3*time.Hour)) || r.asks.Load() != 0 {
		t.Error("it is asked about after its end")
	}
}

// A closed window of unknown length is believed for a while, whatever reset it has; one whose length is known is, until its reset.
func TestAClosedWindowOfUnknownLength(t *testing.T) {
	for _, c := range []struct {
		name   string
		length time.Duration
		status domain.QuotaStatus
		kind   domain.QuotaKind
		after  time.Duration
		known  bool
	}{
		{"unknown", 0, domain.QuotaRejected, domain.QuotaFixed, rejectedFor - time.Minute, true},
		{"unknown, later", 0, domain.QuotaRejected, domain.QuotaFixed, rejectedFor, false},
		{"known", 7 * 24 * time.Hour, domain.QuotaRejected, domain.QuotaFixed, rejectedFor, true},
		{"not closed", 0, domain.QuotaAllowed, domain.QuotaFixed, rejectedFor, true},
		{"a bucket", 0, domain.QuotaRejected, domain.QuotaBucket, rejectedFor, true},
	} {
		v, _ := pool([]plan{account(1)})
		v.Candidates[0].Observe([]domain.QuotaReading{{
			Window: "usage", Scope: domain.QuotaOfAccount, Used: 1, Remaining: -1, Status: c.status, Kind: c.kind, Length: c.length, Reset: at.Add(6 * 24 * time.Hour),
		}}, at)
		now := at.Add(c.after)
		if _, known := v.Candidates[0].Headroom(now); known != c.known {
			t.Errorf("%s: it is known: %v", c.name, known)
		}
		if c.kind == domain.QuotaFixed && v.Candidates[0].Draining(now) != c.known {
			t.Errorf("%s: it drains: %v", c.name, !c.known)
		}
	}
}

// By the soonest reset an account whose windows nobody knows stands between those that soon lose something and those that have time.
func TestUnknownWindowsHaveTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		reset time.Duration // of account 1's window; account 2 has none
		used  float64
		want  domain.AccountID
	}{
		{"it loses something soon", 2 * time.Hour, 0.5, 1},
		{"it has time", 4 * time.Hour, 0.5, 2},
		{"it is used up", 2 * time.Hour, 1, 2},
	} {
		v, _ := poolBy(domain.SoonestReset, []plan{account(1), account(2)})
		v.Find(1).Observe([]domain.QuotaReading{{Window: "5h", Scope: domain.QuotaOfAccount, Used: c.used, Remaining: -1, Length: 5 * time.Hour, Reset: at.Add(c.reset)}}, at)
		if d := Choose(v, Request{Now: at}); d.Candidate.ID != c.want {
			t.Errorf("%s: account %d, want %d", c.name, d.Candidate.ID, c.want)
		}
	}
}
