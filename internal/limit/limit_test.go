package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func cellOf(l Limits) *Cell {
	return NewBook().Cell(Scope{Kind: "key", Name: "k"}, l, 1, 0)
}

func TestRequestsPerMinute(t *testing.T) {
	c := cellOf(Limits{Requests: Rate{60, 3}})
	ask := func(at time.Duration) time.Duration {
		a := Reserve([]*Cell{c}, 0, at, &Ticket{})
		return a.RetryAfter
	}
	for i := range 3 {
		if w := ask(0); w != 0 {
			t.Errorf("request %d has to wait %s", i, w)
		}
	}
	for at, want := range map[time.Duration]time.Duration{0: time.Second, 400 * time.Millisecond: 600 * time.Millisecond} {
		if w := ask(at); w != want {
			t.Errorf("at %s: %s, want %s", at, w, want)
		}
	}
	if w := ask(time.Second); w != 0 {
		t.Errorf("after a second: %s", w)
	}
	if w := ask(time.Second); w != time.Second {
		t.Errorf("the one after it: %s", w)
	}
}

// A reservation that was too large is corrected; one that was too small leaves a debt.
func TestTokensAreCorrected(t *testing.T) {
	c := cellOf(Limits{Tokens: Rate{600, 1000}})
	left := func(at time.Duration) int64 { return Reserve([]*Cell{c}, Most, at, &Ticket{}).Tokens.Remaining }
	var big, second Ticket
	if a := Reserve([]*Cell{c}, 900, 0, &big); !a.OK() || a.Tokens.Remaining != 100 {
		t.Fatalf("%+v", a)
	}
	if a := Reserve([]*Cell{c}, 200, 0, &second); a.OK() || a.Kind != KindTokens || a.RetryAfter != 10*time.Second {
		t.Fatalf("%+v", a)
	}
	big.End(100, 0)
	if n := left(0); n != 900 {
		t.Errorf("%d are left after the correction", n)
	}
	if a := Reserve([]*Cell{c}, 200, 0, &second); !a.OK() {
		t.Fatalf("%+v", a)
	}
	second.End(1500, 0) // 600 more than there are
	if n := left(0); n != 0 {
		t.Errorf("%d are left in spite of the debt", n)
	}
	if a := Reserve([]*Cell{c}, 1, 0, &second); a.OK() || a.RetryAfter != (601*time.Minute)/600 {
		t.Errorf("a debt of 600 is paid in %s", a.RetryAfter)
	}
}

// More tokens than ever fit in are let in when nothing is in there, and paid off afterwards.
func TestLargerThanTheBurst(t *testing.T) {
	c := cellOf(Limits{Tokens: Rate{600, 600}})
	var one, two Ticket
	if a := Reserve([]*Cell{c}, 5000, 0, &one); !a.OK() {
		t.Fatalf("%+v", a)
	}
	one.End(1200, 0)
	if a := Reserve([]*Cell{c}, 5000, 0, &two); a.OK() || a.RetryAfter != 2*time.Minute {
		t.Errorf("%+v", a)
	}
}

// All limits of a request are reserved, or none.
func TestAllOrNone(t *testing.T) {
	b := NewBook()
	wide := b.Cell(Scope{Kind: "key", Name: "k"}, Limits{Requests: Rate{60, 10}, Tokens: Rate{100, 100}}, 1, 0)
	narrow := b.Cell(Scope{Kind: "pool", Name: "p"}, Limits{Concurrency: 1}, 1, 0)
	var one, two Ticket
	if a := Reserve([]*Cell{narrow, wide}, 10, 0, &one); !a.OK() || a.Requests.Remaining != 9 || a.Tokens.Remaining != 90 {
		t.Fatalf("%+v", a)
	}
	for range 5 {
		if a := Reserve([]*Cell{wide, narrow}, 10, 0, &two); a.By != narrow || a.Kind != KindConcurrency || a.Most != 1 || a.RetryAfter != 0 || a.Requests.Remaining != 9 || a.Tokens.Remaining != 90 {
			t.Fatalf("%+v", a)
		}
	}
	two.End(50, 0) // holds nothing
	one.End(10, 0)
	one.End(10, 0) // once is enough
	if a := Reserve([]*Cell{wide, narrow}, 10, 0, &two); !a.OK() || a.Requests.Remaining != 8 || a.Tokens.Remaining != 80 {
		t.Errorf("%+v", a)
	}
}

