package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const responsesTools = `"tools":[{"type":"function","name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}}},"strict":false},` +
	`{"type":"namespace","name":"agents","description":"Agents","tools":[{"type":"function","name":"close","parameters":{"type":"object","properties":{"id":{"type":"string"}}}}]},{"type":"custom","name":"patch"},{"type":"web_search"}]`

const responsesHello = `{"model":"gpt-sim-1","input":"hello"}`

// asked puts members before those of a request.
func asked(members string) string { return strings.Replace(responsesHello, `{`, `{`+members+`,`, 1) }

// respond1 sends one request in process.
func respond1(p *Provider, method, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// TestResponsesGolden compares whole answers, headers included, with files.
func TestResponsesGolden(t *testing.T) {
	const stream, thinking = `"stream":true`, `"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"],"store":false`
	use := func(tool string) string {
		return strings.Replace(asked(stream+","+responsesTools), `"hello"`, `[{"role":"user","content":[{"type":"input_text","text":"please use tool `+tool+`"}]}]`, 1)
	}
	for _, c := range []struct{ name, path, key, body string }{
		{"responses_json", "", "sk-sim-n3", responsesHello},
		{"responses_stream", "", "sk-sim-n3", asked(stream)},
		{"responses_stream_plain", "", "sk-sim-n2", asked(stream + `,"stream_options":{"include_obfuscation":false},"instructions":"Be brief.","temperature":0.5,"max_output_tokens":100,"metadata":{"k":"v"}`)},
		{"responses_incomplete", "", "sk-sim", asked(stream + `,"max_output_tokens":16`)},
		{"responses_thinking_json", "", "sk-sim-n3", asked(thinking)},
		{"responses_thinking_stream", "", "sk-sim-n3-think160000", asked(stream + "," + thinking)},
		{"responses_thinking_hidden", "", "sk-sim-n3", asked(stream + `,"reasoning":{"effort":"high"}`)},
		{"responses_tool_stream", "", "sk-sim", use(`weather with {\"city\":\"Olten\"} and use tool agents.close and use tool patch`)},
		{"responses_tool_json", "", "sk-sim", strings.Replace(use("weather"), stream+",", "", 1)},
		{"responses_refusal_stream", "", "sk-sim-refusal", asked(stream)},
		{"responses_refusal_json", "", "sk-sim-refusal", responsesHello},
		{"responses_background", "", "sk-sim", asked(`"background":true`)},
		{"responses_input_tokens", "/input_tokens", "sk-sim", responsesHello},
		{"responses_compact", "/compact", "sk-sim", responsesHello},
		{"responses_429_retry_after", "", "sk-sim-fail429-ram1500", responsesHello},
		{"responses_quota", "", "sk-sim-quota", `{}`},
		{"responses_ctxlen", "", "sk-sim-ctxlen", responsesHello},
		{"responses_error_event", "", "sk-sim-n2-errevent1", asked(stream)},
		{"responses_error_start", "", "sk-sim-n2-errstart-es429", asked(stream)},
		{"responses_error_first", "", "sk-sim-errevent", asked(stream)},
		{"responses_error_json", "", "sk-sim-errevent", responsesHello},
		{"responses_404", "/resp_none", "sk-sim", ``},
		{"responses_path", "/resp_none/x", "sk-sim", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []byte
			synctest.Test(t, func(t *testing.T) {
				method := http.MethodPost
				if c.body == "" {
					method = http.MethodGet
				}
				got = printAnswer(respond1(New(Options{}), method, "/v1/responses"+c.path, c.key, c.body))
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

// responsesHeard is what a client makes of an answer.
type responsesHeard struct {
	status int
	err    error
	text   string
	end    string // the status of the last response
	failed string // codes of errors, each once
	bad    int    // events that are no JSON
}

func hearResponses(t *testing.T, c *http.Client, url, key, body string) (h responsesHeard) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := c.Do(r)
	if err != nil {
		return responsesHeard{err: err}
	}
	defer resp.Body.Close()
	h.status = resp.StatusCode
	all, err := io.ReadAll(resp.Body)
	h.err = err
	type response struct {
		Status string
		Error  struct{ Code, Type string }
		Output []struct {
			Content []struct{ Text, Refusal string }
		}
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		var one response
		if json.Unmarshal(all, &one) != nil {
			h.bad++
		}
		if h.end, h.failed = one.Status, one.Error.Code; h.failed == "" {
			h.failed = one.Error.Type
		}
		for _, it := range one.Output {
			for _, p := range it.Content {
				h.text += p.Text + p.Refusal
			}
		}
		return h
	}
	lines := bufio.NewScanner(bytes.NewReader(all))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var ev struct {
			Type, Delta string
			Error       struct{ Code string }
			Response    response
		}
		if json.Unmarshal([]byte(data), &ev) != nil {
			h.bad++
			continue
		}
		switch ev.Type {
		case "response.output_text.delta", "response.refusal.delta":
			h.text += ev.Delta
		case "response.completed", "response.incomplete":
			h.end = ev.Response.Status
		case "error":
			h.failed = ev.Error.Code
		case "response.failed":
			h.end = ev.Response.Status
			if ev.Response.Error.Code != h.failed {
				h.failed += " and " + ev.Response.Error.Code
			}
		}
	}
	return h
}

// TestResponsesFaults sends a request for every fault over a real connection, as JSON and as a stream.
func TestResponsesFaults(t *testing.T) {
	type want struct {
		responsesHeard
		outcome Outcome
	}
	heard := func(o Outcome, h responsesHeard) want { return want{h, o} }
	all := Text(DefaultChunks)
	whole := heard(OK, responsesHeard{status: 200, text: all, end: "completed"})
	failed := func(status int, code string) want { return heard(Failed, responsesHeard{status: status, failed: code}) }
	cut := heard(Broken, responsesHeard{status: 200, err: io.ErrUnexpectedEOF, bad: 1})
	for _, c := range []struct {
		words        string
		stream, json want // json: as the stream, where zero
	}{
		{words: "healthy", stream: whole},
		{words: "trickle-gzip-goaway", stream: whole},
		{words: "fail429", stream: failed(429, "rate_limit_exceeded")},
		{words: "fail500", stream: failed(500, "server_error")},
		{words: "fail503", stream: failed(503, "server_error")},
		{words: "overloaded529", stream: failed(529, "server_error")},
		{words: "auth401", stream: failed(401, "invalid_api_key")},
		{words: "perm403", stream: failed(403, "model_not_found")},
		{words: "quota", stream: failed(429, "insufficient_quota")},
		{words: "credit", stream: failed(429, "billing_not_active")},
		{words: "unified5h", stream: failed(429, "rate_limit_exceeded")},
		{words: "unified7d", stream: failed(429, "rate_limit_exceeded")},
		{words: "ctxlen", stream: failed(400, "context_length_exceeded")},
		{words: "refused", stream: failed(400, "invalid_prompt")},
		{words: "nomodel", stream: failed(404, "model_not_found")},
		{words: "refusal", stream: heard(OK, responsesHeard{status: 200, text: RefusalText, end: "completed"})},
		{words: "html502", stream: heard(Failed, responsesHeard{status: 502, bad: 1})},
		{words: "redirect", stream: heard(Failed, responsesHeard{status: 307, bad: 1})},
		{words: "reset", stream: heard(Failed, responsesHeard{err: syscall.ECONNRESET})},
		{words: "eof", stream: heard(Failed, responsesHeard{err: io.EOF})},
		{words: "cut7", stream: heard(Broken, responsesHeard{status: 200, err: io.ErrUnexpectedEOF, text: Text(7)}), json: cut},
		{words: "n3-cut40", stream: heard(Broken, responsesHeard{status: 200, err: io.ErrUnexpectedEOF, text: Text(3)}), json: cut},
		{
			words: "malformed5", stream: heard(Broken, responsesHeard{status: 200, text: Text(5) + strings.TrimPrefix(all, Text(6)), end: "completed", bad: 1}),
			json: heard(Broken, responsesHeard{status: 200, bad: 1}),
		},
		{words: "errevent", stream: heard(Broken, responsesHeard{status: 200, end: "failed", failed: "server_error"})},
		{words: "errstart", stream: heard(Broken, responsesHeard{status: 200, end: "failed", failed: "server_error"})},
		{
			words: "errevent4-es429", stream: heard(Broken, responsesHeard{status: 200, end: "failed", failed: "rate_limit_exceeded", text: Text(4)}),
			json: heard(Broken, responsesHeard{status: 200, end: "failed", failed: "rate_limit_exceeded"}),
		},
		{words: "empty", stream: heard(Broken, responsesHeard{status: 200}), json: heard(Broken, responsesHeard{status: 200, bad: 1})},
		{words: "nofinish", stream: heard(Broken, responsesHeard{status: 200, text: all}), json: heard(Broken, responsesHeard{status: 200, text: all, end: "in_progress"})},
		{words: "nosentinel", stream: heard(Broken, responsesHeard{status: 200, text: all, end: "completed"}), json: whole}, // which this API never has
		{words: "garbage", stream: heard(Broken, responsesHeard{status: 200, text: all, end: "completed", bad: 1}), json: whole},
	} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/stream=%t", c.words, stream), func(t *testing.T) {
				w := c.stream
				if !stream && c.json != (want{}) {
					w = c.json
				}
				s := start(t, New(Options{}), ServerOptions{})
				h := hearResponses(t, client(t, s), s.URL()+"/v1/responses", "sk-sim-"+c.words, asked(fmt.Sprintf(`"stream":%t`, stream)))
				if !errors.Is(h.err, w.err) {
					t.Errorf("error = %v, want %v", h.err, w.err)
				}
				h.err = w.err
				if h != w.responsesHeard {
					t.Errorf("a client sees\n%+v, want\n%+v", h, w.responsesHeard)
				}
				seen, err := s.Wait(bounded(t), func(s Seen) bool { return !s.End.IsZero() })
				if err != nil {
					t.Fatal(err)
				}
				if seen.Outcome != w.outcome || seen.Model != "gpt-sim-1" || seen.Stream != stream || seen.Key != "sk-sim-"+c.words {
					t.Errorf("seen as %s, %s, stream %v", seen.Outcome, seen.Model, seen.Stream)
				}
			})
		}
	}
}

