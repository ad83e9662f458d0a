package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

func TestWhole(t *testing.T) {
	stated := domain.Usage{Input: 3, Output: 2, Reported: true}
	const usage = `"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}`
	for body, want := range map[string]dialect.Answer{
		`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],` + usage + `}`:                                  {Valid: true, Content: true, Finished: true, Usage: stated},
		`{"candidates":[{"content":{"parts":[{"text":"x"}]}}],` + usage + `}`:                                                        {Valid: true, Content: true, Usage: stated},
		`{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}`:                                                  {Valid: true, Finished: true},
		`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"y"}]}}]}`: {Valid: true, Content: true},
		`{"promptFeedback":{"blockReason":"SAFETY"},` + usage + `}`:                                                                  {Valid: true, Finished: true, Usage: stated},
		`{"promptFeedback":{}}`:                       {Valid: true},
		`{"totalTokens":31,"promptTokensDetails":[]}`: {Valid: true, Content: true, Finished: true},
		`{"embedding":{"values":[0.1]}}`:              {Valid: true, Content: true, Finished: true},
		`{"embeddings":[{"values":[0.1]}]}`:           {Valid: true, Content: true, Finished: true},
		`{"error":{"code":400}}`:                      {Valid: true, Error: true},
		`[{"error":{"code":400}}]`:                    {Valid: true, Error: true},
		"[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n,\r\n{\"candidates\":[{\"finishReason\":\"STOP\"}]," + usage + "}\n]": {Valid: true, Content: true, Finished: true, Usage: stated},
		`[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]},{"error":{"code":503}}]`:                                                         {Valid: true, Content: true, Error: true},
		`[]`:                      {Valid: true},
		`{}`:                      {Valid: true},
		`[{"candidates":[]}`:      {},
		`[5]`:                     {},
		`{"candidates":[{"finish`: {},
		``:                        {},
		`<html>`:                  {},
	} {
		if got := (Dialect{}).Whole([]byte(body)); got != want {
			t.Errorf("%s\nis   %+v\nwant %+v", body, got, want)
		}
	}
}

func TestError(t *testing.T) {
	for _, c := range []struct {
		e      domain.Error
		status int
		body   string
	}{
		{domain.Error{Kind: domain.KindInvalid, Message: "m"}, 400, `{"error":{"code":400,"message":"m (gateway, request r1)","status":"INVALID_ARGUMENT"}}`},
		{domain.Error{Kind: domain.KindInvalid, Message: "m", Code: "unsupported_by_target", Param: "tools"}, 400, `{"error":{"code":400,"message":"m (gateway, request r1)","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_BY_TARGET","domain":"turnout","metadata":{"param":"tools"}}]}}`},
		{domain.Error{Kind: domain.KindUnauthenticated, Message: "m"}, 401, `{"error":{"code":401,"message":"m (gateway, request r1)","status":"UNAUTHENTICATED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"turnout"}]}}`},
		{domain.Error{Kind: domain.KindForbidden, Message: "m"}, 403, `{"error":{"code":403,"message":"m (gateway, request r1)","status":"PERMISSION_DENIED"}}`},
		{domain.Error{Kind: domain.KindNotFound, Message: "m"}, 404, `{"error":{"code":404,"message":"m (gateway, request r1)","status":"NOT_FOUND"}}`},
		{domain.Error{Kind: domain.KindRateLimited, Message: "m", RetryAfter: 1500*time.Millisecond + 1}, 429, `{"error":{"code":429,"message":"m (gateway, request r1)","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.501s"}]}}`},
		{domain.Error{Kind: domain.KindOverloaded, Message: "m", RetryAfter: 20 * time.Second, FromProvider: true}, 503, `{"error":{"code":503,"message":"m (provider, request r1)","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"20s"}]}}`},
		{domain.Error{Kind: domain.KindUnavailable, Message: "m"}, 503, `{"error":{"code":503,"message":"m (gateway, request r1)","status":"UNAVAILABLE"}}`},
		{domain.Error{Kind: domain.KindUpstream, Message: "m"}, 502, `{"error":{"code":502,"message":"m (gateway, request r1)","status":"INTERNAL"}}`},
		{domain.Error{Kind: domain.KindUpstreamTimeout, Message: "m"}, 504, `{"error":{"code":504,"message":"m (gateway, request r1)","status":"DEADLINE_EXCEEDED"}}`},
		{domain.Error{Kind: domain.KindInternal, Message: "m"}, 500, `{"error":{"code":500,"message":"m (gateway, request r1)","status":"INTERNAL"}}`},
	} {
		status, body := Dialect{}.Error(&c.e, "r1")
		if status != c.status || string(body) != c.body {
			t.Errorf("%v: %d %s\nwant %d %s", c.e.Kind, status, body, c.status, c.body)
		}
	}
}

