package gemini

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

const inConfig = "generationConfig"

// mimeEnum is the type of an answer that is one of its schema's words, bare.
const mimeEnum = "text/x.enum"

// formatParts are the members that together say in which shape the answer is to be.
type formatParts struct {
	mime         string
	schema, json []byte // responseSchema (OpenAPI's subset), responseJsonSchema
}

// config reads generationConfig.
func (d *decoding) config(v []byte) {
	r := d.r
	each(v, func(key, v []byte) {
		switch string(key) {
		case "temperature":
			r.Temperature = v
		case "topP":
			r.TopP = v
		case "topK":
			r.TopK = v
		case "seed":
			r.Seed = v
		case "presencePenalty":
			r.PresencePenalty = v
		case "frequencyPenalty":
			r.FrequencyPenalty = v
		case "maxOutputTokens":
			r.MaxTokens = count(v)
		case "stopSequences":
			elements(v, func(e []byte) { r.Stop = append(r.Stop, text(e)) })
		case "candidateCount":
			if integer(v) > 1 {
				d.ask(neutral.FeatureChoices, key, v)
			}
		case "responseMimeType":
			d.format.mime = text(v)
		case "responseSchema":
			d.format.schema = v
		case "responseJsonSchema", "_responseJsonSchema": // the reference names it with an underscore, the SDKs without
			d.format.json = v
		case "responseLogprobs", "logprobs":
			if !dialect.IsTrue(v) && integer(v) == 0 {
				return
			}
			d.ask(neutral.FeatureLogprobs, key, v)
		case "responseModalities":
			d.modalities(key, v)
		case "speechConfig":
			d.ask(neutral.FeatureOutputAudio, key, v)
		case "imageConfig":
			d.ask(neutral.FeatureOutputImage, key, v)
		case "thinkingConfig":
			r.Reasoning = thinkingIn(v)
		default: // mediaResolution, audioTranscriptionConfig, enableEnhancedCivicAnswers, …
			d.extra(inConfig, key, v)
		}
	})
}

// modalities asks for nothing where text alone is wanted, which is the default.
func (d *decoding) modalities(key, v []byte) {
	elements(v, func(e []byte) {
		switch strings.ToUpper(text(e)) {
		case "AUDIO":
			d.ask(neutral.FeatureOutputAudio, key, v)
		case "IMAGE":
			d.ask(neutral.FeatureOutputImage, key, v)
		}
	})
}

// close looks at what could only be told once everything was read.
func (d *decoding) close() {
	f := &d.r.Format
	switch {
	case d.format.mime == mimeEnum:
		switch {
		case d.format.json != nil:
			f.Schema = statedSchema(d.format.json)
		case d.format.schema != nil:
			f.Schema = jsonSchema(d.format.schema)
		}
		if f.Mode = neutral.FormatEnum; neutral.EnumWords(f.Schema) == nil {
			d.fail(inConfig+".responseSchema", "an answer of the type text/x.enum needs a schema whose enum lists its words")
		}
	case d.format.json != nil:
		f.Mode, f.Schema = neutral.FormatSchema, statedSchema(d.format.json)
	case d.format.schema != nil:
		f.Mode, f.Schema = neutral.FormatSchema, jsonSchema(d.format.schema)
	case d.format.mime == "application/json":
		f.Mode = neutral.FormatJSON
	}
}

// thinkingIn reads a thinkingConfig: a level (Gemini 3) or a budget (2.5: 0 is off, -1 leaves it to the model).
func thinkingIn(v []byte) (r neutral.Reasoning) {
	each(v, func(key, v []byte) {
		switch string(key) {
		case "includeThoughts":
			r.Show = dialect.IsTrue(v)
		case "thinkingBudget":
			switch n := integer(v); {
			case n == 0:
				r.Mode = neutral.ReasoningOff
			case n < 0:
				r.Mode, r.Adaptive = neutral.ReasoningOn, true
			default:
				r.Mode, r.Budget = neutral.ReasoningOn, n
			}
		case "thinkingLevel":
			switch level := strings.ToLower(text(v)); level {
			case "minimal", "low", "medium", "high":
				r.Mode, r.Effort = neutral.ReasoningOn, level
			}
		}
	})
	return r
}

