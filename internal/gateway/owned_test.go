package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/caller"
	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// SaveObject implements Objects.
func (m memoryObjects) SaveObject(_ context.Context, o domain.Object) error { m[o.ID] = o; return nil }

// Object implements Objects.
func (m memoryObjects) Object(_ context.Context, id domain.ObjectID, now time.Time) (domain.Object, error) {
	if o, ok := m[id]; ok && now.Before(o.Expires) {
		return o, nil
	}
	return domain.Object{}, domain.Errorf(domain.KindNotFound, "find an object", "there is no such object")
}

// DeleteObject implements Objects.
func (m memoryObjects) DeleteObject(_ context.Context, id domain.ObjectID) error {
	delete(m, id)
	return nil
}

const otherKey = "tk-other-0123456789abcdef"

// ownedRig has two accounts of OpenAI's and two keys of one pool.
func ownedRig(t *testing.T, accounts ...account) (*rig, memoryObjects) {
	kept := memoryObjects{}
	r := newRig(t, accounts, as(responses.Dialect{}), func(c *rigConfig) { c.platform, c.objects = "openai", kept })
	keys, err := caller.NewDirectory([]domain.Key{
		{ID: 1, Name: "team", Hash: sha256.Sum256([]byte(testKey)), Pools: []string{"default"}, Enabled: true},
		{ID: 2, Name: "other", Hash: sha256.Sum256([]byte(otherKey)), Pools: []string{"default"}, Enabled: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.g.Snapshot().keys = keys
	return r, kept
}

func responseJSON(id string) string {
	return `{"id":"` + id + `","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi","annotations":[]}]}],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}`
}

// object asks about an object.
func (r *rig) object(method, key string, c ObjectCall, body string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(method, "/", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+key)
	if strings.HasPrefix(body, "--b\r\n") {
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	}
	w := httptest.NewRecorder()
	r.g.Object(w, req, &c)
	return w
}

// A stored response lives at one account and is one key's own: later requests that name it go there,
// and so do questions about it; for another key it is not there.
func TestStoredResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a", priority: 1}, account{name: "b"})
		r.on("b", status(503, `{"error":{"message":"x"}}`))
		r.on("a", status(200, responseJSON("resp_1")))
		if g := r.send(`{"model":"m","input":"hi"}`); g.Code != 200 || len(kept) != 2 { // the response and its one item
			t.Fatalf("%d %s, %v", g.Code, g.text(), kept)
		}
		r.on("b", status(200, responseJSON("resp_b")))
		const next = `{"model":"m","previous_response_id":"resp_1","input":"and then"}`
		before := len(r.attempts)
		if g := r.send(next); g.Code != 200 || r.attempts[before].account != "a" || len(r.attempts) != before+1 || r.attempts[before].body != next {
			t.Errorf("asked %s", r.asked())
		}
		// It stays there, whatever happens.
		r.on("a", fail503)
		before = len(r.attempts)
		if g := r.send(next); g.Code < 500 {
			t.Errorf("%d %s", g.Code, g.text())
		}
		for _, m := range r.attempts[before:] {
			if m.account != "a" {
				t.Errorf("asked %s", r.asked())
			}
		}
		// For another key there is no such response.
		before = len(r.attempts)
		g := r.send(next, withHeader("X-Api-Key", otherKey))
		if g.Code != 404 || !strings.Contains(g.text(), "previous_response_not_found") || !strings.Contains(g.text(), `"param":"previous_response_id"`) || len(r.attempts) != before ||
			!strings.Contains(g.text(), "send the conversation whole") {
			t.Errorf("%d %s", g.Code, g.text())
		}
		one := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/responses", ID: "resp_1"}
		if w := r.object("GET", otherKey, one, ""); w.Code != 404 || len(r.attempts) != before {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		r.on("a", status(200, responseJSON("resp_1")))
		if w := r.object("GET", testKey, one, ""); w.Code != 200 || w.Body.String() != responseJSON("resp_1") || !strings.HasSuffix(r.attempts[before].url, "/responses/resp_1") {
			t.Errorf("%d %s, asked %+v", w.Code, w.Body, r.attempts[before])
		}
		r.on("a", status(200, `{"id":"resp_1","object":"response","deleted":true}`))
		if w := r.object("DELETE", testKey, one, ""); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := r.object("GET", testKey, one, ""); w.Code != 404 {
			t.Errorf("after it was deleted: %d %s", w.Code, w.Body)
		}
	})
}

// What is not stored is not remembered, and streams are as JSON answers.
func TestWhatIsStored(t *testing.T) {
	events := "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_s\",\"status\":\"in_progress\"}}\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hi\"}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":" + responseJSON("resp_s") + "}\n\n"
	for body, want := range map[string]int{
		`{"model":"m","input":"hi","stream":true}`:               2, // the response and its item
		`{"model":"m","input":"hi","stream":true,"store":false}`: 0,
		`{"model":"m","input":"hi","store":null}`:                2,
	} {
		synctest.Test(t, func(t *testing.T) {
			r, kept := ownedRig(t, account{name: "a"})
			r.on("a", status(200, responseJSON("resp_j")))
			if strings.Contains(body, `"stream":true`) {
				r.on("a", stream(io.EOF, part{0, events}))
			}
			if g := r.send(body); g.Code != 200 || len(kept) != want {
				t.Errorf("%s: %d %s, %d are remembered", body, g.Code, g.text(), len(kept))
			}
		})
	}
}

