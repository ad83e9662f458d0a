package domain

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what an error means to a program. Only package dialect turns a kind
// into a status, headers and a body.
type Kind uint8

// The kinds. The zero kind is an internal fault.
const (
	KindInternal         Kind = iota // Turnout's own fault
	KindInvalid                      // the request is malformed or asks for the impossible
	KindUnauthenticated              // no key, or one that Turnout does not know
	KindForbidden                    // a known key that may not do this
	KindNotFound                     // no such path, model or object
	KindMethodNotAllowed             // the path exists, the method does not
	KindTooLarge                     // the request is over a limit of size
	KindUnsupported                  // an encoding that cannot be read
	KindTimeout                      // the caller sent too slowly
	KindRateLimited                  // try again later; RetryAfter says when
	KindUnavailable                  // no account can serve this now
	KindUpstream                     // the upstream failed and nothing else was left to try
	KindOverloaded                   // the provider is out of capacity
	KindUpstreamTimeout              // the upstream did not answer in time
	KindCanceled                     // the caller left
	KindDraining                     // this process is stopping
	KindBalance                      // the caller's money is used up
	KindBudget                       // a budget of the caller's is used up; RetryAfter says when there is room, if anybody knows
)

var kindNames = [...]string{
	"internal", "invalid", "unauthenticated", "forbidden", "not_found", "method_not_allowed", "too_large",
	"unsupported", "timeout", "rate_limited", "unavailable", "upstream", "overloaded", "upstream_timeout", "canceled", "draining", "balance", "budget",
}

// String is the kind's name in logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Error is a fault with what a program, a person and the caller each need.
type Error struct {
	Kind    Kind
	Op      string // what was being done, for people: "read the request body"
	Message string // what the caller is told: what is wrong and what to do; never a secret or an account's name
	Param   string // the request member at fault, where there is one
	Code    string // a dialect's own error code, where one is expected (e.g. "model_not_found")

	// RetryAfter, if positive, is when it is worth trying again.
	RetryAfter time.Duration
	// FromProvider: the limit or fault is the provider's, not Turnout's.
	FromProvider bool
	// Err is the cause, for logs only.
	Err error
}

// Error is the text for logs.
func (e *Error) Error() string {
	s := e.Kind.String()
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error whose caller-facing message is formatted.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Message: fmt.Sprintf(format, args...)}
}

// KindOf is the kind of the first Error in err's chain; anything else is
// internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
