package sched

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

// After a guessed rest one request at a time goes, then traffic doubles with each success; one failure on
// the way opens the circuit again, for longer.
func TestSlowReturn(t *testing.T) {
	v, _ := pool([]plan{account(1)})
	c := &v.Candidates[0]
	cell := c.Rests[RestAccount]
	for range 3 {
		cell.Fail(1, at.Add(forLater), at)
	}
	cell.Extend(at.Add(5*time.Second), 1, EndGuessed)
	if s := cell.State(at); s != Guessed {
		t.Fatalf("the circuit is %s", s)
	}
	back := at.Add(5 * time.Second)
	if s := cell.State(back); s != Probing || c.LimitNow() != 0 {
		t.Fatalf("at the end of the rest the circuit is %s, limit %d", s, c.LimitNow())
	}
	if !c.TryProbe(back) || Choose(v, Request{Now: back}).Candidate != nil {
		t.Fatal("more than one request finds out whether it is back")
	}
	for _, want := range []int{2, 4, 8, 16, 32, 0} {
		if !cell.Succeed(back) || c.LimitNow() != want {
			t.Fatalf("after a success %d requests at a time may come, want %d", c.LimitNow(), want)
		}
		if want == 0 {
			break
		}
		if cell.State(back) != Returning || cell.Streak() != 3 {
			t.Errorf("the circuit is %s with a streak of %d", cell.State(back), cell.Streak())
		}
		for range want {
			if d := Choose(v, Request{Now: back}); d.Candidate == nil {
				t.Fatalf("fewer than %d requests at a time get in", want)
			}
			c.Live.TryAcquire(c.LimitNow(), back)
		}
		if d := Choose(v, Request{Now: back}); d.Candidate != nil || d.Counts[Full] != 1 {
			t.Errorf("more than %d requests at a time get in", want)
		}
		for range want {
			c.Live.Release()
		}
	}
	if cell.State(back) != Closed || cell.Streak() != 0 {
		t.Errorf("in the end the circuit is %s with a streak of %d", cell.State(back), cell.Streak())
	}

	cell.Fail(1, back.Add(forLater), back)
	cell.Fail(1, back.Add(forLater), back)
	cell.Fail(1, back.Add(forLater), back)
	cell.Extend(back.Add(5*time.Second), 1, EndGuessed)
	again := back.Add(6 * time.Second)
	cell.Succeed(again)
	if n, _ := cell.Fail(1, again.Add(forLater), again); n != 4 {
		t.Errorf("a failure on the way back is number %d in a row, want 4: its rest is to be longer", n)
	}
	cell.Extend(again.Add(10*time.Second), 1, EndGuessed)
	if c.LimitNow() != 0 || cell.State(again) != Guessed {
		t.Errorf("the circuit is %s, limit %d", cell.State(again), c.LimitNow())
	}
}

// An account's own limit holds on the way back, too.
func TestSlowReturnWithinTheLimit(t *testing.T) {
	v, _ := pool([]plan{account(1, limit(3))})
	c := &v.Candidates[0]
	c.Rests[RestOrganization].Extend(at, 1, EndGuessed)
	for _, want := range []int{2, 3, 3} {
		if c.Rests[RestOrganization].Succeed(at); c.LimitNow() != want {
			t.Errorf("limit %d, want %d", c.LimitNow(), want)
		}
	}
}

// What is known to be back is back at once, and what an operator mended too.
func TestKnownReturn(t *testing.T) {
	for _, end := range []End{EndStated, EndChanged} {
		var r Rest
		r.Fail(1, at.Add(forLater), at)
		r.Extend(at.Add(time.Second), 1, end)
		if r.State(at) != Known {
			t.Errorf("the circuit is %s", r.State(at))
		}
		if back := at.Add(time.Second); !r.Succeed(back) || r.State(back) != Closed || r.Streak() != 0 {
			t.Errorf("after a success the circuit is %s with a streak of %d", r.State(back), r.Streak())
		}
	}
}

func guess(d time.Duration, streak int) func(c *Candidate) {
	return func(c *Candidate) {
		for range streak {
			c.Rests[RestAccount].Fail(c.ID, at.Add(forLater), at)
		}
		c.Rests[RestAccount].Extend(at.Add(d), 1, EndGuessed)
	}
}

