package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

func as(d dialect.Dialect) rigOption { return func(c *rigConfig) { c.d = d } }

const chatWhole = `{"model":"claude-x","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"}],"seed":7}`

// A request of another dialect is translated, and so is its answer: model, words, usage, and what
// could not be said.
func TestTranslatedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", models: domain.ModelMap{"claude-x": "claude-y"}}}, as(openai.Dialect{}))
		r.on("a", jsonOK("good morning"))
		g := r.send(chatWhole, withHeader("Openai-Beta", "x"), withHeader("X-Stainless-Lang", "js"), withHeader("User-Agent", "me"))
		var a struct {
			Object  string
			Model   string
			Choices []struct {
				Message struct{ Content string }
				Finish  string `json:"finish_reason"`
			}
			Usage struct {
				Prompt     int `json:"prompt_tokens"`
				Completion int `json:"completion_tokens"`
			}
		}
		if err := json.Unmarshal(g.Body.Bytes(), &a); err != nil || g.Code != 200 || g.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%d %v %s: %v", g.Code, g.Header(), g.text(), err)
		}
		if a.Object != "chat.completion" || a.Model != "claude-y" || len(a.Choices) != 1 || a.Choices[0].Message.Content != "good morning" || a.Choices[0].Finish != "stop" ||
			a.Usage.Prompt != 10 || a.Usage.Completion != 5 {
			t.Errorf("%s", g.text())
		}
		if w := strings.Join(g.Header()[warningHeader], "\n"); !strings.Contains(w, "dropped seed") || !strings.Contains(w, "adapted max") {
			t.Errorf("warnings: %q", w)
		}
		up := r.attempts[0]
		if up.url != "http://upstream.invalid/v1/messages" || !strings.Contains(up.body, `"model":"claude-y"`) || !strings.Contains(up.body, "be kind") {
			t.Errorf("asked %s: %s", up.url, up.body)
		}
		if h := up.header; h.Get("Anthropic-Version") != "2023-06-01" || h.Get("Openai-Beta") != "" || h.Get("X-Stainless-Lang") != "" || h.Get("User-Agent") != "me" || h.Get("Content-Type") != "application/json" {
			t.Errorf("upstream header %v", h)
		}
		if u := r.last().Usage; u.Input != 10 || u.Output != 5 {
			t.Errorf("recorded %+v", u)
		}
	})
}

// A stream is translated event by event: what has arrived is out before more comes.
func TestTranslatedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart + delta("one ")}, part{3 * time.Second, delta("two")}, part{time.Second, txtStop + msgDelta + msgStop}))
		s := &stamped{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"model":"claude-x","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("X-Api-Key", testKey)
		r.g.Handler(Call{Dialect: r.d}).ServeHTTP(s, req)
		text := s.Body.String()
		for _, want := range []string{`"content":"one "`, `"content":"two"`, `"finish_reason":"stop"`, `"prompt_tokens":2010`, "data: [DONE]\n\n"} {
			if strings.Count(text, want) != 1 {
				t.Errorf("%s stands %d times in\n%s", want, strings.Count(text, want), text)
			}
		}
		if ct := s.Header().Get("Content-Type"); ct != eventStream {
			t.Errorf("content type %q", ct)
		}
		if u := r.last().Usage; u.Output != 7 || u.CacheWrite5m != 2000 {
			t.Errorf("recorded %+v", u)
		}
		var when []string
		for _, w := range s.wrote {
			if at, _, _ := strings.Cut(w, " "); len(when) == 0 || when[len(when)-1] != at {
				when = append(when, at)
			}
		}
		if strings.Join(when, " ") != "0s 3s 4s" {
			t.Errorf("written at %q", s.wrote)
		}
	})
}

// What fails before the first content is carried over to an account of yet another dialect.
func TestFailOverAcrossDialects(t *testing.T) {
	for _, first := range []struct {
		name   string
		answer reply
	}{
		{"503", fail503}, {"an error event", stream(io.EOF, part{0, msgStart + errEvent})}, {"cut before content", stream(io.ErrUnexpectedEOF, part{0, msgStart})},
	} {
		t.Run(first.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", platform: "openai-compatible", priority: 1}}, as(responses.Dialect{}))
				r.on("a", first.answer)
				r.on("b", stream(io.EOF, part{0, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hello"},"finish_reason":null}]}` + "\n\n" +
					`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
					`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\ndata: [DONE]\n\n"}))
				g := r.send(`{"model":"m","stream":true,"store":false,"input":"hi"}`)
				if !strings.Contains(g.text(), `"type":"response.completed"`) || !strings.Contains(g.text(), `"delta":"hello"`) || strings.Contains(g.text(), "msg_1") {
					t.Errorf("%s", g.text())
				}
				if r.last().Account != 2 || r.last().Outcome != OutcomeServed || r.last().Usage.Output != 2 {
					t.Errorf("%+v", r.last())
				}
			})
		})
	}
}

// What breaks after content ends in the caller's own error event, never in a clean end.
func TestTranslatedStreamBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		r.on("a", stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("half")}))
		g := r.send(chatAsk)
		if !strings.Contains(g.text(), `"content":"half"`) || strings.Contains(g.text(), "[DONE]") || !strings.Contains(g.text(), `data: {"error":{`) {
			t.Errorf("%s", g.text())
		}
	})
}

