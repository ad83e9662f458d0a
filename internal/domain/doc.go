// Package domain is Turnout's vocabulary: the nouns, ids and units that every
// other package speaks. It owns no behaviour beyond what a value can say about
// itself, does no I/O, reads no clock and imports only the standard library.
//
// Start reading at account.go (what requests are sent through) and usage.go
// (what they cost).
package domain
