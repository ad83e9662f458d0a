package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"turnout/internal/sim"
)

// TestHeaders: what matters to a provider reaches it as it came, and what is the
// caller's own does not; what matters to the caller comes back, and what is the account's does not.
func TestHeaders(t *testing.T) {
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			const key = "sk-sim-a-unified"
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", key, "")+keys)
			body := "{ \"model\" : \"m\",\n \"max_tokens\":100, \"stream\":false,\"messages\":[ {\"content\":\"caf\\u00e9 é\",\"role\":\"user\"}],\"temperature\" : 1.0 }"
			if f.stream {
				body = strings.Replace(body, `"stream":false`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
				if !f.openai {
					body = strings.Replace(body, `,"stream_options":{"include_usage":true}`, "", 1)
				}
			}
			r := g.send(ask{form: f, raw: body, path: f.path() + "?beta=true&key=" + teamKey, header: map[string]string{
				"Anthropic-Version": "2026-10-21", "Anthropic-Beta": "one-2026-01-01,two-2026-01-01", "User-Agent": "claude-cli/2.1.330 (external, cli)",
				"X-App": "cli", "X-Stainless-Retry-Count": "1", "X-Claude-Code-Session-Id": "s",
				"Authorization": "Bearer " + teamKey, "X-Api-Key": teamKey, "X-Goog-Api-Key": teamKey, "Cookie": "c=" + teamKey, "Proxy-Authorization": "Basic eHg=",
				"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "private.example", "Forwarded": "for=203.0.113.9", "X-Real-Ip": "203.0.113.9", "Via": "1.1 private.example",
				"Cf-Connecting-Ip": "203.0.113.9", "Connection": "X-Hop", "X-Hop": "hop", "Te": "trailers", "Accept-Encoding": "br, zstd",
				"Openai-Organization": "org-callers", "Openai-Project": "proj-callers",
			}})
			if !r.good() {
				t.Fatalf("%s", &r)
			}
			got := p.Requests()[0]
			if string(got.Body) != body {
				t.Errorf("the provider got\n%s\nwant\n%s", got.Body, body)
			}
			if got.Path != f.path()+"?beta=true" {
				t.Errorf("the provider was asked at %s", got.Path)
			}
			for k, want := range map[string]string{
				"Anthropic-Version": "2026-10-21", "Anthropic-Beta": "one-2026-01-01,two-2026-01-01", "User-Agent": "claude-cli/2.1.330 (external, cli)",
				"X-App": "cli", "X-Stainless-Retry-Count": "1", "X-Claude-Code-Session-Id": "s",
			} {
				if v := got.Header.Get(k); v != want {
					t.Errorf("the provider got %s: %q, want %q", k, v, want)
				}
			}
			if got.Key != key {
				t.Errorf("the provider got the key %s", got.Key)
			}
			for _, k := range []string{
				"Cookie", "X-Goog-Api-Key", "Proxy-Authorization", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "Via",
				"Cf-Connecting-Ip", "X-Hop", "Te", "Openai-Organization", "Openai-Project",
			} {
				if v, ok := got.Header[k]; ok {
					t.Errorf("the provider got %s: %q", k, v)
				}
			}
			for k, vs := range got.Header {
				if strings.Contains(strings.Join(vs, " "), teamKey) {
					t.Errorf("the provider got the caller's key in %s", k)
				}
			}

			requestID := "Request-Id"
			if f.openai {
				requestID = "X-Request-Id"
			}
			if r.header.Get(requestID) == "" || r.id == "" {
				t.Errorf("the caller got no request ids: %v", r.header)
			}
			for k := range r.header {
				low := strings.ToLower(k)
				for _, private := range []string{"cookie", "organization", "project", "ratelimit", "cf-", "server", "strict-transport", "via"} {
					if strings.Contains(low, private) {
						t.Errorf("the caller got %s: %q", k, r.header[k])
					}
				}
			}
		})
	}
}

// TestIncludeUsage: usage is always known to Turnout, and shown only to a caller who asked.
func TestIncludeUsage(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim-a", "")+keys)
	const body = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	for _, c := range []struct {
		name, raw string
		shown     bool
	}{
		{"not asked", body, false},
		{"options without it", strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_obfuscation":false}`, 1), false},
		{"empty options", strings.Replace(body, `"stream":true`, `"stream_options":{},"stream":true`, 1), false},
		{"null options", strings.Replace(body, `"stream":true`, `"stream_options":null,"stream":true`, 1), false},
		{"declined", strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":false}`, 1), false},
		{"asked", strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.send(ask{form: form{openai: true, stream: true}, raw: c.raw})
			if !r.good() || r.text != sim.Text(sim.DefaultChunks) {
				t.Fatalf("%s", &r)
			}
			if r.usage != c.shown || strings.Contains(r.body, `"usage"`) != c.shown || strings.Contains(r.body, `"choices":[]`) != c.shown {
				t.Errorf("usage shown: %t, want %t, in\n%s", r.usage, c.shown, r.body)
			}
			for e := range strings.SplitSeq(r.body, "\n\n") {
				if data, ok := strings.CutPrefix(e, "data: "); ok && data != "[DONE]" && !json.Valid([]byte(data)) {
					t.Errorf("not JSON any more: %s", data)
				}
			}
			if u := g.recorded(r.id).Usage; u["output"] != sim.DefaultChunks || u["input"] == 0 {
				t.Errorf("recorded usage: %v", u)
			}
		})
	}
}

// TestModelMapping: an exact name beats the longest prefix, a star stands for what it matched,
// and nothing but the model's name changes in the body.
func TestModelMapping(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+
		account(p, "anthropic", "a", "sk-sim-a", `models: {"claude-*": "vendor/claude-*", "claude-opus-*": "opus", "claude-opus-5": "claude-opus-5-20260101", small: tiny}`)+keys)
	for asked, sent := range map[string]string{
		"claude-sonnet-4": "vendor/claude-sonnet-4", "claude-opus-4-1": "opus", "claude-opus-5": "claude-opus-5-20260101", "small": "tiny",
	} {
		// The name also stands in places that are none of the gateway's business.
		frame := `{"max_tokens":9, "metadata":{"model":"MODEL"},"messages":[{"role":"user","content":"\"model\":\"MODEL\""}],  "model" : "MODEL" ,"stream":false}`
		body := strings.ReplaceAll(frame, "MODEL", asked)
		want := strings.Replace(body, `"model" : "`+asked+`"`, `"model" : "`+sent+`"`, 1)
		before := len(p.Requests())
		if r := g.send(ask{raw: body}); !r.good() {
			t.Fatalf("%s: %s", asked, &r)
		}
		if got := string(p.Requests()[before].Body); got != want {
			t.Errorf("%s: the provider got\n%s\nwant\n%s", asked, got, want)
		}
	}
	if r := g.send(ask{model: "gpt-5"}); r.status != http.StatusNotFound || r.fault != "not_found_error" {
		t.Errorf("a model that nobody serves: %s", &r)
	}
}