// TestResponsesSilence: the client leaves a silent provider, which notices.
func TestResponsesSilence(t *testing.T) {
	for words, events := range map[string]int{"stall3": 3, "openend": DefaultChunks, "hang": 0, "think999999999": 0, "d999999999": 1} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			p := New(Options{})
			func() {
				defer func() { _ = recover() }() // http.ErrAbortHandler
				p.ServeHTTP(httptest.NewRecorder(), request(ctx, t, "http://sim", responses, "sk-"+words, asked(`"stream":true`)))
			}()
			if seen := p.Requests()[0]; seen.Outcome != Aborted || seen.Events != events {
				t.Errorf("%s: ended as %s after %d events", words, seen.Outcome, seen.Events)
			}
		})
	}
}

// TestResponsesTimes: long silences hold events that mean nothing, and are numbered like all others.
func TestResponsesTimes(t *testing.T) {
	for _, c := range []struct{ words, members, writes string }{
		{"n2-d40", ``, "created@0s in_progress@0s item.added@0s part.added@0s text.delta@0s text.delta@40ms text.done@40ms part.done@40ms item.done@40ms completed@40ms"},
		{"n1-think40000", ``, "created@0s in_progress@0s keepalive@15s keepalive@30s item.added@40s part.added@40s text.delta@40s text.done@40s part.done@40s item.done@40s completed@40s"},
		{
			"n1-think80000-ping6000", `,"reasoning":{"effort":"low"}`,
			"created@0s in_progress@0s item.added@0s keepalive@6s keepalive@16s keepalive@26s keepalive@36s keepalive@46s keepalive@56s keepalive@1m6s keepalive@1m16s item.done@1m20s " +
				"item.added@1m20s part.added@1m20s text.delta@1m20s text.done@1m20s part.done@1m20s item.done@1m20s completed@1m20s",
		},
		{
			"compose20000-frag99", `,"tool_choice":"required",` + responsesTools,
			"created@0s in_progress@0s item.added@0s keepalive@15s arguments.delta@20s arguments.done@20s item.done@20s completed@20s",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
			New(Options{}).ServeHTTP(w, request(t.Context(), t, "http://sim", responses, "sk-"+c.words, asked(`"stream":true`+c.members)))
			got := strings.NewReplacer("response.", "", "output_item", "item", "content_part", "part", "output_text", "text", "function_call_", "").Replace(strings.Join(w.writes, " "))
			if got != c.writes {
				t.Errorf("%s: writes\n%s, want\n%s", c.words, got, c.writes)
			}
			checkResponses(t, c.words, w.Body.Bytes())
		})
	}
}

