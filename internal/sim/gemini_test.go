package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

const geminiTools = `"tools":[{"functionDeclarations":[{"name":"weather","description":"The weather of a place","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"},"days":{"type":"INTEGER"},"unit":{"enum":["c","f"]}}}}]}]`

const geminiHello = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`

// TestGeminiGolden compares whole answers, headers included, with files.
func TestGeminiGolden(t *testing.T) {
	const g2, g3 = "/v1beta/models/gemini-2.5-flash:", "/v1/models/gemini-3-pro:"
	const stream, json = "streamGenerateContent?alt=sse", "generateContent"
	thinking := func(config string) string {
		return `{"contents":[{"parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":100,"thinkingConfig":` + config + `}}`
	}
	for _, c := range []struct{ name, path, key, body string }{
		{"gemini_json", g2 + json, "sk-sim-n3", geminiHello},
		{"gemini_stream", g2 + stream, "sk-sim-n3", geminiHello},
		{"gemini_array", g2 + "streamGenerateContent", "sk-sim-n2", geminiHello},
		{"gemini_query_key", g2 + json + "?key=sk-sim-n1", "", geminiHello},
		{"gemini_max_tokens", g2 + json, "sk-sim", `{"contents":{"parts":{"text":"hello"}},"generation_config":{"max_output_tokens":"2"}}`},
		{"gemini_thinking_json", g2 + json, "sk-sim-n3", thinking(`{"includeThoughts":true}`)},
		{"gemini_thinking_stream", g3 + stream, "sk-sim-n2-think60000", thinking(`{"include_thoughts":true,"thinking_level":"HIGH"}`)},
		{"gemini_thinking_hidden", g2 + stream, "sk-sim-n2-think60000", thinking(`{"thinkingBudget":50}`)},
		{"gemini_tool_json", g2 + json, "sk-sim", `{` + geminiTools + `,"contents":[{"parts":[{"text":"please use tool weather with {\"city\":\"Olten\"}"}]}]}`},
		{"gemini_tool_stream", g3 + stream, "sk-sim-compose60000", `{` + geminiTools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}},"contents":[{"parts":[{"text":"hello"}]}]}`},
		{"gemini_refusal_stream", g2 + stream, "sk-sim-refusal", geminiHello},
		{"gemini_blocked_json", g2 + json, "sk-sim-refused", geminiHello},
		{"gemini_blocked_stream", g2 + stream, "sk-sim-refused", geminiHello},
		{"gemini_429", g2 + json, "sk-sim-fail429", `{}`},
		{"gemini_429_delay", g2 + stream, "sk-sim-fail429-ram1500", `{}`},
		{"gemini_429_window", g2 + json, "sk-sim-fail429-window90", `{}`},
		{"gemini_quota", g2 + json, "sk-sim-quota", `{}`},
		{"gemini_credit", g2 + json, "sk-sim-credit", `{}`},
		{"gemini_bad_key", g2 + json, "sk-bad-key", `{}`},
		{"gemini_no_key", g2 + json, "", `{}`},
		{"gemini_401", g2 + json, "sk-sim-auth401", `{}`},
		{"gemini_403", g2 + json, "sk-sim-perm403", `{}`},
		{"gemini_404", "/v1beta/models/gemini-nomodel:" + json, "sk-sim", `{}`},
		{"gemini_404_array", "/v1beta/models/gemini-nomodel:streamGenerateContent", "sk-sim", `{}`},
		{"gemini_404_path", "/v1beta/model", "sk-sim", `{}`},
		{"gemini_500", g2 + json, "sk-sim-fail500", `{}`},
		{"gemini_503", g2 + json, "sk-sim-overloaded529", `{}`},
		{"gemini_504", g2 + json, "sk-sim-fail504", `{}`},
		{"gemini_html502", g2 + json, "sk-sim-html502", `{}`},
		{"gemini_ctxlen", g2 + json, "sk-sim-ctxlen", `{}`},
		{"gemini_error_event", g2 + stream, "sk-sim-n2-errevent1", geminiHello},
		{"gemini_error_start", g2 + stream, "sk-sim-n2-errstart-es500", geminiHello},
		{"gemini_error_array", g2 + "streamGenerateContent", "sk-sim-n2-errevent1", geminiHello},
		{"gemini_unknown_member", g2 + json, "sk-sim", `{"contents":[],"generationConfig":{"top_n":1}}`},
		{"gemini_count_tokens", g2 + "countTokens", "sk-sim", `{"generateContentRequest":{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"hello"}]}]}}`},
		{"gemini_embed", "/v1beta/models/gemini-embedding-001:embedContent", "sk-sim", `{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hello"}]}}`},
		{"gemini_embed_batch", "/v1/models/gemini-embedding-001:batchEmbedContents", "sk-sim", `{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hello"}]}},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"bye"}]}}]}`},
		{"gemini_models", "/v1beta/models?pageSize=1000", "sk-sim", ``},
		{"gemini_models_v1", "/v1/models", "sk-sim", ``},
		{"gemini_model_missing", "/v1beta/models/nobody", "sk-sim", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []byte
			synctest.Test(t, func(t *testing.T) {
				method := http.MethodPost
				if c.body == "" {
					method = http.MethodGet
				}
				r := httptest.NewRequest(method, c.path, strings.NewReader(c.body))
				if c.key != "" {
					r.Header.Set("x-goog-api-key", c.key)
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

// geminiHeard is what a client makes of an answer.
type geminiHeard struct {
	status  int
	err     error
	text    string
	finish  string
	blocked bool
	failed  string
	bad     int // chunks that are no JSON
}

func hearGemini(t *testing.T, c *http.Client, url, key string) (h geminiHeard) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, url, strings.NewReader(geminiHello))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-goog-api-key", key)
	resp, err := c.Do(r)
	if err != nil {
		return geminiHeard{err: err}
	}
	defer resp.Body.Close()
	h.status = resp.StatusCode
	body, err := io.ReadAll(resp.Body)
	h.err = err
	type chunk struct {
		Candidates []struct {
			Content      struct{ Parts []struct{ Text string } }
			FinishReason string
		}
		PromptFeedback struct{ BlockReason string }
		Error          struct{ Status string }
	}
	take := func(data []byte) {
		var one chunk
		if json.Unmarshal(data, &one) != nil {
			h.bad++
			return
		}
		h.failed += one.Error.Status
		h.blocked = h.blocked || one.PromptFeedback.BlockReason != ""
		for _, c := range one.Candidates {
			for _, p := range c.Content.Parts {
				h.text += p.Text
			}
			h.finish += c.FinishReason
		}
	}
	switch {
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"):
		lines := bufio.NewScanner(bytes.NewReader(body))
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				take([]byte(data))
			}
		}
	case len(body) > 0 && body[0] == '[':
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil {
			h.bad++
		}
		for _, e := range list {
			take(e)
		}
	default:
		take(body)
	}
	return h
}

// TestGeminiFaults sends a request for every fault over a real connection, as JSON, as events and as an array.
func TestGeminiFaults(t *testing.T) {
	type want struct {
		geminiHeard
		outcome Outcome
	}
	heard := func(o Outcome, h geminiHeard) want { return want{h, o} }
	all := Text(DefaultChunks)
	whole := heard(OK, geminiHeard{status: 200, text: all, finish: "STOP"})
	failed := func(status int, kind string) want { return heard(Failed, geminiHeard{status: status, failed: kind}) }
	cut := heard(Broken, geminiHeard{status: 200, err: io.ErrUnexpectedEOF, bad: 1})
	for _, c := range []struct {
		words               string
		stream, json, array want // json and array: as the stream, where zero
	}{
		{words: "healthy", stream: whole},
		{words: "trickle-gzip-goaway", stream: whole},
		{words: "fail429", stream: failed(429, "RESOURCE_EXHAUSTED")},
		{words: "fail500", stream: failed(500, "INTERNAL")},
		{words: "fail503", stream: failed(503, "UNAVAILABLE")},
		{words: "overloaded529", stream: failed(503, "UNAVAILABLE")},
		{words: "auth401", stream: failed(401, "UNAUTHENTICATED")},
		{words: "perm403", stream: failed(403, "PERMISSION_DENIED")},
		{words: "quota", stream: failed(429, "RESOURCE_EXHAUSTED")},
		{words: "credit", stream: failed(429, "RESOURCE_EXHAUSTED")},
		{words: "unified5h", stream: failed(429, "RESOURCE_EXHAUSTED")},
		{words: "unified7d", stream: failed(429, "RESOURCE_EXHAUSTED")},
		{words: "ctxlen", stream: failed(400, "INVALID_ARGUMENT")},
		{words: "nomodel", stream: failed(404, "NOT_FOUND")},
		{words: "refused", stream: heard(OK, geminiHeard{status: 200, blocked: true})},
		{words: "refusal", stream: heard(OK, geminiHeard{status: 200, text: RefusalText, finish: "SAFETY"})},
		{words: "html502", stream: heard(Failed, geminiHeard{status: 502, bad: 1})},
		{words: "redirect", stream: heard(Failed, geminiHeard{status: 307, bad: 1})},
		{words: "reset", stream: heard(Failed, geminiHeard{err: syscall.ECONNRESET})},
		{words: "eof", stream: heard(Failed, geminiHeard{err: io.EOF})},
		{words: "cut7", stream: heard(Broken, geminiHeard{status: 200, err: io.ErrUnexpectedEOF, text: Text(7)}), json: cut, array: cut},
		{words: "n3-cut40", stream: heard(Broken, geminiHeard{status: 200, err: io.ErrUnexpectedEOF, text: Text(3)}), json: cut, array: cut},
		{
			words: "malformed5", stream: heard(Broken, geminiHeard{status: 200, text: Text(5) + strings.TrimPrefix(all, Text(6)), finish: "STOP", bad: 1}),
			json: heard(Broken, geminiHeard{status: 200, bad: 1}), array: heard(Broken, geminiHeard{status: 200, bad: 1}),
		},
		{words: "errevent", stream: heard(Broken, geminiHeard{status: 200, failed: "UNAVAILABLE"})},
		{words: "errstart", stream: heard(Broken, geminiHeard{status: 200, failed: "UNAVAILABLE"})},
		{
			words: "errevent4-es429", stream: heard(Broken, geminiHeard{status: 200, failed: "RESOURCE_EXHAUSTED", text: Text(4)}),
			json: heard(Broken, geminiHeard{status: 200, failed: "RESOURCE_EXHAUSTED"}),
		},
		{words: "empty", stream: heard(Broken, geminiHeard{status: 200}), json: heard(Broken, geminiHeard{status: 200, bad: 1}), array: heard(Broken, geminiHeard{status: 200, bad: 1})},
		{words: "nofinish", stream: heard(Broken, geminiHeard{status: 200, text: all}), array: heard(Broken, geminiHeard{status: 200, bad: 1})},
		{
			words: "nosentinel", stream: heard(Broken, geminiHeard{status: 200, text: all, finish: "STOP"}), // which this API never has
			json: whole, array: heard(Broken, geminiHeard{status: 200, bad: 1}),
		},
		{
			words: "garbage", stream: heard(Broken, geminiHeard{status: 200, text: all, finish: "STOP", bad: 1}),
			json: whole, array: heard(Broken, geminiHeard{status: 200, bad: 1}),
		},
	} {
		for path, w := range map[string]want{"streamGenerateContent?alt=sse": c.stream, "generateContent": c.json, "streamGenerateContent": c.array} {
			t.Run(c.words+"/"+path, func(t *testing.T) {
				if w == (want{}) {
					w = c.stream
				}
				s := start(t, New(Options{}), ServerOptions{})
				h := hearGemini(t, client(t, s), s.URL()+"/v1beta/models/gemini-2.5-flash:"+path, "sk-sim-"+c.words)
				if !errors.Is(h.err, w.err) {
					t.Errorf("error = %v, want %v", h.err, w.err)
				}
				h.err = w.err
				if h != w.geminiHeard {
					t.Errorf("a client sees\n%+v, want\n%+v", h, w.geminiHeard)
				}
				seen, err := s.Wait(bounded(t), func(s Seen) bool { return !s.End.IsZero() })
				if err != nil {
					t.Fatal(err)
				}
				if seen.Outcome != w.outcome || seen.Model != "gemini-2.5-flash" || seen.Stream != strings.HasPrefix(path, "stream") {
					t.Errorf("seen as %s, %s, stream %v", seen.Outcome, seen.Model, seen.Stream)
				}
			})
		}
	}
}

func TestGeminiValidation(t *testing.T) {
	const user, model = `{"role":"user","parts":[{"text":"hi"}]}`, `{"role":"model","parts":[{"text":"hi"}]}`
	contents := func(c ...string) string { return `{"contents":[` + strings.Join(c, ",") + `]}` }
	call := func(extra string) string {
		return `{"role":"model","parts":[{"functionCall":{"name":"f","args":{"b": 1, "a": "x"}}` + extra + `},{"function_call":{"name":"g"}}]}`
	}
	const responses = `{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"function_response":{"name":"g","response":{}}}]}`
	with := func(rest string) string { return `{"contents":[` + user + `],` + rest + `}` }
	config := func(c string) string { return with(`"generationConfig":{` + c + `}`) }
	const functions = `"tools":[{"functionDeclarations":[{"name":"f"}]}]`
	signed := `,"thoughtSignature":"` + signCall("f", json.RawMessage(`{"a":"x","b":1}`)) + `"`
	const g2, g3, pro = "gemini-2.5-flash", "gemini-3-flash", "gemini-2.5-pro"
	for _, c := range []struct {
		name, model, body string
		status            int
		want              string
	}{
		{"good", g2, contents(user), 200, ""},
		{"ends with the model", g2, contents(user, model), 200, ""},
		{"calls answered", g2, contents(user, call(""), responses), 200, ""},
		{"unsigned call at Gemini 3", g3, contents(user, call(""), responses), 400, "Function call is missing a thought_signature in functionCall parts"},
		{"own signature", g3, contents(user, call(signed), responses), 200, ""},
		{"snake case signature", g3, contents(user, call(strings.Replace(signed, "thoughtSignature", "thought_signature", 1)), responses), 200, ""},
		{"documented dummy", g3, contents(user, call(`,"thoughtSignature":"skip_thought_signature_validator"`), responses), 200, ""},
		{"other dummy", g3, contents(user, call(`,"thoughtSignature":"context_engineering_is_the_way_to_go"`), responses), 200, ""},
		{"foreign signature", g3, contents(user, call(`,"thoughtSignature":"EpwCx"`), responses), 400, "Corrupted thought signature."},
		{"unsigned call of an earlier turn", g3, contents(user, call(""), responses, model, user), 200, ""},
		{"no JSON", g2, `{"contents"`, 400, "Invalid JSON payload received"},
		{"no object", g2, `[]`, 400, "Invalid value"},
		{"no contents", g2, `{}`, 400, "contents is not specified"},
		{"unknown member", g2, with(`"metadata":{}`), 400, `Unknown name "metadata": Cannot find field`},
		{"unknown config", g2, config(`"max_tokens":1`), 400, `Unknown name "max_tokens" at 'generation_config'`},
		{"unknown part", g2, contents(`{"parts":[{"text":"x","cache_control":{}}]}`), 400, `Unknown name "cache_control" at 'contents[0].parts[0]'`},
		{"role", g2, contents(`{"role":"assistant","parts":[{"text":"x"}]}`), 400, "Please use a valid role"},
		{"no parts", g2, contents(`{"role":"user"}`), 400, "parts must not be empty"},
		{"empty part", g2, contents(`{"parts":[{}]}`), 400, "required oneof field 'data'"},
		{"two kinds in a part", g2, contents(`{"parts":[{"text":"x","functionCall":{"name":"f"}}]}`), 400, "required oneof field 'data'"},
		{"one response missing", g2, contents(user, call(""), `{"parts":[{"functionResponse":{"name":"f","response":{}}}]}`), 400, "number of function response parts is equal"},
		{"call not answered", g2, contents(user, call(""), user), 400, "number of function response parts is equal"},
		{"call first", g2, contents(call(""), responses), 400, "function call turn comes immediately after a user turn"},
		{"response of no call", g2, contents(user, model, responses), 400, "function response turn comes immediately after"},
		{"response without a name", g2, contents(user, call(""), `{"parts":[{"functionResponse":{"response":{}}},{"functionResponse":{"name":"g"}}]}`), 400, "Name cannot be empty"},
		{"response is text", g2, contents(user, call(""), `{"parts":[{"functionResponse":{"name":"f","response":"x"}},{"functionResponse":{"name":"g"}}]}`), 400, "Struct"},
		{"arguments are text", g2, contents(user, `{"role":"model","parts":[{"functionCall":{"name":"f","args":"{}"}}]}`), 400, "Struct"},
		{"function name", g2, with(`"tools":[{"functionDeclarations":[{"name":"1 x"}]}]`), 400, "Invalid function name"},
		{"JSON schema", g2, with(`"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","additionalProperties":false,"$schema":"x"}}]}]`), 200, ""},
		{"JSON schema as OpenAPI", g2, with(`"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"object","additionalProperties":false}}]}]`), 400, `Unknown name "additionalProperties"`},
		{"both schemas", g2, with(`"tools":[{"functionDeclarations":[{"name":"f","parameters":{},"parametersJsonSchema":{}}]}]`), 400, "mutually exclusive"},
		{"search beside functions", g2, with(`"tools":[{"functionDeclarations":[{"name":"f"}]},{"googleSearch":{}}]`), 400, "Tool use with function calling is unsupported"},
		{"search alone", g2, with(`"tools":[{"googleSearch":{}}]`), 200, ""},
		{"search beside functions at Gemini 3", g3, with(`"tools":[{"functionDeclarations":[{"name":"f"}]},{"googleSearch":{}}]`), 200, ""},
		{"allowed names", g2, with(functions + `,"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}`), 400, "allowed_function_names is set while mode is not ANY"},
		{"mode", g2, with(functions + `,"toolConfig":{"functionCallingConfig":{"mode":"MUST"}}`), 400, "Invalid value"},
		{"JSON beside functions", g2, with(functions + `,"generationConfig":{"responseMimeType":"application/json"}`), 400, "Function calling with a response mime type"},
		{"JSON beside functions at Gemini 3", g3, with(functions + `,"generationConfig":{"responseMimeType":"application/json"}`), 200, ""},
		{"schema without a type", g2, config(`"responseJsonSchema":{}`), 400, "only allowed when response_mime_type"},
		{"penalty", g2, config(`"presencePenalty":0.5`), 400, "Penalty is not enabled"},
		{"no penalty", g2, config(`"presencePenalty":0`), 200, ""},
		{"temperature", g2, config(`"temperature":2.5`), 400, "temperature must be in the range"},
		{"stops", g2, config(`"stopSequences":["1","2","3","4","5","6"]`), 400, "at most 5"},
		{"level at 2.5", g2, config(`"thinkingConfig":{"thinkingLevel":"LOW"}`), 400, "Thinking level is not supported"},
		{"level and budget", g3, config(`"thinkingConfig":{"thinkingLevel":"LOW","thinkingBudget":100}`), 400, "only one of thinking budget and thinking level"},
		{"no thinking at pro", pro, config(`"thinkingConfig":{"thinkingBudget":0}`), 400, "only works in thinking mode"},
		{"no thinking", g2, config(`"thinkingConfig":{"thinkingBudget":0}`), 200, ""},
		{"large budget", g2, config(`"thinkingConfig":{"thinkingBudget":30000}`), 400, "is invalid"},
		{"budget over the limit", g2, config(`"maxOutputTokens":100,"thinkingConfig":{"thinkingBudget":200}`), 400, "must be greater than the thinking budget"},
		{"minimal at pro", "gemini-3-pro", config(`"thinkingConfig":{"thinkingLevel":"minimal"}`), 400, "MINIMAL is not supported"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1beta/models/"+c.model+":generateContent", strings.NewReader(c.body))
		r.Header.Set("x-goog-api-key", "sk")
		w := httptest.NewRecorder()
		New(Options{}).ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v1beta/models/m:batchEmbedContents", strings.NewReader(`{"requests":[{"model":"models/other","content":{"parts":[{"text":"x"}]}}]}`))
	r.Header.Set("x-goog-api-key", "sk")
	w := httptest.NewRecorder()
	if New(Options{}).ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("another model in the body: %d %s", w.Code, w.Body)
	}
}

// Whose API a request means, by its path and its key.
func TestGeminiPaths(t *testing.T) {
	for _, c := range []struct {
		method, path, header string
		want                 format
	}{
		{"POST", "/v1beta/models/m:generateContent", "", gemini},
		{"POST", "/v1/models/m:generateContent", "", gemini},
		{"POST", "/v1beta/tunedModels/m:generateContent", "", gemini},
		{"GET", "/v1beta/models", "", gemini},
		{"GET", "/v1/models", "", openai},
		{"GET", "/v1/models", "x-goog-api-key", gemini},
		{"GET", "/v1/models?key=k", "", gemini},
		{"GET", "/v1/models", "anthropic-version", anthropic},
		{"GET", "/v1/models", "x-api-key", anthropic},
		{"POST", "/v1/chat/completions", "x-goog-api-key", openai},
		{"POST", "/v1/messages", "x-goog-api-key", anthropic},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.header != "" {
			r.Header.Set(c.header, "k")
		}
		if got := formatOf(r); got != c.want {
			t.Errorf("%s %s with %q is %d, want %d", c.method, c.path, c.header, got, c.want)
		}
	}
}

// The same prompt again is read from the cache, and figures add up.
func TestGeminiCache(t *testing.T) {
	p := New(Options{})
	body := fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, strings.Repeat("a long prompt ", 1000))
	for i := range 2 {
		r := httptest.NewRequest(http.MethodPost, "/v1beta/models/gemini-2.5-flash:generateContent", strings.NewReader(body))
		r.Header.Set("x-goog-api-key", "sk-sim-n4")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		var doc struct{ UsageMetadata geminiUsage }
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		u := doc.UsageMetadata
		if (u.Cached > 1024) != (i == 1) || u.Total != u.Prompt+u.Candidates+u.Thoughts || u.Candidates != 4 {
			t.Errorf("request %d: %+v", i+1, u)
		}
	}
}
