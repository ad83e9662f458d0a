package gemini

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// tool reads one element of tools: function declarations, or tools that the provider runs.
func (d *decoding) tool(t []byte) {
	each(t, func(key, v []byte) {
		if string(key) == "functionDeclarations" {
			elements(v, d.function)
			return
		}
		d.r.Tools = append(d.r.Tools, neutral.Tool{Name: string(key), Raw: v, Origin: own})
	})
}

func (d *decoding) function(v []byte) {
	var t neutral.Tool
	each(v, func(key, v []byte) {
		switch string(key) {
		case "name":
			t.Name = text(v)
		case "description":
			t.Description = text(v)
		case "parametersJsonSchema":
			t.Schema = statedSchema(v)
		case "parameters":
			if t.Schema == nil {
				t.Schema = jsonSchema(v)
			}
		default: // behavior, response, responseJsonSchema
			t.Extra = append(t.Extra, neutral.Member{Name: string(key), Raw: v})
		}
	})
	if t.Name == "" {
		d.fail("tools", "a function declaration has no name")
	}
	d.r.Tools = append(d.r.Tools, t)
}

// toolConfig reads whether functions are to be called (API reference, FunctionCallingConfig).
func (d *decoding) toolConfig(v []byte) {
	each(v, func(key, v []byte) {
		if string(key) != "functionCallingConfig" {
			d.extra("toolConfig", key, v)
			return
		}
		var mode string
		var names []string
		each(v, func(key, v []byte) {
			switch string(key) {
			case "mode":
				mode = strings.ToUpper(text(v))
			case "allowedFunctionNames":
				elements(v, func(e []byte) { names = append(names, text(e)) })
			default:
				d.extra("functionCallingConfig", key, v)
			}
		})
		c := &d.r.Choice
		switch {
		case mode == "NONE":
			c.Mode = neutral.ChoiceNone
		case mode == "ANY" && len(names) == 1:
			c.Mode, c.Names = neutral.ChoiceNamed, names
		case mode == "ANY" && len(names) > 1:
			c.Mode, c.Names, c.Must = neutral.ChoiceAllow, names, true
		case mode == "ANY":
			c.Mode = neutral.ChoiceAny
		case len(names) > 0: // VALIDATED
			c.Mode, c.Names = neutral.ChoiceAllow, names
		case mode == "AUTO", mode == "VALIDATED":
			c.Mode = neutral.ChoiceAuto
		}
	})
}

// searches are the web searches of other dialects, by the beginnings of their types: Google has one too. It takes
// none of their options.
var searches = []string{"web_search", "googleSearch"}

func isSearch(t *neutral.Tool) bool {
	for _, s := range searches {
		if strings.HasPrefix(t.Name, s) {
			return true
		}
	}
	return false
}

// tools writes tools and toolConfig.
func (e *encoding) tools() {
	functions := e.functions()
	var served []string // what is written of the provider's own tools
	var raws [][]byte
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		switch {
		case !t.Server():
		case t.Origin == own:
			served, raws = append(served, t.Name), append(raws, t.Raw)
		case isSearch(t) && functions == 0:
			e.n.Adapt("tools."+t.Name, "Google's search, without its options")
			served, raws = append(served, "googleSearch"), append(raws, []byte("{}"))
		case isSearch(t):
			// "Tool use with function calling is unsupported" before Gemini 3 (symfony/ai#803), and later only with
			// parts that other dialects' clients do not send back.
			e.n.Drop("tools."+t.Name, "Gemini does not search the web while it may call functions")
		default:
			e.n.Use(neutral.FeatureServerTool, "tools."+t.Name)
		}
	}
	if functions == 0 && served == nil {
		e.choice(false)
		return
	}
	e.j.Key("tools").List()
	if functions > 0 {
		e.j.Open().Key("functionDeclarations").List()
		for i := range e.r.Tools {
			if t := &e.r.Tools[i]; !t.Server() {
				e.function(t)
			}
		}
		e.j.End().Close()
	}
	for i, name := range served {
		e.j.Open().Key(name).Raw(raws[i]).Close()
	}
	e.j.End()
	e.choice(functions > 0)
}

// functions is how many functions are offered.
func (e *encoding) functions() (n int) {
	for i := range e.r.Tools {
		if !e.r.Tools[i].Server() {
			n++
		}
	}
	return n
}

// freeText is the schema of a tool that takes free text.
const freeText = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`

// function writes a declaration. parametersJsonSchema takes a JSON schema as it is, where parameters is the API's
// own subset (API reference, FunctionDeclaration; Gemini CLI sends MCP servers' schemas so).
func (e *encoding) function(t *neutral.Tool) {
	e.j.Open().Member("name", t.Name)
	if t.Description != "" {
		e.j.Member("description", t.Description)
	}
	switch {
	case t.Custom:
		e.n.Use(neutral.FeatureCustomTool, "tools."+t.Name)
		e.j.Key("parametersJsonSchema").Raw([]byte(freeText))
	case !dialect.IsNull(t.Schema):
		e.j.MemberRaw("parametersJsonSchema", t.Schema)
	}
	if t.Strict != nil && *t.Strict {
		e.n.Use(neutral.FeatureToolStrict, "tools.strict")
	}
	if t.Cache != neutral.CacheNone {
		e.cacheMark()
	}
	for _, m := range t.Extra {
		if e.r.From == own {
			e.j.MemberRaw(m.Name, m.Raw)
		} else {
			e.n.Use(neutral.FeatureUnknown, "tools."+m.Name)
		}
	}
	e.j.Close()
}

// choice writes toolConfig.
func (e *encoding) choice(functions bool) {
	c := &e.r.Choice
	mode := ""
	switch c.Mode {
	case neutral.ChoiceUnset:
	case neutral.ChoiceAuto:
		mode = "AUTO"
	case neutral.ChoiceNone:
		mode = "NONE"
	case neutral.ChoiceAny, neutral.ChoiceNamed:
		mode = "ANY"
	case neutral.ChoiceAllow:
		// "if allowed_function_names are set, the predicted function calls will be limited to" them (API reference)
		mode = "VALIDATED"
		if c.Must {
			mode = "ANY"
		}
	}
	if e.r.Parallel != nil && !*e.r.Parallel && functions {
		e.n.Use(neutral.FeatureParallel, "parallel_tool_calls")
	}
	config := e.own("toolConfig.")
	if (mode == "" || !functions) && len(config) == 0 {
		return
	}
	e.j.Key("toolConfig").Open()
	if mode != "" && functions {
		e.j.Key("functionCallingConfig").Open().Member("mode", mode)
		if c.Names != nil && (c.Mode == neutral.ChoiceNamed || c.Mode == neutral.ChoiceAllow) {
			e.j.Key("allowedFunctionNames").List()
			for _, name := range c.Names {
				e.j.String(name)
			}
			e.j.End()
		}
		e.j.Close()
	}
	for _, m := range config {
		e.j.MemberRaw(m.Name, m.Raw)
	}
	e.j.Close()
}
