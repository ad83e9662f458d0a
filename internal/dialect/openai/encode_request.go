package openai

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// requestEncoder writes one request. What the provider refuses is mended or left out, with a
// note, before it is written.
type requestEncoder struct {
	neutral.JSON
	r    *neutral.Request
	n    *neutral.Notes
	f    family
	from bool // the request came in this dialect itself: everything goes back as it came

	custom map[string]bool // custom tools that stand as functions
}

// EncodeRequest implements neutral.Codec. r.Model is the upstream's own name for the model:
// OpenAI's models differ in what they take ([family]); of other makers' nothing is assumed.
func (Dialect) EncodeRequest(r *neutral.Request, n *neutral.Notes) []byte {
	r = neutral.WithEnum(r, n)
	e := requestEncoder{r: r, n: n, f: familyOf(r.Model), from: r.From == own}
	e.B = r.Room()
	if !e.from && !e.f.customTools() {
		e.custom = neutral.CustomTools(r)
	}
	e.Open().Member("model", r.Model)
	e.messages()
	e.tools()
	e.maxTokens()
	if r.Stream {
		// Turnout needs the figures, whether or not the caller wants to see them.
		e.Key("stream").Bool(true).Key("stream_options").Open().Key("include_usage").Bool(true)
		if r.Obfuscation && e.from {
			e.Key("include_obfuscation").Bool(true)
		}
		e.Close()
	}
	e.reasoning()
	e.format()
	e.sampling()
	e.names()
	e.others()
	return e.Close().B
}

// maxTokens uses the name that the model takes. max_tokens is a 400 for OpenAI's reasoning models;
// servers of other makers may not know max_completion_tokens.
func (e *requestEncoder) maxTokens() {
	switch {
	case e.r.MaxTokens == 0:
	case e.f.completionTokens():
		e.MemberInt("max_completion_tokens", e.r.MaxTokens)
	default:
		e.MemberInt("max_tokens", e.r.MaxTokens)
	}
}

func (e *requestEncoder) reasoning() {
	want := e.r.Reasoning
	if want.Mode == neutral.ReasoningOff {
		e.reasoningOff()
		return
	}
	effort := want.Effort
	if (effort != "" || want.Budget > 0) && e.f.talks() && !e.from {
		e.n.Drop("reasoning", "this model does not reason")
		return
	}
	if effort == "" && want.Budget > 0 {
		if e.n.Use(neutral.FeatureReasoningBudget, "reasoning budget") {
			effort = neutral.EffortFor(want.Budget)
		}
	}
	if effort == "" || !e.n.Use(neutral.FeatureReasoningEffort, "reasoning effort") {
		return
	}
	if got := e.f.effort(effort); got != effort && !e.from {
		e.n.Adapt("reasoning effort", "this model's nearest effort is "+got)
		effort = got
	}
	e.Member("reasoning_effort", effort)
}

// reasoningOff turns reasoning off as far as the model lets it. Other makers' servers have ways
// of their own to do that, and many refuse the effort "none".
func (e *requestEncoder) reasoningOff() {
	switch got := e.f.effort("none"); {
	case e.from || e.f.reasons() && got == "none":
		e.Member("reasoning_effort", "none")
	case e.f.talks():
	case e.f.reasons():
		e.n.Adapt("reasoning off", "this model always reasons; its least effort is asked for")
		e.Member("reasoning_effort", got)
	default:
		e.n.Use(neutral.FeatureReasoningOff, "reasoning off")
	}
}

func (e *requestEncoder) format() {
	f := e.r.Format
	switch f.Mode {
	case neutral.FormatJSON:
		if e.n.Use(neutral.FeatureJSONMode, "response_format") {
			e.Key("response_format").Open().Member("type", "json_object").Close()
		}
	case neutral.FormatSchema:
		if !e.n.Use(neutral.FeatureSchema, "response_format") {
			return
		}
		name := f.Name
		if name == "" {
			name = "answer" // it has to have one
		}
		e.Key("response_format").Open().Member("type", "json_schema").Key("json_schema").Open().Member("name", name)
		if f.Description != "" {
			e.Member("description", f.Description)
		}
		if strict := f.KeepsTo(e.r.From == domain.DialectAnthropic || e.r.From == domain.DialectGeminiContent); strict != nil {
			e.Key("strict").Bool(*strict)
		}
		e.MemberRaw("schema", f.Schema).Close().Close()
	}
}

