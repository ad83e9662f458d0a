package sim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answerOf sends a body in process and gives the status and the error's text.
func answerOf(t *testing.T, f format, key, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	r := request(t.Context(), t, "http://sim", f, key, body)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	New(Options{}).ServeHTTP(w, r)
	var e struct {
		Error struct{ Type, Message, Code, Param string }
	}
	_ = json.Unmarshal(w.Body.Bytes(), &e)
	return w.Code, strings.Join([]string{e.Error.Type, e.Error.Message, e.Error.Code, e.Error.Param}, "|")
}

func TestAnthropicValidation(t *testing.T) {
	const user = `{"role":"user","content":"hi"}`
	const call = `{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"x","input":{}},{"type":"tool_use","id":"t2","name":"x","input":{}}]}`
	const results = `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"1"},{"type":"tool_result","tool_use_id":"t2","content":"2"}]}`
	messages := func(m ...string) string {
		return `{"model":"m","max_tokens":9,"messages":[` + strings.Join(m, ",") + `]}`
	}
	thought := func(text, signature string) string {
		return messages(user, `{"role":"assistant","content":[{"type":"thinking","thinking":"`+text+`","signature":"`+signature+`"},{"type":"text","text":"x"}]}`, user)
	}
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"good", messages(user), 200, ""},
		{"tools answered", messages(user, call, results), 200, ""},
		{"prefill", messages(user, `{"role":"assistant","content":"So"}`), 200, ""},
		{"own signature", thought(Thought, sign(Thought)), 200, ""},
		{"own signature, thoughts omitted", thought("", sign(Thought)), 200, ""},
		{"server tool without a name", `{"model":"m","max_tokens":9,"tools":[{"type":"mcp_toolset"}],"messages":[` + user + `]}`, 200, ""},
		{"no JSON", `{"model"`, 400, "not valid JSON"},
		{"no object", `[]`, 400, "not valid JSON"},
		{"empty", ``, 400, "not valid JSON"},
		{"no model", `{"max_tokens":9,"messages":[` + user + `]}`, 400, "model: Field required"},
		{"empty model", `{"model":"","max_tokens":9,"messages":[` + user + `]}`, 400, "model: String should have at least 1 character"},
		{"no messages", `{"model":"m","max_tokens":9}`, 400, "messages: Field required"},
		{"empty messages", `{"model":"m","max_tokens":9,"messages":[]}`, 400, "at least one message"},
		{"no max_tokens", `{"model":"m","messages":[` + user + `]}`, 400, "max_tokens: Field required"},
		{"bad max_tokens", `{"model":"m","max_tokens":0,"messages":[` + user + `]}`, 400, "max_tokens: Input should be greater"},
		{"wrong type", `{"model":7,"max_tokens":9,"messages":[` + user + `]}`, 400, "invalid_request_error"},
		{"unknown member", `{"model":"m","max_tokens":9,"frequency_penalty":1,"messages":[` + user + `]}`, 400, "frequency_penalty: Extra inputs are not permitted"},
		{"safeguards without their beta", `{"model":"m","max_tokens":9,"safeguards":{},"messages":[` + user + `]}`, 400, "safeguards: Extra inputs are not permitted"},
		{"role", messages(`{"role":"system","content":"x"}`), 400, "messages.0.role"},
		{"empty content", messages(`{"role":"user","content":[]}`), 400, "non-empty content"},
		{"empty text", messages(`{"role":"user","content":""}`), 400, "text content blocks must be non-empty"},
		{"content is a number", messages(`{"role":"user","content":3}`), 400, "messages.0.content"},
		{"tool not answered", messages(user, call, user), 400, "`tool_use` ids were found without `tool_result`"},
		{"one tool not answered", messages(user, call, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"1"}]}`), 400, "t2"},
		{"result of no tool", messages(results), 400, "unexpected `tool_use_id`"},
		{"foreign signature", thought("hm", "EqoBforeign"), 400, "Invalid `signature` in `thinking` block"},
		{"signature of another thought", thought("hm", sign("ah")), 400, "Invalid `signature`"},
		{"tool without a name", `{"model":"m","max_tokens":9,"tools":[{}],"messages":[` + user + `]}`, 400, "tools.0.custom.name"},
		{"tool is a string", `{"model":"m","max_tokens":9,"tools":["x"],"messages":[` + user + `]}`, 400, "tools.0"},
	} {
		if code, text := answerOf(t, anthropic, "sk", c.body, nil); code != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, code, text, c.status, c.want)
		}
	}
	for _, c := range []struct {
		name   string
		key    string
		body   string
		change func(*http.Request)
		status int
		want   string
	}{
		{"no version", "sk", messages(user), func(r *http.Request) { r.Header.Del("anthropic-version") }, 400, "anthropic-version: header is required"},
		{"any version", "sk", messages(user), func(r *http.Request) { r.Header.Set("anthropic-version", "2999-01-01") }, 200, ""},
		{"safeguards with their beta", "sk", `{"model":"m","max_tokens":9,"safeguards":{},"messages":[` + user + `]}`, func(r *http.Request) { r.Header.Set("anthropic-beta", "a,dangerous-tool-use-2026-09-03") }, 200, ""},
		{"prefill refused", "sk-noprefill", messages(user, `{"role":"assistant","content":"So"}`), nil, 400, "does not support assistant message prefill"},
		{"no prefill", "sk-noprefill", messages(user), nil, 200, ""},
		{"no key", "", messages(user), func(r *http.Request) { r.Header.Del("x-api-key") }, 401, "x-api-key header is required"},
		{"bearer", "", messages(user), func(r *http.Request) { r.Header.Del("x-api-key"); r.Header.Set("Authorization", "bearer sk") }, 200, ""},
		{"OAuth in x-api-key", "sk-ant-oat01-x", messages(user), nil, 401, "invalid x-api-key"},
		{"OAuth without beta", "", messages(user), func(r *http.Request) { r.Header.Set("Authorization", "Bearer sk-ant-oat01-x") }, 401, "OAuth authentication is currently not supported"},
		{"OAuth with beta", "", messages(user), func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer sk-ant-oat01-x")
			r.Header.Set("anthropic-beta", "claude-code-20250219,oauth-2025-04-20")
		}, 200, ""},
		{"GET", "sk", "", func(r *http.Request) { r.Method = http.MethodGet }, 405, "Method Not Allowed"},
		{"unknown path", "sk", "", func(r *http.Request) { r.URL.Path = "/v1/messages/batches" }, 404, "Not Found"},
		{"too large", "sk", strings.Repeat(" ", maxBody+1), nil, 413, "request_too_large"},
		{"count_tokens without max_tokens", "sk", `{"model":"m","messages":[` + user + `]}`, func(r *http.Request) { r.URL.Path = "/v1/messages/count_tokens" }, 200, ""},
	} {
		if code, text := answerOf(t, anthropic, c.key, c.body, c.change); code != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, code, text, c.status, c.want)
		}
	}
}

func TestOpenAIValidation(t *testing.T) {
	const user = `{"role":"user","content":"hi"}`
	const call = `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"x","arguments":"{}"}}]}`
	messages := func(m ...string) string { return `{"model":"m","messages":[` + strings.Join(m, ",") + `]}` }
	for _, c := range []struct {
		name, key, body string
		status          int
		want            string
	}{
		{"good", "sk", messages(user), 200, ""},
		{"tool answered", "sk", messages(user, call, `{"role":"tool","tool_call_id":"c1","content":"1"}`), 200, ""},
		{"custom tool", "sk", `{"model":"m","tools":[{"type":"custom","custom":{"name":"x"}}],"messages":[` + user + `]}`, 200, ""},
		{"unknown members are for others to know", "sk", `{"model":"m","provider":{},"messages":[` + user + `]}`, 200, ""},
		{"no JSON", "sk", `{"model"`, 400, "could not parse the JSON body"},
		{"no model", "sk", `{"messages":[` + user + `]}`, 400, "you must provide a model parameter"},
		{"no messages", "sk", `{"model":"m"}`, 400, "Missing required parameter: 'messages'.|missing_required_parameter|messages"},
		{"empty messages", "sk", messages(), 400, "empty_array"},
		{"wrong type", "sk", `{"model":"m","messages":"x"}`, 400, "invalid_type"},
		{"stream_options without stream", "sk", `{"model":"m","stream_options":{},"messages":[` + user + `]}`, 400, "only allowed when 'stream' is enabled"},
		{"role", "sk", messages(`{"role":"robot","content":"x"}`), 400, "Invalid value: 'robot'"},
		{"tool not answered", "sk", messages(user, call, user), 400, "must be followed by tool messages"},
		{"answer of no tool", "sk", messages(`{"role":"tool","tool_call_id":"c1","content":"1"}`), 400, "must be a response to a preceeding message"},
		{"tool without a type", "sk", `{"model":"m","tools":[{}],"messages":[` + user + `]}`, 400, "tools[0].type"},
		{"tool is a string", "sk", `{"model":"m","tools":["x"],"messages":[` + user + `]}`, 400, "tools[0]"},
		{"prefill refused", "sk-noprefill", messages(user, `{"role":"assistant","content":"So"}`), 400, "does not support assistant message prefill"},
		{"bad key, quoted", "sk-bad-0123456789wxyz", messages(user), 401, "*wxyz."},
		{"short bad key, not quoted", "sk-bad", messages(user), 401, "provided: ******."},
	} {
		if code, text := answerOf(t, openai, c.key, c.body, nil); code != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, code, text, c.status, c.want)
		}
	}
	if code, text := answerOf(t, openai, "", messages(user), func(r *http.Request) { r.Header.Del("Authorization") }); code != 401 || !strings.Contains(text, "You didn't provide an API key") {
		t.Errorf("no key: %d %s", code, text)
	}
	if code, text := answerOf(t, openai, "sk", "", func(r *http.Request) { r.URL.Path = "/v1/embeddings" }); code != 404 || !strings.Contains(text, "Invalid URL (POST /v1/embeddings)") {
		t.Errorf("unknown path: %d %s", code, text)
	}
}

// TestWhichTools the answer calls, and with what.
func TestWhichTools(t *testing.T) {
	offers := []toolOffer{
		{name: "Bash", schema: json.RawMessage(`{"properties":{"command":{"type":"string"},"list":{"type":"array"},"map":{"type":"object"},"on":{"type":"boolean"},"any":{"type":["string","null"]}}}`)},
		{name: "read.file"},
	}
	const bash = `{"any":"sample any","command":"sample command","list":[],"map":{},"on":true}`
	for _, c := range []struct {
		text, forced string
		want         []toolCall
	}{
		{"hello", "", nil},
		{"use tool Nothing", "", nil},
		{"please use tool Bash.", "", []toolCall{{"Bash", bash}}},
		{`use tool Bash with {"command": "echo \"}\" é"} now`, "", []toolCall{{"Bash", `{"command": "echo \"}\" é"}`}}},
		{`use tool Bash with {broken`, "", []toolCall{{"Bash", bash}}},
		{"use tool read.file and use tool Bash", "", []toolCall{{"read.file", "{}"}, {"Bash", bash}}},
		{"hello", "read.file", []toolCall{{"read.file", "{}"}}},
		{"hello", "Nothing", nil},
		{"use tool read.file", "Bash", []toolCall{{"read.file", "{}"}}},
	} {
		got := chooseTools(offers, c.forced, c.text)
		if len(got) != len(c.want) {
			t.Errorf("%q: %+v, want %+v", c.text, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%q: %+v, want %+v", c.text, got[i], c.want[i])
			}
			if join(got[i].fragments(0)) != got[i].args {
				t.Errorf("%q: the fragments of %s are %q", c.text, got[i].args, got[i].fragments(0))
			}
		}
	}
}

// TestToolLoop: a call, its result, and then text, in both formats.
func TestToolLoop(t *testing.T) {
	for _, c := range []struct {
		f          format
		body, want string
	}{
		{anthropic, `{"model":"m","max_tokens":99,` + tools + `,"messages":[{"role":"user","content":"use tool weather"}]}`, `"stop_reason":"tool_use"`},
		{anthropic, `{"model":"m","max_tokens":99,` + tools + `,"tool_choice":{"type":"none"},"messages":[{"role":"user","content":"use tool weather"}]}`, `"stop_reason":"end_turn"`},
		{anthropic, `{"model":"m","max_tokens":99,` + tools + `,"messages":[{"role":"user","content":"use tool weather"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"use tool weather"},{"type":"text","text":"use tool weather"}]}]}`, `"stop_reason":"end_turn"`},
		{openai, `{"model":"m",` + chatTools + `,"tool_choice":"required","messages":[{"role":"user","content":"hi"}]}`, `"finish_reason":"tool_calls"`},
		{openai, `{"model":"m",` + chatTools + `,"tool_choice":"none","messages":[{"role":"user","content":"use tool weather"}]}`, `"finish_reason":"stop"`},
		{openai, `{"model":"m",` + chatTools + `,"messages":[{"role":"user","content":"use tool weather"},{"role":"assistant","tool_calls":[{"id":"c"}]},{"role":"tool","tool_call_id":"c","content":"use tool weather"}]}`, `"finish_reason":"stop"`},
	} {
		if got := say(t, New(Options{}), c.f, "sk", c.body).Body.String(); !strings.Contains(got, c.want) {
			t.Errorf("%s %s\n%s, want %s", c.f, c.body, got, c.want)
		}
	}
}

// FuzzBody: no body makes a provider do anything but answer or refuse.
func FuzzBody(f *testing.F) {
	for _, b := range []string{``, `{`, `null`, `[]`, hello(true), hello(false),
		`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"use tool x with {\"a\":1}","cache_control":null}]}],"tools":[{"name":"x","type":"function","function":{"name":"x","parameters":{"properties":{"a":{"enum":[1]}}}}}]}`,
		`{"model":"m","input":[{"role":"user","content":"use tool ns.x"},{"type":"reasoning","encrypted_content":"gAAA"},null],"tools":[{"type":"namespace","name":"ns","tools":[{"type":"custom","name":"x"}]}],"stream":true}`,
		`{"model":"m","input":"x","previous_response_id":"resp_1","text":{"format":{"type":"json_schema","name":"n","schema":{}}},"tool_choice":{"type":"allowed_tools"}}`,
		`{"model":"m","max_tokens":1,"system":[null],"tools":[null],"messages":[null],"thinking":{"type":"enabled"},"stream":true}`,
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, to := range []format{anthropic, openai, responses} {
			switch code, text := answerOf(t, to, "sk-n2", body, nil); code {
			case 200:
			case 400, 404:
				if text == "|||" {
					t.Errorf("%s: a refusal that says nothing for %q", to, body)
				}
			default:
				t.Errorf("%s: %d for %q", to, code, body)
			}
		}
	})
}
