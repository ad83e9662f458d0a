package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// wire is a dialect as a caller asks in it and as a provider answers a plain text in it.
type wire struct {
	platform string
	d        dialect.Dialect
	call     Call
	ask      string
	// parts are a whole stream: before the text, one for each piece of it, after it.
	parts func(id string, words ...string) []string
	call_ string // a tool call, begun after two pieces of text
}

func data(name, payload string) string {
	if name == "" {
		return "data: " + payload + "\n\n"
	}
	return "event: " + name + "\ndata: " + payload + "\n\n"
}

var wires = map[string]*wire{
	"anthropic": {
		platform: "anthropic", d: anthropic.Dialect{}, ask: askStream,
		parts: func(id string, words ...string) []string {
			out := []string{strings.ReplaceAll(msgStart, "msg_1", "msg_"+id) + txtStart}
			for _, w := range words {
				out = append(out, delta(w))
			}
			return append(out, txtEnd)
		},
		call_: txtStop + data("content_block_start", `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`),
	},
	"chat": {
		platform: "openai-compatible", d: openai.Dialect{}, ask: `{"model":"claude-x","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`,
		parts: func(id string, words ...string) []string {
			chunk := func(rest string) string {
				return data("", `{"id":"up-`+id+`","object":"chat.completion.chunk","created":7,"model":"claude-x",`+rest+`}`)
			}
			out := []string{chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`)}
			for _, w := range words {
				out = append(out, chunk(`"choices":[{"index":0,"delta":{"content":"`+w+`"},"finish_reason":null}]`))
			}
			return append(out, chunk(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`)+
				chunk(`"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17}`)+data("", "[DONE]"))
		},
		call_: data("", `{"id":"up-1","object":"chat.completion.chunk","created":7,"model":"claude-x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}`),
	},
	"responses": {
		platform: "openai", d: responses.Dialect{}, ask: `{"model":"claude-x","stream":true,"store":false,"input":"hi"}`,
		parts: func(id string, words ...string) []string {
			n := 0
			ev := func(typ, members string) string {
				n++
				return data(typ, fmt.Sprintf(`{"type":%q,"sequence_number":%d%s}`, typ, n-1, members))
			}
			at := `,"item_id":"msg_` + id + `","output_index":0,"content_index":0`
			all := strings.Join(words, "")
			text := `{"type":"output_text","text":"` + all + `","annotations":[]}`
			item := `{"id":"msg_` + id + `","type":"message","role":"assistant","status":"completed","content":[` + text + `]}`
			out := []string{ev("response.created", `,"response":{"id":"resp_`+id+`","model":"claude-x","created_at":7,"status":"in_progress","output":[]}`) +
				ev("response.output_item.added", `,"output_index":0,"item":{"id":"msg_`+id+`","type":"message","role":"assistant","status":"in_progress","content":[]}`) +
				ev("response.content_part.added", at+`,"part":{"type":"output_text","text":"","annotations":[]}`)}
			for _, w := range words {
				out = append(out, ev("response.output_text.delta", at+`,"delta":"`+w+`"`))
			}
			return append(out, ev("response.output_text.done", at+`,"text":"`+all+`"`)+ev("response.content_part.done", at+`,"part":`+text)+
				ev("response.output_item.done", `,"output_index":0,"item":`+item)+
				ev("response.completed", `,"response":{"id":"resp_`+id+`","model":"claude-x","status":"completed","output":[`+item+`],"usage":{"input_tokens":10,"output_tokens":7,"total_tokens":17}}`))
		},
		call_: data("response.output_item.added", `{"type":"response.output_item.added","sequence_number":5,"output_index":1,"item":{"id":"fc_1","type":"function_call","call_id":"c","name":"f","arguments":""}}`),
	},
	"gemini": {
		platform: "gemini", d: gemini.Dialect{}, ask: `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
		call: Call{At: dialect.Route{Model: "claude-x", Stream: true, Version: "v1beta", Verb: "streamGenerateContent"}},
		parts: func(id string, words ...string) []string {
			chunk := func(text, rest string) string {
				return `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"` + text + `"}]},"index":0` + rest + `}],"modelVersion":"claude-x","responseId":"` + id + `"}` + "\r\n\r\n"
			}
			out := []string{""}
			for _, w := range words {
				out = append(out, chunk(w, ""))
			}
			last := strings.Replace(chunk("", `,"finishReason":"STOP"`), `"modelVersion"`, `"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":7,"totalTokenCount":17},"modelVersion"`, 1)
			return append(out, last)
		},
		call_: `data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},"index":0}],"modelVersion":"claude-x","responseId":"1"}` + "\r\n\r\n",
	},
}

// to is how the platform answers callers of a dialect: OpenAI's has two.
func (w *wire) to(caller *wire) *wire {
	if w.platform == "openai" && caller.d.ID() == domain.DialectOpenAIChat {
		return caller
	}
	return w
}

// says is a stream of words that goes on to its end; cut is one that ends after its first n words.
func (w *wire) says(id string, words ...string) reply {
	return w.cut(io.EOF, id, len(words)+2, words...)
}

func (w *wire) cut(end error, id string, n int, words ...string) reply {
	var parts []part
	for i, p := range w.parts(id, words...) {
		if i <= n && p != "" {
			parts = append(parts, part{100 * time.Millisecond, p})
		}
	}
	return stream(end, parts...)
}

// resuming gives the pool the option.
func resuming(r domain.Resume) rigOption {
	return func(c *rigConfig) {
		c.keepAlive = 15 * time.Second
		c.pool = func(p *PoolConfig) { p.Resume, p.Strategy = r, domain.LeastLoaded }
	}
}

func (r *rig) sendAs(w *wire, ask string, opts ...requestOption) (g got) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(ask))
	req.Header.Set("Authorization", "Bearer "+testKey)
	for _, o := range opts {
		o(req)
	}
	g, began := got{ResponseRecorder: httptest.NewRecorder()}, time.Now()
	c := w.call
	c.Dialect = w.d
	r.g.Handler(c).ServeHTTP(g, req)
	g.took = time.Since(began)
	return g
}

var idIn = regexp.MustCompile(`"(?:responseId|id)":"(up-|msg_|resp_|chatcmpl-)?([^"]*)"`)

