package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs one command line with these variables.
func run(t *testing.T, vars map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), Env{Args: args, Stdout: &out, Stderr: &errs, Getenv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }})
	return code, out.String(), errs.String()
}

// The example that is printed is good as it is, once its variable is set.
func TestConfigExampleIsGood(t *testing.T) {
	code, example, stderr := run(t, nil, "config", "example")
	if code != ExitOK || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	file := filepath.Join(t.TempDir(), "turnout.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, map[string]string{"ANTHROPIC_API_KEY": "sk-ant-x"}, "config", "check", "--config", file)
	if want := file + " is good: 2 pools, 2 accounts, 1 keys\n"; code != ExitOK || stdout != want || stderr != "" {
		t.Errorf("%d %q %q, want %q", code, stdout, stderr, want)
	}
	// On a fresh machine without the variable it was refused, and so was the file in a pipeline that has no secrets. A
	// check warns; a start needs the key.
	code, stdout, stderr = run(t, nil, "config", "check", "--config", file)
	if code != ExitOK || stderr != "" || !strings.HasPrefix(stdout, "warning: "+file+":") || !strings.Contains(stdout, "ANTHROPIC_API_KEY is not set") || !strings.HasSuffix(stdout, " is good: 2 pools, 2 accounts, 1 keys\n") {
		t.Errorf("without its variable: %d %q %q", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, nil, "serve", "--config", file)
	if code != ExitMisused || stdout != "" || !strings.Contains(stderr, "ANTHROPIC_API_KEY is not set") {
		t.Errorf("a start without its variable: %d %q %q", code, stdout, stderr)
	}
}

// What is wrong is said with its place, all at once; what is odd is a warning.
func TestConfigCheck(t *testing.T) {
	const account = "accounts: [{name: a, platform: openai, api_key: sk-x, models: {gpt-5: gpt-5}}]\nkeys: [{name: k, secret: tk-0123456789abcdef}]\n"
	file := filepath.Join(t.TempDir(), "turnout.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(account + "pools:\n- name: default\n  commit: lately\n  fallbacks: {gpt-5: [gpt-5]}\n")
	code, _, stderr := run(t, nil, "config", "check", "--config", file)
	for _, want := range []string{file + ":5:11: pools[default].commit: want first_event", file + ":6:23: pools[default].fallbacks.gpt-5[#1]: the model falls back to itself"} {
		if code != ExitMisused || !strings.Contains(stderr, want) {
			t.Errorf("%d %s\nwant %s", code, stderr, want)
		}
	}
	write(account + "pools:\n- name: default\n  fallbacks: {gpt-5: [gpt-6]}\n")
	code, stdout, stderr := run(t, nil, "config", "check", "--config", file)
	if code != ExitOK || stderr != "" || !strings.HasPrefix(stdout, "warning: "+file+":5:23: ") || !strings.Contains(stdout, "no account serves this model") || !strings.HasSuffix(stdout, "is good: 1 pools, 1 accounts, 1 keys\n") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}
