// Package openai is the OpenAI Chat Completions protocol: requests, answers, streams
// and errors as callers of /v1/chat/completions know them. Facts come from the
// project's captures of real clients and the public API reference
// (platform.openai.com/docs/api-reference, read 2026-11).
//
// It never decodes a body into a struct: unknown members must survive. Start
// reading at request.go and stream.go.
package openai
