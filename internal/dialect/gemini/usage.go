package gemini

import "turnout/internal/domain"

// figures are a usageMetadata as it stands. In a stream every chunk states it anew, cumulatively, and
// zeros are left out: each figure only rises.
type figures struct{ prompt, cached, candidates, thoughts, toolUse, total int64 }

// read takes stated figures over and reports whether there were any.
func (f *figures) read(usage []byte) (stated bool) {
	each(usage, func(key, v []byte) {
		var to *int64
		switch string(key) {
		case "promptTokenCount":
			to = &f.prompt
		case "cachedContentTokenCount":
			to = &f.cached
		case "candidatesTokenCount":
			to = &f.candidates
		case "thoughtsTokenCount":
			to = &f.thoughts
		case "toolUsePromptTokenCount":
			to = &f.toolUse
		case "totalTokenCount":
			to = &f.total
		default:
			return
		}
		stated = true
		*to = max(*to, count(v))
	})
	return stated
}

// usage says the same in the gateway's terms: the prompt includes what was read from the cache,
// the candidates exclude the thoughts, and what tools of the provider put into the prompt is
// counted apart (API reference, UsageMetadata).
func (f *figures) usage() domain.Usage {
	cached := min(f.cached, f.prompt)
	return domain.Usage{
		Input: f.prompt - cached + f.toolUse, CacheRead: cached,
		Output: f.candidates + f.thoughts, Reasoning: f.thoughts, Reported: true,
	}
}
