package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func open(t *testing.T, dir string, o Options) *Journal {
	t.Helper()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t *testing.T, j *Journal, records ...string) (end Position) {
	t.Helper()
	for _, r := range records {
		var err error
		if end, err = j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	return end
}

func read(t *testing.T, j *Journal, from Position) (records []string, end Position) {
	t.Helper()
	end, err := j.Read(from, func(r []byte, _ Position) error { records = append(records, string(r)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return records, end
}

func TestRecordsComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	mid := add(t, j, "one", "two")
	end := add(t, j, "three")
	if got, at := read(t, j, Position{}); !slices.Equal(got, []string{"one", "two", "three"}) || at != end {
		t.Errorf("read %q up to %v, want all three up to %v", got, at, end)
	}
	if got, _ := read(t, j, mid); !slices.Equal(got, []string{"three"}) {
		t.Errorf("behind %v: %q", mid, got)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("appended to a closed journal: %v", err)
	}
	j = open(t, dir, Options{})
	add(t, j, "four")
	if got, _ := read(t, j, mid); !slices.Equal(got, []string{"three", "four"}) {
		t.Errorf("after opening anew: %q", got)
	}
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Segment: 40})
	var want []string
	var ends []Position
	for i := range 20 {
		want = append(want, fmt.Sprintf("record %02d", i))
		ends = append(ends, add(t, j, want[i]))
	}
	if n, _ := list(dir); len(n) < 5 {
		t.Fatalf("%d segments", len(n))
	}
	for i, from := range ends {
		if got, at := read(t, j, from); !slices.Equal(got, want[i+1:]) || at != ends[len(ends)-1] {
			t.Fatalf("behind record %d: %q up to %v", i, got, at)
		}
	}
	if err := j.Drop(ends[12]); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, j, ends[12]); !slices.Equal(got, want[13:]) {
		t.Errorf("after dropping: %q", got)
	}
	if _, err := j.Read(ends[2], func([]byte, Position) error { return nil }); err == nil {
		t.Error("records that were dropped unread are no error")
	}
	if err := j.Drop(ends[19]); err != nil {
		t.Fatal(err)
	}
	if n, _ := list(dir); len(n) != 1 {
		t.Errorf("%d segments are left", len(n))
	}
	if got, at := read(t, j, ends[19]); len(got) != 0 || at != ends[19] {
		t.Errorf("%q up to %v", got, at)
	}
}

// The journal is cut at every byte, as a crash may: what was appended whole before is there, and appending goes on.
func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	var ends []Position
	records := []string{"first", "second record", "third"}
	for _, r := range records {
		ends = append(ends, add(t, j, r))
	}
	data, err := os.ReadFile(j.path(1))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(data) + 1 {
		for _, junk := range [][]byte{nil, make([]byte, 100), bytes.Repeat([]byte{0xff}, 30)} {
			whole := 0
			for whole < len(ends) && int64(cut) >= ends[whole].Offset {
				whole++
			}
			dir := t.TempDir()
			if err := os.WriteFile(segmentPath(dir, 1), append(slices.Clone(data[:cut]), junk...), 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, Options{})
			add(t, j, "next")
			if got, _ := read(t, j, Position{}); !slices.Equal(got, append(slices.Clone(records[:whole]), "next")) {
				t.Fatalf("cut at %d with %d bytes of junk: %q", cut, len(junk), got)
			}
			torn, _ := filepath.Glob(filepath.Join(dir, "*.torn-*"))
			if (j.Torn() > 0) != (len(torn) == 1) {
				t.Fatalf("cut at %d: %d bytes torn, beside it %q", cut, j.Torn(), torn)
			}
			_ = j.Close()
		}
	}
}

