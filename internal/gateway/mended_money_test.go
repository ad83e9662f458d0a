package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// tell serves a request and reports whether end had gone out before anything was settled.
func (r *rig) tell(c Call, body, end string, header ...string) (text string, early bool) {
	w := &watched{httptest.NewRecorder(), nil}
	w.see = func(b []byte) {
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		early = early || strings.Contains(w.Body.String()+string(b), end) && len(r.ledger.ends) == 0
	}
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("X-Api-Key", testKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r.g.Serve(w, req, &c)
	return w.Body.String(), early
}

func textEvent(text, rest string) string {
	return `data: {"id":"c","object":"text_completion","choices":[{"index":0,"text":"` + text + `","finish_reason":` + rest + "}\n\n"
}

// What further paths say of their usage is read, and what they do not say is estimated by their text.
func TestFurtherPathsArePaid(t *testing.T) {
	long := strings.Repeat("word ", 2000)
	one, fin := textEvent(long, "null}]"), textEvent("", `"stop"}]`)
	usage := `data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4000,"total_tokens":4005}}` + "\n\n"
	done := "data: [DONE]\n\n"
	image := `data: {"type":"image_generation.completed","b64_json":"` + strings.Repeat("aaaa", 5000) + `","usage":{"total_tokens":1000,"input_tokens":10,"output_tokens":990,"input_tokens_details":{"text_tokens":4,"image_tokens":6}}}` + "\n\n"
	form := "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nXXXX\r\n--B--\r\n"
	const formKind = "multipart/form-data; boundary=B"
	for name, c := range map[string]struct {
		path, ask, kind string
		reply           reply
		input, output   int64 // the least
		estimated       bool
		lacks           string // of what the caller gets
	}{
		"stated":            {path: "/v1/completions", ask: `{"model":"m","stream":true,"stream_options":{"include_usage":true},"prompt":"hi"}`, reply: stream(io.EOF, part{0, one + fin + usage + done}), input: 5, output: 4000},
		"hidden":            {path: "/v1/completions", ask: `{"model":"m","stream":true,"prompt":"hi"}`, reply: stream(io.EOF, part{0, one + fin + usage + done}), input: 5, output: 4000, lacks: "usage"},
		"not stated":        {path: "/v1/completions", ask: `{"model":"m","stream":true,"prompt":"hi"}`, reply: stream(io.EOF, part{0, one + one + fin + done}), output: 5000, estimated: true},
		"JSON":              {path: "/v1/completions", ask: `{"model":"m","prompt":"hi"}`, reply: status(200, `{"choices":[{"text":"`+long+`","finish_reason":"stop"}]}`), output: 2500, estimated: true},
		"JSON of the chat":  {ask: `{"model":"m","messages":[{"role":"user","content":"hi"}]}`, reply: status(200, `{"choices":[{"message":{"content":"`+long+`"},"finish_reason":"stop"}]}`), output: 2500, estimated: true},
		"images":            {path: "/v1/images/generations", ask: `{"model":"m","stream":true,"prompt":"hi"}`, reply: stream(io.EOF, part{0, image}), input: 10, output: 990},
		"images as JSON":    {path: "/v1/images/generations", ask: `{"model":"m","prompt":"hi"}`, reply: status(200, `{"data":[{"b64_json":"aaaa"}],"usage":{"input_tokens":10,"output_tokens":990}}`), input: 10, output: 990},
		"a transcript":      {path: "/v1/audio/transcriptions", ask: form, kind: formKind, reply: status(200, `{"text":"`+long+`","usage":{"type":"duration","seconds":9}}`), output: 2500, estimated: true},
		"transcript tokens": {path: "/v1/audio/transcriptions", ask: form, kind: formKind, reply: status(200, `{"text":"a","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":4},"output_tokens":101}}`), input: 14, output: 101},
		"one big delta":     {ask: chatAsk, reply: stream(io.EOF, part{0, `data: {"choices":[{"index":0,"delta":{"content":"` + long + `"},"finish_reason":null}]}` + "\n\n" + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + done}), output: 2500, estimated: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := openaiRig(t, account{name: "a"})
				r.on("a", c.reply)
				kind := c.kind
				if kind == "" {
					kind = "application/json"
				}
				text, _ := r.tell(Call{Dialect: r.d, Path: c.path}, c.ask, "[DONE]", "Content-Type", kind)
				f := r.ledger.ends[0]
				if f.Estimated != c.estimated || f.Interrupted || f.Usage.Input < c.input || f.Usage.Output < c.output || f.Usage.Output > c.output+c.output/10 {
					t.Errorf("settled as %+v", f)
				}
				if c.lacks != "" && strings.Contains(text, c.lacks) {
					t.Errorf("the caller got %s", clipText(text))
				}
				if asks := strings.Contains(r.attempts[0].body, "stream_options"); strings.Contains(c.path, "images") && asks {
					t.Errorf("images know no stream_options: %s", r.attempts[0].body)
				}
			})
		})
	}
}

