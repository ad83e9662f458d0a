package responses

import (
	"strings"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// asker writes a request.
type asker struct {
	r      *neutral.Request
	n      *neutral.Notes
	j      neutral.JSON
	family family
	names  names

	customs  map[string]bool // calls of custom tools, by id
	open     bool            // a message is being written
	searches bool            // a search of the web is offered
}

// EncodeRequest implements neutral.Codec. The conversation is always sent whole: nothing is
// stored for it, and reasoning comes back encrypted.
func (Dialect) EncodeRequest(r *neutral.Request, n *neutral.Notes) []byte {
	r = neutral.WithEnum(r, n)
	e := &asker{r: r, n: n, family: familyOf(r.Model), names: namesOf(r.Tools), customs: map[string]bool{}}
	e.j.B = r.Room()
	j := e.j.Open().Member("model", r.Model)
	if r.Stream {
		j.Key("stream").Bool(true)
	}
	e.conversation()
	e.tools()
	e.sampling()
	e.reasoning()
	e.text()
	e.about()
	e.features()
	j.Key("store").Bool(false)
	e.include()
	return j.Close().B
}

// conversation writes the instructions and the input.
func (e *asker) conversation() {
	system := e.r.System
	inWords := e.r.Format.Mode == neutral.FormatJSON && e.r.From != own
	if inWords && !neutral.SaysJSON(e.r) {
		e.n.Adapt("JSON mode", "it wants to be asked for in words as well: an instruction says so")
		system = append(system[:len(system):len(system)], neutral.Block{Kind: neutral.KindText, Text: neutral.JSONInstruction})
	}
	// JSON mode looks for the word in the input and not in the instructions.
	alone := len(system) == 1 && system[0].Kind == neutral.KindText && !inWords
	if alone {
		e.marked(&system[0])
		e.j.Member("instructions", system[0].Text)
	}
	e.j.Key("input").List()
	if !alone && len(system) > 0 {
		e.turn(&neutral.Turn{Role: neutral.System, Blocks: system}, nil)
	}
	turns := e.r.Turns
	if e.r.From != own {
		// A call without an output is a 400 "No tool output found for function call", and the reverse one, too.
		turns = neutral.Pair(neutral.Merge(turns), e.n)
	}
	for i := range turns {
		e.turn(&turns[i], turns[i+1:])
	}
	e.j.End()
	if n := len(e.r.Turns); n > 0 && e.r.Turns[n-1].Role == neutral.Assistant {
		if b := e.r.Turns[n-1].Blocks; len(b) > 0 && b[len(b)-1].Kind == neutral.KindText {
			e.n.Use(neutral.FeaturePrefill, "the assistant's last message")
		}
	}
}

// leastTokens is the least that max_output_tokens may be: anything below is a 400
// integer_below_min_value (API reference).
const leastTokens = 16

func (e *asker) sampling() {
	r := e.r
	if n := r.MaxTokens; n > 0 {
		if n < leastTokens {
			n = leastTokens
			e.n.Adapt("the limit of tokens", "it is 16 at least")
		}
		e.j.MemberInt("max_output_tokens", n)
	}
	thinks := e.family.thinks == always || e.family.thinks == optional && r.Reasoning.Mode != neutral.ReasoningOff
	for _, m := range [...]struct {
		name string
		raw  []byte
		f    neutral.Feature
	}{{"temperature", r.Temperature, neutral.FeatureTemperature}, {"top_p", r.TopP, neutral.FeatureTopP}} {
		switch {
		case len(m.raw) == 0, thinks && isOne(m.raw): // which is what they do
		case thinks:
			e.n.Drop(m.name, "models that think do not take it")
		case e.n.Use(m.f, m.name):
			e.j.MemberRaw(m.name, m.raw)
		}
	}
	for _, m := range [...]struct {
		name string
		set  bool
		f    neutral.Feature
	}{
		{"top_k", len(r.TopK) > 0, neutral.FeatureTopK}, {"seed", len(r.Seed) > 0, neutral.FeatureSeed},
		{"presence_penalty", len(r.PresencePenalty) > 0, neutral.FeaturePenalties}, {"frequency_penalty", len(r.FrequencyPenalty) > 0, neutral.FeaturePenalties},
		{"stop sequences", len(r.Stop) > 0, neutral.FeatureStop},
	} {
		if m.set {
			e.n.Use(m.f, m.name)
		}
	}
}

// isOne reports whether a number is 1, as clients say that they leave a setting alone.
func isOne(raw []byte) bool { return string(raw) == "1" || string(raw) == "1.0" }

func (e *asker) reasoning() {
	r := &e.r.Reasoning
	if r.Mode == neutral.ReasoningUnset && r.Effort == "" && !r.Show {
		return
	}
	if e.family.thinks == never {
		if r.Mode == neutral.ReasoningOn {
			e.n.Drop("reasoning", "this model does not think")
		}
		return
	}
	effort := e.effort()
	if effort == "" && !r.Show {
		return
	}
	e.j.Key("reasoning").Open()
	if effort != "" {
		e.j.Member("effort", effort)
	}
	if r.Show {
		e.j.Member("summary", "auto")
	}
	e.j.Close()
}

// effort is how much the model is to think; empty: as it does by itself.
func (e *asker) effort() string {
	r := &e.r.Reasoning
	switch {
	case r.Mode == neutral.ReasoningOff:
		if e.r.From == own {
			return "none"
		}
		if e.family.efforts == nil {
			e.n.Drop("reasoning off", "it is not known how this model is kept from thinking")
			return ""
		}
		least := e.family.efforts[0]
		if least != "none" {
			e.n.Use(neutral.FeatureReasoningOff, "reasoning off")
		}
		return least
	case r.Effort != "":
		e.n.Use(neutral.FeatureReasoningEffort, "reasoning effort")
		return e.nearest(r.Effort)
	case r.Budget > 0:
		e.n.Use(neutral.FeatureReasoningBudget, "reasoning budget")
		return e.nearest(neutral.EffortFor(r.Budget))
	}
	return ""
}

func (e *asker) nearest(effort string) string {
	if e.r.From == own {
		return effort
	}
	near := e.family.nearest(effort)
	if near != effort {
		e.n.Adapt("reasoning effort "+effort, "this model takes "+near)
	}
	return near
}

// text writes the answer's shape.
func (e *asker) text() {
	f := &e.r.Format
	verbose := e.r.Verbosity != "" && e.n.Use(neutral.FeatureVerbosity, "verbosity")
	if verbose && e.family.evenTone && e.r.From != own {
		if verbose = false; e.r.Verbosity != "medium" { // which is what they do
			e.n.Drop("verbosity", "only models since gpt-5 know it")
		}
	}
	if f.Mode == neutral.FormatText && !verbose {
		return
	}
	e.j.Key("text").Open()
	switch f.Mode {
	case neutral.FormatText:
	case neutral.FormatJSON:
		e.n.Use(neutral.FeatureJSONMode, "JSON mode")
		e.j.Key("format").Open().Member("type", "json_object").Close()
	case neutral.FormatSchema:
		e.n.Use(neutral.FeatureSchema, "answer by schema")
		e.j.Key("format").Open().Member("type", "json_schema").Member("name", schemaName(f.Name))
		if f.Description != "" {
			e.j.Member("description", f.Description)
		}
		e.j.Key("schema").Raw(orObject(f.Schema))
		if strict := f.KeepsTo(e.r.From == domain.DialectAnthropic || e.r.From == domain.DialectGeminiContent); strict != nil {
			e.j.Key("strict").Bool(*strict)
		}
		e.j.Close()
	}
	if verbose {
		e.j.Member("verbosity", e.r.Verbosity)
	}
	e.j.Close()
}

// schemaName is a schema's name in the letters that the API takes; it wants one.
func schemaName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, s)
	if s == "" {
		return "answer"
	}
	return s[:min(len(s), maxName)]
}

