package anthropic

import (
	"unicode/utf8"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// requestDecoder reads a request's members into the neutral form.
type requestDecoder struct {
	r     *neutral.Request
	names map[string]string // of the tools called so far, by the call's id
	told  map[string]bool   // unknown members inside of messages
	err   *domain.Error
}

func (d *requestDecoder) refuse(param, message string) {
	if d.err == nil {
		d.err = neutral.Invalid(param, message)
	}
}

// DecodeRequest implements neutral.Codec.
//
// The block of Claude Code's billing header ([billingBlock]) is left out: it is no
// instruction, and it means nothing to another provider.
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
	return d.r, nil
}

func (d *requestDecoder) member(name string, val []byte) {
	r := d.r
	switch name {
	case "model":
		r.Model = text(val)
	case "stream":
		r.Stream = dialect.IsTrue(val)
	case "system":
		r.System = d.system(val)
	case "messages":
		r.Turns = d.messages(val)
	case "tools":
		d.tools(val)
	case "tool_choice":
		d.toolChoice(val)
	case "max_tokens":
		r.MaxTokens = dialect.Int(val)
	case "thinking":
		d.thinking(val)
	case "output_config":
		d.outputConfig(val)
	case "output_format": // of the beta that output_config.format came from
		d.format(val)
	case "stop_sequences":
		_ = dialect.Array(val, func(e dialect.Span) bool {
			r.Stop = append(r.Stop, text(e.Of(val)))
			return true
		})
	case "temperature":
		r.Temperature = val
	case "top_p":
		r.TopP = val
	case "top_k":
		r.TopK = val
	case "metadata":
		r.User = text(dialect.Member(val, "user_id"))
	case "service_tier":
		if r.Tier = text(val); r.Tier == "standard_only" {
			r.Tier = "default"
		}
	default:
		d.ask(name, val)
	}
}

// asks are the members that only this dialect has.
var asks = map[string]neutral.Feature{
	"cache_control":      neutral.FeatureCacheControl, // marks the request's last block by itself
	"context_management": neutral.FeatureContextManagement,
	"compaction":         neutral.FeatureContextManagement,
	"mcp_servers":        neutral.FeatureMCP,
	"container":          neutral.FeatureContainer,
	"inference_geo":      neutral.FeatureResidency, // the other dialects say it by the address, and an account has one
	"safeguards":         neutral.FeatureSafety,    // interactive Claude Code, captured from 2.1.330
	"speed":              neutral.FeatureTier,
}

func (d *requestDecoder) ask(name string, val []byte) {
	f, known := asks[name]
	switch {
	case !known:
		d.r.Extra = append(d.r.Extra, neutral.Member{Name: name, Raw: val})
	case string(val) == "[]", name == "speed" && text(val) == "standard":
	case name == "inference_geo" && text(val) == "global": // anywhere, which is how it is without it (data residency page, read 2026-11)
	default:
		d.r.Asks = append(d.r.Asks, neutral.Ask{Feature: f, Name: name, Raw: val})
	}
}

func (d *requestDecoder) thinking(val []byte) {
	r := &d.r.Reasoning
	display := text(dialect.Member(val, "display"))
	r.Show = display == "summarized"
	switch text(dialect.Member(val, "type")) {
	case "enabled":
		r.Mode = neutral.ReasoningOn
		r.Budget = dialect.Int(dialect.Member(val, "budget_tokens"))
		r.Show = display != "omitted" // models of this way show it unless told not to
	case "disabled":
		r.Mode = neutral.ReasoningOff
	default: // "adaptive", "between_tools" and whatever comes
		r.Mode, r.Adaptive = neutral.ReasoningOn, true
	}
}

func (d *requestDecoder) outputConfig(val []byte) {
	_ = dialect.Object(val, func(key []byte, v, _ dialect.Span) bool {
		switch v := v.Of(val); string(neutral.Key(key)) {
		case "effort":
			d.r.Reasoning.Effort = text(v)
		case "format":
			d.format(v)
		default:
			if !dialect.IsNull(v) {
				d.r.Extra = append(d.r.Extra, neutral.Member{Name: "output_config." + string(key), Raw: v})
			}
		}
		return true
	})
}

func (d *requestDecoder) format(val []byte) {
	if text(dialect.Member(val, "type")) == "json_schema" {
		d.r.Format = neutral.Format{Mode: neutral.FormatSchema, Schema: dialect.Member(val, "schema")}
	}
}
