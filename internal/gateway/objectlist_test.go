package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// list asks for one with a query.
func (r *rig) list(key string, c ObjectCall, query string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest("GET", "/?"+query, nil)
	req.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	r.g.Object(w, req, &c)
	return w
}

// shelf answers for lists of so many rows, named from row-000 on, as the query asks for them.
func shelf(n int, l listing) reply {
	return func(_ context.Context, call *upstream.Call) (*http.Response, error) {
		q := call.URL.Query()
		limit := 20
		_, _ = fmt.Sscan(q.Get(l.limit), &limit)
		from := 0
		if after := q.Get(l.after); after != "" {
			_, _ = fmt.Sscanf(after, "row-%d", &from)
			from++
		}
		to := min(n, from+limit)
		more := to < n
		if before := q.Get(l.before); l.before != "" && before != "" {
			_, _ = fmt.Sscanf(before, "row-%d", &to)
			from = max(0, to-limit)
			more = from > 0
		}
		var rows []string
		for i := from; i < to; i++ {
			rows = append(rows, fmt.Sprintf(`{"id":"row-%03d"}`, i))
		}
		if l.token != "" {
			return answer200("application/json", fmt.Sprintf(`{"cachedContents":[%s],"nextPageToken":"row-%03d"}`, strings.ReplaceAll(strings.Join(rows, ","), `"id"`, `"name"`), to-1)), nil
		}
		return answer200("application/json", fmt.Sprintf(`{"data":[%s],"first_id":"row-%03d","last_id":"row-%03d","has_more":%v}`, strings.Join(rows, ","), from, to-1, more)), nil
	}
}

// What a list says of itself is said of what is shown: other keys' ids stand nowhere in it, and a page that holds nothing of the caller's is
// passed over.
func TestListsOfOneKey(t *testing.T) {
	files := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/files"}
	batches := ObjectCall{Dialect: anthropic.Dialect{}, Collection: "/v1/messages/batches"}
	for _, c := range []struct {
		name, query, want string
		asked             int
		own               []int
	}{
		{"some of a page", "limit=10", `{"data":[{"id":"row-003"},{"id":"row-005"}],"first_id":"row-003","last_id":"row-005","has_more":true}`, 1, []int{3, 5, 250}},
		{"on from one's own", "limit=10&AFTER=row-005", `{"data":[{"id":"row-250"}],"first_id":"row-250","last_id":"row-250","has_more":false}`, 4, []int{3, 5, 250}},
		{"to the end", "limit=10&AFTER=row-250", `{"data":[],"first_id":null,"last_id":null,"has_more":false}`, 2, []int{250}},
		{"no more than asked for", "limit=2", `{"data":[{"id":"row-050"},{"id":"row-051"}],"first_id":"row-050","last_id":"row-051","has_more":true}`, 2, []int{50, 51, 52}},
		{"nothing", "", `{"data":[],"first_id":null,"last_id":null,"has_more":false}`, 4, nil},
		{"the last row", "", `{"data":[{"id":"row-299"}],"first_id":"row-299","last_id":"row-299","has_more":false}`, 4, []int{299}},
	} {
		for _, call := range []ObjectCall{files, batches} {
			synctest.Test(t, func(t *testing.T) {
				kept := memoryObjects{}
				r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.platform, rc.objects = platformFor(call), kept })
				l := listings[call.Dialect.ID()]
				r.on("a", shelf(300, l))
				for _, i := range c.own {
					kept.has(1, fmt.Sprintf("row-%03d", i), 1)
				}
				kept.has(2, "row-001", 1)
				w := r.list(testKey, call, strings.Replace(c.query, "AFTER", l.after, 1))
				if w.Code != 200 || w.Body.String() != c.want || len(r.attempts) != c.asked {
					t.Errorf("%s, %s: %d %s, asked %d times", c.name, call.Collection, w.Code, w.Body, len(r.attempts))
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) { // backwards
		kept := memoryObjects{}
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.objects = kept })
		r.on("a", shelf(300, listings[domain.DialectAnthropic]))
		for _, i := range []int{10, 11, 12, 250} {
			kept.has(1, fmt.Sprintf("row-%03d", i), 1)
		}
		w := r.list(testKey, batches, "limit=2&before_id=row-250")
		if want := `{"data":[{"id":"row-011"},{"id":"row-012"}],"first_id":"row-011","last_id":"row-012","has_more":true}`; w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		before := len(r.attempts)
		if w := r.list(testKey, batches, "after_id=row-100"); w.Code != 404 || len(r.attempts) != before {
			t.Errorf("on from another's: %d %s", w.Code, w.Body)
		}
	})
	synctest.Test(t, func(t *testing.T) { // without an end
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.objects = memoryObjects{} })
		r.on("a", shelf(1_000_000, listings[domain.DialectAnthropic]))
		if w := r.list(testKey, batches, ""); w.Body.String() != `{"data":[],"first_id":null,"last_id":null,"has_more":false}` || len(r.attempts) != maxListPages {
			t.Errorf("%d %s, asked %d times", w.Code, w.Body, len(r.attempts))
		}
	})
	synctest.Test(t, func(t *testing.T) { // the upstream fails on the way
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.objects = memoryObjects{} })
		r.on("a", shelf(300, listings[domain.DialectAnthropic]), fail503)
		if w := r.list(testKey, batches, ""); w.Code != 502 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	synctest.Test(t, func(t *testing.T) { // what is no JSON is not passed on, either
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.objects = memoryObjects{} })
		r.on("a", func(context.Context, *upstream.Call) (*http.Response, error) {
			return answer200("text/plain", `{"data":[{"id":"row-1"}]`), nil
		})
		if w := r.list(testKey, batches, ""); strings.Contains(w.Body.String(), "row-1") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func platformFor(c ObjectCall) string {
	if c.Collection == "/v1/files" {
		return "openai"
	}
	return "anthropic"
}

