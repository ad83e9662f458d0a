package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDemo: the first thing that a new user sees works on an empty machine.
func TestDemo(t *testing.T) {
	t.Parallel() // it mostly waits
	cmd := exec.Command(binary, "demo", "--once", "--listen", "127.0.0.1:0")
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "What it came to") {
		t.Errorf("it told nothing:\n%s", out)
	}
}
