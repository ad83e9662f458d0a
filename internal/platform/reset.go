package platform

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"turnout/internal/failover"
)

// maxReset is the longest reset that is believed. The longest known true one is the
// start of the next month; anything longer is taken for a broken clock or unit and
// refused, because a stated reset is never shortened.
const maxReset = 32 * 24 * time.Hour

// What a message's words are worth, at most: enough for any limit by the minute. Longer
// limits have headers or members of their own; without them the account is asked
// again. A usage limit that the upstream calls so by name may take a week, the longest
// window there is.
const (
	maxTextReset   = 10 * time.Minute
	maxTextWindow  = 7 * 24 * time.Hour
	usageLimitName = "usage_limit_reached"
)

// statedReset reads when the upstream says that it can be asked again. Only classes
// that time mends have one.
//
// There are three kinds of statements, and they do not weigh the same:
//   - when to ask again: retry-after and its kin, google.rpc.RetryInfo, "try again in …";
//   - until when a used-up window or budget is closed: subscriptions' windows, resets_at,
//     quotas of a day or a month. Limits are ANDed, so that the latest of these and
//     of the first kind holds: an account whose five hours end in three minutes is
//     still refused for the days that its week needs;
//   - when a token bucket will be full again. That is later than when it lets the next
//     request through, so it counts only where nothing of the first kind is said.
//
// A window of one family of models counts only where the verdict is about the model
// (scope); closed for the account it would take the other models' requests too.
func statedReset(a *Answer, f *fields, class failover.Class, scope failover.Scope) (time.Duration, bool) {
	limit := class == failover.RateLimited
	switch class {
	case failover.RateLimited, failover.QuotaExhausted, failover.Capacity, failover.Transient, failover.Unknown:
	default:
		return 0, false
	}
	again := askAgain(a.Header, f, a.Now)
	if again == 0 && (limit || class == failover.Capacity) {
		// Any upstream's 500 may hold the caller's words; known sentences come with limits.
		again = messageReset(f, class == failover.Capacity)
	}
	if class == failover.RateLimited || class == failover.QuotaExhausted {
		again = max(again, bodyWindow(f, a.Now))
	}
	if limit {
		again = max(again, unifiedWindow(a.Header, a.Now, scope == failover.ScopeAccountModel), codexWindow(a.Header, a.Now))
		if again == 0 {
			again = max(anthropicBuckets(a.Header, a.Now), openaiBuckets(a.Header, a.Now))
		}
	}
	return again, again > 0
}

// believed is d if it says anything: more than nothing and not absurd. Else 0.
func believed(d time.Duration) time.Duration {
	if d <= 0 || d > maxReset {
		return 0
	}
	return d
}

// askAgain is the first kind of statement; the most exact wins.
func askAgain(h http.Header, f *fields, now time.Time) time.Duration {
	if d := seconds(get(h, "Retry-After-Ms"), time.Millisecond); d > 0 {
		return d
	}
	if d := retryAfter(get(h, "Retry-After"), now); d > 0 {
		return d
	}
	if d, rest := duration(f.retryDelay); rest == "" && d > 0 {
		return believed(d)
	}
	return 0
}

// messageReset is what a known sentence of the message says, within what words are
// worth. Of a message that was cut nobody knows how it ends.
func messageReset(f *fields, capacity bool) time.Duration {
	if f.cut {
		return 0
	}
	longest := maxTextReset
	if f.named([]string{usageLimitName}) {
		longest = maxTextWindow
	}
	return min(textReset(f.lower, capacity), longest)
}

// get is the first value of a header whose name is given in its canonical form.
// http.Header.Get would make it canonical each time.
func get(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// seconds reads a number of units, with fractions.
func seconds(s string, unit time.Duration) time.Duration {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n > 0) || n > maxReset.Seconds()*1000 {
		return 0
	}
	return believed(time.Duration(n * float64(unit)))
}

