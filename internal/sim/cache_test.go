package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// say has a healthy provider answer a body in process, and gives the answer.
func say(t *testing.T, p *Provider, f format, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := request(t.Context(), t, "http://sim", f, key, body)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w
}

type usage struct {
	input, read, write5m, write1h int
}

func anthropicUse(t *testing.T, p *Provider, key, body string) usage {
	t.Helper()
	var m struct{ Usage anthropicUsage }
	if err := json.Unmarshal(say(t, p, anthropic, key, body).Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	u := m.Usage
	if u.CacheCreation != u.Creation.Ephemeral5m+u.Creation.Ephemeral1h {
		t.Errorf("cache_creation_input_tokens %d is not the sum of its parts %+v", u.CacheCreation, *u.Creation)
	}
	return usage{u.InputTokens, u.CacheRead, u.Creation.Ephemeral5m, u.Creation.Ephemeral1h}
}

func openaiUse(t *testing.T, p *Provider, key, body string) (prompt, cached int) {
	t.Helper()
	var m struct{ Usage chatUsage }
	if err := json.Unmarshal(say(t, p, openai, key, body).Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return m.Usage.PromptTokens, m.Usage.PromptDetails.CachedTokens
}

// text makes a text of so many tokens that begins with a name.
func long(name string, tokens int) string {
	return name + strings.Repeat(".", tokens*bytesPerToken-len(name))
}

const (
	c5m = `,"cache_control":{"type":"ephemeral"}`
	c1h = `,"cache_control":{"type":"ephemeral","ttl":"1h"}`
)

func textPart(text, cache string) string {
	return `{"type":"text","text":"` + text + `"` + cache + `}`
}

func turn(role string, parts ...string) string {
	return `{"role":"` + role + `","content":[` + strings.Join(parts, ",") + `]}`
}

func conversation(model, system string, turns ...string) string {
	return `{"model":"` + model + `","max_tokens":10,"system":[` + system + `],"messages":[` + strings.Join(turns, ",") + `]}`
}

func TestExplicitCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		system := textPart(long("system", 2000), c1h)
		first := conversation("m", system, turn("user", textPart(long("one", 100), c5m)))
		if got, want := anthropicUse(t, p, "sk-a-org-acme", first), (usage{requestTokens, 0, 100, 2000}); got != want {
			t.Errorf("first: %+v, want %+v", got, want)
		}
		// Another key of the organisation reads; the 1 h entry is prolonged by that.
		if got, want := anthropicUse(t, p, "sk-b-org-acme", first), (usage{requestTokens, 2100, 0, 0}); got != want {
			t.Errorf("again, other key: %+v, want %+v", got, want)
		}
		if got, want := anthropicUse(t, p, "sk-c-org-other", first), (usage{requestTokens, 0, 100, 2000}); got != want {
			t.Errorf("other organisation: %+v, want %+v", got, want)
		}
		other := strings.Replace(first, `"model":"m"`, `"model":"m2"`, 1)
		if got, want := anthropicUse(t, p, "sk-a-org-acme", other), (usage{requestTokens, 0, 100, 2000}); got != want {
			t.Errorf("other model: %+v, want %+v", got, want)
		}
		// The next turn moves its breakpoint; the old one is found by looking back.
		next := conversation("m", system,
			turn("user", textPart(long("one", 100), "")),
			turn("assistant", textPart(long("answer", 50), "")),
			turn("user", textPart(long("two", 200), c5m)))
		if got, want := anthropicUse(t, p, "sk-a-org-acme", next), (usage{requestTokens, 2100, 250, 0}); got != want {
			t.Errorf("next turn: %+v, want %+v", got, want)
		}
		// After five minutes only the hour's entry is left.
		time.Sleep(anthropicShort)
		if got, want := anthropicUse(t, p, "sk-a-org-acme", next), (usage{requestTokens, 2000, 350, 0}); got != want {
			t.Errorf("after 5 minutes: %+v, want %+v", got, want)
		}
		// A read prolongs: 59 minutes later the hour has not passed since.
		time.Sleep(59 * time.Minute)
		if got, want := anthropicUse(t, p, "sk-a-org-acme", next), (usage{requestTokens, 2000, 350, 0}); got != want {
			t.Errorf("after 59 minutes more: %+v, want %+v", got, want)
		}
		time.Sleep(anthropicLong)
		if got, want := anthropicUse(t, p, "sk-a-org-acme", next), (usage{requestTokens, 0, 350, 2000}); got != want {
			t.Errorf("after an hour: %+v, want %+v", got, want)
		}
		p.Reset()
		if got, want := anthropicUse(t, p, "sk-a-org-acme", next), (usage{requestTokens, 0, 350, 2000}); got != want {
			t.Errorf("after Reset: %+v, want %+v", got, want)
		}
	})
}

func TestExplicitCacheLimits(t *testing.T) {
	for _, c := range []struct {
		name, body string
		first      usage
		second     usage
	}{
		{"too short", conversation("m", textPart(long("s", 1000), c5m), turn("user", textPart(long("u", 20), ""))), usage{1023, 0, 0, 0}, usage{1023, 0, 0, 0}},
		{"no breakpoint", conversation("m", textPart(long("s", 5000), ""), turn("user", textPart(long("u", 20), ""))), usage{5023, 0, 0, 0}, usage{5023, 0, 0, 0}},
		{"short breakpoint, then a long one", conversation("m", textPart(long("s", 500), c1h), turn("user", textPart(long("u", 1000), c5m))), usage{3, 0, 1500, 0}, usage{3, 1500, 0, 0}},
		{"uncached rest", conversation("m", textPart(long("s", 2000), c5m), turn("user", textPart(long("u", 20), ""))), usage{23, 0, 2000, 0}, usage{23, 2000, 0, 0}},
		{
			"for the whole request", strings.Replace(conversation("m", textPart(long("s", 2000), ""), turn("user", textPart(long("u", 20), ""))), `{"model"`, `{"cache_control":{"type":"ephemeral"},"model"`, 1),
			usage{3, 0, 2020, 0}, usage{3, 2020, 0, 0},
		},
	} {
		p := New(Options{})
		if got := anthropicUse(t, p, "sk-a", c.body); got != c.first {
			t.Errorf("%s: first %+v, want %+v", c.name, got, c.first)
		}
		if got := anthropicUse(t, p, "sk-a", c.body); got != c.second {
			t.Errorf("%s: second %+v, want %+v", c.name, got, c.second)
		}
	}
}