func limited(c *Candidate) { c.Rests[RestAccount].Extend(at.Add(time.Minute), 1, EndEstimated) }
func stated(c *Candidate)  { c.Rests[RestAccount].Extend(at.Add(time.Minute), 1, EndStated) }
func broken(c *Candidate)  { c.Rests[RestAccount].Extend(at.Add(time.Minute), 1, EndChanged) }

// At most a part of a pool rests on guesses; beyond it the least bad is used.
func TestLeastBad(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		name  string
		share int
		cells []func(*Candidate) // nil: in good standing
		edit  func(*Request)
		want  domain.AccountID
	}{
		{"one of two may rest", 50, []func(*Candidate){guess(s, 3), stated}, nil, 0},
		{"both do: the nearest end", 50, []func(*Candidate){guess(2*s, 3), guess(s, 3)}, nil, 2},
		{"both do: the shorter streak first", 50, []func(*Candidate){guess(2*s, 3), guess(s, 4)}, nil, 1},
		{"an only account may rest", 50, []func(*Candidate){guess(s, 3)}, nil, 0},
		{"whoever is well is better", 50, []func(*Candidate){guess(s, 3), guess(s, 3), nil}, nil, 3},
		{"what is stated is known", 50, []func(*Candidate){stated, stated, guess(s, 9)}, nil, 0},
		{"a limit is known, too", 50, []func(*Candidate){limited, limited}, nil, 0},
		{"a refused key never", 50, []func(*Candidate){guess(2*s, 9), guess(3*s, 9), broken, broken}, nil, 0},
		{"three of four", 50, []func(*Candidate){guess(2*s, 9), guess(s, 9), guess(3*s, 9), stated}, nil, 2},
		{"all of four may", 100, []func(*Candidate){guess(s, 3), guess(s, 3), guess(s, 3), guess(s, 3)}, nil, 0},
		{"not what failed in this request", 50, []func(*Candidate){guess(s, 3), guess(2*s, 3)}, func(r *Request) { r.Exclude = []domain.AccountID{1} }, 2},
		{"not where it is not asked for", 50, []func(*Candidate){guess(s, 3), guess(s, 3)}, func(r *Request) { r.LeastBad = false }, 0},
		{"not in place of a pinned one", 50, []func(*Candidate){guess(s, 3), guess(s, 3)}, func(r *Request) { r.Pin = 1 }, 0},
	} {
		var plans []plan
		for i := range c.cells {
			plans = append(plans, account(domain.AccountID(i+1)))
		}
		v, _ := pool(plans)
		v.MaxResting = c.share
		for i, f := range c.cells {
			if f != nil {
				f(&v.Candidates[i])
			}
		}
		r := Request{Now: at, LeastBad: true}
		if c.edit != nil {
			c.edit(&r)
		}
		d := Choose(v, r)
		var got domain.AccountID
		if d.Candidate != nil {
			got = d.Candidate.ID
		}
		if got != c.want || (got != 0 && c.cells[got-1] != nil) != (d.Rule == RuleLeastBad) {
			t.Errorf("%s: account %d by %s, want %d", c.name, got, d.Rule, c.want)
		}
	}
}

// A request that was let through although the rest had yet to end, and was answered, ends it.
func TestLetThrough(t *testing.T) {
	var r Rest
	r.Extend(at.Add(time.Minute), 1, EndGuessed)
	if r.Begin(at, false) || !r.Begin(at, true) || r.State(at) != Returning {
		t.Errorf("the circuit is %s", r.State(at))
	}
	r.Extend(at.Add(time.Minute), 1, EndStated)
	if r.Begin(at, true) || r.State(at) != Known {
		t.Errorf("a stated rest is %s", r.State(at))
	}
}

// An answer that only begins forgives no failure: an account that breaks every stream has to rest.
func TestBeginForgivesNothing(t *testing.T) {
	var r Rest
	for want := 1; want <= 3; want++ {
		r.Begin(at, false)
		if n, _ := r.Fail(1, at.Add(forLater), at); n != want {
			t.Errorf("%d failures in a row, want %d", n, want)
		}
	}
	if r.Succeed(at); r.Streak() != 0 {
		t.Error("a whole answer forgives nothing")
	}
}
