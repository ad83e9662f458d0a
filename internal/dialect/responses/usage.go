package responses

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// readUsage reads a usage object. input_tokens includes cached_tokens and, where a model's caches
// cost, cache_write_tokens; output_tokens includes reasoning_tokens (API reference, the response object).
func readUsage(usage []byte, u *domain.Usage) {
	if len(usage) == 0 || usage[0] != '{' {
		return
	}
	var input, cached, written int64
	_ = dialect.Object(usage, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(usage)
		switch string(key) {
		case "input_tokens":
			input = dialect.Int(val)
		case "output_tokens":
			u.Output = dialect.Int(val)
		case "input_tokens_details":
			cached = dialect.Int(dialect.Member(val, "cached_tokens"))
			written = dialect.Int(dialect.Member(val, "cache_write_tokens"))
		case "output_tokens_details":
			u.Reasoning = dialect.Int(dialect.Member(val, "reasoning_tokens"))
		}
		return true
	})
	cached = min(cached, input)
	written = min(written, input-cached)
	u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Input = cached, written, 0, input-cached-written
	u.Reported = true
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
