package gateway

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
)

// A call that is too long to be put into the caller's dialect ends in the caller's own error event, never in half of the call and
// a clean end.
func TestTranslatedCallTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		begin := `event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"patch","input":{}}}` + "\n\n"
		piece := `event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"` + strings.Repeat("x", 1<<18) + `"}}` + "\n\n"
		r.on("a", stream(io.EOF, part{0, msgStart + begin + strings.Repeat(piece, neutral.MaxKept>>18+1)}, part{0, txtStop + msgDelta + msgStop}))
		g := r.send(`{"model":"claude-x","stream":true,"tools":[{"type":"custom","custom":{"name":"patch"}}],"messages":[{"role":"user","content":"hi"}]}`)
		if s := g.text(); !strings.Contains(s, `data: {"error":{`) || strings.Contains(s, "xxx") || strings.Contains(s, "[DONE]") {
			t.Errorf("%d bytes: %.2000s", len(s), s)
		}
	})
}

// Calls whose deltas come in turns reach a caller of the Messages API whole, one block after the other.
func TestTranslatedCallsInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.platform = "openai-compatible" })
		chunk := func(call string) string {
			return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[` + call + `]},"finish_reason":null}]}` + "\n\n"
		}
		r.on("a", stream(io.EOF, part{0, chunk(`{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}`) +
			chunk(`{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":""}}`) +
			chunk(`{"index":0,"function":{"arguments":"{\"a\":1}"}}`) + chunk(`{"index":1,"function":{"arguments":"{\"b\":2}"}}`) +
			`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"}))
		text := r.send(`{"model":"gpt-x","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"hi"}]}`).text()
		at := 0
		for _, want := range []string{`"index":0,"content_block":{"type":"tool_use"`, `"partial_json":"{\"a\":1}"`, `content_block_stop","index":0`,
			`"index":1,"content_block":{"type":"tool_use"`, `"partial_json":"{\"b\":2}"`, `content_block_stop","index":1`, `"stop_reason":"tool_use"`, "message_stop"} {
			i := strings.Index(text[at:], want)
			if i < 0 {
				t.Fatalf("%s is missing behind what stands before it:\n%s", want, text)
			}
			at += i
		}
	})
}

// A caller that asks with functions is answered with function_call before an account of another dialect, too.
func TestTranslatedFunctionCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		begin := `event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}` + "\n\n"
		piece := `event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}` + "\n\n"
		r.on("a", stream(io.EOF, part{0, msgStart + begin + piece + txtStop + strings.Replace(msgDelta, "end_turn", "tool_use", 1) + msgStop}))
		text := r.send(`{"model":"claude-x","stream":true,"functions":[{"name":"f","parameters":{"type":"object"}}],"messages":[{"role":"user","content":"hi"}]}`).text()
		for _, want := range []string{`"function_call":{"name":"f","arguments":""}`, `"function_call":{"arguments":"{\"a\":1}"}`, `"finish_reason":"function_call"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is missing:\n%s", want, text)
			}
		}
		if strings.Contains(text, "tool_calls") {
			t.Error(text)
		}
	})
}
