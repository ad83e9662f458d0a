package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/caller"
	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/limit"
)

func keyRates(r domain.Rates) rigOption { return func(c *rigConfig) { c.key.Rates = &r } }

func poolRates(r domain.Rates) rigOption {
	return func(c *rigConfig) { c.pool = func(p *PoolConfig) { p.Rates = &r } }
}

func perMinute(requests int64) domain.Rates {
	return domain.Rates{RateLimits: domain.RateLimits{Requests: requests, RequestBurst: 2}}
}

// tokensLeft is how many tokens the tightest limit of the rig's key and pool still has.
func (r *rig) tokensLeft(model string) int64 {
	r.t.Helper()
	snap := r.g.Snapshot()
	var cells []*limit.Cell
	snap.owners.Range(func(_, o any) bool {
		cells = o.(*limit.Owner).Cells(cells, model)
		return true
	})
	var ticket limit.Ticket
	a := limit.Reserve(append(cells, limit.NewBook().Cell(limit.Scope{}, limit.Limits{Tokens: limit.Rate{PerMinute: 1, Burst: limit.Most}}, 1, 0)), 0, time.Since(r.g.since), &ticket)
	ticket.End(0, time.Since(r.g.since))
	return a.Tokens.Remaining
}

// noSlots: nothing is held any more.
func (r *rig) noSlots(models ...string) {
	r.t.Helper()
	r.g.Snapshot().owners.Range(func(_, o any) bool {
		for _, m := range models {
			for _, c := range o.(*limit.Owner).Cells(nil, m) {
				if n := c.InFlight(); n != 0 {
					r.t.Errorf("%d requests are still held in %v", n, c.Scope)
				}
			}
		}
		return true
	})
}

// TestRefusedByRate: the caller is told which limit of whom, and until when; nobody is asked, and the record says why.
func TestRefusedByRate(t *testing.T) {
	chat := `{"model":"m","max_tokens":100,"stream":%,"messages":[{"role":"user","content":"hi"}]}`
	for _, c := range []struct {
		name     string
		d        dialect.Dialect
		platform string
		call     Call
		body     string
		limit    string // a header on every answer, with its value on the first and on the refusal
		values   [2]string
		body429  string
	}{
		{"anthropic", anthropic.Dialect{}, "anthropic", Call{}, chat, "Anthropic-Ratelimit-Requests-Remaining", [2]string{"1", "0"}, `"type":"rate_limit_error"`},
		{"chat", openai.Dialect{}, "openai", Call{}, chat, "X-Ratelimit-Remaining-Requests", [2]string{"1", "0"}, `"code":"rate_limit_exceeded"`},
		{"responses", responses.Dialect{}, "openai", Call{}, `{"model":"m","store":false,"stream":%,"input":"hi"}`, "X-Ratelimit-Reset-Requests", [2]string{"6s", "12s"}, `"code":"rate_limit_exceeded"`},
		{"gemini", gemini.Dialect{}, "gemini", Call{At: dialect.Route{Model: "m", Version: "v1beta", Verb: "generateContent"}}, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
			"Ratelimit", [2]string{`"requests";r=1;t=6`, `"requests";r=0;t=12`}, `"retryDelay":"6s"`},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, []account{{name: "a"}}, as(c.d), keyRates(perMinute(10)), func(rc *rigConfig) { rc.platform = c.platform })
					// What the provider says of the account's own limits is nobody's business.
					r.on("a", status(400, `{"error":{"type":"invalid_request_error","message":"scripted"}}`, "Anthropic-Ratelimit-Requests-Remaining", "77", "X-Ratelimit-Remaining-Requests", "77", "Ratelimit", "77"))
					call := c.call
					call.Dialect, call.At.Stream = c.d, stream && c.name == "gemini"
					body := []byte(strings.Replace(c.body, "%", map[bool]string{true: "true", false: "false"}[stream], 1))
					first := r.ask(call, body)
					r.ask(call, body)
					w := r.ask(call, body)
					if first.Code != 400 || first.Header().Get(c.limit) != c.values[0] {
						t.Errorf("the first: %d %v", first.Code, first.Header())
					}
					if w.Code != 429 || w.Header().Get("Retry-After") != "6" || w.Header().Get(c.limit) != c.values[1] {
						t.Errorf("%d %v", w.Code, w.Header())
					}
					mustContain(t, "the refusal", w.Body.String(), c.body429, `the limit of 10 requests a minute of the key \"team\" is reached; try again in 6s, at 2000-01-01T00:00:06Z`)
					if got := r.names(); got != "a a" {
						t.Errorf("asked %q", got)
					}
					rec := r.last()
					if rec.Outcome != OutcomeRefused || rec.Status != 429 || rec.Attempts != 0 || rec.Pool != 1 || !json.Valid(rec.Trace) ||
						string(rec.Trace) != `{"v":1,"refused":"rate_limited","limit":"key team: requests"}` {
						t.Errorf("%+v\n%s", rec, rec.Trace)
					}
					time.Sleep(6 * time.Second)
					if w := r.ask(call, body); w.Code != 400 {
						t.Errorf("after the wait: %d %s", w.Code, w.Body)
					}
				})
			})
		}
	}
}