// Uploads: they go to one account of the key's, a list shows the key's own alone, and a request that names one goes
// where it is.
func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := ownedRig(t, account{name: "a"}, account{name: "b"})
		files := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/files"}
		r.on("a", status(200, `{"id":"file-1","object":"file"}`))
		r.on("b", status(200, `{"id":"file-1","object":"file"}`))
		upload := form(`form-data; name="file"; filename="a"`, "the file")
		for range 3 {
			if w := r.object("POST", testKey, files, upload); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		home := r.attempts[0].account
		if r.names() != strings.TrimSpace(strings.Repeat(home+" ", 3)) || r.attempts[0].body != upload {
			t.Errorf("asked %s", r.asked())
		}
		list := status(200, `{"object":"list","data":[{"id":"file-0","bytes":1},{"id":"file-1","bytes":2},{"id":"file-9"}],"has_more":false}`)
		r.on("a", list)
		r.on("b", list)
		if w := r.object("GET", testKey, files, ""); w.Body.String() != `{"object":"list","data":[{"id":"file-1","bytes":2}],"has_more":false}` {
			t.Errorf("%s", w.Body)
		}
		if w := r.object("GET", otherKey, files, ""); strings.Contains(w.Body.String(), "file-") {
			t.Errorf("another key sees %s", w.Body)
		}
		// Named in a request, at any depth.
		r.on("a", status(200, responseJSON("resp_1")))
		r.on("b", status(200, responseJSON("resp_1")))
		for range 4 {
			g := r.send(`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_text","text":"\"file_id\":\"file-7\""}]}]}`)
			if last := r.attempts[len(r.attempts)-1]; g.Code != 200 || last.account != home {
				t.Errorf("%d %s, asked %s", g.Code, g.text(), last.account)
			}
		}
		if g := r.send(`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-9"}]}]}`); g.Code != 404 || !strings.Contains(g.text(), "file-9") {
			t.Errorf("%d %s", g.Code, g.text())
		}
		// A batch reads its file where that is.
		batches := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/batches"}
		r.on("a", status(200, `{"id":"batch_1"}`))
		r.on("b", status(200, `{"id":"batch_1"}`))
		if w := r.object("POST", testKey, batches, `{"input_file_id":"file-1","endpoint":"/v1/responses"}`); w.Code != 200 || r.attempts[len(r.attempts)-1].account != home {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := r.object("POST", otherKey, batches, `{"input_file_id":"file-1"}`); w.Code != 404 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// What a body names is found wherever it stands and however it is spelt; what tools are called with names nothing.
func TestRefs(t *testing.T) {
	many := `{"file_ids":["f"`
	for i := range dialect.MaxRefs + 1 {
		many += fmt.Sprintf(`,"f%d"`, i)
	}
	for body, want := range map[string]string{
		`{"a":[{"file_id":"file-1"}]}`:                                                        "file-1",
		`{"a":[{"fil\u0065_id":"file-1"}]}`:                                                   "file-1",
		`{"container":{"file_ids":["a","b","a"]},"vector_store_ids":["v"]}`:                   "a b v",
		`{"container":"cntr_1"}`:                                                              "cntr_1",
		`{"input":[{"type":"item_reference","id":"msg_1"},{"id":"x","type":"message"}]}`:      "msg_1",
		`{"input":[{"id":"msg_2" , "type" : "item_reference"}]}`:                              "msg_2",
		`{"generateContentRequest":{"cachedContent":"cachedContents/1"}}`:                     "cachedContents/1",
		`{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}`: "files/x",
		`{"fileData":{"fileUri":"https://example.com/files/x"}}`:                              "",
		`{"text":"\"file_id\":\"file-1\""}`:                                                   "",
		`{"type":"tool_use","input":{"file_id":"mine","container":"docker"}}`:                 "",
		`{"functionCall":{"args":{"file_id":"mine"}}}`:                                        "",
		`{"tools":[{"input_schema":{"properties":{"file_id":{"type":"string"}}}}]}`:           "",
		`{"file_id":5,"file_ids":{},"container":{"type":"auto"}}`:                             "",
		`{"file_id":"file-1"`:                                                                 "file-1",
		// Parsers differ in which of two they believe.
		`{"input":[{"type":"item_reference","id":"msg_1","id":"msg_2"}]}`:                               "msg_1 msg_2",
		`{"file_id":"a","file_id":"b"}`:                                                                 "a b",
		`{"conversation":{"id":"","id":"conv_1"}}`:                                                      "conv_1",
		`{"input":[{"id":"msg_1","x":"{","type":"item_reference"}]}`:                                    "msg_1",
		`{"input":[{"id":"msg_1","status":{},"type":"item_reference"}]}`:                                "msg_1",
		`{"input":[{"id":"msg_1"}]}`:                                                                    "msg_1",
		`{"input":[{"id":"msg_1","type":null}]}`:                                                        "msg_1",
		`{"input":[{"id":"msg_1","role":"user","content":"hi"}]}`:                                       "",
		`{"input":[{"id":"msg_1","type":"message","content":[]}]}`:                                      "",
		`{"input":[{"type":"reasoning","id":"rs_1","summary":[]}]}`:                                     "rs_1",
		`{"input":[{"type":"reasoning","id":"rs_1","content":[]}]}`:                                     "rs_1",
		`{"input":[{"type":"reasoning","id":"rs_1","encrypted_content":"e"}]}`:                          "",
		`{"input":[{"type":"reasoning","id":"rs_1","content":[{"type":"reasoning_text","text":"t"}]}]}`: "",
		`{"input":[{"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}]}`:    "mcpr_1",
		`{"container":{"id":"cntr_1","skills":[{"type":"anthropic","skill_id":"pptx"}]}}`:               "cntr_1",
		`{"container":"dHVybm91dDEu"}`:                                                                  "dHVybm91dDEu",
		`{"fileData":{"fileUri":"https://GenerativeLanguage.googleapis.com:443/v1beta/files/x"}}`:       "files/x",
		`{"fileData":{"fileUri":"https://generativelanguage.googleapis.com.evil.example/files/x"}}`:     "",
	} {
		refs, ok := dialect.Refs([]byte(body), dialect.Mark([]byte(body)))
		var got []string
		for _, r := range refs {
			got = append(got, r.ID)
		}
		if strings.Join(got, " ") != want || !ok {
			t.Errorf("%s: %q, %v; want %q", body, got, ok, want)
		}
	}
	if _, ok := dialect.Refs([]byte(many+"]}"), dialect.MarkRef); ok {
		t.Error("too many were taken")
	}
}

// Items of a stored answer and containers are as much one key's own as the answer itself.
func TestItemsAndContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := ownedRig(t, account{name: "a"}, account{name: "b", priority: 1})
		r.on("a", status(200, strings.Replace(responseJSON("resp_1"), `"id":"msg_1"`, `"id":"msg_1","container_id":"cntr_1"`, 1)))
		r.send(`{"model":"m","input":"hi"}`)
		for _, next := range []string{
			`{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}`,
			`{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":"cntr_1"}]}`,
		} {
			before := len(r.attempts)
			if g := r.send(next); g.Code != 200 || r.attempts[before].account != "a" {
				t.Errorf("%s: %d %s", next, g.Code, g.text())
			}
			before = len(r.attempts)
			if g := r.send(next, withHeader("X-Api-Key", otherKey)); g.Code != 404 || len(r.attempts) != before {
				t.Errorf("%s of another key: %d %s", next, g.Code, g.text())
			}
		}
	})
}

