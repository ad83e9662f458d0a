package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

const oneAccount = "\naccounts: [{name: a, platform: openai, api_key: x, pools: [p]}]\n"

// parsePool reads a file with one pool, p, whose settings are the text (in flow style).
func parsePool(t testing.TB, settings string) Pool {
	t.Helper()
	c, _, err := parseString(t, "pools: [{name: p, "+settings+"}]"+oneAccount)
	if err != nil {
		t.Fatalf("%s: %v", settings, err)
	}
	return c.Pools[0]
}

func TestCommitForms(t *testing.T) {
	for text, want := range map[string]domain.Commit{
		"content": {}, "first_event": {Point: domain.CommitFirstEvent}, "complete": {Point: domain.CommitComplete}, `"complete"`: {Point: domain.CommitComplete},
		"{tokens: 1}": {Point: domain.CommitTokens, Tokens: 1}, "{tokens: 100000}": {Point: domain.CommitTokens, Tokens: 100_000},
		"{seconds: 2}": {Point: domain.CommitSeconds, Time: 2 * time.Second}, "{seconds: 0.25}": {Point: domain.CommitSeconds, Time: 250 * time.Millisecond},
		"{seconds: 600}": {Point: domain.CommitSeconds, Time: 10 * time.Minute},
	} {
		if got := parsePool(t, "commit: "+text).Commit; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
		c, _, err := parseString(t, "keys: [{name: k, secret: tk-0123456789abcdef, overrides: [commit], commit: "+text+"}]\naccounts: [{name: a, platform: openai, api_key: x}]\n")
		if err != nil {
			t.Fatal(err)
		}
		if k := c.Keys[0]; k.Commit == nil || *k.Commit != want || !slices.Equal(k.Overrides, []string{domain.OverrideCommit}) {
			t.Errorf("%s: the key has %+v, %q", text, k.Commit, k.Overrides)
		}
	}
	c, _, err := parseString(t, "keys: [{name: k, secret: tk-0123456789abcdef}]\naccounts: [{name: a, platform: openai, api_key: x}]\n")
	if err != nil || c.Keys[0].Commit != nil || c.Keys[0].Overrides != nil {
		t.Errorf("a key that says nothing: %+v, %v", c, err)
	}
	// What domain writes of a commit point in a mapping is read here, too.
	rapid.Check(t, func(t *rapid.T) {
		want := domain.Commit{Point: domain.CommitSeconds, Time: time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(domain.MaxCommitTime)).Draw(t, "time"))}
		_, seconds, _ := strings.Cut(want.String(), "=")
		c, _, err := Parse("f", []byte("pools: [{name: p, commit: {seconds: "+seconds+"}}]"+oneAccount), env(nil), testPlatforms, Overrides{})
		if err != nil || c.Pools[0].Commit != want {
			t.Fatalf("%s: %v", seconds, err)
		}
	})
}

func TestFallbackForms(t *testing.T) {
	c, warnings, err := parseString(t, `
pools:
  - name: p
    fallbacks:
      gpt-5: [gpt-4, "1234"]
      claude-*:                 # a pattern may fall back to a name that it matches itself
        any:
          - claude-haiku
        context_too_long: [larger]
        empty_answer: [m1, m2, m3, m4, m5, m6, m7, m8]
      "*": [last]
`+oneAccount)
	if err != nil || len(warnings) != 1 { // there are no keys
		t.Fatal(err, warnings)
	}
	want := domain.Fallbacks{
		"gpt-5":    {"any": {"gpt-4", "1234"}},
		"claude-*": {"any": {"claude-haiku"}, "context_too_long": {"larger"}, "empty_answer": {"m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"}},
		"*":        {"any": {"last"}},
	}
	if got := c.Pools[0].Fallbacks; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, class := range FailureClasses() {
		_, _, err := parseString(t, "pools: [{name: p, fallbacks: {a: {"+class+": [b]}}}]"+oneAccount)
		if (err != nil) != (class == "content_refused" || class == "caller_fault") {
			t.Errorf("%s: %v", class, err)
		}
	}
}

// Each limit reaches its own field, and nothing else does.
func TestTimeLimitForms(t *testing.T) {
	if got := parsePool(t, "require: {a: b}").Limits; got != (domain.TimeLimits{}) {
		t.Errorf("a pool that says nothing: %+v", got)
	}
	var all domain.TimeLimits
	for i, l := range all.Each() {
		for text, d := range map[string]time.Duration{"100ms": 100 * time.Millisecond, "24h": day, "90s": 90 * time.Second} {
			var want domain.TimeLimits
			*want.Each()[i].Value = d
			if got := parsePool(t, "limits: {"+l.Name+": "+text+"}").Limits; got != want {
				t.Errorf("%s: %s: %+v", l.Name, text, got)
			}
		}
	}
}

