package platform

import (
	"bytes"
	"cmp"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"turnout/internal/domain"
)

// in is a moment after now.
func in(d time.Duration) time.Time { return now.Add(d) }

// reading is an expected one; fields that a window of its kind never has need not be written.
type reading = domain.QuotaReading

func byWindow(a, b reading) int { return cmp.Compare(a.Window, b.Window) }

func TestQuotaHeaders(t *testing.T) {
	bucket := func(window string, unit domain.QuotaUnit, limit, remaining int64, reset time.Duration) reading {
		r := reading{Window: window, Unit: unit, Kind: domain.QuotaBucket, Limit: limit, Remaining: remaining, Used: -1}
		if limit > 0 {
			r.Used = 1 - float64(remaining)/float64(limit)
		}
		if remaining == 0 {
			r.Used, r.Status = 1, domain.QuotaRejected
		}
		if reset > 0 {
			r.Reset = in(reset)
		}
		return r
	}
	subscription := func(window, family string, length time.Duration, used float64, reset time.Duration, s domain.QuotaStatus) reading {
		r := reading{Window: window, Family: family, Scope: domain.QuotaOfAccount, Remaining: -1, Used: used, Length: length, Status: s}
		if reset > 0 {
			r.Reset = in(reset)
		}
		return r
	}
	const week = 7 * 24 * time.Hour
	rfc := func(d time.Duration) string { return in(d).Format(time.RFC3339) }
	tests := []struct {
		name   string
		header http.Header
		want   []reading
	}{
		{"nothing", header("content-type", "application/json", "request-id", "req_1"), nil},
		{"no header at all", nil, nil},
		{"Anthropic API key", header(
			"anthropic-ratelimit-requests-limit", "4000", "anthropic-ratelimit-requests-remaining", "3999", "anthropic-ratelimit-requests-reset", rfc(time.Second),
			"anthropic-ratelimit-tokens-limit", "480000", "anthropic-ratelimit-tokens-remaining", "120000", "anthropic-ratelimit-tokens-reset", rfc(45*time.Second),
			"anthropic-ratelimit-input-tokens-limit", "400000", "anthropic-ratelimit-input-tokens-remaining", "0", "anthropic-ratelimit-input-tokens-reset", rfc(time.Minute),
			"anthropic-ratelimit-output-tokens-limit", "80000", "anthropic-ratelimit-output-tokens-remaining", "80000", "anthropic-ratelimit-output-tokens-reset", rfc(0)),
			[]reading{
				bucket("input_tokens", domain.QuotaInputTokens, 400_000, 0, time.Minute), bucket("output_tokens", domain.QuotaOutputTokens, 80_000, 80_000, 0),
				bucket("requests", domain.QuotaRequests, 4000, 3999, time.Second), bucket("tokens", domain.QuotaTokens, 480_000, 120_000, 45*time.Second),
			}},
		{"OpenAI", header(
			"x-ratelimit-limit-requests", "5000", "x-ratelimit-remaining-requests", "4999", "x-ratelimit-reset-requests", "12ms",
			"x-ratelimit-limit-tokens", "160000", "x-ratelimit-remaining-tokens", "40000", "x-ratelimit-reset-tokens", "1m30s"),
			[]reading{bucket("requests", domain.QuotaRequests, 5000, 4999, 12*time.Millisecond), bucket("tokens", domain.QuotaTokens, 160_000, 40_000, 90*time.Second)}},
		{"plain seconds", header("x-ratelimit-limit-tokens", "100", "x-ratelimit-remaining-tokens", "50", "x-ratelimit-reset-tokens", "30.5"),
			[]reading{bucket("tokens", domain.QuotaTokens, 100, 50, 30500*time.Millisecond)}},
		{"a burst beyond the limit", header("x-ratelimit-limit-tokens", "100", "x-ratelimit-remaining-tokens", "120"),
			[]reading{bucket("tokens", domain.QuotaTokens, 100, 100, 0)}},
		{"remaining alone", header("x-ratelimit-remaining-requests", "7"), []reading{bucket("requests", domain.QuotaRequests, 0, 7, 0)}},
		{"nothing remaining", header("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1s"), []reading{bucket("requests", domain.QuotaRequests, 0, 0, time.Second)}},
		{"OpenRouter", header("X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "5", "X-RateLimit-Reset", "1795176030000"),
			[]reading{{Window: "limit", Kind: domain.QuotaFixed, Limit: 20, Remaining: 5, Used: .75, Reset: in(30 * time.Second)}}},
		{"subscription", header(
			"anthropic-ratelimit-unified-status", "allowed_warning", "anthropic-ratelimit-unified-reset", at(time.Hour), "anthropic-ratelimit-unified-representative-claim", "five_hour",
			"anthropic-ratelimit-unified-fallback-percentage", "0.5", "anthropic-ratelimit-unified-overage-status", "rejected", "anthropic-ratelimit-unified-overage-disabled-reason", "out_of_credits",
			"anthropic-ratelimit-unified-5h-status", "allowed_warning", "anthropic-ratelimit-unified-5h-utilization", "0.9", "anthropic-ratelimit-unified-5h-reset", at(time.Hour),
			"anthropic-ratelimit-unified-7d-status", "allowed", "anthropic-ratelimit-unified-7d-utilization", "0.21", "anthropic-ratelimit-unified-7d-reset", at(100*time.Hour),
			"anthropic-ratelimit-unified-7d_opus-status", "rejected", "anthropic-ratelimit-unified-7d_opus-utilization", "1.0", "anthropic-ratelimit-unified-7d_opus-reset", at(48*time.Hour)),
			[]reading{
				subscription("5h", "", 5*time.Hour, .9, time.Hour, domain.QuotaWarning), subscription("7d", "", week, .21, 100*time.Hour, domain.QuotaAllowed),
				subscription("7d_opus", "opus", week, 1, 48*time.Hour, domain.QuotaRejected),
			}},
		{"a window without a share", header("anthropic-ratelimit-unified-5h-status", "rejected", "anthropic-ratelimit-unified-5h-reset", at(time.Hour),
			"anthropic-ratelimit-unified-7d-status", "allowed"),
			[]reading{subscription("5h", "", 5*time.Hour, 1, time.Hour, domain.QuotaRejected), subscription("7d", "", week, -1, 0, domain.QuotaAllowed)}},
		{"the aggregate alone", header("anthropic-ratelimit-unified-status", "rejected", "anthropic-ratelimit-unified-reset", at(24*time.Hour), "anthropic-ratelimit-unified-representative-claim", "seven_day_opus"),
			[]reading{subscription("7d_opus", "opus", week, 1, 24*time.Hour, domain.QuotaRejected)}},
		{"the aggregate of nothing", header("anthropic-ratelimit-unified-status", "allowed"), []reading{subscription("unified", "", 0, -1, 0, domain.QuotaAllowed)}},
		{"a reset beyond its window", header("anthropic-ratelimit-unified-5h-utilization", "0.4", "anthropic-ratelimit-unified-5h-reset", at(40*time.Hour)),
			[]reading{subscription("5h", "", 5*time.Hour, .4, 0, domain.QuotaUnsaid)}},
		{"Codex", header(
			"x-codex-primary-used-percent", "42.5", "x-codex-primary-window-minutes", "300", "x-codex-primary-reset-after-seconds", "3600",
			"x-codex-secondary-used-percent", "100", "x-codex-secondary-window-minutes", "10080", "x-codex-secondary-reset-at", at(50*time.Hour), "x-codex-primary-over-secondary-limit-percent", "20"),
			[]reading{subscription("5h", "", 5*time.Hour, .425, time.Hour, domain.QuotaUnsaid), subscription("7d", "", week, 1, 50*time.Hour, domain.QuotaRejected)}},
		{"Codex without lengths", header("x-codex-primary-used-percent", "10"), []reading{subscription("primary", "", 0, .1, 0, domain.QuotaUnsaid)}},
		{"no numbers", header(
			"anthropic-ratelimit-requests-remaining", "NaN", "x-ratelimit-remaining-tokens", "many", "x-codex-primary-used-percent", "-1",
			"anthropic-ratelimit-unified-5h-utilization", "NaN", "anthropic-ratelimit-unified-7d-utilization", "-0.5"), nil},
		{"more than everything", header("anthropic-ratelimit-unified-5h-utilization", "1.7", "x-codex-primary-used-percent", "1e9", "x-ratelimit-remaining-tokens", "1e300"),
			[]reading{subscription("5h", "", 5*time.Hour, 1, 0, domain.QuotaUnsaid), subscription("primary", "", 0, 1, 0, domain.QuotaRejected)}},
		{"a negative rest is none", header("x-ratelimit-limit-tokens", "100", "x-ratelimit-remaining-tokens", "-3", "x-ratelimit-reset-tokens", "-5s"),
			[]reading{bucket("tokens", domain.QuotaTokens, 100, 0, 0)}},
		{"infinities", header("x-ratelimit-limit-tokens", "Inf", "x-ratelimit-remaining-tokens", "10", "x-ratelimit-reset-tokens", "Inf"),
			[]reading{bucket("tokens", domain.QuotaTokens, 0, 10, 0)}},
		{"resets in the past and after years", header(
			"anthropic-ratelimit-requests-limit", "10", "anthropic-ratelimit-requests-remaining", "5", "anthropic-ratelimit-requests-reset", rfc(-time.Hour),
			"x-ratelimit-limit-tokens", "10", "x-ratelimit-remaining-tokens", "5", "x-ratelimit-reset-tokens", "90000h"),
			[]reading{bucket("requests", domain.QuotaRequests, 10, 5, 0), bucket("tokens", domain.QuotaTokens, 10, 5, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := QuotaHeaders(tt.header, now)
			slices.SortFunc(got, byWindow)
			checkReadings(t, got, tt.want)
		})
	}
}

func checkReadings(t *testing.T, got, want []reading) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d readings %+v, want %d", len(got), got, len(want))
	}
	for i, g := range got {
		w := want[i]
		if math.Abs(g.Used-w.Used) > 1e-9 || !g.Reset.Equal(w.Reset) {
			t.Errorf("%s: used %v until %v, want %v until %v", g.Window, g.Used, g.Reset, w.Used, w.Reset)
		}
		if g.Used, g.Reset = w.Used, w.Reset; g != w {
			t.Errorf("got  %+v\nwant %+v", g, w)
		}
	}
}

