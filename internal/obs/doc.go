// Package obs is how Turnout is watched from outside: one structured logger and the
// Prometheus metrics. Labels are bounded (platform, class, action, dialect, outcome,
// status class; never a key, an account's name, a model or a request id), but for the quotas of
// the operator's own accounts, which are named, a thousand at most; and nothing
// here ever sees a prompt, an answer or a secret.
//
// Start reading at metrics.go.
package obs
