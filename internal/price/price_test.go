package price

import (
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func find(t *testing.T, provider, model string, at time.Time) *Plan {
	t.Helper()
	p, ok := Builtin().Find(provider, model, at)
	if !ok {
		t.Fatalf("no price for %s/%s", provider, model)
	}
	return p
}

func cost(t *testing.T, p *Plan, u domain.Usage) domain.NanoUSD {
	t.Helper()
	n, err := p.Cost(u, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The committed file is what writing it would write, so that differences are the prices'.
func TestCatalogueIsWrittenAsItIs(t *testing.T) {
	on, err := os.ReadFile("catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	written, err := BuiltinFile().Write()
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != string(on) {
		t.Error("catalogue.json is not as it would be written: make prices writes it")
	}
	models := 0
	for _, p := range BuiltinFile().Providers {
		models += len(p.Models)
	}
	if len(BuiltinFile().Providers) < 40 || models < 1500 {
		t.Errorf("%d providers with %d models", len(BuiltinFile().Providers), models)
	}
}

func TestCost(t *testing.T) {
	const anthropic, openai, google = "anthropic", "openai", "google"
	for _, c := range []struct {
		name            string
		provider, model string
		at              time.Time
		usage           domain.Usage
		want            domain.NanoUSD
	}{
		{"each kind at its own price", anthropic, "claude-sonnet-4-5", noon,
			domain.Usage{Input: 1000, CacheRead: 2000, CacheWrite5m: 300, CacheWrite1h: 400, Output: 50},
			1000*3000 + 2000*300 + 300*3750 + 400*6000 + 50*15000},
		{"a long prompt is priced by the whole prompt", anthropic, "claude-sonnet-4-5", noon,
			domain.Usage{Input: 1, CacheRead: 200_000, Output: 1}, 6000 + 200_000*600 + 22500},
		{"just not a long one", anthropic, "claude-sonnet-4-5", noon,
			domain.Usage{CacheRead: 200_000, Output: 1}, 200_000*300 + 15000},
		{"reasoning is in the output, once", openai, "gpt-5", noon, domain.Usage{Output: 100, Reasoning: 90}, 100 * 10000},
		{"a search", anthropic, "claude-sonnet-4-5", noon, domain.Usage{Searches: 3}, 3 * 10_000_000},
		{"audio has its own price", google, "gemini-2.5-flash", noon,
			domain.Usage{Input: 100, AudioInput: 40, CacheRead: 50, AudioCacheRead: 10, Output: 7}, 60*300 + 40*1000 + 40*30 + 10*100 + 7*2500},
		{"batch is half, but for searches", anthropic, "claude-sonnet-4-5", noon,
			domain.Usage{Input: 1000, Searches: 1, Tier: domain.TierBatch}, 1000*1500 + 10_000_000},
		{"priority by factor", openai, "gpt-5", noon, domain.Usage{Input: 1000, Output: 10, Tier: domain.TierPriority}, 1000*2500 + 10*20000},
		{"priority by price", openai, "gpt-4o-mini", noon, domain.Usage{Input: 1000, CacheRead: 8, Output: 10, Tier: domain.TierPriority}, 1000*250 + 8*125 + 10*1000},
		{"fast is twice, caches included, but for searches", anthropic, "claude-opus-5", noon,
			domain.Usage{Input: 1000, CacheRead: 100, Output: 10, Searches: 1, Tier: domain.TierFast}, 1000*10_000 + 100*1000 + 10*50_000 + 10_000_000},
		{"by the time of day", "deepseek", "deepseek-v4-pro", noon, domain.Usage{Input: 1000}, 1000 * 660},
		{"by the time of day, at its peak", "deepseek", "deepseek-v4-pro", noon.Add(-4 * time.Hour), domain.Usage{Input: 1000}, 1000 * 1320},
		{"a fee for each request", "perplexity", "sonar", noon, domain.Usage{Input: 1000}, 1000*1000 + 12_000_000},
		{"half to even, down", anthropic, "claude-3-haiku", noon, domain.Usage{CacheRead: 1, Tier: domain.TierBatch}, 15},
		{"nothing", openai, "gpt-5", noon, domain.Usage{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cost(t, find(t, c.provider, c.model, c.at), c.usage); got != c.want {
				t.Errorf("%d nano-USD, want %d", got, c.want)
			}
		})
	}
}

func TestPlanNames(t *testing.T) {
	for _, c := range []struct{ provider, model, want string }{
		{"anthropic", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"},
		{"deepseek", "deepseek-v4-pro", "deepseek/deepseek-v4-pro@2026-08-17"},
		{"OpenAI", " GPT-5 ", "openai/gpt-5"},
	} {
		if got := find(t, c.provider, c.model, noon).Name(); got != c.want {
			t.Errorf("%s/%s is %s, want %s", c.provider, c.model, got, c.want)
		}
	}
}

// Names are found as the catalogue's source finds them.
func TestFind(t *testing.T) {
	for _, c := range []struct{ provider, model, want string }{
		{"anthropic", "Claude-Sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"},
		{"azure", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"}, // falls back
		{"vertex", "gemini-2.5-pro", "google/gemini-2.5-pro"},         // by the provider's rule
		{"gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"},
		{"litellm", "openai/gpt-5", "openai/gpt-5"},
		{"openai", "gpt-5-2025-08-07", "openai/gpt-5"},
		{"google", "gemini-2.5-pro-preview-tts", "google/gemini-2.5-pro-tts"},
		{"nobody", "gpt-5", ""},
		{"openai", "no-such-model", ""},
		{"", "gpt-5", ""},
		{"openai", "moderation", ""},                                                        // listed without any price
		{"openrouter", "deepseek/deepseek-r1:free", "openrouter/deepseek/deepseek-r1:free"}, // free by its name
	} {
		p, ok := Builtin().Find(c.provider, c.model, noon)
		got := ""
		if ok {
			got = p.Name()
		}
		if got != c.want {
			t.Errorf("%q/%q is %q, want %q", c.provider, c.model, got, c.want)
		}
	}
	if p, ok := Builtin().Listed("openai", "omni-moderation-latest", noon); ok && p.Known() {
		t.Error("a model without a price has one")
	}
}

func TestDatesInNames(t *testing.T) {
	for in, want := range map[string]string{
		"x-20250929":             "x-2025-09-29",
		"x-20250929:batch":       "x-2025-09-29:batch",
		"x-20250929-20250930":    "x-2025-09-29-2025-09-30",
		"x-20250230":             "x-20250230", // there is no such day
		"x-20251332":             "x-20251332",
		"x-202509290":            "x-202509290",
		"20250929":               "20250929",
		"-20000101-":             "-2000-01-01-",
		"claude-2025-09-29-fast": "claude-2025-09-29-fast",
	} {
		if got := dated(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestProviderAt(t *testing.T) {
	for url, want := range map[string]string{
		"https://api.groq.com/openai/v1": "groq", "https://openrouter.ai/api/v1": "openrouter",
		"https://example.com/https://api.groq.com": "", "": "",
	} {
		if got, _ := Builtin().ProviderAt(url); got != want {
			t.Errorf("%s is of %q, want %q", url, got, want)
		}
	}
}

func TestImpossibleUsage(t *testing.T) {
	p := find(t, "openai", "gpt-5", noon)
	for _, u := range []domain.Usage{
		{Input: -1}, {Output: 1, Reasoning: 2}, {Input: 1, AudioInput: 2}, {Input: 2, AudioInput: 1, ImageInput: 2},
		{AudioCacheRead: 1}, {Output: 1, AudioOutput: 1, ImageOutput: 1}, {Input: 1 << 62},
	} {
		if n, err := p.Cost(u, 0); err == nil {
			t.Errorf("%+v costs %d", u, n)
		}
	}
}

func TestDearest(t *testing.T) {
	c := Builtin()
	p, ok := c.Dearest("anthropic", "claude-opus-9", noon)
	if !ok || p.Name() != "anthropic/claude-opus*" {
		t.Fatalf("%v %v", p, ok)
	}
	// The dearest opus, kind by kind.
	for _, m := range []string{"claude-opus-4-8", "claude-opus-5-5", "claude-opus-4-0"} {
		u := domain.Usage{Input: 10, CacheRead: 10, CacheWrite5m: 10, CacheWrite1h: 10, Output: 10, Searches: 1}
		if a, b := cost(t, p, u), cost(t, find(t, "anthropic", m, noon), u); a < b {
			t.Errorf("the dearest costs %d, %s costs %d", a, m, b)
		}
	}
	// Nothing begins like it: the dearest of the provider.
	if p, ok := c.Dearest("openai", "zzz", noon); !ok || p.Name() != "openai/*" || cost(t, p, domain.Usage{Output: 1}) < 600_000 {
		t.Errorf("%v %v", p, ok)
	}
	// Nothing is known of the provider: the dearest of the family, whosever it is.
	for _, provider := range []string{"", "nobody"} {
		p, ok := c.Dearest(provider, "gpt-5-mini-next", noon)
		if !ok || p.Name() != "any/gpt-5-mini*" || cost(t, p, domain.Usage{Output: 1000}) < cost(t, find(t, "openai", "gpt-5-mini", noon), domain.Usage{Output: 1000}) {
			t.Errorf("%q: %v %v", provider, p, ok)
		}
		if p, ok := c.Dearest(provider, "zzz", noon); ok {
			t.Errorf("%q: %v is of the family of zzz", provider, p)
		}
	}
	again, _ := c.Dearest("anthropic", "claude-opus-9", noon.Add(time.Hour))
	if again != p {
		t.Error("the same day's is made anew")
	}
}

func TestOwnPrices(t *testing.T) {
	c, err := Builtin().With([]domain.OwnPrice{
		{Account: "local-*", Model: "llama-*", Prices: map[string]string{"input_mtok": "0.10", "output_mtok": "0.2"}},
		{Platform: "anthropic", Model: "claude-sonnet-4-5*", Prices: map[string]string{"input_mtok": "2", "output_mtok": "10"}},
		{Platform: "anthropic", Model: "claude-sonnet-4-5*", From: noon.AddDate(0, 0, 1), Prices: map[string]string{"input_mtok": "1", "output_mtok": "5"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	u := domain.Usage{Input: 1000, CacheRead: 1000, Output: 1000}
	for _, c2 := range []struct {
		seller, model string
		at            time.Time
		want          domain.NanoUSD
	}{
		{Seller("", "openai-compatible", "local-1"), "Llama-9", noon, 1000*100 + 1000*100 + 1000*200},
		{Seller("anthropic", "anthropic", "one"), "claude-sonnet-4-5-20250929", noon, 1000*2000 + 1000*300 + 1000*10000},
		{"anthropic", "claude-sonnet-4-5", noon, 1000*2000 + 1000*300 + 1000*10000},
		{"anthropic", "claude-sonnet-4-5", noon.AddDate(0, 0, 1), 1000*1000 + 1000*300 + 1000*5000},
		{"anthropic", "claude-3-haiku", noon, 1000*250 + 1000*30 + 1000*1250},
	} {
		p, ok := c.Find(c2.seller, c2.model, c2.at)
		if !ok {
			t.Errorf("%s/%s is not found", c2.seller, c2.model)
		} else if got := cost(t, p, u); got != c2.want {
			t.Errorf("%s/%s costs %d, want %d", c2.seller, c2.model, got, c2.want)
		}
	}
	if _, ok := c.Find(Seller("", "openai-compatible", "other"), "llama-9", noon); ok {
		t.Error("another account has the price too")
	}
	if p := find(t, "anthropic", "claude-sonnet-4-5", noon); cost(t, p, domain.Usage{Input: 1}) != 3000 {
		t.Error("the catalogue beneath has changed")
	}
	for _, bad := range []map[string]string{{"input_mtok": "1e3"}, {"inputs": "1"}, {"input_mtok": "-1"}, {"input_mtok": ""}} {
		if _, err := Builtin().With([]domain.OwnPrice{{Model: "x", Prices: bad}}); err == nil {
			t.Errorf("%v is a price", bad)
		}
	}
}

func TestReadAmounts(t *testing.T) {
	for _, c := range []struct{ provider, model, usage, want string }{
		{"anthropic", "claude-sonnet-4-5", `{"input_tokens":1000,"cache_read_tokens":200,"cache_write_tokens":300,"cache_write_1h_tokens":100,"output_tokens":1}`, ""},
		{"openai", "gpt-5", `{"input_tokens":10,"cache_read_tokens":20}`, "are some of the input_tokens"},
		{"anthropic", "claude-sonnet-4-5", `{"input_tokens":10,"cache_read_tokens":6,"cache_write_tokens":6}`, "impossible usage"},
		{"openai", "gpt-5", `{"cache_read_tokens":20}`, "input_tokens are not"},
		{"openai", "gpt-5", `{"tokens":20}`, "name of nothing"},
		{"openai", "gpt-5", `{"input_tokens":-1}`, "zero or more"},
		{"openai", "gpt-5", `{"input_tokens":"1"}`, "zero or more"},
		{"openai", "gpt-5", `{"input_tokens":1e3}`, "zero or more"},
		{"openai", "gpt-5", `{"input_tokens":1,"input_tokens":1}`, "twice"},
		{"openai", "gpt-5", `{"input_tokens":1} {}`, "behind"},
		{"openai", "gpt-5", `[]`, "JSON object"},
		{"openai", "gpt-5", `{"input_tokens":1`, "usage"},
		{"openai", "gpt-5", `{"input_tokens":9999999999999999999}`, "more than any"},
		{"google", "gemini-2.5-flash", `{"input_tokens":100,"input_audio_tokens":60,"cache_read_tokens":50}`, "how many are both"},
		{"google", "gemini-2.5-flash", `{"input_tokens":100,"input_audio_tokens":60,"cache_read_tokens":50,"cache_audio_read_tokens":10}`, ""},
		{"groq", "whisper-large-v3", `{"audio_seconds":0.25}`, ""},
	} {
		a, err := ReadAmounts([]byte(c.usage))
		if err == nil {
			_, err = find(t, c.provider, c.model, noon).CostOf(a, 0)
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.usage, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.usage, err, c.want)
		}
	}
	a, _ := ReadAmounts([]byte(`{"audio_seconds":0.25}`))
	if n, err := find(t, "groq", "whisper-large-v3", noon).CostOf(a, 0); err != nil || n != 308333 { // 10 s of 0.111 an hour
		t.Errorf("%d %v", n, err)
	}
	a, _ = ReadAmounts([]byte(`{"audio_seconds":12.5}`))
	if n, err := find(t, "groq", "whisper-large-v3", noon).CostOf(a, 0); err != nil || n != 385417 {
		t.Errorf("%d %v", n, err)
	}
}

// A price that has more digits than fit is refused, and so is everything else that would not be exact or complete.
func TestRefusedCatalogues(t *testing.T) {
	with := func(prices string) string {
		return `{"source":{"name":"x"},"providers":[{"id":"p","models":[{"id":"m","match":{"equals":"m"},"versions":[{"prices":` + prices + `}]}]}]}`
	}
	if _, err := Load([]byte(with(`{"input_mtok":"0.18000000000000002"}`))); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ text, want string }{
		{with(`{"input_mtok":"900000.000000000000000001"}`), "too many digits"},
		{with(`{"input_mtok":0.5}`), "catalogue"},
		{with(`{"input_mtok":"1e-7"}`), "is no price"},
		{with(`{"input_mtok":"-1"}`), "is no price"},
		{with(`{"inputs_mtok":"1"}`), "name of no price"},
		{with(`{"cache_read_mtok":"1"}`), "input_mtok, of which it is a part"},
		{with(`{"input_mtok":"1","cache_read_mtok":"1","input_audio_mtok":"1"}`), "cache_audio_read_mtok"},
		{with(`{"input_mtok":{"base":"1","tiers":[{"above":5,"price":"1"},{"above":5,"price":"2"}]}}`), "rise"},
		{`{"source":{"name":"x"},"providers":[],"more":1}`, "more"},
		{`{"source":{"name":"x"},"providers":[{"id":"P","models":[]}]}`, "small letters"},
		{`{"source":{"name":"x"},"providers":[{"id":"p","fallback":["q"],"models":[]}]}`, "falls back"},
		{`{"source":{"name":"x"},"providers":[{"id":"p","models":[{"id":"m","match":{},"versions":[]}]}]}`, "exactly one"},
		{`{"source":{"name":"x"},"providers":[{"id":"p","models":[{"id":"m","match":{"regex":"("},"versions":[]}]}]}`, "pattern"},
		{`{"source":{"name":"x"},"providers":[{"id":"p","models":[{"id":"m","match":{"equals":"m"},"versions":[]}]}]}`, "no versions"},
	} {
		if _, err := Load([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestGuard(t *testing.T) {
	read := func(s string) *File {
		f, err := ReadFile([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	file := func(price string, n int) *File {
		var models []string
		for i := range n {
			id := "m" + string(rune('a'+i))
			models = append(models, `{"id":"`+id+`","match":{"equals":"`+id+`"},"versions":[{"prices":{"input_mtok":"`+price+`"}}]}`)
		}
		return read(`{"source":{"name":"x"},"providers":[{"id":"p","models":[` + strings.Join(models, ",") + `]}]}`)
	}
	const one = `{"source":{"name":"x"},"providers":[{"id":"p","models":[{"id":"ma","match":{"equals":"ma"},"versions":[{"prices":{"input_mtok":"1"}}]}]}]}`
	for _, c := range []struct {
		name          string
		was, is       *File
		changes, stop int
	}{
		{"the same", file("1", 20), file("1", 20), 0, 0},
		{"one of twenty gone", file("1", 20), file("1", 19), 1, 0},
		{"two of twenty gone", file("1", 20), file("1", 18), 2, 1},
		{"three times is no jump", file("1", 1), file("3", 1), 1, 0},
		{"more is", file("1", 1), file("3.01", 1), 1, 1},
		{"downwards too", file("3.1", 1), file("1", 1), 1, 1},
		{"to nothing", file("1", 1), file("0", 1), 1, 1},
		{"from nothing", file("0", 1), file("0.1", 1), 1, 1},
		{"a fee that was not there", file("1", 1), read(strings.Replace(one, `"1"`, `"1","web_searches_kcount":"10"`, 1)), 1, 0},
		{"a fee that is gone", read(strings.Replace(one, `"1"`, `"1","web_searches_kcount":"10"`, 1)), file("1", 1), 1, 1},
		{"a part gets a price", file("10", 1), read(strings.Replace(one, `"1"`, `"10","cache_read_mtok":"1"`, 1)), 1, 0},
		{"a part loses its price", read(strings.Replace(one, `"1"`, `"10","cache_read_mtok":"1"`, 1)), file("10", 1), 1, 1},
		{"a provider gone", file("1", 1), read(`{"source":{"name":"x"},"providers":[]}`), 1, 1},
		{"a provider more", read(`{"source":{"name":"x"},"providers":[]}`), file("1", 1), 1, 0},
	} {
		changes, refused, err := Compare(c.was, c.is)
		if err != nil || len(changes) != c.changes || len(refused) != c.stop {
			t.Errorf("%s: %v %v %v", c.name, changes, refused, err)
		}
	}
}

// What is asked again is found without allocating, and so is what it costs.
func TestNothingIsAllocated(t *testing.T) {
	c := Builtin()
	u := domain.Usage{Input: 1000, CacheRead: 200_000, Output: 500, Reasoning: 100}
	if n := testing.AllocsPerRun(100, func() {
		p, _ := c.Find("anthropic", "claude-sonnet-4-5", noon)
		if _, err := p.Cost(u, 1_500_000); err != nil {
			t.Error(err)
		}
		p.Most(1000, 1000, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The memory of names is bounded: callers choose them.
func TestMemoryIsBounded(t *testing.T) {
	c, err := Builtin().With(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxFound + 10 {
		c.Find("anthropic", "model-"+big.NewInt(int64(i)).String(), noon)
	}
	c.Find("anthropic", strings.Repeat("x", 1<<20), noon)
	if len(c.found) > maxFound || len(c.found) == 0 {
		t.Errorf("%d names are remembered", len(c.found))
	}
	for i := range maxDear + 10 {
		c.Dearest("anthropic", "model-"+big.NewInt(int64(i)).String(), noon)
		c.Dearest("anthropic", "claude-opus-9", noon.AddDate(0, 0, i))
	}
	c.Dearest("anthropic", strings.Repeat("x", 1<<20), noon)
	if len(c.dear) > maxDear || len(c.families) > maxDear || len(c.families) == 0 {
		t.Errorf("%d names and %d families are remembered", len(c.dear), len(c.families))
	}
}

func BenchmarkCost(b *testing.B) {
	c := Builtin()
	u := domain.Usage{Input: 1000, CacheRead: 20_000, CacheWrite5m: 100, Output: 500, Reasoning: 100}
	b.ReportAllocs()
	for b.Loop() {
		p, _ := c.Find("anthropic", "claude-sonnet-4-5", noon)
		_, _ = p.Cost(u, 0)
	}
}

// A caller may ask for any name: each is found out at the price of a look at the provider's names.
func BenchmarkDearest(b *testing.B) {
	c := Builtin()
	names := make([]string, 1<<12)
	for i := range names {
		names[i] = "vendor-" + big.NewInt(int64(i)).String()
	}
	b.Run("new names", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.Find("openrouter", names[i%len(names)], noon)
			c.Dearest("openrouter", names[i%len(names)], noon)
		}
	})
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Dearest("openrouter", "vendor-1", noon)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		f, _ := ReadFile(builtin)
		_, _ = f.Compile()
	}
}
