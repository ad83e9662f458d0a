package anthropic

import (
	"strconv"
	"strings"

	"turnout/internal/dialect/neutral"
)

// requestEncoder writes one request. What the provider refuses is mended or left out, with a
// note, before it is written.
type requestEncoder struct {
	neutral.JSON
	r    *neutral.Request
	n    *neutral.Notes
	f    family
	from bool // the request came in this dialect itself: everything goes back as it came

	schema bool // the answer's schema has its own place

	turns  []neutral.Turn
	tools  []*neutral.Tool
	system []neutral.Block
	think  thought
}

// EncodeRequest implements neutral.Codec. r.Model is the upstream's own name for the model:
// what a request may hold differs from one generation of Claude to the next ([family]).
func (Dialect) EncodeRequest(r *neutral.Request, n *neutral.Notes) []byte {
	r = neutral.WithEnum(r, n)
	e := requestEncoder{r: r, n: n, f: familyOf(r.Model), from: r.From == own}
	e.B = r.Room()
	e.schema = r.Format.Mode == neutral.FormatSchema && (e.from || e.f.schemas())
	e.system = e.instructions()
	e.turns = e.conversation()
	e.tools = e.offered()
	e.think = e.thinking()

	e.Open().Member("model", r.Model).MemberInt("max_tokens", e.maxTokens())
	if r.Stream {
		e.Key("stream").Bool(true)
	}
	if len(e.system) > 0 {
		e.Key("system").List()
		for i := range e.system {
			e.block(&e.system[i])
		}
		e.End()
	}
	e.Key("messages").List()
	for i := range e.turns {
		e.turn(&e.turns[i])
	}
	e.End()
	e.writeTools()
	e.think.write(&e.JSON)
	e.outputConfig()
	e.sampling()
	e.stops()
	if r.User != "" && n.Use(neutral.FeatureUser, "user") {
		e.Key("metadata").Open().Member("user_id", r.User).Close()
	}
	e.tier()
	e.others()
	return e.Close().B
}

func (e *requestEncoder) maxTokens() int64 {
	switch {
	case e.r.MaxTokens > 0:
		return e.r.MaxTokens
	case e.from: // "max_tokens":0 fills the cache
		return 0
	}
	e.n.Use(neutral.FeatureMaxTokens, "max_tokens")
	return e.f.maxTokens()
}

// instructions are the system blocks, with what the protocol has no other place for.
func (e *requestEncoder) instructions() []neutral.Block {
	r := e.r
	out := make([]neutral.Block, 0, len(r.System)+1)
	for _, b := range r.System {
		if b.Kind != neutral.KindText && b.Kind != neutral.KindRefusal {
			e.n.Drop("system", "instructions are text here")
			continue
		}
		if blank(b.Text) {
			continue
		}
		out = append(out, b)
	}
	switch {
	case r.Format.Mode == neutral.FormatJSON:
		if e.n.Use(neutral.FeatureJSONMode, "response_format") {
			out = append(out, neutral.Block{Kind: neutral.KindText, Text: neutral.JSONInstruction})
		}
	case r.Format.Mode == neutral.FormatSchema && !e.schema:
		e.n.Adapt("response_format", "this model takes no schema; it is told to keep to it")
		out = append(out, neutral.Block{Kind: neutral.KindText, Text: neutral.JSONInstruction + " It must be valid by this JSON schema:\n" + string(r.Format.Schema)})
	}
	if e.caches() && len(out) > 0 {
		out[len(out)-1].Cache = neutral.Cache5m
	}
	return out
}

// caches: the caller of another dialect names a cache for the prompt, which the other
// providers fill by themselves. Here the ends of what is to be cached are marked.
func (e *requestEncoder) caches() bool {
	return e.r.CacheKey != "" && !e.from && e.n.Use(neutral.FeatureCacheKey, "prompt_cache_key")
}

func (e *requestEncoder) stops() {
	if len(e.r.Stop) == 0 {
		return
	}
	e.Key("stop_sequences").List()
	for _, s := range e.r.Stop {
		if blank(s) { // a 400: each must hold something that is not white space
			e.n.Drop("stop", "a stop sequence of white space is not allowed here")
			continue
		}
		e.String(s)
	}
	e.End()
}

func (e *requestEncoder) tier() {
	switch e.r.Tier {
	case "":
	case "auto":
		e.Member("service_tier", "auto")
	case "default":
		e.Member("service_tier", "standard_only")
	default:
		e.n.Use(neutral.FeatureTier, "service_tier")
	}
}

