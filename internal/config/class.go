package config

import "slices"

// The classes of failure that have a rule of their own here.
const (
	classContentRefused = "content_refused"
	classCallerFault    = "caller_fault"
	classContextTooLong = "context_too_long"
	classCredential     = "credential"
)

// classes are the names of package failover's classes, which config may not import;
// a test of package app holds the two lists together.
var classes = []string{
	"unknown", "transient", "capacity", "rate_limited", "quota_exhausted", classCredential, "permission", "model_gone",
	classContextTooLong, classContentRefused, classCallerFault, "network_unsent", "network_unknown", "first_token_late",
	"stream_cut", "stream_stalled", "empty_answer",
}

// FailureClasses lists the classes of failure by which a file may speak of failures.
// The caller owns the slice.
func FailureClasses() []string { return slices.Clone(classes) }

// restless reports whether a class says nothing of the account that failed.
func restless(class string) bool {
	return class == classCallerFault || class == classContentRefused || class == classContextTooLong
}
