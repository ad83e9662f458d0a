package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"turnout/internal/domain"
)

// maxFallbacks is how many models may be named for one model and cause: more than
// these are not tried in one request anyway.
const maxFallbacks = 8

// fallbacks reads asked model → models, or asked model → cause → models.
func (n node) fallbacks(target *domain.Fallbacks) {
	out := domain.Fallbacks{}
	ok := n.each(wordKey, func(asked string, v node) {
		if err := pattern(asked); err != nil {
			n.r.problem(v.key, "on the left: %v", err)
		}
		byCause := map[string][]string{}
		switch {
		case isMapping(v.ast):
			v.fallbackCauses(asked, byCause)
		case isList(v.ast):
			v.fallbackModels(asked, domain.FallbackAny, byCause)
		case v.supported(v.ast):
			n.r.problem(v.at, "want a list of models, such as [other-model], or a mapping from cause to such a list, such as {%s: [other-model], %s: [larger-model]}",
				domain.FallbackAny, classContextTooLong)
		}
		out[asked] = byCause
	})
	if ok && len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty: name at least one model, or take the key out")
	}
	if len(out) > 0 {
		*target = out
	}
}

func (n node) fallbackCauses(asked string, byCause map[string][]string) {
	allowed := append([]string{domain.FallbackAny}, slices.DeleteFunc(FailureClasses(), nowhere)...)
	n.each(pathKey, func(cause string, v node) {
		switch {
		case nowhere(cause):
			n.r.problem(v.key, "this has no fallback: another model would not mend the request, and a refusal is not routed around; take it out")
		case !slices.Contains(allowed, cause):
			n.r.problem(v.key, "want a cause, one of %s; got %s%s", strings.Join(allowed, ", "), show(cause), suggestion(cause, allowed))
		default:
			v.fallbackModels(asked, cause, byCause)
		}
	})
	if len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty: name at least one cause (%s stands for all), or take the key out", domain.FallbackAny)
	}
}

// nowhere reports whether a class of failure has no fallback: the request itself is
// at fault, or the provider refuses what it says.
func nowhere(class string) bool { return class == classCallerFault || class == classContentRefused }

func (n node) fallbackModels(asked, cause string, byCause map[string][]string) {
	var models []string
	n.list("models", func(_ int, item node) {
		var model string
		if scalar(&model, checked(modelName))(item); model == "" {
			return
		}
		switch {
		case modelName(model) != nil: // said already
		case model == asked:
			n.r.problem(item.at, "the model falls back to itself: name another one")
		case slices.Contains(models, model):
			n.r.problem(item.at, "this model is in the list twice")
		default:
			models = append(models, model)
			n.r.modelsAt = append(n.r.modelsAt, reference{item.at, model})
		}
	})
	if seq, ok := n.ast.(*ast.SequenceNode); ok && len(seq.Values) > maxFallbacks {
		n.r.problem(n.at, "want at most %d models; this has %d", maxFallbacks, len(seq.Values))
	}
	byCause[cause] = models
}

// modelName checks the name of one model.
func modelName(s string) error {
	if pattern(s) != nil || strings.Contains(s, "*") {
		return errors.New("want one model's name, such as claude-sonnet-4-5; no *, no spaces, at most 200 characters")
	}
	return nil
}
