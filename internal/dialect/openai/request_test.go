package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"turnout/internal/dialect"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bodies are shaped as the clients' own: OpenCode 1.18.33, the SDK, a coding agent
// that speaks Chat Completions, and a plain call of another maker's model.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		file    string
		want    dialect.Request // without spans and size
		ask     bool
		opening string
	}{
		{
			"request_opencode.json", dialect.Request{Model: "gpt-5.5", Stream: true, MaxTokens: 32000, Effort: dialect.EffortSome, PromptCacheKey: "ses_57c0"}, false,
			"\"You are opencode.\"\x00\"List the files \U0001F4C1 in \\\"C:\\\\\\\\src\\\"\"\x00",
		},
		{"request_sdk.json", dialect.Request{Model: "gpt-4o", Stream: true}, true, "\"Talk like a pirate.\"\x00\"Are semicolons optional in JavaScript?\"\x00"},
		{
			"request_codex_chat.json", dialect.Request{Model: "gpt-5-codex", Stream: true, Effort: dialect.EffortSome, PromptCacheKey: "0199e6a0-5b5c-7d30-8b7e-6a0c8f2f7f11"}, true,
			"\"You are a coding agent.\"\x00[{\"type\":\"text\",\"text\":\"<environment_context>\\n  <cwd>/src</cwd>\\n</environment_context>\"}]\x00",
		},
		{"request_plain.json", dialect.Request{Model: "deepseek/deepseek-r1", MaxTokens: 64, Effort: dialect.EffortSome}, false, "\"2+2?\"\x00"},
	} {
		t.Run(c.file, func(t *testing.T) {
			body := golden(t, c.file)
			r, err := Dialect{}.Request(body, dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			var opening bytes.Buffer
			Dialect{}.Opening(body, &r, &opening)
			if opening.String() != c.opening {
				t.Errorf("the opening is %q, want %q", opening.String(), c.opening)
			}
			if r.Size != len(body) || string(r.ModelAt.Of(body)) != `"`+c.want.Model+`"` || !json.Valid(r.Messages.Of(body)) {
				t.Errorf("size %d, model at %s, messages at %v", r.Size, r.ModelAt.Of(body), r.Messages)
			}
			if r.AskUsage.Present() != c.ask || r.HideUsage != c.ask {
				t.Errorf("asks for usage: %v, hides it: %v, want %v", r.AskUsage.Present(), r.HideUsage, c.ask)
			}
			if c.ask {
				checkAsk(t, body, &r)
			}
			if got := facts(r); got != facts(c.want) {
				t.Errorf("got  %s\nwant %s", got, facts(c.want))
			}
		})
	}
}

func facts(r dialect.Request) string {
	b, _ := json.Marshal([]any{r.Model, r.Stream, r.MaxTokens, r.Effort.String(), r.MetadataSession, r.PromptCacheKey, r.PreviousResponseID})
	return string(b)
}

