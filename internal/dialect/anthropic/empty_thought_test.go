package anthropic

import (
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
)

// Reasoning of which an upstream gives neither words nor a signature (a Responses item with an empty summary) is no
// block for the caller.
func TestEmptyThought(t *testing.T) {
	s := &neutral.Session{RequestID: "r", Model: "m"}
	for _, thought := range []neutral.Block{{Kind: neutral.KindReasoning}, {Kind: neutral.KindReasoning, Redacted: true}} {
		a := &neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{thought, {Kind: neutral.KindText, Text: "Hi"}}}
		if out := string(Dialect{}.EncodeAnswer(a, s)); strings.Contains(out, "thinking") || !strings.Contains(out, `"content":[{"type":"text"`) {
			t.Errorf("answer: %s", out)
		}
		e := Dialect{}.NewEncoder(s)
		var out []byte
		neutral.Replay(a, func(ev *neutral.Event) { out = e.Append(out, ev) })
		if out := string(out); strings.Contains(out, "thinking") || !strings.Contains(out, `"index":0,"content_block":{"type":"text"`) {
			t.Errorf("stream: %s", out)
		}
	}
	for name, thought := range map[string]neutral.Block{
		"words":     {Kind: neutral.KindReasoning, Origin: own, Text: "hm"},
		"signature": {Kind: neutral.KindReasoning, Origin: own, Signature: "s"},
	} {
		e := Dialect{}.NewEncoder(s)
		var out []byte
		neutral.Replay(&neutral.Answer{Blocks: []neutral.Block{thought}}, func(ev *neutral.Event) { out = e.Append(out, ev) })
		if strings.Count(string(out), emptyThinking) != 1 {
			t.Errorf("%s alone: %s", name, out)
		}
	}
}