// sampling leaves out what OpenAI's reasoning models refuse.
func (e *requestEncoder) sampling() {
	r := e.r
	// "Only supported with reasoning effort none" (guide to gpt-5.2).
	quiet := r.Reasoning.Mode == neutral.ReasoningOff && e.f.effort("none") == "none"
	take := func(v []byte, name, idle string) {
		switch {
		case len(v) == 0:
		case e.from || !e.f.reasons() || quiet:
			e.MemberRaw(name, v)
		case number(v) != number([]byte(idle)):
			e.n.Drop(name, "this model takes only the default")
		}
	}
	take(r.Temperature, "temperature", "1")
	take(r.TopP, "top_p", "1")
	quiet = false
	take(r.PresencePenalty, "presence_penalty", "0")
	take(r.FrequencyPenalty, "frequency_penalty", "0")
	e.MemberRaw("seed", r.Seed)
	if len(r.TopK) > 0 {
		if e.from {
			e.MemberRaw("top_k", r.TopK)
		} else {
			e.n.Use(neutral.FeatureTopK, "top_k")
		}
	}
	switch {
	case len(r.Stop) == 0:
	case !e.from && e.f.reasons():
		e.n.Drop("stop", "this model takes no stop sequences")
	default:
		stop := r.Stop
		if len(stop) > maxStop && !e.from {
			e.n.Adapt("stop", "the first "+strconv.Itoa(maxStop)+" are used")
			stop = stop[:maxStop]
		}
		e.Key("stop").List()
		for _, s := range stop {
			e.String(s)
		}
		e.End()
	}
}

// maxStop is how many stop sequences the API takes (API reference, stop).
const maxStop = 4

func number(v []byte) float64 {
	f, _ := strconv.ParseFloat(string(v), 64)
	return f
}

// maxUser bounds a user's name; Claude Code's is longer.
const maxUser = 64

// names are the settings that name or sort the request.
func (e *requestEncoder) names() {
	r := e.r
	if r.User != "" && e.n.Use(neutral.FeatureUser, "user") {
		user := r.User
		if len(user) > maxUser && !e.from {
			sum := sha256.Sum256([]byte(user))
			user = hex.EncodeToString(sum[:])
		}
		e.Member("user", user)
	}
	if r.CacheKey != "" && e.n.Use(neutral.FeatureCacheKey, "prompt_cache_key") {
		e.Member("prompt_cache_key", r.CacheKey)
	}
	switch {
	case r.Tier == "":
	case e.from || slices.Contains([]string{"auto", "default", "flex", "priority"}, r.Tier):
		e.Member("service_tier", r.Tier)
	default:
		e.n.Drop("service_tier", "there is no such tier here")
	}
	switch {
	case r.Verbosity == "":
	case e.from || e.f.customTools(): // both came with gpt-5
		e.Member("verbosity", r.Verbosity)
	default:
		e.n.Use(neutral.FeatureVerbosity, "verbosity")
	}
	if len(r.Metadata) > 0 {
		if e.from {
			e.MemberRaw("metadata", r.Metadata)
		} else {
			e.n.Use(neutral.FeatureMetadata, "metadata")
		}
	}
}

// others are the features that have no place of their own in the neutral form, and members that the
// decoder did not know.
func (e *requestEncoder) others() {
	for _, a := range e.r.Asks {
		switch {
		case e.from:
			e.MemberRaw(a.Name, a.Raw)
		case e.n.Use(a.Feature, a.Name): // known here, but not as the other dialect says it
			e.n.Drop(a.Name, "it is said in another way here")
		}
	}
	// Servers of other makers take members of their own, by whichever of OpenAI's two protocols they are named.
	sister := e.r.From == domain.DialectOpenAIResp && !e.f.known()
	for _, m := range e.r.Extra {
		switch {
		case e.from, sister && !strings.ContainsAny(m.Name, `."\`) && !bytes.Contains(e.B, []byte(`"`+m.Name+`":`)):
			e.MemberRaw(m.Name, m.Raw)
		default:
			e.n.Use(neutral.FeatureUnknown, m.Name)
		}
	}
}
