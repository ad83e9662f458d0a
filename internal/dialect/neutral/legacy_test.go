package neutral_test

import (
	"fmt"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
)

// A caller of Chat Completions that asks with functions knows no tool_calls: whatever dialect the account speaks, it is answered
// with one function_call, whole and in deltas.
func TestLegacyFunctionsAreAnsweredInKind(t *testing.T) {
	const body = `{"model":"m","stream":%v,"function_call":"auto","functions":[{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}],
		"messages":[{"role":"user","content":"How is it in Ulm?"},{"role":"assistant","content":null,"function_call":{"name":"weather","arguments":"{}"}},{"role":"function","name":"weather","content":"where?"}]}`
	answer := &neutral.Answer{ID: "x", Finish: neutral.FinishTool, Blocks: []neutral.Block{
		{Text: "I look."},
		{Kind: neutral.KindToolUse, ID: "call_1", Name: "weather", Args: []byte(`{"city":"Ulm"}`)},
		{Kind: neutral.KindToolUse, ID: "call_2", Name: "weather", Args: []byte(`{"city":"Bonn"}`)},
	}}
	chat := parties[1]
	r, err := chat.DecodeRequest(fmt.Appendf(nil, body, true), dialect.Route{})
	if err != nil {
		t.Fatal(err)
	}
	s := &neutral.Session{Request: r, RequestID: "01", Model: "m", Now: 1}
	for _, from := range parties {
		if from.ID() == chat.ID() {
			continue
		}
		t.Run(from.ID().String(), func(t *testing.T) {
			n := neutral.NewNotes(from.ID(), from.Table())
			asked := string(from.EncodeRequest(r, n))
			if n.Err() != nil || !strings.Contains(asked, "weather") {
				t.Fatalf("%v: %s", n.Err(), asked)
			}
			theirs := &neutral.Session{RequestID: "01", Model: "m", Now: 1}
			a, err := from.DecodeAnswer(from.EncodeAnswer(answer, theirs))
			if err != nil {
				t.Fatal(err)
			}
			whole := string(chat.EncodeAnswer(a, s))
			if !strings.Contains(whole, `"function_call":{"name":"weather","arguments":"{\"city\":\"Ulm\"}"}`) ||
				!strings.Contains(whole, `"finish_reason":"function_call"`) || strings.Contains(whole, "tool_calls") || strings.Contains(whole, "Bonn") {
				t.Errorf("the answer is %s", whole)
			}
			d, e := from.NewDecoder(), chat.NewEncoder(s)
			var out []byte
			take := func(ev *neutral.Event) { out = e.Append(out, ev) }
			events, err := neutraltest.Split(neutraltest.Encode(from.NewEncoder(theirs), answer))
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range events {
				if err := d.Event(raw, take); err != nil {
					t.Fatal(err)
				}
			}
			d.Close(take)
			stream := string(out)
			if !strings.Contains(stream, `"delta":{"function_call":{"name":"weather","arguments":""}}`) || !strings.Contains(stream, `"delta":{"function_call":{"arguments":"`) ||
				!strings.Contains(stream, `"finish_reason":"function_call"`) || strings.Contains(stream, "tool_calls") || strings.Contains(stream, "Bonn") {
				t.Errorf("the stream is %s", stream)
			}
			_, back, err := neutraltest.Decode(chat.NewDecoder(), out)
			if err != nil {
				t.Fatal(err)
			}
			if last := back.Blocks[len(back.Blocks)-1]; string(last.Args) != `{"city":"Ulm"}` {
				t.Errorf("the caller reads %s", neutraltest.DumpAnswer(back))
			}
		})
	}
}