// A stored stream can be asked about before it has ended, and after its caller has left.
func TestStoredStreamIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"})
		r.on("a", stream(io.ErrUnexpectedEOF, part{0, "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_s\"}}\n\n" +
			"data: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hi\"}\n\n"}))
		r.send(`{"model":"m","input":"hi","stream":true}`)
		if _, ok := kept[domain.NewObjectID(1, "resp_s")]; !ok {
			t.Errorf("%v", kept)
		}
	})
}

// A batch is held to the key's models; bodies of PATCH arrive; an own seat is refused here; what cannot be looked
// through is not shown.
func TestObjectPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"})
		keys, err := caller.NewDirectory([]domain.Key{{ID: 1, Name: "team", Hash: sha256.Sum256([]byte(testKey)), Pools: []string{"default"}, Models: []string{"small-*"}, Enabled: true}})
		if err != nil {
			t.Fatal(err)
		}
		r.g.Snapshot().keys = keys
		r.on("a", status(200, `{"id":"b1"}`))
		batches := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/batches"}
		if w := r.object("POST", testKey, batches, `{"requests":[{"params":{"model":"small-1"}}]}`); w.Code != 403 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		_ = kept.SaveObject(t.Context(), domain.Object{ID: domain.NewObjectID(1, "file-1"), Account: 1, Expires: time.Now().Add(time.Hour)})
		if w := r.object("POST", testKey, batches, `{"input_file_id":"file-1"}`); w.Code != 403 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		one := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/files", ID: "file-1"}
		if w := r.object("PATCH", testKey, one, `{"ttl":"60s"}`); w.Code != 200 || r.attempts[len(r.attempts)-1].body != `{"ttl":"60s"}` {
			t.Errorf("%d, sent %q", w.Code, r.attempts[len(r.attempts)-1].body)
		}
		before := len(r.attempts)
		files := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/files"}
		req := httptest.NewRequest("POST", "/", strings.NewReader("x"))
		req.Header.Set("X-Turnout-Key", testKey)
		req.Header.Set("Authorization", "Bearer of-the-caller")
		w := httptest.NewRecorder()
		if r.g.Object(w, req, &files); w.Code != 400 || len(r.attempts) != before {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, list := range []string{`{"things":[{"id":"file-of-another"}]}`, `{"data":[` + strings.Repeat(`{"id":"file-of-another"},`, 1_000_000) + `{}]}`} {
			r.on("a", status(200, list))
			if w := r.object("GET", testKey, files, ""); strings.Contains(w.Body.String(), "file-of-another") {
				t.Errorf("%d bytes with others' files", w.Body.Len())
			}
		}
	})
}

