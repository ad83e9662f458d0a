package platform

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/failover"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func at(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }

// reached is OpenAI's message with another end.
func reached(end string) string {
	return `{"error":{"message":"Rate limit reached for gpt-4o in organization org-abc on requests per min (RPM): Limit 500, Used 500, Requested 1. ` + end + `"}}`
}

func TestStatedReset(t *testing.T) {
	const (
		rate  = failover.RateLimited
		quota = failover.QuotaExhausted
	)
	rejected := []string{"anthropic-ratelimit-unified-status", "rejected"}
	with := func(base []string, pairs ...string) http.Header {
		return header(append(base[:len(base):len(base)], pairs...)...)
	}
	tests := []struct {
		name   string
		class  failover.Class
		header http.Header
		body   string
		want   time.Duration // 0: none
	}{
		{"nothing", rate, nil, ``, 0},
		{"seconds", rate, header("retry-after", "20"), ``, 20 * time.Second},
		{"fractions", rate, header("retry-after", "0.25"), ``, 250 * time.Millisecond},
		{"spaces", rate, header("retry-after", " 5 "), ``, 5 * time.Second},
		{"milliseconds first", rate, header("retry-after-ms", "1500.5", "retry-after", "2"), ``, 1500500 * time.Microsecond},
		{"a bad one falls through", rate, header("retry-after-ms", "soon", "retry-after", "2"), ``, 2 * time.Second},
		{"date", rate, header("retry-after", "Fri, 20 Nov 2026 13:00:00 GMT"), ``, time.Hour},
		{"date in the past", rate, header("retry-after", "Fri, 20 Nov 2026 11:00:00 GMT"), ``, 0},
		{"zero", rate, header("retry-after", "0"), ``, 0},
		{"negative", rate, header("retry-after", "-3"), ``, 0},
		{"NaN", rate, header("retry-after", "NaN"), ``, 0},
		{"infinite", rate, header("retry-after", "+Inf"), ``, 0},
		{"overflow", rate, header("retry-after", "1e300"), ``, 0},
		{"32 days", rate, header("retry-after", "2764800"), ``, 32 * 24 * time.Hour},
		{"more than 32 days", rate, header("retry-after", "2764801"), ``, 0},
		{"capacity has one", failover.Capacity, header("retry-after", "3"), ``, 3 * time.Second},
		{"transient has one", failover.Transient, header("retry-after", "3"), ``, 3 * time.Second},
		{"a bad key has none", failover.Credential, header("retry-after", "3"), ``, 0},
		{"a bad request has none", failover.CallerFault, header("retry-after", "3"), ``, 0},
		{"capacity has no window", failover.Capacity, with(rejected, "anthropic-ratelimit-unified-reset", at(time.Hour)), ``, 0},

		{"anthropic: latest of the empty buckets", rate, header(
			"anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "2026-11-20T12:00:10Z",
			"anthropic-ratelimit-output-tokens-remaining", "0", "anthropic-ratelimit-output-tokens-reset", "2026-11-20T12:00:30Z",
			"anthropic-ratelimit-tokens-remaining", "1000", "anthropic-ratelimit-tokens-reset", "2026-11-20T12:10:00Z"), ``, 30 * time.Second},
		{"anthropic: retry-after is more exact than a full bucket", rate, header("retry-after", "2",
			"anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "2026-11-20T12:00:10Z"), ``, 2 * time.Second},
		{"anthropic: a bucket with an offset", rate, header(
			"anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "2026-11-20T13:00:10+01:00"), ``, 10 * time.Second},
		{"buckets say nothing of money", quota, header("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "6ms"), ``, 0},

		{"unified: later than retry-after", rate, with(rejected, "retry-after", "60",
			"anthropic-ratelimit-unified-7d-status", "rejected", "anthropic-ratelimit-unified-7d-reset", at(48*time.Hour)), ``, 48 * time.Hour},
		{"unified: retry-after later", rate, with(rejected, "retry-after", "7200",
			"anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", at(time.Hour)), ``, 2 * time.Hour},
		{"unified: an allowed window does not count", rate, with(rejected,
			"anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", at(time.Hour),
			"anthropic-ratelimit-unified-7d-status", "allowed_warning", "anthropic-ratelimit-unified-7d-utilization", "1.2", "anthropic-ratelimit-unified-7d-reset", at(90*time.Hour)), ``, time.Hour},
		{"unified: overage is no window", rate, with(rejected,
			"anthropic-ratelimit-unified-overage-status", "rejected", "anthropic-ratelimit-unified-overage-reset", at(300*time.Hour),
			"anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", at(time.Hour)), ``, time.Hour},
		{"unified: five hours are at most six", rate, with(rejected,
			"anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", at(6*time.Hour+time.Second)), ``, 0},
		{"unified: seven days are at most eight", rate, with(rejected,
			"anthropic-ratelimit-unified-7d-status", "rejected", "anthropic-ratelimit-unified-7d-reset", at(8*24*time.Hour+time.Second)), ``, 0},
		{"unified: a window of another length", rate, with(rejected,
			"anthropic-ratelimit-unified-30d-status", "rejected", "anthropic-ratelimit-unified-30d-reset", at(20*24*time.Hour)), ``, 20 * 24 * time.Hour},
		{"unified: RFC 3339", rate, with(rejected,
			"anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", "2026-11-20T14:00:00Z"), ``, 2 * time.Hour},
		{"unified: nothing is rejected", rate, header("anthropic-ratelimit-unified-status", "allowed",
			"anthropic-ratelimit-unified-reset", at(time.Hour), "anthropic-ratelimit-unified-5h-status", "allowed", "anthropic-ratelimit-unified-5h-reset", at(time.Hour)), ``, 0},

		{"openai: milliseconds", rate, header("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "6ms"), ``, 6 * time.Millisecond},
		{"openai: minutes", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "1m30s"), ``, 90 * time.Second},
		{"openai: plain seconds", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "59.7"), ``, 59700 * time.Millisecond},
		{"openai: days", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "1d2h"), ``, 26 * time.Hour},
		{"openai: the latest empty one", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "2s",
			"x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "4s"), ``, 4 * time.Second},
		{"openai: nonsense", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "soon"), ``, 0},
		{"openai: a unit too few", rate, header("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "1m30"), ``, 0},
		{"x-ratelimit-reset in milliseconds", rate, header("x-ratelimit-remaining", "0", "x-ratelimit-reset", at(time.Minute)+"000"), ``, time.Minute},

		{"codex: a window that is not used up", rate, header("x-codex-primary-used-percent", "99.9", "x-codex-primary-reset-after-seconds", "60"), ``, 0},
		{"codex: the later of both", rate, header("x-codex-primary-used-percent", "100", "x-codex-primary-reset-after-seconds", "60",
			"x-codex-secondary-used-percent", "101", "x-codex-secondary-reset-after-seconds", "600"), ``, 10 * time.Minute},

		{"body: seconds", rate, nil, `{"error":{"resets_in_seconds":90}}`, 90 * time.Second},
		{"body: a point in time", rate, nil, `{"error":{"resets_at":` + at(time.Hour) + `}}`, time.Hour},
		{"body: the later of both", rate, nil, `{"error":{"resets_in_seconds":90,"resets_at":` + at(time.Hour) + `}}`, time.Hour},
		{"body: an absurd one", rate, nil, `{"error":{"resets_at":99999999999,"resets_in_seconds":-4}}`, 0},
		{"RetryInfo", rate, nil, `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"20s"}]}}`, 20 * time.Second},
		{"RetryInfo with fractions", rate, nil, `{"error":{"details":[{"retryDelay":"0.847655010s"}]}}`, 847655010},
		{"RetryInfo of nothing", rate, nil, `{"error":{"details":[{"retryDelay":"0s"}]}}`, 0},
		{"a day's quota ends at midnight Pacific", quota, nil, `{"error":{"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}`, 20 * time.Hour},
		{"a day's quota outlasts RetryInfo", quota, nil, `{"error":{"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"20s"}]}}`, 20 * time.Hour},

		{"text: milliseconds", rate, nil, reached("Please try again in 6ms."), 6 * time.Millisecond},
		{"text: minutes", rate, nil, reached("Please try again in 1m30.5s. Visit https://platform.openai.com/account/rate-limits to learn more."), 90500 * time.Millisecond},
		{"text: seconds", rate, nil, reached("Please try again in 20s"), 20 * time.Second},
		{"text: words and commas", rate, nil, `{"error":{"message":"Rate limit is exceeded. Try again in 1 minute, 2 seconds and 3 milliseconds"}}`, 62003 * time.Millisecond},
		{"text: words", rate, nil, `{"error":{"type":"usage_limit_reached","message":"You’ve hit your usage limit. Try again in 5 days 22 hours 11 minutes."}}`, 142*time.Hour + 11*time.Minute},
		{"text: a usage limit takes a week at most", rate, nil, `{"error":{"type":"usage_limit_reached","message":"You've hit your usage limit. Try again in 31 days."}}`, 7 * 24 * time.Hour},
		{"text: ten minutes at most", rate, nil, `{"error":{"message":"You've hit your usage limit. Try again in 31 days."}}`, 10 * time.Minute},
		{"text: no unit", rate, nil, reached("Please try again in 20 requests"), 0},
		{"text: overflow", rate, nil, reached("Please try again in 99999999999999999999999d"), 0},
		{"text: too long", rate, nil, reached("Please try again in 40 days"), 0},
		{"text: capacity", failover.Capacity, nil, `{"error":{"message":"No deployments available for selected model, Try again in 60 seconds. Passed model=try again in 9 minutes"}}`, time.Minute},
		{"header before text", rate, header("retry-after", "3"), reached("Please try again in 20s"), 3 * time.Second},
		{"access", quota, nil, `{"error":{"message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}`, 252 * time.Hour},
		{"access in another year", quota, nil, `{"error":{"message":"You have reached your specified API usage limits. You will regain access on 2028-12-01 at 00:00 UTC."}}`, 0},
		{"access at an odd time", quota, nil, `{"error":{"message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 CET."}}`, 0},
		{"access, cut", quota, nil, `{"error":{"message":"You have reached your specified API usage limits. You will regain access on 2026-12"}}`, 0},
		{"access, in somebody's words", quota, nil, `{"error":{"message":"No money for: You will regain access on 2026-12-01 at 00:00 UTC."}}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := readFields([]byte(tt.body))
			got, stated := statedReset(&Answer{Status: 429, Header: tt.header, Now: now}, &f, tt.class, failover.ScopeAccount)
			if got != tt.want || stated != (tt.want > 0) {
				t.Errorf("got %v, %v; want %v", got, stated, tt.want)
			}
		})
	}
}

// Midnight Pacific is 23 or 25 hours after the last one when the clocks change.
func TestNextMidnight(t *testing.T) {
	if _, offset := time.Date(2026, 7, 1, 0, 0, 0, 0, pacific).Zone(); offset != -7*3600 {
		t.Skip("no time zone database: days end at midnight standard time")
	}
	for _, tt := range []struct{ now, want string }{
		{"2026-11-20T12:00:00Z", "2026-11-21T08:00:00Z"},
		{"2026-11-21T08:00:00Z", "2026-11-22T08:00:00Z"},
		{"2026-07-01T06:59:59Z", "2026-07-01T07:00:00Z"},
		{"2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"},
		{"2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"},
	} {
		n, _ := time.Parse(time.RFC3339, tt.now)
		if got := n.Add(nextMidnight(n)).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.now, got, tt.want)
		}
	}
}

// A duration that is written as Go writes it is read as it was meant.
func TestDurationReadsGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(maxReset)).Draw(t, "d")).Truncate(time.Millisecond)
		got, rest := duration(d.String())
		if got != d || rest != "" {
			t.Fatalf("%s: got %v, rest %q", d, got, rest)
		}
		if got := textReset("rate limit is exceeded. try again in "+d.String()+".", false); got != d {
			t.Fatalf("%s in a text: %v", d, got)
		}
	})
}

// A caller wrote "retry in 31 days" in its prompt, an upstream repeated the prompt in its
// 429, and the account was closed for 31 days for everybody; with a 500 one request
// rested it at the first failure. Words in a message are believed only where they are the
// provider's own sentence, and never for long.
func TestCallersCannotStateResets(t *testing.T) {
	words := []string{
		"retry in 31 days", "Please try again in 31 days.", "please retry after 22 seconds", "try again after 9m",
		"Rate limit is exceeded. Try again in 600 seconds.", "You will regain access on 2026-12-01 at 00:00 UTC.",
		"Rate limit reached for x. Please try again in 9m. Visit https://platform.openai.com/account/rate-limits to learn more.",
	}
	for _, echo := range []string{
		"Your request was refused: %s", "%s: too many requests", "Too many requests: '%s'", "Rate limit exceeded for prompt %s",
		"Rate limit reached for gpt-4o with the prompt '%s'", "Rate limit reached for gpt-4o with the prompt '%s' at noon.",
		"You've hit your usage limit. Your words were \"%s\"", "No deployments available for selected model %s",
		"Internal error while handling: %s", "%s",
	} {
		for _, w := range words {
			body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": strings.ReplaceAll(echo, "%s", w)}})
			for _, p := range all {
				for _, status := range []int{429, 500, 503, 529} {
					v := p.Classify(Answer{Status: status, Body: body, Now: now})
					// A message that is nothing but a provider's sentence is that sentence, within
					// its bound, at a limit.
					if longest := v.Reset; longest > 0 && (echo != "%s" || longest > maxTextReset || v.Class != failover.RateLimited) {
						t.Errorf("%s: %d %s closes the %s (%s) for %v", p.Name, status, body, v.Scope, v.Class, v.Reset)
					}
				}
			}
		}
	}
	// Cut where it suits the caller.
	long := "Rate limit reached for " + strings.Repeat("x", maxText-len("Rate limit reached for  please try again in 9m")) + " please try again in 9m and more words"
	if v := mustLookup(t, "openai").Classify(Answer{Status: 429, Body: []byte(`{"error":{"message":"` + long + `"}}`), Now: now}); v.Stated {
		t.Errorf("a message that was cut closes the account for %v", v.Reset)
	}
}

// One closed window of one family of models closed the whole account: the 5 hours ended
// in three minutes, Opus' week in 120 hours, and the account rested 120 hours. A family's
// window counts where the verdict is about the model.
func TestModelWindowClosesTheModel(t *testing.T) {
	const prefix = "anthropic-ratelimit-unified-"
	base := []string{prefix + "status", "rejected", prefix + "7d_opus-status", "rejected", prefix + "7d_opus-reset", at(120 * time.Hour)}
	five := []string{prefix + "5h-status", "rejected", prefix + "5h-reset", at(3 * time.Minute), prefix + "reset", at(3 * time.Minute)}
	for _, tt := range []struct {
		name  string
		more  []string
		scope failover.Scope
		want  time.Duration
	}{
		{"the five hours are decisive", append(five, prefix+"representative-claim", "five_hour"), failover.ScopeAccount, 3 * time.Minute},
		{"nobody says which", five, failover.ScopeAccount, 3 * time.Minute},
		{"the family is decisive", append(five, prefix+"representative-claim", "seven_day_opus"), failover.ScopeAccountModel, 120 * time.Hour},
		{"only the family is closed", []string{prefix + "representative-claim", "seven_day_opus", prefix + "reset", at(120 * time.Hour)}, failover.ScopeAccountModel, 120 * time.Hour},
		{"the aggregate repeats the family's", []string{prefix + "reset", at(120 * time.Hour)}, failover.ScopeAccount, 0},
		{"the aggregate is another", []string{prefix + "reset", at(time.Hour)}, failover.ScopeAccount, time.Hour},
	} {
		h := header(append(base[:len(base):len(base)], tt.more...)...)
		v := mustLookup(t, "anthropic").Classify(Answer{Status: 429, Header: h, Body: []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"m"}}`), Now: now})
		if v.Scope != tt.scope || v.Reset != tt.want {
			t.Errorf("%s: %s for %v, want %s for %v", tt.name, v.Scope, v.Reset, tt.scope, tt.want)
		}
	}
}

// Adding a statement to an answer never brings a closed window's end nearer.
func TestWindowsAreANDed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := http.Header{}
		var latest time.Duration
		scope := rapid.SampledFrom([]failover.Scope{failover.ScopeAccount, failover.ScopeAccountModel}).Draw(t, "scope")
		for _, w := range []struct {
			name string
			most int64
		}{{"5h", 6 * 3600}, {"7d", 8 * 86400}, {"7d_opus", 8 * 86400}} {
			if !rapid.Bool().Draw(t, w.name) {
				continue
			}
			d := time.Duration(rapid.Int64Range(1, w.most).Draw(t, "seconds")) * time.Second
			status := rapid.SampledFrom([]string{"rejected", "allowed", "allowed_warning"}).Draw(t, "status")
			h.Set("anthropic-ratelimit-unified-"+w.name+"-status", status)
			h.Set("anthropic-ratelimit-unified-"+w.name+"-reset", at(d))
			if status == "rejected" && (w.name != "7d_opus" || scope == failover.ScopeAccountModel) {
				latest = max(latest, d)
			}
		}
		if rapid.Bool().Draw(t, "retry-after") {
			s := rapid.Int64Range(1, 100000).Draw(t, "after")
			h.Set("retry-after", strconv.FormatInt(s, 10))
			latest = max(latest, time.Duration(s)*time.Second)
		}
		got, stated := statedReset(&Answer{Header: h, Now: now}, &fields{}, failover.RateLimited, scope)
		if got != latest || stated != (latest > 0) {
			t.Fatalf("got %v, want %v", got, latest)
		}
	})
}

func TestSecondsIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "f")
		s := strconv.FormatFloat(f, 'g', -1, 64)
		for _, unit := range []time.Duration{time.Second, time.Millisecond} {
			if d := seconds(s, unit); d < 0 || d > maxReset || (d > 0 && math.Abs(d.Seconds()-f*unit.Seconds()) > 1e-6*math.Max(1, f)) {
				t.Fatalf("%s × %v = %v", s, unit, d)
			}
		}
		if d := until(s, now, maxReset); d < 0 || d > maxReset {
			t.Fatalf("until %s = %v", s, d)
		}
		if d := until(strings.Repeat("9", 400), now, maxReset); d != 0 {
			t.Fatalf("until 9…9 = %v", d)
		}
	})
}
