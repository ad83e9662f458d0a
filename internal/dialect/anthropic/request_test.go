package anthropic

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
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

const session = "0f6e3c1a-6a0d-4d3e-9d0c-3c6c2a3f9b10"

// The bodies are shaped as the clients' own, captured from Claude Code 2.1.330, OpenCode
// 1.18.33 and the SDK.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		file    string
		want    dialect.Request // without spans and size
		opening string
	}{
		{
			"request_claude_code.json", dialect.Request{Model: "claude-opus-5-5", Stream: true, MaxTokens: 32000, Effort: dialect.EffortHigh, MetadataSession: session},
			`"You are Claude Code, Anthropic's official CLI for Claude.""Be brief."` + "\x00" + `[{"type":"text","text":"<system-reminder>`,
		},
		{
			"request_claude_code_title.json", dialect.Request{Model: "claude-opus-5-5", Stream: true, MaxTokens: 32000, MetadataSession: session},
			`"Write a title."` + "\x00" + `"Rename a function"`,
		},
		{
			"request_claude_code_old.json", dialect.Request{Model: "claude-sonnet-4-5", Stream: true, MaxTokens: 32000, Effort: dialect.EffortHigh, MetadataSession: session},
			`"You are Claude Code."` + "\x00" + `"hi"`,
		},
		{
			"request_opencode.json", dialect.Request{Model: "claude-sonnet-5", Stream: true, MaxTokens: 8192, Effort: dialect.EffortSome},
			`"You are opencode."` + "\x00" + `[{"type":"text","text":"hello"}]`,
		},
		{
			"request_sdk.json", dialect.Request{Model: "claude-haiku-5", MaxTokens: 1024, MetadataSession: "team-7/anna"},
			"\x00" + `"Hello, world"`,
		},
	} {
		t.Run(c.file, func(t *testing.T) {
			body := golden(t, c.file)
			r, err := Dialect{}.Request(body, dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			var opening bytes.Buffer
			Dialect{}.Opening(body, &r, &opening)
			if !strings.HasPrefix(opening.String(), c.opening) {
				t.Errorf("the opening is %q, want %q", opening.String(), c.opening)
			}
			if r.Size != len(body) || string(r.ModelAt.Of(body)) != `"`+c.want.Model+`"` || !json.Valid(r.Messages.Of(body)) {
				t.Errorf("size %d, model at %s, messages at %v", r.Size, r.ModelAt.Of(body), r.Messages)
			}
			if r.AskUsage.Present() || r.HideUsage {
				t.Error("the protocol states usage unasked; nothing is to be edited")
			}
			if r.InputTokens() != int64(len(body))/4 {
				t.Errorf("%d tokens estimated for %d bytes", r.InputTokens(), len(body))
			}
			if got := facts(r); got != facts(c.want) {
				t.Errorf("got  %s\nwant %s", got, facts(c.want))
			}
		})
	}
}

// facts are what a request says, without where and how long.
func facts(r dialect.Request) string {
	b, _ := json.Marshal([]any{r.Model, r.Stream, r.MaxTokens, r.Effort.String(), r.MetadataSession, r.PromptCacheKey, r.PreviousResponseID})
	return string(b)
}

func TestRequestEffort(t *testing.T) {
	for members, want := range map[string]dialect.Effort{
		``:                                dialect.EffortNone,
		`,"thinking":null`:                dialect.EffortNone,
		`,"thinking":{}`:                  dialect.EffortNone,
		`,"thinking":{"type":"disabled"}`: dialect.EffortNone,
		`,"thinking":{"type":"adaptive"}`: dialect.EffortSome,
		`,"thinking":{"type":"enabled","budget_tokens":15999}`:                dialect.EffortSome,
		`,"thinking":{"type":"enabled","budget_tokens":16000}`:                dialect.EffortHigh,
		`,"thinking":{"type":"\u0065nabled","budget_tokens":16000}`:           dialect.EffortHigh,
		`,"output_config":{"effort":"low"}`:                                   dialect.EffortNone,
		`,"output_config":{"effort":"high"}`:                                  dialect.EffortHigh,
		`,"output_config":{"effort":"xhigh"}`:                                 dialect.EffortHigh,
		`,"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}`:    dialect.EffortHigh,
		`,"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}`: dialect.EffortSome,
	} {
		r, err := Dialect{}.Request([]byte(`{"model":"m"`+members+`}`), dialect.Route{})
		if err != nil || r.Effort != want {
			t.Errorf("%s: %v (%v), want %v", members, r.Effort, err, want)
		}
	}
}