// An upstream's refusal of the account is not the caller's, and its error texts hold no keys.
func TestObjectErrors(t *testing.T) {
	one := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/responses", ID: "resp_1"}
	for _, c := range []struct {
		reply  reply
		status int
		says   string
	}{
		{status(401, `{"error":{"message":"Incorrect API key provided: sk-aaaaaa****"}}`), 502, "operator"},
		{status(404, `{"error":{"message":"no such response of org-0123456789abcdefghij"}}`), 404, "[redacted]"},
		{unsent, 502, "could not be reached"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, kept := ownedRig(t, account{name: "a"})
			_ = kept.SaveObject(t.Context(), domain.Object{ID: domain.NewObjectID(1, "resp_1"), Account: 1, Expires: time.Now().Add(time.Hour)})
			r.on("a", c.reply)
			if w := r.object("GET", testKey, one, ""); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if rec := r.last(); rec.Status != c.status || rec.Account != 1 && c.status != 404 {
				t.Errorf("%+v", rec)
			}
		})
	}
}

// What lives at an account in use for the key can be named; another key's, what nobody knows and what lives at a
// paused account cannot. Of a seat of the caller's own nothing is known.
func TestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"}, account{name: "b"})
		for name, at := range map[string]domain.AccountID{"resp_a": 1, "resp_b": 2, "resp_gone": 9} {
			_ = kept.SaveObject(t.Context(), domain.Object{ID: domain.NewObjectID(1, name), Account: at, Expires: time.Now().Add(time.Hour)})
		}
		_ = kept.SaveObject(t.Context(), domain.Object{ID: domain.NewObjectID(2, "resp_other"), Account: 1, Expires: time.Now().Add(time.Hour)})
		r.accounts[1].Paused = true
		for _, c := range []struct {
			key, name, seat string
			want            bool
		}{
			{testKey, "resp_a", "", true},
			{testKey, "resp_b", "", false},
			{testKey, "resp_gone", "", false},
			{testKey, "resp_other", "", false},
			{testKey, "resp_unknown", "", false},
			{"wrong", "resp_a", "", false},
			{testKey, "resp_unknown", "Bearer sk-own", true},
		} {
			req := httptest.NewRequest(http.MethodPost, "/v1/responses", nil)
			req.Header.Set("X-Turnout-Key", c.key)
			req.Header.Set("Authorization", c.seat)
			if got := r.g.Keeps(req, c.name); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
	})
}

