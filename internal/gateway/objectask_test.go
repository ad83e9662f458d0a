package gateway

import (
	"bytes"
	"compress/gzip"
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
)

// form writes one with the boundary b: dispositions and values by turns.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(parts); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: " + parts[i] + "\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

// has says that a thing lives at an account and is a key's own.
func (m memoryObjects) has(key domain.KeyID, name string, at domain.AccountID) {
	id := domain.NewObjectID(key, name)
	m[id] = domain.Object{ID: id, Account: at, Expires: time.Now().Add(time.Hour)}
}

// What a body for an object names is as much looked for as what any other request names, and has to live beside it.
func TestBodyForAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"}, account{name: "b"})
		r.on("a", status(200, `{"data":[]}`))
		kept.has(1, "conv_1", 1)
		kept.has(1, "file-a", 1)
		kept.has(1, "file-b", 2)
		kept.has(2, "file-other", 1)
		items := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/conversations", ID: "conv_1", Tail: "/items"}
		for file, want := range map[string]int{"file-a": 200, "file-b": 400, "file-other": 404, "file-unknown": 404} {
			before := len(r.attempts)
			w := r.object("POST", testKey, items, `{"items":[{"role":"user","content":[{"type":"input_file","file_id":"`+file+`"}]}]}`)
			if w.Code != want || want != 200 && len(r.attempts) != before {
				t.Errorf("%s: %d %s", file, w.Code, w.Body)
			}
		}
		// Packed, it is read all the same, and goes on as it was read.
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(`{"items":[{"file_id":"file-other"}]}`))
		_ = z.Close()
		for _, c := range []struct {
			body, coding, kind string
			want               int
		}{
			{packed.String(), "gzip", "application/json", 404},
			{`{"items":[{"file_id":"file-other"}]}`, "", "text/plain", 404},
			{`{"items":[]}`, "", "text/plain", 200},
			{"{\x00\"\x00i\x00", "", "application/json", 400},
			{`{"items":[]}`, "", "multipart/form-data; boundary=b", 400},
			{`{"items":[]}`, "", "multipart/form-data; boundary=b; bad", 400},
			{"", "", "", 200},
		} {
			req := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
			req.Header.Set("Authorization", "Bearer "+testKey)
			req.Header.Set("Content-Type", c.kind)
			req.Header.Set("Content-Encoding", c.coding)
			w := httptest.NewRecorder()
			if r.g.Object(w, req, &items); w.Code != c.want {
				t.Errorf("%q as %s: %d %s", c.body, c.kind, w.Code, w.Body)
			}
			if last := r.attempts[len(r.attempts)-1]; c.body != "" && last.header.Get("Content-Type") != "application/json" {
				t.Errorf("%q went on as %s", last.body, last.header.Get("Content-Type"))
			}
		}
	})
}

var (
	messageBatches = ObjectCall{Dialect: anthropic.Dialect{}, Collection: "/v1/messages/batches"}
	cachedContents = ObjectCall{Dialect: gemini.Dialect{}, Collection: "/v1beta/cachedContents", Prefix: "cachedContents/"}
)

