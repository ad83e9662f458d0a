package responses

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

func TestWhole(t *testing.T) {
	usage := domain.Usage{Input: 5, CacheRead: 10, CacheWrite5m: 1, Output: 3, Reasoning: 2, Reported: true}
	const stated = `"usage":{"input_tokens":16,"input_tokens_details":{"cached_tokens":10,"cache_write_tokens":1},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":19}`
	for _, c := range []struct {
		body string
		want dialect.Answer
	}{
		{`{"object":"response","status":"completed","error":null,"output":[{}],` + stated + `}`, dialect.Answer{Valid: true, Content: true, Finished: true, Usage: usage}},
		{`{"object":"response","status":"incomplete","output":[{}],"usage":null}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"object":"response","status":"completed","output":[]}`, dialect.Answer{Valid: true, Finished: true}},
		{`{"object":"response","status":"failed","error":{"code":"server_error"},"output":[],` + stated + `}`, dialect.Answer{Valid: true, Error: true, Usage: usage}},
		{`{"object":"response","status":"failed","error":null}`, dialect.Answer{Valid: true, Error: true}},
		{`{"object":"response","status":"failed","background":true,"error":{"code":"server_error"}}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"object":"response","status":"queued","background":true,"output":[]}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"object":"response","status":"in_progress","background":true}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"object":"response","status":"in_progress","output":[{}]}`, dialect.Answer{Valid: true, Content: true}},
		{`{"object":"response","status":"cancelled"}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"id":"resp_1","object":"response","deleted":true}`, dialect.Answer{Valid: true, Content: true, Finished: true, ID: "resp_1"}},
		{`{"object":"list","data":[],"has_more":false}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"object":"response.compaction","output":[],` + stated + `}`, dialect.Answer{Valid: true, Content: true, Finished: true, Usage: usage}},
		{`{"object":"response.input_tokens","input_tokens":11}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{`{"error":{"message":"x","code":"server_error"}}`, dialect.Answer{Valid: true, Error: true}},
		{`{"object":"response"}`, dialect.Answer{Valid: true}},
		{`{}`, dialect.Answer{Valid: true}},
		{`{"status":"completed"`, dialect.Answer{Finished: true}},
		{`[]`, dialect.Answer{}},
		{``, dialect.Answer{}},
	} {
		if got := (Dialect{}).Whole([]byte(c.body)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.body, got, c.want)
		}
	}
}

func TestUsageIsConsistent(t *testing.T) {
	for _, c := range []struct {
		usage string
		want  domain.Usage
	}{
		{`{"input_tokens":5,"input_tokens_details":{"cached_tokens":9},"output_tokens":1}`, domain.Usage{CacheRead: 5, Output: 1, Reported: true}},
		{`{"input_tokens":5,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":9}}`, domain.Usage{CacheRead: 3, CacheWrite5m: 2, Reported: true}},
		{`{"input_tokens":-5,"input_tokens_details":null}`, domain.Usage{Reported: true}},
		{`null`, domain.Usage{}}, {`7`, domain.Usage{}}, {``, domain.Usage{}},
	} {
		var u domain.Usage
		if readUsage([]byte(c.usage), &u); u != c.want {
			t.Errorf("%s: %+v, want %+v", c.usage, u, c.want)
		}
	}
}

type told struct {
	Error struct {
		Message, Type string
		Param, Code   *string
	}
}

func TestError(t *testing.T) {
	for _, c := range []struct {
		kind   domain.Kind
		code   string
		status int
		typ    string
		want   string // the code
	}{
		{domain.KindInvalid, "", 400, "invalid_request_error", ""},
		{domain.KindInvalid, "context_length_exceeded", 400, "invalid_request_error", "context_length_exceeded"},
		{domain.KindUnauthenticated, "", 401, "invalid_request_error", "invalid_api_key"},
		{domain.KindForbidden, "", 403, "invalid_request_error", "permission_denied"},
		{domain.KindNotFound, "model_not_found", 404, "invalid_request_error", "model_not_found"},
		{domain.KindTooLarge, "", 413, "invalid_request_error", ""},
		{domain.KindRateLimited, "", 429, "requests", "rate_limit_exceeded"},
		{domain.KindUpstream, "", 502, "server_error", ""},
		{domain.KindOverloaded, "", 503, "server_error", ""},
		{domain.KindInternal, "", 500, "server_error", ""},
	} {
		e := &domain.Error{Kind: c.kind, Code: c.code, Message: "it \"broke\"", Param: "input"}
		status, body := Dialect{}.Error(e, "req_1")
		var v told
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		code := ""
		if v.Error.Code != nil {
			code = *v.Error.Code
		}
		if status != c.status || v.Error.Type != c.typ || code != c.want || v.Error.Param == nil || *v.Error.Param != "input" ||
			!strings.Contains(v.Error.Message, `it "broke"`) || !strings.Contains(v.Error.Message, "req_1") {
			t.Errorf("%v: %d %s", c.kind, status, body)
		}
	}
}

// An opened stream ends in an event that SDKs raise, and in one that Codex understands.
func TestStreamError(t *testing.T) {
	wait := regexp.MustCompile(`(?i)try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)`) // as Codex looks for it
	for _, c := range []struct {
		e    *domain.Error
		code string
		wait string
	}{
		{&domain.Error{Kind: domain.KindUpstream, Message: "gone\n\ndata: x"}, "server_error", ""},
		{&domain.Error{Kind: domain.KindRateLimited, Message: "slow", RetryAfter: 1500 * time.Millisecond}, "rate_limit_exceeded", "1.5"},
		{&domain.Error{Kind: domain.KindRateLimited, Message: "slow"}, "rate_limit_exceeded", ""},
		{&domain.Error{Kind: domain.KindInvalid, Message: "no"}, "invalid_prompt", ""},
		{&domain.Error{Kind: domain.KindInvalid, Code: "context_length_exceeded"}, "context_length_exceeded", ""},
	} {
		events := split(t, Dialect{}.StreamError(c.e, "req_1", 7))
		if len(events) != 2 {
			t.Fatalf("%d events", len(events))
		}
		for i, raw := range events {
			name, data := dialect.Fields(raw)
			var v struct {
				Type          string
				Seq           *int `json:"sequence_number"`
				Code, Message string
				Param         any
				told
				Response struct {
					ID, Object, Status string
					Error              struct{ Code, Message string }
				}
			}
			if err := json.Unmarshal(data, &v); err != nil || v.Type != string(name) || v.Seq == nil || *v.Seq != 7+i {
				t.Fatalf("%v: %s", err, raw)
			}
			code, message := v.Code, v.Message
			if i == 1 {
				code, message = v.Response.Error.Code, v.Response.Error.Message
				if v.Type != "response.failed" || v.Response.Status != "failed" || v.Response.ID != "resp_1" || v.Response.Object != "response" {
					t.Errorf("%s", raw)
				}
			} else if v.Type != "error" || v.Error.Message != message {
				t.Errorf("%s", raw)
			}
			if code != c.code || message == "" {
				t.Errorf("%v: code %q, message %q", c.e.Kind, code, message)
			}
			if got := wait.FindStringSubmatch(message); (got == nil) != (c.wait == "") || got != nil && got[1] != c.wait {
				t.Errorf("%v: Codex waits for %v", c.e.Kind, got)
			}
			if r := (Dialect{}).NewReader(&dialect.Request{}); r.Event(raw).Kind != dialect.EventError {
				t.Errorf("%s is no error", raw)
			}
		}
	}
}

func TestModels(t *testing.T) {
	models := []dialect.Model{{ID: "gpt-5", Created: 7, Owner: "openai"}, {ID: "x\"y"}}
	got, err := Dialect{}.ModelList(Dialect{}.Models(models))
	if err != nil || len(got) != 2 || got[0] != models[0] || got[1] != models[1] {
		t.Errorf("%+v, %v", got, err)
	}
	if one := string(Dialect{}.Model(models[0])); one != `{"id":"gpt-5","object":"model","created":7,"owned_by":"openai"}` {
		t.Error(one)
	}
	if _, err := (Dialect{}).ModelList([]byte(`[`)); err == nil {
		t.Error("half a list is read")
	}
	if d := (Dialect{}); d.ID() != own || d.RequestIDHeader() != "X-Request-Id" || !strings.HasPrefix(string(d.KeepAlive()), ":") {
		t.Errorf("%v, %s, %q", d.ID(), d.RequestIDHeader(), d.KeepAlive())
	}
}