// checkResponses holds a stream against what the SDKs insist on: numbers without gaps, items that are announced
// and done in turn, and a last response that holds what was done.
func checkResponses(t *testing.T, name string, stream []byte) {
	t.Helper()
	next, done := 0, []any{}
	open := -1
	for _, block := range strings.Split(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		head, data, _ := strings.Cut(block, "\ndata: ")
		var ev map[string]any
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			t.Fatalf("%s: %v in %q", name, err, block)
		}
		if ev["sequence_number"] != float64(next) || "event: "+ev["type"].(string) != head {
			t.Errorf("%s: event %d is %s", name, next, block)
		}
		next++
		switch index, _ := ev["output_index"].(float64); ev["type"] {
		case "response.output_item.added":
			if open >= 0 || int(index) != len(done) {
				t.Errorf("%s: item %v is announced inside another one", name, index)
			}
			open = int(index)
		case "response.output_item.done":
			if open != int(index) {
				t.Errorf("%s: item %v is done and was not announced", name, index)
			}
			open, done = -1, append(done, ev["item"])
		case "response.completed", "response.incomplete":
			if output := ev["response"].(map[string]any)["output"]; !reflect.DeepEqual(output, any(done)) {
				t.Errorf("%s: the last response says\n%v, the events\n%v", name, output, done)
			}
		default:
			if _, has := ev["output_index"]; has && int(index) != open {
				t.Errorf("%s: %s outside of its item", name, block)
			}
		}
	}
}