// A key's models are held in batches and caches, too, whichever of two members a reader may believe.
func TestModelsOfObjects(t *testing.T) {
	for _, c := range []struct {
		platform string
		call     ObjectCall
		body     string
		want     int
	}{
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}}]}`, 200},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}},{"params":{"model":"large-1"}}]}`, 403},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}},{"params":{}}]}`, 403},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}},{}]}`, 400},
		{"anthropic", messageBatches, `{"requests":"none"}`, 400},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}}],"requests":[{"params":{"model":"large-1"}}]}`, 400},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"}}],"r\u0065quests":[]}`, 400},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1"},"params":{"model":"large-1"}}]}`, 400},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1","model":"large-1"}}]}`, 400},
		{"anthropic", messageBatches, `{"requests":[{"params":{"model":"small-1","Model":"large-1"}}]}`, 400},
		{"gemini", cachedContents, `{"model":"models/small-1"}`, 200},
		{"gemini", cachedContents, `{"model":"models/large-1"}`, 403},
		{"gemini", cachedContents, `{"contents":[]}`, 403},
		{"gemini", cachedContents, `{"model":"models/small-1","model":"models/large-1"}`, 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.platform, rc.key.Models = c.platform, []string{"small-*"} })
			r.on("a", status(200, `{"id":"b1"}`))
			if w := r.object("POST", testKey, c.call, c.body); w.Code != c.want || len(r.attempts) > 0 != (c.want == 200) {
				t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
			}
		})
	}
	// How long a cache lives may be changed without its model.
	synctest.Test(t, func(t *testing.T) {
		kept := memoryObjects{}
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.platform, rc.key.Models, rc.objects = "gemini", []string{"small-*"}, kept })
		kept.has(1, "cachedContents/x", 1)
		r.on("a", status(200, `{}`))
		one := cachedContents
		one.ID = "x"
		if w := r.object("PATCH", testKey, one, `{"ttl":"60s"}`); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// The account gets its own names of the models, and one that lacks a model is not asked.
func TestModelsOfObjectsAreRenamed(t *testing.T) {
	for _, c := range []struct {
		platform   string
		call       ObjectCall
		body, want string
	}{
		{
			"anthropic", messageBatches, `{"requests":[{"params":{"model":"small","max_tokens":1}}, {"params":{"model":"other"}},{"params":{"a":1,"model" : "small"}},{"params":{"model":"sm\u0061ll"}}]}`,
			`{"requests":[{"params":{"model":"vendor-small-9","max_tokens":1}}, {"params":{"model":"other"}},{"params":{"a":1,"model" : "vendor-small-9"}},{"params":{"model":"vendor-small-9"}}]}`,
		},
		{"gemini", cachedContents, `{"model":"models/small","ttl":"60s"}`, `{"model":"models/vendor-small-9","ttl":"60s"}`},
		{"gemini", cachedContents, `{"model":"small"}`, `{"model":"vendor-small-9"}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{
				{name: "x", models: domain.ModelMap{"large": "large"}}, {name: "a", models: domain.ModelMap{"small": "vendor-small-9", "other": "other"}}, {name: "y", models: domain.ModelMap{"other": "other"}},
			}, func(rc *rigConfig) { rc.platform = c.platform })
			r.on("a", status(200, `{"id":"b1"}`))
			if w := r.object("POST", testKey, c.call, c.body); w.Code != 200 || r.attempts[0].body != c.want {
				t.Errorf("%d %s, sent %s", w.Code, w.Body, r.attempts[0].body)
			}
			if w := r.object("POST", testKey, c.call, strings.ReplaceAll(strings.ReplaceAll(c.body, "small", "none"), `sm\u0061ll`, "none")); w.Code != 404 || !strings.Contains(w.Body.String(), "none") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// Uploads are the caller's own words, whatever they look like. The requests of a batch are not.
func TestUploads(t *testing.T) {
	const file = `form-data; name="file"; filename="a.jsonl"`
	const purpose = `form-data; name="purpose"`
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"words":                         {form(purpose, "user_data", file, `{"container":"nginx","file_id":"file-none"}`), 200},
		"a quote":                       {form(purpose, "fine-tune", file, `"`), 200},
		"a batch":                       {form(purpose, "batch", file, `{"custom_id":"1","body":{"model":"m","input":[{"file_id":"file-b"}]}}`+"\n\n"+`{"container":"nginx","body":{"x":"\"file_id\":\"file-none\""}}`), 200},
		"a batch of another's":          {form(purpose, "batch", file, `{"body":{}}`+"\n"+`{"body":{"input":[{"file_id":"file-other"}]}}`), 404},
		"the file first":                {form(file, `{"body":{"input":[{"file_id":"file-other"}]}}`, purpose, "batch"), 404},
		"hidden behind a quote":         {form(purpose, "batch", `form-data; name="x"`, `"`, file, `{"body":{"file_id":"file-other"}}`), 404},
		"another's turn":                {form(purpose, "batch", file, `{"body":{"previous_response_id":"resp_other"}}`), 404},
		"another's conversation":        {form(purpose, "batch", file, `{"body":{"conversation":{"id":"conv_other"}}}`), 404},
		"two bodies":                    {form(purpose, "batch", file, `{"body":{},"body":{"file_id":"file-other"}}`), 400},
		"two in a line":                 {form(purpose, "batch", file, `{"body":{}} {"body":{"file_id":"file-other"}}`), 400},
		"no JSON":                       {form(purpose, "batch", file, `body`), 400},
		"two purposes":                  {form(purpose, "user_data", purpose, "batch", file, `{"body":{"file_id":"file-other"}}`), 400},
		"an empty purpose and one":      {form(purpose, "", purpose, "batch", file, `{"body":{"file_id":"file-other"}}`), 400},
		"a purpose that cannot be read": {form(`form-data; name="purpose"; bad`, "batch", file, `{"body":{"file_id":"file-other"}}`), 400},
		"a purpose in capitals":         {form(`form-data; name="Purpose"`, "batch", file, `{"body":{"file_id":"file-other"}}`), 400},
		"no form":                       {`{"purpose":"batch"}`, 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, kept := ownedRig(t, account{name: "a"}, account{name: "b"})
			kept.has(1, "file-b", 2)
			kept.has(2, "file-other", 1)
			r.on("a", status(200, `{"id":"file-1"}`))
			r.on("b", status(200, `{"id":"file-1"}`))
			w := r.object("POST", testKey, ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/files"}, c.body)
			if w.Code != c.want || len(r.attempts) > 0 != (c.want == 200) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if name == "a batch" && r.names() != "b" { // where its files are
				t.Errorf("asked %s", r.names())
			}
		})
	}
}

