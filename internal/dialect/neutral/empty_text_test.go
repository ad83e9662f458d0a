package neutral_test

import (
	"strings"
	"testing"
)

// A text that says nothing does not reach a caller of the Messages API, which would send it back and be refused: "text
// content blocks must be non-empty".
func TestEmptyTextIsLeftOut(t *testing.T) {
	const output = `{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"","annotations":[]}]}`
	const call = `{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"}`
	answer := parties[0].hears(t, parties[2], []byte(`{"id":"resp_1","object":"response","status":"completed","model":"m","output":[`+output+`,`+call+`]}`))
	if s := string(answer); strings.Contains(s, `"text"`) || !strings.Contains(s, `"tool_use"`) {
		t.Errorf("the answer is %s", s)
	}
	stream := item(0, "output_item.added", `"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}`) +
		item(0, "content_part.added", `"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}`) +
		item(0, "output_text.delta", `"content_index":0,"delta":""`) +
		item(0, "output_text.done", `"content_index":0,"text":""`) +
		item(0, "content_part.done", `"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}`) +
		item(0, "output_item.done", `"item":`+output) +
		callItem(1, "added", "f", "") + argsDelta(1, "{}") + callItem(1, "done", "f", "{}") +
		"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n"
	if s := string(parties[0].follows(t, parties[2], []byte(stream))); strings.Contains(s, `"type":"text"`) || !strings.Contains(s, `"index":0,"content_block":{"type":"tool_use"`) {
		t.Errorf("the stream is %s", s)
	}
}