// The headers of every form, with tokens; without limits there are none.
func TestRateHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := domain.Rates{RateLimits: domain.RateLimits{Requests: 60, Tokens: 6000, TokenBurst: 3000}}
		for _, c := range []struct {
			d    domain.Dialect
			want http.Header
		}{
			{domain.DialectAnthropic, http.Header{
				"Anthropic-Ratelimit-Requests-Limit": {"60"}, "Anthropic-Ratelimit-Requests-Remaining": {"59"}, "Anthropic-Ratelimit-Requests-Reset": {"2000-01-01T00:00:01Z"},
				"Anthropic-Ratelimit-Tokens-Limit": {"3000"}, "Anthropic-Ratelimit-Tokens-Remaining": {"2750"}, "Anthropic-Ratelimit-Tokens-Reset": {"2000-01-01T00:00:03Z"},
			}},
			{domain.DialectOpenAIChat, http.Header{
				"X-Ratelimit-Limit-Requests": {"60"}, "X-Ratelimit-Remaining-Requests": {"59"}, "X-Ratelimit-Reset-Requests": {"1s"},
				"X-Ratelimit-Limit-Tokens": {"3000"}, "X-Ratelimit-Remaining-Tokens": {"2750"}, "X-Ratelimit-Reset-Tokens": {"2.5s"},
			}},
			{domain.DialectGeminiContent, http.Header{
				"Ratelimit-Policy": {`"requests";q=60;w=60, "tokens";q=3000;w=30`}, "Ratelimit": {`"requests";r=59;t=1, "tokens";r=2750;t=3`},
			}},
		} {
			h := http.Header{}
			cell := limit.NewBook().Cell(limit.Scope{}, limitsOf(rates.RateLimits), 1, 0)
			a := limit.Reserve([]*limit.Cell{cell}, 250, 0, &limit.Ticket{})
			rateHeaders(h, c.d, &a, time.Now())
			for name, v := range c.want {
				if h.Get(name) != v[0] {
					t.Errorf("%s: %s is %q, want %q", c.d, name, h.Get(name), v[0])
				}
			}
			if len(h) != len(c.want) {
				t.Errorf("%s: %v", c.d, h)
			}
			h = http.Header{}
			rateHeaders(h, c.d, &limit.Answer{}, time.Now())
			if len(h) != 0 {
				t.Errorf("without limits: %v", h)
			}
		}
		r := newRig(t, []account{{name: "a"}})
		r.on("a", jsonOK("hi"))
		for name := range r.send(askJSON).Header() {
			if strings.Contains(name, "Ratelimit") {
				t.Errorf("a caller without limits is told %s", name)
			}
		}
	})
}

// TestTokensCorrected: what was reserved is corrected by what really came, whatever the end.
func TestTokensCorrected(t *testing.T) {
	const burst = 10_000
	input := int64(len(askJSON)) / 4
	inputStream := int64(len(askStream)) / 4
	for _, c := range []struct {
		name  string
		body  string
		reply reply
		leave bool
		used  int64
	}{
		{"json", askJSON, jsonOK("hi"), false, 15},
		{"a stream", askStream, whole("hi"), false, 2017},
		{"a json answer without usage", askJSON, status(200, strings.Replace(messageJSON("hi"), `"usage"`, `"used"`, 1)), false, input + int64(len(messageJSON("hi"))-1)/4},
		{"refused by the provider", askJSON, status(400, errorJSON("invalid_request_error")), false, 0},
		{"failed", askJSON, status(401, errorJSON("authentication_error")), false, 0},
		{"the caller left before anything came", askStream, hang, true, inputStream},
		{"the caller left in the middle", askStream, stream(io.EOF, part{0, msgStart + txtStart + delta("one") + delta("two")}, part{forever, ""}), true, 2010 + 4},
		{"broken in the middle", askStream, stream(io.ErrUnexpectedEOF, part{0, strings.ReplaceAll(msgStart, "input_tokens", "x") + txtStart + delta("one")}), false, inputStream + 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, keyRates(domain.Rates{RateLimits: domain.RateLimits{Tokens: 1, TokenBurst: burst, Concurrency: 1}}))
				r.on("a", c.reply)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var during int64
				if c.leave {
					time.AfterFunc(time.Second, func() {
						during = r.tokensLeft("claude-x")
						cancel()
					})
				}
				r.send(c.body, withContext(ctx))
				if left := r.tokensLeft("claude-x"); left != burst-c.used {
					t.Errorf("%d were charged, want %d", burst-left, c.used)
				}
				if c.leave && during != burst-inputStream-100 {
					t.Errorf("%d are held meanwhile, want %d", burst-during, inputStream+100)
				}
				r.noSlots("claude-x")
			})
		})
	}
}