// retryAfter reads seconds or an HTTP date (RFC 9110, section 10.2.3).
func retryAfter(s string, now time.Time) time.Duration {
	if s = strings.TrimSpace(s); s == "" {
		return 0
	}
	if d := seconds(s, time.Second); d > 0 {
		return d
	}
	if t, err := http.ParseTime(s); err == nil {
		return believed(t.Sub(now))
	}
	return 0
}

// until reads a point in time: Unix seconds, Unix milliseconds (recognised by their
// size) or RFC 3339.
func until(s string, now time.Time, longest time.Duration) time.Duration {
	if s = strings.TrimSpace(s); s == "" {
		return 0
	}
	var at time.Time
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case !(n > 1e9) || n > 1e14:
			return 0
		case n > 1e11:
			at = time.UnixMilli(int64(n))
		default:
			at = time.UnixMilli(int64(n * 1000))
		}
	} else if at, err = time.Parse(time.RFC3339, s); err != nil {
		return 0
	}
	if d := at.Sub(now); d > 0 && d <= longest {
		return d
	}
	return 0
}

const unifiedPrefix = "Anthropic-Ratelimit-Unified-"

// unifiedWindow is the latest reset of a subscription's rejected windows. A window
// is rejected if its status says so or, without a status, if it is used up. The
// aggregate reset speaks where no single window does.
//
// 5h and 7d are the account's, 7d_opus and its like are one family of models': they
// count only if model is set.
//
// A reset further away than its window is long is a mistake and is not believed
// (5 h: at most 6 h; 7 d, and its parts for single models: at most 8 d).
func unifiedWindow(h http.Header, now time.Time, model bool) time.Duration {
	var account, family time.Duration
	for key, values := range h {
		window, ok := strings.CutPrefix(key, unifiedPrefix)
		if !ok || len(values) == 0 {
			continue
		}
		// What may be used beyond the windows is no window: it being closed is the
		// ordinary state.
		if window, ok = strings.CutSuffix(window, "-Reset"); !ok || strings.HasPrefix(window, "Overage") || !rejected(h, window) {
			continue
		}
		longest := maxReset
		switch {
		case strings.HasPrefix(window, "5h"):
			longest = 6 * time.Hour
		case strings.HasPrefix(window, "7d"):
			longest = 8 * 24 * time.Hour
		}
		d := until(values[0], now, longest)
		if isLength(window) {
			account = max(account, d)
		} else {
			family = max(family, d)
		}
	}
	latest := account
	if model {
		latest = max(account, family)
	}
	if latest == 0 && strings.EqualFold(get(h, unifiedPrefix+"Status"), "rejected") {
		// The aggregate repeats the window that was decisive: it may be the models' own.
		if d := until(get(h, unifiedPrefix+"Reset"), now, maxReset); model || d != family {
			latest = d
		}
	}
	return latest
}

// rejected reports whether a window lets nothing through.
func rejected(h http.Header, window string) bool {
	if status := get(h, unifiedPrefix+window+"-Status"); status != "" {
		return strings.EqualFold(status, "rejected")
	}
	used, err := strconv.ParseFloat(get(h, unifiedPrefix+window+"-Utilization"), 64)
	return err == nil && used >= 1
}

// isLength reports whether a window is named by its length alone ("5h", "7d").
func isLength(window string) bool {
	n := len(window) - 1
	return n > 0 && strings.Trim(window[:n], "0123456789") == "" && strings.Contains("mhdw", strings.ToLower(window[n:]))
}

// codexWindow is the latest reset of a ChatGPT subscription's used-up windows.
func codexWindow(h http.Header, now time.Time) time.Duration {
	var latest time.Duration
	for _, window := range [...][3]string{
		{"X-Codex-Primary-Used-Percent", "X-Codex-Primary-Reset-After-Seconds", "X-Codex-Primary-Reset-At"},
		{"X-Codex-Secondary-Used-Percent", "X-Codex-Secondary-Reset-After-Seconds", "X-Codex-Secondary-Reset-At"},
	} {
		percent := get(h, window[0])
		if percent == "" {
			continue
		}
		if used, err := strconv.ParseFloat(percent, 64); err != nil || !(used >= 100) {
			continue
		}
		d := seconds(get(h, window[1]), time.Second)
		if d == 0 {
			d = until(get(h, window[2]), now, maxReset)
		}
		latest = max(latest, d)
	}
	return latest
}

