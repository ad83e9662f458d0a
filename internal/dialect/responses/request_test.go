package responses

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// The bodies are shaped as the clients' own: Codex 0.169.0 (captured), OpenCode 1.18.33 and the SDK.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		file    string
		want    dialect.Request // without spans and size
		opening string
	}{
		{
			"request_codex.json", dialect.Request{Model: "gpt-5.4", Stream: true, Effort: dialect.EffortSome, PromptCacheKey: "01a214a6-7544-76e0-8231-3d3a50d7dfaa"},
			`"You are a coding agent|"<skills_instructions>|"say hello"`,
		},
		{
			"request_opencode.json", dialect.Request{Model: "gpt-5.5", Stream: true, MaxTokens: 32000, Effort: dialect.EffortSome, PromptCacheKey: "ses_57c0"},
			"\"You are opencode.\"\x00|List the files|",
		},
		{"request_sdk.json", dialect.Request{Model: "gpt-4o", PreviousResponseID: "resp_1"}, "\"Talk like a pirate.\"\x00|\"Are semicolons optional in JavaScript?\"\x00"},
		{"request_media.json", dialect.Request{Model: "gpt-4.1", MaxTokens: 64}, "what is it?"},
	} {
		t.Run(c.file, func(t *testing.T) {
			body := golden(t, c.file)
			r, err := Dialect{}.Request(body, dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			var opening bytes.Buffer
			Dialect{}.Opening(body, &r, &opening)
			rest := opening.String()
			for _, part := range strings.Split(c.opening, "|") {
				i := strings.Index(rest, part)
				if i < 0 {
					t.Fatalf("the opening %q lacks %q, in order", opening.String(), part)
				}
				rest = rest[i+len(part):]
			}
			if strings.Contains(opening.String(), "environment_context") || strings.Contains(opening.String(), "and now?") || strings.Contains(opening.String(), "msg_") {
				t.Errorf("the opening %q holds what changes", opening.String())
			}
			if r.Size != len(body) || string(r.ModelAt.Of(body)) != `"`+c.want.Model+`"` {
				t.Errorf("size %d, model at %s", r.Size, r.ModelAt.Of(body))
			}
			if r.AskUsage.Present() || r.HideUsage {
				t.Error("asks for usage, which always comes")
			}
			r.ModelAt, r.Messages, r.System, r.Size = dialect.Span{}, dialect.Span{}, dialect.Span{}, 0
			if r.Model != c.want.Model || r.Stream != c.want.Stream || r.MaxTokens != c.want.MaxTokens || r.Effort != c.want.Effort ||
				r.PromptCacheKey != c.want.PromptCacheKey || r.PreviousResponseID != c.want.PreviousResponseID {
				t.Errorf("%+v, want %+v", r, c.want)
			}
		})
	}
}

func TestEffort(t *testing.T) {
	for _, c := range []struct {
		members string
		want    dialect.Effort
	}{
		{`"model":"gpt-4o"`, dialect.EffortNone},
		{`"model":"gpt-5-chat-latest"`, dialect.EffortNone},
		{`"model":"gpt-5"`, dialect.EffortSome},
		{`"model":"o3"`, dialect.EffortSome},
		{`"model":"openai/gpt-oss-120b"`, dialect.EffortSome},
		{`"model":"gpt-4o","reasoning":{"effort":"low"}`, dialect.EffortSome},
		{`"model":"gpt-5","reasoning":{"effort":"none"}`, dialect.EffortNone},
		{`"model":"gpt-5","reasoning":{"effort":"minimal"}`, dialect.EffortNone},
		{`"model":"gpt-5","reasoning":{"effort":null,"summary":"auto"}`, dialect.EffortSome},
		{`"model":"gpt-5","reasoning":{"effort":"high"}`, dialect.EffortHigh},
		{`"model":"gpt-5","reasoning":{"effort":"xhigh"}`, dialect.EffortHigh},
		{`"model":"gpt-5","reasoning":{"effort":"max"}`, dialect.EffortHigh},
		{`"model":"gpt-5","reasoning":null`, dialect.EffortSome},
	} {
		r, err := Dialect{}.Request([]byte("{"+c.members+"}"), dialect.Route{})
		if err != nil || r.Effort != c.want {
			t.Errorf("%s: effort %v, want %v (%v)", c.members, r.Effort, c.want, err)
		}
	}
}

// The same conversation has the same opening, however it goes on; another one has another.
func TestOpening(t *testing.T) {
	opening := func(body string) string {
		r, err := Dialect{}.Request([]byte(body), dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		Dialect{}.Opening([]byte(body), &r, &b)
		return b.String()
	}
	const first = `{"model":"m","instructions":"i","input":[{"type":"message","id":"msg_1","role":"user","content":[{"type":"input_text","text":"<environment_context>\n 2026-11-25"}]},{"role":"user","content":"hello"}`
	a := opening(first + `]}`)
	for _, same := range []string{
		first + `,{"role":"assistant","content":"hi"},{"role":"user","content":"more"}]}`,
		strings.NewReplacer("11-25", "11-26", "msg_1", "msg_2").Replace(first) + `]}`,
		strings.Replace(first, `"input_text",`, `"input_text", `, 1) + `]}`,
	} {
		if b := opening(same); a != b {
			t.Errorf("%q and %q for one conversation", a, b)
		}
	}
	for _, other := range []string{
		strings.Replace(first, `"hello"`, `"hallo"`, 1) + `]}`, strings.Replace(first, `"i"`, `"j"`, 1) + `]}`,
		`{"model":"m","input":[]}`, `{"model":"m"}`,
	} {
		if b := opening(other); a == b {
			t.Errorf("%q for two conversations", a)
		}
	}
}

func TestRequestRefused(t *testing.T) {
	for _, body := range []string{``, `[]`, `{"input":"x"}`, `{"model":7}`, `{"model":"m","model":"n"}`, `{"model":"m","stream":"yes"}`, `{"model":"m","Stream":true}`} {
		_, err := Dialect{}.Request([]byte(body), dialect.Route{})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Message == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}