// A session that moves to another organisation leaves what only the first can read behind, and says so; one that moves
// within it does not.
func TestEncryptedReasoning(t *testing.T) {
	const body = `{"model":"m","store":false,"prompt_cache_key":"s","input":[{"type":"message","role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","encrypted_content":"xyz","summary":[]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`
	for _, c := range []struct {
		org     string // of the second account
		dropped bool
	}{{"two", true}, {"one", false}} {
		synctest.Test(t, func(t *testing.T) {
			r, _ := ownedRig(t, account{name: "a", org: "one"}, account{name: "b", org: c.org, priority: 1})
			r.on("a", status(200, responseJSON("resp_1")))
			r.on("b", status(200, responseJSON("resp_2")))
			r.send(body)
			r.on("a", status(401, `{"error":{"message":"x"}}`))
			g := r.send(body)
			last := r.attempts[len(r.attempts)-1]
			if last.account != "b" || strings.Contains(last.body, "xyz") == c.dropped || !strings.Contains(last.body, `"call_id":"c"`) {
				t.Errorf("%s got %s", last.account, last.body)
			}
			if warned := strings.Contains(strings.Join(g.Header()[warningHeader], ""), "encrypted reasoning"); warned != c.dropped {
				t.Errorf("%v", g.Header())
			}
		})
	}
	t.Run("nobody knew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := ownedRig(t, account{name: "a"})
			r.on("a", status(400, `{"error":{"message":"could not be verified","type":"invalid_request_error","code":"invalid_encrypted_content"}}`), status(200, responseJSON("resp_1")))
			g := r.send(body)
			if g.Code != 200 || len(r.attempts) != 2 || bytes.Contains([]byte(r.attempts[1].body), []byte("xyz")) || len(g.Header()[warningHeader]) != 1 {
				t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
			}
		})
	})
}