// Budgets that stand for efforts before Gemini 3, as Google's own OpenAI endpoint takes them (Gemini API,
// OpenAI compatibility, thinking).
var effortBudget = map[string]int64{"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}

// thinkingOut writes a thinkingConfig, if there is one.
func (e *encoding) thinkingOut() {
	r, f := &e.r.Reasoning, familyOf(e.r.Model)
	var level string
	var budget int64
	stated := false
	if !f.thinks && e.r.From != own {
		if r.Mode == neutral.ReasoningOn || r.Mode != neutral.ReasoningOff && r.Effort != "" && r.Effort != "none" {
			e.n.Drop("reasoning", "this model does not think")
		}
		return
	}
	switch {
	case r.Mode == neutral.ReasoningUnset && r.Effort == "":
	case r.Mode == neutral.ReasoningOff || r.Effort == "none":
		level, budget = e.off(f)
		stated = level != "" || e.fits(budget)
	case r.Effort != "" && (f.levels || e.r.From == own):
		level, stated = e.level(r.Effort, f), true
	case r.Effort != "":
		budget, stated = e.budget(effortBudget[r.Effort], f, neutral.FeatureReasoningEffort)
	case r.Budget > 0 && f.levels && e.r.From != own:
		level, stated = levelFor(r.Budget), true
		e.n.Use(neutral.FeatureReasoningBudget, "thinking budget")
	case r.Budget > 0:
		budget, stated = e.budget(r.Budget, f, neutral.FeatureReasoningBudget)
	case r.Adaptive && f.most > 0 || r.Adaptive && e.r.From == own:
		budget, stated = -1, true
	}
	if !stated && !r.Show {
		return
	}
	e.j.Key("thinkingConfig").Open()
	switch {
	case level != "":
		e.j.Member("thinkingLevel", strings.ToUpper(level))
	case stated:
		e.j.MemberInt("thinkingBudget", budget)
	}
	if r.Show {
		e.j.Key("includeThoughts").Bool(true)
	}
	e.j.Close()
}

// off is the least thinking that the model can do.
func (e *encoding) off(f family) (level string, budget int64) {
	if e.r.From == own || !f.levels && !f.pro {
		return "", 0
	}
	e.n.Use(neutral.FeatureReasoningOff, "reasoning off")
	switch {
	case !f.levels:
		return "", f.least
	case f.pro:
		return "low", 0
	}
	return "minimal", 0
}

// level names the level for an effort. Pro models have no minimal, and the first of them no medium (Gemini
// API, thinking).
func (e *encoding) level(effort string, f family) string {
	level := effort
	switch {
	case e.r.From == own:
		return level
	case effort == "minimal" && f.pro:
		level = "low"
	case effort == "medium" && f.coarse, effort == "xhigh", effort == "max":
		level = "high"
	}
	if level != effort {
		e.n.Use(neutral.FeatureReasoningEffort, "reasoning effort")
	}
	return level
}

func levelFor(budget int64) string {
	switch {
	case budget <= 2048:
		return "low"
	case budget <= 12_288:
		return "medium"
	}
	return "high"
}

// fits reports whether a budget is below the answer's own limit, as the API wants it ("max_output_tokens must be
// greater than the thinking budget").
func (e *encoding) fits(budget int64) bool {
	return e.r.From == own || e.r.MaxTokens == 0 || budget < e.r.MaxTokens
}

// budget fits a budget to the model and to the answer's limit; where that leaves no room for one, the model is left to
// itself.
func (e *encoding) budget(n int64, f family, feature neutral.Feature) (fit int64, ok bool) {
	if e.r.From == own {
		return n, true
	}
	fit = n
	if f.most > 0 {
		fit = min(max(n, f.least), f.most)
	}
	if !e.fits(fit) {
		fit = max(e.r.MaxTokens-1, f.least)
	}
	if !e.fits(fit) {
		e.n.Drop("thinking budget", "the limit of tokens leaves no room for one")
		return 0, false
	}
	if fit != n || feature == neutral.FeatureReasoningEffort {
		e.n.Use(feature, "thinking budget")
	}
	return fit, true
}