// TestConcurrencyOfCallers: a slot is held as long as the stream lasts, and one that is just coming free is waited for.
func TestConcurrencyOfCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, keyRates(domain.Rates{RateLimits: domain.RateLimits{Concurrency: 1}}))
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart + delta("one")}, part{20 * time.Second, txtStop + msgDelta + msgStop}), jsonOK("hi"))
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askStream) })
		time.Sleep(time.Second)
		g := r.send(askJSON)
		if g.Code != 429 || g.Header().Get("Retry-After") != "1" || g.took < slotWait || g.took > 2*slotWait {
			t.Errorf("%d after %s: %v", g.Code, g.took, g.Header())
		}
		mustContain(t, "the refusal", g.text(), `the limit of 1 requests at a time of the key \"team\" is reached; try again when one of them has ended`)
		if trace := string(r.last().Trace); !strings.Contains(trace, "key team: concurrency") {
			t.Error(trace)
		}
		time.Sleep(19*time.Second - g.took - 10*time.Millisecond)
		if g := r.send(askJSON); g.Code != 200 || g.took < 10*time.Millisecond || g.took > 50*time.Millisecond {
			t.Errorf("just before the end: %d after %s", g.Code, g.took)
		}
		wg.Wait()
		r.noSlots("claude-x")
	})
}

// A caller that leaves while it waits for a slot holds nothing.
func TestLeavesWhileItWaitsForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, poolRates(domain.Rates{RateLimits: domain.RateLimits{Concurrency: 1}}))
		r.on("a", after(time.Minute, jsonOK("hi")))
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askJSON) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if g := r.send(askJSON, withContext(ctx)); g.took > 10*time.Millisecond {
			t.Errorf("it was kept for %s", g.took)
		}
		wg.Wait()
		r.noSlots("claude-x")
		if r.names() != "a" {
			t.Errorf("asked %q", r.names())
		}
	})
}

// Of a model with limits of its own fewer may come; all that a pattern matches share them.
func TestRatesOfModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := domain.Rates{RateLimits: domain.RateLimits{Requests: 4}, Models: map[string]domain.RateLimits{"claude-o*": {Requests: 1}}}
		r := newRig(t, []account{{name: "a"}}, poolRates(rates))
		r.on("a", jsonOK("hi"))
		ask := func(model string) got { return r.send(strings.Replace(askJSON, "claude-x", model, 1)) }
		if g := ask("claude-o1"); g.Code != 200 {
			t.Fatal(g.Code, g.text())
		}
		g := ask("claude-o2")
		mustContain(t, "the refusal", g.text(), `the limit of 1 requests a minute of the pool \"default\" for the model claude-o* and its like is reached; try again in 1m0s`)
		// What was refused there has taken nothing of the limit for all models.
		for i := range 3 {
			if g := ask("claude-x"); g.Code != 200 {
				t.Errorf("%d: %d %s", i, g.Code, g.text())
			}
		}
		g = ask("claude-x")
		mustContain(t, "the refusal", g.text(), `the limit of 4 requests a minute of the pool \"default\" is reached; try again in 15s`)
		r.noSlots("claude-x", "claude-o1")
	})
}

