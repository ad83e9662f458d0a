package platform

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"turnout/internal/failover"
)

// statedReset reads when the upstream says that it can be asked again.
func statedReset(a Answer, class failover.Class) (time.Duration, bool) {
	h := a.Header
	if h == nil {
		return 0, false
	}
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil && ms > 0 {
		return time.Duration(ms * float64(time.Millisecond)), true
	}
	return retryAfter(h.Get("Retry-After"), a.Now)
}

// retryAfter reads seconds or an HTTP date (RFC 9110, section 10.2.3).
func retryAfter(s string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil {
		if sec <= 0 || sec > 366*24*3600 {
			return 0, false
		}
		return time.Duration(sec * float64(time.Second)), true
	}
	if t, err := http.ParseTime(s); err == nil && t.After(now) {
		return t.Sub(now), true
	}
	return 0, false
}
