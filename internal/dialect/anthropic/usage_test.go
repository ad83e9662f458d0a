package anthropic

import (
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// What an upstream says it consumed, as a whole answer, over a stream and through the neutral form: the same figures each time.
func TestUsageByKind(t *testing.T) {
	for _, c := range []struct {
		name, start, delta string
		want               domain.Usage
	}{
		{"each kind apart", `{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":70,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40},"output_tokens":1,"service_tier":"standard"}`,
			`{"output_tokens":50,"output_tokens_details":{"thinking_tokens":45}}`,
			domain.Usage{Input: 10, CacheRead: 20, CacheWrite5m: 30, CacheWrite1h: 40, Output: 50, Reasoning: 45}},
		{"searches and a tier", `{"input_tokens":10,"output_tokens":1,"service_tier":"priority","server_tool_use":{"web_search_requests":0,"web_fetch_requests":0}}`,
			`{"input_tokens":500,"output_tokens":50,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":2}}`,
			domain.Usage{Input: 500, Output: 50, Searches: 3, Tier: domain.TierPriority}},
		{"fast", `{"input_tokens":10,"output_tokens":1,"speed":"fast","service_tier":"standard"}`, `{"output_tokens":2}`,
			domain.Usage{Input: 10, Output: 2, Tier: domain.TierFast, Reported: true}},
		{"not fast", `{"input_tokens":10,"output_tokens":1,"service_tier":"standard","speed":"standard"}`, `{"output_tokens":2}`,
			domain.Usage{Input: 10, Output: 2, Reported: true}},
		{"a batch", `{"input_tokens":10,"output_tokens":1,"service_tier":"batch","server_tool_use":null}`, `{"output_tokens":2}`,
			domain.Usage{Input: 10, Output: 2, Tier: domain.TierBatch}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Reported = true
			r := Dialect{}.NewReader(&dialect.Request{})
			r.Event([]byte(`data: {"type":"message_start","message":{"id":"m","content":[],"usage":` + c.start + "}}\n\n"))
			for range 2 { // stated twice is consumed once
				r.Event([]byte(`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":` + c.delta + "}\n\n"))
				if got := r.Usage(); got != c.want {
					t.Errorf("stream: %+v, want %+v", got, c.want)
				}
			}
			// A whole answer states it all at once.
			var u domain.Usage
			split := false
			readUsage([]byte(c.start), &u, &split)
			readUsage([]byte(c.delta), &u, &split)
			if u != c.want {
				t.Errorf("whole: %+v, want %+v", u, c.want)
			}
		})
	}
	whole := []byte(`{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":7,"service_tier":"batch","server_tool_use":{"web_search_requests":1}}}`)
	want := domain.Usage{Input: 5, Output: 7, Searches: 1, Tier: domain.TierBatch, Reported: true}
	if got := (Dialect{}).Whole(whole).Usage; got != want {
		t.Errorf("whole: %+v, want %+v", got, want)
	}
	if a, err := (Dialect{}).DecodeAnswer(whole); err != nil || a.Usage != want {
		t.Errorf("neutral: %+v %v, want %+v", a, err, want)
	}
}
