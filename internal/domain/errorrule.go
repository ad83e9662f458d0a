package domain

import "time"

// ErrorRule is an administrator's word on one kind of failure that a caller would be
// told of: pass the upstream's own error through, or replace it. The first rule that matches
// holds. It is asked only when nothing is left to try, so it changes what is said, never what is done.
type ErrorRule struct {
	// What it matches; an empty field matches everything.
	Class    string `json:"class,omitempty"`    // of the failure, by its name
	Status   int    `json:"status,omitempty"`   // the upstream's HTTP status
	Platform string `json:"platform,omitempty"` // of the account that failed
	Code     string `json:"code,omitempty"`     // the upstream's error code or type
	Contains string `json:"contains,omitempty"` // text in the upstream's error, whatever its case

	// Pass hands the upstream's error on with its status, less an account's private parts.
	Pass bool `json:"pass,omitempty"`
	// Otherwise these replace what would be said; empty fields leave it.
	NewStatus  int           `json:"new_status,omitempty"` // 400 to 599
	Message    string        `json:"message,omitempty"`
	NewCode    string        `json:"new_code,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}