func TestRequestSession(t *testing.T) {
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for _, c := range []struct{ metadata, want string }{
		{`{}`, ""}, {`null`, ""}, {`"x"`, ""}, {`{"user_id":null}`, ""}, {`{"user_id":7}`, ""}, {`{"user_id":""}`, ""},
		{`{"user_id":"anna"}`, "anna"},
		{`{"user_id":"user_3f9a_account__session_abc"}`, "abc"},
		{`{"user_id":"user_3f9a_account__session_"}`, "user_3f9a_account__session_"},
		{`{"user_id":` + quoted(`{"device_id":"d","account_uuid":"","session_id":"abc"}`) + `}`, "abc"},
		{`{"user_id":` + quoted(`{"session_id":"a\"b"}`) + `}`, `a"b`},
		{`{"user_id":` + quoted(`{"device_id":"d"}`) + `}`, `{"device_id":"d"}`},
		{`{"user_id":` + quoted(`{"session_id":""}`) + `}`, `{"session_id":""}`},
		{`{"user_id":` + quoted(`{broken`) + `}`, `{broken`},
	} {
		r, err := Dialect{}.Request([]byte(`{"model":"m","metadata":`+c.metadata+`}`), dialect.Route{})
		if err != nil || r.MetadataSession != c.want {
			t.Errorf("%s: %q (%v), want %q", c.metadata, r.MetadataSession, err, c.want)
		}
	}
}

// Two requests of one session open alike, although the billing block differs between them;
// another prompt or another first message does not.
func TestOpening(t *testing.T) {
	opening := func(system, messages string) string {
		body := []byte(`{"model":"m","system":` + system + `,"messages":` + messages + `}`)
		r, err := Dialect{}.Request(body, dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		Dialect{}.Opening(body, &r, &b)
		return b.String()
	}
	block := func(version string) string {
		return `[{"type":"text","text":"x-anthropic-billing-header: cc_version=` + version + `"},{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}]`
	}
	const first = `[{"role":"user","content":"a"}]`
	base := opening(block("1"), first)
	for name, same := range map[string]string{
		"another billing block": opening(block("2"), first),
		"a longer conversation": opening(block("1"), `[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`),
		"no cache mark":         opening(`[{"type":"text","text":"S"}]`, first),
	} {
		if same != base {
			t.Errorf("%s changes the opening: %q, was %q", name, same, base)
		}
	}
	for name, other := range map[string]string{
		"another prompt": opening(`"T"`, first), "another message": opening(block("1"), `[{"role":"user","content":"b"}]`), "no messages": opening(block("1"), `[]`),
	} {
		if other == base {
			t.Errorf("%s does not change the opening %q", name, base)
		}
	}
	// The border between the two parts is kept.
	if opening(`"ab"`, `[{"role":"user","content":"c"}]`) == opening(`"a"`, `[{"role":"user","content":"bc"}]`) {
		t.Error("the border between prompt and message is lost")
	}
}

func FuzzRequest(f *testing.F) {
	for _, name := range []string{"request_claude_code.json", "request_claude_code_old.json", "request_sdk.json"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte(`{"model":"m","metadata":{"user_id":"{"},"thinking":[],"output_config":"x","system":[1],"messages":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		r, err := Dialect{}.Request(body, dialect.Route{})
		if err == nil {
			var b bytes.Buffer
			Dialect{}.Opening(body, &r, &b)
			if b.Len() > len(body)+1 {
				t.Fatalf("%q: an opening of %d bytes", body, b.Len())
			}
			if s, ok := dialect.Unquote(r.ModelAt.Of(body)); !ok || s != r.Model {
				t.Fatalf("%q: the model %q is not where the request says", body, r.Model)
			}
		}
		if !bytes.Equal(body, before) {
			t.Fatalf("the body was changed: %q", before)
		}
	})
}
