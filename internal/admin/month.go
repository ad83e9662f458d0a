package admin

import (
	"context"
	"net/http"

	"turnout/internal/domain"
)

// UsagePath is where usage is asked for, with GET; ServicePath, how requests went.
const (
	UsagePath   = "/admin/v1/usage"
	ServicePath = "/admin/v1/service"
)

// monthsPath is where months are: one is closed with POST to /admin/v1/months/2026-11/close.
const monthsPath = "/admin/v1/months/"

// ClosePath is where a month is closed.
func ClosePath(month string) string { return monthsPath + month + "/close" }

// Closer closes months.
type Closer interface {
	// CloseMonth freezes a month; body says of whom, in JSON.
	CloseMonth(ctx context.Context, month string, body []byte) (any, error)
}

// CloseMonth is what closing a month asks for: one team by its name, or everything that is open.
type CloseMonth struct {
	Team string `json:"team,omitempty"`
	All  bool   `json:"all,omitempty"`
}

// Closed is a team's month that was closed.
type Closed struct {
	Team     string         `json:"team"` // empty: what belongs to no team
	Month    string         `json:"month"`
	Requests int64          `json:"requests"`
	Charged  domain.NanoUSD `json:"charged_nano_usd"`
	Hash     string         `json:"hash"`
}

// Months are the calls for closed months.
func Months(c Closer) Routes {
	return func(mux *http.ServeMux) {
		mux.HandleFunc("POST "+monthsPath+"{month}/close", func(w http.ResponseWriter, r *http.Request) {
			if body, ok := read(w, r); ok {
				v, err := c.CloseMonth(r.Context(), r.PathValue("month"), body)
				answerWith(w, v, err)
			}
		})
	}
}