// reads checks that a stream is one well-formed answer, and gives its text; empty: it is not whole.
func (w *wire) reads(t *testing.T, text string) string {
	t.Helper()
	reader, dec, g := w.d.NewReader(&dialect.Request{Stream: true}), w.d.(neutral.Codec).NewDecoder(), neutral.Gather{}
	take := func(ev *neutral.Event) { g.Add(ev, func(b []byte) string { s, _ := dialect.Unquote(b); return s }) }
	ids := map[string]bool{}
	next, ends := 0, 0
	for rest := []byte(text); len(rest) > 0; {
		size := dialect.EndOfEvent(rest)
		if size == 0 {
			t.Fatalf("half an event: %q", rest)
		}
		raw := rest[:size]
		rest = rest[size:]
		ev := reader.Event(raw)
		if ev.Kind == dialect.EventMalformed {
			t.Errorf("malformed: %q", raw)
		}
		_, data := dialect.Fields(raw)
		for _, m := range idIn.FindAllSubmatch(data, -1) {
			ids[string(m[1])+string(m[2])] = true
		}
		var v struct {
			Seq      *int `json:"sequence_number"`
			Response struct {
				Output []struct {
					Content []struct{ Text string }
				}
			}
		}
		if json.Unmarshal(data, &v) == nil && v.Seq != nil {
			if *v.Seq != next {
				t.Errorf("event %d has the number %d", next, *v.Seq)
			}
			next++
		}
		if ev.Kind == dialect.EventError {
			return ""
		}
		if ev.Kind == dialect.EventEnd {
			ends++
		}
		if err := dec.Event(raw, take); err != nil {
			t.Errorf("%v in %q", err, raw)
		}
		if o := v.Response.Output; ev.Kind == dialect.EventEnd && len(o) > 0 {
			if got := g.Answer.Blocks[0].Text; len(o) != 1 || o[0].Content[0].Text != got {
				t.Errorf("the end repeats %+v, the text was %q", o, got)
			}
		}
	}
	if !reader.Finished() {
		return ""
	}
	dec.Close(take)
	most := 1
	if w.d.ID() == domain.DialectOpenAIResp {
		most = 2 // the response's and the message's
	}
	if len(ids) > most || ends > 1 || len(g.Answer.Blocks) != 1 || g.Answer.Finish != neutral.FinishStop {
		t.Errorf("ids %v, %d ends, answer %+v\n%s", ids, ends, g.Answer, text)
	}
	return g.Answer.Blocks[0].Text
}