// A request that one account's dialect cannot express goes to another one's; where there is none, the caller
// gets a 400 that names the member, and nobody was asked.
func TestUnspeakable(t *testing.T) {
	const two = `{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}`
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "g", platform: "gemini"}}, as(openai.Dialect{}))
		g := r.send(two)
		if g.Code != 400 || !strings.Contains(g.text(), `"param":"n"`) || !strings.Contains(g.text(), "unsupported_by_target") || len(r.attempts) != 0 {
			t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "o", platform: "openai-compatible", priority: 5}}, as(openai.Dialect{}))
		r.on("o", status(200, `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`))
		if g := r.send(two); g.Code != 200 || r.names() != "o" {
			t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		if g := r.send(`{"model":"m","messages":[{"role":"user","content":tru}]}`); g.Code != 400 || !strings.Contains(g.text(), "not valid JSON") {
			t.Errorf("%d %s", g.Code, g.text())
		}
	})
}

// Of accounts of one priority those come first that speak the caller's dialect.
func TestNativeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "o", platform: "openai-compatible"}, {name: "a"}})
		r.on("a", jsonOK("x"))
		for range 5 {
			r.send(askJSON)
		}
		if r.names() != "a a a a a" {
			t.Errorf("asked %s", r.names())
		}
	})
}

// An upstream's own words on what only the caller can mend come in the caller's shape.
func TestTranslatedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		r.on("a", status(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`))
		g := r.send(chatWhole)
		if g.Code != 400 || !strings.Contains(g.text(), "prompt is too long: 210000 tokens") || !strings.Contains(g.text(), `"code":"context_length_exceeded"`) || len(r.attempts) != 1 {
			t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
		}
	})
}

// A tool whose name is too long for the account's dialect goes by another one there, and the caller hears its own.
func TestTranslatedNames(t *testing.T) {
	long := "mcp__" + strings.Repeat("server", 10) + "__look"
	body := `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"` + long + `","input_schema":{"type":"object"}}]`
	for _, streamed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "o", platform: "openai-compatible"}})
			sent := func(call *upstream.Call) string {
				rc, _ := call.Body()
				b, _ := io.ReadAll(rc)
				var q struct {
					Tools []struct{ Function struct{ Name string } }
				}
				if err := json.Unmarshal(b, &q); err != nil || len(q.Tools) != 1 {
					t.Fatalf("%s: %v", b, err)
				}
				return q.Tools[0].Function.Name
			}
			r.on("o", func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
				name := sent(call)
				if len(name) > 64 {
					t.Errorf("sent %q", name)
				}
				use := `"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"` + name + `","arguments":"{}"}}]`
				if streamed {
					return stream(io.EOF, part{0, `data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant",` + use + `},"finish_reason":null}]}` + "\n\n" +
						`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"})(ctx, call)
				}
				return answer200("application/json", `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,`+use+`},"finish_reason":"tool_calls"}]}`), nil
			})
			ask := body + "}"
			if streamed {
				ask = body + `,"stream":true}`
			}
			if g := r.send(ask); strings.Count(g.text(), `"name":"`+long+`"`) != 1 {
				t.Errorf("%s", g.text())
			}
		})
	}
}

// A caller that wants a stream gets one from an upstream that answers JSON.
func TestJSONBecomesStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, as(openai.Dialect{}))
		r.on("a", jsonOK("hello"))
		g := r.send(chatAsk)
		if g.Header().Get("Content-Type") != eventStream || !strings.Contains(g.text(), `"content":"hello"`) || !strings.HasSuffix(g.text(), "data: [DONE]\n\n") {
			t.Errorf("%v %s", g.Header(), g.text())
		}
	})
}

// Gemini's streams without alt=sse are one JSON array, also where signs of life and errors come in between.
func TestGeminiArray(t *testing.T) {
	chunk := func(text, finish string) string {
		return `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"` + text + `"}]}` + finish + `}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"totalTokenCount":6}}` + "\r\n\r\n"
	}
	ask := func(r *rig) (*httptest.ResponseRecorder, []map[string]any) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/v1beta/models/m:streamGenerateContent", strings.NewReader(`{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`))
		req.Header.Set("X-Goog-Api-Key", testKey)
		w := httptest.NewRecorder()
		r.g.Serve(w, req, &Call{Dialect: r.d, At: dialect.Route{Model: "m", Stream: true, Array: true, Version: "v1beta", Verb: "streamGenerateContent"}})
		var parts []map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &parts); err != nil {
			t.Errorf("no array: %v\n%s", err, w.Body.String())
		}
		if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
			t.Errorf("content type %q", ct)
		}
		return w, parts
	}
	for _, c := range []struct {
		name  string
		reply reply
		parts int
		last  string // a member of the last element
	}{
		{"whole", stream(io.EOF, part{0, chunk("one", "")}, part{20 * time.Second, chunk("two", `,"finishReason":"STOP"`)}), 2, "candidates"},
		{"broken", stream(io.ErrUnexpectedEOF, part{0, chunk("one", "")}), 2, "error"},
		{"late", stream(io.EOF, part{20 * time.Second, chunk("one", `,"finishReason":"STOP"`)}), 1, "candidates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "g", platform: "gemini"}}, as(gemini.Dialect{}), func(c *rigConfig) { c.keepAlive = 10 * time.Second })
				r.on("g", c.reply)
				w, parts := ask(r)
				if len(parts) != c.parts || parts[len(parts)-1][c.last] == nil {
					t.Errorf("%s", w.Body.String())
				}
				if url := r.attempts[0].url; url != "http://upstream.invalid/v1beta/models/m:streamGenerateContent?alt=sse" {
					t.Errorf("asked %s", url)
				}
			})
		})
	}
	t.Run("from another dialect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}))
			r.on("a", whole("hello"))
			if w, parts := ask(r); len(parts) < 2 || !strings.Contains(w.Body.String(), `"text":"hello"`) {
				t.Errorf("%s", w.Body.String())
			}
		})
	})
}
