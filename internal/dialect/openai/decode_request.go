package openai

import (
	"unicode/utf8"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// requestDecoder reads a request's members into the neutral form.
type requestDecoder struct {
	r         *neutral.Request
	names     map[string]string // of the tools called so far, by the call's id
	tokens    bool              // max_completion_tokens was stated
	err       *domain.Error
	legacy    bool // functions were stated
	current   bool // tools were
	functions int  // calls of the legacy kind so far: they have no ids
}

func (d *requestDecoder) refuse(param, message string) {
	if d.err == nil {
		d.err = neutral.Invalid(param, message)
	}
}

// DecodeRequest implements neutral.Codec.
func (Dialect) DecodeRequest(body []byte, _ dialect.Route) (*neutral.Request, error) {
	d := requestDecoder{r: &neutral.Request{From: own}}
	if !utf8.Valid(body) {
		d.refuse("", "the request body is not valid UTF-8")
		return nil, d.err
	}
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		if val := v.Of(body); !dialect.IsNull(val) {
			d.member(string(neutral.Key(key)), val)
		}
		return d.err == nil
	})
	if err != nil {
		d.refuse("", "the request body is not a JSON object: "+err.Error())
	}
	if d.err != nil {
		return nil, d.err
	}
	if d.legacy && !d.current {
		// A message holds one function_call, so that several at once could not be answered.
		one := false
		d.r.LegacyCalls, d.r.Parallel = true, &one
	}
	return d.r, nil
}

func (d *requestDecoder) member(name string, val []byte) {
	r := d.r
	switch name {
	case "model":
		r.Model = text(val)
	case "stream":
		r.Stream = dialect.IsTrue(val)
	case "messages":
		d.messages(val)
	case "tools":
		d.current = true
		d.tools(val)
	case "functions":
		d.legacy = true
		d.legacyFunctions(val)
	case "tool_choice", "function_call":
		d.toolChoice(val)
	case "parallel_tool_calls":
		parallel := dialect.IsTrue(val)
		r.Parallel = &parallel
	case "max_completion_tokens":
		r.MaxTokens, d.tokens = dialect.Int(val), true
	case "max_tokens":
		if !d.tokens {
			r.MaxTokens = dialect.Int(val)
		}
	case "response_format":
		d.format(val)
	case "stop":
		d.stop(val)
	case "temperature":
		r.Temperature = val
	case "top_p":
		r.TopP = val
	case "top_k": // of servers of other makers
		r.TopK = val
	case "seed":
		r.Seed = val
	case "presence_penalty":
		r.PresencePenalty = val
	case "frequency_penalty":
		r.FrequencyPenalty = val
	default:
		d.settings(name, val)
	}
}

func (d *requestDecoder) settings(name string, val []byte) {
	r := d.r
	switch name {
	case "reasoning_effort":
		d.effort(text(val))
	case "reasoning", "include_reasoning", "thinking":
		d.otherReasoning(name, val)
	case "user":
		if r.User == "" {
			r.User = text(val)
		}
	case "safety_identifier":
		r.User = text(val)
	case "prompt_cache_key":
		r.CacheKey = text(val)
	case "service_tier":
		r.Tier = text(val)
	case "verbosity":
		r.Verbosity = text(val)
	case "metadata":
		if string(val) != "{}" {
			r.Metadata = val
		}
	case "stream_options":
		r.ShowUsage = dialect.IsTrue(dialect.Member(val, "include_usage"))
		r.Obfuscation = dialect.IsTrue(dialect.Member(val, "include_obfuscation"))
	case "web_search_options":
		r.Tools = append(r.Tools, neutral.Tool{Name: "web_search", Raw: val, Origin: own})
	default:
		d.ask(name, val)
	}
}

