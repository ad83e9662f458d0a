package gateway

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// ask sends a request on a path of its own.
func (r *rig) ask(c Call, body []byte, header ...string) (w *httptest.ResponseRecorder) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	req.Header.Set("X-Api-Key", testKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
			panic(p)
		}
	}()
	r.g.Serve(w, req, &c)
	return w
}

func openaiRig(t *testing.T, accounts ...account) *rig {
	return newRig(t, accounts, as(openai.Dialect{}), func(c *rigConfig) { c.platform = "openai-compatible" })
}

// Embeddings and the like pass through: the model mapped, the answer as it came, fail-over as everywhere.
func TestFurtherPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openaiRig(t, account{name: "a"}, account{name: "b", priority: 1, models: domain.ModelMap{"text-*": "vendor/text-*"}}, account{name: "x", priority: 2, platform: "anthropic"})
		r.on("a", fail503)
		const answer = `{"object":"list","data":[{"embedding":[0.25]}],"usage":{"prompt_tokens":4,"total_tokens":4}}`
		r.on("b", status(200, answer))
		w := r.ask(Call{Dialect: r.d, Path: "/v1/embeddings"}, []byte(`{"model":"text-small","input":"x"}`))
		if w.Code != 200 || w.Body.String() != answer {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		last := r.attempts[len(r.attempts)-1]
		if last.account != "b" || !strings.HasSuffix(last.url, "/embeddings") || last.body != `{"model":"vendor/text-small","input":"x"}` {
			t.Errorf("%+v", last)
		}
		if u := r.last().Usage; u.Input != 4 || r.last().Outcome != OutcomeServed {
			t.Errorf("%+v", r.last())
		}
	})
	synctest.Test(t, func(t *testing.T) { // nothing is translated on such paths
		r := newRig(t, []account{{name: "x", platform: "anthropic"}}, as(openai.Dialect{}))
		if w := r.ask(Call{Dialect: r.d, Path: "/v1/embeddings"}, []byte(`{"model":"m","input":"x"}`)); w.Code != 404 || len(r.attempts) != 0 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	synctest.Test(t, func(t *testing.T) { // an error inside a success is none
		r := openaiRig(t, account{name: "a"}, account{name: "b", priority: 1})
		r.on("a", status(200, `{"error":{"message":"no"}}`))
		r.on("b", status(200, `{"data":[]}`))
		if w := r.ask(Call{Dialect: r.d, Path: "/v1/moderations"}, []byte(`{"model":"m"}`)); w.Code != 200 || !strings.HasSuffix(r.names(), "b") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Gemini names the model in the path and again in the body.
func TestGeminiFurtherPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "g", platform: "gemini", models: domain.ModelMap{"embed": "text-embedding-9"}}}, as(gemini.Dialect{}))
		r.on("g", status(200, `{"embeddings":[{"values":[0.5]}]}`))
		at := dialect.Route{Model: "embed", Version: "v1", Verb: "batchEmbedContents"}
		w := r.ask(Call{Dialect: r.d, Path: at.Verb, At: at}, []byte(`{"requests":[{"model":"models/embed","content":{"parts":[{"text":"x"}]}}]}`))
		up := r.attempts[0]
		if w.Code != 200 || up.url != "http://upstream.invalid/v1/models/text-embedding-9:batchEmbedContents" || !strings.Contains(up.body, `"model":"models/text-embedding-9"`) {
			t.Errorf("%d %s, asked %s: %s", w.Code, w.Body, up.url, up.body)
		}
	})
}

