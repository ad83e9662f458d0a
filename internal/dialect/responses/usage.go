package responses

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// ReadUsage implements dialect.Meter.
func (Dialect) ReadUsage(usage []byte, u *domain.Usage) { readUsage(usage, u) }

// readUsage reads a usage object. input_tokens includes cached_tokens and, where a model's caches
// cost, cache_write_tokens; output_tokens includes reasoning_tokens (API reference, the response object). Those of the image API,
// which has this protocol's names, state the modalities too.
func readUsage(usage []byte, u *domain.Usage) {
	if len(usage) == 0 || usage[0] != '{' {
		return
	}
	var input, cached, written, audio, image int64
	output, reasoning := int64(-1), int64(0)
	u.AudioOutput, u.ImageOutput = 0, 0
	_ = dialect.Object(usage, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(usage)
		switch string(key) {
		case "input_tokens":
			input = dialect.Int(val)
		case "output_tokens":
			output = dialect.Int(val)
		case "input_tokens_details":
			details(val, func(key, v []byte) {
				switch string(key) {
				case "cached_tokens":
					cached = dialect.Int(v)
				case "cache_write_tokens":
					written = dialect.Int(v)
				case "audio_tokens":
					audio = dialect.Int(v)
				case "image_tokens":
					image = dialect.Int(v)
				}
			})
		case "output_tokens_details":
			details(val, func(key, v []byte) {
				switch string(key) {
				case "reasoning_tokens":
					reasoning = dialect.Int(v)
				case "audio_tokens":
					u.AudioOutput = dialect.Int(v)
				case "image_tokens":
					u.ImageOutput = dialect.Int(v)
				}
			})
		}
		return true
	})
	if output >= 0 {
		if reasoning > output { // it cannot be in it, so it stands beside it
			output += reasoning
		}
		u.Output, u.Reasoning = output, reasoning
	}
	cached = min(cached, input)
	written = min(written, input-cached)
	u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Input = cached, written, 0, input-cached-written
	u.AudioInput = min(audio, u.Input)
	u.ImageInput = min(image, u.Input-u.AudioInput)
	u.AudioOutput = min(u.AudioOutput, u.Output)
	u.ImageOutput = min(u.ImageOutput, u.Output-u.AudioOutput)
	u.Reported = true
}

// details visits the members of an object, if it is one.
func details(object []byte, visit func(key, value []byte)) {
	if len(object) == 0 || object[0] != '{' {
		return
	}
	_ = dialect.Object(object, func(key []byte, v, _ dialect.Span) bool {
		visit(key, v.Of(object))
		return true
	})
}

// searches says whether an item of an answer is a web search that costs: of what the tool does, only a search does, and not the
// opening of a page or the looking for words in it (API pricing page, built-in tools). Servers that do not say what it did searched.
func searches(item []byte) bool {
	if string(dialect.Member(item, "type")) != `"web_search_call"` {
		return false
	}
	action := dialect.Member(dialect.Member(item, "action"), "type")
	return action == nil || string(action) == `"search"`
}

// countSearches counts the searches among an answer's items.
func countSearches(output []byte) (n int64) {
	_ = dialect.Array(output, func(e dialect.Span) bool {
		if searches(e.Of(output)) {
			n++
		}
		return true
	})
	return n
}

// writeUsage is the reverse; null where nothing was stated.
func writeUsage(j *neutral.JSON, u *domain.Usage) {
	if !u.Reported {
		j.Null()
		return
	}
	j.Open().MemberInt("input_tokens", u.Prompt())
	j.Key("input_tokens_details").Open().MemberInt("cached_tokens", u.CacheRead).MemberInt("cache_write_tokens", u.CacheWrite5m+u.CacheWrite1h).Close()
	j.MemberInt("output_tokens", u.Output)
	j.Key("output_tokens_details").Open().MemberInt("reasoning_tokens", u.Reasoning).Close()
	j.MemberInt("total_tokens", u.Prompt()+u.Output).Close()
}
