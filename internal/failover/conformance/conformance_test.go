package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

// platforms is what package platform says for classic; the vectors need only the
// one delay.
func platforms(name string) failover.Override {
	if name == "antigravity" {
		return failover.Override{
			Profile:       failover.ProfileClassic,
			SwitchBackoff: &failover.Backoff{Step: time.Second},
			Single: &failover.Rule{
				Max: 3, On: failover.AllClasses, NeedStated: true,
				LongestStated: 15 * time.Second, Total: 30 * time.Second,
			},
		}
	}
	return failover.Override{}
}

func vectors(t testing.TB) []Scenario {
	t.Helper()
	f, err := os.Open("testdata/failover-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	scenarios, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return scenarios
}

func TestClassicPassesEveryVector(t *testing.T) {
	scenarios := vectors(t)
	report, err := Run(scenarios, platforms)
	if err != nil {
		t.Fatal(err)
	}
	if report.Scenarios != 500 || report.Steps != 2202 {
		t.Errorf("ran %d scenarios with %d steps, want 500 with 2202", report.Scenarios, report.Steps)
	}
	for i, d := range report.Diffs {
		if i == 10 {
			t.Fatalf("and %d more", len(report.Diffs)-i)
		}
		t.Error(d)
	}
}

// Every single member of every step's want must matter: changing any one of them
// must be reported, at that step and at no other.
func TestEveryMutationIsReported(t *testing.T) {
	mutations := map[string]func(*Result){
		"action": func(r *Result) {
			if r.Action == Continue {
				r.Action = Exhausted
			} else {
				r.Action = Continue
			}
		},
		"wait_ms":             func(r *Result) { r.Wait += time.Millisecond },
		"temp_unschedule":     func(r *Result) { r.Rested = append(r.Rested[:len(r.Rested):len(r.Rested)], 99) },
		"failed_accounts":     func(r *Result) { r.Failed = append(r.Failed[:len(r.Failed):len(r.Failed)], 99) },
		"switch_count":        func(r *Result) { r.Switches++ },
		"force_cache_billing": func(r *Result) { r.CacheBilling = !r.CacheBilling },
	}
	scenarios := vectors(t)
	for member, mutate := range mutations {
		for i := range scenarios {
			step := i % len(scenarios[i].Steps)
			want := scenarios[i].Steps[step].Want
			mutate(&scenarios[i].Steps[step].Want)
			diffs, err := run(&scenarios[i], platforms)
			scenarios[i].Steps[step].Want = want
			if err != nil {
				t.Fatal(err)
			}
			if len(diffs) != 1 || diffs[0].Number != step+1 || !strings.Contains(diffs[0].String(), member+" ") {
				t.Fatalf("%s of %s, step %d was changed; reported: %v", member, scenarios[i].Name, step+1, diffs)
			}
		}
	}
}

// Without the platform's override the check must fail: it does see the overrides.
func TestPlatformOverrideMatters(t *testing.T) {
	report, err := Run(vectors(t), func(string) failover.Override { return failover.Override{} })
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Diffs) == 0 {
		t.Fatal("no difference without Antigravity's switch delay")
	}
	for _, d := range report.Diffs {
		if d.Step.Platform != "antigravity" {
			t.Fatalf("a step of another platform differs: %v", d)
		}
	}
}

const good = `{"name":"s","max_switches":1,"has_bound_session":false,"steps":[
	{"event":"upstream_error","account":1,"platform":"p","status":500,
	 "want":{"action":"continue","wait_ms":0,"temp_unschedule":[],"failed_accounts":[1],"switch_count":1,"force_cache_billing":false}}]}`