// Speech comes as bytes: it goes out as it arrives, and what breaks before the first byte is carried over.
func TestSpeech(t *testing.T) {
	sound := func(parts ...part) reply {
		end := io.EOF
		if parts[len(parts)-1].text == "cut" {
			parts, end = parts[:len(parts)-1], io.ErrUnexpectedEOF
		}
		return func(ctx context.Context, _ *upstream.Call) (*http.Response, error) {
			resp := answer200("audio/mpeg", "")
			resp.ContentLength = -1
			resp.Body = &scripted{ctx: ctx, parts: parts, end: end}
			return resp, nil
		}
	}
	call := Call{Dialect: openai.Dialect{}, Path: "/v1/audio/speech"}
	body := []byte(`{"model":"tts","input":"hello"}`)
	synctest.Test(t, func(t *testing.T) {
		r := openaiRig(t, account{name: "a"}, account{name: "b", priority: 1})
		r.on("a", sound(part{0, "cut"}))
		r.on("b", sound(part{0, "\x00\x01"}, part{5 * time.Second, "\xff"}))
		w := r.ask(call, body)
		if w.Code != 200 || w.Body.String() != "\x00\x01\xff" || w.Header().Get("Content-Type") != "audio/mpeg" || !strings.HasSuffix(r.names(), "b") {
			t.Errorf("%d %q, asked %s", w.Code, w.Body, r.asked())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := openaiRig(t, account{name: "a"})
		r.on("a", sound(part{0, "\x00\x01"}, part{0, "cut"}))
		w := r.ask(call, body)
		if w.Body.String() != "\x00\x01" || r.last().Outcome != OutcomeBroken {
			t.Errorf("%q, %+v", w.Body, r.last())
		}
	})
}

// Legacy completions stream, and a cut is no end.
func TestLegacyCompletions(t *testing.T) {
	call := Call{Dialect: openai.Dialect{}, Path: "/v1/completions"}
	ev := func(text, finish string) string {
		return `data: {"object":"text_completion","choices":[{"index":0,"text":"` + text + `","finish_reason":` + finish + `}]}` + "\n\n"
	}
	for _, c := range []struct {
		name    string
		answer  string
		outcome Outcome
	}{
		{"whole", ev("a", "null") + ev("", `"stop"`) + "data: [DONE]\n\n", OutcomeServed},
		{"without a terminal event", ev("a", "null") + ev("", `"stop"`), OutcomeServed},
		{"cut", ev("a", "null"), OutcomeBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := openaiRig(t, account{name: "a"})
				r.on("a", stream(io.EOF, part{0, c.answer}))
				w := r.ask(call, []byte(`{"model":"m","prompt":"x","stream":true}`))
				if !strings.HasPrefix(w.Body.String(), c.answer) || r.last().Outcome != c.outcome {
					t.Errorf("%s\n%+v", w.Body, r.last())
				}
				if strings.Contains(w.Body.String(), `"error"`) != (c.outcome == OutcomeBroken) {
					t.Errorf("%s", w.Body)
				}
			})
		})
	}
}

// Forms carry the model in a field; the file goes on as it came.
func TestForms(t *testing.T) {
	form := func(write func(*multipart.Writer)) ([]byte, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		write(w)
		_ = w.Close()
		return b.Bytes(), w.FormDataContentType()
	}
	file := func(w *multipart.Writer) {
		f, _ := w.CreateFormFile("file", "a.wav")
		_, _ = f.Write([]byte("\r\n--not the boundary\x00name=\"model\"\r\n\r\nx"))
	}
	call := Call{Dialect: openai.Dialect{}, Path: "/v1/audio/transcriptions"}
	synctest.Test(t, func(t *testing.T) {
		r := openaiRig(t, account{name: "a", models: domain.ModelMap{"whisper": "vendor-whisper-9"}})
		r.on("a", status(200, `{"text":"hello"}`))
		body, kind := form(func(w *multipart.Writer) { file(w); _ = w.WriteField("model", "whisper") })
		if w := r.ask(call, body, "Content-Type", kind); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		want := strings.Replace(string(body), "\r\n\r\nwhisper\r\n", "\r\n\r\nvendor-whisper-9\r\n", 1)
		if got := r.attempts[0]; got.body != want || got.header.Get("Content-Type") != kind {
			t.Errorf("%q", got.body)
		}
		if r.last().Model != "whisper" {
			t.Errorf("%+v", r.last())
		}
	})
	for name, write := range map[string]func(*multipart.Writer){
		"no model":  file,
		"twice":     func(w *multipart.Writer) { _ = w.WriteField("model", "a"); _ = w.WriteField("model", "b") },
		"upper":     func(w *multipart.Writer) { _ = w.WriteField("Model", "a") },
		"too long":  func(w *multipart.Writer) { _ = w.WriteField("model", strings.Repeat("x", 300)) },
		"a file":    func(w *multipart.Writer) { f, _ := w.CreateFormFile("model", "m"); _, _ = f.Write([]byte("a")) },
		"no fields": func(*multipart.Writer) {},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := openaiRig(t, account{name: "a"})
			body, kind := form(write)
			if w := r.ask(call, body, "Content-Type", kind); w.Code != 400 || !strings.Contains(w.Body.String(), `"param":"model"`) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		})
	}
}

func FuzzForm(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n"), "b")
	f.Add([]byte("--b\r\n\r\n\r\n--b"), "b")
	f.Add([]byte("--b--"), "b")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		r, err := formFacts(body, boundary)
		if err == nil && (r.Model == "" || string(r.ModelAt.Of(body)) != r.Model) {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzArrayFrame(f *testing.F) {
	f.Add([]byte("data: {}\r\n\r\ndata: {\"a\":1}\n\n\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		var whole, pieces arrayFrame
		a := append([]byte(nil), whole.add(stream)...)
		cut = max(min(cut, len(stream)), 0)
		b := append([]byte(nil), pieces.add(stream[:cut])...)
		b = append(b, pieces.add(stream[cut:])...)
		if !bytes.Equal(a, b) {
			t.Errorf("%q and %q", a, b)
		}
	})
}
