// Package dialect is what the gateway knows of a wire protocol in general: the
// facts that are read from a request, the reading of an answer as it passes, and
// errors in a caller's own shape. The subpackages anthropic and openai each hold one
// protocol, both directions.
//
// Bytes first: where caller and upstream speak the same dialect nothing is
// decoded and encoded again. Requests and events are scanned once, at their top
// level, by the scanner in scan.go; answers are relayed as they came.
//
// The package must never do I/O, keep a body after it returned, or know the name of a
// platform. Start reading at dialect.go.
package dialect