// An answer that breaks is repeated by another account and goes on behind what was sent, for callers of every dialect, whatever
// dialect the accounts speak: one stream, one id, the text once.
func TestResumeRepeats(t *testing.T) {
	words := []string{"one ", "two ", "three \\u00e9", " four"}
	for caller, w := range wires {
		for first, a := range wires {
			for second, b := range wires {
				t.Run(caller+" "+first+" "+second, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &eventObserver{}
						r := newRig(t, []account{{name: "a", platform: a.platform}, {name: "b", platform: b.platform, priority: 1}}, as(w.d), resuming(domain.ResumeRepeat), func(c *rigConfig) { c.observer = o })
						a, b := a.to(w), b.to(w)
						r.on("a", a.cut(io.ErrUnexpectedEOF, "1", 2, words...), status(503, errorJSON("api_error")))
						r.on("b", b.says("2", "on", "e two thr", "ee é four"))
						g := r.sendAs(w, w.ask)
						if text := w.reads(t, g.text()); text != "one two three é four" {
							t.Errorf("the caller read %q\n%s\n%s", text, g.text(), r.last().Trace)
						}
						rec := r.last()
						if rec.Outcome != OutcomeServed || rec.Account != 2 || o.of(EventResume) != "repeat" {
							t.Errorf("outcome %s by %d, %v", rec.Outcome, rec.Account, o.events)
						}
						if u := rec.Usage; u.Output != 7 || u != r.ledger.used || u.Prompt() != 10 && u.Prompt() != 2010 {
							t.Errorf("usage %+v, settled %+v", rec.Usage, r.ledger.used)
						}
						if rec.First > time.Second {
							t.Errorf("the first content came after %s", rec.First)
						}
						mustContain(t, "the trace", string(rec.Trace), `"e":"broken"`, `"rj":"repeat"`, `"e":"served"`)
					})
				})
			}
		}
	}
}

// Where the model is known to take an answer that was begun, it gets it and goes on.
func TestResumeContinues(t *testing.T) {
	const claude, deep = `"model":"claude-sonnet-4-5"`, `"model":"deepseek-chat"`
	for name, c := range map[string]struct {
		w        *wire
		model    string
		platform string
		base     string
		words    []string
		more     []string
		asks     string // what the second request ends with
		text     string
		usage    domain.Usage
	}{
		"anthropic": {
			w: wires["anthropic"], model: claude, words: []string{"one ", "two \\n"}, more: []string{" ", "three"}, asks: `,{"role":"assistant","content":"one two"}]}`,
			text: "one two \nthree", usage: domain.Usage{Input: 10, CacheWrite5m: 2000, Output: 9, Reported: true, Estimated: true},
		},
		"anthropic, no overlap": {
			w: wires["anthropic"], model: claude, words: []string{"on"}, more: []string{"e"}, asks: `,{"role":"assistant","content":"on"}]}`,
			text: "one", usage: domain.Usage{Input: 10, CacheWrite5m: 2000, Output: 8, Reported: true},
		},
		"prefix": {
			w: wires["chat"], model: deep, base: "https://api.deepseek.com/beta", words: []string{"one ", "two "}, more: []string{"three"},
			asks: `,{"role":"assistant","content":"one two ","prefix":true}]}`, text: "one two three", usage: domain.Usage{Input: 10, Output: 7, Reported: true},
		},
		"translated": {
			w: wires["responses"], model: claude, platform: "anthropic", words: []string{"one ", "two"}, more: []string{" three"},
			asks: `{"role":"assistant","content":"one two"}`, text: "one two three", usage: domain.Usage{Input: 10, CacheWrite5m: 2000, Output: 9, Reported: true, Estimated: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &eventObserver{}
				up := c.w
				if c.platform != "" {
					up = wires[c.platform]
				}
				r := newRig(t, []account{{name: "a", platform: up.platform, base: c.base}, {name: "b", platform: up.platform, base: c.base, priority: 1}}, as(c.w.d), resuming(domain.ResumeBoth), func(rc *rigConfig) { rc.observer = o })
				r.on("a", up.cut(io.ErrUnexpectedEOF, "1", len(c.words), c.words...), unsent)
				r.on("b", up.says("2", c.more...))
				g := r.sendAs(c.w, strings.Replace(c.w.ask, `"model":"claude-x"`, c.model, 1))
				if text := c.w.reads(t, g.text()); text != c.text {
					t.Errorf("the caller read %q\n%s\n%s", text, g.text(), r.last().Trace)
				}
				if last := r.attempts[len(r.attempts)-1]; last.account != "b" || !strings.Contains(last.body, c.asks) {
					t.Errorf("%s was asked %s", last.account, last.body)
				}
				if rec := r.last(); rec.Usage != c.usage || r.ledger.used != c.usage || o.of(EventResume) != "continue" {
					t.Errorf("usage %+v, settled %+v, %v", rec.Usage, r.ledger.used, o.events)
				}
				// The operator pays for one attempt without a connection, and for the broken one or for the prompt that was read twice.
				if l := r.ledger; l.costs != 2 || len(l.ends) != 1 || l.ends[0].Account.Name != "b" || l.ends[0].Interrupted {
					t.Errorf("%d costs, ends %+v, asked %s", l.costs, l.ends, r.asked())
				}
				mustContain(t, "the trace", string(r.last().Trace), `"rj":"continue"`)
			})
		})
	}
}

