package domain

// Rates are the limits of callers: of a key, or of all that goes through a pool.
type Rates struct {
	RateLimits
	// Models are limits beside those, by model: a name, or a pattern with at most one "*". All models that a
	// pattern matches share its limits; for a model the best match holds (an exact name, then the most letters
	// before the "*").
	Models map[string]RateLimits `json:"models,omitempty"`
}

// RateLimits are so much a minute and so many at a time. The zero value of a field is no limit; that of a burst is what
// a minute allows.
type RateLimits struct {
	Requests     int64 `json:"requests_per_minute,omitempty"`
	RequestBurst int64 `json:"request_burst,omitempty"` // at once, after a rest
	Tokens       int64 `json:"tokens_per_minute,omitempty"`
	TokenBurst   int64 `json:"token_burst,omitempty"`
	Concurrency  int64 `json:"concurrency,omitempty"` // requests at a time
}