func TestRequestFacts(t *testing.T) {
	for _, c := range []struct {
		model, members string
		want           dialect.Request
	}{
		{"gpt-4o", ``, dialect.Request{}},
		{"gpt-4o", `,"max_tokens":5`, dialect.Request{MaxTokens: 5}},
		{"gpt-4o", `,"max_tokens":5,"max_completion_tokens":7`, dialect.Request{MaxTokens: 7}},
		{"gpt-4o", `,"max_completion_tokens":7,"max_tokens":5`, dialect.Request{MaxTokens: 7}},
		{"gpt-4o", `,"max_completion_tokens":null,"max_tokens":5`, dialect.Request{MaxTokens: 5}},
		{"gpt-4o", `,"max_tokens":-1`, dialect.Request{}},
		{"gpt-4o", `,"prompt_cache_key":"k","previous_response_id":"resp_1"`, dialect.Request{PromptCacheKey: "k", PreviousResponseID: "resp_1"}},
		{"gpt-4o", `,"prompt_cache_key":null,"previous_response_id":5`, dialect.Request{}},
		{"gpt-4o", `,"reasoning_effort":"low"`, dialect.Request{Effort: dialect.EffortSome}},
		{"gpt-4o", `,"reasoning_effort":"xhigh"`, dialect.Request{Effort: dialect.EffortHigh}},
		{"gpt-5", ``, dialect.Request{Effort: dialect.EffortSome}},
		{"gpt-5", `,"reasoning_effort":null`, dialect.Request{Effort: dialect.EffortSome}},
		{"gpt-5", `,"reasoning_effort":"none"`, dialect.Request{}},
		{"gpt-5", `,"reasoning_effort":"minimal"`, dialect.Request{}},
		{"gpt-5", `,"reasoning_effort":"high"`, dialect.Request{Effort: dialect.EffortHigh}},
		{"openai/o3", ``, dialect.Request{Effort: dialect.EffortSome}},
		{"qwen3-thinking", ``, dialect.Request{Effort: dialect.EffortSome}},
		{"deepseek-reasoner", ``, dialect.Request{Effort: dialect.EffortSome}},
		{"foo1", ``, dialect.Request{}},
		{"chatgpt-4o-latest", ``, dialect.Request{}},
	} {
		c.want.Model = c.model
		r, err := Dialect{}.Request([]byte(`{"model":"`+c.model+`"`+c.members+`}`), dialect.Route{})
		if err != nil || facts(r) != facts(c.want) {
			t.Errorf("%s%s: %s (%v), want %s", c.model, c.members, facts(r), err, facts(c.want))
		}
		if r.AskUsage.Present() || r.HideUsage {
			t.Errorf("%s%s: usage is asked for although nothing is streamed", c.model, c.members)
		}
	}
}

func edited(body []byte, e dialect.Edit) []byte {
	return append(append(bytes.Clone(body[:e.At.Start]), e.With...), body[e.At.End:]...)
}

// checkAsk holds an edit against its purpose: usage is asked for, and nothing else is different.
func checkAsk(t interface {
	Helper()
	Fatalf(string, ...any)
}, body []byte, r *dialect.Request,
) {
	t.Helper()
	out := edited(body, r.AskUsage)
	var before, after map[string]any
	if err := json.Unmarshal(body, &before); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if err := json.Unmarshal(out, &after); err != nil {
		t.Fatalf("%q became %q: %v", body, out, err)
	}
	options, _ := after["stream_options"].(map[string]any)
	if options["include_usage"] != true {
		t.Fatalf("%q became %q, which does not ask for usage", body, out)
	}
	old, _ := before["stream_options"].(map[string]any)
	delete(options, "include_usage")
	delete(old, "include_usage")
	if len(options)+len(old) > 0 && !reflect.DeepEqual(options, old) {
		t.Fatalf("%q became %q: other options changed", body, out)
	}
	delete(before, "stream_options")
	delete(after, "stream_options")
	if !reflect.DeepEqual(before, after) {
		t.Fatalf("%q became %q: other members changed", body, out)
	}
	// Asked again, there is nothing left to ask for.
	if again, err := (Dialect{}).Request(out, dialect.Route{}); err != nil || again.AskUsage.Present() || again.HideUsage {
		t.Fatalf("%q became %q, for which usage is asked again (%v)", body, out, err)
	}
}

func TestAskUsage(t *testing.T) {
	for _, options := range []string{
		``, `null`, `{}`, `{ }`, `{"include_usage":false}`, `{"include_usage":null}`, `{"include_usage":0}`, `{"include_usage":"true"}`,
		`{"include_usage":{"a":[1,{}]}}`, `{"include_obfuscation":false}`, `{"include_obfuscation":false,"include_usage":false}`,
		`{ "include_usage" : false , "include_obfuscation" : true }`, `{"x":{"include_usage":true}}`, `{"include\u005fusage":false}`, "{\n\t\"x\": 1\n}",
	} {
		for _, shape := range []string{`{"model":"m","stream":true%s}`, `{%s"model":"m","stream":true}`, ` { "model" : "m" , "stream" : true %s } `, `{"stream":true%s,"model":"m","messages":[{"stream_options":{}}]}`} {
			member := ""
			if options != "" {
				member = `"stream_options":` + options
				if strings.Contains(shape, "{%s") {
					member += ","
				} else {
					member = "," + member
				}
			}
			body := fmt.Appendf(nil, shape, member)
			r, err := Dialect{}.Request(body, dialect.Route{})
			if err != nil {
				t.Errorf("%s: %v", body, err)
				continue
			}
			if !r.AskUsage.Present() || !r.HideUsage {
				t.Errorf("%s: usage is not asked for", body)
				continue
			}
			checkAsk(t, body, &r)
		}
	}
}

