package responses

import "strings"

// thinking is whether a model thinks before it answers.
type thinking uint8

const (
	unsure thinking = iota
	always
	optional // it can be told not to
	never
)

// family is what is known of a model by its name. Only OpenAI's own names are known; models
// of other makers that are served in this dialect are left to their servers.
type family struct {
	thinks thinking
	// lowest is the least effort that the model takes; empty: not known.
	lowest string
}

// families, the first prefix that fits holds. From the models' pages and the API's refusals:
// gpt-4o and its like answer 400 "Encrypted content is not supported with this model" and "Unsupported parameter:
// 'reasoning.effort'"; those that think answer 400 "Unsupported parameter: 'temperature'"; gpt-5 takes
// "minimal", from gpt-5.1 on "none".
var families = []struct {
	prefix string
	is     family
}{
	{"gpt-5-chat", family{never, ""}},
	{"gpt-5-pro", family{always, ""}},
	{"gpt-5-codex", family{always, "low"}},
	{"gpt-5-", family{always, "minimal"}},
	{"gpt-5.", family{optional, "none"}},
	{"gpt-6", family{optional, "none"}},
	{"gpt-3.5", family{never, ""}},
	{"gpt-4", family{never, ""}},
	{"chatgpt", family{never, ""}},
	{"o1", family{always, "low"}},
	{"o3", family{always, "low"}},
	{"o4", family{always, "low"}},
	{"codex-mini", family{always, "low"}},
}

func familyOf(model string) family {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	if model == "gpt-5" {
		return family{always, "minimal"}
	}
	for _, f := range families {
		if !strings.HasPrefix(model, f.prefix) {
			continue
		}
		if f.is.thinks == optional && (strings.Contains(model, "-chat") || strings.Contains(model, "-pro")) {
			return family{} // they differ from release to release
		}
		return f.is
	}
	return family{}
}
