// Package memnet is a network in memory: listeners, dialling, and connections that
// keep deadlines, half-read buffers and resets as a socket does. In a bubble of
// testing/synctest everything that waits on it waits durably, so that minutes of silence between a
// gateway and its providers pass in no time.
//
// It must never touch the system's network. It knows no names: one that nobody
// listens under is a DNS error, and a number that nobody listens at refuses.
//
// Start reading at network.go; pipe.go is one direction of a connection.
package memnet