// A field that another reader would find is refused, and so is a form that readers divide in different ways.
func TestFormsThatReadersDifferAbout(t *testing.T) {
	const model = `form-data; name="model"`
	whole := form(model, "a")
	for name, body := range map[string]string{
		"a parameter that is none":   form(model, "a", `form-data; name="model"; bad`, "z"),
		"a file without a name":      form(model, "a", `form-data; name="model"; filename=""`, "z"),
		"a name that is too long":    form(`form-data; name="model"`, strings.Repeat("z", 2000), model, "a"),
		"another way to say it":      form(model, "a", `form-data; name*=utf-8''model`, "z"),
		"a list":                     form(model, "a", `form-data; name="model[]"`, "z"),
		"blanks":                     form(model, "a", `form-data; name=" model"`, "z"),
		"no name":                    form(model, "a", `form-data`, "z"),
		"another disposition":        form(model, "a", `attachment; name="model"`, "z"),
		"quotes in a name":           form(model, "a", `form-data; name="x\"; name=\"model"`, "z"),
		"two dispositions":           form(model, "a", "form-data; name=\"x\"\r\nContent-Disposition: "+model, "z"),
		"a bare end of line":         form(model, "a", "form-data; name=\"x\"\nContent-Disposition: "+model, "z"),
		"folded":                     form(model, "a", "form-data;\r\n name=\"model\"", "z"),
		"encoded":                    form(model+"\r\nContent-Transfer-Encoding: base64", "a"),
		"no header":                  form(model, "a") + "",
		"text before":                "x\r\n" + whole,
		"text behind":                whole + "--b\r\nContent-Disposition: " + model + "\r\n\r\nz\r\n--b--\r\n",
		"a boundary within a line":   form(model, "a", `form-data; name="x"; filename="y"`, "\n--b\nContent-Disposition: "+model+"\n\nz"),
		"a boundary that goes on":    form(model, "a", `form-data; name="x"; filename="y"`, "x\r\n--bc\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\nz"),
		"a header that has no value": "--b\r\nContent-Disposition\r\n\r\nz\r\n" + whole,
	} {
		if name == "no header" {
			body = "--b\r\n\r\nz\r\n" + whole
		}
		if r, err := formFacts([]byte(body), "b"); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, body := range map[string]string{
		"a file":        form(`form-data; name="file"; filename="my name*; model.wav"`, "\r\n--x\r\n\"", model, "a"),
		"in words":      form(`form-data; name="file"; filename*=utf-8''x.wav; filename="x.wav"`, "", model, "a"),
		"beyond ASCII":  form(`form-data; name="file"; filename="C:\ä é.wav"`, "", model, "a"),
		"without marks": form(`form-data; name=model`, "a"),
		"a type":        form(model+"\r\nContent-Type: text/plain", "a"),
	} {
		if r, err := formFacts([]byte(body), "b"); err != nil || r.Model != "a" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	// What is read as JSON goes on as JSON.
	synctest.Test(t, func(t *testing.T) {
		r := openaiRig(t, account{name: "a"})
		r.on("a", status(200, `{"data":[]}`))
		hidden := []byte("{\"model\":\"a\",\"x\":\"\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nz\r\n--b--\r\n\"}")
		if w := r.ask(Call{Dialect: r.d, Path: "/v1/embeddings"}, hidden, "Content-Type", "multipart/form-data; boundary=b; bad"); w.Code != 400 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := r.ask(Call{Dialect: r.d, Path: "/v1/embeddings", At: dialect.Route{}}, []byte(`{"model":"a","x":"&model=z"}`), "Content-Type", "application/x-www-form-urlencoded"); w.Code != 200 || r.attempts[0].header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s, %v", w.Code, w.Body, r.attempts)
		}
	})
}
