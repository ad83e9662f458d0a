package openai

import (
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// What an upstream says it consumed, as a whole answer, as the last chunk of a stream and through the neutral form: the same figures each time.
func TestUsageByKind(t *testing.T) {
	for _, c := range []struct {
		name, usage, tier string
		want              domain.Usage
	}{
		{"plain", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`, "default", domain.Usage{Input: 10, Output: 5}},
		{"cached and written are in the prompt", `{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}`, "auto",
			domain.Usage{Input: 10, CacheRead: 60, CacheWrite5m: 30, Output: 5}},
		{"reasoning is in the output", `{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":40}}`, "flex",
			domain.Usage{Input: 10, Output: 50, Reasoning: 40, Tier: domain.TierFlex}},
		{"reasoning beside the output", `{"prompt_tokens":32,"completion_tokens":9,"total_tokens":141,"completion_tokens_details":{"reasoning_tokens":100}}`, "",
			domain.Usage{Input: 32, Output: 109, Reasoning: 100}},
		{"reasoning beside a longer output", `{"prompt_tokens":32,"completion_tokens":200,"total_tokens":332,"completion_tokens_details":{"reasoning_tokens":100}}`, "",
			domain.Usage{Input: 32, Output: 300, Reasoning: 100}},
		{"audio", `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":70,"cached_tokens_details":{"audio_tokens":30,"text_tokens":10}},"completion_tokens_details":{"audio_tokens":45,"reasoning_tokens":0}}`, "priority",
			domain.Usage{Input: 60, CacheRead: 40, AudioInput: 40, AudioCacheRead: 30, Output: 50, AudioOutput: 45, Tier: domain.TierPriority}},
		{"images", `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"image_tokens":90},"completion_tokens_details":{"image_tokens":20}}`, "fast",
			domain.Usage{Input: 100, ImageInput: 90, Output: 50, ImageOutput: 20, Tier: domain.TierPriority}},
		{"more parts than whole", `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30,"audio_tokens":99},"completion_tokens_details":{"audio_tokens":99,"image_tokens":99}}`, "scale",
			domain.Usage{CacheRead: 10, Output: 5, AudioOutput: 5}},
		{"DeepSeek's own name", `{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}`, "", domain.Usage{Input: 6, CacheRead: 4, Output: 5}},
		{"details that are none", `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,"completion_tokens_details":7}`, "", domain.Usage{Input: 10, Output: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Reported = true
			tier := `,"service_tier":null`
			if c.tier != "" {
				tier = `,"service_tier":"` + c.tier + `"`
			}
			whole := []byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":` + c.usage + tier + `}`)
			if got := (Dialect{}).Whole(whole).Usage; got != c.want {
				t.Errorf("whole: %+v, want %+v", got, c.want)
			}
			r := Dialect{}.NewReader(&dialect.Request{})
			r.Event([]byte(`data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]` + tier + "}\n\n"))
			r.Event([]byte(`data: {"id":"x","choices":[],"usage":` + c.usage + "}\n\n"))
			if got := r.Usage(); got != c.want {
				t.Errorf("stream: %+v, want %+v", got, c.want)
			}
			// Stated twice is consumed once.
			r.Event([]byte(`data: {"id":"x","choices":[],"usage":` + c.usage + tier + "}\n\n"))
			if got := r.Usage(); got != c.want {
				t.Errorf("stated twice: %+v, want %+v", got, c.want)
			}
			a, err := Dialect{}.DecodeAnswer(whole)
			if err != nil || a.Usage != c.want {
				t.Errorf("neutral: %+v %v, want %+v", a, err, c.want)
			}
		})
	}
}
