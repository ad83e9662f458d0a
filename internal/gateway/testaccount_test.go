package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
	"turnout/internal/upstream"
)

const chatJSON = `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}`

// TestTestAccount: one small request in the account's own protocol, and what came of it in words.
func TestTestAccount(t *testing.T) {
	const models = `{"data":[{"id":"first","type":"model"},{"id":"second","type":"model"}]}`
	refused := func(*upstream.Call) error {
		return &upstream.Fault{Kind: upstream.FaultUnsent, Err: errors.New("dial tcp: refused")}
	}
	for _, c := range []struct {
		name, platform, model string
		models                domain.ModelMap
		replies               []reply
		url, body             string // of the last request
		ok                    bool
		class, meaning        string
	}{
		{"anthropic", "anthropic", "m", nil, []reply{jsonOK("hello")}, "/v1/messages", `"model":"m"`, true, "", "it answers"},
		{"chat", "openai-compatible", "m", nil, []reply{status(200, chatJSON)}, "/chat/completions", `"messages":[{"role":"user"`, true, "", "it answers"},
		{"responses", "openai", "m", nil, []reply{status(200, `{"id":"resp_1","object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":7,"output_tokens":2}}`)},
			"/responses", `"store":false`, true, "", "it answers"},
		{"gemini", "gemini", "m", nil, []reply{status(200, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2}}`)},
			"/models/m:generateContent", `"contents"`, true, "", "it answers"},
		{"a name of the map", "anthropic", "", domain.ModelMap{"b": "upstream-b", "c*": "x*"}, []reply{jsonOK("hello")}, "/v1/messages", `"model":"upstream-b"`, true, "", "it answers"},
		{"a name of the provider's list", "anthropic", "", domain.ModelMap{"mine-*": "sec*"}, []reply{status(200, models), jsonOK("hello")}, "/v1/messages", `"model":"second"`, true, "", "it answers"},
		{"no name at all", "anthropic", "", domain.ModelMap{"mine-*": "other-*"}, []reply{status(200, models)}, "/v1/models", "", false, "", "name one with --model"},
		{"a model that it does not serve", "anthropic", "x", domain.ModelMap{"b": "b"}, nil, "", "", false, "model_gone", `do not name "x"`},
		{"a refused key", "anthropic", "m", nil, []reply{status(401, errorJSON("authentication_error"))}, "/v1/messages", "", false, "credential", "check the API key"},
		{"a limit", "anthropic", "m", nil, []reply{status(429, errorJSON("rate_limit_error"), "Retry-After", "60")}, "/v1/messages", "", false, "rate_limited", "used up"},
		{"no connection", "anthropic", "m", nil, []reply{func(_ context.Context, c *upstream.Call) (*http.Response, error) { return nil, refused(c) }}, "/v1/messages", "", false, "network_unsent", "check base_url, proxy and network"},
		{"another protocol", "anthropic", "m", nil, []reply{status(200, "<html>")}, "/v1/messages", "", false, "unknown", "check platform and base_url"},
		{"an echo of the key", "anthropic", "m", nil, []reply{status(401, `{"type":"error","error":{"type":"authentication_error","message":"invalid key sk-acc"}}`)}, "/v1/messages", "", false, "credential", "check the API key"},
		{"silence", "anthropic", "m", nil, []reply{func(ctx context.Context, _ *upstream.Call) (*http.Response, error) {
			<-ctx.Done()
			return nil, upstream.FaultOf(ctx, ctx.Err())
		}}, "/v1/messages", "", false, "first_token_late", "no answer came in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "acc", platform: c.platform, models: c.models, base: "http://upstream.invalid"}})
				r.on("acc", c.replies...)
				began := time.Now()
				got, err := TestAccount(t.Context(), r, r.accounts[0], c.model)
				if err != nil {
					t.Fatal(err)
				}
				if got.OK != c.ok || got.Class != c.class || !strings.Contains(got.Meaning, c.meaning) || strings.Contains(got.Message, "sk-acc") || time.Since(began) > testTime {
					t.Errorf("%+v", got)
				}
				if c.ok && c.platform != "anthropic" && (got.Input != 7 || got.Output != 2) {
					t.Errorf("%+v", got)
				}
				if c.name == "a limit" && (got.Resets == nil || !got.Resets.Equal(began.Add(time.Minute))) {
					t.Errorf("%+v", got)
				}
				if c.url == "" {
					return
				}
				last := r.attempts[len(r.attempts)-1]
				if path, _, _ := strings.Cut(last.url, "?"); !strings.HasSuffix(path, c.url) || !strings.Contains(last.body, c.body) {
					t.Errorf("%s %s", last.url, last.body)
				}
			})
		})
	}
}
