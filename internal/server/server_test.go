package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
	"turnout/internal/gateway"
	"turnout/internal/obs"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type nobody struct{}

func (nobody) Send(context.Context, *upstream.Call) (*http.Response, error) {
	return nil, &upstream.Fault{Kind: upstream.FaultUnsent, Err: errors.New("nobody is there")}
}
func (nobody) Keep([]*domain.Account)                         {}
func (nobody) Lookup(domain.SessionID) (domain.Binding, bool) { return domain.Binding{}, false }
func (nobody) Bind(domain.Binding, domain.AccountID) bool     { return true }
func (nobody) Record(*gateway.Record)                         {}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type rig struct {
	*Server
	t   *testing.T
	gw  *gateway.Gateway
	log *buffer
}

// start serves on a port of its own; the metrics handler is the test's to choose.
func start(t *testing.T, metrics http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{t: t, log: &buffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m := obs.NewMetrics()
	r.gw = gateway.New(gateway.Deps{Upstream: nobody{}, Bindings: nobody{}, Objects: gateway.NoObjects{}, Recorder: nobody{}, Ledger: gateway.NoLedger{}, Observer: m, Cells: sched.NewCells(), Bodies: gateway.NewBudget(1 << 20), Log: log})
	if metrics == nil {
		metrics = m.Handler().ServeHTTP
	}
	r.Server = New(Options{
		Gateway: r.gw, Dialects: Dialects{Anthropic: anthropic.Dialect{}, OpenAI: openai.Dialect{}, Responses: openai.Dialect{}, Gemini: openai.Dialect{}}, Metrics: metrics, MaxHeader: 4096, BodyWait: time.Minute, Log: log,
		Admin: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "admin "+r.URL.Path) }),
	})
	if err := r.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.Background()) })
	return r
}

// ask asks on a connection of its own.
func (r *rig) ask(method, path string, header http.Header) (*http.Response, string, error) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// isAnthropic and isOpenAI tell an error's shape.
func isAnthropic(body string) bool {
	var e struct {
		Type  string
		Error struct{ Type, Message string }
	}
	return json.Unmarshal([]byte(body), &e) == nil && e.Type == "error" && e.Error.Type != "" && e.Error.Message != ""
}

func isOpenAI(body string) bool {
	var e struct {
		Type  string
		Error struct{ Type, Message string }
	}
	return json.Unmarshal([]byte(body), &e) == nil && e.Type == "" && e.Error.Type != "" && e.Error.Message != ""
}

