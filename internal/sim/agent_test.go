package sim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAgents: requests as coding agents put them make the simulation call a tool: instructions stand behind the
// user's words (Claude Code since Opus 5.5, and what other dialects make of it), or the tools stand in the conversation
// (Codex since GPT-6).
func TestAgents(t *testing.T) {
	const user = `{"role":"user","content":"use tool look with {\"a\":1}"}`
	const amid = `"messages":[` + user + `,{"role":"system","content":"Be brief."}]}`
	turns := func(r *http.Request) { r.Header.Set("anthropic-beta", "per-turn-control-2026-07-01") }
	for _, c := range []struct {
		name string
		f    format
		body string
		head func(*http.Request)
		want string
	}{
		{"instructions amid, Anthropic", anthropic, `{"model":"m","max_tokens":99,"tools":[{"name":"look","input_schema":{"type":"object"}}],` + amid, turns, `"input":{"a":1}`},
		{"instructions amid, without their beta", anthropic, `{"model":"m","max_tokens":99,` + amid, func(*http.Request) {}, "messages.1.role"},
		{"instructions amid, Chat", openai, `{"model":"m","tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}],` + amid, func(*http.Request) {}, `{\"a\":1}`},
		{
			"tools in the conversation", responses,
			`{"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"functions","description":"","tools":[{"type":"custom","name":"exec"}]}]},` +
				`{"role":"user","content":"use tool functions.exec with {\"input\":\"text(1)\"}"}]}`,
			func(*http.Request) {},
			`"input":"text(1)"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t.Context(), t, "http://sim", c.f, "sk-sim", c.body)
			c.head(r)
			w := httptest.NewRecorder()
			New(Options{}).ServeHTTP(w, r)
			if got := w.Body.String(); !strings.Contains(got, c.want) {
				t.Errorf("%d without %s: %s", w.Code, c.want, got)
			}
		})
	}
}
