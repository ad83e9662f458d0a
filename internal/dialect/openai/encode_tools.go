package openai

import (
	"slices"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// tools writes the tools that go to the provider, and which of them are to be called.
func (e *requestEncoder) tools() {
	r := e.r
	allowed := r.Choice.Mode == neutral.ChoiceAllow
	// OpenAI's own models know allowed_tools; for others the rest is left out.
	leave := allowed && !e.from && !e.f.known()
	var tools []*neutral.Tool
	foreign := 0
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case t.Server() && t.Origin != own:
			foreign++
		case leave && !slices.Contains(r.Choice.Names, t.Name):
		default:
			tools = append(tools, t)
		}
	}
	if leave {
		e.n.Adapt("tool_choice", "the tools that are not allowed are left out")
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case !t.Server() || t.Origin == own:
		case foreign == len(r.Tools):
			e.n.Refuse("tools", "only its own provider runs the tool "+t.Name)
		default:
			e.n.Use(neutral.FeatureServerTool, "tools."+t.Name)
		}
	}
	if len(tools) == 0 {
		return
	}
	if i := slices.IndexFunc(tools, searchOptions); i >= 0 {
		e.MemberRaw("web_search_options", tools[i].Raw)
		if tools = slices.Delete(tools, i, i+1); len(tools) == 0 {
			return
		}
	}
	e.Key("tools").List()
	for _, t := range tools {
		e.tool(t)
	}
	e.End()
	e.toolChoice(leave)
	if p := r.Parallel; p != nil && e.n.Use(neutral.FeatureParallel, "parallel_tool_calls") {
		e.Key("parallel_tool_calls").Bool(*p)
	}
}

// searchOptions recognises what the decoder makes of web_search_options.
func searchOptions(t *neutral.Tool) bool {
	return t.Server() && len(dialect.Member(t.Raw, "type")) == 0
}

func (e *requestEncoder) tool(t *neutral.Tool) {
	if t.Server() {
		e.Raw(t.Raw)
		return
	}
	custom := t.Custom && !e.custom[t.Name]
	typ := "function"
	if custom {
		typ = "custom"
	}
	e.Open().Member("type", typ).Key(typ).Open().Member("name", t.Name)
	if t.Description != "" {
		e.Member("description", t.Description)
	}
	switch {
	case custom && len(t.Schema) > 0:
		e.grammar(t.Schema)
	case custom:
	case t.Custom:
		e.n.Adapt("tools."+t.Name, "it stands as a function with one text, its grammar is left out")
		e.MemberRaw("parameters", []byte(neutral.CustomSchema))
	default:
		e.MemberRaw("parameters", t.Schema)
	}
	if t.Strict != nil && !custom && e.n.Use(neutral.FeatureToolStrict, "tools.strict") {
		e.Key("strict").Bool(*t.Strict)
	}
	for _, m := range t.Extra {
		if e.from {
			e.MemberRaw(m.Name, m.Raw)
		} else {
			e.n.Use(neutral.FeatureUnknown, "tools."+m.Name)
		}
	}
	e.Close().Close()
}

// grammar is the reverse of flatGrammar.
func (e *requestEncoder) grammar(format []byte) {
	definition := dialect.Member(format, "definition")
	e.Key("format")
	if len(definition) == 0 {
		e.Raw(format)
		return
	}
	e.Open().Member("type", "grammar").Key("grammar").Open()
	e.MemberRaw("syntax", dialect.Member(format, "syntax")).MemberRaw("definition", definition).Close().Close()
}

func (e *requestEncoder) toolChoice(left bool) {
	c := e.r.Choice
	mode := func(must bool) string {
		if must {
			return "required"
		}
		return "auto"
	}
	switch c.Mode {
	case neutral.ChoiceUnset:
	case neutral.ChoiceAuto:
		e.Member("tool_choice", "auto")
	case neutral.ChoiceNone:
		e.Member("tool_choice", "none")
	case neutral.ChoiceAny:
		e.Member("tool_choice", "required")
	case neutral.ChoiceNamed:
		if len(c.Names) > 0 {
			e.Key("tool_choice")
			e.named(c.Names[0])
		}
	case neutral.ChoiceAllow:
		if left {
			e.Member("tool_choice", mode(c.Must))
			return
		}
		e.n.Use(neutral.FeatureToolChoiceAllowed, "tool_choice")
		e.Key("tool_choice").Open().Member("type", "allowed_tools").Key("allowed_tools").Open().Member("mode", mode(c.Must))
		e.Key("tools").List()
		for _, name := range c.Names {
			e.named(name)
		}
		e.End().Close().Close()
	}
}

func (e *requestEncoder) named(name string) {
	typ := "function"
	for i := range e.r.Tools {
		if t := &e.r.Tools[i]; t.Custom && t.Name == name && !e.custom[name] {
			typ = "custom"
		}
	}
	e.Open().Member("type", typ).Key(typ).Open().Member("name", name).Close().Close()
}