// New values hold at once, what has been used stays used, and an older configuration does not come back.
func TestNewValues(t *testing.T) {
	b, s := NewBook(), Scope{Kind: "key", Name: "k"}
	c := b.Cell(s, Limits{Requests: Rate{10, 10}, Concurrency: 1}, 1, 0)
	var one, two Ticket
	if a := Reserve([]*Cell{c}, 0, 0, &one); !a.OK() {
		t.Fatal(a)
	}
	if again := b.Cell(s, Limits{Requests: Rate{20, 20}, Concurrency: 2}, 3, 0); again != c {
		t.Fatal("the scope has another cell")
	}
	b.Cell(s, Limits{Concurrency: 1}, 2, 0)
	if a := Reserve([]*Cell{c}, 0, 0, &two); !a.OK() || a.Requests.Limit != 20 || a.Requests.Remaining != 18 {
		t.Errorf("%+v", a)
	}
	// A limit that is new counts from now on.
	b.Cell(s, Limits{Tokens: Rate{100, 100}}, 4, 0)
	one.End(1000, 0)
	if a := Reserve([]*Cell{c}, 40, 0, &one); !a.OK() || a.Tokens.Remaining != 60 || c.InFlight() != 2 {
		t.Errorf("%+v, %d in flight", a, c.InFlight())
	}
}

func TestBestPattern(t *testing.T) {
	b := NewBook()
	l := Limits{Concurrency: 1}
	o := b.NewOwner("key", "k", l, map[string]Limits{"*": l, "claude-*": l, "claude-opus-*": l, "claude-*-fast": l, "claude-opus-4": l}, 1, 0)
	for model, want := range map[string]string{
		"gpt": "*", "claude-x": "claude-*", "claude-opus-5": "claude-opus-*", "claude-opus-4": "claude-opus-4", "claude-x-fast": "claude-*-fast",
	} {
		if got := o.Cells(nil, model); len(got) != 2 || got[0].Scope.Model != "" || got[1].Scope.Model != want {
			t.Errorf("%s counts in %+v", model, got)
		}
	}
	if got := b.NewOwner("key", "other", Limits{}, map[string]Limits{"a*": l}, 1, 0).Cells(nil, "b"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// admitted is a reservation of the model of a cell.
type admitted struct {
	at       time.Duration
	reserved int64
	used     int64 // of the reservation; reserved while it is open
	ticket   Ticket
}

// machine drives a cell and holds it to the definition of its limits, over every window.
type machine struct {
	limits Limits
	cell   *Cell
	now    time.Duration
	past   []*admitted
	open   []*admitted
}

func (m *machine) reserve(t *rapid.T) {
	tokens := rapid.Int64Range(0, 2*m.limits.Tokens.Burst).Draw(t, "tokens")
	r := &admitted{at: m.now, reserved: min(tokens, m.limits.Tokens.Burst)}
	r.used = r.reserved
	before := *m.cellState()
	a := Reserve([]*Cell{m.cell}, tokens, m.now, &r.ticket)
	if a.OK() {
		m.past, m.open = append(m.past, r), append(m.open, r)
		return
	}
	if r.ticket.n != 0 {
		t.Fatal("a refused request holds something")
	}
	if after := *m.cellState(); after != before {
		t.Fatalf("a refused request has changed %+v into %+v", before, after)
	}
	if a.Kind == KindConcurrency {
		if int64(len(m.open)) < m.limits.Concurrency {
			t.Fatalf("refused with %d of %d in flight", len(m.open), m.limits.Concurrency)
		}
		return
	}
	// A microsecond earlier it is refused still, and then it is not, at least not for this.
	if early := Reserve([]*Cell{m.cell}, tokens, m.now+a.RetryAfter-time.Microsecond, &Ticket{}); early.OK() {
		t.Fatalf("told to wait %s, and one microsecond less would have done", a.RetryAfter)
	}
	m.now += a.RetryAfter
	again := Reserve([]*Cell{m.cell}, tokens, m.now, &r.ticket)
	if !again.OK() && again.Kind != KindConcurrency {
		t.Fatalf("after the wait of %s: %+v", a.RetryAfter, again)
	}
	if again.OK() {
		r.at = m.now
		m.past, m.open = append(m.past, r), append(m.open, r)
	}
}

// cellState is what a refusal must not change, once the time has passed.
func (m *machine) cellState() *struct{ requests, tokens, inFlight int64 } {
	m.cell.mu.Lock()
	defer m.cell.mu.Unlock()
	m.cell.pass(m.now.Microseconds())
	return &struct{ requests, tokens, inFlight int64 }{m.cell.requests.level, m.cell.tokens.level, m.cell.inFlight}
}

func (m *machine) end(t *rapid.T) {
	if len(m.open) == 0 {
		t.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
	r := m.open[i]
	m.open = append(m.open[:i:i], m.open[i+1:]...)
	used := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, r.reserved), rapid.Int64Range(r.reserved, 2*r.reserved+1)).Draw(t, "used")
	before := m.cellState().tokens
	r.ticket.End(used, m.now)
	switch after := m.cellState().tokens; {
	case after < 0:
		t.Fatalf("a level of %d", after)
	case used < r.reserved && before-after > (r.reserved-used)*unit:
		t.Fatalf("%d of %d were used, and %d units came back", used, r.reserved, before-after)
	case used >= r.reserved && after-before != (used-r.reserved)*unit:
		t.Fatalf("%d of %d were used, and %d units were added", used, r.reserved, after-before)
	}
	r.used = min(used, r.reserved)
}

func (m *machine) wait(t *rapid.T) {
	m.now += time.Duration(rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, 90_000_000)).Draw(t, "microseconds")) * time.Microsecond
}

