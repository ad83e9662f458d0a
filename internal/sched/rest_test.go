package sched

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// A rest is never shortened but by a success after its end, or by an operator; a success
// leaves one that has yet to end alone.
func TestRestIsNeverShortened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Rest
		now := at
		until := time.Time{} // as it must be; zero: no rest
		endless := false
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "passes")) * time.Millisecond)
			switch rapid.SampledFrom([]string{"extend", "extend", "extend", "fail", "succeed", "forever", "clear", "probe"}).Draw(t, "step") {
			case "extend":
				to := now.Add(time.Duration(rapid.IntRange(-1000, 10_000).Draw(t, "for")) * time.Millisecond)
				changed := r.Extend(to, 3, rapid.SampledFrom([]End{EndGuessed, EndStated, EndChanged}).Draw(t, "end"))
				if want := !endless && to.After(until); changed != want {
					t.Fatalf("extended to %v from %v: changed is %v", to, until, changed)
				}
				if !endless && to.After(until) {
					until = to
				}
			case "fail":
				r.Fail(domain.AccountID(rapid.IntRange(1, 3).Draw(t, "account")), now, now)
			case "succeed":
				resting := endless || until.After(now)
				returning := r.State(now) == Returning
				more := r.Succeed(now)
				if want := !resting && (returning || !until.IsZero()); more != want {
					t.Fatalf("a success at %v lets more in after the rest until %v: %v", now, until, more)
				}
				if !resting {
					until = time.Time{}
				}
				if state := r.State(now); state == Closed && r.Streak() != 0 {
					t.Fatalf("a success leaves a streak of %d", r.Streak())
				}
			case "forever":
				r.Forever(4)
				endless = true
			case "clear":
				r.Clear()
				until, endless = time.Time{}, false
			case "probe":
				r.TryProbe(now)
			}
			got, ok := r.Until()
			if ok == endless || ok && !got.Equal(until) {
				t.Fatalf("it rests until %v (%v), want %v, endless %v", got, ok, until, endless)
			}
			if blocked, _ := r.blocked(now.UnixMilli()); !blocked && (endless || until.After(now)) {
				t.Fatalf("it rests until %v (endless %v) and lets in at %v", until, endless, now)
			}
		}
	})
}

// The longest rest wins, however many are asked for at a time.
func TestRestExtendsConcurrently(t *testing.T) {
	var r Rest
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() { r.Extend(at.Add(time.Duration(i)*time.Second), uint8(i), EndGuessed) })
	}
	wg.Wait()
	if until, ok := r.Until(); !ok || !until.Equal(at.Add(63*time.Second)) {
		t.Errorf("it rests until %v, want %v", until, at.Add(63*time.Second))
	}
}

// After a rest that asks for probes one request at a time goes, for the length of a lease.
func TestProbe(t *testing.T) {
	const lease = probeLease
	end := at.Add(time.Minute)
	fresh := func() *Rest { r := &Rest{}; r.Extend(end, 1, EndGuessed); return r }

	if !fresh().TryProbe(end) {
		t.Error("nobody may probe once the rest is over")
	}
	r := fresh()
	r.TryProbe(end)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {time.Millisecond, false}, {lease - time.Millisecond, false}, {lease, true}, {lease + time.Millisecond, false}, {2 * lease, true}} {
		now := end.Add(c.after)
		if blocked, until := r.blocked(now.UnixMilli()); blocked == c.want || blocked && until <= now.UnixMilli() {
			t.Errorf("%v after the end: blocked is %v until %d", c.after, blocked, until)
		}
		if got := r.TryProbe(now); got != c.want {
			t.Errorf("%v after the end: another probe is %v", c.after, got)
		}
	}

	r = fresh()
	r.TryProbe(end)
	r.EndProbe()
	if !r.TryProbe(end) {
		t.Error("a probe that was given back cannot be taken")
	}

	r = fresh()
	r.TryProbe(end)
	if !r.Succeed(end.Add(time.Second)) || !r.TryProbe(end.Add(time.Second)) || !r.TryProbe(end.Add(time.Second)) {
		t.Error("a probe that succeeded lets everybody in")
	}

	r = fresh()
	r.TryProbe(end)
	r.Extend(end.Add(time.Hour), 1, EndGuessed)
	if blocked, until := r.blocked(end.Add(time.Minute).UnixMilli()); !blocked || until != end.Add(time.Hour).UnixMilli() {
		t.Error("a probe that failed does not make it rest again")
	}
	if !r.TryProbe(end.Add(time.Hour)) {
		t.Error("the old lease outlives the new rest")
	}

	r = &Rest{}
	r.Extend(end, 1, EndStated)
	if !r.TryProbe(end) || !r.TryProbe(end) {
		t.Error("probes are counted although none were asked for")
	}
}

// One lease admits one, however many ask at the same moment.
func TestProbeAdmitsOne(t *testing.T) {
	var r Rest
	r.Extend(at, 1, EndGuessed)
	for round := range 20 {
		now := at.Add(time.Duration(round) * probeLease)
		var in atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if r.TryProbe(now) {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Fatalf("%d were let in", in.Load())
		}
	}
}

