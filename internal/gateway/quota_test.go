package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
	"turnout/internal/sched"
)

// headed adds headers to a reply.
func headed(then reply, header ...string) reply {
	return func(ctx context.Context, c *call) (*response, error) {
		resp, err := then(ctx, c)
		for i := 0; err == nil && i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, err
	}
}

// window finds one of an account's windows by name, for a model upstream.
func (r *rig) window(account domain.AccountID, sent, name string) (sched.Standing, bool) {
	r.t.Helper()
	for _, k := range []sched.QuotaKey{sched.AccountQuotaKey(account), sched.ModelQuotaKey(r.accounts[account-1], sent)} {
		for _, w := range r.cells.Quota(k).Windows() {
			if s, known := w.Standing(time.Now()); known && s.Window == name {
				return s, true
			}
		}
	}
	return sched.Standing{}, false
}

// On every path, whether the answer is a success or a failure, what it says of the account's windows is heard.
func TestQuotaIsHeard(t *testing.T) {
	bucket := []string{"anthropic-ratelimit-tokens-limit", "1000", "anthropic-ratelimit-tokens-remaining", "400", "anthropic-ratelimit-tokens-reset", "2000-01-01T00:00:36Z"}
	seat := []string{"anthropic-ratelimit-unified-5h-status", "allowed", "anthropic-ratelimit-unified-5h-utilization", "0.6"}
	tests := []struct {
		name, window string
		model        string // upstream
		opts         []rigOption
		reply        reply
		ask          func(r *rig)
	}{
		{"JSON", "tokens", "claude-x", nil, headed(jsonOK("hi"), bucket...), func(r *rig) { r.send(askJSON) }},
		{"a stream", "5h", "", nil, headed(whole("hi"), seat...), func(r *rig) { r.send(askStream) }},
		{"a failure", "5h", "", nil, headed(fail529, seat...), func(r *rig) { r.send(askJSON) }},
		{"a stream that breaks", "tokens", "claude-x", nil, headed(stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("x")}), bucket...), func(r *rig) { r.send(askStream) }},
		{"another dialect", "tokens", "claude-x", []rigOption{as(openai.Dialect{})}, headed(jsonOK("hi"), bucket...), func(r *rig) { r.send(chatWhole) }},
		{"a further path", "tokens", "text-small", []rigOption{as(openai.Dialect{}), func(c *rigConfig) { c.platform = "openai-compatible" }},
			headed(status(200, `{"object":"list","data":[{"embedding":[0.25]}],"usage":{"prompt_tokens":4,"total_tokens":4}}`), bucket...), func(r *rig) {
				r.ask(Call{Dialect: r.d, Path: "/v1/embeddings"}, []byte(`{"model":"text-small","input":"x"}`))
			}},
		{"counting tokens", "5h", "", nil, headed(status(200, `{"input_tokens":3}`), append(seat, bucket...)...), func(r *rig) {
			r.ask(Call{Dialect: r.d, Path: "/v1/messages/count_tokens"}, []byte(askJSON))
			if s, known := r.window(1, "claude-x", "tokens"); known {
				r.t.Errorf("the limits of counting are taken for the model's: %+v", s)
			}
		}},
		{"a list of models", "5h", "", nil, headed(status(200, `{"data":[]}`), append(seat, bucket...)...), func(r *rig) {
			req := httptest.NewRequest(http.MethodGet, "/v1/models", nil)
			req.Header.Set("X-Api-Key", testKey)
			r.g.Models(r.d, "").ServeHTTP(httptest.NewRecorder(), req)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, tt.opts...)
				r.on("a", tt.reply)
				tt.ask(r)
				if s, known := r.window(1, tt.model, tt.window); !known || math.Abs(s.Used-.6) > 1e-9 {
					t.Errorf("known %v: %+v", known, s)
				}
			})
		})
	}
}

