package openai

import "strings"

// family is what a model's name says about the requests that servers of this protocol take
// for it. Sources: OpenAI's reasoning guide and the model pages, the API reference's notes on
// max_tokens, stop and reasoning_effort (read 2026-11). Of other makers' models nothing is
// assumed but the plain protocol.
type family struct {
	name string // in lower case, without what stands before the last "/"
}

func familyOf(model string) family {
	model = strings.ToLower(model)
	return family{model[strings.LastIndexByte(model, '/')+1:]}
}

func (f family) is(prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(f.name, p) {
			return true
		}
	}
	return false
}

// reasons: one of OpenAI's reasoning models. They want max_completion_tokens, and take neither
// stop nor sampling parameters but their defaults.
func (f family) reasons() bool {
	return f.is("o1", "o3", "o4", "gpt-5", "gpt-6", "codex-") && !strings.Contains(f.name, "-chat")
}

// completionTokens: max_tokens is a 400. Servers of other makers know max_tokens best.
func (f family) completionTokens() bool {
	return f.is("o1", "o3", "o4", "gpt-5", "gpt-6", "codex-")
}

// known: one of OpenAI's own, whose API refuses members that it does not know.
func (f family) known() bool { return f.completionTokens() || f.talks() }

// talks: one of OpenAI's models that do not reason; reasoning_effort is a 400.
func (f family) talks() bool { return f.is("gpt-3", "gpt-4", "chatgpt-") }

// customTools: tools of type custom came with gpt-5.
func (f family) customTools() bool { return f.is("gpt-5", "gpt-6", "codex-") }

// effort gives the nearest effort that the model takes; empty: it takes none.
func (f family) effort(asked string) string {
	switch {
	case f.talks():
		return ""
	case !f.reasons():
		return asked
	case f.is("o1", "o3", "o4"): // low to high
		switch asked {
		case "minimal", "none":
			return "low"
		case "xhigh", "max":
			return "high"
		}
	case f.name == "gpt-5" || f.is("gpt-5-"): // minimal to high
		switch asked {
		case "none":
			return "minimal"
		case "xhigh", "max":
			return "high"
		}
	case asked == "minimal": // "none" took its place with 5.1
		return "low"
	case f.is("gpt-5.1") && !strings.Contains(f.name, "max"):
		if asked == "xhigh" || asked == "max" {
			return "high"
		}
	case asked == "max":
		return "xhigh"
	}
	return asked
}