// The same for a caller of another dialect, who gets such reasoning sealed and sends it back.
func TestEncryptedReasoningTranslated(t *testing.T) {
	body := `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[` +
		`{"type":"thinking","thinking":"","signature":"` + neutral.Seal(domain.DialectOpenAIResp, "rs_1", "xyz") + `"},{"type":"tool_use","id":"c","name":"f","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"ok"}]}]}`
	lost := status(400, `{"error":{"message":"could not be verified","type":"invalid_request_error","code":"invalid_encrypted_content"}}`)
	for _, c := range []struct {
		name, org string // of the second account
		first     reply  // of it
		asked     int
		dropped   bool
	}{
		{"to another organisation", "two", status(200, responseJSON("resp_2")), 3, true},
		{"within the organisation", "one", status(200, responseJSON("resp_2")), 3, false},
		{"nobody knew", "one", lost, 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", org: "one"}, {name: "b", org: c.org, priority: 1}}, func(rc *rigConfig) { rc.platform = "openai" })
				r.on("a", status(200, responseJSON("resp_1")))
				r.send(body, withHeader("X-Claude-Code-Session-Id", "s"))
				if !strings.Contains(r.attempts[0].body, "xyz") {
					t.Errorf("at home: %s", r.attempts[0].body)
				}
				r.on("a", status(401, `{"error":{"message":"x"}}`))
				r.on("b", c.first, status(200, responseJSON("resp_2")))
				g := r.send(body, withHeader("X-Claude-Code-Session-Id", "s"))
				last := r.attempts[len(r.attempts)-1]
				if g.Code != 200 || len(r.attempts) != c.asked || last.account != "b" || strings.Contains(last.body, "xyz") == c.dropped || !strings.Contains(last.body, `"call_id":"c"`) {
					t.Errorf("%d %s, asked %s; %s got %s", g.Code, g.text(), r.asked(), last.account, last.body)
				}
				if warned := strings.Contains(strings.Join(g.Header()[warningHeader], ""), "encrypted reasoning"); warned != c.dropped {
					t.Errorf("%v", g.Header())
				}
			})
		})
	}
}

// A session that comes home to an account of its caller's dialect leaves the reasoning of the others behind: its provider
// would refuse it.
func TestReasoningOfOtherDialects(t *testing.T) {
	seal := func(d domain.Dialect) string { return neutral.Seal(d, "", "xyz") }
	called := func(signature string) string {
		return `{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"` + signature + `"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}`
	}
	gem := base64.StdEncoding.EncodeToString([]byte(seal(domain.DialectOpenAIResp)))
	for _, c := range []struct {
		platform   string
		d          dialect.Dialect
		at         dialect.Route
		body, want string
	}{
		{
			"anthropic", anthropic.Dialect{}, dialect.Route{}, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"` + seal(domain.DialectGeminiContent) + `"},{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":"so"}]}`,
			`{"model":"n","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":"so"}]}`,
		},
		{
			"openai", responses.Dialect{}, dialect.Route{}, `{"input":[{"role":"user","content":"hi"},{"type":"reasoning","summary":[],"encrypted_content":"` + seal(domain.DialectAnthropic) + `"},{"type":"reasoning","id":"rs_1","encrypted_content":"own"}],"model":"m"}`,
			`{"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","encrypted_content":"own"}],"model":"n"}`,
		},
		{"gemini", gemini.Dialect{}, dialect.Route{Model: "m", Version: "v1beta", Verb: "generateContent"}, called(gem), called("skip_thought_signature_validator")},
		{"gemini", gemini.Dialect{}, dialect.Route{Model: "gemini-2.5-pro", Version: "v1beta", Verb: "generateContent"}, called(gem), strings.Replace(called(""), `,"thoughtSignature":""`, "", 1)},
	} {
		t.Run(c.platform, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", models: domain.ModelMap{"m": "n", "gemini-*": "gemini-*"}}}, as(c.d), func(rc *rigConfig) { rc.platform = c.platform })
				r.on("a", status(401, `{"error":{"message":"x"}}`))
				g := r.ask(Call{Dialect: c.d, At: c.at}, []byte(c.body))
				if got := r.attempts[0].body; got != c.want {
					t.Errorf("%d %s: sent %s\nwant %s", g.Code, g.Body, got, c.want)
				}
			})
		})
	}
}
