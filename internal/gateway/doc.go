// Package gateway is a request's life: who asks, for what, which account serves it,
// what happens when that fails, and what is written down. The attempt loop in
// exchange.go is the only place where Turnout waits, rests accounts, counts and carries out
// what the pure packages failover and sched decide; it is the same for every dialect,
// streaming or not.
//
// The package declares the few methods that it needs of the world (Bindings,
// Recorder, Ledger) and imports neither store nor coord.
//
// Start reading at serve.go (a request comes in), then exchange.go (the loop),
// attempt.go (one try) and answer.go (opened and committed).
package gateway