// A candidate is probed in all its scopes or in none.
func TestCandidateProbesAllOrNothing(t *testing.T) {
	v, cells := pool([]plan{account(1, organization("o")), account(2, organization("o"))})
	a, b := &v.Candidates[0], &v.Candidates[1]
	cells.Rest(AccountKey(1)).Extend(at, 1, EndGuessed)
	cells.Rest(AccountKey(2)).Extend(at, 1, EndGuessed)
	cells.Rest(OrganizationKey("anthropic", "anthropic/o")).Extend(at, 1, EndGuessed)
	if !a.TryProbe(at) {
		t.Fatal("the first probe is refused")
	}
	if b.TryProbe(at) {
		t.Fatal("the organisation is probed twice at a time")
	}
	if blocked, _ := b.Rests[RestAccount].blocked(at.UnixMilli()); blocked {
		t.Error("the second account keeps a probe that it could not use")
	}
	if !b.Resting(at) || !a.Resting(at) {
		t.Error("others are let in beside the probe")
	}
	a.EndProbe()
	if b.Resting(at) || !b.TryProbe(at) {
		t.Error("the probe was given back and cannot be taken")
	}
}

func TestRestore(t *testing.T) {
	var r Rest
	r.Restore(at, 5, EndGuessed, 3)
	if until, ok := r.Until(); !ok || !until.Equal(at) || r.Class() != 5 || r.Streak() != 3 {
		t.Errorf("until %v (%v), class %d, streak %d", until, ok, r.Class(), r.Streak())
	}
	if !r.TryProbe(at) || r.TryProbe(at) {
		t.Error("after a restart it is probed by one request at a time")
	}
	var forever Rest
	forever.Restore(time.Time{}, 6, EndGuessed, 1)
	if _, ok := forever.Until(); ok {
		t.Error("a rest without an end has one")
	}
	if blocked, _ := forever.blocked(at.AddDate(100, 0, 0).UnixMilli()); !blocked {
		t.Error("a rest without an end is over")
	}
	if forever.Extend(at, 1, EndGuessed) || forever.Succeed(at) {
		t.Error("a rest without an end was changed")
	}
	if forever.Clear(); !forever.TryProbe(at) {
		t.Error("an operator's word does not end it")
	}
}

// No more slots are taken than there are, and none is lost.
func TestLive(t *testing.T) {
	var l Live
	var most, now atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 200 {
				if !l.TryAcquire(5, at) {
					continue
				}
				n := now.Add(1)
				for have := most.Load(); n > have && !most.CompareAndSwap(have, n); have = most.Load() {
				}
				now.Add(-1)
				l.Release()
			}
		})
	}
	wg.Wait()
	if most.Load() > 5 || most.Load() == 0 || l.InFlight() != 0 {
		t.Errorf("at most %d of 5 slots were in use, %d are left", most.Load(), l.InFlight())
	}
	defer func() {
		if recover() == nil {
			t.Error("a slot that nobody held was given back")
		}
	}()
	l.Release()
}

func TestViewSoonest(t *testing.T) {
	v, _ := pool([]plan{account(1, rests(RestOrganization)), account(2, rests(RestAccount)), account(3)})
	none := func(*Candidate) bool { return false }
	if d, ok := v.Soonest(at, none); !ok || d != time.Minute {
		t.Errorf("%v, %v", d, ok)
	}
	if d, ok := v.Soonest(at, func(c *Candidate) bool { return c.ID == 2 }); !ok || d != 3*time.Minute {
		t.Errorf("without the first: %v, %v", d, ok)
	}
	if _, ok := v.Soonest(at.Add(time.Hour), none); ok {
		t.Error("nobody rests any more")
	}
	v.Candidates[0].Rests[RestAccount].Forever(1)
	if d, ok := v.Soonest(at, func(c *Candidate) bool { return c.ID == 2 }); ok {
		t.Errorf("nobody knows when, and the answer is %v", d)
	}
}

// The registry gives the same cell for the same key, to all who ask, and is bounded.
func TestCells(t *testing.T) {
	c := NewCells()
	if c.Live(1) != c.Live(1) || c.Live(1) == c.Live(2) {
		t.Error("an account's counters are not its own")
	}
	keys := []RestKey{
		AccountKey(1), AccountKey(2), AccountModelKey(1, "m"), AccountModelKey(1, "n"), AccountModelKey(2, "m"), OrganizationKey("p", "o"), OrganizationKey("p", "o2"), OrganizationKey("p2", "o"),
		ProviderKey("p", "", "m"), ProviderKey("p", "u", "m"), ProviderKey("p", "", "n"), ProviderKey("p2", "", "m"), ProviderKey("p", "m", ""),
	}
	seen := map[*Rest]RestKey{}
	for _, k := range keys {
		r := c.Rest(k)
		if other, ok := seen[r]; ok || c.Rest(k) != r {
			t.Errorf("%+v and %+v share a cell, or one has two", k, other)
		}
		seen[r] = k
	}
	c.Each(func(k RestKey, r *Rest) {
		if seen[r] != k {
			t.Errorf("the cell of %+v is known as %+v", seen[r], k)
		}
		delete(seen, r)
	})
	if len(seen) != 0 {
		t.Errorf("not listed: %v", seen)
	}
	full := NewCells()
	for i := range maxRests + 10 {
		full.Rest(AccountKey(domain.AccountID(i)))
	}
	if n := len(full.rests); n != maxRests {
		t.Errorf("%d cells are kept, the bound is %d", n, maxRests)
	}
	if full.Rest(AccountKey(-1)) == nil {
		t.Error("past the bound there is no cell at all")
	}
}