// sampling writes what the model's generation still takes. With thinking the temperature is
// 1, top_k is not allowed and top_p is at least 0.95 (extended thinking guide).
func (e *requestEncoder) sampling() {
	r, n := e.r, e.n
	temperature, topP, topK := r.Temperature, r.TopP, r.TopK
	if len(topK) > 0 && !n.Use(neutral.FeatureTopK, "top_k") {
		topK = nil
	}
	if !e.from {
		switch {
		case !e.f.samples():
			const why = "this model takes no sampling parameters"
			temperature, topP, topK = unlessOne(temperature, n, "temperature", why), unlessOne(topP, n, "top_p", why), drop(topK, n, "top_k", why)
		case e.think.on:
			const why = "not allowed while the model thinks"
			temperature, topK = unlessOne(temperature, n, "temperature", why), drop(topK, n, "top_k", why)
			if number(topP) < 0.95 {
				topP = drop(topP, n, "top_p", why)
			}
		case len(temperature) > 0 && len(topP) > 0 && e.f.oneSampler():
			topP = unlessOne(topP, n, "top_p", "this model takes only one of temperature and top_p")
		}
		if number(temperature) > 1 {
			n.Adapt("temperature", "1 is the most here")
			temperature = []byte("1")
		}
	}
	e.MemberRaw("temperature", temperature).MemberRaw("top_p", topP).MemberRaw("top_k", topK)
	if len(r.Seed) > 0 {
		n.Use(neutral.FeatureSeed, "seed")
	}
	if len(r.PresencePenalty) > 0 && number(r.PresencePenalty) != 0 {
		n.Use(neutral.FeaturePenalties, "presence_penalty")
	}
	if len(r.FrequencyPenalty) > 0 && number(r.FrequencyPenalty) != 0 {
		n.Use(neutral.FeaturePenalties, "frequency_penalty")
	}
}

func number(v []byte) float64 {
	f, _ := strconv.ParseFloat(string(v), 64)
	return f
}

// unlessOne leaves a value out where the model takes none; 1 is the default, so nothing is lost.
func unlessOne(v []byte, n *neutral.Notes, param, why string) []byte {
	if number(v) == 1 {
		return nil
	}
	return drop(v, n, param, why)
}

func drop(v []byte, n *neutral.Notes, param, why string) []byte {
	if len(v) > 0 {
		n.Drop(param, why)
	}
	return nil
}

func (e *requestEncoder) outputConfig() {
	effort := e.think.effort
	nested := false
	if e.from {
		for _, m := range e.r.Extra {
			nested = nested || strings.HasPrefix(m.Name, "output_config.")
		}
	}
	if effort == "" && !e.schema && !nested {
		return
	}
	e.Key("output_config").Open()
	if effort != "" {
		e.Member("effort", effort)
	}
	if e.schema {
		e.Key("format").Open().Member("type", "json_schema").Key("schema")
		if e.from {
			e.Raw(e.r.Format.Schema)
		} else if e.n.Use(neutral.FeatureSchema, "response_format") {
			e.closedSchema(e.r.Format.Schema, "response_format")
		}
		e.Close()
	}
	if nested {
		for _, m := range e.r.Extra {
			if name, ok := strings.CutPrefix(m.Name, "output_config."); ok {
				e.MemberRaw(name, m.Raw)
			}
		}
	}
	e.Close()
}

// others are the features that have no place of their own in the neutral form, and members that the
// decoder did not know.
func (e *requestEncoder) others() {
	r, n := e.r, e.n
	if e.from {
		for _, a := range r.Asks {
			e.MemberRaw(a.Name, a.Raw)
		}
		for _, m := range r.Extra {
			if !strings.HasPrefix(m.Name, "output_config.") {
				e.MemberRaw(m.Name, m.Raw)
			}
		}
		return
	}
	if r.Verbosity != "" {
		n.Use(neutral.FeatureVerbosity, "verbosity")
	}
	if len(r.Metadata) > 0 {
		n.Use(neutral.FeatureMetadata, "metadata")
	}
	for _, a := range r.Asks {
		if n.Use(a.Feature, a.Name) { // known here, but not as the other dialect says it
			n.Drop(a.Name, "it is said in another way here")
		}
	}
	for _, m := range r.Extra {
		n.Use(neutral.FeatureUnknown, m.Name)
	}
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
