package openai

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// ReadUsage implements dialect.Meter.
func (Dialect) ReadUsage(usage []byte, u *domain.Usage) { readUsage(usage, u) }

// readUsage reads a usage object. Images and transcriptions write it as the Responses protocol does, and transcriptions by the second with
// a duration alone, which states no tokens. prompt_tokens includes cached_tokens, cache_write_tokens and the audio; completion_tokens
// includes reasoning_tokens and the audio (API reference, the usage object).
func readUsage(usage []byte, u *domain.Usage) {
	if dialect.IsNull(usage) || usage[0] != '{' {
		return
	}
	var prompt, cached, hit, written, total int64
	var audio, audioCached, image int64
	output, reasoning := int64(-1), int64(0)
	u.AudioOutput, u.ImageOutput = 0, 0
	stated := false
	_ = dialect.Object(usage, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(usage)
		switch string(key) {
		case "type":
			stated = stated || string(val) != `"duration"`
			return true
		case "seconds", "duration":
			return true
		case "prompt_tokens", "input_tokens":
			prompt = max(prompt, dialect.Int(val))
		case "completion_tokens", "output_tokens":
			output = max(output, dialect.Int(val))
		case "total_tokens":
			total = dialect.Int(val)
		case "prompt_cache_hit_tokens", "cached_tokens": // DeepSeek's and Moonshot's own names for what newer servers say in the details
			hit = dialect.Int(val)
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
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
				case "cached_tokens_details":
					audioCached = dialect.Int(dialect.Member(v, "audio_tokens"))
				}
			})
		case "completion_tokens_details", "output_tokens_details", "output_token_details":
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
		stated = true
		return true
	})
	if !stated {
		return
	}
	// xAI counts reasoning beside completion_tokens and not in it; its total tells (docs.x.ai, the usage object; the total is that of all three).
	if output >= 0 {
		if reasoning > 0 && (reasoning > output || total == prompt+output+reasoning) {
			output += reasoning
		}
		u.Output, u.Reasoning = output, reasoning
	}
	cached = min(max(cached, hit), prompt)
	written = min(written, prompt-cached)
	u.CacheRead, u.CacheWrite5m, u.Input = cached, written, prompt-cached-written
	u.AudioCacheRead = min(audioCached, cached)
	u.AudioInput = min(max(audio-u.AudioCacheRead, 0), u.Input)
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

// appendUsage is the reverse.
func appendUsage(j *neutral.JSON, u *domain.Usage) {
	prompt := u.Prompt()
	j.Open().MemberInt("prompt_tokens", prompt).MemberInt("completion_tokens", u.Output).MemberInt("total_tokens", prompt+u.Output)
	j.Key("prompt_tokens_details").Open().MemberInt("cached_tokens", u.CacheRead)
	if w := u.CacheWrite5m + u.CacheWrite1h; w > 0 {
		j.MemberInt("cache_write_tokens", w)
	}
	if a := u.AudioInput + u.AudioCacheRead; a > 0 {
		j.MemberInt("audio_tokens", a)
	}
	j.Close().Key("completion_tokens_details").Open().MemberInt("reasoning_tokens", u.Reasoning)
	if u.AudioOutput > 0 {
		j.MemberInt("audio_tokens", u.AudioOutput)
	}
	j.Close().Close()
}
