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
