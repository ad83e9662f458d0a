package domain

import "time"

// TimeLimits are how long an upstream may take, for every kind of request and every
// stage of an answer. All are hard limits, at which an attempt is given up, but for those whose
// names begin with Soft: at a soft limit another account is started beside the slow one. The zero
// value of a field means the default's.
type TimeLimits struct {
	FirstByte     time.Duration `json:"first_byte,omitempty"`
	FirstByteMost time.Duration `json:"first_byte_most,omitempty"`
	SoftSmall     time.Duration `json:"soft_small,omitempty"`
	Soft          time.Duration `json:"soft,omitempty"`
	SoftHigh      time.Duration `json:"soft_high,omitempty"`
	SoftJSONSmall time.Duration `json:"soft_json_small,omitempty"`
	SoftJSON      time.Duration `json:"soft_json,omitempty"`
	FirstContent  time.Duration `json:"first_content,omitempty"`
	JSONTotal     time.Duration `json:"json_total,omitempty"`
	StreamTotal   time.Duration `json:"stream_total,omitempty"`
	TextLeast     time.Duration `json:"text_gap_least,omitempty"`
	Text          time.Duration `json:"text_gap,omitempty"`
	Pings         time.Duration `json:"thinking_gap_pings,omitempty"`
	Thinking      time.Duration `json:"thinking_gap,omitempty"`
	Between       time.Duration `json:"other_gap,omitempty"`
	Body          time.Duration `json:"body_gap,omitempty"`
	Finish        time.Duration `json:"finish,omitempty"`
}

// DefaultTimeLimits are the values to begin with. Reasoning models are silent for
// minutes and then succeed, and a dead upstream is silent too, so limits follow the
// request, and the soft ones learn (docs/failover.md).
func DefaultTimeLimits() TimeLimits {
	return TimeLimits{
		FirstByte: 20 * time.Second, FirstByteMost: 120 * time.Second,
		SoftSmall: 8 * time.Second, Soft: 60 * time.Second, SoftHigh: 120 * time.Second,
		SoftJSONSmall: 10 * time.Second, SoftJSON: 120 * time.Second,
		FirstContent: 600 * time.Second, JSONTotal: 600 * time.Second, StreamTotal: 60 * time.Minute,
		TextLeast: 10 * time.Second, Text: 30 * time.Second, Pings: 90 * time.Second, Thinking: 300 * time.Second, Between: 180 * time.Second,
		Body: 30 * time.Second, Finish: 5 * time.Second,
	}
}

// TimeLimit is one of them with its name, as users write and read it.
type TimeLimit struct {
	Name  string
	Value *time.Duration
	Help  string
}

// Each lists the limits in the order in which an answer meets them. The values point
// into t.
func (t *TimeLimits) Each() []TimeLimit {
	return []TimeLimit{
		{"first_byte", &t.FirstByte, "answer header of a stream; 1 s more for each 10,000 uncached input tokens"},
		{"first_byte_most", &t.FirstByteMost, "the same at most, however large the input"},
		{"soft_small", &t.SoftSmall, "soft: first content of a stream, small request without reasoning"},
		{"soft", &t.Soft, "soft: first content of a stream, any other request"},
		{"soft_high", &t.SoftHigh, "soft: first content of a stream, high reasoning effort"},
		{"soft_json_small", &t.SoftJSONSmall, "soft: a whole JSON answer, small request without reasoning"},
		{"soft_json", &t.SoftJSON, "soft: a whole JSON answer, any other request"},
		{"first_content", &t.FirstContent, "first content of a stream"},
		{"text_gap_least", &t.TextLeast, "between events of text that is held back, where the stream's own pace allows no less"},
		{"text_gap", &t.Text, "between events of text"},
		{"thinking_gap_pings", &t.Pings, "between bytes of thinking or tool arguments, where the platform pings"},
		{"thinking_gap", &t.Thinking, "between bytes of thinking or tool arguments, where it does not"},
		{"other_gap", &t.Between, "between events, where nothing is known of what is open"},
		{"body_gap", &t.Body, "between bytes of a JSON body that has begun"},
		{"finish", &t.Finish, "after the finish reason, for what may follow it"},
		{"json_total", &t.JSONTotal, "a whole JSON answer; longer where max tokens take longer at the model's observed speed"},
		{"stream_total", &t.StreamTotal, "a whole stream"},
	}
}

// Or is t with base's values where t has none.
func (t TimeLimits) Or(base TimeLimits) TimeLimits {
	have, other := t.Each(), base.Each()
	for i := range have {
		if *have[i].Value == 0 {
			*have[i].Value = *other[i].Value
		}
	}
	return t
}
