package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// desk is a data directory on which no gateway runs.
type desk struct {
	t    *testing.T
	dir  string
	vars map[string]string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), vars: map[string]string{"UPSTREAM_KEY": "sk-canary-env", "EMPTY": " "}}
	text := "data_dir: ./data\nteams: [{name: research}]\naccounts:\n- {name: filed, platform: openai, api_key: sk-canary-file}\nkeys:\n- {name: filed, secret: tk-canary-0123456789}\n"
	if err := os.WriteFile(filepath.Join(d.dir, "turnout.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) config() string { return filepath.Join(d.dir, "turnout.yaml") }

// run runs a command; in is its standard input.
func (d *desk) run(in string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = Main(d.t.Context(), Env{
		Args: args, Stdin: strings.NewReader(in), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) (string, bool) { v, ok := d.vars[name]; return v, ok },
	})
	if strings.Contains(out.String()+errs.String(), "canary") {
		d.t.Errorf("%v shows a secret: %s%s", args, out.String(), errs.String())
	}
	return out.String(), errs.String(), code
}

func (d *desk) does(args ...string) string {
	d.t.Helper()
	out, errs, code := d.run("", append(args, "-c", d.config())...)
	if code != 0 {
		d.t.Fatalf("%v: code %d: %s%s", args, code, out, errs)
	}
	return out
}

// TestTables holds what people read.
func TestTables(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	d := newDesk(t)
	for _, kind := range []string{"keys", "accounts", "pools", "teams", "users"} {
		if out := d.does(kind, "list"); !strings.HasPrefix(out, "no "+kind) {
			t.Errorf("%s: %s", kind, out)
		}
		if out := d.does(kind, "list", "--json"); out != "[]\n" {
			t.Errorf("%s: %s", kind, out)
		}
	}
	d.does("pools", "add", "spare", "--policy", "classic", "--require", "region=eu", "--budget", "period=month,hard_usd=1000")
	d.does("teams", "create", "ops", "--models", "claude-*,gpt-*", "--deny", "claude-opus-*", "--budget", "period=month,hard_usd=100,soft_usd=80", "--budget", "period=day,rolling=true,soft_usd=5", "--price-factor", "1.2")
	d.does("users", "create", "ada", "--team", "ops", "--prepaid", "--overdraft-usd", "0.50")
	if out, errs, code := d.run("sk-canary-stdin\n", "accounts", "add", "one", "--platform", "anthropic", "--pools", "spare", "--labels", "region=eu,tier=1", "--priority", "3", "--max-concurrency", "8", "-c", d.config()); code != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	d.does("accounts", "add", "two", "--platform", "openai", "--key-env", "UPSTREAM_KEY")
	d.does("accounts", "rest", "two", "--for", "2h")
	d.does("accounts", "drain", "one")
	secret := strings.TrimSpace(d.does("keys", "create", "laptop", "--owner", "user:ada", "--pools", "spare,default", "--models", "claude-*", "--deny", "claude-3*", "--expires", "2099-12-31",
		"--networks", "10.0.0.0/8", "--tags", "project=apollo", "--tag-header", "run", "--rates", "requests_per_minute=60,concurrency=4", "--budget", "period=5h,hard_usd=2", "--price-factor", "0.5"))
	d.does("keys", "create", "ci")
	d.does("keys", "revoke", "ci")

	for _, c := range []struct{ kind, want string }{
		{"keys", `
NAME    OWNER     POOLS          MODELS                  EXPIRES           LAST-USED  STATE
ci      -         default        all                     never             never      revoked
laptop  user:ada  spare,default  claude-* but claude-3*  2100-01-01 00:00  never      active
`},
		{"accounts", `
NAME  PLATFORM   POOLS    PRIORITY  IN-FLIGHT  SESSIONS  QUOTA  LAST-USED  STATE
one   anthropic  spare    3         0/8        0         -      never      draining (drained)
two   openai     default  0         0          0         -      never      resting (operator for 2h)
`},
		{"pools", `
NAME   POLICY   STRATEGY  ACCOUNTS  ELIGIBLE  KEYS  REQUIRES   STATE
spare  classic  score     1         0         1     region=eu  active
`},
		{"teams", `
NAME  MODELS                            REQUIRES  BUDGETS                                     KEYS  STATE
ops   claude-*,gpt-* but claude-opus-*  -         month $100.00,rolling day (warns at $5.00)  1     active
`},
		{"users", `
NAME  TEAM  MODELS  REQUIRES  BUDGETS  KEYS  STATE
ada   ops   all     -         prepaid  1     active
`},
	} {
		got := d.does(c.kind, "list")
		got = strings.NewReplacer("1h59m59s", "2h", "1h59m58s", "2h", "1h59m57s", "2h").Replace(got) // the time goes on
		if got != c.want[1:] {
			t.Errorf("%s:\n%swant:%s", c.kind, got, c.want)
		}
	}

	// What was made can be changed.
	d.does("keys", "edit", "ci", "--models", "gpt-*", "--owner", "team:ops")
	d.does("keys", "edit", "ci", "--unset", "owner,tags")
	d.does("teams", "edit", "ops", "--unset", "budgets")
	d.does("users", "edit", "ada", "--team", "ops", "--deny", "x")
	d.does("pools", "edit", "spare", "--strategy", "fill_first")
	if out, errs, code := d.run("sk-canary-new", "accounts", "edit", "one", "--key-stdin", "--weight", "3", "-c", d.config()); code != 0 || out != "account one: changed\n" {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if out := d.does("keys", "list"); !strings.Contains(out, "ci      -         default        gpt-* ") {
		t.Errorf("%s", out)
	}
	for _, args := range [][]string{{"keys", "edit", "ci"}, {"keys", "edit", "ci", "--models", "a", "--unset", "models"}, {"keys", "edit", "ci", "--unset", "nonsense"}, {"teams", "edit", "nobody", "--models", "x"}} {
		if _, _, code := d.run("", append(args, "-c", d.config())...); code != 1 {
			t.Errorf("%v: code %d", args, code)
		}
	}

	// For scripts: names that stay, and nothing secret.
	var keys []map[string]any
	if err := json.Unmarshal([]byte(d.does("keys", "list", "--json")), &keys); err != nil || len(keys) != 2 {
		t.Fatal(err, keys)
	}
	delete(keys[1], "id")
	got, _ := json.Marshal(keys[1])
	want := `{"budgets":[{"hard_usd":"2.00","period":"5h"}],"deny":["claude-3*"],"expires":"2100-01-01T00:00:00Z","models":["claude-*"],"name":"laptop","networks":["10.0.0.0/8"],` +
		`"origin":"api","owner":"user:ada","pools":["spare","default"],"price_factor":"0.5","rates":{"requests_per_minute":60,"concurrency":4},"state":"active","tag_header":["run"],"tags":{"project":"apollo"},"team":"ops"}`
	var a, b any
	_ = json.Unmarshal(got, &a)
	_ = json.Unmarshal([]byte(want), &b)
	if x, y := must(json.Marshal(a)), must(json.Marshal(b)); !bytes.Equal(x, y) {
		t.Errorf("%s\nwant %s", x, y)
	}
	if strings.Contains(string(got), secret) {
		t.Error("the secret is in the list")
	}
}

func must(b []byte, _ error) []byte { return b }

// TestObjectsMisused: what is wrong is said, with what to do.
func TestObjectsMisused(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		code int
		says string
		in   string
		args []string
	}{
		{1, "keys[#1].name: want 1 to 64 letters", "", []string{"keys", "create", "a b"}},
		{1, `there is no team "reserch" under teams (there are: research); did you mean "research"?`, "", []string{"keys", "create", "k", "--owner", "team:reserch"}},
		{1, "want user:NAME or team:NAME", "", []string{"keys", "create", "k", "--owner", "research"}},
		{1, "expires: want the last day", "", []string{"keys", "create", "k", "--expires", "soon"}},
		{1, "--budget month: want name=value", "", []string{"keys", "create", "k", "--budget", "month"}},
		{1, "budgets[#1].period: want 5h, day, week, month or total", "", []string{"keys", "create", "k", "--budget", "period=year,hard_usd=1"}},
		{1, `there is no key "nobody" (turnout keys list shows them)`, "", []string{"keys", "rotate", "nobody"}},
		{1, "standard input was empty", " \n", []string{"accounts", "add", "x", "--platform", "openai"}},
		{1, "the variable EMPTY is not set, or empty", "", []string{"accounts", "add", "x", "--platform", "openai", "--key-env", "EMPTY"}},
		{1, `there is no account "x"`, "", []string{"accounts", "test", "x"}},
		{2, "missing", "", []string{"accounts", "add", "x"}},
		{2, "unexpected argument", "", []string{"accounts", "add", "x", "sk-key", "--platform", "openai"}},
	} {
		_, errs, code := d.run(c.in, append(c.args, "-c", d.config())...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: code %d: %s", c.args, code, errs)
		}
	}
	first := d.does("keys", "create", "k")
	if _, errs, code := d.run("", "keys", "rotate", "k", "--overlap", "soon", "-c", d.config()); code != 1 || !strings.Contains(errs, `overlap is "soon"; want a duration such as 90s, 10m, 24h or 7d`) {
		t.Errorf("%d %s", code, errs)
	}
	if second := d.does("keys", "rotate", "k", "--overlap", "7d"); first == second || len(second) != len(first) {
		t.Error("the new secret is the old one")
	}
}

// TestCompletion: what may stand next, in the words of the commands themselves.
func TestCompletion(t *testing.T) {
	d := newDesk(t)
	d.does("keys", "create", "laptop")
	d.does("teams", "create", "ops")
	d.does("users", "create", "ada")
	d.does("pools", "add", "spare")
	for _, c := range []struct{ typed, want string }{
		{"keys ", "create edit enable list revoke rotate"},
		{"keys r", "revoke rotate"},
		{"ke", "keys"},
		{"__", ""},
		{"keys list --j", "--json"},
		{"keys list --json --dat", "--data-dir"},
		{"-c CONFIG keys revoke ", ""}, // flags of a command stand after it
		{"keys revoke -c CONFIG ", "laptop"},
		{"keys revoke -c CONFIG x", ""},
		{"keys revoke -c CONFIG laptop ", ""},
		{"keys create -c CONFIG k --owner ", "team:ops user:ada"},
		{"keys create -c CONFIG k --owner=t", "--owner=team:ops"},
		{"keys create -c CONFIG k --pools s", "spare"},
		{"teams disable --config CONFIG ", "ops"},
		{"sessions move s --dialect o", "openai-chat openai-responses"},
		{"completion ", "bash fish zsh"},
		{"keys nonsense ", "create edit enable list revoke rotate"},
	} {
		args := strings.Split(strings.ReplaceAll(c.typed, "CONFIG", d.config()), " ")
		out, _, code := d.run("", append([]string{"__complete", "--"}, args...)...)
		if got := strings.Join(strings.Fields(out), " "); got != c.want || code != 0 {
			t.Errorf("%q: %q, want %q", c.typed, got, c.want)
		}
	}
	if out, _, _ := d.run("", "--help"); strings.Contains(out, "__complete") {
		t.Error("the hidden command is shown")
	}
}

// TestBashCompletion runs the script in the shell that it is for.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	d := newDesk(t)
	script, _, _ := d.run("", "completion", "bash")
	// A stand-in for the binary says what it was asked, and answers as it would for an owner.
	stub := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$0.log\"\ncase \"$*\" in\n*--owner=*) printf -- '--owner=team:ops\\n' ;;\n*) printf 'team:ops\\nteam:other\\n' ;;\nesac\n"
	bin := filepath.Join(d.dir, "turnout")
	if err := os.WriteFile(bin, []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want, asked string }{
		{"turnout keys create k --owner team:o", "ops other", "__complete -- keys create k --owner team:o"}, // ":" is where Bash begins a word
		{"turnout keys ", "team:ops team:other", "__complete -- keys "},
		{"turnout keys create k --owner=team:", "ops", "__complete -- keys create k --owner=team:"},
	} {
		_ = os.Remove(bin + ".log")
		cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", script+"\nCOMP_LINE=$1 COMP_POINT=${#1}\n_turnout\nprintf '%s ' \"${COMPREPLY[@]}\"", "bash", c.line)
		cmd.Env = []string{"PATH=" + d.dir + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		asked, _ := os.ReadFile(bin + ".log")
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want || strings.TrimRight(string(asked), "\n") != c.asked {
			t.Errorf("%q: %q, asked %q, %v; want %q", c.line, got, asked, err, c.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if path, err := exec.LookPath(shell); err == nil {
			text, _, _ := d.run("", "completion", shell)
			cmd := exec.CommandContext(t.Context(), path, "-n")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s does not read its script: %v %s", shell, err, out)
			}
		}
	}
}
