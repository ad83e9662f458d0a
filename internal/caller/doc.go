// Package caller answers whose key a request carries. It owns the check of a
// caller's key against a compiled, immutable directory of keys; it knows keys only
// by their SHA-256, reads no store and no clock, and never holds or prints a key.
//
// Start reading at Directory in directory.go; where a request carries its key is in
// header.go.
package caller
