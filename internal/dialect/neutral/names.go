package neutral

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"turnout/internal/domain"
)

// maxName is how long a tool's name may be in a dialect, in bytes. OpenAI: 64 of letters, digits,
// underscore and hyphen (API reference, function names). Anthropic: 128 of the same (tool use guide). Gemini: 64, dots
// and colons besides, and no digit or hyphen at the beginning (FunctionDeclaration reference). Read 2026-11.
func maxName(d domain.Dialect) int {
	if d == domain.DialectAnthropic {
		return 128
	}
	return 64
}

// nameFits reports whether a tool may be called so in a dialect.
func nameFits(d domain.Dialect, name string) bool {
	if name == "" || len(name) > maxName(d) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9', c == '-':
			if i == 0 && d == domain.DialectGeminiContent {
				return false
			}
		case (c == '.' || c == ':') && d == domain.DialectGeminiContent && i > 0:
		default:
			return false
		}
	}
	return true
}

// Names maps the names under which a target knows tools to those that the caller gave them. The nil map
// changes nothing.
type Names map[string]string

// FitNames gives the request with names of tools that the target's dialect takes: others get a name that fits, made
// of what they have in common with it and a hash, the same in every request of a conversation. The request itself is
// not changed; back maps the new names to the old ones, for the answer.
func FitNames(r *Request, d domain.Dialect) (out *Request, back Names) {
	fit := func(name string) string {
		if name == "" || nameFits(d, name) {
			return name
		}
		n := fittingName(d, name)
		if back == nil {
			back = Names{}
		}
		back[n] = name
		return n
	}
	for i := range r.Tools {
		if t := &r.Tools[i]; !t.Server() {
			fit(t.Name)
		}
	}
	each(r.Turns, func(b *Block) { fit(b.Name) })
	if back == nil {
		return r, nil
	}
	c := *r
	c.Tools = append([]Tool(nil), r.Tools...)
	for i := range c.Tools {
		if t := &c.Tools[i]; !t.Server() {
			t.Name = fit(t.Name)
		}
	}
	c.Choice.Names = append([]string(nil), r.Choice.Names...)
	for i := range c.Choice.Names {
		c.Choice.Names[i] = fit(c.Choice.Names[i])
	}
	c.Turns = append([]Turn(nil), r.Turns...)
	for i := range c.Turns {
		c.Turns[i].Blocks = append([]Block(nil), c.Turns[i].Blocks...)
	}
	each(c.Turns, func(b *Block) { b.Name = fit(b.Name) })
	return &c, back
}

// each calls f for every tool call and result.
func each(turns []Turn, f func(*Block)) {
	for i := range turns {
		for j := range turns[i].Blocks {
			if b := &turns[i].Blocks[j]; b.Kind == KindToolUse || b.Kind == KindToolResult {
				f(b)
			}
		}
	}
}

// fittingName makes a name that fits out of one that does not.
func fittingName(d domain.Dialect, name string) string {
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:4])
	plain := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			return c
		}
		return '_'
	}, name)
	if plain == "" || plain[0] >= '0' && plain[0] <= '9' || plain[0] == '-' {
		plain = "_" + plain
	}
	return plain[:min(len(plain), maxName(d)-len(tail))] + tail
}

// Restore gives a called tool its own name back.
func (n Names) Restore(b *Block) {
	if b == nil || n == nil || b.Kind != KindToolUse {
		return
	}
	if name, ok := n[b.Name]; ok {
		b.Name = name
	}
}
