package gemini

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFacts(t *testing.T) {
	cli, curl, sdk := golden(t, "request_gemini_cli.json"), golden(t, "request_curl.json"), golden(t, "request_ai_sdk.json")
	for _, c := range []struct {
		name   string
		body   []byte
		at     dialect.Route
		want   dialect.Request
		system string // the beginning of what Opening writes
	}{
		{"Gemini CLI", cli, dialect.Route{Model: "gemini-3-pro-preview", Stream: true}, dialect.Request{Model: "gemini-3-pro-preview", Stream: true, Effort: dialect.EffortHigh, WholeCalls: true}, `[{"text":"You are Gemini CLI`},
		{"curl, in snake case", curl, dialect.Route{Model: "models/gemini-2.5-flash"}, dialect.Request{Model: "gemini-2.5-flash", MaxTokens: 800, Effort: dialect.EffortSome, WholeCalls: true}, `[{"text": "You are a cat.`},
		{"AI SDK, without thinking", sdk, dialect.Route{Model: "tunedModels/mine"}, dialect.Request{Model: "tunedModels/mine", MaxTokens: 1000, Effort: dialect.EffortNone, WholeCalls: true}, "\x00"},
		{"embedding", []byte(`{"model":"models/other","content":{"parts":[{"text":"x"}]}}`), dialect.Route{Model: "gemini-embedding-001"}, dialect.Request{Model: "gemini-embedding-001"}, "\x00" + `[{"text":"x"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Dialect{}.Request(c.body, c.at)
			if err != nil {
				t.Fatal(err)
			}
			var opening bytes.Buffer
			Dialect{}.Opening(c.body, &r, &opening)
			if !strings.HasPrefix(opening.String(), c.system) {
				t.Errorf("opening %q", opening.String())
			}
			c.want.Size, c.want.Messages, c.want.System = len(c.body), r.Messages, r.System
			if r.Model != c.want.Model || r.Stream != c.want.Stream || r.MaxTokens != c.want.MaxTokens || r.Effort != c.want.Effort || r.WholeCalls != c.want.WholeCalls || r.Size != c.want.Size {
				t.Errorf("got  %+v\nwant %+v", r, c.want)
			}
			if r.ModelAt.Present() || r.AskUsage.Present() {
				t.Error("the model is not in the body, and usage is always stated")
			}
		})
	}
}

func TestEffort(t *testing.T) {
	for _, c := range []struct {
		model, thinking string
		want            dialect.Effort
	}{
		{"gemini-2.5-pro", ``, dialect.EffortSome},
		{"gemini-2.5-flash-lite", ``, dialect.EffortNone},
		{"gemini-2.0-flash", ``, dialect.EffortNone},
		{"gemma-3-27b-it", ``, dialect.EffortNone},
		{"gemini-3-pro-preview", ``, dialect.EffortHigh},
		{"gemini-3.8-flash", ``, dialect.EffortSome},
		{"our-name", ``, dialect.EffortSome},
		{"gemini-2.5-pro", `{"thinkingBudget":-1}`, dialect.EffortSome},
		{"gemini-2.5-pro", `{"thinkingBudget":128}`, dialect.EffortSome},
		{"gemini-2.5-pro", `{"thinking_budget":"24576"}`, dialect.EffortHigh},
		{"gemini-2.5-flash", `{"thinkingBudget":0}`, dialect.EffortNone},
		{"gemini-3-flash", `{"thinkingLevel":"minimal"}`, dialect.EffortNone},
		{"gemini-3-flash", `{"thinkingLevel":"LOW"}`, dialect.EffortSome},
		{"gemini-3-flash", `{"thinking_level":"HIGH"}`, dialect.EffortHigh},
		{"gemini-3-flash", `{"thinkingLevel":null,"includeThoughts":true}`, dialect.EffortSome},
		{"gemini-3-flash", `7`, dialect.EffortSome},
	} {
		body := `{"contents":[]}`
		if c.thinking != "" {
			body = `{"contents":[],"generationConfig":{"thinkingConfig":` + c.thinking + `}}`
		}
		r, err := Dialect{}.Request([]byte(body), dialect.Route{Model: c.model})
		if err != nil || r.Effort != c.want {
			t.Errorf("%s %s: effort %v (%v), want %v", c.model, c.thinking, r.Effort, err, c.want)
		}
	}
}

func TestRequestRefused(t *testing.T) {
	for _, c := range []struct{ body, model string }{
		{`{}`, ""}, {`{}`, "models/"}, {`{}`, strings.Repeat("x", 257)}, {`[]`, "m"}, {``, "m"}, {`{"contents":`, "m"},
	} {
		_, err := Dialect{}.Request([]byte(c.body), dialect.Route{Model: c.model})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Message == "" {
			t.Errorf("%q for %q: %v", c.body, c.model, err)
		}
	}
}

// Both ways to write a name mean the same, and a name that only resembles one means nothing.
func TestNames(t *testing.T) {
	for key, want := range map[string]string{
		"maxOutputTokens": "maxOutputTokens", "max_output_tokens": "maxOutputTokens", `max_output\u005ftokens`: "maxOutputTokens",
		"max__tokens": "max_Tokens", "_x": "_x", "x_": "x_", "$ref": "$ref", "a_1": "a_1", "": "",
	} {
		if got := string(canon([]byte(key))); got != want {
			t.Errorf("%q is read as %q, want %q", key, got, want)
		}
	}
	for v, want := range map[string]int64{"7": 7, `"7"`: 7, "-1": -1, "7.0": 7, "7.5": 0, "1e3": 1000, "null": 0, "{}": 0, "1e300": 0, "": 0} {
		if got := integer([]byte(v)); got != want {
			t.Errorf("%s is read as %d, want %d", v, got, want)
		}
	}
}