// What makes that an answer that broke is not gone on with: it ends in the protocol's error event, and the account that
// broke is all that was asked, or the second one says something else, or fails too.
func TestResumeOrNot(t *testing.T) {
	w := wires["anthropic"]
	cut := w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two")
	signed := stream(io.ErrUnexpectedEOF, part{0, msgStart + thkStart + strings.ReplaceAll(delta("hm"), "text", "thinking") +
		data("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}`) + txtStop +
		strings.ReplaceAll(txtStart+delta("one"), `"index":0`, `"index":1`)})
	cited := stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("one") + data("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"x","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1}}}`)})
	called := stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("one") + w.call_})
	long := stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + strings.Repeat(delta(strings.Repeat("x", 1<<12)), 300)})
	for name, c := range map[string]struct {
		resume domain.Resume
		a, b   reply
		ask    string
		names  string // who was asked
		event  string
		whole  bool
	}{
		"off":                                {0, cut, w.says("2", "one two three"), askStream, "a", "", false},
		"cut":                                {domain.ResumeRepeat, cut, w.says("2", "one two three"), askStream, "a b", "repeat", true},
		"stall":                              {domain.ResumeRepeat, w.cutAfter(forever, 2, "one ", "two"), w.says("2", "one two three"), askStream, "a b", "repeat", true},
		"error event":                        {domain.ResumeRepeat, w.then(errEvent, "one ", "two"), w.says("2", "one two three"), askStream, "a b", "repeat", true},
		"not JSON":                           {domain.ResumeRepeat, w.then("event: content_block_delta\ndata: {\"type\":\n\n"+txtEnd, "one ", "two"), w.says("2", "one two three"), askStream, "a b", "repeat", true},
		"no finish reason":                   {domain.ResumeRepeat, w.then(msgStop, "one ", "two"), w.says("2", "one two three"), askStream, "a b", "repeat", true},
		"the end of the text, and no more":   {domain.ResumeRepeat, w.then(txtStop, "one ", "two three"), w.says("2", "one ", "two three"), askStream, "a b", "repeat", true},
		"the end of the text, which is none": {domain.ResumeRepeat, w.then(txtStop, "one ", "two"), w.says("2", "one ", "two three"), askStream, "a b", "differs", false},
		"the end of the text, and a call":    {domain.ResumeRepeat, w.then(w.call_, "one ", "two"), w.says("2", "one ", "two"), askStream, "a", "", false},
		"the same and no more":               {domain.ResumeRepeat, cut, w.says("2", "one ", "two"), askStream, "a b", "repeat", true},
		"differs at once":                    {domain.ResumeRepeat, cut, w.says("2", "One two three"), askStream, "a b", "differs", false},
		"differs late":                       {domain.ResumeRepeat, cut, w.says("2", "one twO three"), askStream, "a b", "differs", false},
		"shorter":                            {domain.ResumeRepeat, cut, w.says("2", "one"), askStream, "a b", "differs", false},
		"a call instead":                     {domain.ResumeRepeat, cut, stream(io.EOF, part{0, msgStart + strings.ReplaceAll(strings.TrimPrefix(w.call_, txtStop), `"index":1`, `"index":0`) + txtEnd}), askStream, "a b", "differs", false},
		"the second fails":                   {domain.ResumeRepeat, cut, fail503, askStream, "a b b", "failed", false},
		"the second is cut":                  {domain.ResumeRepeat, cut, w.cut(io.ErrUnexpectedEOF, "2", 1, "one "), askStream, "a b b", "failed", false},
		"the second is cut later":            {domain.ResumeRepeat, cut, w.cut(io.ErrUnexpectedEOF, "2", 2, "one two", " three"), askStream, "a b", "repeat", false},
		"the second gives no stream":         {domain.ResumeRepeat, cut, jsonOK("one two three"), askStream, "a b b", "failed", false},
		"the second falls silent":            {domain.ResumeRepeat, cut, w.cutAfter(forever, 1, "one "), askStream, "a b", "failed", false},
		"refused":                            {domain.ResumeRepeat, cut, status(400, errorJSON("invalid_request_error")), askStream, "a b", "failed", false},
		"signed thinking":                    {domain.ResumeRepeat, signed, w.says("2", "one two"), askStream, "a", "", false},
		"citations":                          {domain.ResumeRepeat, cited, w.says("2", "one two"), askStream, "a", "", false},
		"a tool call":                        {domain.ResumeRepeat, called, w.says("2", "one two"), askStream, "a", "", false},
		"too long":                           {domain.ResumeRepeat, long, w.says("2", "one two"), askStream, "a", "", false},
		"nobody is known to continue":        {domain.ResumeContinue, cut, w.says("2", "one two three"), askStream, "a", "failed", false},
		"with thinking":                      {domain.ResumeContinue, cut, w.says("2", "x"), `{"model":"claude-sonnet-4-5","max_tokens":9999,"thinking":{"type":"enabled","budget_tokens":1024},"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "a", "failed", false},
		"begun by the caller":                {domain.ResumeContinue, cut, w.says("2", "x"), `{"model":"claude-sonnet-4-5","max_tokens":9999,"stream":true,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]}`, "a", "failed", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &eventObserver{}
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, resuming(c.resume), func(rc *rigConfig) { rc.observer = o })
				r.on("a", c.a, unsent)
				r.on("b", c.b)
				g := r.sendAs(w, c.ask)
				names := strings.ReplaceAll(r.names(), "a a", "a") // a momentary fault is tried once more there
				if names != c.names || o.of(EventResume) != c.event {
					t.Errorf("asked %s (want %s), event %q (want %q)\n%s", r.asked(), c.names, o.of(EventResume), c.event, r.last().Trace)
				}
				if c.whole {
					if text := w.reads(t, g.text()); text != "one two three" && name != "the same and no more" || text == "" {
						t.Errorf("the caller read %q\n%s", text, g.text())
					}
					return
				}
				mustContain(t, "the stream", g.text(), "event: error", "not whole")
				mustLack(t, "the stream", g.text(), "message_stop")
				if rec := r.last(); rec.Outcome != OutcomeBroken || strings.Count(g.text(), "event: error") != 1 {
					t.Errorf("%s: %s", rec.Outcome, g.text())
				}
				if text := r.textOf(g.text()); c.event != "repeat" && c.event != "" && text != "one two" {
					t.Errorf("the caller read %q", text)
				}
			})
		})
	}
}

