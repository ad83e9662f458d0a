package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/price"
)

// What an account's model costs: by its base URL, by its platform, by the configuration; what has no price by its family, and marked.
func TestPriceList(t *testing.T) {
	r := newRig(t, configuration("http://127.0.0.1:1", "one=sk-one-11111111", "two=sk-two-22222222")+
		"prices:\n- {account: one, model: \"llama-*\", input: 1, output: 2}\n- {platform: openai, model: gpt-5, input: 0.5, output: 2}\n")
	a := r.start()
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	account := func(name, platform, url string) *domain.Account {
		return &domain.Account{Name: name, Platform: platform, BaseURL: url, OwnPrices: ownPrices(a.current.Load().Prices, name)}
	}
	for _, c := range []struct {
		account *domain.Account
		model   string
		want    string // empty: none
		guessed bool
	}{
		{account("x", "anthropic", ""), "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", false},
		{account("x", "gemini", ""), "gemini-2.5-pro", "google/gemini-2.5-pro", false},
		{account("x", "openai", "https://proxy.internal/v1"), "gpt-5.1", "openai/gpt-5.1", false},
		{account("x", "openai", ""), "gpt-5", "own/gpt-5", false},
		{account("x", "openai-compatible", "https://api.groq.com/openai/v1"), "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile", false},
		{account("x", "openai-compatible", "https://openrouter.ai/api/v1"), "openai/gpt-5", "openrouter/openai/gpt-5", false},
		{account("one", "openai-compatible", "http://127.0.0.1:11434/v1"), "llama-9", "own/llama-*", false},
		{account("two", "openai-compatible", "http://127.0.0.1:11434/v1"), "llama-9", "any/llama*", true},
		{account("two", "openai-compatible", "http://127.0.0.1:11434/v1"), "zzz", "", false},
		{account("x", "openai", ""), "gpt-5.9-preview", "openai/gpt-5*", true},
	} {
		plan, guessed := a.prices.Plan(c.account, c.model, at)
		got := ""
		if plan != nil {
			got = plan.String()
		}
		if got != c.want || guessed != c.guessed {
			t.Errorf("%s at %s%s: %q %t, want %q %t", c.model, c.account.Platform, c.account.BaseURL, got, guessed, c.want, c.guessed)
		}
	}
	x := account("x", "anthropic", "")
	if n := testing.AllocsPerRun(100, func() { a.prices.Plan(x, "claude-sonnet-4-5", at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for _, acc := range a.gateway.Snapshot().Accounts {
		if acc.OwnPrices != (acc.Name == "one") {
			t.Errorf("%s has prices of its own: %t", acc.Name, acc.OwnPrices)
		}
	}
	r.write(configuration("http://127.0.0.1:1", "one=sk-one-11111111") + "prices: [{platform: nobody, model: x, input: 1, output: 2}]\n")
	if said, err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("%q %v", said, err)
	}
}

// An imported catalogue is in force after a reload, and one that cannot be read changes nothing.
func TestImportedPrices(t *testing.T) {
	r := newRig(t, configuration("http://127.0.0.1:1", "one=sk-one-11111111"))
	a := r.start()
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	cost := func() domain.NanoUSD {
		plan, _ := a.prices.Plan(&domain.Account{Platform: "anthropic"}, "claude-3-haiku", at)
		n, err := plan.Cost(domain.Usage{Input: 1000}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	data, err := price.BuiltinFile().Write()
	if err != nil {
		t.Fatal(err)
	}
	f, err := price.ReadFile([]byte(strings.ReplaceAll(string(data), `"input_mtok":"0.25"`, `"input_mtok":"0.5"`)))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(r.dir, "data")
	for _, step := range []struct {
		do   func() error
		want domain.NanoUSD
		bad  bool
	}{
		{func() error { return nil }, 250_000, false},
		{func() error { return ImportPrices(dir, f) }, 500_000, false},
		{func() error { return os.WriteFile(filepath.Join(dir, pricesFile), []byte("{"), 0o600) }, 500_000, true},
		{func() error { return ImportPrices(dir, nil) }, 250_000, false},
		{func() error { return ImportPrices(dir, nil) }, 250_000, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Reload(t.Context()); (err != nil) != step.bad {
			t.Error(err)
		}
		if got := cost(); got != step.want {
			t.Errorf("%d, want %d", got, step.want)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, pricesFile+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