func TestResponsesOrder(t *testing.T) {
	for _, words := range []string{"n0", "n3", "refusal", "frag1-args50", "think70000"} {
		for _, members := range []string{`"stream":true`, `"stream":true,"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]`, `"stream":true,"tool_choice":"required",` + responsesTools} {
			synctest.Test(t, func(t *testing.T) {
				checkResponses(t, words, respond1(New(Options{}), http.MethodPost, "/v1/responses", "sk-"+words, asked(members)).Body.Bytes())
			})
		}
	}
}

func TestResponsesValidation(t *testing.T) {
	const user, said = `{"role":"user","content":"hi"}`, `{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"x"}]}`
	const call, output = `{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}`, `{"type":"function_call_output","call_id":"c1","output":"1"}`
	input := func(items ...string) string { return `{"model":"m","input":[` + strings.Join(items, ",") + `]}` }
	with := func(rest string) string { return `{"model":"m","input":"hi",` + rest + `}` }
	model := func(name, rest string) string { return `{"model":"` + name + `","input":"hi",` + rest + `}` }
	thought := `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"` + sealThought("acme", "rs_1") + `"}`
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"good", with(`"stream":false`), 200, ""},
		{"null is left out", with(`"store":null,"temperature":null,"tools":null`), 200, ""},
		{"items", input(user, said, user, call, output, said), 200, ""},
		{"own reasoning", input(user, thought, said, user), 200, ""},
		{"Codex", with(`"client_metadata":{},"prompt_cache_key":"k","include":["reasoning.encrypted_content"],"parallel_tool_calls":true`), 200, ""},
		{"no JSON", `{"model"`, 400, "could not parse the JSON body"},
		{"no model", `{"input":"x"}`, 400, "Missing required parameter: 'model'.|missing_required_parameter|model"},
		{"empty model", `{"model":"","input":"x"}`, 400, "model_not_found|model"},
		{"no input", `{"model":"m"}`, 400, `One of "input" or "previous_response_id"`},
		{"wrong type", `{"model":7,"input":"x"}`, 400, "invalid_type"},
		{"input is an object", `{"model":"m","input":{}}`, 400, "expected one of a string or array of input items, but got an object instead.|invalid_type|input"},
		{"unknown member", with(`"stop":["x"]`), 400, "Unknown parameter: 'stop'.|unknown_parameter|stop"},
		{"Chat's member", with(`"max_tokens":5`), 400, "Unknown parameter: 'max_tokens'."},
		{"messages", `{"model":"m","messages":[]}`, 400, "this parameter has moved to 'input'"},
		{"few tokens", with(`"max_output_tokens":15`), 400, "Expected a value >= 16, but got 15 instead.|integer_below_min_value|max_output_tokens"},
		{"stream_options without stream", with(`"stream_options":{}`), 400, "only allowed when 'stream' is enabled"},
		{"background without store", with(`"background":true,"store":false`), 400, "background"},
		{"role", input(`{"role":"robot","content":"x"}`), 400, "Supported values are: 'assistant', 'system', 'developer', and 'user'.|invalid_value|input[0]"},
		{"no content", input(`{"role":"user"}`), 400, "input[0].content"},
		{"no item", input(`"x"`), 400, "expected an input item, but got a string instead."},
		{"type", input(`{"type":"telegram"}`), 400, "Invalid value: 'telegram'."},
		{"part of the other side", input(`{"role":"user","content":[{"type":"output_text","text":"x"}]}`), 400, "Invalid value: 'output_text'. Supported values are: 'input_text', 'input_image', and 'input_file'.|invalid_value|input[0].content[0]"},
		{"part of this side", input(`{"role":"assistant","content":[{"type":"input_text","text":"x"}]}`), 400, "Supported values are: 'output_text' and 'refusal'."},
		{"id", input(`{"type":"message","id":"abc","role":"user","content":"x"}`), 400, "Expected an ID that begins with 'msg'."},
		{"long call_id", input(user, strings.Replace(call, "c1", strings.Repeat("c", 65), 1)), 400, "string too long. Expected a string with maximum length 64, but got a string with length 65"},
		{"call without output", input(user, call, user), 400, "No tool output found for function call c1."},
		{"output without call", input(user, output), 400, "No tool call found for function call output with call_id c1."},
		{"output of another kind", input(user, call, `{"type":"custom_tool_call_output","call_id":"c1","output":"1"}`), 400, "No tool call found for custom tool call output"},
		{"call of nothing", input(user, `{"type":"function_call","call_id":"c1","arguments":"{}"}`), 400, "input[1].name"},
		{"reasoning alone", input(user, thought, user), 400, "Item 'rs_1' of type 'reasoning' was provided without its required following item."},
		{"reasoning last", input(user, thought), 400, "without its required following item"},
		{"foreign reasoning", input(user, strings.Replace(thought, sealThought("acme", "rs_1"), sealThought("other", "rs_1"), 1), said), 400, "could not be verified. Reason: Encrypted content could not be decrypted or parsed.|invalid_encrypted_content"},
		{"made up reasoning", input(user, `{"type":"reasoning","encrypted_content":"turnout1.1..x"}`, said), 400, "The encrypted content turn"},
		{"reasoning that is not stored", input(user, `{"type":"reasoning","id":"rs_9","summary":[]}`, said), 404, "Item with id 'rs_9' not found. Items are not persisted when `store` is set to false."},
		{"reference", input(user, `{"type":"item_reference","id":"msg_9"}`), 404, "Item with id 'msg_9' not found."},
		{"previous", `{"model":"m","input":"x","previous_response_id":"resp_9"}`, 400, "Previous response with id 'resp_9' not found.|previous_response_not_found|previous_response_id"},
		{"tool without a type", with(`"tools":[{}]`), 400, "tools[0].type"},
		{"tool in Chat's shape", with(`"tools":[{"type":"function","function":{"name":"f"}}]`), 400, "tools[0].name"},
		{"tool is a string", with(`"tools":["x"]`), 400, "invalid_type|tools[0]"},
		{"nested tool", with(`"tools":[{"type":"namespace","name":"n","tools":[{"type":"function"}]}]`), 400, "tools[0].tools[0].name"},
		{"choice of nothing", with(`"tool_choice":"required"`), 400, "must be specified with 'tools'"},
		{"choice of what is not there", with(`"tool_choice":{"type":"function","name":"g"},` + responsesTools), 400, "Tool choice 'g' not found"},
		{"choice", with(`"tool_choice":"must",` + responsesTools), 400, "Supported values are: 'none', 'auto', and 'required'."},
		{"format without a name", with(`"text":{"format":{"type":"json_schema","schema":{}}}`), 400, "text.format.name"},
		{"format", with(`"text":{"format":{"type":"xml"}}`), 400, "Supported values are: 'json_object', 'text', and 'json_schema'."},
		{"JSON without the word", with(`"text":{"format":{"type":"json_object"}}`), 400, "must contain the word 'json'"},
		{"JSON", strings.Replace(with(`"text":{"format":{"type":"json_object"}}`), "hi", "hi in JSON", 1), 200, ""},
		{"temperature of one that thinks", model("gpt-5.4", `"temperature":0.5`), 400, "'temperature' is not supported with this model"},
		{"effort of one that does not", model("gpt-4o", `"reasoning":{"effort":"low"}`), 400, "'reasoning.effort' is not supported with this model"},
		{"encrypted reasoning of one that does not", model("gpt-4.1", `"include":["reasoning.encrypted_content"]`), 400, "Encrypted content is not supported with this model."},
	} {
		if code, text := answerOf(t, responses, "sk-org-acme-n1", c.body, nil); code != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, code, text, c.status, c.want)
		}
	}
	if code, text := answerOf(t, responses, "sk-noprefill", input(user, said), nil); code != 400 || !strings.Contains(text, "prefill") {
		t.Errorf("prefill: %d %s", code, text)
	}
	if code, _ := answerOf(t, responses, "sk", "", func(r *http.Request) { r.Method = http.MethodPut }); code != 405 {
		t.Errorf("PUT: %d", code)
	}
}

