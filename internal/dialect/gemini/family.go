package gemini

import "strings"

// family is what is known of a model by its name, as far as requests for it differ.
type family struct {
	thinks bool  // it can think
	levels bool  // it takes a thinking level, and wants signatures on function calls: Gemini 3 and later
	pro    bool  // it cannot be kept from thinking
	lite   bool  // it does not think unless it is told to
	coarse bool  // of the levels it has only low and high
	most   int64 // the largest thinking budget; 0: none is taken
	least  int64 // the smallest one but 0
}

// familyOf reads a name. Names are open-ended and pools give their own: what is not known for an older
// one is taken for one of the newest, as Google's own and other clients do (Gemini CLI 0.61.0, models.js;
// @ai-sdk/google 3.0.141). The older generations are known and will not grow.
//
// Budgets are those of the Gemini API's page "thinking": 2.5 Pro 128 to 32768, 2.5 Flash 0 to 24576, 2.5
// Flash-Lite 0 or 512 to 24576. Of Gemini 3 Pro it says that it has the levels low and high.
func familyOf(model string) family {
	name := strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	pro, lite := strings.Contains(name, "-pro"), strings.Contains(name, "-lite")
	rest, google := strings.CutPrefix(name, "gemini-")
	if google && strings.HasPrefix(rest, "2.5") {
		f := family{thinks: true, pro: pro, lite: lite, most: 24576, least: 1}
		switch {
		case pro:
			f.most, f.least = 32768, 128
		case lite:
			f.least = 512
		}
		return f
	}
	if google && (strings.HasPrefix(rest, "1") || strings.HasPrefix(rest, "2") || rest == "pro" || rest == "pro-vision") {
		return family{}
	}
	for _, p := range []string{"gemma", "learnlm", "text-embedding", "embedding", "gemini-embedding", "aqa"} {
		if strings.HasPrefix(name, p) {
			return family{}
		}
	}
	return family{thinks: true, levels: true, pro: pro, lite: lite, coarse: google && strings.HasPrefix(rest, "3-pro")}
}