// ask keeps what only this dialect has, unless it says what is so anyway.
func (d *requestDecoder) ask(name string, val []byte) {
	f := neutral.FeatureUnknown
	idle := false
	switch name {
	case "n":
		f, idle = neutral.FeatureChoices, string(val) == "1"
	case "logprobs":
		f, idle = neutral.FeatureLogprobs, !dialect.IsTrue(val)
	case "top_logprobs":
		f, idle = neutral.FeatureLogprobs, string(val) == "0"
	case "logit_bias":
		f, idle = neutral.FeatureLogitBias, string(val) == "{}"
	case "store":
		f, idle = neutral.FeatureStore, !dialect.IsTrue(val)
	case "prediction":
		f = neutral.FeaturePrediction
	case "moderation":
		f = neutral.FeatureSafety
	case "audio":
		f = neutral.FeatureOutputAudio
	case "modalities":
		f, idle = neutral.FeatureOutputAudio, true
		_ = dialect.Array(val, func(e dialect.Span) bool {
			switch text(e.Of(val)) {
			case "text":
			case "image": // of servers of other makers
				f, idle = neutral.FeatureOutputImage, false
			default:
				idle = false
			}
			return true
		})
	default:
		d.r.Extra = append(d.r.Extra, neutral.Member{Name: name, Raw: val})
		return
	}
	if !idle {
		d.r.Asks = append(d.r.Asks, neutral.Ask{Feature: f, Name: name, Raw: val})
	}
}

func (d *requestDecoder) effort(effort string) {
	r := &d.r.Reasoning
	switch effort {
	case "":
	case "none":
		r.Mode = neutral.ReasoningOff
	default:
		r.Mode, r.Effort = neutral.ReasoningOn, effort
	}
}

// otherReasoning reads what servers of other makers take instead of reasoning_effort:
// "reasoning":{"effort","max_tokens","enabled","exclude"}, "include_reasoning" and
// "thinking":{"type","budget_tokens"}.
func (d *requestDecoder) otherReasoning(name string, val []byte) {
	r := &d.r.Reasoning
	if name == "include_reasoning" {
		r.Show = r.Show || dialect.IsTrue(val)
		return
	}
	if val[0] != '{' {
		d.r.Extra = append(d.r.Extra, neutral.Member{Name: name, Raw: val})
		return
	}
	if name == "thinking" {
		switch text(dialect.Member(val, "type")) {
		case "disabled":
			r.Mode = neutral.ReasoningOff
		case "adaptive":
			r.Mode, r.Adaptive, r.Show = neutral.ReasoningOn, true, true
		case "enabled":
			r.Mode, r.Show = neutral.ReasoningOn, true
		}
		r.Budget = dialect.Int(dialect.Member(val, "budget_tokens"))
		return
	}
	d.effort(text(dialect.Member(val, "effort")))
	r.Budget = dialect.Int(dialect.Member(val, "max_tokens"))
	switch enabled := dialect.Member(val, "enabled"); {
	case string(enabled) == "false":
		r.Mode = neutral.ReasoningOff
	case dialect.IsTrue(enabled) || r.Budget > 0:
		r.Mode = neutral.ReasoningOn
	}
	r.Show = r.Mode == neutral.ReasoningOn && !dialect.IsTrue(dialect.Member(val, "exclude"))
}

func (d *requestDecoder) stop(val []byte) {
	if val[0] == '"' {
		d.r.Stop = []string{text(val)}
		return
	}
	_ = dialect.Array(val, func(e dialect.Span) bool {
		d.r.Stop = append(d.r.Stop, text(e.Of(val)))
		return true
	})
}

func (d *requestDecoder) format(val []byte) {
	switch text(dialect.Member(val, "type")) {
	case "json_object":
		d.r.Format = neutral.Format{Mode: neutral.FormatJSON}
	case "json_schema":
		f := neutral.Format{Mode: neutral.FormatSchema}
		in := dialect.Member(val, "json_schema")
		_ = dialect.Object(in, func(key []byte, v, _ dialect.Span) bool {
			val := v.Of(in)
			if dialect.IsNull(val) {
				return true
			}
			switch string(neutral.Key(key)) {
			case "name":
				f.Name = text(val)
			case "description":
				f.Description = text(val)
			case "schema":
				f.Schema = val
			case "strict":
				strict := dialect.IsTrue(val)
				f.Strict = &strict
			}
			return true
		})
		d.r.Format = f
	case "text", "":
	default: // "grammar", "python": of servers of other makers
		d.r.Extra = append(d.r.Extra, neutral.Member{Name: "response_format", Raw: val})
	}
}
