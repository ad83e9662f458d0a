package anthropic

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

func (d *requestDecoder) tools(val []byte) {
	if dialect.Array(val, func(e dialect.Span) bool {
		raw := e.Of(val)
		t := neutral.Tool{}
		var typ string
		if dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
			val := v.Of(raw)
			if dialect.IsNull(val) {
				return true
			}
			switch name := string(neutral.Key(key)); name {
			case "type":
				typ = text(val)
			case "name":
				t.Name = text(val)
			case "description":
				t.Description = text(val)
			case "input_schema":
				t.Schema = val
			case "strict":
				strict := dialect.IsTrue(val)
				t.Strict = &strict
			case "cache_control":
				t.Cache = cacheMark(val)
			default:
				t.Extra = append(t.Extra, neutral.Member{Name: name, Raw: val})
			}
			return true
		}) != nil {
			d.refuse("tools", "each tool must be an object")
			return false
		}
		if typ != "" && typ != "custom" {
			// The provider runs it, or its models were trained on it (bash, text editor):
			// either way nothing here says what it takes.
			t = neutral.Tool{Name: typ, Raw: raw, Origin: own}
		}
		d.r.Tools = append(d.r.Tools, t)
		return true
	}) != nil {
		d.refuse("tools", "tools must be a list")
	}
}

func (d *requestDecoder) toolChoice(val []byte) {
	c := &d.r.Choice
	switch text(dialect.Member(val, "type")) {
	case "auto":
		c.Mode = neutral.ChoiceAuto
	case "any":
		c.Mode = neutral.ChoiceAny
	case "none":
		c.Mode = neutral.ChoiceNone
	case "tool":
		c.Mode = neutral.ChoiceNamed
		c.Names = []string{text(dialect.Member(val, "name"))}
	}
	if off := dialect.Member(val, "disable_parallel_tool_use"); !dialect.IsNull(off) {
		parallel := !dialect.IsTrue(off)
		d.r.Parallel = &parallel
	}
}
