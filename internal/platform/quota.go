package platform

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
)

// quotaHeader is one window that three headers describe.
type quotaHeader struct {
	window                  string
	unit                    domain.QuotaUnit
	limit, remaining, reset string // canonical names
	Evidence                string
}

const (
	anthropicLimits = "Anthropic, rate limits page: token buckets; the reset is the time at which the limit is fully replenished, RFC 3339. Per organisation and model class"
	openaiLimits    = "OpenAI, rate limits guide: the reset is the time until the limit is back at its initial state (6ms, 1m30s). Per organisation, project and model. Groq: the same headers, with the day's requests"
	plainLimits     = "OpenRouter and others: x-ratelimit-* without a unit, the reset is a point in time in milliseconds (corpus)"
)

// quotaHeaders are the windows of API keys. Anybody may send them, relays of another
// provider's answers above all.
var quotaHeaders = [...]quotaHeader{
	{"requests", domain.QuotaRequests, "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset", anthropicLimits},
	{"tokens", domain.QuotaTokens, "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset", anthropicLimits},
	{"input_tokens", domain.QuotaInputTokens, "Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset", anthropicLimits},
	{"output_tokens", domain.QuotaOutputTokens, "Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset", anthropicLimits},
	{"requests", domain.QuotaRequests, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests", openaiLimits},
	{"tokens", domain.QuotaTokens, "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens", openaiLimits},
	{"limit", domain.QuotaShare, "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", plainLimits},
}

// codexHeader is one window of a ChatGPT subscription.
type codexHeader struct{ window, used, minutes, after, at, Evidence string }

const codexLimits = "Codex, source: used percent, length in minutes, and the reset in seconds from now or as Unix seconds"

var codexHeaders = [...]codexHeader{
	{"primary", "X-Codex-Primary-Used-Percent", "X-Codex-Primary-Window-Minutes", "X-Codex-Primary-Reset-After-Seconds", "X-Codex-Primary-Reset-At", codexLimits},
	{"secondary", "X-Codex-Secondary-Used-Percent", "X-Codex-Secondary-Window-Minutes", "X-Codex-Secondary-Reset-After-Seconds", "X-Codex-Secondary-Reset-At", codexLimits},
}

// Bounds of what is believed and kept.
const (
	maxReadings   = 16      // of one answer
	maxWindowName = 32      // bytes
	maxQuotaLimit = 1 << 50 // units; anything larger is no limit
)

// QuotaHeaders reads what an answer's header says of the account's windows, whether the
// answer is a success or a failure. It gives nil, and allocates nothing, where it says nothing. What cannot be
// right is left out: a reset further away than the window is long, a share that is no number.
func QuotaHeaders(h http.Header, now time.Time) (out []domain.QuotaReading) {
	for i := range quotaHeaders {
		q := &quotaHeaders[i]
		if r, ok := q.read(h, now); ok {
			out = append(out, r)
		}
	}
	out = unifiedQuotas(out, h, now)
	for i := range codexHeaders {
		c := &codexHeaders[i]
		if r, ok := c.read(h, now); ok {
			out = append(out, r)
		}
	}
	return out
}

func (q *quotaHeader) read(h http.Header, now time.Time) (r domain.QuotaReading, ok bool) {
	remaining := get(h, q.remaining)
	if remaining == "" {
		return r, false
	}
	r = domain.QuotaReading{Window: q.window, Unit: q.unit, Remaining: -1, Used: -1, Kind: domain.QuotaBucket}
	if n, ok := amount(remaining); ok {
		r.Remaining = n
	}
	if n, ok := amount(get(h, q.limit)); ok && n > 0 {
		r.Limit = n
	}
	reset := get(h, q.reset)
	d := until(reset, now, maxReset)
	if d > 0 && q.unit == domain.QuotaShare {
		r.Kind = domain.QuotaFixed // a point in time at which all of it comes back
	}
	if d == 0 {
		d = seconds(reset, time.Second)
	}
	if d == 0 {
		if v, rest := duration(strings.ToLower(strings.TrimSpace(reset))); rest == "" {
			d = believed(v)
		}
	}
	if d > 0 {
		r.Reset = now.Add(d)
	}
	switch {
	case r.Limit > 0 && r.Remaining >= 0:
		r.Remaining = min(r.Remaining, r.Limit) // some buckets hold a burst beyond their limit
		r.Used = share(1 - float64(r.Remaining)/float64(r.Limit))
	case r.Remaining == 0:
		r.Used = 1
	}
	if r.Remaining == 0 {
		r.Status = domain.QuotaRejected
	}
	return r, r.Remaining >= 0
}

// unifiedQuotas reads the windows of an Anthropic subscription: 5h and 7d, and those of
// single families of models (7d_opus). Without a window of its own, the aggregate names the
// decisive one (representative-claim).
func unifiedQuotas(out []domain.QuotaReading, h http.Header, now time.Time) []domain.QuotaReading {
	aggregate := get(h, unifiedPrefix+"Status")
	if aggregate == "" && get(h, unifiedPrefix+"5h-Utilization") == "" && get(h, unifiedPrefix+"7d-Utilization") == "" &&
		get(h, unifiedPrefix+"5h-Status") == "" && get(h, unifiedPrefix+"7d-Status") == "" {
		return out
	}
	before := len(out)
	for key := range h {
		name, ok := strings.CutPrefix(key, unifiedPrefix)
		if !ok || len(out)-before == maxReadings {
			continue
		}
		window, ok := strings.CutSuffix(name, "-Utilization")
		if !ok {
			// A window without a share still has a status; with one it is read there.
			if window, ok = strings.CutSuffix(name, "-Status"); !ok || get(h, unifiedPrefix+window+"-Utilization") != "" {
				continue
			}
		}
		if window == "" || strings.HasPrefix(window, "Overage") {
			continue // what may be used beyond the windows is no window
		}
		r := domain.QuotaReading{Scope: domain.QuotaOfAccount, Remaining: -1, Used: -1, Status: quotaStatus(get(h, unifiedPrefix+window+"-Status"))}
		if u, err := strconv.ParseFloat(strings.TrimSpace(get(h, unifiedPrefix+window+"-Utilization")), 64); err == nil && u >= 0 {
			r.Used = share(u)
		}
		r = timed(named(r, window), get(h, unifiedPrefix+window+"-Reset"), now)
		if r = settled(r); r.Used >= 0 || r.Status != domain.QuotaUnsaid {
			out = append(out, r)
		}
	}
	if len(out) == before && aggregate != "" {
		r := domain.QuotaReading{Scope: domain.QuotaOfAccount, Remaining: -1, Used: -1, Status: quotaStatus(aggregate)}
		r = timed(named(r, claimed(get(h, unifiedPrefix+"Representative-Claim"))), get(h, unifiedPrefix+"Reset"), now)
		if r = settled(r); r.Status != domain.QuotaUnsaid {
			out = append(out, r)
		}
	}
	return out
}

// claimed is a window's short name for the long one that representative-claim uses.
func claimed(claim string) string {
	for _, n := range [...][2]string{{"five_hour", "5h"}, {"seven_day", "7d"}} {
		if rest, ok := strings.CutPrefix(claim, n[0]); ok {
			return n[1] + rest
		}
	}
	if claim == "" {
		return "unified"
	}
	return claim
}

// named gives a reading its window's name, and what the name says: its length, and the
// family of models behind an underscore.
func named(r domain.QuotaReading, window string) domain.QuotaReading {
	r.Window = cut(strings.ToLower(window), maxWindowName)
	length, family, _ := strings.Cut(r.Window, "_")
	if !isLength(length) {
		return r
	}
	r.Family = family
	if d, rest := duration(length); rest == "" {
		r.Length = believed(d)
	}
	return r
}

// timed reads a reset. One that is further away than its window is long is a mistake, and is
// not believed.
func timed(r domain.QuotaReading, reset string, now time.Time) domain.QuotaReading {
	longest := maxReset
	if r.Length > 0 {
		longest = r.Length + r.Length/5
	}
	if d := until(reset, now, longest); d > 0 {
		r.Reset = now.Add(d)
	}
	return r
}

// settled takes a status as a share where there is no share: what is rejected is used up.
func settled(r domain.QuotaReading) domain.QuotaReading {
	if r.Status == domain.QuotaRejected {
		r.Used = 1
	}
	return r
}

func quotaStatus(s string) domain.QuotaStatus {
	switch s = strings.TrimSpace(s); {
	case strings.EqualFold(s, "allowed"):
		return domain.QuotaAllowed
	case strings.EqualFold(s, "allowed_warning"):
		return domain.QuotaWarning
	case strings.EqualFold(s, "rejected"):
		return domain.QuotaRejected
	}
	return domain.QuotaUnsaid
}

func (c *codexHeader) read(h http.Header, now time.Time) (r domain.QuotaReading, ok bool) {
	percent := get(h, c.used)
	if percent == "" {
		return r, false
	}
	used, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
	if err != nil || !(used >= 0) {
		return r, false
	}
	r = domain.QuotaReading{Window: c.window, Scope: domain.QuotaOfAccount, Remaining: -1, Used: share(used / 100)}
	if d := seconds(get(h, c.minutes), time.Minute); d > 0 {
		r.Length, r.Window = d, lengthName(d)
	}
	longest := maxReset
	if r.Length > 0 {
		longest = r.Length + r.Length/5
	}
	d := seconds(get(h, c.after), time.Second)
	if d == 0 || d > longest {
		d = until(get(h, c.at), now, longest)
	}
	if d > 0 {
		r.Reset = now.Add(d)
	}
	if r.Used >= 1 {
		r.Status = domain.QuotaRejected
	}
	return r, true
}

// lengthName names a window by its length: 5h, 7d, 90m.
func lengthName(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
}

// share is a share within its bounds.
func share(u float64) float64 { return max(0, min(u, 1)) }

// amount reads a number of units. Some write it with a fraction.
func amount(s string) (int64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || n > maxQuotaLimit {
		return 0, false
	}
	return int64(max(n, 0)), true
}

// QuotaBody reads what a failed answer's body says of windows:
//
//   - Gemini's google.rpc.QuotaFailure: which quota, and how large it is. "Requests per day (RPD) quotas
//     reset at midnight Pacific time" (rate limits page); of a minute's nobody says when, but RetryInfo does;
//   - spending: Anthropic's monthly cap of a usage tier, and the limits that its customers set;
//   - a ChatGPT subscription's usage limit, whose length its body does not say.
func QuotaBody(body []byte, now time.Time) []domain.QuotaReading {
	if !anyIn(body, "QuotaFailure", usageLimitName, tierCap, "API usage limits") {
		return nil
	}
	f := readFields(body[:min(len(body), MaxBody)])
	var out []domain.QuotaReading
	for i := range f.numQuotas {
		if r, ok := googleQuota(f.quotas[i], f.quotaValues[i], f.retryDelay, now); ok {
			out = append(out, r)
		}
	}
	rejected := domain.QuotaReading{Scope: domain.QuotaOfAccount, Remaining: -1, Used: 1, Status: domain.QuotaRejected}
	d := bodyWindow(&f, now)
	if d > 0 {
		rejected.Reset = now.Add(d)
	}
	switch {
	case f.tierCap || regain(f.lower, now) > 0:
		rejected.Window, rejected.Unit, rejected.Kind = "spend", domain.QuotaSpend, domain.QuotaFixed
		out = append(out, rejected)
	case f.named([]string{usageLimitName}) && d > 0:
		rejected.Window = "usage"
		out = append(out, rejected)
	}
	return out
}

func anyIn(body []byte, words ...string) bool {
	for _, w := range words {
		if bytes.Contains(body, []byte(w)) {
			return true
		}
	}
	return false
}

// googleQuota reads one violated quota by its id, in lower case:
// generaterequestsperdayperprojectpermodel-freetier, generatecontentinputtokenspermodelperminute, ….
func googleQuota(id, value, retry string, now time.Time) (r domain.QuotaReading, ok bool) {
	r = domain.QuotaReading{Kind: domain.QuotaCalendar, Status: domain.QuotaRejected, Used: 1}
	switch {
	case strings.Contains(id, "inputtokens"):
		r.Window, r.Unit = "input_tokens", domain.QuotaInputTokens
	case strings.Contains(id, "outputtokens"):
		r.Window, r.Unit = "output_tokens", domain.QuotaOutputTokens
	case strings.Contains(id, "tokens"):
		r.Window, r.Unit = "tokens", domain.QuotaTokens
	case strings.Contains(id, "requests"):
		r.Window, r.Unit = "requests", domain.QuotaRequests
	default:
		return r, false
	}
	switch {
	case strings.Contains(id, "perday"):
		r.Window += "_per_day"
		r.Length, r.Reset = 24*time.Hour, now.Add(nextMidnight(now))
	case strings.Contains(id, "perminute"):
		r.Window += "_per_minute"
		r.Length, r.Reset = time.Minute, now.Add(time.Minute)
		if d, rest := duration(retry); rest == "" && d > 0 && d <= time.Minute {
			r.Reset = now.Add(d)
		}
	default:
		return r, false
	}
	if n, ok := amount(value); ok && n > 0 {
		r.Limit = n
	}
	return r, true
}
