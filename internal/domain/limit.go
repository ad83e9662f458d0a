package domain

import "time"

// AccountLimits are what the operator allows of an account, beside what its provider
// does. Zero values: no limit. Comparable.
type AccountLimits struct {
	RequestsPerMinute int64     `json:"requests_per_minute,omitempty"` // in any 60 seconds
	TokensPerMinute   int64     `json:"tokens_per_minute,omitempty"`   // prompt, cached or not, and output
	RequestsPerDay    int64     `json:"requests_per_day,omitempty"`    // a day begins at midnight UTC
	TokensPerDay      int64     `json:"tokens_per_day,omitempty"`
	Sessions          int64     `json:"sessions,omitempty"` // that are served, or were within the sessions' time to live
	Expires           time.Time `json:"expires,omitzero"`   // it is not used from then on
}

// Counted reports whether anything has to be counted for the limits.
func (l AccountLimits) Counted() bool {
	l.Expires = time.Time{}
	return l != AccountLimits{}
}
