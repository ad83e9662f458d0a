package responses

import (
	"slices"
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// tools writes the tools and what is to be done with them.
func (e *asker) tools() {
	before := len(e.j.B)
	e.j.Key("tools").List()
	begin := len(e.j.B)
	namespace := ""
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		if t.Namespace != namespace {
			if namespace != "" {
				e.j.End().Close()
			}
			if namespace = t.Namespace; namespace != "" {
				e.j.Open().Member("type", "namespace").Member("name", namespace).Member("description", "").Key("tools").List()
			}
		}
		if t.Cache != neutral.CacheNone {
			e.n.Use(neutral.FeatureCacheControl, "cache_control")
		}
		e.tool(t, i)
	}
	if namespace != "" {
		e.j.End().Close()
	}
	e.searchOptions()
	if len(e.j.B) == begin {
		e.j.B = e.j.B[:before]
		if e.r.Choice.Mode > neutral.ChoiceNone {
			e.n.Drop("tool choice", "no tool is left to choose")
		}
		return
	}
	e.j.End()
	e.choice()
	if e.r.Parallel != nil && e.n.Use(neutral.FeatureParallel, "parallel tool calls") {
		e.j.Key("parallel_tool_calls").Bool(*e.r.Parallel)
	}
}

func (e *asker) tool(t *neutral.Tool, i int) {
	switch {
	case t.Server():
		e.serverTool(t, i)
		return
	case t.Custom:
		e.n.Use(neutral.FeatureCustomTool, "custom tool")
		e.j.Open().Member("type", "custom")
	default:
		e.j.Open().Member("type", "function")
	}
	name := t.Name
	if t.Namespace != "" {
		name = t.Inner
	}
	e.j.Member("name", name)
	if t.Description != "" {
		e.j.Member("description", t.Description)
	}
	switch {
	case t.Custom && len(t.Schema) > 0:
		e.j.Key("format").Raw(grammar(t.Schema))
	case !t.Custom:
		if e.j.Key("parameters"); len(t.Schema) == 0 && e.r.From == own {
			e.j.Null()
		} else {
			e.j.Raw(orObject(t.Schema))
		}
		switch {
		case t.Strict != nil:
			e.n.Use(neutral.FeatureToolStrict, "strict")
			e.j.Key("strict").Bool(*t.Strict)
		case e.r.From != own:
			// Left out it means strict where the schema allows (API reference); other dialects mean not strict.
			e.j.Key("strict").Bool(false)
		}
	}
	for k := range t.Extra {
		if e.r.From == own {
			e.unknown(&t.Extra[k])
		} else {
			e.n.Use(neutral.FeatureUnknown, "tools."+t.Extra[k].Name)
		}
	}
	e.j.Close()
}

// grammar is a custom tool's format as this API writes it: flat. Chat Completions
// nest the grammar in a member of that name.
func grammar(format []byte) []byte {
	nested := dialect.Member(format, "grammar")
	if len(nested) == 0 || nested[0] != '{' {
		return format
	}
	var j neutral.JSON
	j.Open().Member("type", "grammar").MemberRaw("syntax", dialect.Member(nested, "syntax")).MemberRaw("definition", dialect.Member(nested, "definition"))
	return j.Close().B
}

// webSearchOptions is how Chat Completions ask for a search of the web.
const webSearchOptions = "web_search_options"

// serverTool writes a tool that the provider runs. A search of the web is the one that all
// providers have.
func (e *asker) serverTool(t *neutral.Tool, i int) {
	name := strings.ToLower(t.Name)
	switch {
	case !foreign(t.Origin):
		e.j.Raw(t.Raw)
	case strings.HasPrefix(name, "web_search"), strings.HasPrefix(name, "googlesearch"), name == "google_search":
		e.n.Adapt("the tool "+t.Name, "it is this provider's search that searches")
		e.search(t.Raw)
	default:
		e.n.Use(neutral.FeatureServerTool, "tools["+strconv.Itoa(i)+"], "+t.Name)
	}
}

// search writes a search of the web. Two members of Anthropic's tool mean the same here.
func (e *asker) search(raw []byte) {
	if e.searches {
		return
	}
	e.searches = true
	e.j.Open().Member("type", "web_search")
	if allowed := dialect.Member(raw, "allowed_domains"); !dialect.IsNull(allowed) {
		e.j.Key("filters").Open().MemberRaw("allowed_domains", allowed).Close()
	}
	if !dialect.IsNull(dialect.Member(raw, "blocked_domains")) {
		e.n.Drop("blocked_domains", "this provider's search can only be kept to domains, not from them")
	}
	if at := dialect.Member(raw, "user_location"); !dialect.IsNull(at) && dialect.Member(at, "approximate") == nil {
		e.j.Key("user_location").Raw(at)
	}
	e.j.Close()
}

func (e *asker) searchOptions() {
	for i := range e.r.Asks {
		if a := &e.r.Asks[i]; a.Name == webSearchOptions && e.r.From != own {
			e.n.Adapt(a.Name, "it is this provider's search that searches")
			e.search(nil)
		}
	}
}

// choice writes which tools are to be called.
func (e *asker) choice() {
	c := &e.r.Choice
	switch c.Mode {
	case neutral.ChoiceUnset:
		for i := range e.r.Asks { // of a tool that the provider runs
			if a := &e.r.Asks[i]; a.Name == "tool_choice" && e.r.From == own {
				e.j.MemberRaw("tool_choice", a.Raw)
			}
		}
	case neutral.ChoiceAuto:
		e.j.Member("tool_choice", "auto")
	case neutral.ChoiceNone:
		e.j.Member("tool_choice", "none")
	case neutral.ChoiceAny:
		e.j.Member("tool_choice", "required")
	case neutral.ChoiceNamed:
		if len(c.Names) == 0 || e.offered(c.Names[0]) == nil {
			e.n.Drop("tool choice", "the tool that it names is not there")
			return
		}
		e.j.Key("tool_choice")
		e.chosen(c.Names[0])
	case neutral.ChoiceAllow:
		e.n.Use(neutral.FeatureToolChoiceAllowed, "allowed tools")
		if !slices.ContainsFunc(c.Names, func(name string) bool { return e.offered(name) != nil }) {
			e.j.Member("tool_choice", "none")
			return
		}
		mode := "auto"
		if c.Must {
			mode = "required"
		}
		e.j.Key("tool_choice").Open().Member("type", "allowed_tools").Member("mode", mode).Key("tools").List()
		for _, name := range c.Names {
			e.chosen(name)
		}
		e.j.End().Close()
	}
}

func (e *asker) offered(name string) *neutral.Tool {
	for i := range e.r.Tools {
		if t := &e.r.Tools[i]; t.Name == name && (!t.Server() || !foreign(t.Origin)) {
			return t
		}
	}
	return nil
}

// chosen writes the name of a tool in a choice. One that is not offered is left out.
func (e *asker) chosen(name string) {
	t := e.offered(name)
	if t == nil {
		return
	}
	e.j.Open()
	switch {
	case t.Server():
		e.j.Member("type", t.Name)
	case t.Custom:
		e.j.Member("type", "custom")
		e.names.write(&e.j, name)
	default:
		e.j.Member("type", "function")
		e.names.write(&e.j, name)
	}
	e.j.Close()
}