// then is a stream that says something else after its words.
func (w *wire) then(last string, words ...string) reply {
	parts := w.parts("1", words...)
	return stream(io.EOF, part{0, strings.Join(parts[:len(words)+1], "")}, part{time.Second, last})
}

// cutAfter is a stream that falls silent.
func (w *wire) cutAfter(silence time.Duration, n int, words ...string) reply {
	return stream(io.EOF, part{0, strings.Join(w.parts("1", words...)[:n+1], "")}, part{silence, ""})
}

// A tool call in flight is never gone on with, in any dialect.
func TestResumeNeverWithCalls(t *testing.T) {
	for name, w := range wires {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
				r.on("a", stream(io.ErrUnexpectedEOF, part{0, strings.Join(w.parts("1", "one ", "two")[:3], "")}, part{time.Second, w.call_}))
				r.on("b", w.says("2", "one two"))
				g := r.sendAs(w, w.ask)
				if text := w.reads(t, g.text()); text != "" || r.names() != "a" {
					t.Errorf("read %q, asked %s", text, r.asked())
				}
			})
		})
	}
}

// While the second attempt repeats, the caller gets signs of life; one that leaves ends it.
func TestResumeInSilence(t *testing.T) {
	w := wires["anthropic"]
	setUp := func(t *testing.T) *rig {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, resuming(domain.ResumeRepeat))
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
		parts := []part{{0, strings.Join(w.parts("2", "one ")[:2], "")}}
		for range 3 {
			parts = append(parts, part{20 * time.Second, ping})
		}
		r.on("b", stream(io.EOF, append(parts, part{time.Second, delta("two three") + txtEnd})...))
		return r
	}
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t)
		g := r.sendAs(w, w.ask)
		if n := strings.Count(g.text(), "event: ping"); n != 4 {
			t.Errorf("%d signs of life\n%s\n%s", n, g.text(), r.last().Trace)
		}
		if text := w.reads(t, g.text()); text != "one two three" {
			t.Errorf("read %q", text)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		g := r.sendAs(w, w.ask, withContext(ctx))
		if g.took != 30*time.Second || r.last().Outcome != OutcomeLeft || r.attempts[len(r.attempts)-1].ctx.Err() == nil {
			t.Errorf("took %s, %s, asked %s", g.took, r.last().Outcome, r.asked())
		}
		mustContain(t, "the trace", string(r.last().Trace), `"e":"broken"`, `"e":"left"`)
	})
}

