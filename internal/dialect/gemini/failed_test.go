package gemini

import (
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// A turn that failed before anything was said is no whole answer, so that it can be tried again; behind words it
// passes as it came to callers of this dialect, and is an error to those of others.
func TestFailedTurns(t *testing.T) {
	const words = `{"candidates":[{"content":{"parts":[{"text":"Well"}],"role":"model"},"index":0}]}`
	for _, reason := range []string{"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"} {
		end := `{"candidates":[{"content":{"role":"model"},"finishReason":"` + reason + `","index":0}],"usageMetadata":{"promptTokenCount":3}}`
		for _, c := range []struct {
			name   string
			chunks []string
			said   bool
		}{
			{"silent", []string{end}, false},
			{"behind words", []string{words, end}, true},
		} {
			t.Run(reason+" "+c.name, func(t *testing.T) {
				r := Dialect{}.NewReader(&dialect.Request{})
				d := Dialect{}.NewDecoder()
				var err error
				whole := "["
				for i, chunk := range c.chunks {
					raw := []byte("data: " + chunk + "\r\n\r\n")
					kind := r.Event(raw).Kind
					if want := c.said && i == len(c.chunks)-1; (kind == dialect.EventFinish) != want {
						t.Errorf("event %d is of kind %v", i, kind)
					}
					err = d.Event(raw, func(*neutral.Event) {})
					if i > 0 {
						whole += ","
					}
					whole += chunk
				}
				whole += "]"
				if r.Finished() != c.said {
					t.Errorf("finished: %v", r.Finished())
				}
				if (err != nil) != c.said {
					t.Errorf("the decoder says %v", err)
				}
				if a := (Dialect{}).Whole([]byte(whole)); !a.Valid || a.Finished != c.said || a.Content != c.said {
					t.Errorf("whole: %+v", a)
				}
				if _, err := (Dialect{}).DecodeAnswer([]byte(whole)); err == nil {
					t.Error("the decoder takes the whole for an answer")
				}
			})
		}
	}
	for _, reason := range []string{"STOP", "SAFETY", "MAX_TOKENS"} {
		if a := (Dialect{}).Whole([]byte(`{"candidates":[{"finishReason":"` + reason + `"}]}`)); !a.Finished {
			t.Errorf("%s is an end, too: %+v", reason, a)
		}
	}
}
