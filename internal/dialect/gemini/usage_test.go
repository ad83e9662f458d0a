package gemini

import (
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// What an upstream says it consumed, as a whole answer, over a stream and through the neutral form: the same figures each time.
func TestUsageByKind(t *testing.T) {
	for _, c := range []struct {
		name, usage string
		want        domain.Usage
	}{
		{"thoughts beside the candidates, tools beside the prompt", `{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":7,"thoughtsTokenCount":20,"toolUsePromptTokenCount":5,"totalTokenCount":132}`,
			domain.Usage{Input: 65, CacheRead: 40, Output: 27, Reasoning: 20}},
		{"modalities", `{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":50,"promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"AUDIO","tokenCount":60},{"modality":"IMAGE","tokenCount":15},{"modality":"DOCUMENT","tokenCount":5}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30},{"modality":"TEXT","tokenCount":10}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":45},{"modality":"TEXT","tokenCount":5}],"trafficType":"ON_DEMAND_FLEX"}`,
			domain.Usage{Input: 60, CacheRead: 40, AudioInput: 30, AudioCacheRead: 30, ImageInput: 20, Output: 50, ImageOutput: 45, Tier: domain.TierFlex}},
		{"audio out, and a tier by its other name", `{"promptTokenCount":10,"candidatesTokenCount":50,"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":50}],"serviceTier":"priority"}`,
			domain.Usage{Input: 10, Output: 50, AudioOutput: 50, Tier: domain.TierPriority}},
		{"more parts than whole", `{"promptTokenCount":10,"cachedContentTokenCount":5,"candidatesTokenCount":5,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":60},{"modality":"IMAGE","tokenCount":60}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":60}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":60},{"modality":"IMAGE","tokenCount":60}],"trafficType":"ON_DEMAND"}`,
			domain.Usage{Input: 5, CacheRead: 5, AudioInput: 5, AudioCacheRead: 5, Output: 5, AudioOutput: 5}},
		{"details that are none", `{"promptTokenCount":10,"candidatesTokenCount":5,"promptTokensDetails":"AUDIO","candidatesTokensDetails":[7,"AUDIO"]}`, domain.Usage{Input: 10, Output: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Reported = true
			whole := []byte(`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":` + c.usage + `}`)
			if got := (Dialect{}).Whole(whole).Usage; got != c.want {
				t.Errorf("whole: %+v, want %+v", got, c.want)
			}
			r := Dialect{}.NewReader(&dialect.Request{})
			for range 2 { // every chunk states it anew
				r.Event(append(append([]byte("data: "), whole...), "\n\n"...))
				if got := r.Usage(); got != c.want {
					t.Errorf("stream: %+v, want %+v", got, c.want)
				}
			}
			a, err := Dialect{}.DecodeAnswer(whole)
			if err != nil || a.Usage != c.want {
				t.Errorf("neutral: %+v %v, want %+v", a, err, c.want)
			}
		})
	}
}
