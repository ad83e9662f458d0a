package proc

import (
	"os"
	"runtime"
	"slices"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the figures come from /proc")
	}
	pid := os.Getpid()
	if tree := Tree(pid); tree[0] != pid {
		t.Errorf("tree = %v, want %d first", tree, pid)
	}
	if !slices.Contains(Tree(os.Getppid()), pid) {
		t.Error("the parent's tree lacks this process")
	}
	p := NewPeak(pid)
	before := CPU(pid)
	for n := 0; CPU(pid) == before; n++ { // until the clock has ticked once
		if n > 1_000_000 {
			t.Fatal("CPU time stands still")
		}
	}
	if rss, peak := Resident(pid), p.Stop(); rss < 1024 || peak < 1024 {
		t.Errorf("a Go program has %d KiB, at most %d", rss, peak)
	}
}
