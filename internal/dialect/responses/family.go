package responses

import (
	"slices"
	"strings"
)

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
	thinks  thinking
	efforts []string // that it takes, from the least on; nil: not known
	// evenTone: of verbosities it only takes "medium" ("Unsupported value: 'verbosity' does not support 'low' with this model").
	evenTone bool
}

// rank is all efforts in order.
var rank = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// families, the first prefix that fits holds. From the models' pages and the API's refusals
// (measured by others in 2026-08): models that do not think answer 400 "Encrypted content is not
// supported with this model." and "Unsupported parameter: 'reasoning.effort'"; those that do answer 400 "Unsupported
// parameter: 'temperature'", and "Unsupported value: 'minimal' is not supported with the 'gpt-5.6-terra' model".
var families = []struct {
	prefix string
	thinks thinking
	least  string
	most   string
}{
	{"gpt-5-chat", never, "", ""},
	{"gpt-5-pro", always, "high", "high"},
	{"gpt-5-codex", always, "low", "high"},
	{"gpt-5-", always, "minimal", "high"},
	{"gpt-5.1-codex-max", optional, "none", "xhigh"},
	{"gpt-5.1", optional, "none", "high"},
	{"gpt-5.2", optional, "none", "xhigh"},
	{"gpt-5.3", optional, "none", "xhigh"},
	{"gpt-5.4", optional, "none", "xhigh"},
	{"gpt-5.5", optional, "none", "xhigh"},
	{"gpt-5.", optional, "none", "max"},
	{"gpt-6", optional, "none", "max"},
	{"gpt-3.5", never, "", ""},
	{"gpt-4", never, "", ""},
	{"chatgpt", never, "", ""},
	{"o1", always, "low", "high"},
	{"o3", always, "low", "high"},
	{"o4", always, "low", "high"},
	{"codex-mini", always, "low", "high"},
}

func familyOf(model string) family {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	if model == "gpt-5" {
		model = "gpt-5-"
	}
	for _, f := range families {
		if !strings.HasPrefix(model, f.prefix) {
			continue
		}
		switch {
		case f.thinks == never:
			return family{thinks: never, evenTone: true}
		case f.thinks == optional && (strings.Contains(model, "-chat") || strings.Contains(model, "-pro")):
			return family{} // they differ from release to release
		}
		efforts := slices.Clone(rank[slices.Index(rank, f.least) : slices.Index(rank, f.most)+1])
		if f.least == "none" {
			efforts = slices.DeleteFunc(efforts, func(e string) bool { return e == "minimal" })
		}
		return family{f.thinks, efforts, f.prefix[0] == 'o' || f.prefix == "codex-mini"}
	}
	return family{}
}

// nearest is the effort that the model takes and that is nearest to the asked one, and no
// "none" where thinking was asked for.
func (f *family) nearest(effort string) string {
	at := slices.Index(rank, effort)
	if f.efforts == nil || at < 0 || slices.Contains(f.efforts, effort) {
		return effort
	}
	best := ""
	for _, e := range f.efforts {
		if e != "none" && (best == "" || slices.Index(rank, e) <= at) {
			best = e
		}
	}
	return best
}