// Data that is written as text is no text.
func TestProse(t *testing.T) {
	for text, want := range map[string]int64{
		`{"a":"some words"}`: 18, `{"a":"` + strings.Repeat("iVBORw0KGgo", 1000) + `"}`: 8, strings.Repeat("日本語", 400): 3600,
	} {
		var whole, pieces prose
		whole.add([]byte(text))
		for i := range len(text) {
			pieces.add([]byte(text[i : i+1]))
		}
		if whole.n != want || pieces.n != want {
			t.Errorf("%.20s: %d and %d bytes, want %d", text, whole.n, pieces.n, want)
		}
	}
}

// What is made after its request has ended cannot be held for: who is limited by money does not get it.
func TestLimitedCallersGetNothingLater(t *testing.T) {
	batch := func(path string) string {
		if path == "/v1/batches" {
			return `{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}`
		}
		return `{"requests":[{"custom_id":"1","params":` + askJSON + `}]}`
	}
	for _, limited := range []bool{false, true} {
		want := map[bool]int{false: 200, true: 403}[limited]
		for path, c := range map[string]struct {
			d        dialect.Dialect
			platform string
		}{"/v1/messages/batches": {anthropic.Dialect{}, "anthropic"}, "/v1/batches": {openai.Dialect{}, "openai"}} {
			synctest.Test(t, func(t *testing.T) {
				kept := memoryObjects{}
				_ = kept.SaveObject(t.Context(), domain.Object{ID: domain.NewObjectID(1, "file-1"), Account: 1, Expires: time.Now().Add(time.Hour)})
				r := newRig(t, []account{{name: "a", platform: c.platform}}, as(c.d), func(rc *rigConfig) { rc.objects = kept })
				r.ledger.limited = limited
				r.on("a", status(200, `{"id":"batch_1"}`))
				w := r.object("POST", testKey, ObjectCall{Dialect: c.d, Collection: path}, batch(path))
				if w.Code != want || len(r.attempts) != map[bool]int{false: 1, true: 0}[limited] || strings.Contains(w.Body.String(), "a batch cannot be paid") != limited {
					t.Errorf("%s: %d %s", path, w.Code, w.Body)
				}
				if w := r.object("GET", testKey, ObjectCall{Dialect: c.d, Collection: path, ID: "batch_1"}, ""); limited == (w.Code == 200) {
					t.Errorf("%s: reading it: %d %s", path, w.Code, w.Body)
				}
			})
		}
		for _, ask := range []string{`{"model":"m","background":true,"input":"write a book"}`, `{"model":"m","background":true,"stream":true,"input":"write a book","background":false}`} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: "openai"}}, as(responses.Dialect{}))
				r.ledger.limited = limited
				r.on("a", status(200, `{"id":"resp_1","object":"response","background":true,"status":"queued","model":"m","output":[],"usage":null}`))
				w := r.ask(Call{Dialect: r.d}, []byte(ask))
				if refused := w.Code == 403; refused != limited || limited && len(r.attempts) > 0 || limited && !strings.Contains(w.Body.String(), "in the background cannot be paid") {
					t.Errorf("limited %v: %d %s, asked %s", limited, w.Code, w.Body, r.asked())
				}
			})
		}
	}
}

