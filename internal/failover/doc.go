// Package failover decides what to do after an attempt failed: retry here, wait,
// switch, or give up. It is pure: (Policy, State, Outcome) → (State, Decision).
// It never waits, logs, counts, rests an account or reads a clock; package
// gateway's attempt loop does all that, in one place, as the Decision says.
//
// Two profiles of the one core: Classic reproduces a known behaviour exactly and
// Balanced, the default, mends its flaws. Start reading at AfterFailure in
// core.go; the values of both profiles are in profile.go.
package failover
