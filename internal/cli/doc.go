// Package cli holds the bodies of Turnout's commands. A command reads its flags, calls
// what does the work and prints for people; the process itself (signals, exit codes) is
// cmd/turnout's.
//
// Start reading at cli.go.
package cli
