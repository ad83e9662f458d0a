package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runDrill runs the command with real sockets; nothing of it may be left behind.
func runDrill(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out, errs bytes.Buffer
	code = Main(t.Context(), Env{Args: append([]string{"drill"}, args...), Stdout: &out, Stderr: &errs, Getenv: os.LookupEnv})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the drill left %v behind, %v", left, err)
	}
	return code, out.String(), errs.String()
}

// TestDrillTable: a scorecard that passes, for people.
func TestDrillTable(t *testing.T) {
	code, out, errs := runDrill(t, "--only", "dns,13,no-terminal")
	if code != ExitOK {
		t.Errorf("exit code %d, %s", code, errs)
	}
	checkColumns(t, out)
	for _, want := range []string{
		"Fault drill of the default settings: 3 scenarios", "\n                                Messages        Completions     Responses       Gemini\n",
		"\n13  refused                     pass    pass    pass    pass    pass    pass    pass    pass\n",
		"\n11  no-terminal                 pass    ·       pass    ·       ·       ·       ·       ·\n", "\nFurther faults\n    dns ",
		"\n18 pass, 0 partial, 0 safe, 0 fail; 6 do not apply (·); ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colours without a terminal")
	}
}

// TestDrillTranslated: accounts of one dialect, and callers of the others.
func TestDrillTranslated(t *testing.T) {
	code, out, errs := runDrill(t, "--accounts", "gemini", "--only", "unavailable")
	if code != ExitOK {
		t.Errorf("exit code %d, %s", code, errs)
	}
	checkColumns(t, out)
	for _, want := range []string{
		"\nThe accounts speak Gemini, the callers:\n", "\n                                Messages        Completions     Responses\n",
		"\n 4  unavailable                 pass    pass    pass    pass    pass    pass\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	code, out, errs = runDrill(t, "--accounts", "anthropic", "--dialect", "gemini", "--only", "unavailable", "--json")
	if code != ExitOK || !strings.Contains(out, `"gemini/stream@anthropic"`) || strings.Contains(out, "openai") {
		t.Errorf("one pair: exit code %d, %s\n%s", code, errs, out)
	}
	for want, args := range map[string][]string{
		"leave it out":          {"--accounts", "gemini", "--dialect", "gemini"},
		"nothing is translated": {"--accounts", "openai-responses", "--dialect", "openai"},
	} {
		if code, _, errs := runDrill(t, args...); code == ExitOK || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, %s", args, code, errs)
		}
	}
}

// TestDrillOfAPool: an operator's own settings are drilled, and what they spoil is told.
func TestDrillOfAPool(t *testing.T) {
	file := filepath.Join(t.TempDir(), "turnout.yaml")
	const text = "pools:\n  - {name: default, policy: {attempts: 5}}\n  - {name: brittle, policy: {attempts: 1, switches: 0}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runDrill(t, "--config", file, "--pool", "brittle", "--only", "unavailable", "--dialect", "anthropic")
	if code != ExitFailed || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	checkColumns(t, strings.Replace(out, file, "turnout.yaml", 1))
	for _, want := range []string{
		"pool brittle of", " 4  unavailable                 fail    fail\n", "P: always 503", "must: F within the budget", "no answer: request 1: error, status ",
		"upstream: p at ", "\n0 pass, 0 partial, 0 safe, 2 fail; ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if code, _, errs := runDrill(t, "--config", file, "--pool", "other"); code == ExitOK || !strings.Contains(errs, `no pool "other"`) {
		t.Errorf("a pool that is not there: exit code %d, %s", code, errs)
	}
}

// TestDrillJSON: one document, with names that stay.
func TestDrillJSON(t *testing.T) {
	code, out, errs := runDrill(t, "--only", "3", "--json", "--dialect", "openai")
	if code != ExitOK || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	var card struct {
		Clock  string   `json:"clock"`
		Modes  []string `json:"modes"`
		Counts struct {
			Pass int `json:"pass"`
		} `json:"counts"`
		Rows []struct {
			Name    string `json:"name"`
			Results []struct {
				Mode     string `json:"mode"`
				Verdict  string `json:"verdict"`
				Attempts []struct {
					Account string `json:"account"`
					At      *int   `json:"at_ms"`
					Status  int    `json:"status"`
				} `json:"attempts"`
				Records []struct {
					Trace json.RawMessage `json:"trace"`
				} `json:"records"`
			} `json:"results"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(out), &card); err != nil {
		t.Fatal(err)
	}
	if card.Clock != "shortened" || card.Counts.Pass != 2 || !slices.Equal(card.Modes, []string{"openai-chat/stream", "openai-chat/json"}) || len(card.Rows) != 1 {
		t.Fatalf("the scorecard: %s", out)
	}
	for _, r := range card.Rows[0].Results {
		if r.Verdict != "pass" || len(r.Attempts) != 2 || r.Attempts[0].Status != 500 || r.Attempts[0].At == nil || len(r.Records) != 1 || len(r.Records[0].Trace) == 0 {
			t.Errorf("a result: %+v", r)
		}
	}
}

// TestDrillList: every scenario with what is done and what must happen; unknown names are refused.
func TestDrillList(t *testing.T) {
	code, out, _ := runDrill(t, "--list")
	if code != ExitOK || strings.Count(out, "must: ") < 50 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	checkColumns(t, out)
	if code, _, errs := runDrill(t, "--only", "nonsense"); code == ExitOK || !strings.Contains(errs, "there is no scenario nonsense") {
		t.Errorf("an unknown scenario: exit code %d, %s", code, errs)
	}
}
