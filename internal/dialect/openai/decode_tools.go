package openai

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

func (d *requestDecoder) tools(val []byte) {
	if dialect.Array(val, func(e dialect.Span) bool {
		raw := e.Of(val)
		typ := text(dialect.Member(raw, "type"))
		switch typ {
		case "function", "":
			d.r.Tools = append(d.r.Tools, readTool(dialect.Member(raw, "function"), false))
		case "custom":
			d.r.Tools = append(d.r.Tools, readTool(dialect.Member(raw, "custom"), true))
		default:
			d.r.Tools = append(d.r.Tools, neutral.Tool{Name: typ, Raw: raw, Origin: own})
		}
		return true
	}) != nil {
		d.refuse("tools", "tools must be a list")
	}
}

func (d *requestDecoder) legacyFunctions(val []byte) {
	_ = dialect.Array(val, func(e dialect.Span) bool {
		d.r.Tools = append(d.r.Tools, readTool(e.Of(val), false))
		return true
	})
}

func readTool(raw []byte, custom bool) neutral.Tool {
	t := neutral.Tool{Custom: custom}
	_ = dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(raw)
		if dialect.IsNull(val) {
			return true
		}
		switch name := string(neutral.Key(key)); name {
		case "name":
			t.Name = text(val)
		case "description":
			t.Description = text(val)
		case "strict":
			strict := dialect.IsTrue(val)
			t.Strict = &strict
		case "parameters", "format":
			t.Schema = val
		default:
			t.Extra = append(t.Extra, neutral.Member{Name: name, Raw: val})
		}
		return true
	})
	if custom {
		t.Schema = flatGrammar(t.Schema)
	}
	return t
}

// flatGrammar brings a custom tool's format into the shape that the neutral form has, which is
// that of Responses: {"type":"grammar","syntax","definition"}. Here the last two stand in a member
// "grammar".
func flatGrammar(format []byte) []byte {
	in := dialect.Member(format, "grammar")
	if len(in) == 0 {
		return format
	}
	j := neutral.JSON{}
	j.Open().Member("type", "grammar")
	j.MemberRaw("syntax", dialect.Member(in, "syntax")).MemberRaw("definition", dialect.Member(in, "definition"))
	return j.Close().B
}

// toolChoice reads tool_choice, and function_call of the legacy kind.
func (d *requestDecoder) toolChoice(val []byte) {
	c := &d.r.Choice
	if val[0] == '"' {
		switch text(val) {
		case "auto":
			c.Mode = neutral.ChoiceAuto
		case "none":
			c.Mode = neutral.ChoiceNone
		case "required", "any":
			c.Mode = neutral.ChoiceAny
		}
		return
	}
	switch text(dialect.Member(val, "type")) {
	case "allowed_tools":
		in := dialect.Member(val, "allowed_tools")
		c.Mode = neutral.ChoiceAllow
		c.Must = text(dialect.Member(in, "mode")) == "required"
		list := dialect.Member(in, "tools")
		_ = dialect.Array(list, func(e dialect.Span) bool {
			if name := toolName(e.Of(list)); name != "" {
				c.Names = append(c.Names, name)
			}
			return true
		})
	default:
		if name := toolName(val); name != "" {
			c.Mode, c.Names = neutral.ChoiceNamed, []string{name}
		}
	}
}

// toolName is the name in {"type":"function","function":{"name"}}, in the same with custom, and in the
// legacy {"name"}.
func toolName(v []byte) string {
	for _, in := range []string{"function", "custom"} {
		if at := dialect.Member(v, in); len(at) > 0 {
			return text(dialect.Member(at, "name"))
		}
	}
	return strings.TrimSpace(text(dialect.Member(v, "name")))
}
