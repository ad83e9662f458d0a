// Package anthropic is the Anthropic Messages protocol: requests, answers, streams and
// errors as callers of /v1/messages know them. Facts come from the project's
// captures of real clients and the public API reference (docs.anthropic.com, read
// 2026-11); each is named where it is used.
//
// It never decodes a body into a struct: unknown members must survive. Start
// reading at request.go and stream.go.
package anthropic
