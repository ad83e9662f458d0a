// Package simulate runs a script of conversations through the scheduler and the failover core, on a virtual clock
// and against a world that answers as accounts do, and says what came of it: failures, waits, switches, cache, cost
// and spread. So strategies and policies can be compared on a day that never happened, or on one that did.
//
// It owns the loop around the two cores that package gateway has for real requests, without sockets: what it
// leaves out (attempts beside slow ones, fallback models, requests that are refused to spare a provider, a client's own retries) is the same for every
// strategy. Everything in it is a function of its arguments: no clock, no chance but the script's seed.
//
// Start reading at [Run]; [Day] is the scripted day, [Recorded] a day from a gateway's own records.
package simulate
