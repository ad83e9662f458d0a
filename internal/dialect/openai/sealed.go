package openai

import (
	"bytes"
	"regexp"

	"turnout/internal/dialect"
)

var _ dialect.Sealed = Dialect{}

// Unsealed implements dialect.Sealed: what servers of other makers show as reasoning is left out of what the assistant
// said. DeepSeek and Kimi want their own back while tools are called; of others it is refused, or taken for what the
// model thought itself.
func (Dialect) Unsealed(body []byte, is func(sealed string) bool) (out []byte, changed bool) {
	return dialect.RewriteObject(body, func(key, v []byte) ([]byte, bool) {
		if !dialect.Name(key, "messages") {
			return v, false
		}
		return dialect.RewriteArray(v, func(m []byte) ([]byte, bool) {
			if text(dialect.Member(m, "role")) != "assistant" {
				return m, false
			}
			return dialect.RewriteObject(m, func(key, v []byte) ([]byte, bool) {
				// The last one is OpenRouter's, with signatures in it.
				if dialect.Name(key, reasoningContent) || dialect.Name(key, reasoningMember) || dialect.Name(key, "reasoning_details") {
					return nil, is(string(v))
				}
				return v, false
			})
		})
	})
}

// The words of a refusal: Mistral's 422 extra_forbidden "Extra inputs are not permitted" at messages, 31, assistant,
// reasoning_content (BerriAI/litellm#30835, charmbracelet/crush#1590); "Extra inputs are not permitted, field:
// 'messages[8].reasoning'" of Kimi's (earendil-works/pi#4514). DeepSeek's "Missing `reasoning_content` field" is none.
var (
	refusedMember = regexp.MustCompile(`(?i)[^a-z_]reasoning(_content|_details)?[^a-z_]`)
	refusedWhy    = regexp.MustCompile(`(?i)not permitted|extra_forbidden|unsupported|not supported|unrecogni[sz]ed|unknown (field|parameter|name)`)
)

// Unreadable implements dialect.Sealed.
func (Dialect) Unreadable(refusal []byte) bool {
	return bytes.Contains(refusal, []byte("messages")) && refusedMember.Match(refusal) && refusedWhy.Match(refusal)
}
