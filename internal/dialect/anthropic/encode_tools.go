package anthropic

import (
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// webSearch is the provider's own search, in the version that every model and every host of it
// knows (server tools reference).
var webSearch = neutral.Tool{Name: "web_search_20250305", Raw: []byte(`{"type":"web_search_20250305","name":"web_search"}`), Origin: own}

// offered are the tools that go to the provider. Another provider's own tools stay behind
// where the request has others; where they are all, a search on the web is this provider's
// and anything else is refused, because the answer would be another one.
func (e *requestEncoder) offered() []*neutral.Tool {
	r := e.r
	out := make([]*neutral.Tool, 0, len(r.Tools))
	foreign := 0
	for i := range r.Tools {
		switch t := &r.Tools[i]; {
		case t.Server() && t.Origin != own:
			foreign++
		case r.Choice.Mode == neutral.ChoiceAllow && !slices.Contains(r.Choice.Names, t.Name):
		default:
			out = append(out, t)
		}
	}
	if r.Choice.Mode == neutral.ChoiceAllow {
		e.n.Use(neutral.FeatureToolChoiceAllowed, "tool_choice")
	}
	if foreign == 0 {
		return out
	}
	if foreign < len(r.Tools) {
		for i := range r.Tools {
			if t := &r.Tools[i]; t.Server() && t.Origin != own {
				e.n.Use(neutral.FeatureServerTool, "tools."+t.Name)
			}
		}
		return out
	}
	for i := range r.Tools {
		if t := &r.Tools[i]; !searches(t.Name) {
			e.n.Refuse("tools", "only its own provider runs the tool "+t.Name)
			return nil
		}
	}
	e.n.Adapt("tools", "this provider's own web search is used")
	return []*neutral.Tool{&webSearch}
}

// searches recognises the other providers' search on the web by what they call it.
func searches(name string) bool {
	return strings.HasPrefix(name, "web_search") || name == "googleSearch" || name == "google_search"
}

func (e *requestEncoder) writeTools() {
	if len(e.tools) == 0 {
		if e.from && e.r.Tools != nil {
			e.Key("tools").List().End()
		}
		return
	}
	e.Key("tools").List()
	for _, t := range e.tools {
		e.tool(t)
	}
	e.End()
	e.toolChoice()
}

func (e *requestEncoder) tool(t *neutral.Tool) {
	if t.Server() {
		e.Raw(t.Raw)
		return
	}
	e.Open().Member("name", t.Name)
	if t.Description != "" {
		e.Member("description", t.Description)
	}
	strict := t.Strict != nil && *t.Strict
	if strict && !e.from {
		strict = !t.Custom && e.f.schemas()
		if !strict {
			e.n.Drop("tools.strict", "this model knows no strict tools")
		}
	}
	e.Key("input_schema")
	switch {
	case t.Custom:
		e.n.Use(neutral.FeatureCustomTool, "tools."+t.Name)
		e.Raw([]byte(neutral.CustomSchema))
	case e.from && len(t.Schema) > 0:
		e.Raw(t.Schema)
	case strict:
		e.closedSchema(t.Schema, "tools."+t.Name)
	default:
		e.inputSchema(t.Schema)
	}
	if strict || e.from && t.Strict != nil {
		e.Key("strict").Bool(strict)
	}
	e.cacheControl(t.Cache)
	for _, m := range t.Extra {
		if e.from {
			e.MemberRaw(m.Name, m.Raw)
		} else {
			e.n.Use(neutral.FeatureUnknown, "tools."+m.Name)
		}
	}
	e.Close()
}

// inputSchema writes a schema whose type is "object", which the provider wants said.
func (e *requestEncoder) inputSchema(schema []byte) {
	switch {
	case len(schema) == 0 || schema[0] != '{':
		e.Open().Member("type", "object").Key("properties").Open().Close().Close()
	case dialect.IsNull(dialect.Member(schema, "type")):
		e.Open().Member("type", "object")
		_ = dialect.Object(schema, func(key []byte, v, _ dialect.Span) bool {
			if !dialect.Name(key, "type") {
				e.RawKey(key).Raw(v.Of(schema))
			}
			return true
		})
		e.Close()
	default:
		e.Raw(schema)
	}
}

func (e *requestEncoder) toolChoice() {
	c := e.r.Choice
	parallel := e.r.Parallel
	if parallel != nil && *parallel && !e.from {
		parallel = nil // it is the default
	}
	var typ string
	switch c.Mode {
	case neutral.ChoiceAuto:
		typ = "auto"
	case neutral.ChoiceNone:
		typ = "none"
	case neutral.ChoiceAny:
		typ = "any"
	case neutral.ChoiceNamed:
		typ = "tool"
	case neutral.ChoiceAllow:
		if typ = "auto"; c.Must {
			typ = "any"
		}
	default:
		if parallel == nil {
			return
		}
		typ = "auto"
	}
	e.Key("tool_choice").Open().Member("type", typ)
	if typ == "tool" && len(c.Names) > 0 {
		e.Member("name", c.Names[0])
	}
	if parallel != nil && typ != "none" && e.n.Use(neutral.FeatureParallel, "parallel_tool_calls") {
		e.Key("disable_parallel_tool_use").Bool(!*parallel)
	}
	e.Close()
}