// Who asks for usage gets it; what cannot be read is left to the provider, whose own words say it best.
func TestAskUsageLeavesAlone(t *testing.T) {
	for _, members := range []string{
		`"stream":true,"stream_options":{"include_usage":true}`, `"stream":true,"stream_options":{"x":1,"include\u005fusage":true}`,
		`"stream":true,"stream_options":[]`, `"stream":true,"stream_options":"x"`, `"stream":true,"stream_options":5`, `"stream":true,"stream_options":{"a" 1}`,
		`"stream":false`, `"stream":false,"stream_options":{}`, `"stream_options":null`,
	} {
		r, err := Dialect{}.Request([]byte(`{"model":"m",`+members+`}`), dialect.Route{})
		if err != nil || r.AskUsage.Present() || r.HideUsage {
			t.Errorf("%s: edit %+v, hide %v, %v", members, r.AskUsage, r.HideUsage, err)
		}
	}
}

func TestOpening(t *testing.T) {
	opening := func(messages string) string {
		body := []byte(`{"model":"m","messages":` + messages + `}`)
		r, err := Dialect{}.Request(body, dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		Dialect{}.Opening(body, &r, &b)
		return b.String()
	}
	base := opening(`[{"role":"system","content":"S"},{"role":"user","content":"a"}]`)
	if longer := opening(`[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"T"},{"role":"user","content":"c"}]`); longer != base {
		t.Errorf("a longer conversation opens with %q, was %q", longer, base)
	}
	for _, other := range []string{
		`[{"role":"system","content":"T"},{"role":"user","content":"a"}]`, `[{"role":"system","content":"S"},{"role":"user","content":"b"}]`,
		`[{"role":"user","content":"a"}]`, `[{"role":"system","content":"Sa"}]`, `[]`, `null`, `{}`,
	} {
		if opening(other) == base {
			t.Errorf("%s opens like another conversation: %q", other, base)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, name := range []string{"request_opencode.json", "request_sdk.json", "request_codex_chat.json", "request_plain.json"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte(`{"model":"m","stream":true,"stream_options":{"include_usage":[]}}`))
	f.Add([]byte(` {"stream_options": {},"stream":true ,"model":"m"} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		r, err := Dialect{}.Request(body, dialect.Route{})
		if err == nil {
			var b bytes.Buffer
			Dialect{}.Opening(body, &r, &b)
			if e := r.AskUsage; e.At.Start < 0 || e.At.End < e.At.Start || e.At.End > len(body) {
				t.Fatalf("%q: the edit %+v", body, e)
			}
			if r.AskUsage.Present() && json.Valid(body) && unambiguous(body) {
				checkAsk(t, body, &r)
			}
		}
		if !bytes.Equal(body, before) {
			t.Fatalf("the body was changed: %q", before)
		}
	})
}

// unambiguous: no name stands twice, so that maps compare what the texts say.
func unambiguous(body []byte) bool {
	seen := map[string]bool{}
	twice := false
	var walk func(b []byte)
	walk = func(b []byte) {
		_ = dialect.Object(b, func(key []byte, v, m dialect.Span) bool {
			name, _ := dialect.Unquote(b[m.Start : m.Start+len(key)+2])
			twice = twice || seen[name]
			seen[name] = true
			if name == "stream_options" {
				walk(v.Of(b))
			}
			return true
		})
	}
	walk(body)
	return !twice
}