// TestRatesOfPools: a key whose first pool is used up goes to the next one, and is refused where none has room. A pool that
// is come to only because the one before it fails counts then.
func TestRatesOfPools(t *testing.T) {
	two := func(t *testing.T, opts ...rigOption) *rig {
		return newRig(t, []account{{name: "a"}, {name: "b", pool: "second"}}, append(opts, func(rc *rigConfig) { rc.key.Pools = []string{"default", "second"} })...)
	}
	t.Run("used up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := two(t, poolRates(domain.Rates{RateLimits: domain.RateLimits{Requests: 1}}))
			r.on("a", jsonOK("hi"))
			r.on("b", jsonOK("hi"))
			r.send(askJSON)
			r.send(askJSON)
			if g := r.send(askJSON); g.Code != 429 || r.names() != "a b" {
				t.Errorf("%d, asked %q", g.Code, r.names())
			}
			r.noSlots("claude-x")
		})
	})
	t.Run("come to", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := two(t)
			snap := r.g.Snapshot()
			snap.rated, snap.pools["second"].rates = true, &domain.Rates{RateLimits: domain.RateLimits{Requests: 1}}
			r.on("a", status(401, errorJSON("authentication_error")))
			r.on("b", jsonOK("hi"))
			first, second := r.send(askJSON), r.send(askJSON)
			if first.Code != 200 || second.Code == 200 || r.names() != "a b" {
				t.Errorf("%d %d, asked %q: %s", first.Code, second.Code, r.names(), second.text())
			}
			r.noSlots("claude-x")
		})
	})
}

// What is started beside a slow attempt counts where it is started, and is not started where there is no room.
func TestRatesOfAttemptsBeside(t *testing.T) {
	for _, c := range []struct{ slots, asked string }{{"room", "a b"}, {"none", "a"}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, {name: "b", pool: "second"}}, func(rc *rigConfig) { rc.key.Pools = []string{"default", "second"} })
			rates := &domain.Rates{RateLimits: domain.RateLimits{Concurrency: 1}}
			snap := r.g.Snapshot()
			p := snap.pools["second"]
			snap.rated, p.rates = true, rates
			cells := snap.owner(r.g, p, "pool", p.Name, rates).Cells(nil, "claude-x")
			var taken limit.Ticket
			if c.slots == "none" {
				limit.Reserve(cells, 0, 0, &taken)
			}
			r.on("a", stream(io.EOF, part{15 * time.Second, msgStart + txtStart + delta("a") + txtStop + msgDelta + msgStop}))
			r.on("b", func(ctx context.Context, call *call) (*response, error) {
				if n := cells[0].InFlight(); n != 1 {
					t.Errorf("%d are counted while it runs", n)
				}
				return whole("b")(ctx, call)
			})
			if g := r.send(askStream); g.Code != 200 || r.names() != c.asked {
				t.Errorf("%s: %d, asked %q: %s", c.slots, g.Code, r.names(), g.text())
			}
			taken.End(0, 0)
			r.noSlots("claude-x")
		})
	}
}

// A request that crashes holds nothing afterwards.
func TestRatesAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, keyRates(domain.Rates{RateLimits: domain.RateLimits{Tokens: 1, TokenBurst: 5000, Concurrency: 1}}))
		r.on("a", func(context.Context, *call) (*response, error) { panic("scripted") })
		func() {
			defer func() {
				if p := recover(); p != any("scripted") {
					t.Errorf("panicked with %v", p)
				}
			}()
			r.send(askJSON)
		}()
		r.noSlots("claude-x")
		if left := r.tokensLeft("claude-x"); left != 5000 {
			t.Errorf("%d tokens are left", left)
		}
	})
}

// A reload changes the limits at once and forgets nothing of what was used.
func TestRatesAfterAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, keyRates(domain.Rates{RateLimits: domain.RateLimits{Requests: 3}}))
		r.on("a", jsonOK("hi"))
		reload := func(requests int64) {
			k, _ := r.g.Snapshot().keys.Named("team")
			edited := *k
			edited.Rates = &domain.Rates{RateLimits: domain.RateLimits{Requests: requests}}
			keys, err := caller.NewDirectory([]domain.Key{edited})
			if err != nil {
				t.Fatal(err)
			}
			snap := r.snapshotAgain()
			snap.keys = keys
			r.g.Swap(snap)
		}
		r.send(askJSON)
		r.send(askJSON)
		reload(2)
		if g := r.send(askJSON); g.Code != 429 {
			t.Errorf("with two a minute the third: %d", g.Code)
		}
		reload(4)
		for i, want := range []int{200, 200, 429} {
			if g := r.send(askJSON); g.Code != want {
				t.Errorf("with four a minute, number %d: %d", i+3, g.Code)
			}
		}
	})
}