// check: in no window more than its time brings and the burst. What was used counts, and what may still be used.
func (m *machine) check(t *rapid.T) {
	for i := range m.past {
		var tokens int64
		for j, r := range m.past[i:] {
			tokens += r.used
			window := (r.at - m.past[i].at).Microseconds()
			if most := m.limits.Requests.Burst*unit + window*m.limits.Requests.PerMinute; int64(j+1)*unit > most {
				t.Fatalf("%d requests within %d µs", j+1, window)
			}
			if most := m.limits.Tokens.Burst*unit + window*m.limits.Tokens.PerMinute; tokens*unit > most {
				t.Fatalf("%d tokens within %d µs", tokens, window)
			}
		}
	}
	if n := m.cell.InFlight(); n != int64(len(m.open)) || n > m.limits.Concurrency {
		t.Fatalf("%d in flight, %d open, %d allowed", n, len(m.open), m.limits.Concurrency)
	}
}

// TestNeverMore: whatever comes, in whatever order, no limit is passed in any window, every wait that is told is
// exact, and corrections create nothing.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := func(most int64, what string) Rate {
			return Rate{rapid.Int64Range(1, most).Draw(t, what), rapid.Int64Range(1, most).Draw(t, what+" at once")}
		}
		m := &machine{limits: Limits{Requests: rate(600, "requests"), Tokens: rate(5000, "tokens"), Concurrency: rapid.Int64Range(1, 40).Draw(t, "concurrency")}}
		m.cell = cellOf(m.limits)
		t.Repeat(map[string]func(*rapid.T){"reserve": m.reserve, "burst": func(t *rapid.T) {
			for range rapid.IntRange(1, 20).Draw(t, "how many") {
				m.reserve(t)
			}
		}, "end": m.end, "wait": m.wait, "": m.check})
	})
}

// Reservations that end while the meter is never empty give back all that they have not used, in whatever order.
func TestCorrectionsAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n, each, used = 12, 100, 10
		c := cellOf(Limits{Tokens: Rate{600, n * each}}) // 10 a second
		tickets := make([]*Ticket, n)
		for i := range tickets {
			tickets[i] = &Ticket{}
			if a := Reserve([]*Cell{c}, each, 0, tickets[i]); !a.OK() {
				t.Fatal(a)
			}
		}
		now := time.Duration(0)
		for i, at := range rapid.Permutation(tickets).Draw(t, "order") {
			if i == n/2 {
				now = 5 * time.Second
			}
			at.End(used, now)
		}
		// 120 are used, of which 50 have come back.
		if a := Reserve([]*Cell{c}, Most, now, &Ticket{}); a.Tokens.Remaining != n*each-n*used+50 {
			t.Fatalf("%d are left", a.Tokens.Remaining)
		}
	})
}

