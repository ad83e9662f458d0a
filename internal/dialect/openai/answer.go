package openai

import (
	"encoding/json"
	"fmt"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Whole implements dialect.Dialect.
func (Dialect) Whole(body []byte) dialect.Answer {
	var a dialect.Answer
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(key) {
		case "choices":
			a.Finished = true
			_ = dialect.Array(val, func(e dialect.Span) bool {
				c := e.Of(val)
				a.Content = a.Content || !dialect.IsNull(dialect.Member(c, "message"))
				a.Finished = a.Finished && !dialect.IsNull(dialect.Member(c, "finish_reason"))
				return true
			})
			a.Finished = a.Finished && a.Content
		case "usage":
			readUsage(val, &a.Usage)
		case "service_tier":
			a.Usage.Tier = dialect.Tier(val)
		case "error":
			a.Error = !dialect.IsNull(val)
		}
		return true
	})
	a.Valid = err == nil
	return a
}

// errorType and errorCode are the API's error.type and error.code for a kind
// (error codes guide).
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
		return "insufficient_quota", "insufficient_quota"
	case domain.KindRateLimited:
		return "requests", "rate_limit_exceeded"
	}
	return "server_error", ""
}

func appendError(b []byte, e *domain.Error, requestID string) []byte {
	typ, code := errorType(e.Kind)
	if e.Code != "" {
		code = e.Code
	}
	if code == "insufficient_quota" { // which its type is, too
		typ = code
	}
	b = append(b, `{"error":{"message":`...)
	b = dialect.AppendString(b, dialect.Text(e, requestID))
	b = append(b, `,"type":`...)
	b = dialect.AppendString(b, typ)
	b = append(b, `,"param":`...)
	b = appendNullable(b, e.Param)
	b = append(b, `,"code":`...)
	b = appendNullable(b, code)
	return append(b, "}}"...)
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return dialect.AppendString(b, s)
}

// Where money is used up the status is a 402 and not the 429 that the API has for it: after that the AI SDK asks again whatever the code is (tried with
// OpenCode 1.18.33: nine requests), and nobody does after a 402.

// Error implements dialect.Dialect.
func (Dialect) Error(e *domain.Error, requestID string) (int, []byte) {
	return dialect.StatusOf(e.Kind), appendError(nil, e, requestID)
}

// StreamError implements dialect.Dialect. No "[DONE]" follows: the SDKs raise the
// error, and nothing takes the answer for a whole one.
func (Dialect) StreamError(e *domain.Error, requestID string, _ int64) []byte {
	return append(appendError([]byte("data: "), e, requestID), "\n\n"...)
}

// KeepAlive implements dialect.Dialect: the protocol has no ping, a comment is
// skipped by every reader.
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