// Older Claude Code asks HEAD / before it begins, and a person opens the base URL in a
// browser: both were told that there is nothing.
func TestSomebodyIsThere(t *testing.T) {
	r := start(t, nil)
	for method, want := range map[string]string{"GET": "Turnout\n", "HEAD": ""} {
		if resp, body, err := r.ask(method, "/", nil); err != nil || resp.StatusCode != 200 || body != want {
			t.Errorf("%s /: %v %q %v", method, resp, body, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := start(t, nil)
	anthropicCaller, openaiCaller := http.Header{"Anthropic-Version": {"2023-06-01"}}, http.Header{"Authorization": {"Bearer x"}}
	for _, c := range []struct {
		method, path string
		header       http.Header
		status       int
		allow        string
		shape        func(string) bool
		says         string
	}{
		{"GET", "/v1/messages", nil, 405, "POST", isAnthropic, "use POST for /v1/messages"},
		{"DELETE", "/v1/messages", openaiCaller, 405, "POST", isAnthropic, "use POST"},
		{"PUT", "/v1/messages/count_tokens", nil, 405, "POST", isAnthropic, "use POST"},
		{"GET", "/v1/chat/completions", nil, 405, "POST", isOpenAI, "use POST for /v1/chat/completions"},
		{"PATCH", "/v1/chat/completions", anthropicCaller, 405, "POST", isOpenAI, "use POST"},
		{"POST", "/v1/models", nil, 405, "GET, HEAD", isOpenAI, "use GET"},
		{"POST", "/v1/models", anthropicCaller, 405, "GET, HEAD", isAnthropic, "use GET"},
		{"POST", "/v1/turnout/me", anthropicCaller, 405, "GET, HEAD", isAnthropic, "use GET"},
		{"GET", "/v1/turnout/me", openaiCaller, 503, "", isOpenAI, "starting"},
		{"GET", "/x", nil, 404, "", isOpenAI, "there is nothing at GET /x"},
		{"POST", "/", nil, 404, "", isOpenAI, "there is nothing at POST /"},
		{"PUT", "/v1/responses", openaiCaller, 405, "POST", isOpenAI, "/v1/responses"},
		{"POST", "/v1/complete", anthropicCaller, 404, "", isAnthropic, "/v1/complete"},
		{"POST", "/v1/complete", http.Header{"X-Api-Key": {"k"}}, 404, "", isAnthropic, "POST /v1/messages"},
		{"POST", "/v1/messages/nothing", nil, 404, "", isAnthropic, "/v1/messages/nothing"},
		{"PUT", "/v1/messages/batches", nil, 405, "GET, HEAD, POST", isAnthropic, "/v1/messages/batches"},
		{"PUT", "/v1/files/file-1", openaiCaller, 405, "DELETE, GET, HEAD", isOpenAI, "/v1/files/file-1"},
		{"PUT", "/v1/conversations/conv_1/items/msg_1", openaiCaller, 405, "DELETE, GET, HEAD", isOpenAI, "use GET or DELETE"},
		{"POST", "/healthz", nil, 404, "", isOpenAI, ""},
		{"BREW", "/v1/" + strings.Repeat("x", 500), nil, 404, "", isOpenAI, "x…"},
		{"GET", "/a\"b%0a%22%ff", nil, 404, "", isOpenAI, ""},
	} {
		resp, body, err := r.ask(c.method, c.path, c.header)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		if resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow || !c.shape(body) || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d, Allow %q\n%s\nwant %d, %q", c.method, c.path, resp.StatusCode, resp.Header.Get("Allow"), body, c.status, c.allow)
		}
		if id := resp.Header.Get("X-Turnout-Request-Id"); !strings.HasPrefix(id, "req_") || !strings.Contains(body, id) {
			t.Errorf("%s %s: request id %q is not in %s", c.method, c.path, id, body)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %s: %s", c.method, c.path, ct)
		}
	}
	if resp, _, err := r.ask("HEAD", "/nowhere", nil); err != nil || resp.StatusCode != 404 {
		t.Errorf("HEAD: %v, %v", resp, err)
	}
}

// A base URL that ends in a slash still arrives.
func TestDoubleSlash(t *testing.T) {
	r := start(t, nil)
	for _, path := range []string{"//v1/messages", "/v1//messages", "//v1//messages/"} {
		if resp, body, err := r.ask("GET", path, nil); err != nil || resp.StatusCode != 405 {
			t.Errorf("%s: %v %s %v", path, resp, body, err)
		}
	}
}

func TestHeaderLimit(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		header http.Header
		path   string
		status int
		shape  func(string) bool
	}{
		{http.Header{"X": {strings.Repeat("x", 3500)}}, "/healthz", 200, func(string) bool { return true }},
		{http.Header{"X": {strings.Repeat("x", 5000)}}, "/healthz", 413, isOpenAI},
		{http.Header{"X": {strings.Repeat("x", 2000), strings.Repeat("y", 2500)}}, "/v1/messages", 413, isAnthropic},
		{http.Header{"X": {strings.Repeat("x", 5000)}, "X-Api-Key": {"k"}}, "/", 413, isAnthropic},
	} {
		resp, body, err := r.ask("GET", c.path, c.header)
		if err != nil || resp.StatusCode != c.status || !c.shape(body) {
			t.Errorf("%s: %v %s %v, want %d", c.path, resp, body, err, c.status)
		}
		if c.status == 413 && (!resp.Close || !strings.Contains(body, "the limit is 4096")) {
			t.Errorf("%s: close is %v, %s", c.path, resp.Close, body)
		}
	}
}

func TestHealth(t *testing.T) {
	r := start(t, nil)
	want := func(path string, status int, says string) {
		t.Helper()
		if resp, body, err := r.ask("GET", path, nil); err != nil || resp.StatusCode != status || !strings.Contains(body, says) {
			t.Errorf("%s: %v %q %v, want %d %q", path, resp, body, err, status, says)
		}
	}
	want("/healthz", 200, "ok\n")
	want("/readyz", 503, "starting\n")
	want("/metrics", 200, "turnout_record_dropped_total 0")
	want("/admin/v1/x", 200, "admin /admin/v1/x")
	r.gw.Swap(&gateway.Snapshot{})
	want("/readyz", 200, "ready\n")
	r.gw.Drain()
	want("/readyz", 503, "draining\n")
	want("/healthz", 200, "ok\n")
	if resp, body, err := r.ask("HEAD", "/readyz", nil); err != nil || resp.StatusCode != 503 || body != "" {
		t.Errorf("HEAD: %v %q %v", resp, body, err)
	}
}

// A crash cuts the connection, so that nobody takes what was sent for a whole answer; it is logged with its
// place and without its value.
func TestPanic(t *testing.T) {
	const secret = "sk-ant-hunter2"
	for name, crash := range map[string]http.HandlerFunc{
		"before the answer": func(http.ResponseWriter, *http.Request) { panic(secret) },
		"inside it": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(errors.New(secret))
		},
		"out of range": func(_ http.ResponseWriter, r *http.Request) { _ = []int{}[len(r.Method)] },
	} {
		r := start(t, crash)
		if resp, body, err := r.ask("GET", "/metrics?key="+secret, http.Header{"Authorization": {"Bearer " + secret}}); err == nil {
			t.Errorf("%s: %v %q looks whole", name, resp, body)
		}
		_ = r.Stop(t.Context())
		if log := r.log.String(); !strings.Contains(log, "a request crashed") || !strings.Contains(log, "path=/metrics") || !strings.Contains(log, "server_test.go") || strings.Contains(log, "hunter2") {
			t.Errorf("%s: the log says %s", name, log)
		}
	}
	r := start(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, _, err := r.ask("GET", "/metrics", nil); err == nil {
		t.Error("an aborted answer looks whole")
	}
	_ = r.Stop(t.Context())
	if strings.Contains(r.log.String(), "crashed") {
		t.Error("an answer that was aborted on purpose is logged as a crash")
	}
}

func TestStop(t *testing.T) {
	r := start(t, nil)
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-r.Done(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", r.Addr()); err == nil {
		t.Error("it still listens")
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
}

func TestStartSaysWhatToDo(t *testing.T) {
	r := start(t, nil)
	other := New(r.opts)
	if err := other.Start(r.Addr()); err == nil || !strings.Contains(err.Error(), r.Addr()) || !strings.Contains(err.Error(), "set listen") {
		t.Errorf("%v", err)
	}
	if err := other.Stop(t.Context()); err != nil {
		t.Errorf("a server that never started: %v", err)
	}
}