// What several answers may cost is held for.
func TestHoldsForEveryChoice(t *testing.T) {
	form := "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n10\r\n--B--\r\n"
	gem := Call{Dialect: gemini.Dialect{}, At: dialect.Route{Model: "m", Version: "v1beta", Verb: "generateContent"}}
	for name, c := range map[string]struct {
		call Call
		ask  string
		want int64
	}{
		"one":          {Call{Dialect: openai.Dialect{}}, `{"model":"m","max_tokens":100,"messages":[]}`, 100},
		"n":            {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":128,"max_tokens":100,"messages":[]}`, 12_800},
		"n, as long":   {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":4,"messages":[]}`, 128_000},
		"written odd":  {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":1.28e2,"max_tokens":100,"messages":[]}`, 12_800},
		"twice":        {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":5,"n":1,"max_tokens":100,"messages":[]}`, 500},
		"no number":    {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":-3,"max_tokens":100,"messages":[]}`, 100},
		"far too many": {Call{Dialect: openai.Dialect{}}, `{"model":"m","n":1e300,"max_tokens":100,"messages":[]}`, 409_600},
		"best_of":      {Call{Dialect: openai.Dialect{}, Path: "/v1/completions"}, `{"model":"m","n":1,"best_of":20,"max_tokens":100,"prompt":"x"}`, 2000},
		"prompts":      {Call{Dialect: openai.Dialect{}, Path: "/v1/completions"}, `{"model":"m","n":2,"max_tokens":100,"prompt":["x","y",[1,2]]}`, 600},
		"tokens":       {Call{Dialect: openai.Dialect{}, Path: "/v1/completions"}, `{"model":"m","max_tokens":100,"prompt":[1,2,3]}`, 100},
		"images":       {Call{Dialect: openai.Dialect{}, Path: "/v1/images/generations"}, `{"model":"m","n":10,"prompt":"x"}`, 80_000},
		"form":         {Call{Dialect: openai.Dialect{}, Path: "/v1/images/edits"}, form, 80_000},
		"candidates":   {gem, `{"contents":[],"generationConfig":{"candidateCount":8,"maxOutputTokens":100}}`, 800},
	} {
		synctest.Test(t, func(t *testing.T) {
			platform, kind := "openai-compatible", "application/json"
			if c.call.Dialect.ID() == domain.DialectGeminiContent {
				platform = "gemini"
			}
			if c.ask == form {
				kind = "multipart/form-data; boundary=B"
			}
			r := newRig(t, []account{{name: "a", platform: platform}}, as(c.call.Dialect))
			r.on("a", status(400, `{"error":{"message":"no"}}`))
			r.ask(c.call, []byte(c.ask), "Content-Type", kind)
			if len(r.ledger.asks) != 1 || r.ledger.asks[0].Output != c.want {
				t.Errorf("%s: held for %+v, want %d", name, r.ledger.asks, c.want)
			}
		})
	}
}

// A cache is lost by what happens to the account of the session, and not by what the caller asks for.
func TestOnlyAccountsLoseCaches(t *testing.T) {
	models := domain.ModelMap{"claude-x": "claude-x"}
	for name, c := range map[string]struct {
		accounts []account
		first    string // the request that makes the cache warm
		then     reply  // a's answer to the next
		ask      string
		least    int64
		most     int64
	}{
		"it fails":                  {[]account{{name: "a"}, {name: "b", priority: 1}}, askJSON, fail503, askJSON, 50_000, 50_010},
		"another model":             {[]account{{name: "a", models: models}, {name: "b", models: domain.ModelMap{"claude-dear": "claude-dear"}, priority: 1}}, askJSON, fail503, strings.Replace(askJSON, "claude-x", "claude-dear", 1), 0, 0},
		"one organisation":          {[]account{{name: "a", org: "o"}, {name: "b", org: "o", priority: 1}}, askJSON, status(403, errorJSON("permission_error")), askJSON, 0, 0},
		"the conversation is short": {[]account{{name: "a"}, {name: "b", priority: 1}}, strings.Replace(askJSON, "hi", strings.Repeat("many words ", 1000), 1), fail503, askJSON, 1, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.accounts)
				r.on("a", warmJSON("a"), c.then)
				r.on("b", jsonOK("b"))
				r.send(c.first, claude)
				if g := r.send(c.ask, claude); g.Code != 200 {
					t.Fatalf("%d %s", g.Code, g.text())
				}
				f := r.ledger.ends[1]
				if f.Account.Name != "b" || f.LostCache < c.least || f.LostCache > c.most {
					t.Errorf("asked %s: settled as %+v", r.names(), f)
				}
			})
		})
	}
}

// Of a key with several pools that one is charged whose account has answered.
func TestThePoolThatServesIsCharged(t *testing.T) {
	for name, c := range map[string]struct {
		b    account
		want domain.PoolID
	}{"the second": {account{name: "b", pool: "other"}, 2}, "the first": {account{name: "b", priority: 1}, 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, c.b, {name: "c", pool: "other", priority: 9}}, func(rc *rigConfig) { rc.key.Pools = []string{"default", "other"} })
			r.on("a", fail429)
			r.on("b", whole("hi"))
			r.send(askStream)
			if f := r.ledger.ends[0]; f.Account.Name != "b" || f.Pool != c.want {
				t.Errorf("%s: asked %s, settled as %+v", name, r.asked(), f)
			}
		})
	}
}