// What a caller's own seat has left is the caller's.
func TestQuotaOfOwnSeatIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := seatRig(t, true)
		r.on(seatName, headed(jsonOK("hi"), "anthropic-ratelimit-unified-5h-utilization", "0.6", "anthropic-ratelimit-unified-5h-status", "allowed"))
		if g := r.sendSeated(askJSON); g.Code != 200 {
			t.Fatal(g.text())
		}
		r.cells.EachQuota(func(k sched.QuotaKey, q *sched.Quota) {
			if len(q.Windows()) > 0 {
				t.Errorf("%+v knows %d windows", k, len(q.Windows()))
			}
		})
		r.g.ownSeats.mu.Lock()
		defer r.g.ownSeats.mu.Unlock()
		for _, o := range r.g.ownSeats.m {
			o.cells.EachQuota(func(k sched.QuotaKey, q *sched.Quota) {
				if len(q.Windows()) > 0 {
					t.Errorf("the seat's %+v knows %d windows", k, len(q.Windows()))
				}
			})
		}
	})
}

const geminiDay = `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"no","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"250"}]}]}}`

// Gemini says how large a day's quota is when it is used up, and nothing while it is not: from then on Turnout counts.
func TestQuotaIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}), func(c *rigConfig) { c.platform = "gemini" })
		const answer = `{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7}}`
		r.on("a", status(429, geminiDay), status(200, answer), status(200, answer), status(400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`), status(200, answer))
		ask := func() {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"contents":[{"parts":[{"text":"hi"}]}]}`))
			req.Header.Set("X-Api-Key", testKey)
			c := Call{Dialect: r.d}
			c.At.Model, c.At.Verb, c.At.Version = "gemini-x", "generateContent", "v1beta"
			r.g.Serve(httptest.NewRecorder(), req, &c)
		}
		ask()
		if s, known := r.window(1, "gemini-x", "requests_per_day"); !known || s.Used != 1 || s.Limit != 250 || !s.Draining {
			t.Fatalf("known %v: %+v", known, s)
		}
		time.Sleep(30 * time.Hour)
		for range 4 {
			ask()
		}
		if s, known := r.window(1, "gemini-x", "requests_per_day"); !known || math.Abs(s.Used-3./250) > 1e-9 {
			t.Errorf("three of 250 were served, used is %v (%v); asked %s", s.Used, known, r.asked())
		}
	})
}

// At its operator's limit an account is passed over, and comes back when there is room.
func TestAccountLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{RequestsPerMinute: 2}}, {name: "b", priority: 1}})
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		for range 4 {
			r.send(askJSON)
		}
		time.Sleep(61 * time.Second)
		r.send(askJSON)
		if got := r.names(); got != "a a b b a" {
			t.Errorf("asked %s", got)
		}
		mustContain(t, "trace", string(r.records[2].Trace), `"limited":1`)
	})
}

// With nobody else a request waits for room where that is soon, and is told when where it is not.
func TestAccountLimitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{RequestsPerMinute: 1}}})
		r.on("a", jsonOK("a"))
		r.send(askJSON)
		g := r.send(askJSON)
		if g.Code != 429 || g.Header().Get("Retry-After") != "61" || g.took != 0 {
			t.Errorf("%d after %v, retry after %q: %s", g.Code, g.took, g.Header().Get("Retry-After"), g.text())
		}
		mustContain(t, "answer", g.text(), "at a limit that Turnout's operator has set; the first returns in 1m1s")
		time.Sleep(50 * time.Second)
		g = r.send(askJSON)
		if g.Code != 200 || g.took < 11*time.Second || g.took > 12*time.Second {
			t.Errorf("%d after %v: %s", g.Code, g.took, g.text())
		}
		if r.names() != "a a" {
			t.Errorf("asked %s", r.asked())
		}
	})
}