// TestExactTogether: of many at once exactly as many get in as may, whatever cells they share.
func TestExactTogether(t *testing.T) {
	b := NewBook()
	shared := b.Cell(Scope{Kind: "pool", Name: "p"}, Limits{Requests: Rate{1, 1000}, Tokens: Rate{1, 100_000}, Concurrency: 50}, 1, 0)
	keys := []*Cell{
		b.Cell(Scope{Kind: "key", Name: "a"}, Limits{Requests: Rate{1, 300}}, 1, 0),
		b.Cell(Scope{Kind: "key", Name: "b"}, Limits{Tokens: Rate{1, 40_000}}, 1, 0),
		b.Cell(Scope{Kind: "key", Name: "c"}, Limits{Concurrency: 20}, 1, 0),
	}
	var in [3]atomic.Int64
	var atOnce, most, ofC, mostOfC atomic.Int64
	raise := func(n, most *atomic.Int64) {
		now := n.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
	}
	var all sync.WaitGroup
	for worker := range 60 {
		all.Go(func() {
			k := worker % 3
			for range 50 {
				var ticket Ticket
				cells := []*Cell{shared, keys[k]}
				if worker%2 == 0 {
					cells[0], cells[1] = cells[1], cells[0]
				}
				if a := Reserve(cells, 100, 0, &ticket); !a.OK() {
					continue
				}
				raise(&atOnce, &most)
				if k == 2 {
					raise(&ofC, &mostOfC)
				}
				in[k].Add(1)
				if k == 2 {
					ofC.Add(-1)
				}
				atOnce.Add(-1)
				ticket.End(100, 0)
			}
		})
	}
	all.Wait()
	if a, b := in[0].Load(), in[1].Load(); a > 300 || b > 400 {
		t.Errorf("%d and %d were let in, of 300 and 400", a, b)
	}
	if sum := in[0].Load() + in[1].Load() + in[2].Load(); sum > 1000 || shared.requests.level != sum*unit || shared.tokens.level != 100*sum*unit {
		t.Errorf("%d were let in, and %d and %d units counted", sum, shared.requests.level, shared.tokens.level)
	}
	if most.Load() > 50 || mostOfC.Load() > 20 || shared.InFlight() != 0 || keys[2].InFlight() != 0 {
		t.Errorf("%d and %d at once, %d and %d in the end", most.Load(), mostOfC.Load(), shared.InFlight(), keys[2].InFlight())
	}
}

func BenchmarkReserve(b *testing.B) {
	book := NewBook()
	l := Limits{Requests: Rate{Most, Most}, Tokens: Rate{Most, Most}, Concurrency: 1000}
	cells := []*Cell{book.Cell(Scope{Kind: "key", Name: "k"}, l, 1, 0)}
	b.ReportAllocs()
	var t Ticket
	now := time.Duration(0)
	for b.Loop() {
		now += time.Millisecond
		if a := Reserve(cells, 5000, now, &t); !a.OK() {
			b.Fatal(a)
		}
		t.End(700, now)
	}
}

// BenchmarkReserveTwo is a key's limits and its pool's: six in two cells.
func BenchmarkReserveTwo(b *testing.B) {
	book := NewBook()
	l := Limits{Requests: Rate{Most, Most}, Tokens: Rate{Most, Most}, Concurrency: 1000}
	cells := []*Cell{book.Cell(Scope{Kind: "key", Name: "k"}, l, 1, 0), book.Cell(Scope{Kind: "pool", Name: "p"}, l, 1, 0)}
	b.ReportAllocs()
	var t Ticket
	now := time.Duration(0)
	for b.Loop() {
		now += time.Millisecond
		if a := Reserve(cells, 5000, now, &t); !a.OK() {
			b.Fatal(a)
		}
		t.End(700, now)
	}
}

// BenchmarkReserveShared is many callers at once, each with limits of its own and those of the one pool.
func BenchmarkReserveShared(b *testing.B) {
	book := NewBook()
	l := Limits{Requests: Rate{Most, Most}, Tokens: Rate{Most, Most}, Concurrency: 1000}
	pool := book.Cell(Scope{Kind: "pool", Name: "p"}, l, 1, 0)
	var callers atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		n := callers.Add(1)
		cells := []*Cell{pool, book.Cell(Scope{Kind: "key", Name: string(rune('a' + n))}, l, 1, 0)}
		var t Ticket
		now := time.Duration(0)
		for pb.Next() {
			now += time.Millisecond
			if a := Reserve(cells, 5000, now, &t); !a.OK() {
				b.Error(a)
				return
			}
			t.End(700, now)
		}
	})
}

// To ask how a reservation would go says what it would say, and changes nothing.
func TestWould(t *testing.T) {
	b := NewBook()
	cells := []*Cell{
		b.Cell(Scope{Kind: "key"}, Limits{Requests: Rate{60, 2}, Concurrency: 3}, 1, 0),
		b.Cell(Scope{Kind: "pool"}, Limits{Tokens: Rate{600, 100}}, 1, 0),
	}
	var held []*Ticket
	for i := range 40 {
		now := time.Duration(i) * 300 * time.Millisecond
		for range 3 {
			a, again := Would(cells, 30, now), Would(cells, 30, now)
			if a.OK() != again.OK() {
				t.Fatal("to ask changed something")
			}
		}
		would, ticket := Would(cells, 30, now), &Ticket{}
		got := Reserve(cells, 30, now, ticket)
		if would.By != got.By || would.Kind != got.Kind || would.RetryAfter != got.RetryAfter || would.Rate != got.Rate || would.Most != got.Most {
			t.Fatalf("at %s: would %+v, does %+v", now, would, got)
		}
		if got.OK() {
			held = append(held, ticket)
		}
		if i%4 == 3 && len(held) > 0 {
			held[0].End(10, now)
			held = held[1:]
		}
	}
}
