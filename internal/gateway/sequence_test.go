package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/responses"
)

// The numbers of a Responses stream ascend by one for the caller: past signs of life, whoever gives them, and to
// the error that ends it.
func TestSequenceNumbers(t *testing.T) {
	n := 0
	event := func(typ, members string) string {
		n++
		return fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d%s}\n\n", typ, typ, n-1, members)
	}
	const item = `,"output_index":0,"item":{"type":"message","id":"msg_1"}`
	begin := func() string {
		n = 0
		return event("response.created", `,"response":{"id":"resp_1","status":"in_progress"}`) + event("response.in_progress", "")
	}
	said := func() string {
		return event("response.output_item.added", item) + event("response.output_text.delta", `,"delta":"one"`) + event("response.output_text.delta", `,"delta":"two"`) + event("response.output_text.delta", `,"delta":"three"`)
	}
	refused := func() string {
		return event("response.failed", `,"response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"x"}}`)
	}
	for _, c := range []struct {
		name     string
		platform string
		reply    reply
		last     int // number of the last event
		keptOff  int // signs of life without a number
	}{
		{"cut", "openai", stream(io.ErrUnexpectedEOF, part{0, begin() + said()}), 7, 0},
		{"failed", "openai", stream(io.EOF, part{0, begin() + said() + refused()}), 7, 0},
		{"signs of life of the API's own", "openai", stream(io.ErrUnexpectedEOF, part{0, begin() + event("keepalive", "")}, part{time.Second, event("keepalive", "") + said()}, part{0, event("keepalive", "")}), 10, 0},
		{"signs of life of Turnout's", "openai", stream(io.ErrUnexpectedEOF, part{0, begin()}, part{20 * time.Second, said()}, part{20 * time.Second, event("response.output_text.delta", `,"delta":"four"`)}), 8, 2},
		{"translated", "anthropic", stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("one ")}, part{20 * time.Second, delta("two")}), 7, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, as(responses.Dialect{}), func(rc *rigConfig) {
					rc.platform, rc.keepAlive = c.platform, 15*time.Second
				})
				r.on("a", c.reply)
				req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"model":"m","stream":true,"store":false,"input":"hi"}`))
				req.Header.Set("Authorization", "Bearer "+testKey)
				req.Header.Set("User-Agent", "codex_exec/0.169.0")
				w := httptest.NewRecorder()
				r.g.Serve(w, req, &Call{Dialect: r.d})
				next, alive := 0, 0
				for rest := w.Body.Bytes(); len(rest) > 0; {
					size := dialect.EndOfEvent(rest)
					if size == 0 {
						t.Fatalf("half an event: %q", rest)
					}
					_, data := dialect.Fields(rest[:size])
					rest = rest[size:]
					var v struct {
						Type string
						Seq  *int `json:"sequence_number"`
					}
					if err := json.Unmarshal(data, &v); err != nil {
						t.Fatalf("%v in %q", err, data)
					}
					switch {
					case v.Seq == nil && v.Type == "keepalive":
						alive++
						continue
					case v.Seq == nil || *v.Seq != next:
						t.Errorf("event %d is %s", next, data)
					}
					next++
				}
				if next-1 != c.last || alive != c.keptOff || !strings.Contains(w.Body.String(), "response.failed") {
					t.Errorf("the last number is %d, %d signs of life\n%s", next-1, alive, w.Body)
				}
			})
		})
	}
}