// Gemini's streams have no terminal event: the last one goes out once what it took is stated, or nothing more may be expected.
func TestGeminiEndIsSettled(t *testing.T) {
	gem := func(s string) string { return "data: " + s + "\r\n\r\n" }
	chunk := func(i, text, finish, usage string) string {
		return gem(`{"candidates":[{"content":{"role":"model","parts":[{"text":"` + text + `"}]}` + finish + `,"index":` + i + `}]` + usage + `}`)
	}
	const stop = `,"finishReason":"STOP"`
	counts := func(n string) string {
		return `,"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":` + n + `}`
	}
	begin := chunk("0", "hello, this is the beginning", "", `,"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}`)
	late := gem(`{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":900,"thoughtsTokenCount":9000,"totalTokenCount":9905}}`)
	call := Call{Dialect: gemini.Dialect{}, At: dialect.Route{Model: "gemini-x", Version: "v1beta", Stream: true, Verb: "streamGenerateContent"}}
	for name, c := range map[string]struct {
		parts     []part
		two       bool
		output    int64
		estimated bool
		at        time.Duration // when the end goes out
	}{
		"stated with it":      {[]part{{0, begin}, {time.Second, chunk("0", "END", stop, counts("7"))}, {forever, ""}}, false, 7, false, time.Second},
		"apart":               {[]part{{0, begin}, {time.Second, chunk("0", "END", stop, "")}, {time.Second, late}}, false, 9900, false, 2 * time.Second},
		"together":            {[]part{{0, begin}, {time.Second, chunk("0", "END", stop, "") + late}}, false, 9900, false, time.Second},
		"never, and it ends":  {[]part{{0, begin}, {time.Second, chunk("0", "END", stop, "")}}, false, 7, true, time.Second},
		"never, and it hangs": {[]part{{0, begin}, {time.Second, chunk("0", "END", stop, "")}, {forever, ""}}, false, 7, true, 3 * time.Second},
		"of two":              {[]part{{0, chunk("0", "A", stop, counts("10"))}, {time.Second, chunk("1", "B", "", "")}, {time.Second, chunk("1", "END", stop, counts("1000"))}, {forever, ""}}, true, 1000, false, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "g", platform: "gemini"}}, as(gemini.Dialect{}))
				r.on("g", stream(io.EOF, c.parts...))
				ask := `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
				if c.two {
					ask = strings.Replace(ask, "{", `{"generationConfig":{"candidateCount":2},`, 1)
				}
				var went time.Duration
				began := time.Now()
				w := &watched{httptest.NewRecorder(), nil}
				w.see = func(b []byte) {
					if strings.Contains(string(b), "END") {
						went = time.Since(began)
						r.ledger.mu.Lock()
						defer r.ledger.mu.Unlock()
						if len(r.ledger.ends) == 0 {
							t.Error("the end went out before it was settled")
						}
					}
				}
				req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(ask))
				req.Header.Set("X-Api-Key", testKey)
				r.g.Serve(w, req, &call)
				f := r.ledger.ends[0]
				if f.Interrupted || f.Estimated != c.estimated || f.Usage.Output != c.output || went != c.at {
					t.Errorf("the end came at %s; settled as %+v", went, f)
				}
				var want strings.Builder
				for _, p := range c.parts {
					want.WriteString(p.text)
				}
				if got := w.Body.String(); strings.ReplaceAll(got, "\r\n\r\n\r\n\r\n", "\r\n\r\n") != want.String() {
					t.Errorf("the caller got %q", got)
				}
			})
		})
	}
}

// Who leaves between the finish and the usage pays what is stated, and gives the account back within a moment.
func TestLeavingBeforeTheUsage(t *testing.T) {
	text := "the whole answer, in one delta of many words, as fast servers send it"
	up := `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
	fin := `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	use := `data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":20000,"total_tokens":20005}}` + "\n\n"
	done := "data: [DONE]\n\n"
	for name, c := range map[string]struct {
		parts  []part
		leave  string // the caller leaves when it has this
		output int64
		known  bool
		took   time.Duration
	}{
		"the usage comes":     {[]part{{0, up}, {time.Second, fin}, {20 * time.Millisecond, use}, {0, done}}, `"stop"`, 20_000, true, 1020 * time.Millisecond},
		"it comes late":       {[]part{{0, up}, {time.Second, fin}, {time.Minute, use}, {0, done}}, `"stop"`, int64(len(text)) / 4, false, 3 * time.Second},
		"dribbled":            {[]part{{0, up}, {time.Second, fin}, {time.Second, ": x\n\n"}, {time.Second, ": x\n\n"}, {time.Second, ": x\n\n"}, {time.Second, use}}, `"stop"`, int64(len(text)) / 4, false, 3 * time.Second},
		"it was not finished": {[]part{{0, up}, {time.Second, fin}, {0, use}, {0, done}}, "whole", int64(len(text)) / 4, false, 0},
	} {
		for _, broken := range []bool{false, true} { // whether writes fail, too
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: "openai"}}, as(openai.Dialect{}))
				r.on("a", stream(io.EOF, c.parts...))
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				w := &leaving{ResponseRecorder: httptest.NewRecorder(), until: c.leave, leave: leave, broken: broken}
				req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(chatAsk)).WithContext(ctx)
				req.Header.Set("X-Api-Key", testKey)
				began := time.Now()
				r.g.Serve(w, req, &Call{Dialect: r.d})
				f := r.ledger.ends[0]
				if f.Usage.Output != c.output || f.Estimated == c.known || time.Since(began) != c.took {
					t.Errorf("%s, writes fail: %v: after %s settled as %+v", name, broken, time.Since(began), f)
				}
			})
		}
	}
}