// A bit that fell over in the middle is told, wherever it is.
func TestDamageIsTold(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Segment: 60})
	add(t, j, "record one", "record two", "record three", "record four", "record five")
	_ = j.Close()
	segments, _ := list(dir)
	for _, n := range segments[:len(segments)-1] {
		data, _ := os.ReadFile(segmentPath(dir, n))
		for i := range data {
			bad := slices.Clone(data)
			bad[i] ^= 4
			if err := os.WriteFile(segmentPath(dir, n), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, Options{Segment: 60})
			var damage *DamageError
			if _, err := j.Read(Position{}, func([]byte, Position) error { return nil }); !errors.As(err, &damage) {
				t.Fatalf("segment %d, byte %d: %v", n, i, err)
			}
			_ = j.Close()
		}
		if err := os.WriteFile(segmentPath(dir, n), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// In the last segment, in front of sound records.
	dir = t.TempDir()
	j = open(t, dir, Options{})
	first := add(t, j, "record one")
	add(t, j, "record two")
	_ = j.Close()
	data, _ := os.ReadFile(segmentPath(dir, 1))
	data[first.Offset-1] ^= 1
	if err := os.WriteFile(segmentPath(dir, 1), data, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
		t.Errorf("a flipped bit before a sound record: %v", err)
	}
	// A segment that is gone.
	if err := os.Rename(segmentPath(dir, 1), segmentPath(dir, 3)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segmentPath(dir, 1), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
		t.Errorf("a missing segment: %v", err)
	}
}

func TestBadRecords(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	for _, r := range [][]byte{nil, {}, make([]byte, MaxRecord+1)} {
		if _, err := j.Append(r); err == nil {
			t.Errorf("a record of %d bytes is taken", len(r))
		}
	}
	largest := bytes.Repeat([]byte{7}, MaxRecord)
	if _, err := j.Append(largest); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, j, Position{}); len(got) != 1 || got[0] != string(largest) {
		t.Error("the largest record does not come back")
	}
}

// Many append at once, while it is read and synced: everything is there once, in each one's order.
func TestConcurrentAppends(t *testing.T) {
	j := open(t, t.TempDir(), Options{Sync: 1, Segment: 2000})
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := j.Append(fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var next [writers]int
	var at Position
	total := 0
	take := func(r []byte, _ Position) error {
		var w, i int
		if _, err := fmt.Sscan(string(r), &w, &i); err != nil || next[w] != i {
			return fmt.Errorf("%q, want number %d of %d (%w)", r, next[w], w, err)
		}
		next[w]++
		total++
		return nil
	}
	for range 100 {
		var err error
		if at, err = j.Read(at, take); err != nil {
			t.Fatal(err)
		}
		if err := j.Drop(at); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if _, err := j.Read(at, take); err != nil || total != writers*each {
		t.Errorf("%d of %d records, %v", total, writers*each, err)
	}
}

// Whatever is appended, and wherever a reader stops, it goes on with the next record after a restart.
func TestReadersGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "journal") //nolint:usetesting // rapid's T has none, and each of its runs needs its own
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		var j *Journal
		var want, got []string
		var used Position
		restart := func() {
			if j != nil {
				_ = j.Close()
			}
			if j, err = Open(dir, Options{Segment: 64}); err != nil {
				t.Fatal(err)
			}
		}
		restart()
		defer func() { _ = j.Close() }()
		stop := errors.New("stop")
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				r := rapid.StringN(1, 40, 40).Draw(t, "record")
				if _, err := j.Append([]byte(r)); err != nil {
					t.Fatal(err)
				}
				want = append(want, r)
			},
			"read": func(t *rapid.T) {
				n := rapid.IntRange(0, 5).Draw(t, "records")
				end, err := j.Read(used, func(r []byte, _ Position) error {
					if n == 0 {
						return stop
					}
					n--
					got = append(got, string(r))
					return nil
				})
				if err != nil && !errors.Is(err, stop) {
					t.Fatal(err)
				}
				used = end
			},
			"drop":    func(*rapid.T) { _ = j.Drop(used) },
			"restart": func(*rapid.T) { restart() },
			"": func(t *rapid.T) {
				if !slices.Equal(got, want[:len(got)]) {
					t.Fatalf("read %q of %q", got, want)
				}
			},
		})
		_, err = j.Read(used, func(r []byte, _ Position) error { got = append(got, string(r)); return nil })
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("read %q, want %q (%v)", got, want, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(b.TempDir(), Options{Sync: 1_000_000_000})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	record := bytes.Repeat([]byte{1}, 120)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
	}
}
