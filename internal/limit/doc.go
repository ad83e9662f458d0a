// Package limit holds callers to their limits: requests and tokens per minute, and requests at a time. It does no
// I/O and reads no clock: every call says what time it is. What a limit belongs to is a Scope, a kind and a name, of which
// this package knows nothing more; its counters live in a Cell, and a Book finds cells by scope.
//
// The rate limits are the generic cell rate algorithm (GCRA, ITU-T I.371) in its form of a leaky bucket, in integers, so that nothing is
// rounded. All limits of one request are reserved together or not at all. What a request turns out to have used corrects its
// reservation. Start reading at reserve.go, then cell.go and meter.go.
package limit
