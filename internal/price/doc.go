// Package price says what a usage costs. It owns the catalogue: which provider asks what for which model, since when, by
// kind of token, with the operator's own prices over it. It is pure: what time it is comes as an argument.
//
// Money is exact here. A price is a decimal string in the catalogue and a fraction in memory; the parts of a request are added up in 128
// bits, multiplied by the caller's factor, and rounded once, half to even, to nano-USD. Nothing wraps: what is too much for an
// amount is the largest amount.
//
// It must never do I/O, look at the clock, or use a float.
//
// Start reading at Catalogue.Find and Plan.Cost; docs/prices.md tells how prices are found.
package price