// Whatever a message, a parameter or a code holds, the body is JSON that says the status again, and the event is one
// event that a reader of the protocol takes for an error.
func TestErrorHoldsAnyMessage(t *testing.T) {
	odd := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "a\n\ndata: [DONE]\n\n", `"}}`, "\r\r", "\x00", "</script>"}))
	rapid.Check(t, func(t *rapid.T) {
		e := &domain.Error{
			Kind: domain.Kind(rapid.IntRange(0, int(domain.KindDraining)).Draw(t, "kind")), Message: odd.Draw(t, "message"), Param: odd.Draw(t, "param"), Code: odd.Draw(t, "code"),
			RetryAfter: time.Duration(rapid.Int64Range(-5, 1<<50).Draw(t, "after")),
		}
		status, body := Dialect{}.Error(e, "req_1")
		var doc struct {
			Error struct {
				Code            int
				Message, Status string
				Details         []struct {
					Type       string `json:"@type"`
					RetryDelay string
				}
			}
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if doc.Error.Code != status || doc.Error.Status == "" || doc.Error.Message == "" {
			t.Fatalf("%s does not say %d", body, status)
		}
		if n := len(doc.Error.Details); e.RetryAfter > 0 {
			d, err := time.ParseDuration(doc.Error.Details[n-1].RetryDelay)
			if err != nil || d < e.RetryAfter || d-e.RetryAfter >= time.Millisecond {
				t.Fatalf("%v became %v (%v)", e.RetryAfter, d, err)
			}
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

// A keep-alive means nothing between any two events, whichever way they end, and is white space in a JSON array.
func TestKeepAlive(t *testing.T) {
	raw := Dialect{}.KeepAlive()
	for rest := raw; len(rest) > 0; {
		n := dialect.EndOfEvent(rest)
		r := &reader{open: dialect.OpenText}
		if ev := r.Event(rest[:n]); n == 0 || ev.Kind != dialect.EventPing || r.open != dialect.OpenText {
			t.Fatalf("%q means %+v", rest, ev)
		}
		rest = rest[n:]
	}
	if !json.Valid([]byte("[1," + string(raw) + "2]")) {
		t.Error("it breaks an array")
	}
}

func TestModels(t *testing.T) {
	const want = `{"models":[{"name":"models/gemini-2.5-pro","displayName":"Gemini 2.5 Pro","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]},` +
		`{"name":"tunedModels/own","displayName":"tunedModels/own","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]},` +
		`{"name":"models/gemini-embedding-001","displayName":"gemini-embedding-001","supportedGenerationMethods":["embedContent","countTokens"]}]}`
	if got := (Dialect{}).Models([]dialect.Model{{ID: "gemini-2.5-pro", Name: "Gemini 2.5 Pro"}, {ID: "tunedModels/own"}, {ID: "gemini-embedding-001"}}); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Dialect{}).Models(nil); string(got) != `{"models":[]}` {
		t.Errorf("no models: %s", got)
	}
	if _, err := (Dialect{}).ModelList([]byte(`[]`)); err == nil {
		t.Error("a list is taken for a page")
	}
	got, err := Dialect{}.ModelList([]byte(`{"models":[{"name":"models/imagen-4","supportedGenerationMethods":["predict"]},{"name":"models/gemini-3-pro","displayName":"G","supportedGenerationMethods":["generateContent","countTokens"]},{"name":"models/x"}],"nextPageToken":"n"}`))
	if want := []dialect.Model{{ID: "gemini-3-pro", Name: "G", Owner: "google"}, {ID: "x", Owner: "google"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v (%v)", got, err)
	}
}

func TestModelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := rapid.SliceOf(rapid.Custom(func(t *rapid.T) dialect.Model {
			n := strconv.Itoa(rapid.IntRange(0, 1000).Draw(t, "n"))
			return dialect.Model{ID: rapid.StringN(1, 20, -1).Draw(t, "id"), Name: "name " + n, Owner: "google"}
		})).Draw(t, "models")
		got, err := Dialect{}.ModelList(Dialect{}.Models(models))
		if err != nil || !slices.Equal(got, models) {
			t.Fatalf("%+v became %+v (%v)", models, got, err)
		}
	})
}
