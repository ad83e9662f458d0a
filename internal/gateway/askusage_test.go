package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// A strict upstream refuses the stream_options that Turnout adds to learn the usage. The
// caller, who never sent it, once got the blame and no answer.
func TestUpstreamWithoutStreamOptions(t *testing.T) {
	chunks := `data: {"id":"c","choices":[{"index":0,"delta":{"content":"fine"}}]}` + "\n\n" + `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	const unknown = `{"error":{"message":"stream_options: Extra inputs are not permitted","type":"invalid_request_error"}}`
	strict := func(ctx context.Context, c *call) (*response, error) {
		body, _ := c.Body()
		raw, _ := io.ReadAll(body)
		if strings.Contains(string(raw), "stream_options") {
			return status(http.StatusUnprocessableEntity, unknown)(ctx, c)
		}
		return stream(io.EOF, part{0, chunks})(ctx, c)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], openAI)
		r.on("a", strict)
		for i, want := range []int{2, 1, 1} {
			r.attempts = nil
			if g := r.send(chatAsk); g.Code != 200 || !strings.Contains(g.text(), "fine") || len(r.attempts) != want || r.last().Attempts != 1 {
				t.Errorf("request %d: status %d, %d upstream requests, want %d: %s", i, g.Code, len(r.attempts), want, g.text())
			}
		}
		// A caller that asks for it itself hears what the provider says.
		if g := r.send(strings.Replace(chatAsk, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)); g.Code != http.StatusUnprocessableEntity {
			t.Errorf("status %d: %s", g.Code, g.text())
		}
	})
	// An error that only mentions it, perhaps because the prompt does, changes nothing for others.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1], openAI)
		r.on("a", status(http.StatusBadRequest, `{"error":{"message":"Invalid prompt: stream_options","type":"invalid_request_error"}}`))
		if g := r.send(chatAsk); g.Code != http.StatusBadRequest {
			t.Errorf("status %d", g.Code)
		}
		r.on("a", stream(io.EOF, part{0, chunks}))
		r.attempts = nil
		r.send(strings.Replace(chatAsk, "hi", "again", 1))
		if !strings.Contains(r.attempts[0].body, "stream_options") {
			t.Error("the account is no longer asked for its usage")
		}
	})
}
