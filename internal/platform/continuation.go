package platform

import (
	"net/url"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
)

// Continuation is how some models go on with an answer that was begun: it stands as the assistant's last message, and what
// they say is what comes after it.
type Continuation struct {
	ID       string
	Platform string
	// Host and Path are where the account's endpoint has to be; empty: anywhere, any.
	Host, Path string
	Models     []string // as they begin
	Dialect    dialect.Dialect
	Mark       string // a member of that message that says so; empty: none is needed
	// Trim: the message must not end in white space.
	Trim     bool
	Evidence string
}

// continuations are the models that are known to take it, and no others: to guess would answer many a caller with words that
// do not belong together, or cost an attempt that is refused.
var continuations = []*Continuation{
	{
		ID: "anthropic.prefill", Platform: "anthropic", Dialect: anthropic.Dialect{}, Trim: true,
		Models: []string{
			"claude-3-", "claude-opus-4-0", "claude-opus-4-2025", "claude-sonnet-4-0", "claude-sonnet-4-2025", "claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5",
		},
		Evidence: "Anthropic's guide on prefilling: the answer goes on where the message leaves off, which cannot end in white space; not with extended thinking. " +
			"Its migration guide: every model from 4.6 on answers 400 (\"This model does not support assistant message prefill\", strands-agents/sdk-python#1694, which says that 4.5 took it)",
	},
	{
		ID: "deepseek.prefix", Platform: "openai-compatible", Host: "api.deepseek.com", Path: "/beta", Models: []string{"deepseek-chat"}, Dialect: openai.Dialect{}, Mark: `"prefix":true`,
		Evidence: "DeepSeek's guide \"Chat Prefix Completion (Beta)\": the last message is the assistant's, with prefix true, at https://api.deepseek.com/beta",
	},
}

// Continues says how a model of an account goes on with an answer, asked in a dialect; nil: it is not known to.
func (p *Platform) Continues(base, model string, d domain.Dialect) *Continuation {
	if base == "" {
		base = p.BaseURL
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	for _, c := range continuations {
		if c.Platform == p.Name && c.Dialect.ID() == d && (c.Host == "" || u.Hostname() == c.Host && strings.Trim(u.Path, "/") == strings.Trim(c.Path, "/")) &&
			slices.ContainsFunc(c.Models, func(m string) bool { return strings.HasPrefix(model, m) }) {
			return c
		}
	}
	return nil
}
