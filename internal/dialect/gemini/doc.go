// Package gemini is the Gemini API's generateContent protocol: what the gateway reads of
// its requests, streams and answers, and its translation to and from the neutral form.
//
// Facts come from the public API reference (ai.google.dev/api, read 2026-11), from the
// sources of Google's clients (@google/genai 3.1.0 and 1.30.0, google.golang.org/genai 1.77.0, Gemini
// CLI 0.61.0) and from the project's captures of real clients.
//
// Three things set the protocol apart. The model and the wish for a stream stand in the path
// and not in the body. The API is proto JSON, so that a member may be written in camelCase or in
// snake_case (name.go). And a stream has no end of its own: it is whole when its body ends after a
// finish reason (stream.go).
//
// Start reading at request.go and stream.go; the translation begins at decode.go and encode.go.
package gemini
