package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
)

// A caller of Gemini's array streams gets an array, or an error, whatever an upstream of its own dialect makes of the
// question for a stream.
func TestArrayOfPlainJSON(t *testing.T) {
	const whole = `{"candidates":[{"content":{"parts":[{"text":"hi\n\nthere"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}`
	const event = "data: " + whole + "\r\n\r\n"
	refused := `{"error":{"code":400,"message":"no such thing","status":"INVALID_ARGUMENT"}}`
	large := strings.Replace(whole, "there", strings.Repeat("long ", 1<<10), 1)
	for _, c := range []struct {
		name   string
		reply  reply
		status int
		want   string // of the array's elements; empty: the error
	}{
		{"a stream", stream(io.EOF, part{0, event}), 200, whole},
		{"an object", status(200, whole), 200, whole},
		{"an object in lines", status(200, "\n "+strings.Replace(whole, `,"usage`, ",\n\n\"usage", 1)), 200, whole},
		{"an array", status(200, "["+whole+"]"), 200, whole},
		{"an object, late", after(20*time.Second, status(200, whole)), 200, whole},
		{"an array, late", after(20*time.Second, status(200, "["+whole+"]")), 200, whole},
		{"too large to be held", status(200, large), 200, large},
		{"an error", status(200, refused), 400, ""},
		{"an error in an array", status(200, "["+refused+"]"), 400, ""},
		{"an error, late", after(20*time.Second, status(200, refused)), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}), func(rc *rigConfig) { rc.platform, rc.keepAlive = "gemini", 10*time.Second })
				r.g.Snapshot().Settings.MaxAnswer = 4 << 10
				r.on("a", c.reply)
				req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`))
				req.Header.Set("X-Goog-Api-Key", testKey)
				w := httptest.NewRecorder()
				r.g.Serve(w, req, &Call{Dialect: r.d, At: dialect.Route{Model: "m", Stream: true, Array: true, Version: "v1beta", Verb: "streamGenerateContent"}})
				if n := w.Header().Get("Content-Length"); n != "" && n != strconv.Itoa(w.Body.Len()) {
					t.Errorf("Content-Length %s of %d bytes", n, w.Body.Len())
				}
				if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
					t.Errorf("%d %v", w.Code, w.Header())
				}
				if c.status != 200 {
					var e struct{ Error struct{ Message string } }
					if err := json.Unmarshal([]byte(strings.Trim(w.Body.String(), "[]")), &e); err != nil || e.Error.Message != "no such thing" {
						t.Errorf("%v: %s", err, w.Body)
					}
					return
				}
				var list []json.RawMessage
				if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 1 {
					t.Fatalf("%v: %.200s", err, w.Body)
				}
				if c.want == "" {
					if !strings.Contains(string(list[0]), `"error"`) {
						t.Errorf("%s", list[0])
					}
				} else if got := strings.ReplaceAll(string(list[0]), "\n", ""); got != c.want {
					t.Errorf("got %.300s", got)
				}
			})
		})
	}
}
