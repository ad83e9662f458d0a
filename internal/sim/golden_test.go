package sim

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const tools = `"tools":[{"name":"weather","description":"The weather of a place","input_schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}}}}]`
const chatTools = `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}}}}}]`

// TestGolden compares whole answers, headers included, with files. It runs in a
// bubble whose clock stands at the beginning of 2000.
func TestGolden(t *testing.T) {
	const a, o = "/v1/messages", "/v1/chat/completions"
	for _, c := range []struct{ name, path, key, body string }{
		{"anthropic_json", a, "sk-sim-n3", `{"model":"claude-sim-1","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_stream", a + "?beta=true", "sk-sim-n3", `{"model":"claude-sim-1","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_max_tokens", a, "sk-sim", `{"model":"claude-sim-1","max_tokens":2,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_thinking_json", a, "sk-sim-n3", `{"model":"claude-sim-1","max_tokens":100,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_thinking_stream", a, "sk-sim-n3-think60000", `{"model":"claude-sim-1","max_tokens":100,"stream":true,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_thinking_omitted", a, "sk-sim-n3", `{"model":"claude-sim-1","max_tokens":100,"stream":true,"thinking":{"type":"adaptive","display":"omitted"},"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_tool_json", a, "sk-sim", `{"model":"claude-sim-1","max_tokens":100,` + tools + `,"messages":[{"role":"user","content":"use tool weather"}]}`},
		{"anthropic_tool_stream", a, "sk-sim", `{"model":"claude-sim-1","max_tokens":100,"stream":true,` + tools + `,"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_refusal", a, "sk-sim-refusal", `{"model":"claude-sim-1","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_unified", a, "sk-sim-n1-unified85", `{"model":"claude-sim-1","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_429", a, "sk-sim-fail429", `{}`},
		{"anthropic_429_retry_after", a, "sk-sim-fail429-ram1500", `{}`},
		{"anthropic_429_date", a, "sk-sim-fail429-rad90", `{}`},
		{"anthropic_429_window", a, "sk-sim-fail429-window30", `{}`},
		{"anthropic_429_unified5h", a, "sk-sim-unified5h", `{}`},
		{"anthropic_429_unified7d", a, "sk-sim-unified7d3600", `{}`},
		{"anthropic_401", a, "sk-bad-key", `{}`},
		{"anthropic_403", a, "sk-sim-perm403", `{}`},
		{"anthropic_404", a, "sk-sim", `{"model":"claude-nomodel"}`},
		{"anthropic_529", a, "sk-sim-overloaded529", `{}`},
		{"anthropic_credit", a, "sk-sim-credit", `{}`},
		{"anthropic_quota", a, "sk-sim-quota", `{}`},
		{"anthropic_ctxlen", a, "sk-sim-ctxlen", `{}`},
		{"anthropic_error_event", a, "sk-sim-n2-errevent1", `{"model":"claude-sim-1","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_malformed", a, "sk-sim-n2-malformed1", `{"model":"claude-sim-1","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_count_tokens", a + "/count_tokens", "sk-sim", `{"model":"claude-sim-1","messages":[{"role":"user","content":"hello"}]}`},
		{"anthropic_models", "/v1/models", "sk-sim", ``},
		{"openai_json", o, "sk-sim-n3", `{"model":"gpt-sim-1","messages":[{"role":"user","content":"hello"}]}`},
		{"openai_stream", o, "sk-sim-n3", `{"model":"gpt-sim-1","stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_stream_usage", o, "sk-sim-n3", `{"model":"gpt-sim-1","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_reasoning", o, "sk-sim-n3-think60000", `{"model":"gpt-sim-1","reasoning_effort":"high","max_completion_tokens":10,"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_tool_json", o, "sk-sim", `{"model":"gpt-sim-1",` + chatTools + `,"messages":[{"role":"user","content":[{"type":"text","text":"please use tool weather with {\"city\":\"Olten\"}"}]}]}`},
		{"openai_tool_stream", o, "sk-sim", `{"model":"gpt-sim-1","stream":true,` + chatTools + `,"tool_choice":{"type":"function","function":{"name":"weather"}},"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_refusal_stream", o, "sk-sim-refusal", `{"model":"gpt-sim-1","stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_429", o, "sk-sim-fail429", `{"model":"gpt-sim-1"}`},
		{"openai_429_retry_after", o, "sk-sim-fail429-ram1500", `{"model":"gpt-sim-1"}`},
		{"openai_429_window", o, "sk-sim-fail429-window90", `{"model":"gpt-sim-1"}`},
		{"openai_quota", o, "sk-sim-quota", `{}`},
		{"openai_401", o, "sk-bad-key-0123456789abcdef", `{}`},
		{"openai_403", o, "sk-sim-perm403", `{"model":"gpt-sim-1"}`},
		{"openai_404", o, "sk-sim", `{"model":"gpt-nomodel"}`},
		{"openai_500", o, "sk-sim-fail500", `{}`},
		{"openai_503", o, "sk-sim-fail503", `{}`},
		{"openai_html502", o, "sk-sim-html502", `{}`},
		{"openai_ctxlen", o, "sk-sim-ctxlen", `{}`},
		{"openai_error_event", o, "sk-sim-n2-errevent1", `{"model":"gpt-sim-1","stream":true,"messages":[{"role":"user","content":"hello"}]}`},
		{"openai_models", "/v1/models", "sk-sim", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []byte
			synctest.Test(t, func(t *testing.T) {
				method := http.MethodPost
				if c.body == "" {
					method = http.MethodGet
				}
				r := httptest.NewRequest(method, c.path, strings.NewReader(c.body))
				if strings.HasPrefix(c.name, "anthropic") {
					r.Header.Set("anthropic-version", "2026-10-21")
					r.Header.Set("x-api-key", c.key)
				} else {
					r.Header.Set("Authorization", "Bearer "+c.key)
				}
				w := httptest.NewRecorder()
				New(Options{}).ServeHTTP(w, r)
				got = printAnswer(w)
			})
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v (run with -update to write it)", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs from %s (run with -update if that is meant); got\n%s", file, got)
			}
		})
	}
}

func printAnswer(w *httptest.ResponseRecorder) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", w.Code)
	var lines []string
	for name, values := range w.Header() {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	fmt.Fprintf(&b, "%s\n\n", strings.Join(lines, "\n"))
	b.Write(w.Body.Bytes())
	return b.Bytes()
}
