package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/domain"
)

type reloader struct {
	text  string
	err   error
	calls int
}

func (r *reloader) Reload(context.Context) (string, error) { r.calls++; return r.text, r.err }

func ask(h http.Handler, method, path, authorization string) (int, Answer) {
	req := httptest.NewRequest(method, path, nil)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var a Answer
	_ = json.Unmarshal(w.Body.Bytes(), &a)
	return w.Code, a
}

func TestToken(t *testing.T) {
	dir := t.TempDir()
	if _, err := Token(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first start: %v", err)
	}
	if _, err := New(dir, &reloader{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, tokenFile))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	token, err := Token(dir)
	if err != nil || !strings.HasPrefix(token, "ta-") || len(token) < 40 {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := New(dir, &reloader{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if again, _ := Token(dir); again != token {
		t.Error("a restart makes another token")
	}
	if other := t.TempDir(); true {
		_, _ = New(other, &reloader{}, nil, nil)
		if second, _ := Token(other); second == token {
			t.Error("two installations have one token")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, tokenFile), []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(dir, &reloader{}, nil, nil); err == nil || !strings.Contains(err.Error(), "delete it") || strings.Contains(err.Error(), "short") {
		t.Errorf("a token that anyone can guess: %v", err)
	}
	if _, err := New(filepath.Join(dir, "missing"), &reloader{}, nil, nil); err == nil {
		t.Error("a directory that is not there")
	}
}

func TestAuthorization(t *testing.T) {
	dir := t.TempDir()
	r := &reloader{text: "ok"}
	h, err := New(dir, r, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := Token(dir)
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer x", "Bearer " + token + "x", "Bearer " + token[1:], "Bearer  " + token, "Basic " + token, "Bearer " + strings.ToUpper(token)} {
		for _, path := range []string{ReloadPath, "/admin/", "/admin/v1/nothing"} {
			status, a := ask(h, "POST", path, authorization)
			if status != http.StatusUnauthorized || a.Error == "" || strings.Contains(a.Error, token) {
				t.Errorf("%s with %q: %d %+v", path, authorization, status, a)
			}
		}
	}
	if r.calls != 0 {
		t.Errorf("%d reloads without the token", r.calls)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	r := &reloader{text: "reloaded turnout.yaml: no changes"}
	h, err := New(dir, r, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := Token(dir)
	bearer := "Bearer " + token
	if status, a := ask(h, "POST", ReloadPath, bearer); status != 200 || a.Result != r.text || a.Error != "" {
		t.Errorf("%d %+v", status, a)
	}
	r.err = errors.New("turnout.yaml:3: unknown key")
	if status, a := ask(h, "POST", ReloadPath, bearer); status != http.StatusUnprocessableEntity || a.Error != "turnout.yaml:3: unknown key" || a.Result != "" {
		t.Errorf("%d %+v", status, a)
	}
	if r.calls != 2 {
		t.Errorf("%d calls", r.calls)
	}
	if status, _ := ask(h, "GET", ReloadPath, bearer); status != http.StatusMethodNotAllowed || r.calls != 2 {
		t.Errorf("GET: %d, %d calls", status, r.calls)
	}
	if status, _ := ask(h, "POST", "/admin/v1/nothing", bearer); status != http.StatusNotFound {
		t.Errorf("an unknown path: %d", status)
	}
}

// TestGet: questions are answered with JSON, behind the token like everything else.
func TestGet(t *testing.T) {
	dir := t.TempDir()
	h, err := New(dir, &reloader{}, map[string]Getter{LimitsPath: func(_ context.Context, q url.Values) (any, error) {
		if q.Get("pool") == "" {
			return nil, &domain.Error{Kind: domain.KindNotFound, Op: "inside", Message: "name a pool"}
		}
		return map[string]string{"pool": q.Get("pool")}, nil
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := Token(dir)
	if status, a := ask(h, "GET", LimitsPath+"?pool=x", ""); status != http.StatusUnauthorized || a.Data != nil {
		t.Errorf("without the token: %d %s", status, a.Data)
	}
	if status, a := ask(h, "GET", LimitsPath+"?pool=x", "Bearer "+token); status != http.StatusOK || string(a.Data) != `{"pool":"x"}` {
		t.Errorf("%d %s", status, a.Data)
	}
	if status, a := ask(h, "GET", LimitsPath, "Bearer "+token); status != http.StatusUnprocessableEntity || a.Error != "name a pool" {
		t.Errorf("%d %+v", status, a)
	}
}
