package responses

import (
	"fmt"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// asking is a request while it is read.
type asking struct {
	r   *neutral.Request
	err *domain.Error

	input, instructions, tools, choice []byte
	user, safety                       string
	unstored, sealed                   bool // store: false; encrypted reasoning is asked for
}

func (q *asking) refuse(param, format string, args ...any) {
	if q.err == nil {
		q.err = &domain.Error{Kind: domain.KindInvalid, Op: "read the request", Param: param, Message: fmt.Sprintf(format, args...)}
	}
}

func (q *asking) ask(f neutral.Feature, name string, raw []byte) {
	q.r.Asks = append(q.r.Asks, neutral.Ask{Feature: f, Name: name, Raw: raw})
}

// DecodeRequest implements neutral.Codec.
func (Dialect) DecodeRequest(body []byte, _ dialect.Route) (*neutral.Request, error) {
	q := &asking{r: &neutral.Request{From: own}}
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		name, val := neutral.Key(key), v.Of(body)
		if !dialect.IsNull(val) {
			q.member(name, val)
		}
		return q.err == nil
	})
	if err != nil {
		q.refuse("", "the request body is not a JSON object: %v", err)
	}
	if !dialect.IsNull(q.instructions) {
		q.r.System = append(q.r.System, q.content("instructions", q.instructions)...)
	}
	q.readTools("tools", q.tools, "")
	q.readChoice(q.choice)
	q.readInput(q.input)
	// Stored answers take their reasoning along wherever they are referred to. Here nothing is stored and the
	// conversation comes back whole, so only who wants neither does without.
	q.r.Unkept = q.unstored && !q.sealed
	if q.r.User = q.safety; q.r.User == "" {
		q.r.User = q.user
	}
	if q.err != nil {
		return nil, q.err
	}
	return q.r, nil
}

// echoed are the members that a response object repeats (API reference, the response object).
var echoed = [...]string{
	"instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key", "reasoning",
	"safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
}

// member takes one member of the request; val is not null.
func (q *asking) member(name, val []byte) {
	r := q.r
	for _, e := range echoed {
		if string(name) == e {
			r.Echo = append(r.Echo, neutral.Member{Name: e, Raw: val})
		}
	}
	switch string(name) {
	case "model":
		r.Model = text(val)
	case "stream":
		r.Stream = dialect.IsTrue(val)
	case "input":
		q.input = val
	case "instructions":
		q.instructions = val
	case "tools":
		q.tools = val
	case "tool_choice":
		q.choice = val
	case "parallel_tool_calls":
		r.Parallel = boolean(val)
	case "max_output_tokens":
		r.MaxTokens = dialect.Int(val)
	case "temperature":
		r.Temperature = q.number("temperature", val)
	case "top_p":
		r.TopP = q.number("top_p", val)
	case "reasoning":
		q.reasoning(val)
	case "text":
		q.text(val)
	case "user":
		q.user = text(val)
	case "safety_identifier":
		q.safety = text(val)
	case "prompt_cache_key":
		r.CacheKey = text(val)
	case "service_tier":
		r.Tier = text(val)
	case "metadata":
		r.Metadata = val
	case "stream_options":
		r.Obfuscation = dialect.IsTrue(dialect.Member(val, "include_obfuscation"))
	default:
		q.feature(string(name), val)
	}
}

// asks are the members that only some dialects have a place for, and the value with which each
// asks for nothing.
var asks = map[string]struct {
	feature neutral.Feature
	nothing string
}{
	"store":                    {neutral.FeatureStore, "false"},
	"background":               {neutral.FeatureBackground, "false"},
	"truncation":               {neutral.FeatureTruncation, `"disabled"`},
	"top_logprobs":             {neutral.FeatureLogprobs, "0"},
	"max_tool_calls":           {neutral.FeatureServerTool, ""},
	"previous_response_id":     {neutral.FeaturePreviousResponse, `""`},
	"conversation":             {neutral.FeaturePreviousResponse, ""},
	"prompt":                   {neutral.FeaturePreviousResponse, ""},
	"prompt_cache_retention":   {neutral.FeatureCacheControl, ""},
	"prompt_cache_options":     {neutral.FeatureCacheControl, ""},
	"prompt_cache_diagnostics": {neutral.FeatureCacheControl, ""},
	"context_management":       {neutral.FeatureContextManagement, "[]"},
	"moderation":               {neutral.FeatureSafety, ""},
	"client_metadata":          {neutral.FeatureMetadata, "{}"}, // Codex, about itself (captured)
}