func TestErrorRuleForms(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	got := parsePool(t, `errors: [
		{when: {class: caller_fault}, pass: true},
		{when: {status: 200, code: "a/b:c", contains: "`+long+`"}, replace: {retry_after: 1s}},
		{when: {platform: openai-compatible, code: 1113}, replace: {status: 400, message: "`+long+`", code: a.b-c_d}},
		{when: {}, replace: {status: 599, retry_after: 24h}}]`).Errors
	want := []domain.ErrorRule{
		{Class: "caller_fault", Pass: true},
		{Status: 200, Code: "a/b:c", Contains: long, RetryAfter: time.Second},
		{Platform: "openai-compatible", Code: "1113", NewStatus: 400, Message: long, NewCode: "a.b-c_d"},
		{NewStatus: 599, RetryAfter: day},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for n, good := range map[int]bool{1: true, 100: true, 101: false} {
		text := strings.Repeat("{when: {status: 429}, pass: true}, ", n)
		_, _, err := parseString(t, "pools: [{name: p, errors: ["+text+"]}]"+oneAccount)
		if (err == nil) != good || !good && !strings.Contains(err.Error(), "want at most 100 rules; this has 101") {
			t.Errorf("%d rules: %v", n, err)
		}
	}
	if _, _, err := parseString(t, "pools: [{name: p, errors: [{when: {}, replace: {message: "+long+"x}}]}]"+oneAccount); err == nil || !strings.Contains(err.Error(), "this has 1001") {
		t.Errorf("1001 characters: %v", err)
	}
}

func TestPolicyForms(t *testing.T) {
	got := parsePool(t, `policy: {hold: 0, max_resting: 100%, rests: {
		transient: {from: 1000}, capacity: {first: 10ms}, rate_limited: {most: 30d}, first_token_late: {from: 1, first: 1m, most: 1m}}}`).Policy
	want := Policy{Profile: "balanced", Hold: new(time.Duration(0)), MaxResting: new(100), Rests: map[string]Rest{
		"transient": {From: new(1000)}, "capacity": {First: new(10 * time.Millisecond)}, "rate_limited": {Most: new(30 * day)},
		"first_token_late": {From: new(1), First: new(time.Minute), Most: new(time.Minute)},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if p := parsePool(t, "policy: {hold: 10m, max_resting: 0}").Policy; *p.Hold != 10*time.Minute || *p.MaxResting != 0 || p.Rests != nil {
		t.Errorf("%+v", p)
	}
	// Every class that says something of the account can rest it.
	for _, class := range FailureClasses() {
		_, _, err := parseString(t, "pools: [{name: p, policy: {rests: {"+class+": {from: 2, first: 1s, most: 2s}}}}]"+oneAccount)
		if (err != nil) != restless(class) {
			t.Errorf("%s: %v", class, err)
		}
	}
	// Percent are read, with and without their sign.
	for text, good := range map[string]bool{"0": true, "50%": true, "100": true, "101": false, "-1": false, "%": false, "50%%": false, "50 %": false, "0.5": false} {
		if n, err := percent(text); (err == nil) != good {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
}

// What the store keeps of a pool means the same when it comes back, and is the same
// text whenever the file is.
func TestStoredFormsOfSettings(t *testing.T) {
	a, _, err := Parse("f", []byte(Example()), env(map[string]string{"ANTHROPIC_API_KEY": "x"}), testPlatforms, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Parse("f", []byte(Example()), env(map[string]string{"ANTHROPIC_API_KEY": "x"}), testPlatforms, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range a.Pools {
		first, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(b.Pools[i])
		if err != nil || string(first) != string(second) {
			t.Errorf("two texts of one pool:\n%s\n%s (%v)", first, second, err)
		}
		var back Pool
		if err := json.Unmarshal(first, &back); err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s\nbecame %+v (%v)", first, back, err)
		}
	}
}

// Nobody can change the list of classes for everybody else.
func TestFailureClassesAreACopy(t *testing.T) {
	FailureClasses()[0] = "x"
	if FailureClasses()[0] != "unknown" {
		t.Error("the list was changed")
	}
	seen := map[string]bool{}
	for _, c := range FailureClasses() {
		seen[c] = true
	}
	if len(seen) != len(FailureClasses()) {
		t.Errorf("a class is named twice: %v", slices.Sorted(maps.Keys(seen)))
	}
	if seen[domain.FallbackAny] {
		t.Error("the word for all causes is a class")
	}
}
