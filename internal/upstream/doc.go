// Package upstream makes one attempt on the wire: which connection it uses, which
// headers go along, how long it may take, and what a failure of the connection
// means. It never decides what happens next, never retries beyond what the HTTP transport
// knows to be safe, and never follows a redirect.
//
// Start reading at client.go, then watch.go (time limits) and header.go.
package upstream