// A caller's own seat is limited like everything else, and what the headers say of it is Turnout's limit.
func TestRatesOfOwnSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, keyRates(perMinute(10)), func(c *rigConfig) { c.pool = func(p *PoolConfig) { p.OwnSeat = true } })
		r.on(seatName, status(200, messageJSON("hi"), "Anthropic-Ratelimit-Unified-Status", "allowed", "Anthropic-Ratelimit-Requests-Remaining", "77"))
		g := r.sendSeated(askJSON)
		if g.Code != 200 || g.Header().Get("Anthropic-Ratelimit-Unified-Status") != "allowed" || g.Header().Get("Anthropic-Ratelimit-Requests-Remaining") != "1" {
			t.Errorf("%d %v", g.Code, g.Header())
		}
		r.sendSeated(askJSON)
		if g := r.sendSeated(askJSON); g.Code != 429 || len(r.attempts) != 2 {
			t.Errorf("%d after %d attempts", g.Code, len(r.attempts))
		}
	})
}

// Further paths count too; of a form no tokens are known.
func TestRatesOfFurtherPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}), keyRates(domain.Rates{RateLimits: domain.RateLimits{Tokens: 1, TokenBurst: 1000}}), func(c *rigConfig) { c.platform = "openai-compatible" })
		r.on("a", status(200, `{"object":"list","data":[{"embedding":[0.25]}],"usage":{"prompt_tokens":400,"total_tokens":400}}`))
		c := Call{Dialect: openai.Dialect{}, Path: "/v1/embeddings"}
		if w := r.ask(c, []byte(`{"model":"e","input":"x"}`)); w.Code != 200 || w.Header().Get("X-Ratelimit-Remaining-Tokens") != "994" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if left := r.tokensLeft("e"); left != 600 {
			t.Errorf("%d are left", left)
		}
		w := r.ask(c, []byte(`{"model":"e","input":"`+strings.Repeat("word ", 600)+`"}`))
		mustContain(t, "the refusal", w.Body.String(), `the limit of 1 tokens a minute of the key \"team\" is reached, and this request may take 756; try again in 2h36m0s`)
	})
}

// To ask how many tokens a prompt has takes a request and no tokens.
func TestRatesOfCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, keyRates(domain.Rates{RateLimits: domain.RateLimits{Requests: 2, Tokens: 1, TokenBurst: 1000}}))
		r.on("a", status(200, `{"input_tokens":900}`))
		c := Call{Dialect: anthropic.Dialect{}, Path: "/v1/messages/count_tokens"}
		for i, want := range []int{200, 200, 429} {
			if w := r.ask(c, []byte(askJSON)); w.Code != want || w.Header().Get("Anthropic-Ratelimit-Tokens-Remaining") != "1000" {
				t.Errorf("%d: %d %v", i, w.Code, w.Header())
			}
		}
	})
}

// The quick way through a body finds what the plain one finds.
func TestPromptTokensByEveryByte(t *testing.T) {
	plain := func(body string) int64 {
		bytes, blobs := int64(len(body)), int64(0)
		for run := range strings.FieldsFuncSeq(body, func(c rune) bool { return !base64Byte[byte(c)] }) {
			if len(run) >= blobLeast {
				bytes, blobs = bytes-int64(len(run)), blobs+1
			}
		}
		return bytes/4 + blobs*blobTokens
	}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			n := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(blobLeast-2, blobLeast+2), rapid.IntRange(0, 3*blobLeast)).Draw(t, "length")
			b.WriteString(strings.Repeat(rapid.SampledFrom([]string{"a", " ", "ab ", "a b"}).Draw(t, "what"), n))
		}
		if got, want := promptTokens([]byte(b.String())), plain(b.String()); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	})
}

// An image is not a text of its length.
func TestPromptTokens(t *testing.T) {
	words := strings.Repeat("some words, ", 4000)
	image := strings.Repeat("iVBORw0KGgo/", 50_000)
	for _, c := range []struct {
		name, body string
		want       int64
	}{
		{"nothing", "", 0}, {"words", words, 12_000}, {"an image alone", image, blobTokens},
		{"an image among words", `{"text":"` + words + `","data":"` + image + `"}`, (int64(len(words))+20)/4 + blobTokens},
		{"two images", `["` + image + `","` + image + `"]`, 1 + 2*blobTokens},
		{"a long word", strings.Repeat("a", blobLeast-1), (blobLeast - 1) / 4},
		{"the shortest image", "  " + strings.Repeat("a", blobLeast) + "  ", 1 + blobTokens},
	} {
		if got := promptTokens([]byte(c.body)); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