// anthropicBuckets is the latest reset of an API key's empty buckets.
func anthropicBuckets(h http.Header, now time.Time) time.Duration {
	var latest time.Duration
	for _, bucket := range [...][2]string{
		{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
		{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
		{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
		{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
	} {
		if isZero(get(h, bucket[0])) {
			latest = max(latest, until(get(h, bucket[1]), now, maxReset))
		}
	}
	return latest
}

// openaiBuckets is the latest reset of empty x-ratelimit buckets: OpenAI's durations
// ("6ms", "1m30s"), plain seconds (Groq and others), or a point in time (OpenRouter).
func openaiBuckets(h http.Header, now time.Time) time.Duration {
	var latest time.Duration
	for _, bucket := range [...][2]string{
		{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
		{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
		{"X-Ratelimit-Remaining", "X-Ratelimit-Reset"},
	} {
		if !isZero(get(h, bucket[0])) {
			continue
		}
		reset := get(h, bucket[1])
		d := until(reset, now, maxReset)
		if d == 0 {
			d = seconds(reset, time.Second)
		}
		if d == 0 {
			if v, rest := duration(strings.ToLower(strings.TrimSpace(reset))); rest == "" {
				d = believed(v)
			}
		}
		latest = max(latest, d)
	}
	return latest
}

func isZero(remaining string) bool {
	if remaining == "" {
		return false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(remaining), 64)
	return err == nil && n <= 0
}

// bodyWindow is until when a budget is closed that the body names.
func bodyWindow(f *fields, now time.Time) time.Duration {
	d := max(until(f.resetsAt, now, maxReset), seconds(f.resetsIn, time.Second))
	if f.tierCap {
		// "API usage pauses until 00:00 UTC on the first day of the next month"
		// (Anthropic, rate limits page).
		u := now.UTC()
		d = max(d, believed(time.Date(u.Year(), u.Month()+1, 1, 0, 0, 0, 0, time.UTC).Sub(now)))
	}
	if f.violates(perDay) {
		// "Requests per day (RPD) quotas reset at midnight Pacific time" (Gemini API, rate
		// limits page). A RetryInfo beside it is about the minute: Google's own CLI does
		// not look at it once a quota of the day is violated.
		d = max(d, believed(nextMidnight(now)))
	}
	return max(d, regain(f.lower, now))
}

var perDay = []string{"perday"}

// pacific is where Google's days begin. Without a time zone database days end at
// midnight standard time, which is never too early.
var pacific = func() *time.Location {
	if l, err := time.LoadLocation("America/Los_Angeles"); err == nil {
		return l
	}
	return time.FixedZone("PST", -8*3600)
}()

func nextMidnight(now time.Time) time.Duration {
	p := now.In(pacific)
	return time.Date(p.Year(), p.Month(), p.Day()+1, 0, 0, 0, 0, pacific).Sub(now)
}

// regain reads Anthropic's spend limits, from the first word to the last: "You have
// reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00
// UTC." Between them nobody else's words have a place.
func regain(text string, now time.Time) time.Duration {
	text, ok := strings.CutPrefix(strings.TrimSpace(text), "you have reached your specified ")
	if !ok {
		return 0
	}
	text = strings.TrimPrefix(text, "workspace ")
	text, ok = strings.CutPrefix(text, "api usage limits. you will regain access on ")
	if !ok {
		return 0
	}
	text, ok = strings.CutSuffix(strings.TrimSuffix(text, "."), " utc")
	if !ok {
		return 0
	}
	at, err := time.Parse("2006-01-02 at 15:04", text)
	if err != nil {
		return 0
	}
	return believed(at.Sub(now))
}
