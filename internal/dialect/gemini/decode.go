package gemini

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

var _ neutral.Codec = Dialect{}

const decodeOp = "read the request"

// DecodeRequest implements neutral.Codec.
func (Dialect) DecodeRequest(body []byte, at dialect.Route) (*neutral.Request, error) {
	r := &neutral.Request{
		Model: strings.TrimPrefix(at.Model, "models/"), Stream: at.Stream, From: own,
		ShowUsage: true, // every stream of this API ends with its usage
	}
	d := decoding{r: r}
	if inner := member(body, "generateContentRequest"); inner != nil { // a question for countTokens
		body = inner
	}
	each(body, func(key, v []byte) {
		switch string(key) {
		case "contents":
			elements(v, d.content)
		case "systemInstruction":
			d.system(v)
		case "tools":
			elements(v, d.tool)
		case "toolConfig":
			d.toolConfig(v)
		case "generationConfig":
			d.config(v)
		case "safetySettings":
			d.ask(neutral.FeatureSafety, key, v)
		case "cachedContent":
			d.ask(neutral.FeatureCachedContent, key, v)
		case "store":
			d.ask(neutral.FeatureStore, key, v)
		case "labels":
			r.Metadata = v
		case "serviceTier":
			r.Tier = tierIn(text(v))
		case "model": // the path's holds
		default:
			d.extra("", key, v)
		}
	})
	d.close()
	if d.err != nil {
		return nil, d.err
	}
	return r, nil
}

// decoding is one request while it is read.
type decoding struct {
	r   *neutral.Request
	err *domain.Error

	made   int   // ids for calls that the request gives none
	asked  calls // those without a response so far
	format formatParts
}

func (d *decoding) fail(param, format string, args ...any) {
	if d.err == nil {
		d.err = domain.Errorf(domain.KindInvalid, decodeOp, format, args...)
		d.err.Param = param
	}
}

func (d *decoding) ask(f neutral.Feature, key, v []byte) {
	d.r.Asks = append(d.r.Asks, neutral.Ask{Feature: f, Name: string(key), Raw: v})
}

// extra keeps a member that has no place in the neutral form, under the name of the object that it stood in.
func (d *decoding) extra(in string, key, v []byte) {
	name := string(key)
	if in != "" {
		name = in + "." + name
	}
	d.r.Extra = append(d.r.Extra, neutral.Member{Name: name, Raw: v})
}

// system reads the instructions: a content whose parts are text.
func (d *decoding) system(v []byte) {
	eachPart(v, func(raw []byte) {
		p := readPart(raw)
		if p.kind != "" {
			d.extra("systemInstruction", []byte(p.kind), p.raw)
			return
		}
		d.r.System = append(d.r.System, neutral.Block{Kind: neutral.KindText, Text: text(p.text)})
	})
}

// Tiers have other names for the same thing here (API reference, ServiceTier: flex, standard, priority).
func tierIn(s string) string {
	if s = strings.ToLower(s); s == "standard" {
		return "default"
	}
	return strings.TrimPrefix(s, "service_tier_")
}

func tierOut(s string) (tier string, ok bool) {
	switch s {
	case "auto":
		return "", true
	case "default", "standard_only":
		return "standard", true
	case "flex", "priority":
		return s, true
	}
	return "", false
}
