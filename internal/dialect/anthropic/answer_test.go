package anthropic

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

func TestWhole(t *testing.T) {
	full := domain.Usage{Input: 3, CacheRead: 50, CacheWrite5m: 200, CacheWrite1h: 500, Output: 9, Reported: true}
	const usage = `{"input_tokens":3,"cache_read_input_tokens":50,"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":500},"output_tokens":9}`
	for _, c := range []struct {
		name, body string
		want       dialect.Answer
	}{
		{"an answer", `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":` + usage + `}`, dialect.Answer{Valid: true, Content: true, Finished: true, Usage: full}},
		{"white space", " {\n \"content\" : [ 1 ] , \"stop_reason\" : \"end_turn\" }\n", dialect.Answer{Valid: true, Content: true, Finished: true}},
		{"no content", `{"content":[],"stop_reason":"end_turn"}`, dialect.Answer{Valid: true, Finished: true}},
		{"no finish reason", `{"content":[{"type":"text","text":"Hi"}],"stop_reason":null}`, dialect.Answer{Valid: true, Content: true}},
		{"counted tokens", `{"input_tokens":2095}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{"an error", `{"type":"error","error":{"type":"api_error","message":"x"}}`, dialect.Answer{Valid: true, Error: true}},
		{"a null error", `{"error":null,"content":[1],"stop_reason":"end_turn"}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{"empty", ``, dialect.Answer{}},
		{"an empty object", `{}`, dialect.Answer{Valid: true}},
		{"a list", `[{"content":[1]}]`, dialect.Answer{}},
		{"a page", `<html></html>`, dialect.Answer{}},
		{"cut off", `{"content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"`, dialect.Answer{Content: true, Finished: true}},
		{"a stream", "event: ping\ndata: {}\n\n", dialect.Answer{}},
	} {
		if got := (Dialect{}).Whole([]byte(c.body)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestErrorTooLong: Claude Code shortens a conversation when it reads "prompt is too long". An account of another
// dialect says the same in words of its own ("maximum context length", "input token count"), which it does
// not know: then the conversation could not go on.
func TestErrorTooLong(t *testing.T) {
	for said, want := range map[string]string{
		"This model's maximum context length is 128000 tokens.": "prompt is too long: This model's maximum context length is 128000 tokens. (provider, request r)",
		"prompt is too long: 200037 tokens > 200000 maximum":    "prompt is too long: 200037 tokens > 200000 maximum (provider, request r)",
		"the prompt is too long for claude-x":                   "the prompt is too long for claude-x (provider, request r)",
	} {
		e := &domain.Error{Kind: domain.KindInvalid, Code: "context_length_exceeded", Message: said, FromProvider: true}
		if got := says(e, "r"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The statuses and types are those of the API reference's errors page.
func TestError(t *testing.T) {
	for _, c := range []struct {
		kind   domain.Kind
		status int
		typ    string
	}{
		{domain.KindInternal, 500, "api_error"}, {domain.KindInvalid, 400, "invalid_request_error"}, {domain.KindUnauthenticated, 401, "authentication_error"},
		{domain.KindForbidden, 403, "permission_error"}, {domain.KindNotFound, 404, "not_found_error"}, {domain.KindMethodNotAllowed, 405, "invalid_request_error"},
		{domain.KindTooLarge, 413, "request_too_large"}, {domain.KindUnsupported, 415, "invalid_request_error"}, {domain.KindTimeout, 408, "invalid_request_error"},
		{domain.KindRateLimited, 429, "rate_limit_error"}, {domain.KindUnavailable, 503, "overloaded_error"}, {domain.KindUpstream, 502, "api_error"},
		{domain.KindOverloaded, 529, "overloaded_error"}, {domain.KindUpstreamTimeout, 504, "timeout_error"}, {domain.KindCanceled, 499, "api_error"},
		{domain.KindDraining, 503, "overloaded_error"},
	} {
		status, body := Dialect{}.Error(&domain.Error{Kind: c.kind, Message: "what to do", Err: errors.New("private")}, "req_1")
		want := `{"type":"error","error":{"type":"` + c.typ + `","message":"what to do (gateway, request req_1)"},"request_id":"req_1"}`
		if status != c.status || string(body) != want {
			t.Errorf("%v: %d %s\nwant %d %s", c.kind, status, body, c.status, want)
		}
	}
}

// Whatever a message holds, the body is JSON and the event is one event, and a reader of the protocol
// takes it for an error.
func TestErrorHoldsAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{"a\n\ndata: {}\n\n", `"}}`, "\r\r", "\x00", "</script>"})).Draw(t, "message")
		e := &domain.Error{Kind: domain.Kind(rapid.IntRange(0, int(domain.KindDraining)).Draw(t, "kind")), Message: msg}
		_, body := Dialect{}.Error(e, "req_1")
		var doc struct {
			Error struct{ Message string }
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		// encoding/json mends broken UTF-8 in the same way.
		enc, _ := json.Marshal(dialect.Text(e, "req_1"))
		var want string
		_ = json.Unmarshal(enc, &want)
		if doc.Error.Message != want {
			t.Fatalf("the message is %q, want %q", doc.Error.Message, want)
		}
		raw := Dialect{}.StreamError(e, "req_1", 0)
		if dialect.EndOfEvent(raw) != len(raw) {
			t.Fatalf("%q is not one event", raw)
		}
		if ev := (Dialect{}).NewReader(&dialect.Request{}).Event(raw); ev.Kind != dialect.EventError || string(ev.Data) != string(body) {
			t.Fatalf("%q is no error event", raw)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	raw := Dialect{}.KeepAlive()
	r := &reader{open: dialect.OpenText}
	if ev := r.Event(raw); dialect.EndOfEvent(raw) != len(raw) || ev.Kind != dialect.EventPing || r.open != dialect.OpenText || r.usage.Reported {
		t.Errorf("%q means %+v", raw, ev)
	}
}

func TestModels(t *testing.T) {
	const want = `{"data":[{"type":"model","id":"claude-opus-5-5","display_name":"Claude Opus 5.5","created_at":"2026-09-30T00:00:00Z"},` +
		`{"type":"model","id":"own","display_name":"own","created_at":"1970-01-01T00:00:00Z"}],"has_more":false,"first_id":"claude-opus-5-5","last_id":"own"}`
	created := time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC).Unix()
	if got := (Dialect{}).Models([]dialect.Model{{ID: "claude-opus-5-5", Name: "Claude Opus 5.5", Created: created}, {ID: "own"}}); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Dialect{}).Models(nil); string(got) != `{"data":[],"has_more":false,"first_id":null,"last_id":null}` {
		t.Errorf("no models: %s", got)
	}
	if _, err := (Dialect{}).ModelList([]byte(`[]`)); err == nil {
		t.Error("a list is taken for a page")
	}
	if got, err := (Dialect{}).ModelList([]byte(`{"data":[{"id":"x","created_at":"soon","other":1}]}`)); err != nil || !slices.Equal(got, []dialect.Model{{ID: "x", Owner: "anthropic"}}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestModelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := rapid.SliceOf(rapid.Custom(func(t *rapid.T) dialect.Model {
			return dialect.Model{ID: rapid.StringN(1, 20, -1).Draw(t, "id"), Name: rapid.StringN(1, 20, -1).Draw(t, "name"), Created: rapid.Int64Range(0, 1<<33).Draw(t, "created"), Owner: "anthropic"}
		})).Draw(t, "models")
		got, err := Dialect{}.ModelList(Dialect{}.Models(models))
		if err != nil || !slices.Equal(got, models) {
			t.Fatalf("%+v became %+v (%v)", models, got, err)
		}
	})
}
