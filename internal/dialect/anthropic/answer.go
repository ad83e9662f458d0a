package anthropic

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Whole implements dialect.Dialect.
func (Dialect) Whole(body []byte) dialect.Answer {
	var a dialect.Answer
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(key) {
		case "content":
			_ = dialect.Array(val, func(dialect.Span) bool { a.Content = true; return false })
		case "stop_reason":
			a.Finished = !dialect.IsNull(val)
		case "usage":
			readUsage(val, &a.Usage, new(bool))
		case "error":
			a.Error = !dialect.IsNull(val)
		case "input_tokens": // count_tokens answers with this alone
			a.Content, a.Finished = true, true
		}
		return true
	})
	a.Valid = err == nil
	return a
}

// errorType is the API's error.type for a kind (errors page of the API reference).
func errorType(k domain.Kind) string {
	switch k {
	case domain.KindInvalid, domain.KindUnsupported, domain.KindTimeout, domain.KindMethodNotAllowed:
		return "invalid_request_error"
	case domain.KindUnauthenticated:
		return "authentication_error"
	case domain.KindForbidden:
		return "permission_error"
	case domain.KindNotFound:
		return "not_found_error"
	case domain.KindTooLarge:
		return "request_too_large"
	case domain.KindBalance, domain.KindBudget:
		return "billing_error"
	case domain.KindRateLimited:
		return "rate_limit_error"
	case domain.KindOverloaded, domain.KindUnavailable, domain.KindDraining:
		return "overloaded_error"
	case domain.KindUpstreamTimeout:
		return "timeout_error"
	}
	return "api_error"
}

// statusOverloaded is the Messages API's own status for overloaded_error.
const statusOverloaded = 529

func appendError(b []byte, e *domain.Error, requestID string) []byte {
	b = append(b, `{"type":"error","error":{"type":`...)
	b = dialect.AppendString(b, errorType(e.Kind))
	b = append(b, `,"message":`...)
	b = dialect.AppendString(b, says(e, requestID))
	b = append(b, `},"request_id":`...)
	b = dialect.AppendString(b, requestID)
	return append(b, '}')
}

// Error implements dialect.Dialect.
func (Dialect) Error(e *domain.Error, requestID string) (int, []byte) {
	status := dialect.StatusOf(e.Kind)
	if e.Kind == domain.KindOverloaded {
		status = statusOverloaded
	}
	return status, appendError(nil, e, requestID)
}

// tooLong is how the API begins its message on a prompt that is too long. The protocol has no code for
// it, so clients look for these words to shorten the conversation (Claude Code 2.1.330).
const tooLong = "prompt is too long"

// says is the message. Another provider's words on a prompt that is too long get ours before them.
func says(e *domain.Error, requestID string) string {
	text := dialect.Text(e, requestID)
	if e.Code == "context_length_exceeded" && !strings.Contains(strings.ToLower(text), tooLong) {
		text = tooLong + ": " + text
	}
	return text
}

// StreamError implements dialect.Dialect.
func (Dialect) StreamError(e *domain.Error, requestID string, _ int64) []byte {
	return append(appendError([]byte("event: error\ndata: "), e, requestID), "\n\n"...)
}

// KeepAlive implements dialect.Dialect. A ping may come anywhere in a stream.
func (Dialect) KeepAlive() []byte { return []byte("event: ping\ndata: {\"type\":\"ping\"}\n\n") }
