// Package sched decides which account a request goes to next, and keeps why. It
// does no I/O, reads no clock and draws no randomness: Choose is a function of a View, a
// Request (with its time and seed) and the counters that the View points at.
//
// A View is the picture of one (pool, model, dialect): which accounts may serve it, by
// priority. Its shape is immutable and made once per configuration; what moves
// (requests in flight, last use, rests) lives in small shared cells that events
// update in place (docs/adr/0002). Start reading at choose.go, then view.go and cell.go.
package sched
