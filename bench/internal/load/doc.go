// Package load sends HTTP requests to a gateway as fast as asked, checks every
// answer, and measures latency, CPU time and memory of the gateway's process.
//
// The HTTP client is written directly on TCP: the generator shares a small machine
// with what it measures, so it has to be cheap. Start reading at Run.
package load