// stored makes a response and gives what of it matters here.
func made(t *testing.T, p *Provider, key, body string) (id string, output json.RawMessage) {
	t.Helper()
	w := respond1(p, http.MethodPost, "/v1/responses", key, body)
	var r struct {
		ID     string
		Output json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return r.ID, r.Output
}

// What is stored belongs to the organisation that asked for it.
func TestResponsesStore(t *testing.T) {
	p := New(Options{})
	const a, friend, other = "sk-org-a-n2", "sk-org-a-n3", "sk-n2"
	id, output := made(t, p, a, `{"model":"gpt-sim-1","input":[{"type":"message","id":"msg_x","role":"user","content":"one"},{"role":"user","content":"two"}]}`)
	path := "/v1/responses/" + id
	for _, c := range []struct {
		name, method, path, key, body string
		status                        int
		want                          string
	}{
		{"get", "GET", path, a, "", 200, `"output":` + string(output)},
		{"get by a friend", "GET", path, friend, "", 200, `"status":"completed"`},
		{"get by another", "GET", path, other, "", 404, "Response with id '" + id + "' not found."},
		{"as a stream", "GET", path + "?stream=true", a, "", 200, `"sequence_number":0`},
		{"the rest of the stream", "GET", path + "?stream=true&starting_after=8", a, "", 200, `"sequence_number":9`},
		{"items", "GET", path + "/input_items", a, "", 200, `"last_id":"msg_x"`},
		{"items by another", "GET", path + "/input_items", other, "", 404, "not found"},
		{"cancel", "POST", path + "/cancel", a, "", 400, "Cannot cancel a synchronous response."},
		{"go on", "POST", "/v1/responses", friend, `{"model":"gpt-sim-1","input":"x","previous_response_id":"` + id + `"}`, 200, `"previous_response_id":"` + id + `"`},
		{"go on elsewhere", "POST", "/v1/responses", other, `{"model":"gpt-sim-1","input":"x","previous_response_id":"` + id + `"}`, 400, "previous_response_not_found"},
		{"reference", "POST", "/v1/responses", a, `{"model":"gpt-sim-1","input":[{"type":"item_reference","id":"msg_Sim0000000100"},{"role":"user","content":"x"}]}`, 200, ""},
		{"reference elsewhere", "POST", "/v1/responses", other, `{"model":"gpt-sim-1","input":[{"type":"item_reference","id":"msg_Sim0000000100"},{"role":"user","content":"x"}]}`, 404, "Item with id"},
		{"delete by another", "DELETE", path, other, "", 404, "not found"},
		{"delete", "DELETE", path, a, "", 200, `"deleted":true`},
		{"delete again", "DELETE", path, a, "", 404, "not found"},
		{"get what is deleted", "GET", path, a, "", 404, "not found"},
	} {
		w := respond1(p, c.method, c.path, c.key, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.want)
		}
		if c.name == "the rest of the stream" && strings.Contains(w.Body.String(), `"sequence_number":8,`) {
			t.Errorf("%s begins too early: %s", c.name, w.Body)
		}
	}
	if id, _ = made(t, p, a, asked(`"store":false`)); respond1(p, "GET", "/v1/responses/"+id, a, "").Code != 404 {
		t.Error("what was not to be stored is stored")
	}
	p.Reset()
	if respond1(p, "GET", path, a, "").Code != 404 {
		t.Error("a reset forgets nothing")
	}
}

