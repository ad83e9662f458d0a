package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnout/internal/domain"
)

// clerk is an operator that writes down what it was asked.
type clerk struct{ asked string }

func (c *clerk) List(_ context.Context, kind string) (any, error) {
	c.asked = "list " + kind
	return []Key{{Name: "k"}}, nil
}

func (c *clerk) Create(_ context.Context, kind string, object []byte) (any, error) {
	c.asked = "create " + kind + " " + string(object)
	return Done{Name: "k", State: StateActive}, nil
}

func (c *clerk) Do(_ context.Context, kind, name, action string, body []byte) (any, error) {
	c.asked = strings.Join([]string{kind, name, action, string(body)}, " ")
	var want KeyRotation
	if err := Decode(body, &want); err != nil {
		return nil, err
	}
	if name == "nobody" {
		return nil, domain.Errorf(domain.KindNotFound, "find", "there is no key %q", name)
	}
	return Done{Name: name}, nil
}

func TestObjects(t *testing.T) {
	dir, c := t.TempDir(), &clerk{}
	h, err := New(dir, &reloader{}, nil, nil, Objects(c))
	if err != nil {
		t.Fatal(err)
	}
	token, err := Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		method, path, body string
		status             int
		asked, answer      string
	}{
		{"GET", "keys", "", 200, "list keys", `"data":[{"name":"k"`},
		{"GET", "users", "", 200, "list users", ""},
		{"POST", "teams", `{"name":"t"}`, 200, `create teams {"name":"t"}`, `"data":{"name":"k","state":"active"}`},
		{"POST", "keys/k/rotate", `{"overlap":"1h"}`, 200, `keys k rotate {"overlap":"1h"}`, ""},
		{"POST", "keys/a%2Fb/rotate", "", 200, "keys a/b rotate ", ""},
		{"POST", "keys/k/rotate", `{"overlapp":"1h"}`, 422, `keys k rotate {"overlapp":"1h"}`, `unknown field`},
		{"POST", "keys/k/rotate", `{} {}`, 422, `keys k rotate {} {}`, "something follows the object"},
		{"POST", "keys/k/rotate", `[]`, 422, `keys k rotate []`, "is not what this call asks for"},
		{"POST", "keys/nobody/rotate", "", 404, "keys nobody rotate ", `"error":"there is no key \"nobody\""`},
		{"POST", "keys", strings.Repeat("x", maxBody+1), 413, "", "larger than 1 MiB"},
		{"DELETE", "keys", "", 405, "", ""},
		{"GET", "secrets", "", 404, "", ""},
	} {
		c.asked = ""
		req := httptest.NewRequest(x.method, ObjectsPath+x.path, strings.NewReader(x.body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 401 || c.asked != "" {
			t.Errorf("%s %s without the token: %d, %s", x.method, x.path, w.Code, c.asked)
		}
		req = httptest.NewRequest(x.method, ObjectsPath+x.path, strings.NewReader(x.body))
		req.Header.Set("Authorization", "Bearer "+token)
		w = httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != x.status || c.asked != x.asked || !strings.Contains(w.Body.String(), x.answer) {
			t.Errorf("%s %s: %d, asked %q, %s", x.method, x.path, w.Code, c.asked, w.Body)
		}
		if w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s", w.Body)
		}
	}
}
