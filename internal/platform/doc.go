// Package platform is what Turnout knows of kinds of upstreams, as data: address,
// dialects, authentication, what each failure means and which policy values differ.
// No platform's name appears outside this package; adding one is adding one file.
//
// It does no I/O. Start reading at platform.go, then classify.go and the rows in
// anthropic.go and openai.go.
package platform
