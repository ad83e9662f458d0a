package gemini

import (
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// EncodeRequest implements neutral.Codec. The model is not in it: it stands in the path.
func (Dialect) EncodeRequest(r *neutral.Request, n *neutral.Notes) []byte {
	e := encoding{r: r, n: n, family: familyOf(r.Model)}
	e.j.B = r.Room()
	e.j.Open()
	e.system()
	e.contents()
	e.tools()
	e.generation()
	e.rest()
	e.j.Close()
	return e.j.B
}

// encoding is one request while it is written.
type encoding struct {
	r      *neutral.Request
	n      *neutral.Notes
	j      neutral.JSON
	family family
}

// own gives the caller's own members that stood in an object, where it spoke this dialect.
func (e *encoding) own(in string) (out []neutral.Member) {
	if e.r.From != own {
		return nil
	}
	for _, m := range e.r.Extra {
		if name, ok := strings.CutPrefix(m.Name, in); ok && !strings.Contains(name, ".") {
			out = append(out, neutral.Member{Name: name, Raw: m.Raw})
		}
	}
	return out
}

func (e *encoding) cacheMark() { e.n.Use(neutral.FeatureCacheControl, "cache_control") }

// system writes systemInstruction.
func (e *encoding) system() {
	asked := e.formatInWords()
	system := e.r.System
	if len(e.r.Turns) == 0 {
		system = nil // the user says it, see turns
	}
	if len(system) == 0 && asked == "" {
		return
	}
	e.j.Key("systemInstruction").Open().Key("parts").List()
	for i := range system {
		b := &system[i]
		if b.Cache != neutral.CacheNone {
			e.cacheMark()
		}
		if b.Kind != neutral.KindText {
			e.n.Use(neutral.FeatureOpaque, "system")
			continue
		}
		e.j.Open().Member("text", b.Text).Close()
	}
	if asked != "" {
		e.j.Open().Member("text", asked).Close()
	}
	e.j.End().Close()
}

// jsonBesideTools: before Gemini 3 an answer as JSON and functions exclude each other ("Function calling with a
// response mime type: 'application/json' is unsupported", googleapis/python-genai#867).
func (e *encoding) jsonBesideTools() bool {
	return e.r.Format.Mode != neutral.FormatText && e.r.From != own && !e.family.levels && len(e.r.Tools) > 0
}

// formatInWords is the instruction that stands for the answer's shape where no member can.
func (e *encoding) formatInWords() string {
	if !e.jsonBesideTools() {
		return ""
	}
	e.n.Adapt("response_format", "an instruction, because this model takes no schema beside tools")
	if e.r.Format.Mode == neutral.FormatJSON || len(e.r.Format.Schema) == 0 {
		return "Give your final answer as one JSON object and nothing else."
	}
	return "Give your final answer as one JSON value and nothing else, which fits this JSON schema:\n" + string(e.r.Format.Schema)
}

// maxStops is how many stop sequences the API takes (API reference, GenerationConfig).
const maxStops = 5

// generation writes generationConfig, if anything of it is asked for.
func (e *encoding) generation() {
	r := e.r
	before := len(e.j.B)
	e.j.Key("generationConfig").Open()
	empty := len(e.j.B)
	e.j.MemberRaw("temperature", r.Temperature).MemberRaw("topP", r.TopP).MemberRaw("topK", r.TopK)
	if len(r.Seed) > 0 {
		if seed, err := strconv.ParseInt(string(r.Seed), 10, 32); err == nil {
			e.j.MemberInt("seed", seed)
		} else {
			e.n.Drop("seed", "Gemini's seeds have 32 bits")
		}
	}
	e.penalties()
	if r.MaxTokens > 0 {
		e.j.MemberInt("maxOutputTokens", r.MaxTokens)
	}
	if stops := r.Stop; len(stops) > 0 {
		if len(stops) > maxStops && r.From != own {
			e.n.Adapt("stop", "the first five; Gemini takes no more")
			stops = stops[:maxStops]
		}
		e.j.Key("stopSequences").List()
		for _, s := range stops {
			e.j.String(s)
		}
		e.j.End()
	}
	e.shape()
	e.thinkingOut()
	for i := range r.Asks {
		if a := &r.Asks[i]; r.From == own && !topLevel[a.Name] {
			e.j.MemberRaw(a.Name, a.Raw)
		}
	}
	for _, m := range e.own(inConfig + ".") {
		e.j.MemberRaw(m.Name, m.Raw)
	}
	if len(e.j.B) == empty {
		e.j.B = e.j.B[:before]
		return
	}
	e.j.Close()
}

// penalties are refused by every model since 2.5, unless they are 0 (vercel/ai#8943, google-gemini/cookbook#1290).
func (e *encoding) penalties() {
	for _, p := range []struct {
		name, theirs string
		value        []byte
	}{{"presencePenalty", "presence_penalty", e.r.PresencePenalty}, {"frequencyPenalty", "frequency_penalty", e.r.FrequencyPenalty}} {
		switch {
		case len(p.value) == 0:
		case e.r.From == own:
			e.j.MemberRaw(p.name, p.value)
		case strings.Trim(string(p.value), "-0.") != "":
			e.n.Use(neutral.FeaturePenalties, p.theirs)
		}
	}
}

// shape writes the answer's format.
func (e *encoding) shape() {
	f := &e.r.Format
	if f.Mode == neutral.FormatText || e.jsonBesideTools() {
		return
	}
	mime := "application/json"
	if f.Mode == neutral.FormatEnum {
		mime = mimeEnum
	}
	e.j.Member("responseMimeType", mime)
	if f.Mode != neutral.FormatJSON && len(f.Schema) > 0 {
		e.j.MemberRaw("responseJsonSchema", f.Schema)
	}
}

// topLevel are the members of this dialect that stand beside contents, of those that are asks.
var topLevel = map[string]bool{"safetySettings": true, "cachedContent": true, "store": true}

// rest writes or notes what has no other place.
func (e *encoding) rest() {
	r, n := e.r, e.n
	if r.From == own {
		e.j.MemberRaw("labels", r.Metadata)
	} else if !dialect.IsNull(r.Metadata) {
		n.Use(neutral.FeatureMetadata, "metadata")
	}
	if r.Tier != "" {
		if tier, ok := tierOut(r.Tier); !ok {
			n.Drop("service_tier", "Gemini has no such tier")
		} else if tier != "" && n.Use(neutral.FeatureTier, "service_tier") {
			e.j.Member("serviceTier", tier)
		}
	}
	for _, u := range []struct {
		used    bool
		feature neutral.Feature
		param   string
	}{
		{r.User != "", neutral.FeatureUser, "user"},
		{r.CacheKey != "", neutral.FeatureCacheKey, "prompt_cache_key"},
		{r.Verbosity != "", neutral.FeatureVerbosity, "verbosity"},
	} {
		if u.used {
			n.Use(u.feature, u.param)
		}
	}
	for i := range r.Asks {
		a := &r.Asks[i]
		switch {
		case r.From != own:
			if n.Use(a.Feature, a.Name) {
				n.Drop(a.Name, "it is said in another way here")
			}
		case topLevel[a.Name]:
			e.j.MemberRaw(a.Name, a.Raw)
		}
	}
	for _, m := range r.Extra {
		switch {
		case r.From != own:
			n.Use(neutral.FeatureUnknown, m.Name)
		case !strings.Contains(m.Name, "."):
			e.j.MemberRaw(m.Name, m.Raw)
		}
	}
}
