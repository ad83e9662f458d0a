package gateway

import (
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
)

// Reasoning in plain words goes back to the provider that showed it, whichever of its accounts answers, and to the same
// model elsewhere. An account of another provider gets the request without it, whether or not it is known that the
// session moved.
func TestSpokenReasoning(t *testing.T) {
	const chat = `{"model":"m","messages":[{"role":"user","content":"hi","reasoning":"mine"},{"role":"assistant","content":null,"reasoning_content":"xyz","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}]}`
	claude := `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[` +
		`{"type":"thinking","thinking":"xyz","signature":"` + neutral.Seal(domain.DialectOpenAIChat, "", "reasoning_content") + `"},{"type":"tool_use","id":"c","name":"f","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"ok"}]}]}`
	const whole = `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`
	mistral := status(422, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","messages",1,"assistant","reasoning_content"],"msg":"Extra inputs are not permitted","input":"xyz"}]},"type":"invalid_request_invalid_args"}`)
	missing := status(400, "{\"error\":{\"message\":\"Missing `reasoning_content` field in the assistant message at message index 1\",\"type\":\"invalid_request_error\"}}")
	for _, c := range []struct {
		name    string
		b       account // the second account; the first is of base URL one and serves m as vendor/deep
		first   reply   // of it
		asked   int
		dropped bool
	}{
		{"another provider", account{base: "https://two.invalid", models: domain.ModelMap{"m": "other"}}, status(200, whole), 3, true},
		{"the same provider", account{org: "b", models: domain.ModelMap{"m": "other"}}, status(200, whole), 3, false},
		{"the same model", account{base: "https://two.invalid", models: domain.ModelMap{"m": "Deep"}}, status(200, whole), 3, false},
		{"nobody knew", account{base: "https://two.invalid", models: domain.ModelMap{"m": "deep"}}, mistral, 4, true},
		{"it is missed", account{models: domain.ModelMap{"m": "deep"}}, missing, 3, false},
	} {
		for _, caller := range []struct {
			d    dialect.Dialect
			body string
		}{{openai.Dialect{}, chat}, {anthropic.Dialect{}, claude}} {
			t.Run(c.name+", "+caller.d.ID().String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c.b.name, c.b.priority = "b", 1
					r := newRig(t, []account{{name: "a", models: domain.ModelMap{"m": "vendor/deep"}}, c.b}, as(caller.d), func(rc *rigConfig) { rc.platform = "openai-compatible" })
					r.on("a", status(200, whole))
					r.send(caller.body, withHeader("X-Session-Id", "s"))
					if !strings.Contains(r.attempts[0].body, `"reasoning_content":"xyz"`) {
						t.Errorf("at home: %s", r.attempts[0].body)
					}
					r.on("a", status(401, `{"error":{"message":"x"}}`))
					r.on("b", c.first, status(200, whole))
					g := r.send(caller.body, withHeader("X-Session-Id", "s"))
					last := r.attempts[len(r.attempts)-1]
					if len(r.attempts) != c.asked || last.account != "b" || strings.Contains(last.body, "xyz") == c.dropped || !strings.Contains(last.body, `"tool_calls"`) {
						t.Errorf("%d %s, asked %s; %s got %s", g.Code, g.text(), r.asked(), last.account, last.body)
					}
					if caller.d.ID() == domain.DialectOpenAIChat && !strings.Contains(last.body, `"reasoning":"mine"`) {
						t.Errorf("what the user said is gone: %s", last.body)
					}
					if warned := strings.Contains(strings.Join(g.Header()[warningHeader], ""), warnSpoken); warned != c.dropped {
						t.Errorf("%v", g.Header())
					}
				})
			})
		}
	}
}