// Tokens are taken as they are thought to be and corrected when they are known; those of a failure are given back.
func TestAccountTokenLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{TokensPerDay: 46}}, {name: "b", priority: 1}})
		r.on("a", status(400, errorJSON("invalid_request_error")), jsonOK("a"))
		r.on("b", jsonOK("b"))
		standing := func() sched.MeterStanding { return r.cells.Meter(1).Standing(time.Now()) }
		r.send(askJSON)
		if s := standing(); s.TokensToday != 0 || s.RequestsToday != 1 {
			t.Errorf("after a failure: %+v", s)
		}
		for range 5 {
			r.send(askJSON)
		}
		if s := standing(); s.TokensToday != 60 || s.RequestsToday != 5 { // 15 each; the fourth began at 45
			t.Errorf("after five requests: %+v", s)
		}
		if r.names() != "a a a a a b" {
			t.Errorf("asked %s", r.names())
		}
	})
}

// Counting tokens is a request and uses none.
func TestCountingTokensUsesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{TokensPerDay: 1000}}})
		r.on("a", status(200, `{"input_tokens":3}`))
		r.ask(Call{Dialect: r.d, Path: "/v1/messages/count_tokens"}, []byte(askJSON))
		if s := r.cells.Meter(1).Standing(time.Now()); s.TokensToday != 0 || s.RequestsToday != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// However many come at once, no more go upstream than the limit says.
func TestAccountLimitUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limit: 2, limits: domain.AccountLimits{RequestsPerMinute: 5}}})
		r.on("a", after(100*time.Millisecond, jsonOK("a")))
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for range 20 {
			wg.Go(func() {
				g := r.send(askJSON)
				mu.Lock()
				defer mu.Unlock()
				codes[g.Code]++
			})
		}
		wg.Wait()
		if len(r.attempts) != 5 || codes[200] != 5 || codes[429] != 15 {
			t.Errorf("%d went upstream; %v", len(r.attempts), codes)
		}
	})
}

// A session beyond the limit goes elsewhere and stays there; those that are at the account go on.
func TestAccountSessionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{Sessions: 1}}, {name: "b", priority: 1}})
		r.on("a", jsonOK("a"))
		r.on("b", jsonOK("b"))
		for _, s := range []string{"one", "one", "two", "one", "two"} {
			r.send(askJSON, withHeader("X-Claude-Code-Session-Id", s))
			time.Sleep(time.Minute)
		}
		time.Sleep(61 * time.Minute)
		r.send(askJSON, withHeader("X-Claude-Code-Session-Id", "three"))
		if r.names() != "a a b a b a" {
			t.Errorf("asked %s", r.names())
		}
	})
}

// With nobody else a session beyond the limit is told when there may be room.
func TestAccountSessionLimitAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{Sessions: 1}}})
		r.on("a", jsonOK("a"))
		r.send(askJSON, withHeader("X-Claude-Code-Session-Id", "one"))
		time.Sleep(10 * time.Minute)
		g := r.send(askJSON, withHeader("X-Claude-Code-Session-Id", "two"))
		if g.Code != 429 || g.Header().Get("Retry-After") != "3001" || g.took != 0 {
			t.Errorf("%d after %v, retry after %q: %s", g.Code, g.took, g.Header().Get("Retry-After"), g.text())
		}
	})
}

func TestAccountExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{Expires: time.Now().Add(time.Hour)}}})
		r.on("a", jsonOK("a"))
		if g := r.send(askJSON); g.Code != 200 {
			t.Errorf("before its date: %d %s", g.Code, g.text())
		}
		time.Sleep(time.Hour)
		if g := r.send(askJSON); g.Code != 503 || g.Header().Get("Retry-After") != "" {
			t.Errorf("after its date: %d, retry after %q: %s", g.Code, g.Header().Get("Retry-After"), g.text())
		}
	})
}

// A reload changes limits at once, and forgets nothing that was counted.
func TestAccountLimitsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", limits: domain.AccountLimits{RequestsPerDay: 1}}})
		r.on("a", jsonOK("a"))
		var codes []int
		for _, limit := range []int64{1, 1, 3, 3, 3} {
			r.accounts[0].Limits.RequestsPerDay = limit
			r.g.Swap(r.snapshotAgain())
			codes = append(codes, r.send(askJSON).Code)
		}
		if fmt.Sprint(codes) != "[200 429 200 200 429]" {
			t.Errorf("%v", codes)
		}
	})
}