// TestStringIsABlock: content as a string and as one text block are the same to
// the cache.
func TestStringIsABlock(t *testing.T) {
	p := New(Options{})
	text := long("s", 2000)
	anthropicUse(t, p, "sk-a", conversation("m", textPart(text, ""), turn("user", textPart("hi", c5m))))
	got := anthropicUse(t, p, "sk-a", `{"model":"m","max_tokens":1,"system":"`+text+`","messages":[`+turn("user", textPart("hi", c5m))+`]}`)
	if got.read != 2001 {
		t.Errorf("read %d tokens, want 2001", got.read)
	}
}

func TestAutomaticCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := func(model string, turns ...string) string {
			var all []string
			for i, text := range turns {
				role := []string{"user", "assistant"}[i%2]
				all = append(all, fmt.Sprintf(`{"role":%q,"content":%q}`, role, text))
			}
			return `{"model":"` + model + `","messages":[` + strings.Join(all, ",") + `]}`
		}
		p := New(Options{})
		short := body("m", long("s", 900))
		one := body("m", long("one", 2000))
		two := body("m", long("one", 2000), "yes", long("two", 1000))
		for _, c := range []struct {
			name, key, body string
			wait            time.Duration
			cached          int
		}{
			{"short", "sk-a-org-acme", short, 0, 0},
			{"short again", "sk-a-org-acme", short, 0, 0},
			{"first", "sk-a-org-acme", one, 0, 0},
			{"again, other key", "sk-b-org-acme", one, 0, 1920}, // 2,008 tokens in steps of 128
			{"other organisation", "sk-c", one, 0, 0},
			{"next turn", "sk-a-org-acme", two, 0, 1920},
			{"next turn again", "sk-a-org-acme", two, 0, 2944},
			{"used just before it ends", "sk-a-org-acme", two, openaiLife - 1, 2944},
			{"so it lives on", "sk-a-org-acme", two, openaiLife - 1, 2944},
			{"unused for too long", "sk-a-org-acme", two, openaiLife, 0},
		} {
			time.Sleep(c.wait)
			if prompt, cached := openaiUse(t, p, c.key, c.body); cached != c.cached || cached > prompt {
				t.Errorf("%s: %d of %d tokens cached, want %d", c.name, cached, prompt, c.cached)
			}
		}
		if _, cached := openaiUse(t, p, "sk-a-org-acme", body("m2", long("one", 2000))); cached != 0 {
			t.Errorf("another model reads %d tokens", cached)
		}
	})
}

// TestCacheProperties: the parts of the prompt always add up to what count_tokens
// says; the same request again writes nothing and reads what was written and read.
func TestCacheProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := New(Options{})
		for range rapid.IntRange(1, 3).Draw(rt, "requests") {
			var parts []string
			for i := range rapid.IntRange(1, 25).Draw(rt, "blocks") {
				text := long(fmt.Sprintf("%d", i), rapid.SampledFrom([]int{1, 10, 100, 400}).Draw(rt, "size"))
				parts = append(parts, textPart(text, rapid.SampledFrom([]string{"", "", c5m, c1h}).Draw(rt, "cache")))
			}
			body := conversation("m", textPart("s", ""), turn("user", parts...))

			r := request(t.Context(), t, "http://sim", anthropic, "sk-a", body)
			r.URL.Path = "/v1/messages/count_tokens"
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			var counted struct {
				N int `json:"input_tokens"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &counted); err != nil {
				rt.Fatal(err)
			}
			first := anthropicUse(t, p, "sk-a", body)
			second := anthropicUse(t, p, "sk-a", body)
			for _, u := range []usage{first, second} {
				if sum := u.input + u.read + u.write5m + u.write1h; sum != counted.N || u.input < requestTokens {
					rt.Fatalf("%+v adds up to %d, count_tokens says %d", u, sum, counted.N)
				}
			}
			if second.write5m+second.write1h != 0 || second.read != first.read+first.write5m+first.write1h {
				rt.Fatalf("the same again: %+v after %+v", second, first)
			}
		}
	})
}

// TestAutomaticCacheOfALargePrompt: one prompt of megabytes is cached nearly whole and does not push everybody else's
// out of the cache, which it did when each of its steps was an entry.
func TestAutomaticCacheOfALargePrompt(t *testing.T) {
	c := newPromptCache()
	now := time.Now()
	small := bytes.Repeat([]byte("small "), 2000)
	large := bytes.Repeat([]byte("large "), 1<<20)
	c.automatic("org", "m", small, now)
	for i := range 100 {
		c.automatic("org", fmt.Sprint("large", i), large, now)
	}
	if got, least := c.automatic("org", "large0", large, now), len(large)/bytesPerToken-coarseStep; got < least || got%openaiStep != 0 {
		t.Errorf("%d tokens of the large prompt are cached, want %d at least, in whole steps", got, least)
	}
	if got, least := c.automatic("org", "m", small, now), len(small)/bytesPerToken-openaiStep; got < least {
		t.Errorf("%d tokens of the small prompt are cached, want %d at least", got, least)
	}
}
