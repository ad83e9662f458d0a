package cli

import "testing"

func TestGCPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 400}, {12 << 20, 400}, {16 << 20, 300}, {24 << 20, 200}, {48 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercentFor(c.live); got != c.want {
			t.Errorf("a live heap of %d MiB: %d %%, want %d", c.live>>20, got, c.want)
		}
	}
}