// A caller is told of all that its key may use together, and nothing by which an account could be recognised.
func TestMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{
			{name: "seat-one", limits: domain.AccountLimits{RequestsPerDay: 10}}, {name: "seat-two", limits: domain.AccountLimits{RequestsPerDay: 30}},
			{name: "api-one", org: "acme", pool: "api"}, {name: "api-two", org: "acme", pool: "api"}, {name: "secret", pool: "other"},
		}, func(c *rigConfig) {
			c.key.Pools, c.key.Models = []string{"default", "api"}, []string{"claude-*"}
			c.key.Rates = &domain.Rates{RateLimits: domain.RateLimits{Requests: 60, Concurrency: 4}, Models: map[string]domain.RateLimits{"claude-*": {Tokens: 6000}}}
		})
		for id, used := range map[domain.AccountID]float64{1: .96, 2: .2} {
			reading := domain.QuotaReading{Window: "5h", Scope: domain.QuotaOfAccount, Used: used, Remaining: -1, Length: 5 * time.Hour, Reset: time.Now().Add(time.Duration(id) * time.Hour)}
			r.cells.Quota(sched.AccountQuotaKey(id)).Observe(&reading, time.Now())
			r.cells.Meter(id).Take(sched.Draw{}, time.Now())
		}
		bucket := func(id domain.AccountID, model string) {
			reading := domain.QuotaReading{Window: "tokens", Unit: domain.QuotaTokens, Kind: domain.QuotaBucket, Limit: 1000, Remaining: 400, Used: .6, Reset: time.Now().Add(36 * time.Second)}
			r.cells.Quota(sched.ModelQuotaKey(r.accounts[id-1], model)).Observe(&reading, time.Now())
		}
		bucket(3, "claude-x")
		bucket(3, "gpt-x") // which the key may not ask for
		bucket(5, "claude-x")
		ask := func(key string) *httptest.ResponseRecorder {
			req := httptest.NewRequest(http.MethodGet, "/v1/turnout/me", nil)
			req.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			r.g.Me(r.d).ServeHTTP(w, req)
			return w
		}
		w := ask(testKey)
		const want = `{"key":{"name":"team","models":["claude-*"],"rates":[{"limit":"requests_per_minute","most":60,"remaining":60},{"limit":"concurrency","most":4,"remaining":4},` +
			`{"limit":"tokens_per_minute","model":"claude-*","most":6000,"remaining":6000}]},"pools":[` +
			`{"name":"default","windows":[{"window":"5h","used":0.58,"pace":-0.12,"resets_at":"2000-01-01T01:00:00Z","resets_in":3600,"draining":false}],` +
			`"limits":[{"window":"requests_per_day","unit":"requests","limit":40,"used":0.05,"resets_at":"2000-01-02T00:00:00Z","resets_in":86400,"draining":false}],"rates":[]},` +
			`{"name":"api","windows":[{"window":"tokens","unit":"tokens","model":"claude-x","limit":1000,"used":0.6,"resets_at":"2000-01-01T00:00:36Z","resets_in":36,"draining":false}],"limits":[],"rates":[]}]}`
		if got := w.Body.String(); w.Code != 200 || got != want {
			t.Errorf("%d\n%s\nwant\n%s", w.Code, got, want)
		}
		if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v", w.Header())
		}
		used := map[string]float64{}
		r.g.EachQuota(func(account, window string, share float64) { used[account+" "+window] = math.Round(share*1e6) / 1e6 })
		if want := map[string]float64{"seat-one 5h": .96, "seat-two 5h": .2, "api-one tokens": .6, "api-two tokens": .6, "secret tokens": .6}; !maps.Equal(used, want) {
			t.Errorf("used is %v, want %v", used, want)
		}
		mustLack(t, "answer", w.Body.String(), "seat-", "api-", "acme", "secret", "gpt-x")
		if w := ask("tk-somebody-else"); w.Code != 401 {
			t.Errorf("without a key: %d %s", w.Code, w.Body)
		}
	})
}