// Google's lists leave out what is empty, and say with a token how they go on.
func TestListsOfGoogle(t *testing.T) {
	for name, c := range map[string]struct {
		answer, want string
		own          bool
	}{
		"empty":            {`{}`, `{}`, false},
		"all of others":    {`{"cachedContents":[{"name":"cachedContents/x"}]}`, `{}`, false},
		"one's own":        {`{"cachedContents":[{"name":"cachedContents/x"},{"name":"cachedContents/y"}],"nextPageToken":"t"}`, `{"cachedContents":[{"name":"cachedContents/x"}],"nextPageToken":"t"}`, true},
		"of another shape": {`{"things":[{"name":"cachedContents/x"}]}`, `{}`, false},
		"broken":           {`{"cachedContents":[{"name":"cachedContents/x"}`, `{}`, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			kept := memoryObjects{}
			r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}), func(rc *rigConfig) { rc.platform, rc.objects = "gemini", kept })
			if c.own {
				kept.has(1, "cachedContents/x", 1)
			}
			r.on("a", status(200, c.answer))
			if w := r.list(testKey, cachedContents, ""); w.Code != 200 || w.Body.String() != c.want {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // on to a page with something of the caller's
		kept := memoryObjects{}
		r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}), func(rc *rigConfig) { rc.platform, rc.objects = "gemini", kept })
		kept.has(1, "row-045", 1)
		r.on("a", shelf(300, listings[domain.DialectGeminiContent]))
		if w := r.list(testKey, cachedContents, "pageSize=20"); w.Body.String() != `{"cachedContents":[{"name":"row-045"}],"nextPageToken":"row-059"}` || len(r.attempts) != 3 {
			t.Errorf("%d %s, asked %s", w.Code, w.Body, r.asked())
		}
	})
}

// What came to be with an object of the caller's is the caller's own, as soon as it is told of.
func TestWhatAnswersTellOf(t *testing.T) {
	batch := ObjectCall{Dialect: openai.Dialect{}, Collection: "/v1/batches"}
	response := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/responses", ID: "x"}
	items := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/conversations", ID: "x", Tail: "/items"}
	one := func(c ObjectCall, tail string) ObjectCall { c.ID, c.Tail = "x", tail; return c }
	const done = `{"id":"x","output_file_id":"file-out","error_file_id":"file-err"}`
	const made = `{"id":"x","status":"completed","output":[{"type":"code_interpreter_call","id":"ci_1","container_id":"cntr_1"}]}`
	event := stream(io.EOF, part{0, "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"x\"}}\n\nevent: response.completed\ndata: {\"type\":\"response.com"},
		part{0, "pleted\",\"response\":" + made + "}\n\n"})
	for name, c := range map[string]struct {
		call   ObjectCall
		method string
		body   string
		reply  reply
		own    string
		not    string
	}{
		"a batch":         {one(batch, ""), "GET", "", status(200, done), "file-out file-err", ""},
		"that is stopped": {one(batch, "/cancel"), "POST", "", status(200, done), "file-out file-err", ""},
		"in a list":       {batch, "GET", "", status(200, `{"data":[{"id":"other","output_file_id":"file-other"},`+done+`]}`), "file-out file-err", "file-other other"},
		"not yet done":    {one(batch, ""), "GET", "", status(200, `{"id":"x","output_file_id":null}`), "", "file-out"},
		"an error":        {one(batch, ""), "GET", "", status(500, done), "", "file-out"},
		"a response":      {response, "GET", "", status(200, made), "ci_1 cntr_1", ""},
		"in events":       {response, "GET", "", event, "ci_1 cntr_1", ""},
		"a large one":     {response, "GET", "", status(200, `{"text":"`+strings.Repeat("x", maxObjectBody)+`"}`), "", ""},
		"items":           {items, "POST", `{"items":[{"role":"user"},{"type":"message","role":"user","\u0069d":"msg_other"}]}`, status(200, `{"data":[{"id":"msg_1"},{"id":"msg_other"}]}`), "msg_1", "msg_other"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, kept := ownedRig(t, account{name: "a"}, account{name: "b"})
			kept.has(1, "x", 2)
			r.on("a", c.reply)
			r.on("b", c.reply)
			w := r.object(c.method, testKey, c.call, c.body)
			resp, _ := c.reply(t.Context(), &upstream.Call{URL: &url.URL{}})
			if raw, _ := io.ReadAll(resp.Body); c.call.ID != "" && w.Body.String() != string(raw) {
				t.Errorf("%s: %d, %d bytes of %d", name, w.Code, w.Body.Len(), len(raw))
			}
			for _, id := range strings.Fields(c.own) {
				if o := kept[domain.NewObjectID(1, id)]; o.Account != 2 {
					t.Errorf("%s: %s is at %v", name, id, o.Account)
				}
			}
			for _, id := range strings.Fields(c.not) {
				if _, ok := kept[domain.NewObjectID(1, id)]; ok {
					t.Errorf("%s: %s has become the caller's", name, id)
				}
			}
		})
	}
}
