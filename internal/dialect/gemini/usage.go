package gemini

import (
	"bytes"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// figures are a usageMetadata as it stands. In a stream every chunk states it anew, cumulatively, and
// zeros are left out: each figure only rises.
type figures struct {
	prompt, cached, candidates, thoughts, toolUse, total int64
	// What of them was no text.
	promptMedia, cachedMedia, toolUseMedia, candidatesMedia modalities
	tier                                                    domain.Tier
}

// modalities are counts of those that may have prices of their own. A document is seen as images.
type modalities struct{ audio, image int64 }

// read takes a list of {"modality", "tokenCount"} over. Nearly all are of text alone, and the list comes with every chunk: it is read only if it
// names something else.
func (m *modalities) read(list []byte) {
	if bytes.IndexByte(list, 'D') < 0 && bytes.IndexByte(list, 'G') < 0 { // AUDIO, DOCUMENT, IMAGE
		return
	}
	var now modalities
	_ = dialect.Array(list, func(e dialect.Span) bool {
		var modality []byte
		var n int64
		each(e.Of(list), func(key, v []byte) {
			switch string(key) {
			case "modality":
				modality = v
			case "tokenCount":
				n = count(v)
			}
		})
		switch string(modality) {
		case `"AUDIO"`:
			now.audio += n
		case `"IMAGE"`, `"DOCUMENT"`:
			now.image += n
		}
		return true
	})
	m.audio, m.image = max(m.audio, now.audio), max(m.image, now.image)
}

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
		case "promptTokensDetails":
			f.promptMedia.read(v)
			return
		case "cacheTokensDetails":
			f.cachedMedia.read(v)
			return
		case "toolUsePromptTokensDetails":
			f.toolUseMedia.read(v)
			return
		case "candidatesTokensDetails", "responseTokensDetails":
			f.candidatesMedia.read(v)
			return
		case "trafficType", "serviceTier":
			if tier := dialect.Tier(v); tier != domain.TierStandard {
				f.tier = tier
			}
			return
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
// counted apart (API reference, UsageMetadata). The details of each count are of all of it.
func (f *figures) usage() domain.Usage {
	cached := min(f.cached, f.prompt)
	u := domain.Usage{
		Input: f.prompt - cached + f.toolUse, CacheRead: cached,
		Output: f.candidates + f.thoughts, Reasoning: f.thoughts,
		AudioCacheRead: min(f.cachedMedia.audio, cached), Tier: f.tier, Reported: true,
	}
	u.AudioInput = min(max(f.promptMedia.audio-u.AudioCacheRead, 0)+f.toolUseMedia.audio, u.Input)
	u.ImageInput = min(max(f.promptMedia.image-f.cachedMedia.image, 0)+f.toolUseMedia.image, u.Input-u.AudioInput)
	u.AudioOutput = min(f.candidatesMedia.audio, f.candidates)
	u.ImageOutput = min(f.candidatesMedia.image, f.candidates-u.AudioOutput)
	return u
}
