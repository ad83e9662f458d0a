// Package server is the edge towards callers: the listener, the routes, what every
// request passes through first, and the graceful stop. It decides nothing about a request but
// who serves it.
//
// Start reading at server.go.
package server
