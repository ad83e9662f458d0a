package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/price"
)

// The price of a usage stands alone on the output, and nothing does where there is none.
func TestPricesCost(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // of the output; empty: it fails
		says string // on the error output
	}{
		{[]string{"anthropic", "claude-sonnet-4-5", `{"input_tokens":1000,"cache_read_tokens":200,"cache_write_tokens":300,"cache_write_1h_tokens":100,"output_tokens":50,"web_searches":1}`}, "13660000\n", ""},
		{[]string{"gemini", "gemini-2.5-pro", `{"input_tokens":200001,"output_tokens":10}`}, "500152500\n", ""},
		{[]string{"openrouter", "deepseek/deepseek-r1:free", `{"input_tokens":200001}`}, "0\n", ""},
		{[]string{"github-copilot", "gpt-4.1", `{"input_tokens":200001}`}, "0\n", "without a price"},
		{[]string{"openai", "gpt-5", `{"input_tokens":1000}`, "--tier", "flex"}, "625000\n", ""},
		{[]string{"openai", "gpt-5-pro", `{"input_tokens":1000}`, "--tier", "priority"}, "15000000\n", "the standard ones"},
		{[]string{"deepseek", "deepseek-v4-pro", `{"input_tokens":1000}`, "--at", "2026-11-26T02:00:00Z"}, "1320000\n", ""},
		{[]string{"deepseek", "deepseek-v4-pro", `{"input_tokens":1000}`, "--at", "2026-08-16"}, "435000\n", ""},
		{[]string{"openai", "gpt-5", `{}`}, "0\n", ""},
		{[]string{"openai", "gpt-5", `{"input_tokens":1}`, "--at", "yesterday"}, "", "--at"},
		{[]string{"openai", "gpt-5", `{"input_tokens":1}`, "--tier", "slow"}, "", "tier"},
		{[]string{"openai", "no-such-model", `{"input_tokens":1}`}, "", "no price"},
		{[]string{"nobody", "gpt-5", `{"input_tokens":1}`}, "", "neither a platform nor a provider"},
		{[]string{"openai-compatible", "gpt-5", `{"input_tokens":1}`}, "", "name the provider"},
		{[]string{"openai", "gpt-5", `{"input_tokens":1,"cache_read_tokens":2}`}, "", "impossible usage"},
		{[]string{"openai", "gpt-5", `{"input_tokens":1.5}`}, "1875\n", ""},
		{[]string{"openai", "gpt-5", `{"prompt":1}`}, "", "name of nothing"},
		{[]string{"openai", "gpt-5", `nonsense`}, "", "usage"},
		{[]string{"openai", "gpt-5"}, "", "usage-json"},
	} {
		code, stdout, stderr := run(t, nil, append([]string{"prices", "cost"}, c.args...)...)
		if stdout != c.want || (code == ExitOK) != (c.want != "") || !strings.Contains(stderr, c.says) || (c.says == "") != (stderr == "") {
			t.Errorf("%q: %d %q %q", c.args, code, stdout, stderr)
		}
	}
}

func TestPricesList(t *testing.T) {
	code, stdout, stderr := run(t, nil, "prices", "list", "--platform", "anthropic", "--model", "claude-sonnet-4-*", "--at", "2026-11-26")
	if code != ExitOK || stderr != "" || !strings.Contains(stdout, "claude-sonnet-4-5") || strings.Contains(stdout, "haiku") || !strings.Contains(stdout, "3^") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	code, stdout, _ = run(t, nil, "prices", "list", "--platform", "openai", "--model", "gpt-5.4", "--json")
	if want := `"input_mtok":"2.5, above 271999: 5"`; code != ExitOK || strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, want) {
		t.Errorf("%d %s", code, stdout)
	}
}

// A catalogue is compared, refused, put in force while the gateway runs, and taken away again.
func TestPricesImport(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "turnout.yaml")
	text := "listen: 127.0.0.1:0\naccounts: [{name: a, platform: openai, api_key: sk-x}]\nkeys: [{name: k, secret: tk-0123456789abcdef}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	builtin, err := price.BuiltinFile().Write()
	if err != nil {
		t.Fatal(err)
	}
	write := func(from, to string) string {
		t.Helper()
		name := filepath.Join(dir, "new.json")
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(builtin), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const old, usage = `"input_mtok":"0.25"`, `{"input_tokens":1000}`
	cost := func() string {
		_, out, _ := run(t, nil, "prices", "cost", "-c", file, "anthropic", "claude-3-haiku", usage)
		return out
	}
	same := write(old, old)
	if code, out, stderr := run(t, nil, "prices", "diff", "-c", file, same); code != ExitOK || out != "no difference\n" || stderr != "" {
		t.Errorf("%d %s %s", code, out, stderr)
	}
	steep := write(old, `"input_mtok":"25"`)
	if code, out, stderr := run(t, nil, "prices", "import", "-c", file, steep); code != ExitFailed || out != "" || !strings.Contains(stderr, "anthropic/claude-3-haiku input_mtok: 0.25 → 25 (jump)") {
		t.Errorf("%d %s %s", code, out, stderr)
	}
	half := write(old, `"input_mtok":"0.5"`)
	if code, out, _ := run(t, nil, "prices", "diff", "-c", file, half); code != ExitOK || !strings.Contains(out, "anthropic/claude-3-haiku input_mtok: 0.25 → 0.5\n") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, stderr := run(t, nil, "prices", "import", "-c", file, half); code != ExitOK || !strings.Contains(out, "takes effect at the next start") || cost() != "500000\n" {
		t.Errorf("%d %s %s %s", code, out, stderr, cost())
	}
	load := func() (*config.Config, []config.Warning, error) {
		return config.Load(file, func(string) (string, bool) { return "", false }, app.Platforms(), config.Overrides{})
	}
	a, err := app.New(t.Context(), app.Options{Load: load, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Stop(t.Context()) }()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := run(t, nil, "prices", "import", "-c", file, "--builtin"); code != ExitOK || !strings.Contains(out, "the running gateway has taken it") || cost() != "250000\n" {
		t.Errorf("%d %s %s %s", code, out, stderr, cost())
	}
	for _, bad := range [][]string{{}, {"--builtin", half}, {filepath.Join(dir, "none.json")}, {file}} {
		if code, out, stderr := run(t, nil, append([]string{"prices", "import", "-c", file}, bad...)...); code == ExitOK || out != "" || stderr == "" {
			t.Errorf("%q: %d %s %s", bad, code, out, stderr)
		}
	}
}