// What the developer says behind the user's last words takes nothing from them (Claude Code's
// environment stands there, once it is translated).
func TestResponsesInstructionsBehind(t *testing.T) {
	body := `{"model":"m",` + responsesTools + `,"input":[{"role":"user","content":"use tool weather"},{"role":"developer","content":"Be brief."}]}`
	if _, output := made(t, New(Options{}), "sk", body); !strings.Contains(string(output), `"name":"weather"`) {
		t.Errorf("%s", output)
	}
}

// A call that waits for its output waits in the stored response, too.
func TestResponsesStoredCall(t *testing.T) {
	p := New(Options{})
	id, _ := made(t, p, "sk", asked(`"tool_choice":"required",`+responsesTools))
	for body, want := range map[string]string{
		`"input":"x"`: "No tool output found for function call call_Sim0000000100.",
		`"input":[{"type":"function_call_output","call_id":"call_Sim0000000100","output":"1"}]`: `"status":"completed"`,
	} {
		w := respond1(p, "POST", "/v1/responses", "sk", `{"model":"m","previous_response_id":"`+id+`",`+body+`}`)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", body, w.Body)
		}
	}
}

// A response in the background is asked for until it is there.
func TestResponsesBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		status := func(id string) string {
			var r struct{ Status string }
			_ = json.Unmarshal(respond1(p, "GET", "/v1/responses/"+id, "sk-n11-d1000", "").Body.Bytes(), &r)
			return r.Status
		}
		first, _ := made(t, p, "sk-n11-d1000", asked(`"background":true`))
		second, _ := made(t, p, "sk-n11-d1000", asked(`"background":true`))
		respond1(p, "POST", "/v1/responses/"+second+"/cancel", "sk-n11-d1000", "")
		got := []string{status(first), status(second)}
		time.Sleep(10 * time.Second)
		respond1(p, "POST", "/v1/responses/"+first+"/cancel", "sk-n11-d1000", "") // too late
		got = append(got, status(first), status(second))
		if want := []string{"in_progress", "cancelled", "completed", "cancelled"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// Reasoning comes back encrypted, and is good in its organisation alone; so is what was compacted.
func TestResponsesSealed(t *testing.T) {
	p := New(Options{})
	_, output := made(t, p, "sk-org-a-n1", asked(`"store":false,"reasoning":{"effort":"high"},"include":["reasoning.encrypted_content"]`))
	var doc struct{ Output json.RawMessage }
	w := respond1(p, "POST", "/v1/responses/compact", "sk-org-a", responsesHello)
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, items := range []json.RawMessage{output, doc.Output} {
		body := `{"model":"m","store":false,"input":` + strings.TrimSuffix(string(items), "]") + `,{"role":"user","content":"on"}]}`
		for key, want := range map[string]string{"sk-org-a": `"status":"completed"`, "sk-org-b": `"code":"invalid_encrypted_content"`, "sk": `"code":"invalid_encrypted_content"`} {
			if got := respond1(p, "POST", "/v1/responses", key, body).Body.String(); !strings.Contains(got, want) {
				t.Errorf("%s: %s", key, got)
			}
		}
	}
}

// The same prompt again is read from the cache, and figures add up, also over stored responses.
func TestResponsesCache(t *testing.T) {
	p := New(Options{})
	long := strings.Repeat("a long prompt ", 1000)
	id := ""
	for i, body := range []string{
		`{"model":"m","input":"` + long + `"}`, `{"model":"m","input":"` + long + `"}`, `{"model":"m","input":"more","previous_response_id":"ID"}`,
	} {
		w := respond1(p, "POST", "/v1/responses", "sk-n4", strings.Replace(body, "ID", id, 1))
		var r struct {
			ID    string
			Usage responsesUsage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		u := r.Usage
		if id = r.ID; (u.InputDetails.CachedTokens > 1024) != (i > 0) || u.TotalTokens != u.InputTokens+u.OutputTokens || u.InputTokens < 3500 || u.OutputTokens != 4 {
			t.Errorf("request %d: %+v", i+1, u)
		}
	}
}