// The session moves to the account that went on, the one that broke is counted as failing, and what the caller did not pay for is the operator's.
func TestResumeSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wires["anthropic"]
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, resuming(domain.ResumeRepeat))
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
		r.on("b", w.says("2", "one two three"))
		r.sendAs(w, w.ask, withHeader("X-Claude-Code-Session-Id", "s1"))
		costs := r.ledger.costs
		if b := r.bindings; len(b) != 1 || costs != strings.Count(r.names(), "a") {
			t.Errorf("bindings %v, %d costs, asked %s", b, costs, r.asked())
		}
		for _, b := range r.bindings {
			if b.Account != 2 {
				t.Errorf("bound to %d", b.Account)
			}
		}
	})
}

// A request whose answer is more than one text is not gone on with.
func TestResumeNotForMore(t *testing.T) {
	w := wires["chat"]
	for ask, resumes := range map[string]bool{
		`"n":1`: true, `"n":2`: false, `"logprobs":true`: false, `"logprobs":false`: true, `"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}`: false,
		`"response_format":{"type":"json_object"}`: true, `"tools":[{"type":"function","function":{"name":"f"}}]`: true,
	} {
		t.Run(ask, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
				r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
				r.on("b", w.says("2", "one two"))
				g := r.sendAs(w, strings.Replace(w.ask, `"stream":true`, `"stream":true,`+ask, 1))
				if text := w.reads(t, g.text()); text != "" != resumes || (r.last().Attempts > 1) != resumes {
					t.Errorf("read %q, asked %s", text, r.asked())
				}
			})
		})
	}
	w = wires["responses"]
	synctest.Test(t, func(t *testing.T) { // it is stored where it was begun
		r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"))
		g := r.sendAs(w, strings.Replace(w.ask, `"store":false`, `"store":true`, 1))
		if text := w.reads(t, g.text()); text != "" || r.names() != "a" {
			t.Errorf("read %q, asked %s", text, r.asked())
		}
	})
}

