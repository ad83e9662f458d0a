package gemini

import (
	"encoding/base64"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// A thoughtSignature is bytes to the API, base64 in JSON, and Google's Go and Python SDKs decode and encode it on the way:
// what is sealed for a caller has to be base64, too.

// shown is the signature that a caller of this dialect gets for reasoning or a call.
func shown(b *neutral.Block) string {
	s := neutral.Shown(own, b)
	if _, _, _, ok := neutral.Unseal(s); ok {
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	return s
}

// returned is the reverse: a signature as a caller sends it back. The Python SDK writes base64 in its URL-safe
// alphabet.
func returned(s string) string {
	if !strings.HasPrefix(s, dialect.SealBase64) {
		return s
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "="))
	if err != nil {
		return s
	}
	return string(raw)
}
