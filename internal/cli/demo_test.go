package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// runDemo runs the command in a temporary directory that must be empty afterwards.
func runDemo(ctx context.Context, t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out, errs bytes.Buffer
	code = Main(ctx, Env{Args: append([]string{"demo"}, args...), Stdout: &out, Stderr: &errs, Getenv: os.LookupEnv})
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the demo left %v behind", left)
	}
	return code, out.String(), errs.String()
}

func checkColumns(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestDemo takes the whole tour: every request ends as it should, and the text shows
// no upstream's key.
func TestDemo(t *testing.T) {
	code, out, errs := runDemo(t.Context(), t, "--once", "--listen", "127.0.0.1:0")
	if code != ExitOK || errs != "" {
		t.Fatalf("exit code %d, stderr %q:\n%s", code, errs, out)
	}
	checkColumns(t, out)
	for _, want := range []string{
		"9. A silent account", "another account", "tokens from its cache (the session's account)", "rests until its key changes",
		"nobody is left → give up", "beside it: answers", "x-turnout-commit: complete → 200", "15  whole, right answers",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"sk-sim", "NOT", "\x1b"} {
		if strings.Contains(out, never) {
			t.Errorf("%q is in it", never)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// A demo that is stopped in the middle of its tour ends well and leaves nothing.
func TestDemoStopped(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &stopAt{text: "\n2. ", stop: stop}
	var errs bytes.Buffer
	code := Main(ctx, Env{Args: []string{"demo", "--listen", "127.0.0.1:0"}, Stdout: out, Stderr: &errs, Getenv: os.LookupEnv})
	if code != ExitOK || errs.Len() > 0 || !strings.HasSuffix(out.String(), "Stopped; nothing is left behind.\n") || strings.Contains(out.String(), "What it came to") {
		t.Errorf("exit code %d, stderr %q:\n%s", code, &errs, out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// stopAt keeps what is written and calls stop once it holds the text.
type stopAt struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.stop()
	}
	return n, err
}

func TestDemoPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	code, _, errs := runDemo(t.Context(), t, "--listen", ln.Addr().String())
	if code != ExitFailed || !strings.Contains(errs, ln.Addr().String()) {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
}

func TestDemoHints(t *testing.T) {
	var out bytes.Buffer
	p := newDemoPrinter(&out, os.LookupEnv)
	p.hints(&demoWorld{dir: "/tmp/turnout-demo-1234567890", key: "tk-0123456789abcdef"}, "http://127.0.0.1:65535")
	checkColumns(t, out.String())
	for _, want := range []string{"ANTHROPIC_BASE_URL=http://127.0.0.1:65535 ANTHROPIC_AUTH_TOKEN=tk-0123456789abcdef", `base_url="http://127.0.0.1:65535/v1"`, "requests list -c /tmp/turnout-demo-1234567890/turnout.yaml"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
}

// A step is judged by what the caller got: the tour must not praise a bad answer.
func TestStepJudge(t *testing.T) {
	good := reply{status: 200, whole: true, text: "The turnout carries every train over to a free track, number 1. The turnout carries every train over to a free track, number 2. "}
	cut, fault, refused := good, good, good
	cut.whole, cut.text = false, cut.text[:40]
	fault.fault = "x"
	refused.status, refused.after, refused.fault = 429, "3", "x"
	silentCut := cut
	cut.fault = "broke"
	for _, c := range []struct {
		name string
		want expectation
		r    reply
		ok   bool
	}{
		{"good", answered, good, true}, {"cut", answered, cut, false}, {"fault", answered, fault, false}, {"refused", answered, refused, false},
		{"cut", brokenOff, cut, true}, {"silent cut", brokenOff, silentCut, false}, {"good", brokenOff, good, false},
		{"refused", turnedAway, refused, true}, {"good", turnedAway, good, false},
	} {
		if got := (&step{want: c.want}).judge(&c.r); got != c.ok {
			t.Errorf("%s, expected %d: %t", c.name, c.want, got)
		}
	}
}