// Reasoning in plain words before the text is not in the way; what the second attempt thinks is not shown.
func TestResumeAfterPlainReasoning(t *testing.T) {
	w := wires["chat"]
	thought := func(id, words string) string {
		return data("", `{"id":"up-`+id+`","object":"chat.completion.chunk","created":7,"model":"claude-x","choices":[{"index":0,"delta":{"reasoning_content":"`+words+`"},"finish_reason":null}]}`)
	}
	for caller, c := range map[string]*wire{"as it came": w, "translated": wires["anthropic"]} {
		t.Run(caller, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(c.d), resuming(domain.ResumeBoth))
				p, q := w.parts("1", "one ", "two"), w.parts("2", "one two", " three")
				r.on("a", stream(io.ErrUnexpectedEOF, part{0, p[0] + thought("1", "hm") + p[1] + p[2]}), unsent)
				r.on("b", stream(io.EOF, part{0, q[0] + thought("2", "xyz") + thought("2", "what")}, part{time.Second, strings.Join(q[1:], "")}))
				g := r.sendAs(c, c.ask)
				mustContain(t, "the stream", g.text(), "hm", "two", " three")
				mustLack(t, "the stream", g.text(), "xyz", "what", "error")
				if strings.Count(g.text(), "one") != 1 || r.last().Outcome != OutcomeServed {
					t.Errorf("%s\n%s", g.text(), r.last().Trace)
				}
			})
		})
	}
}

// Google's array is one, too.
func TestResumeArray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := *wires["gemini"]
		w.call.At.Array = true
		r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeRepeat))
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
		r.on("b", w.says("2", "one two three"))
		g := r.sendAs(&w, w.ask)
		var chunks []struct {
			ResponseID string
			Candidates []struct {
				Content struct{ Parts []struct{ Text string } }
			}
		}
		if err := json.Unmarshal([]byte(g.text()), &chunks); err != nil {
			t.Fatalf("%v in %s", err, g.text())
		}
		text := ""
		for _, c := range chunks {
			text += c.Candidates[0].Content.Parts[0].Text
			if c.ResponseID != "1" {
				t.Errorf("a chunk of %q", c.ResponseID)
			}
		}
		if text != "one two three" {
			t.Errorf("read %q", text)
		}
	})
}

// The text that is kept counts against the memory of bodies, and where there is none the answer only cannot be gone on with.
func TestResumeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wires["anthropic"]
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, resuming(domain.ResumeRepeat), func(c *rigConfig) { c.bodies = 64 << 10 })
		r.on("a", stream(io.EOF, part{0, msgStart + txtStart + strings.Repeat(delta(strings.Repeat("x", 1<<10)), 100)}, part{time.Second, txtEnd}))
		if g := r.sendAs(w, w.ask); !strings.Contains(g.text(), "message_stop") || r.last().Outcome != OutcomeServed {
			t.Errorf("%s", r.last().Trace)
		}
	})
}

// A stream that ends behind its whole text, and says not why, ends for callers of every dialect once another one has said the same.
func TestResumeBehindTheText(t *testing.T) {
	a := wires["anthropic"]
	for caller, w := range wires {
		t.Run(caller, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
				r.on("a", a.then(txtStop, "one ", "two"), unsent)
				r.on("b", a.says("2", "on", "e two"))
				g := r.sendAs(w, w.ask)
				if text := w.reads(t, g.text()); text != "one two" || r.last().Outcome != OutcomeServed {
					t.Errorf("read %q\n%s\n%s", text, g.text(), r.last().Trace)
				}
			})
		})
	}
}

// text is what of an answer's text stands in a stream, whole or not.
func (w *wire) text(stream string) string {
	var kept neutral.Kept
	dec := w.d.(neutral.Codec).NewDecoder()
	for rest := []byte(stream); len(rest) > 0; {
		size := dialect.EndOfEvent(rest)
		if size == 0 {
			break
		}
		_ = dec.Event(rest[:size], func(ev *neutral.Event) {
			if ev.Kind == neutral.Added {
				kept.Add(ev.Text)
			}
		})
		rest = rest[size:]
	}
	text, _ := dialect.Unquote(kept.Quoted())
	return text
}

