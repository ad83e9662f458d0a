// Package conformance holds the failover core against sequences whose every step
// has an expected result, in a virtual time that is only arithmetic: nothing waits.
// It owns the reading of that format and the comparison; it decides nothing, and
// it knows no platform: what platforms override is a parameter.
//
// Start reading at Run in run.go; the format is in format.go.
package conformance