func TestReadIsStrict(t *testing.T) {
	if _, err := Read(strings.NewReader("[" + good + "]")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown in scenario", `"name":"s"`, `"name":"s","x":1`, `scenario 1 (s): "x" is not known here`},
		{"unknown in step", `"account":1`, `"account":1,"x":1`, `scenario 1 (s): step 1: "x" is not known here`},
		{"unknown in want", `"action":`, `"x":1,"action":`, `scenario 1 (s): step 1: want: "x" is not known here`},
		{"case of a name", `"account":1`, `"Account":1`, `"account": it is missing`},
		{"doubled", `"account":1`, `"account":1,"account":2`, `"account" appears twice`},
		{"missing", `"status":500,`, ``, `step 1: "status": it is missing`},
		{"missing in want", `"wait_ms":0,`, ``, `want: "wait_ms": it is missing`},
		{"null", `"account":1`, `"account":null`, `"account": it must not be null`},
		{"type", `"account":1`, `"account":"1"`, `"account"`},
		{"event", `upstream_error`, `upstream`, `event is "upstream"; allowed`},
		{"account of no_account", `upstream_error`, `no_account`, `"account" is not known here`},
		{"action", `"continue"`, `"go"`, `action is "go"; allowed`},
		{"negative", `"max_switches":1`, `"max_switches":-1`, `"max_switches": it must not be negative`},
		{"negative time", `"wait_ms":0`, `"wait_ms":-1`, `"wait_ms": it must be between`},
		{"order", `[1]`, `[2,1]`, `failed_accounts must be ascending`},
		{"no step", good, `{"name":"s","max_switches":1,"has_bound_session":false,"steps":[]}`, `it has no step`},
		{"no name", good, `{}`, `scenario 1 (without a name): "name": it is missing`},
		{"not an object", good, `1`, `it must be a JSON object`},
		{"nothing", good, ``, `holds no scenario`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatal("nothing was replaced")
			}
			_, err := Read(strings.NewReader("[" + text + "]"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v; want %s", err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "{}", "[" + good, "[" + good + "] x"} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q was read", text)
		}
	}
}

// What is no JSON is named by its line and column, counted as editors count them.
func TestReadSaysWhere(t *testing.T) {
	for _, tt := range []struct {
		name, text   string
		line, column int
	}{
		{"nothing", "", 1, 1},
		{"a word", "scenarios", 1, 1},
		{"a byte order mark", "\ufeff[]", 1, 1},
		{"a comment on line 3", "[\n  " + good + "\n  // more\n]", 5, 3}, // good has three lines
		{"a comma too much", "[" + good + ",]", 3, len(good) - strings.LastIndex(good, "\n") + 1},
		{"behind letters of several bytes", `["äöü" x]`, 1, 8},
		{"line ends of Windows", "[\r\n\r\nx", 3, 1},
		{"cut short", "[" + good, 3, len(good) - strings.LastIndex(good, "\n") - 1},
		{"cut short behind a line end", "[\n", 1, 2},
		{"something behind", "[\n] x", 2, 3},
		{"an object", "\n {}", 2, 2},
		{"a number", "17", 1, 1},
		{"text of 16 bits", "\xff\xfe[\x00]\x00", 1, 1},
	} {
		_, err := Read(strings.NewReader(tt.text))
		want := fmt.Sprintf("line %d, column %d: the file must be one JSON array of scenarios: ", tt.line, tt.column)
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) == len(want) {
			t.Errorf("%s: %v; want %s…", tt.name, err, want)
		}
	}
}

func TestBadSettingsAreErrors(t *testing.T) {
	scenarios, err := Read(strings.NewReader("[" + strings.Replace(good, `"max_switches":1`, `"max_switches":1000`, 1) + "]"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(scenarios, platforms)
	if err == nil || !strings.Contains(err.Error(), "switches is 1000; allowed: 0 to 100") {
		t.Errorf("error is %v", err)
	}
}

func TestDiffIsReadable(t *testing.T) {
	d := Diff{
		Scenario: "s1-0", Number: 3,
		Step: Step{
			Event: UpstreamError, Account: 2, Platform: "p", Status: 503, RetrySame: true, CacheLost: true,
			Leaves: true, LeavesAfter: 100 * time.Millisecond, Want: Result{Action: Canceled, Wait: 100 * time.Millisecond},
		},
		Got: Result{Action: Exhausted, Failed: []domain.AccountID{2}},
	}
	want := `s1-0, step 3: upstream_error of account 2 (p, status 503, retryable, cache lost), the client leaves after 100 ms
    action               want canceled, got exhausted
    wait_ms              want 100, got 0
    failed_accounts      want [], got [2]`
	if got := d.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("[" + good + "]"))
	f.Add([]byte("[]"))
	f.Add([]byte("[\n\xff\n"))
	f.Add([]byte(`[{"name":"s","name":"t"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		scenarios, err := Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		if len(scenarios) == 0 {
			t.Fatal("no scenario and no error")
		}
		// Whatever can be read can be run, or is refused with a reason.
		if _, err := Run(scenarios, platforms); err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
	})
}