// Wherever a stream breaks, and whatever the second attempt says: the caller reads the one answer whole, or a beginning of it and
// the error.
func TestResumeAnywhere(t *testing.T) {
	alphabet := []rune("ab \n\"\\é漢😀\u2028")
	names := []string{"anthropic", "chat", "responses", "gemini"}
	joined, broke := 0, 0
	for n := range 600 {
		rnd := rand.New(rand.NewPCG(uint64(n), 7))
		text := make([]rune, 1+rnd.IntN(40))
		for i := range text {
			text[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		// pieces are the text in pieces, escaped in one of two ways.
		pieces := func(text []rune) (out []string) {
			for len(text) > 0 {
				size := 1 + rnd.IntN(min(len(text), 6))
				var q []byte
				if rnd.IntN(2) == 0 {
					q, _ = json.Marshal(string(text[:size]))
				} else {
					q = []byte(strings.ReplaceAll(string(neutral.Quote(string(text[:size]))), "é", "\\u00e9"))
				}
				out, text = append(out, string(q[1:len(q)-1])), text[size:]
			}
			return out
		}
		other := append([]rune(nil), text...)
		if rnd.IntN(3) == 0 {
			other[rnd.IntN(len(other))] = 'X'
		}
		w, a, b := wires[names[rnd.IntN(4)]], wires[names[rnd.IntN(4)]], wires[names[rnd.IntN(4)]]
		a, b = a.to(w), b.to(w)
		first := strings.Join(a.parts("1", pieces(text)...), "")
		end, at := io.EOF, rnd.IntN(len(first))
		if rnd.IntN(2) == 0 {
			end = io.ErrUnexpectedEOF
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a", platform: a.platform}, {name: "b", platform: b.platform, priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
			r.on("a", stream(end, part{0, first[:at/2]}, part{time.Second, first[at/2 : at]}), unsent)
			r.on("b", b.says("2", pieces(other)...))
			g := r.sendAs(w, w.ask)
			got, rec := w.text(g.text()), r.last()
			switch rec.Outcome {
			case OutcomeServed:
				if whole := w.reads(t, g.text()); whole != got || got != string(text) && got != string(other) {
					t.Errorf("case %d: read %q of %q and %q\n%s", n, got, string(text), string(other), rec.Trace)
				}
				if strings.Contains(string(rec.Trace), `"rj"`) {
					joined++
				}
			case OutcomeBroken:
				if !strings.HasPrefix(string(text), got) && !strings.HasPrefix(string(other), got) || w.reads(t, g.text()) != "" {
					t.Errorf("case %d: read %q of %q and %q\n%s", n, got, string(text), string(other), rec.Trace)
				}
				if string(text) == string(other) && !strings.Contains(got, "\ufffd") && (rec.Attempts == 1 && w.d.ID() != domain.DialectOpenAIResp) {
					t.Errorf("case %d: broken, although %q could have been repeated: %q\n%s\n%s", n, string(text), got, g.text(), rec.Trace)
				}
				broke++
			default:
				t.Errorf("case %d: %s\n%s", n, rec.Outcome, rec.Trace)
			}
			if u := r.ledger.used; rec.Outcome == OutcomeServed && rec.Usage.Reported && u != rec.Usage || u.Output < rec.Usage.Output {
				t.Errorf("case %d: recorded %+v, settled %+v", n, rec.Usage, u)
			}
		})
	}
	if joined < 100 || broke < 20 {
		t.Errorf("%d joined, %d broke", joined, broke)
	}
}

// An answer that was gone on with and breaks again ends in the error event, behind all that has gone out.
func TestResumeBreaksAgain(t *testing.T) {
	for name, w := range wires {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeBoth))
				r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two", " three"), unsent)
				r.on("b", w.cut(io.ErrUnexpectedEOF, "2", 2, "one two", " three", " four"))
				g := r.sendAs(w, w.ask)
				if text := w.text(g.text()); text != "one two three" || w.reads(t, g.text()) != "" || r.last().Outcome != OutcomeBroken || r.last().Account != 2 {
					t.Errorf("read %q\n%s\n%s", text, g.text(), r.last().Trace)
				}
				if n := strings.Count(string(r.last().Trace), `"e":"broken"`); n != 2 || r.names() != "a a b" && r.names() != "a b" {
					t.Errorf("asked %s: %s", r.asked(), r.last().Trace)
				}
			})
		})
	}
}