func (q *asking) feature(name string, val []byte) {
	switch name {
	case "include":
		q.include(val)
		return
	case "store":
		q.unstored = string(val) == "false"
	}
	a, known := asks[name]
	switch {
	case !known:
		q.r.Extra = append(q.r.Extra, neutral.Member{Name: name, Raw: val})
	case string(val) != a.nothing:
		q.ask(a.feature, name, val)
	}
}

// include reads what else the caller wants to see. Where an image of the caller's own lies is
// nothing that it needs to be told.
func (q *asking) include(list []byte) {
	_ = dialect.Array(list, func(e dialect.Span) bool {
		switch name := text(e.Of(list)); name {
		case "reasoning.encrypted_content":
			q.sealed = true
		case "message.input_image.image_url":
		case "message.output_text.logprobs":
			q.ask(neutral.FeatureLogprobs, "include", e.Of(list))
		default:
			q.ask(neutral.FeatureServerTool, "include", e.Of(list))
		}
		return true
	})
}

func (q *asking) reasoning(val []byte) {
	r := &q.r.Reasoning
	_ = dialect.Object(val, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(val)
		if dialect.IsNull(val) {
			return true
		}
		switch name := neutral.Key(key); string(name) {
		case "effort":
			if r.Effort = text(val); r.Effort == "none" {
				r.Mode, r.Effort = neutral.ReasoningOff, ""
			} else {
				r.Mode = neutral.ReasoningOn
			}
		case "summary", "generate_summary":
			r.Show = text(val) != "none"
		default:
			q.r.Extra = append(q.r.Extra, neutral.Member{Name: "reasoning." + string(name), Raw: val})
		}
		return true
	})
}

func (q *asking) text(val []byte) {
	_ = dialect.Object(val, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(val)
		if dialect.IsNull(val) {
			return true
		}
		switch name := neutral.Key(key); string(name) {
		case "verbosity":
			q.r.Verbosity = text(val)
		case "format":
			q.format(val)
		default:
			q.r.Extra = append(q.r.Extra, neutral.Member{Name: "text." + string(name), Raw: val})
		}
		return true
	})
}

func (q *asking) format(val []byte) {
	f := &q.r.Format
	switch typ := text(dialect.Member(val, "type")); typ {
	case "text", "":
	case "json_object":
		f.Mode = neutral.FormatJSON
	case "json_schema":
		f.Mode = neutral.FormatSchema
		f.Name, f.Description = text(dialect.Member(val, "name")), text(dialect.Member(val, "description"))
		f.Schema, f.Strict = present(dialect.Member(val, "schema")), boolean(dialect.Member(val, "strict"))
	default: // a grammar of the answer itself
		q.r.Extra = append(q.r.Extra, neutral.Member{Name: "text.format", Raw: val})
	}
}

// number is a JSON number as it came.
func (q *asking) number(name string, val []byte) []byte {
	if c := val[0]; c != '-' && (c < '0' || c > '9') {
		q.refuse(name, "the member %q must be a number", name)
	}
	return val
}

// text is a string's content, "" for anything else.
func text(v []byte) string {
	s, _ := dialect.Unquote(v)
	return s
}

// boolean is nil for anything but true and false.
func boolean(v []byte) *bool {
	switch string(v) {
	case "true":
		b := true
		return &b
	case "false":
		b := false
		return &b
	}
	return nil
}

// present is nil for null.
func present(v []byte) []byte {
	if dialect.IsNull(v) {
		return nil
	}
	return v
}