// Where no window is mentioned, looking for one costs no memory: it is done for each answer.
func TestQuotaHeadersAllocateNothing(t *testing.T) {
	h := header("content-type", "text/event-stream", "request-id", "req_1", "date", "Fri, 20 Nov 2026 12:00:00 GMT", "x-request-id", "r", "openai-processing-ms", "12")
	if n := testing.AllocsPerRun(100, func() { QuotaHeaders(h, now) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestQuotaBody(t *testing.T) {
	corpusBody := func(name string) []byte {
		for _, c := range corpus(t) {
			if c.Name == name {
				return c.answer().Body
			}
		}
		t.Fatalf("the corpus has no %s", name)
		return nil
	}
	google := func(id, value, retry string) []byte {
		return []byte(`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"` + id + `","quotaValue":` + value + `}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"` + retry + `"}]}}`)
	}
	quota := func(window string, unit domain.QuotaUnit, limit int64, length, reset time.Duration) []reading {
		return []reading{{Window: window, Unit: unit, Kind: domain.QuotaCalendar, Status: domain.QuotaRejected, Limit: limit, Used: 1, Length: length, Reset: in(reset)}}
	}
	tests := []struct {
		name string
		body []byte
		want []reading
	}{
		{"nothing", []byte(`{"error":{"message":"no"}}`), nil},
		{"empty", nil, nil},
		{"the day", corpusBody("gemini-native-429-day"), quota("requests_per_day", domain.QuotaRequests, 250, 24*time.Hour, 20*time.Hour)},
		{"the minute", google("GenerateRequestsPerMinutePerProjectPerModel", `"60"`, "22s"), quota("requests_per_minute", domain.QuotaRequests, 60, time.Minute, 22*time.Second)},
		{"input tokens", google("GenerateContentInputTokensPerModelPerMinute-FreeTier", `"250000"`, "99h"), quota("input_tokens_per_minute", domain.QuotaInputTokens, 250_000, time.Minute, time.Minute)},
		{"a number", google("GenerateContentPaidTierOutputTokensPerModelPerDay", `5`, ""), quota("output_tokens_per_day", domain.QuotaOutputTokens, 5, 24*time.Hour, 20*time.Hour)},
		{"no value", google("TokensPerDay", `null`, ""), quota("tokens_per_day", domain.QuotaTokens, 0, 24*time.Hour, 20*time.Hour)},
		{"hostile values", google("RequestsPerDay", `"-5e999"`, "-1s"), quota("requests_per_day", domain.QuotaRequests, 0, 24*time.Hour, 20*time.Hour)},
		{"another quota", google("ConcurrentBatchJobs", `"1"`, ""), nil},
		{"a tier's month", []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"no","details":{"error_code":"enforced_spend_limit_reached"}}}`),
			[]reading{{Window: "spend", Scope: domain.QuotaOfAccount, Unit: domain.QuotaSpend, Status: domain.QuotaRejected, Remaining: -1, Used: 1, Reset: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}}},
		{"a spend limit", []byte(`{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}`),
			[]reading{{Window: "spend", Scope: domain.QuotaOfAccount, Unit: domain.QuotaSpend, Status: domain.QuotaRejected, Remaining: -1, Used: 1, Reset: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}}},
		{"a ChatGPT subscription", []byte(`{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_in_seconds":7200}}`),
			[]reading{{Window: "usage", Scope: domain.QuotaOfAccount, Status: domain.QuotaRejected, Remaining: -1, Used: 1, Reset: in(2 * time.Hour)}}},
		{"a caller's words", []byte(`{"error":{"message":"unknown tool: You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReadings(t, QuotaBody(tt.body, now), tt.want) })
	}
}

// Every row says where its fact comes from.
func TestQuotaEvidence(t *testing.T) {
	for _, q := range quotaHeaders {
		if q.Evidence == "" {
			t.Errorf("%s has no evidence", q.remaining)
		}
		for _, name := range [...]string{q.limit, q.remaining, q.reset} {
			if http.CanonicalHeaderKey(name) != name {
				t.Errorf("%s would never be found: it is %s on the wire", name, http.CanonicalHeaderKey(name))
			}
		}
	}
	for _, c := range codexHeaders {
		for _, name := range [...]string{c.used, c.minutes, c.after, c.at} {
			if http.CanonicalHeaderKey(name) != name || c.Evidence == "" {
				t.Errorf("%s is not canonical, or has no evidence", name)
			}
		}
	}
}

// FuzzQuota: whatever comes, what is read is bounded and makes sense.
func FuzzQuota(f *testing.F) {
	for _, c := range corpus(f) {
		a := c.answer()
		f.Add("Anthropic-Ratelimit-Unified-5h-Utilization", "0.5", "10", a.Header.Get("Anthropic-Ratelimit-Unified-5h-Reset"), a.Body)
	}
	f.Add("Anthropic-Ratelimit-Unified-7d_opus-Status", "rejected", "-1", "1e9", []byte(nil))
	f.Add("X-Codex-Primary-Reset-At", "NaN", "1e300", "0", []byte(`{"error":{"details":[{"violations":[{"quotaId":"RequestsPerDay","quotaValue":"QuotaFailure"}]}]}}`))
	f.Fuzz(func(t *testing.T, name, value, number, reset string, body []byte) {
		h := http.Header{
			"Anthropic-Ratelimit-Tokens-Limit": {number}, "Anthropic-Ratelimit-Tokens-Remaining": {value}, "Anthropic-Ratelimit-Tokens-Reset": {reset},
			"X-Ratelimit-Limit-Requests": {value}, "X-Ratelimit-Remaining-Requests": {number}, "X-Ratelimit-Reset-Requests": {reset},
			"X-Ratelimit-Remaining": {number}, "X-Ratelimit-Reset": {reset},
			"Anthropic-Ratelimit-Unified-Status": {value}, "Anthropic-Ratelimit-Unified-7d-Utilization": {number}, "Anthropic-Ratelimit-Unified-7d-Reset": {reset},
			"X-Codex-Secondary-Used-Percent": {number}, "X-Codex-Secondary-Window-Minutes": {value}, "X-Codex-Secondary-Reset-At": {reset},
			"Anthropic-Ratelimit-Unified-Representative-Claim": {value},
		}
		h[name] = append(h[name], value)
		kept := bytes.Clone(body)
		all := append(QuotaHeaders(h, now), QuotaBody(body, now)...)
		if len(all) > maxReadings+len(quotaHeaders)+len(codexHeaders)+maxQuotas+1 {
			t.Fatalf("%d readings", len(all))
		}
		for _, r := range all {
			switch {
			case r.Window == "", len(r.Window) > maxWindowName, !utf8.ValidString(r.Window), len(r.Family) > maxWindowName:
				t.Fatalf("the window's name is %q", r.Window)
			case math.IsNaN(r.Used), r.Used > 1, r.Limit < 0, r.Limit > maxQuotaLimit, r.Length < 0, r.Length > maxReset:
				t.Fatalf("out of bounds: %+v", r)
			case r.Limit > 0 && r.Remaining > r.Limit:
				t.Fatalf("more remains than there is: %+v", r)
			case !r.Reset.IsZero() && (!r.Reset.After(now) || r.Reset.After(now.Add(maxReset))):
				t.Fatalf("the reset is at %v: %+v", r.Reset, r)
			case r.Status == domain.QuotaRejected && r.Used != 1:
				t.Fatalf("rejected, and not used up: %+v", r)
			}
		}
		if !bytes.Equal(kept, body) {
			t.Fatal("the body was changed")
		}
	})
}

func BenchmarkQuotaHeaders(b *testing.B) {
	plain := header("content-type", "text/event-stream", "request-id", "req_1", "date", "Fri, 20 Nov 2026 12:00:00 GMT", "x-request-id", "r", "cache-control", "no-cache")
	full := header("anthropic-ratelimit-unified-status", "allowed", "anthropic-ratelimit-unified-5h-utilization", "0.5", "anthropic-ratelimit-unified-5h-reset", at(time.Hour),
		"anthropic-ratelimit-unified-7d-utilization", "0.5", "anthropic-ratelimit-unified-7d-reset", at(time.Hour))
	for name, h := range map[string]http.Header{"none": plain, "two": full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				QuotaHeaders(h, now)
			}
		})
	}
}

// What a document of the facts names is in the tables: a header that is added there has to be read here.
func TestQuotaDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/quota.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range quotaHeaders {
		if !strings.Contains(string(b), "`"+strings.ToLower(q.remaining)+"`") {
			t.Errorf("docs/quota.md does not name %s", strings.ToLower(q.remaining))
		}
	}
	for _, c := range codexHeaders {
		if !strings.Contains(string(b), "`"+strings.ToLower(c.used)+"`") {
			t.Errorf("docs/quota.md does not name %s", strings.ToLower(c.used))
		}
	}
}
