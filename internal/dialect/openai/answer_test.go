package openai

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       dialect.Answer
	}{
		{"an answer", `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, dialect.Answer{Valid: true, Content: true, Finished: true, Usage: domain.Usage{Input: 9, Output: 2, Reported: true}}},
		{"two choices", `{"choices":[{"message":{},"finish_reason":"stop"},{"message":{},"finish_reason":"length"}]}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{"one of two is not finished", `{"choices":[{"message":{},"finish_reason":"stop"},{"message":{},"finish_reason":null}]}`, dialect.Answer{Valid: true, Content: true}},
		{"no choices", `{"choices":[]}`, dialect.Answer{Valid: true}},
		{"null choices", `{"choices":null}`, dialect.Answer{Valid: true}},
		{"no message", `{"choices":[{"finish_reason":"stop"}]}`, dialect.Answer{Valid: true}},
		{"an error", `{"error":{"message":"x"}}`, dialect.Answer{Valid: true, Error: true}},
		{"a null error", `{"error":null,"choices":[{"message":{},"finish_reason":"stop"}]}`, dialect.Answer{Valid: true, Content: true, Finished: true}},
		{"empty", ``, dialect.Answer{}},
		{"an empty object", `{}`, dialect.Answer{Valid: true}},
		{"a list", `[{"error":{}}]`, dialect.Answer{}},
		{"a page", `<html></html>`, dialect.Answer{}},
		{"cut off", `{"choices":[{"message":{},"finish_reason":"stop"}],"us`, dialect.Answer{Content: true, Finished: true}},
	} {
		if got := (Dialect{}).Whole([]byte(c.body)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The types and codes are those of the API's error codes guide.
func TestError(t *testing.T) {
	for _, c := range []struct {
		kind      domain.Kind
		status    int
		typ, code string
	}{
		{domain.KindInternal, 500, "server_error", "null"}, {domain.KindInvalid, 400, "invalid_request_error", "null"}, {domain.KindUnauthenticated, 401, "invalid_request_error", `"invalid_api_key"`},
		{domain.KindForbidden, 403, "invalid_request_error", `"permission_denied"`}, {domain.KindNotFound, 404, "invalid_request_error", `"not_found"`},
		{domain.KindMethodNotAllowed, 405, "invalid_request_error", "null"}, {domain.KindTooLarge, 413, "invalid_request_error", "null"},
		{domain.KindUnsupported, 415, "invalid_request_error", "null"}, {domain.KindTimeout, 408, "invalid_request_error", "null"},
		{domain.KindRateLimited, 429, "requests", `"rate_limit_exceeded"`}, {domain.KindUnavailable, 503, "server_error", "null"}, {domain.KindUpstream, 502, "server_error", "null"},
		{domain.KindOverloaded, 503, "server_error", "null"}, {domain.KindUpstreamTimeout, 504, "server_error", "null"}, {domain.KindCanceled, 499, "server_error", "null"},
		{domain.KindDraining, 503, "server_error", "null"},
	} {
		status, body := Dialect{}.Error(&domain.Error{Kind: c.kind, Message: "what to do", Err: errors.New("private")}, "req_1")
		want := `{"error":{"message":"what to do (gateway, request req_1)","type":"` + c.typ + `","param":null,"code":` + c.code + `}}`
		if status != c.status || string(body) != want {
			t.Errorf("%v: %d %s\nwant %d %s", c.kind, status, body, c.status, want)
		}
	}
	_, body := Dialect{}.Error(&domain.Error{Kind: domain.KindNotFound, Message: "m", Param: "model", Code: "model_not_found", FromProvider: true}, "")
	if want := `{"error":{"message":"m (provider)","type":"invalid_request_error","param":"model","code":"model_not_found"}}`; string(body) != want {
		t.Errorf("%s, want %s", body, want)
	}
}

// Whatever a message, a parameter or a code holds, the body is JSON and the event is one event, and a
// reader of the protocol takes it for an error.
func TestErrorHoldsAnyMessage(t *testing.T) {
	odd := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "a\n\ndata: [DONE]\n\n", `"}}`, "\r\r", "\x00", "</script>"}))
	rapid.Check(t, func(t *rapid.T) {
		e := &domain.Error{
			Kind: domain.Kind(rapid.IntRange(0, int(domain.KindDraining)).Draw(t, "kind")), Message: odd.Draw(t, "message"), Param: odd.Draw(t, "param"), Code: odd.Draw(t, "code"),
		}
		_, body := Dialect{}.Error(e, "req_1")
		var doc struct {
			Error struct {
				Message     string
				Param, Code *string
			}
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		// encoding/json mends broken UTF-8 in the same way.
		mended := func(s string) string {
			enc, _ := json.Marshal(s)
			var out string
			_ = json.Unmarshal(enc, &out)
			return out
		}
		if doc.Error.Message != mended(dialect.Text(e, "req_1")) || (doc.Error.Param == nil) != (e.Param == "") || e.Param != "" && *doc.Error.Param != mended(e.Param) || e.Code != "" && *doc.Error.Code != mended(e.Code) {
			t.Fatalf("%s does not say %+v", body, e)
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
	if ev := r.Event(raw); dialect.EndOfEvent(raw) != len(raw) || ev.Kind != dialect.EventPing || r.open != dialect.OpenText {
		t.Errorf("%q means %+v", raw, ev)
	}
}

func TestModels(t *testing.T) {
	const want = `{"object":"list","data":[{"id":"gpt-5.5","object":"model","created":1780272000,"owned_by":"openai"},{"id":"own","object":"model","created":0,"owned_by":""}]}`
	if got := (Dialect{}).Models([]dialect.Model{{ID: "gpt-5.5", Name: "GPT", Created: 1780272000, Owner: "openai"}, {ID: "own"}}); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Dialect{}).Models(nil); string(got) != `{"object":"list","data":[]}` {
		t.Errorf("no models: %s", got)
	}
	if _, err := (Dialect{}).ModelList([]byte(`[]`)); err == nil {
		t.Error("a list is taken for a page")
	}
}

func TestModelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := rapid.SliceOf(rapid.Custom(func(t *rapid.T) dialect.Model {
			return dialect.Model{ID: rapid.StringN(1, 20, -1).Draw(t, "id"), Created: rapid.Int64().Draw(t, "created"), Owner: rapid.String().Draw(t, "owner")}
		})).Draw(t, "models")
		got, err := Dialect{}.ModelList(Dialect{}.Models(models))
		if err != nil || !slices.Equal(got, models) {
			t.Fatalf("%+v became %+v (%v)", models, got, err)
		}
	})
}