// leaving is a caller that leaves when it has read something.
type leaving struct {
	*httptest.ResponseRecorder
	until        string
	leave        func()
	broken, left bool
}

func (w *leaving) Write(b []byte) (int, error) {
	if w.left && w.broken {
		return 0, io.ErrClosedPipe
	}
	if strings.Contains(string(b), w.until) {
		w.left = true
		w.leave()
	}
	return w.ResponseRecorder.Write(b)
}

// What is passed through ends after it has been settled, too, and states its usage if its end does.
func TestPassedThroughIsSettled(t *testing.T) {
	words := strings.Repeat("many words ", 30_000)
	data := strings.Repeat("iVBORw0KGgo", 30_000)
	fake := `{"id":"msg_1","type":"message","usage":{"input_tokens":10,"output_tokens":90000},"content":[{"type":"tool_use","input":{"usage":{"input_tokens":1,"output_tokens":1}}},{"type":"text","text":"` + words + `"},{"type":"tool_use","input":{"usage":{"input_tokens":1,"output_tokens":1}}}],"stop_reason":"end_turn"}`
	sound := func(string) reply {
		return func(context.Context, *upstream.Call) (*http.Response, error) {
			return answer200("audio/mpeg", strings.Repeat("\x01", 1000)+"THE END"), nil
		}
	}
	chat := func(text, usage string) string {
		return `{"choices":[{"index":0,"message":{"content":"` + text + `"},"finish_reason":"stop"}]` + usage + `,"END":true}`
	}
	for name, c := range map[string]struct {
		d         dialect.Dialect
		path, ask string
		reply     reply
		end       string
		output    [2]int64 // from, to
		estimated bool
	}{
		"speech":           {openai.Dialect{}, "/v1/audio/speech", `{"model":"m","input":"hi"}`, sound(""), "THE END", [2]int64{0, 0}, true},
		"stated":           {anthropic.Dialect{}, "", askJSON, status(200, strings.Replace(messageJSON(words), `"output_tokens":5`, `"output_tokens":70000`, 1)), `70000}}`, [2]int64{70_000, 70_000}, false},
		"stated with more": {openai.Dialect{}, "", `{"model":"m","messages":[]}`, status(200, chat(words, `,"usage":{"prompt_tokens":5,"completion_tokens":60000}`)), `"END":true}`, [2]int64{60_000, 60_000}, false},
		"images":           {openai.Dialect{}, "/v1/images/generations", `{"model":"m","prompt":"x"}`, status(200, `{"data":[{"b64_json":"`+data+`"}],"usage":{"input_tokens":10,"output_tokens":990}}`), `990}}`, [2]int64{990, 990}, false},
		"images, unstated": {openai.Dialect{}, "/v1/images/generations", `{"model":"m","prompt":"x"}`, status(200, `{"data":[{"b64_json":"`+data+`"}],"END":true}`), `"END":true}`, [2]int64{0, 0}, true},
		"text, unstated":   {openai.Dialect{}, "", `{"model":"m","messages":[]}`, status(200, chat(words, "")), `"END":true}`, [2]int64{82_000, 83_000}, true},
		"data, unstated":   {openai.Dialect{}, "", `{"model":"m","messages":[]}`, status(200, chat(data, "")), `"END":true}`, [2]int64{1, 100}, true},
		"not the model's":  {anthropic.Dialect{}, "", askJSON, status(200, fake), `"end_turn"}`, [2]int64{82_000, 83_000}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				platform := map[domain.Dialect]string{domain.DialectAnthropic: "anthropic", domain.DialectOpenAIChat: "openai"}[c.d.ID()]
				r := newRig(t, []account{{name: "a", platform: platform}}, as(c.d), func(rc *rigConfig) { rc.settings.MaxAnswer = 100 << 10 })
				r.on("a", c.reply)
				text, early := r.tell(Call{Dialect: c.d, Path: c.path}, c.ask, c.end)
				f := r.ledger.ends[0]
				if early || !strings.HasSuffix(text, c.end) || f.Interrupted || f.Estimated != c.estimated || f.Usage.Output < c.output[0] || f.Usage.Output > c.output[1] {
					t.Errorf("early %v, %d bytes, settled as %+v", early, len(text), f)
				}
			})
		})
	}
}
