// Package failover decides what to do after an attempt failed: retry here, wait,
// switch, or give up. It is pure: (Policy, State, Outcome) → (State, Decision).
// It never waits, logs, counts, rests an account or reads a clock; package
// gateway's attempt loop does all that, in one place, as the Decision says. It
// knows no platform by name and no meaning of an HTTP status: platforms differ by
// an Override, and package platform has turned the status into a Class before.
//
// Two profiles of the one core: Classic reproduces a known behaviour exactly and
// Balanced, the default, mends its flaws. Start reading at AfterFailure in
// core.go; the values of both profiles are in profile.go.
//
// How the loop uses it, for one request:
//
//	state := NewState(session, seed)        // or the state of the client's former try
//	StayOrMove                              // only if the bound account is resting
//	attempt → AtSoftLimit while it is slow  // maybe another one beside it
//	attempt failed → AfterFailure           // carry out Before, wait, then Completed
//	nobody to choose → AfterNoCandidate     // the same
//	waited → AfterWait                      // does the account still rest? wait on
//	gave up → answer State.Best
package failover
