package responses

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Whole implements dialect.Dialect. It also reads the answers of the further paths: what was
// deleted, lists of input items, a compaction, a count of tokens.
func (Dialect) Whole(body []byte) dialect.Answer {
	var a dialect.Answer
	var status string
	failed, background, other := false, false, false
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(key) {
		case "status":
			status, _ = dialect.Unquote(val)
		case "id":
			a.ID, _ = dialect.Unquote(val)
		case "object":
			o, _ := dialect.Unquote(val)
			other = other || o == "response.compaction"
		case "background":
			background = dialect.IsTrue(val)
		case "output":
			_ = dialect.Array(val, func(dialect.Span) bool { a.Content = true; return false })
			a.Usage.Searches = countSearches(val)
		case "service_tier":
			a.Usage.Tier = dialect.Tier(val)
		case "usage":
			readUsage(val, &a.Usage)
		case "error":
			failed = !dialect.IsNull(val)
		case "input_tokens", "deleted", "data":
			other = true
		}
		return true
	})
	a.Valid = err == nil
	switch {
	case status == "failed" && !background, status == "" && failed:
		a.Error = true
	case status == "completed", status == "incomplete":
		a.Finished = true
	case (status == "in_progress" || status == "queued") && !background:
		// Who waits for an answer gets one that has ended: this one was cut off.
	case status != "", other:
		// The answer is about a response in the background, whatever became of that, or it is
		// of another path: it is whole as it is.
		a.Content, a.Finished = true, true
	}
	return a
}

// errorType and errorCode are the API's error.type and error.code for a kind (error codes
// guide; the codes of a failed response are the API reference's).
func errorType(k domain.Kind) (typ, code string) {
	switch k {
	case domain.KindInvalid, domain.KindUnsupported, domain.KindTimeout, domain.KindMethodNotAllowed, domain.KindTooLarge:
		return "invalid_request_error", ""
	case domain.KindUnauthenticated:
		return "invalid_request_error", "invalid_api_key"
	case domain.KindForbidden:
		return "invalid_request_error", "permission_denied"
	case domain.KindNotFound:
		return "invalid_request_error", "not_found"
	case domain.KindBalance, domain.KindBudget:
		// Codex ends at either; at insufficient_quota it shows words of its own, at this it shows ours (gateway's promoHeader).
		return "usage_limit_reached", "usage_limit_reached"
	case domain.KindRateLimited:
		return "requests", "rate_limit_exceeded"
	}
	return "server_error", ""
}

// fault is an error as the protocol writes it.
type fault struct{ message, typ, param, code string }

func faultOf(e *domain.Error, requestID string) fault {
	typ, code := errorType(e.Kind)
	if e.Code != "" {
		code = e.Code
	}
	if code == "insufficient_quota" { // which its type is, too
		typ = code
	}
	return fault{dialect.Text(e, requestID), typ, e.Param, code}
}

func (f *fault) append(b []byte) []byte {
	b = append(b, `{"message":`...)
	b = dialect.AppendString(b, f.message)
	b = append(b, `,"type":`...)
	b = dialect.AppendString(b, f.typ)
	b = append(b, `,"param":`...)
	b = appendNullable(b, f.param)
	b = append(b, `,"code":`...)
	b = appendNullable(b, f.code)
	return append(b, '}')
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return dialect.AppendString(b, s)
}

// statusOf is the status for a kind. The API says 429 where an account has no money left (error codes guide, "You exceeded your current
// quota"); Codex ends after one request then, by its type, and asks twelve times after a 402 (tried with 0.169.0).
func statusOf(k domain.Kind) int {
	if k == domain.KindBalance || k == domain.KindBudget {
		return http.StatusTooManyRequests
	}
	return dialect.StatusOf(k)
}

// Error implements dialect.Dialect.
func (Dialect) Error(e *domain.Error, requestID string) (int, []byte) {
	f := faultOf(e, requestID)
	return statusOf(e.Kind), append(f.append([]byte(`{"error":`)), '}')
}

// StreamError implements dialect.Dialect. It is two events, as the API itself sends them: an
// "error", which the SDKs raise (openai-node core/streaming.mjs, openai-go ssestream.go), and a
// "response.failed", from which alone Codex learns what went wrong and when to come back (tried with
// 0.169.0: after an "error" it only knows that the stream was closed). The error stands in the
// first one both nested, as the API sends it, and flat, as its reference has it.
func (Dialect) StreamError(e *domain.Error, requestID string, next int64) []byte {
	f := faultOf(e, requestID)
	if f.code == "" {
		f.code = "server_error"
		if f.typ == "invalid_request_error" {
			f.code = "invalid_prompt" // Codex does not send such a request again
		}
	}
	if e.Kind == domain.KindRateLimited && e.RetryAfter > 0 {
		// The words that Codex reads the time from (codex-rs/codex-api, sse/responses.rs).
		f.message += ". Please try again in " + strconv.FormatFloat(e.RetryAfter.Round(time.Millisecond).Seconds(), 'f', -1, 64) + "s."
	}
	b := append([]byte(nil), "event: error\ndata: {\"type\":\"error\",\"sequence_number\":"...)
	b = strconv.AppendInt(b, next, 10)
	b = append(b, `,"code":`...)
	b = dialect.AppendString(b, f.code)
	b = append(b, `,"message":`...)
	b = dialect.AppendString(b, f.message)
	b = append(b, `,"param":`...)
	b = appendNullable(b, f.param)
	b = append(b, `,"error":`...)
	b = f.append(b)
	b = append(b, "}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":"...)
	b = strconv.AppendInt(b, next+1, 10)
	b = append(b, `,"response":{"id":`...)
	b = dialect.AppendString(b, responseID("", requestID))
	b = append(b, `,"object":"response","status":"failed","error":{"code":`...)
	b = dialect.AppendString(b, f.code)
	b = append(b, `,"message":`...)
	b = dialect.AppendString(b, f.message)
	return append(b, "},\"incomplete_details\":null,\"output\":[],\"usage\":null}}\n\n"...)
}

// KeepAlive implements dialect.Dialect. A comment is skipped by every reader; the API's own
// "keepalive" event breaks SDKs from before mid-2026 (openai-node#1964, openai-java#767). Codex takes
// nothing but events for a sign of life: see the reader's KeepAlive.
func (Dialect) KeepAlive() []byte { return []byte(": keep-alive\n\n") }

type modelRow struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type modelPage struct {
	Object string     `json:"object"`
	Data   []modelRow `json:"data"`
}

// Models implements dialect.Dialect.
func (Dialect) Models(models []dialect.Model) []byte {
	page := modelPage{Object: "list", Data: make([]modelRow, 0, len(models))}
	for _, m := range models {
		page.Data = append(page.Data, modelRow{m.ID, "model", m.Created, m.Owner})
	}
	out, _ := json.Marshal(page) // strings and numbers always encode
	return out
}

// Model implements dialect.Dialect.
func (Dialect) Model(m dialect.Model) []byte {
	out, _ := json.Marshal(modelRow{m.ID, "model", m.Created, m.Owner})
	return out
}

// ModelList implements dialect.Dialect.
func (Dialect) ModelList(body []byte) ([]dialect.Model, error) {
	var page modelPage
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("read a model list: %w", err)
	}
	out := make([]dialect.Model, 0, len(page.Data))
	for _, r := range page.Data {
		out = append(out, dialect.Model{ID: r.ID, Created: r.Created, Owner: r.OwnedBy})
	}
	return out, nil
}
