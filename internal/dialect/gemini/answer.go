package gemini

import (
	"net/http"
	"strconv"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Whole implements dialect.Dialect. Without `alt=sse` a stream is one JSON array of chunks, and errors are
// wrapped in an array there: an array is read as its elements together.
func (Dialect) Whole(body []byte) dialect.Answer {
	var w whole
	var err error
	if first(body) == '[' {
		valid := true
		err = dialect.Array(body, func(e dialect.Span) bool {
			valid = w.read(e.Of(body)) == nil && valid
			return true
		})
		w.Valid = valid
	} else {
		err = w.read(body)
		w.Valid = true
	}
	w.Valid = w.Valid && err == nil
	w.Finished = w.counted || w.r.Finished()
	w.Usage = w.r.Usage()
	return w.Answer
}

func first(body []byte) byte {
	for _, c := range body {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
	}
	return 0
}

// whole gathers what an answer's elements say.
type whole struct {
	dialect.Answer
	r       reader
	counted bool // an answer of countTokens or of the embedding verbs, which has no finish reason
}

func (w *whole) read(body []byte) error {
	return dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(canon(key)) {
		case "candidates":
			_ = dialect.Array(val, func(e dialect.Span) bool {
				c := e.Of(val)
				w.r.candidate(c)
				eachPart(member(c, "content"), func(part []byte) {
					_, some := w.r.part(part)
					w.Content = w.Content || some
				})
				return true
			})
		case "promptFeedback":
			if blocked(val) && w.r.begun == 0 {
				w.r.begun, w.r.done = 1, 1
			}
		case "usageMetadata":
			w.r.stated = w.r.figures.read(val) || w.r.stated
		case "error":
			w.Error = w.Error || !dialect.IsNull(val)
		case "totalTokens", "embedding", "embeddings":
			w.Content, w.counted = true, true
		}
		return true
	})
}

// statusName is the google.rpc.Code that goes with a kind, as the API's error.status writes it
// (google/rpc/code.proto, and the HTTP statuses that it maps to).
func statusName(k domain.Kind) string {
	switch k {
	case domain.KindInvalid, domain.KindUnsupported, domain.KindMethodNotAllowed, domain.KindTooLarge:
		return "INVALID_ARGUMENT"
	case domain.KindUnauthenticated:
		return "UNAUTHENTICATED"
	case domain.KindForbidden:
		return "PERMISSION_DENIED"
	case domain.KindNotFound:
		return "NOT_FOUND"
	case domain.KindRateLimited, domain.KindBalance, domain.KindBudget:
		return "RESOURCE_EXHAUSTED"
	case domain.KindUnavailable, domain.KindOverloaded, domain.KindDraining:
		return "UNAVAILABLE"
	case domain.KindUpstreamTimeout, domain.KindTimeout:
		return "DEADLINE_EXCEEDED"
	case domain.KindCanceled:
		return "CANCELLED"
	}
	return "INTERNAL"
}

// Details of an error are messages of package google.rpc (google/rpc/error_details.proto).
const (
	errorInfo = "type.googleapis.com/google.rpc.ErrorInfo"
	retryInfo = "type.googleapis.com/google.rpc.RetryInfo"
	ourDomain = "turnout"

	quotaFailure = "type.googleapis.com/google.rpc.QuotaFailure"
	// Gemini CLI does not try again where a quota's id says that it is of a day (its source, googleQuotaErrors.js; tried with 0.61.0).
	spendingQuota = "SpendingPerDay"
)

// spent reports whether money is used up, which no waiting helps.
func spent(k domain.Kind) bool { return k == domain.KindBalance || k == domain.KindBudget }

// statusOf is the status for a kind: the API says 429 for quotas of every sort.
func statusOf(k domain.Kind) int {
	if spent(k) {
		return http.StatusTooManyRequests
	}
	return dialect.StatusOf(k)
}

