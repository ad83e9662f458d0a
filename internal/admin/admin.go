package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"turnout/internal/domain"
)

// Reloader reads the configuration again; the text says what changed.
type Reloader interface {
	Reload(ctx context.Context) (string, error)
}

const tokenFile = "admin.token"

// ReloadPath is where a reload is asked for, with POST. HelloPath proves to whoever
// holds the token that this process holds it too, before the token is sent: another program may
// have the port by now.
const (
	ReloadPath = "/admin/v1/reload"
	HelloPath  = "/admin/v1/hello"
)

// Proof is the answer of HelloPath to a nonce.
func Proof(token, nonce string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("turnout hello\x00" + nonce))
	return hex.EncodeToString(mac.Sum(nil))
}

// Answer is what every call answers: one of the three.
type Answer struct {
	Result string          `json:"result,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// LimitsPath is where the time limits in force are asked for, with GET; RoutePath, where a request would go now.
const (
	LimitsPath = "/admin/v1/explain/limits"
	RoutePath  = "/admin/v1/explain/route"
)

// SessionPath is where a session is moved, with POST.
const SessionPath = "/admin/v1/sessions/move"

// Getter answers a question about the running gateway, with something that encodes as
// JSON. The error is in words for the asker.
type Getter func(ctx context.Context, query url.Values) (any, error)

// New makes the handler; gets are the questions that it answers, by path, posts what it does, and more what else there is. The token is
// made in dir if there is none.
func New(dir string, r Reloader, gets, posts map[string]Getter, more ...Routes) (http.Handler, error) {
	token, err := Token(dir)
	if errors.Is(err, fs.ErrNotExist) {
		token = "ta-" + base64.RawURLEncoding.EncodeToString(random(32))
		err = os.WriteFile(filepath.Join(dir, tokenFile), []byte(token+"\n"), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("admin token: %w", err)
	}
	want := sha256.Sum256([]byte(token))
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ReloadPath, func(w http.ResponseWriter, req *http.Request) {
		text, err := r.Reload(req.Context())
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
			return
		}
		answer(w, http.StatusOK, Answer{Result: text})
	})
	for path, get := range gets {
		mux.HandleFunc("GET "+path, get.serve)
	}
	for path, do := range posts {
		mux.HandleFunc("POST "+path, do.serve)
	}
	for _, routes := range more {
		routes(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == HelloPath {
			answer(w, http.StatusOK, Answer{Result: Proof(token, req.URL.Query().Get("nonce"))})
			return
		}
		got, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(got))
		if subtle.ConstantTimeCompare(sum[:], want[:]) != 1 {
			answer(w, http.StatusUnauthorized, Answer{Error: "the admin API wants the token from the data directory's admin.token as a bearer"})
			return
		}
		mux.ServeHTTP(w, req)
	}), nil
}

func (get Getter) serve(w http.ResponseWriter, req *http.Request) {
	v, err := get(req.Context(), req.URL.Query())
	var data []byte
	if err == nil {
		data, err = json.Marshal(v)
	}
	if err != nil {
		text := err.Error()
		var e *domain.Error
		if errors.As(err, &e) && e.Message != "" {
			text = e.Message
		}
		answer(w, http.StatusUnprocessableEntity, Answer{Error: text})
		return
	}
	answer(w, http.StatusOK, Answer{Data: data})
}

// Token reads the admin token of a data directory.
func Token(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, tokenFile))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 32 {
		return "", fmt.Errorf("%s holds no token; delete it and one is made at the next start", filepath.Join(dir, tokenFile))
	}
	return token, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the process crashes rather than return bad randomness
	return b
}

func answer(w http.ResponseWriter, status int, a Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a)
}
