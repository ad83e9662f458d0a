package openai

import (
	"io"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Dialect is the Chat Completions protocol.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// ID implements dialect.Dialect.
func (Dialect) ID() domain.Dialect { return domain.DialectOpenAIChat }

// RequestIDHeader implements dialect.Dialect.
func (Dialect) RequestIDHeader() string { return "X-Request-Id" }

// Request implements dialect.Dialect.
func (Dialect) Request(body []byte, _ dialect.Route) (dialect.Request, error) {
	r := dialect.Request{Size: len(body)}
	var effort, streamOptions dialect.Span
	stated := false
	prompts := 1 // of the legacy completions, which answer each
	err := dialect.Facts(body, &r, func(key []byte, v dialect.Span) {
		val := v.Of(body)
		switch {
		case dialect.Name(key, "max_completion_tokens"):
			r.MaxTokens = dialect.Int(val)
		case dialect.Name(key, "max_tokens"):
			if r.MaxTokens == 0 {
				r.MaxTokens = dialect.Int(val)
			}
		case dialect.Name(key, "messages"):
			r.Messages = v
		case dialect.Name(key, "n"), dialect.Name(key, "best_of"): // best_of are written, of which n are shown
			r.Choices = max(r.Choices, dialect.Choices(val))
		case dialect.Name(key, "prompt"):
			prompts = max(prompts, countPrompts(val))
		case dialect.Name(key, "tools"):
			r.Tools = v
		case dialect.Name(key, "prompt_cache_key"):
			r.PromptCacheKey, _ = dialect.Unquote(val)
		case dialect.Name(key, "previous_response_id"):
			r.PreviousResponseID, _ = dialect.Unquote(val)
		case dialect.Name(key, "reasoning_effort"):
			effort, stated = v, !dialect.IsNull(val)
		case dialect.Name(key, "stream_options"):
			streamOptions = v
		}
	})
	if err != nil {
		return r, err
	}
	if prompts > 1 {
		r.Choices = min(max(r.Choices, 1)*prompts, dialect.MostChoices)
	}
	switch e, _ := dialect.Unquote(effort.Of(body)); {
	case e == "high" || e == "xhigh":
		r.Effort = dialect.EffortHigh
	case stated && e != "none" && e != "minimal":
		r.Effort = dialect.EffortSome
	case !stated && reasonsByDefault(r.Model):
		r.Effort = dialect.EffortSome
	}
	if r.Stream {
		r.AskUsage, r.HideUsage = askUsage(body, streamOptions)
	}
	return r, nil
}

// countPrompts is how many prompts a list of them holds; a list of numbers is the tokens of one.
func countPrompts(prompt []byte) (n int) {
	if len(prompt) == 0 || prompt[0] != '[' {
		return 1
	}
	_ = dialect.Array(prompt, func(e dialect.Span) bool {
		if c := prompt[e.Start]; c != '"' && c != '[' {
			n = 1
			return false
		}
		n++
		return n < dialect.MostChoices
	})
	return n
}

// reasonsByDefault recognises models that reason without being asked to: the o
// series and gpt-5 (their model pages state a default effort of medium), and the
// names that reasoning models of other makers go by. It only makes time limits more patient.
func reasonsByDefault(model string) bool {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	for _, p := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(model, p) {
			return true
		}
	}
	for _, p := range []string{"reasoner", "thinking", "-r1"} {
		if strings.Contains(model, p) {
			return true
		}
	}
	return false
}

// askUsage makes the edit that sets stream_options.include_usage, unless the caller
// has set it. Without it a stream never states its usage (API reference, stream_options).
func askUsage(body []byte, at dialect.Span) (edit dialect.Edit, hide bool) {
	opts := at.Of(body)
	if dialect.IsNull(opts) {
		if at.Present() {
			return dialect.Edit{At: at, With: []byte(`{"include_usage":true}`)}, true
		}
		open := dialect.Span{Start: firstMember(body)}
		open.End = open.Start
		return dialect.Edit{At: open, With: []byte(`"stream_options":{"include_usage":true},`)}, true
	}
	if opts[0] != '{' {
		return dialect.Edit{}, false // the provider's own 400 says it best
	}
	var value dialect.Span
	members := 0
	if dialect.Object(opts, func(key []byte, v, _ dialect.Span) bool {
		members++
		if dialect.Name(key, "include_usage") {
			value = v
		}
		return true
	}) != nil {
		return dialect.Edit{}, false
	}
	switch {
	case dialect.IsTrue(value.Of(opts)):
		return dialect.Edit{}, false
	case value.Present():
		return dialect.Edit{At: dialect.Span{Start: at.Start + value.Start, End: at.Start + value.End}, With: []byte("true")}, true
	}
	with := `"include_usage":true`
	if members > 0 {
		with += ","
	}
	return dialect.Edit{At: dialect.Span{Start: at.Start + 1, End: at.Start + 1}, With: []byte(with)}, true
}

// firstMember is where a member can be put in front of the others.
func firstMember(body []byte) int {
	for i, c := range body {
		if c == '{' {
			return i + 1
		}
	}
	return 0
}

// Opening implements dialect.Dialect: the instructions are the system and developer
// messages before the first user message.
func (Dialect) Opening(body []byte, r *dialect.Request, w io.Writer) {
	opening(r.Messages.Of(body), true, w)
}

// Prefix implements dialect.Dialect.
func (Dialect) Prefix(body []byte, r *dialect.Request, w io.Writer) {
	_, _ = w.Write(r.Tools.Of(body))
	_, _ = w.Write([]byte{0})
	opening(r.Messages.Of(body), false, w)
}

// opening writes the instructions, and the first user message where that is wanted.
func opening(messages []byte, user bool, w io.Writer) {
	_ = dialect.Array(messages, func(e dialect.Span) bool {
		m := e.Of(messages)
		role, _ := dialect.Unquote(dialect.Member(m, "role"))
		if role == "system" || role == "developer" || role == "user" && user {
			_, _ = w.Write(dialect.Member(m, "content"))
			_, _ = w.Write([]byte{0})
		}
		return role != "user"
	})
}
