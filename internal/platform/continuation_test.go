package platform

import (
	"os"
	"strings"
	"testing"

	"turnout/internal/domain"
)

// Only models that are known to take an answer that was begun get one.
func TestContinues(t *testing.T) {
	const messages, chat = domain.DialectAnthropic, domain.DialectOpenAIChat
	for _, c := range []struct {
		platform, base, model string
		d                     domain.Dialect
		want                  string
	}{
		{"anthropic", "", "claude-sonnet-4-5-20250929", messages, "anthropic.prefill"},
		{"anthropic", "", "claude-3-5-haiku-20241022", messages, "anthropic.prefill"},
		{"anthropic", "", "claude-opus-4-1-20250805", messages, "anthropic.prefill"},
		{"anthropic", "", "claude-opus-4-20250514", messages, "anthropic.prefill"},
		{"anthropic", "", "claude-opus-4-6", messages, ""},
		{"anthropic", "", "claude-sonnet-4-6", messages, ""},
		{"anthropic", "", "claude-sonnet-5", messages, ""},
		{"anthropic", "", "claude-x", messages, ""},
		{"anthropic-compatible", "https://x.invalid", "claude-sonnet-4-5", messages, ""},
		{"openai-compatible", "https://api.deepseek.com/beta", "deepseek-chat", chat, "deepseek.prefix"},
		{"openai-compatible", "https://api.deepseek.com/beta/", "deepseek-chat", chat, "deepseek.prefix"},
		{"openai-compatible", "https://api.deepseek.com/v1", "deepseek-chat", chat, ""},
		{"openai-compatible", "https://api.deepseek.com/beta", "deepseek-reasoner", chat, ""},
		{"openai-compatible", "https://other.invalid/beta", "deepseek-chat", chat, ""},
		{"openai", "", "gpt-5", chat, ""},
		{"gemini", "", "gemini-3-pro", domain.DialectGeminiContent, ""},
	} {
		p, _ := Lookup(c.platform)
		got := ""
		if row := p.Continues(c.base, c.model, c.d); row != nil {
			got = row.ID
		}
		if got != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.platform, c.base, c.model, got, c.want)
		}
	}
}

// Each row stands in the documentation, with the models that it is known of.
func TestContinuationsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/failover.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range continuations {
		if _, ok := Lookup(c.Platform); !ok || c.Evidence == "" {
			t.Errorf("%s: platform %q, evidence %q", c.ID, c.Platform, c.Evidence)
		}
		if !strings.Contains(string(doc), "| "+c.ID+" |") {
			t.Errorf("docs/failover.md has no row %s", c.ID)
		}
		for _, m := range c.Models {
			if !strings.Contains(string(doc), "`"+m+"`") && !strings.Contains(string(doc), "`"+m+"*`") {
				t.Errorf("docs/failover.md lacks %s of %s", m, c.ID)
			}
		}
	}
}