// reason is ErrorInfo's, where a kind alone does not say what is wrong: google.api.ErrorReason's name
// where that has one.
func reason(e *domain.Error) string {
	switch {
	case e.Code != "":
		return upper(e.Code)
	case e.Kind == domain.KindUnauthenticated:
		return "API_KEY_INVALID"
	}
	// None for a lack of capacity: the API gives none either, and at MODEL_CAPACITY_EXHAUSTED Gemini CLI does not wait
	// but changes to another model.
	return ""
}

// upper writes a code as ErrorInfo.reason wants it: [A-Z][A-Z0-9_]*.
func upper(code string) string {
	out := []byte(code)
	for i, c := range out {
		switch {
		case c >= 'a' && c <= 'z':
			out[i] = c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		default:
			out[i] = '_'
		}
	}
	return string(out)
}

// appendError writes the body. Clients read when to come back there: the API has no Retry-After header, and
// Gemini CLI waits at least RetryInfo's delay (its source, googleQuotaErrors.js).
func appendError(b []byte, e *domain.Error, requestID string) []byte {
	b = append(b, `{"error":{"code":`...)
	b = strconv.AppendInt(b, int64(statusOf(e.Kind)), 10)
	b = append(b, `,"message":`...)
	b = dialect.AppendString(b, dialect.Text(e, requestID))
	b = append(b, `,"status":"`...)
	b = append(b, statusName(e.Kind)...)
	b = append(b, '"')
	why := reason(e)
	if spent(e.Kind) {
		return append(append(append(b, `,"details":[{"@type":"`+quotaFailure+`","violations":[{"subject":"`+ourDomain+`","quotaId":"`+spendingQuota+`","description":`...),
			dialect.AppendString(nil, dialect.Text(e, requestID))...), "}]}]}}"...)
	}
	if why == "" && e.RetryAfter <= 0 {
		return append(b, "}}"...)
	}
	b = append(b, `,"details":[`...)
	if why != "" {
		b = append(b, `{"@type":"`+errorInfo+`","reason":"`...)
		b = append(b, why...)
		b = append(b, `","domain":"`+ourDomain+`"`...)
		if e.Param != "" {
			b = append(b, `,"metadata":{"param":`...)
			b = dialect.AppendString(b, e.Param)
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	if e.RetryAfter > 0 {
		if why != "" {
			b = append(b, ',')
		}
		b = append(b, `{"@type":"`+retryInfo+`","retryDelay":"`...)
		b = appendDelay(b, e.RetryAfter)
		b = append(b, `"}`...)
	}
	return append(b, "]}}"...)
}

// appendDelay writes a google.protobuf.Duration: seconds, with as many digits of a fraction as are needed.
// It is rounded up to milliseconds, so that nobody comes too early.
func appendDelay(b []byte, d time.Duration) []byte {
	ms := (d + time.Millisecond - 1).Milliseconds()
	b = strconv.AppendInt(b, ms/1000, 10)
	if rest := ms % 1000; rest > 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return append(b, 's')
}

// Error implements dialect.Dialect.
func (Dialect) Error(e *domain.Error, requestID string) (int, []byte) {
	return statusOf(e.Kind), appendError(nil, e, requestID)
}

// StreamError implements dialect.Dialect: @google/genai 3 and the Go SDK raise it; older ones (Gemini CLI
// 0.61.0 has 1.30.0) see a chunk without a candidate and then a stream without a finish reason, which
// is no whole answer to them either.
func (Dialect) StreamError(e *domain.Error, requestID string, _ int64) []byte {
	return append(appendError([]byte("data: "), e, requestID), "\r\n\r\n"...)
}

// KeepAlive implements dialect.Dialect: blank lines, and nothing else. A comment breaks the readers of
// @google/genai 1.x (every event must begin with "data: "), of the Go SDK ("invalid stream chunk") and
// of the Python SDK ("Failed to parse response as JSON"); a chunk without candidates reaches the
// application, and Python's chats then leave the turn out of their history. All four skip blank lines, as
// long as they come in the pairs of CRLF by which the Go SDK parts events. Only the deprecated
// @google/generative-ai does not bear them. In an array they are white space.
func (Dialect) KeepAlive() []byte { return []byte("\r\n\r\n") }
