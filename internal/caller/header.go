package caller

import (
	"net/http"
	"strings"
)

// KeyHeader carries the caller's key where other headers carry something else.
const KeyHeader = "X-Turnout-Key"

// Credential finds the caller's key in a request: x-turnout-key, else Authorization with the
// scheme Bearer, else x-api-key (Anthropic's SDKs), else x-goog-api-key (Google's), else the query's
// key (curl users and old SDKs of Google's). A request may carry several; the first in this order counts,
// even if another differs. An empty one, or another scheme than Bearer, counts as none. The
// headers must be in canonical form, as net/http gives them.
func Credential(r *http.Request) (secret string, ok bool) {
	h := r.Header
	// Indexing, not Get, because Get canonicalises the name each time.
	if s := first(h[KeyHeader]); s != "" {
		return s, true
	}
	if s := bearer(first(h["Authorization"])); s != "" {
		return s, true
	}
	if s := first(h["X-Api-Key"]); s != "" {
		return s, true
	}
	if s := first(h["X-Goog-Api-Key"]); s != "" {
		return s, true
	}
	if !strings.Contains(r.URL.RawQuery, "key=") {
		return "", false
	}
	s := strings.TrimSpace(r.URL.Query().Get("key"))
	return s, s != ""
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

// bearer takes the scheme off. Its name is case-insensitive (RFC 9110, 11.1).
func bearer(value string) string {
	const scheme = "bearer"
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return ""
	}
	if c := value[len(scheme)]; c != ' ' && c != '\t' {
		return ""
	}
	return strings.TrimSpace(value[len(scheme):])
}
