package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	// The binary is built from it: so a cached result is good only for the same code.
	_ "turnout/internal/cli"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if runtime.GOOS == "windows" {
		fmt.Println("skipped: these tests stop and reload processes by signals, which Windows has not")
		return 0
	}
	dir, err := os.MkdirTemp("", "turnout-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "turnout")
	build := exec.Command("go", "build", "-o", binary, "turnout/cmd/turnout")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
