package responses

import (
	"bytes"
	"io"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// Dialect is the Responses protocol.
type Dialect struct{}

var (
	_ dialect.Dialect = Dialect{}
	_ neutral.Codec   = Dialect{}
)

// own is this package's dialect.
const own = domain.DialectOpenAIResp

// ID implements dialect.Dialect.
func (Dialect) ID() domain.Dialect { return own }

// RequestIDHeader implements dialect.Dialect.
func (Dialect) RequestIDHeader() string { return "X-Request-Id" }

// Request implements dialect.Dialect. No edit asks for usage: it always stands in the
// stream's last event.
func (Dialect) Request(body []byte, _ dialect.Route) (dialect.Request, error) {
	r := dialect.Request{Size: len(body), Stored: true} // store is true where it is not stated (API reference)
	var reasoning dialect.Span
	err := dialect.Facts(body, &r, func(key []byte, v dialect.Span) {
		val := v.Of(body)
		switch {
		case dialect.Name(key, "max_output_tokens"):
			r.MaxTokens = dialect.Int(val)
		case dialect.Name(key, "input"):
			r.Messages = v
		case dialect.Name(key, "instructions"):
			r.System = v
		case dialect.Name(key, "tools"):
			r.Tools = v
		case dialect.Name(key, "prompt_cache_key"):
			r.PromptCacheKey, _ = dialect.Unquote(val)
		case dialect.Name(key, "previous_response_id"):
			if r.PreviousResponseID, _ = dialect.Unquote(val); r.PreviousResponseID != "" {
				r.Refs = append(r.Refs, dialect.Ref{ID: r.PreviousResponseID, Param: "previous_response_id", What: "the response", Code: "previous_response_not_found"})
			}
		case dialect.Name(key, "conversation"):
			if id := conversation(val); id != "" {
				r.Refs = append(r.Refs, dialect.Ref{ID: id, Param: "conversation", What: "the conversation", Code: "conversation_not_found"})
			}
		case dialect.Name(key, "store"):
			r.Stored = string(val) != "false"
		case dialect.Name(key, "background"):
			r.Background = r.Background || dialect.IsTrue(val)
		case dialect.Name(key, "reasoning"):
			reasoning = v
		}
	})
	if err != nil {
		return r, err
	}
	effort := dialect.Member(reasoning.Of(body), "effort")
	switch e, _ := dialect.Unquote(effort); {
	case e == "high" || e == "xhigh" || e == "max":
		r.Effort = dialect.EffortHigh
	case !dialect.IsNull(effort) && e != "none" && e != "minimal":
		r.Effort = dialect.EffortSome
	case dialect.IsNull(effort) && familyOf(r.Model).thinks != never:
		// Codex asks for no effort and leaves it to the model (captured from 0.169.0), and most models
		// that are served in this dialect think. A guess that is wrong only makes time limits more patient.
		r.Effort = dialect.EffortSome
	}
	return r, nil
}

// environment begins the message in which Codex says where and when it runs: directory, date, time
// zone (captured from 0.169.0). It is no word of the user's, and a session that is taken up again
// on another day must not be another one.
var environment = []byte("<environment_context>")

// Opening implements dialect.Dialect: the instructions, the developer's messages up to the first
// one of the user, and that one. Items' ids are not part of it: Codex makes them anew.
func (Dialect) Opening(body []byte, r *dialect.Request, w io.Writer) { opening(body, r, true, w) }

// Prefix implements dialect.Dialect.
func (Dialect) Prefix(body []byte, r *dialect.Request, w io.Writer) {
	_, _ = w.Write(r.Tools.Of(body))
	_, _ = w.Write([]byte{0})
	opening(body, r, false, w)
}

// opening writes the instructions and the developer's messages, and the user's first one where that is wanted.
func opening(body []byte, r *dialect.Request, user bool, w io.Writer) {
	write := func(v []byte) {
		_, _ = w.Write(v)
		_, _ = w.Write([]byte{0})
	}
	if system := r.System.Of(body); !dialect.IsNull(system) {
		write(system)
	}
	input := r.Messages.Of(body)
	if len(input) > 0 && input[0] == '"' {
		if user {
			write(input)
		}
		return
	}
	_ = dialect.Array(input, func(e dialect.Span) bool {
		item := e.Of(input)
		content := dialect.Member(item, "content")
		switch role, _ := dialect.Unquote(dialect.Member(item, "role")); role {
		case "system", "developer":
			write(content)
		case "user":
			if begins(content, environment) {
				return true
			}
			if user {
				write(content)
			}
			return false
		}
		return true
	})
}

// begins reports whether a content's text begins with words.
func begins(content, words []byte) bool {
	if len(content) > 0 && content[0] == '[' {
		var first []byte
		_ = dialect.Array(content, func(e dialect.Span) bool {
			first = dialect.Member(e.Of(content), "text")
			return false
		})
		content = first
	}
	return bytes.HasPrefix(bytes.TrimPrefix(content, []byte{'"'}), words)
}
