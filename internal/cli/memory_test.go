package cli

import "testing"

func TestGCPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 400}, {6 << 20, 400}, {8 << 20, 300}, {12 << 20, 200}, {24 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercentFor(c.live); got != c.want {
			t.Errorf("a live heap of %d MiB: %d %%, want %d", c.live>>20, got, c.want)
		}
	}
}
