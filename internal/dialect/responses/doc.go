// Package responses is the OpenAI Responses protocol: what the gateway reads of its
// requests, streams and answers, and its translation to and from the neutral form. Facts come
// from captures of real clients (Codex 0.169.0, the openai SDKs 7.57.0 and v3.96.0), from these
// clients' sources and from the public API reference (platform.openai.com/docs/api-reference/responses,
// read 2026-11); what was tried out with a client says so.
//
// Passing through, it never decodes a body into a struct: unknown members must
// survive. Start reading at request.go and stream.go for that, and at decode.go, encode.go,
// decoder.go and encoder.go for the translation.
package responses
