package neutral_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
)

// A call that is too long to be held ends the stream with an error, in each dialect that shows calls whole.
func TestCallTooLongIsAnError(t *testing.T) {
	custom := &neutral.Request{Tools: []neutral.Tool{{Name: "f", Custom: true}}}
	for name, c := range map[string]struct {
		enc    neutral.Encoder
		custom bool
	}{
		"gemini":                    {gemini.Dialect{}.NewEncoder(&neutral.Session{}), false},
		"a custom tool's function":  {openai.Dialect{}.NewEncoder(&neutral.Session{Request: custom}), false},
		"anthropic, custom's input": {parties[0].NewEncoder(&neutral.Session{}), true},
	} {
		t.Run(name, func(t *testing.T) {
			piece := neutral.Quote(strings.Repeat("x", 1<<20))
			out := c.enc.Append(nil, &neutral.Event{Kind: neutral.Started})
			out = c.enc.Append(out, &neutral.Event{Kind: neutral.Opened, Block: &neutral.Block{Kind: neutral.KindToolUse, ID: "a", Name: "f", Custom: c.custom}})
			out = c.enc.Append(out, &neutral.Event{Kind: neutral.Added, Text: []byte(`"{\"a\":\""`)})
			for range neutral.MaxKept >> 20 {
				if err := neutral.Failure(c.enc); err != nil {
					t.Fatalf("too early: %v", err)
				}
				out = c.enc.Append(out, &neutral.Event{Kind: neutral.Added, Text: piece})
			}
			if err := neutral.Failure(c.enc); !errors.Is(err, neutral.ErrKept) {
				t.Errorf("the error is %v", err)
			}
			if bytes.Contains(out, []byte("xxx")) {
				t.Error("half of the call is written")
			}
		})
	}
}
