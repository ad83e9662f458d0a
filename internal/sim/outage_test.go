package sim

import (
	"testing"
	"time"
)

// TestDown: the faults end for good, counted from the first request, and a stated
// reset is that end.
func TestDown(t *testing.T) {
	p, began := New(Options{Speed: 2}), time.Now()
	fault := func(after time.Duration) Fault {
		_, f, _ := p.decide("sk-down20000-fail429-ra60", "m", true, began.Add(after))
		return f
	}
	if f := fault(0); f.Status != 429 || f.RetryAfter != 10*time.Second {
		t.Errorf("at first: %+v", f)
	}
	if f := fault(4 * time.Second); f.RetryAfter != 6*time.Second {
		t.Errorf("later: %+v", f)
	}
	if f := fault(10 * time.Second); f.Kind != None {
		t.Errorf("at the end: %+v", f)
	}
}

// TestShare: so many of a hundred, spread evenly.
func TestShare(t *testing.T) {
	p := New(Options{})
	var failed, row, longest int
	for range 200 {
		if _, f, _ := p.decide("sk-share30-fail503", "m", true, time.Now()); f.Kind == Status {
			failed++
			row = 0
		} else if row++; row > longest {
			longest = row
		}
	}
	if failed != 60 || longest > 3 {
		t.Errorf("%d of 200 failed, %d in a row did not", failed, longest)
	}
}

// TestAfter: so many answers come before the faults begin; what is no request for an answer is not
// counted, and suffers as the others do.
func TestAfter(t *testing.T) {
	p := New(Options{})
	for i, counted := range []bool{true, false, true, true, false, true, true} {
		_, f, _ := p.decide("sk-fail503x2-fail429-after2", "m", counted, time.Now())
		want := []int{0, 0, 0, 503, 429, 503, 429}[i]
		if f.Status != want {
			t.Errorf("request %d: %d, want %d", i, f.Status, want)
		}
	}
}

// TestArguments: a tool call's arguments come as large, and in pieces as large, as asked for.
func TestArguments(t *testing.T) {
	for _, args := range []string{"{}", `{"a":1}`} {
		c := toolCall{"look", args}.padded(5000)
		if len(c.args) != 5000 || len(c.fragments(1<<20)) != 1 || len(c.fragments(1000)) != 5 {
			t.Errorf("%s: %d bytes in %d pieces", args, len(c.args), len(c.fragments(1<<20)))
		}
	}
}