// maxLabel bounds strings by which a caller names its user and its cache. Longer ones, as
// Claude Code's user_id is, are named by their digest, which is as stable.
const maxLabel = 64

func label(s string) string {
	if len(s) > maxLabel {
		return digest(s, maxLabel/2)
	}
	return s
}

// about writes what the request says about itself.
func (e *asker) about() {
	r := e.r
	if r.User != "" && e.n.Use(neutral.FeatureUser, "user") {
		e.j.Member("safety_identifier", label(r.User))
	}
	if r.CacheKey != "" && e.n.Use(neutral.FeatureCacheKey, "prompt_cache_key") {
		e.j.Member("prompt_cache_key", label(r.CacheKey))
	}
	switch r.Tier {
	case "":
	case "auto", "default", "flex", "priority", "fast":
		e.n.Use(neutral.FeatureTier, "service tier")
		e.j.Member("service_tier", r.Tier)
	default:
		if r.From == own {
			e.j.Member("service_tier", r.Tier)
		} else {
			e.n.Drop("service tier", "the provider has none of this name")
		}
	}
	if len(r.Metadata) > 0 && r.Metadata[0] == '{' && e.n.Use(neutral.FeatureMetadata, "metadata") {
		e.j.MemberRaw("metadata", r.Metadata)
	}
}

// otherWay: the feature is known here, but not as the other dialect says it.
const otherWay = "it is said in another way here"

// features goes through what has no place of its own. What came in this dialect goes on
// as it came, for tests: the gateway translates nothing then.
func (e *asker) features() {
	for i := range e.r.Asks {
		a := &e.r.Asks[i]
		if e.r.From != own {
			if a.Name != webSearchOptions && e.n.Use(a.Feature, a.Name) { // the former is a tool, see there
				e.n.Drop(a.Name, otherWay)
			}
			continue
		}
		if _, is := asks[a.Name]; is && a.Feature != neutral.FeatureStore {
			e.j.MemberRaw(a.Name, a.Raw)
		}
	}
	for i := range e.r.Extra {
		m := &e.r.Extra[i]
		switch {
		case e.r.From != own:
			e.n.Use(neutral.FeatureUnknown, m.Name)
		case !strings.Contains(m.Name, "."):
			e.unknown(m)
		}
	}
}

// unknown writes a member whose name may be anything.
func (e *asker) unknown(m *neutral.Member) {
	e.j.String(m.Name)
	e.j.B = append(e.j.B, ':')
	e.j.Raw(m.Raw)
}

// include asks for reasoning that can be sent back. Of models that do not think it may not be asked:
// 400 "Encrypted content is not supported with this model."
func (e *asker) include() {
	if e.family.thinks != never {
		e.j.Key("include").List().String("reasoning.encrypted_content").End()
	}
}

// marked notes a mark that the prompt's cache has no need of.
func (e *asker) marked(b *neutral.Block) {
	if b.Cache != neutral.CacheNone {
		e.n.Use(neutral.FeatureCacheControl, "cache_control")
	}
}

// foreign reports whether something came in another dialect.
func foreign(origin domain.Dialect) bool { return origin != own }

// orObject is a schema, or that of no members.
func orObject(schema []byte) []byte {
	if len(schema) == 0 {
		return []byte(`{"type":"object","properties":{}}`)
	}
	return schema
}
