package responses

import (
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// What an upstream says it consumed, as a whole answer, as the last event of a stream and through the neutral form: the same figures each time.
func TestUsageByKind(t *testing.T) {
	const search = `{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}`
	const opened = `{"id":"ws_2","type":"web_search_call","status":"completed","action":{"type":"open_page","url":"https://go.dev"}}`
	for _, c := range []struct {
		name, usage, tier string
		items             []string
		want              domain.Usage
	}{
		{"plain", `{"input_tokens":10,"output_tokens":5}`, "default", nil, domain.Usage{Input: 10, Output: 5}},
		{"cached, written and reasoning", `{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"output_tokens":50,"output_tokens_details":{"reasoning_tokens":40}}`, "flex", nil,
			domain.Usage{Input: 10, CacheRead: 60, CacheWrite5m: 30, Output: 50, Reasoning: 40, Tier: domain.TierFlex}},
		{"searches, and what is none", `{"input_tokens":10,"output_tokens":5}`, "priority", []string{search, opened, search},
			domain.Usage{Input: 10, Output: 5, Searches: 2, Tier: domain.TierPriority}},
		{"images", `{"input_tokens":100,"input_tokens_details":{"image_tokens":90,"text_tokens":10},"output_tokens":50,"output_tokens_details":{"image_tokens":50}}`, "", nil,
			domain.Usage{Input: 100, ImageInput: 90, Output: 50, ImageOutput: 50}},
		{"reasoning beside the output", `{"input_tokens":10,"output_tokens":5,"output_tokens_details":{"reasoning_tokens":40}}`, "", nil, domain.Usage{Input: 10, Output: 45, Reasoning: 40}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Reported = true
			output := ""
			for i, item := range c.items {
				if i > 0 {
					output += ","
				}
				output += item
			}
			whole := `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[` + output + `],"service_tier":"` + c.tier + `","usage":` + c.usage + `}`
			if got := (Dialect{}).Whole([]byte(whole)).Usage; got != c.want {
				t.Errorf("whole: %+v, want %+v", got, c.want)
			}
			r := Dialect{}.NewReader(&dialect.Request{})
			for _, item := range c.items {
				r.Event([]byte(`data: {"type":"response.output_item.done","item":` + item + "}\n\n"))
			}
			r.Event([]byte(`data: {"type":"response.completed","response":` + whole + "}\n\n"))
			if got := r.Usage(); got != c.want {
				t.Errorf("stream: %+v, want %+v", got, c.want)
			}
			a, err := Dialect{}.DecodeAnswer([]byte(whole))
			if err != nil || a.Usage != c.want {
				t.Errorf("neutral: %+v %v, want %+v", a, err, c.want)
			}
		})
	}
}
