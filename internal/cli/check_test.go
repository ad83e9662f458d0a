package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnout/internal/failover"
)

const checkVectors = "../failover/conformance/testdata/failover-vectors.json"

func checkPlatform(name string) failover.Override {
	if name == "antigravity" {
		return failover.Override{SwitchBackoff: &failover.Backoff{Step: time.Second}}
	}
	return failover.Override{}
}

func TestFailoverCheckPasses(t *testing.T) {
	var out bytes.Buffer
	ok, err := FailoverCheck(&out, checkVectors, checkPlatform)
	if err != nil || !ok {
		t.Errorf("ok %v, error %v", ok, err)
	}
	if got, want := out.String(), "500 scenarios, 2202 steps: every step as expected\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestFailoverCheckReportsADifference(t *testing.T) {
	good, err := os.ReadFile(checkVectors)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(good, []byte(`"wait_ms":500`), []byte(`"wait_ms":501`), 1)
	if bytes.Equal(bad, good) {
		t.Fatal("nothing was changed")
	}
	path := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ok, err := FailoverCheck(&out, path, checkPlatform)
	if err != nil || ok {
		t.Errorf("ok %v, error %v", ok, err)
	}
	for _, want := range []string{"s1-0, step 1: upstream_error of account 3", "want 501, got 500", "\n500 scenarios, 2202 steps: 1 step differs\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}

func TestFailoverCheckRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if ok, err := FailoverCheck(&out, path, checkPlatform); ok || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an empty file: ok %v, error %v", ok, err)
	}
	if err := os.WriteFile(path, []byte("[\n  {,\n]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := FailoverCheck(&out, path, checkPlatform); ok || err == nil || !strings.Contains(err.Error(), path+": line 2, column 4: the file must be one JSON array") {
		t.Errorf("no JSON: ok %v, error %v", ok, err)
	}
	if ok, err := FailoverCheck(&out, path+"x", checkPlatform); ok || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: ok %v, error %v", ok, err)
	}
	if out.Len() != 0 {
		t.Errorf("wrote %q", out.String())
	}
}

// A report that cannot be written is not a pass.
func TestFailoverCheckNeedsItsWriter(t *testing.T) {
	if ok, err := FailoverCheck(brokenWriter{}, checkVectors, checkPlatform); ok || err == nil {
		t.Errorf("ok %v, error %v", ok, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
