package gemini

import (
	"io"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Dialect is the generateContent protocol.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// ID implements dialect.Dialect.
func (Dialect) ID() domain.Dialect { return domain.DialectGeminiContent }

// RequestIDHeader implements dialect.Dialect. The API documents none; this is how Google's
// other APIs name theirs.
func (Dialect) RequestIDHeader() string { return "X-Goog-Request-Id" }

// maxModel bounds a model's name, as the other dialects' facts do.
const maxModel = 256

// Request implements dialect.Dialect. The model is the path's: a member "model" of the body, which some
// verbs have, is not looked at, because the API binds the path's.
func (Dialect) Request(body []byte, at dialect.Route) (dialect.Request, error) {
	const op = "read the request"
	r := dialect.Request{Size: len(body), Model: strings.TrimPrefix(at.Model, "models/"), Stream: at.Stream}
	switch {
	case r.Model == "":
		return r, domain.Errorf(domain.KindInvalid, op, "the path names no model; ask for /v1beta/models/{model}:generateContent")
	case len(r.Model) > maxModel:
		return r, domain.Errorf(domain.KindInvalid, op, "the model's name is longer than %d bytes", maxModel)
	}
	var config dialect.Span
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		switch string(canon(key)) {
		case "contents":
			r.Messages = v
		case "content": // embedContent
			if !r.Messages.Present() {
				r.Messages = v
			}
		case "systemInstruction":
			r.System = v
		case "generationConfig":
			config = v
		case "tools":
			r.Tools = v
			r.WholeCalls = hasFunctions(v.Of(body))
		}
		return true
	})
	if err != nil {
		return r, &domain.Error{Kind: domain.KindInvalid, Op: op, Message: "the request body is not a JSON object: " + err.Error(), Err: err}
	}
	thinking := []byte(nil)
	each(config.Of(body), func(key, v []byte) {
		switch string(key) {
		case "maxOutputTokens":
			r.MaxTokens = count(v)
		case "candidateCount":
			r.Choices = max(r.Choices, dialect.Choices(v))
		case "thinkingConfig":
			thinking = v
		}
	})
	r.Effort = effort(r.Model, thinking)
	return r, nil
}

func hasFunctions(tools []byte) (has bool) {
	elements(tools, func(t []byte) {
		has = has || member(t, "functionDeclarations") != nil
	})
	return has
}

// manyThoughts is a budget from which on minutes of silence are healthy.
const manyThoughts = 16_000

// effort is how much a request makes a model think, as far as time limits care: by the level or the
// budget that it states, else by what the model does by itself (Gemini API, thinking: 2.5 decides
// for itself and 2.5 Flash-Lite does not think, 3 thinks at the level high).
func effort(model string, thinking []byte) dialect.Effort {
	var level string
	var budget []byte
	each(thinking, func(key, v []byte) {
		switch string(key) {
		case "thinkingLevel":
			level = strings.ToUpper(text(v))
		case "thinkingBudget":
			budget = v
		}
	})
	f := familyOf(model)
	switch level {
	case "MINIMAL":
		return dialect.EffortNone
	case "LOW", "MEDIUM":
		return dialect.EffortSome
	case "HIGH":
		return dialect.EffortHigh
	}
	if budget != nil {
		switch n := integer(budget); {
		case n == 0:
			return dialect.EffortNone
		case n >= manyThoughts:
			return dialect.EffortHigh
		}
		return dialect.EffortSome
	}
	switch {
	case !f.thinks, f.lite:
		return dialect.EffortNone
	case f.levels && f.pro:
		return dialect.EffortHigh
	}
	return dialect.EffortSome
}

// Prefix implements dialect.Dialect.
func (Dialect) Prefix(body []byte, r *dialect.Request, w io.Writer) {
	_, _ = w.Write(r.Tools.Of(body))
	_, _ = w.Write([]byte{0})
	_, _ = w.Write(member(r.System.Of(body), "parts"))
}

// Opening implements dialect.Dialect. A content without a role is the user's.
func (Dialect) Opening(body []byte, r *dialect.Request, w io.Writer) {
	_, _ = w.Write(member(r.System.Of(body), "parts"))
	_, _ = w.Write([]byte{0})
	found := false
	elements(r.Messages.Of(body), func(c []byte) {
		if found {
			return
		}
		if role := text(member(c, "role")); role == "user" || role == "" {
			found = true
			_, _ = w.Write(member(c, "parts"))
		}
	})
}
