package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"turnout/internal/sim"
)

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func brotlied(b []byte) []byte {
	var out bytes.Buffer
	w := brotli.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	defer func() { _ = w.Close() }()
	return w.EncodeAll(b, nil)
}

// chunked hides how long a body is.
type chunked struct{ io.Reader }

// TestBadInput: what cannot succeed is refused with a clear error in the caller's protocol,
// and no provider is asked.
func TestBadInput(t *testing.T) {
	const limit = 1 << 20
	p := startProvider(t, sim.Options{})
	const narrow = "tk-narrow-0123456789abcdef"
	const expired = "tk-expired-0123456789abcdef"
	g := startGateway(t, "accounts:\n"+account(p, "anthropic", "a", "sk-sim-a", "")+account(p, "openai", "b", "sk-sim-b", "models: {m: m}")+
		keys+"  - {name: narrow, secret: "+narrow+", models: [other]}\n  - {name: expired, secret: "+expired+", expires: 2020-01-01}\nlimits: {body: 1MiB}\n")
	big := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", limit) + `"}]}`
	bomb := []byte(`{"model":"m","messages":"` + strings.Repeat(" ", 8<<20) + `"}`)
	small := func(f form) []byte { return []byte(f.body("m")) }
	const tooLarge = "request_too_large"
	for _, c := range []struct {
		name   string
		method string // empty: POST
		path   string // empty: the form's
		key    string // empty: teamKey; "-": none
		header map[string]string
		body   func(f form) io.Reader // nil: a small, good one
		status int
		claude string // error type, Anthropic
		gpt    string // the same, OpenAI
	}{
		{name: "nothing", body: text(""), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "no JSON", body: text("hello"), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "half a JSON", body: text(`{"model":"m","messages":[`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "an array", body: text(`[{"model":"m"}]`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "something after it", body: text(`{"model":"m","messages":[]} x`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "deeply nested", body: text(`{"model":"m","messages":` + strings.Repeat("[", 200_000)), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "no model", body: text(`{"messages":[]}`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "empty model", body: text(`{"model":"","messages":[]}`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "model is a number", body: text(`{"model":7,"messages":[]}`), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "model not allowed", key: narrow, status: 403, claude: "permission_error", gpt: "invalid_request_error"},
		{name: "declared too large", body: text(big), status: 413, claude: tooLarge, gpt: "invalid_request_error"},
		{name: "too large in chunks", body: func(form) io.Reader { return chunked{strings.NewReader(big)} }, status: 413, claude: tooLarge, gpt: "invalid_request_error"},
		{name: "gzip bomb", header: coding("gzip"), body: data(gzipped(bomb)), status: 413, claude: tooLarge, gpt: "invalid_request_error"},
		{name: "br bomb", header: coding("br"), body: data(brotlied(bomb)), status: 413, claude: tooLarge, gpt: "invalid_request_error"},
		{name: "zstd bomb", header: coding("zstd"), body: data(zstded(bomb)), status: 413, claude: tooLarge, gpt: "invalid_request_error"},
		{name: "not the gzip it says", header: coding("gzip"), status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "half a zstd", header: coding("zstd"), body: func(f form) io.Reader { b := zstded(small(f)); return bytes.NewReader(b[:len(b)/2]) }, status: 400, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "unknown coding", header: coding("compress"), status: 415, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "no key", key: "-", status: 401, claude: "authentication_error", gpt: "invalid_request_error"},
		{name: "wrong key", key: "tk-nobody-0123456789abcdef", status: 401, claude: "authentication_error", gpt: "invalid_request_error"},
		{name: "expired key", key: expired, status: 401, claude: "authentication_error", gpt: "invalid_request_error"},
		{name: "wrong method", method: http.MethodPut, status: 405, claude: "invalid_request_error", gpt: "invalid_request_error"},
		{name: "long headers", header: map[string]string{"X-Long": strings.Repeat("x", 100<<10)}, status: 413, claude: tooLarge, gpt: "invalid_request_error"},
	} {
		for _, f := range forms {
			if f.stream && c.body != nil {
				continue // the body says whether it streams
			}
			t.Run(c.name+"/"+f.String(), func(t *testing.T) {
				key := c.key
				if key == "" {
					key = teamKey
				}
				method := c.method
				if method == "" {
					method = http.MethodPost
				}
				body := io.Reader(bytes.NewReader(small(f)))
				if c.body != nil {
					body = c.body(f)
				}
				req, err := http.NewRequest(method, g.base+f.path(), body)
				if err != nil {
					t.Fatal(err)
				}
				if key != "-" {
					req.Header.Set("Authorization", "Bearer "+key)
				}
				for k, v := range c.header {
					req.Header.Set(k, v)
				}
				resp, err := newClient(t).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				r := readReply(resp)
				want := c.claude
				if f.openai {
					want = c.gpt
				}
				if r.status != c.status || r.fault != want || r.said == "" || r.id == "" {
					t.Errorf("want %d %s, got %s\n%s", c.status, want, &r, r.body)
				}
				if strings.HasPrefix(r.body, `{"type":"error"`) == f.openai {
					t.Errorf("not the caller's protocol: %s", r.body)
				}
				if key != "-" && strings.Contains(r.body, key) {
					t.Errorf("the answer quotes the key: %s", r.body)
				}
			})
		}
	}

	for _, path := range []string{"/", "/v1", "/v1/messages/", "/v1/nothing", "/v1/nothing", "/v1/messages/x", "/%2e%2e/etc/passwd"} {
		for _, header := range []string{"Authorization", "X-Api-Key"} {
			resp, err := newClient(t).Do(must(http.NewRequest(http.MethodPost, g.base+path, strings.NewReader("{}"))).with(header, teamKey))
			if err != nil {
				t.Fatal(err)
			}
			r := readReply(resp)
			if claude := header == "X-Api-Key" || strings.HasPrefix(path, "/v1/messages"); r.status != 404 || claude != strings.HasPrefix(r.body, `{"type":"error"`) || r.said == "" {
				t.Errorf("%s with %s: %s\n%s", path, header, &r, r.body)
			}
		}
	}
	if n := len(p.Requests()); n != 0 {
		t.Errorf("a provider was asked: %s", brief(p))
	}

	// And it serves on, with every coding that it reads.
	for name, pack := range map[string]func([]byte) []byte{"gzip": gzipped, "br": brotlied, "zstd": zstded, "identity": func(b []byte) []byte { return b }} {
		for _, f := range forms {
			a := ask{form: f, raw: string(pack(small(f))), header: coding(name)}
			if r := g.send(a); !r.good() {
				t.Errorf("%s, %s: %s", name, f, &r)
			}
		}
	}
	for _, r := range p.Requests() {
		if !strings.Contains(string(r.Body), `"Which track is free?"`) || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("the provider got a coded body: %q", r.Header)
		}
	}
}

func text(s string) func(form) io.Reader { return func(form) io.Reader { return strings.NewReader(s) } }
func data(b []byte) func(form) io.Reader { return func(form) io.Reader { return bytes.NewReader(b) } }

func coding(name string) map[string]string { return map[string]string{"Content-Encoding": name} }

type request struct{ *http.Request }

func must(r *http.Request, err error) request {
	if err != nil {
		panic(err)
	}
	return request{r}
}

func (r request) with(name, value string) *http.Request {
	if name == "Authorization" {
		value = "Bearer " + value
	}
	r.Header.Set(name, value)
	return r.Request
}

// TestBodiesTogether: the bodies that are held at a time have a bound of their own.
// A body that comes slowly holds what has come of it.
func TestBodiesTogether(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim-a", "")+keys+"limits: {body: 1MiB, bodies: 3MiB}\n")
	half := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 700<<10)
	var held []io.Closer
	for range 2 {
		pr, pw := io.Pipe()
		req := must(http.NewRequest(http.MethodPost, g.base+"/v1/chat/completions", pr)).with("Authorization", teamKey)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := newClient(t).Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
		t.Cleanup(func() { _ = pw.Close(); <-done })
		if _, err := io.WriteString(pw, half); err != nil {
			t.Fatal(err)
		}
		held = append(held, pw)
	}
	eventually(t, "both halves to be held", func() bool {
		_, page := g.get("/metrics")
		return metric(t, page, "turnout_request_bodies_bytes") >= 1400<<10
	})
	r := g.send(ask{form: form{openai: true}, raw: half + `"}]}`})
	if r.status != 503 || r.fault != "server_error" || r.header.Get("Retry-After") == "" {
		t.Errorf("%s", &r)
	}
	for _, c := range held {
		_ = c.Close()
	}
	eventually(t, "the memory to be given back", func() bool {
		_, page := g.get("/metrics")
		return metric(t, page, "turnout_request_bodies_bytes") == 0
	})
	if r := g.send(ask{form: form{openai: true}, raw: half + `"}]}`}); !r.good() {
		t.Errorf("afterwards: %s", &r)
	}
}

// metric is the value of a metric without labels.
func metric(t *testing.T, page, name string) float64 {
	t.Helper()
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			var f float64
			if _, err := fmt.Sscan(value, &f); err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestCallerNeverReads: a caller that does not read its stream holds only itself up; others
// are served, and the process stays small.
func TestCallerNeverReads(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim-a", "")+keys)
	var d net.Dialer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const body = `{"model":"m-n80000","stream":true,"messages":[{"role":"user","content":"Hi"}]}` // some 20 MB
	for range 2 {
		conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(g.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", teamKey, len(body), body)
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	// The provider is held up once all buffers on the way are full.
	last, still := -1, time.Now()
	eventually(t, "the provider to be held up", func() bool {
		n := 0
		for _, r := range p.Requests() {
			n += r.Events
		}
		if n != last {
			last, still = n, time.Now()
		}
		return time.Since(still) > 300*time.Millisecond
	})
	if last >= 2*80_000 {
		t.Error("everything was read: nothing was held up")
	}
	if r := g.send(ask{form: form{openai: true, stream: true}, model: "m"}); !r.good() {
		t.Errorf("another caller: %s", &r)
	}
	_, page := g.get("/metrics")
	for line := range strings.Lines(page) {
		if rss, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			var bytes float64
			_, _ = fmt.Sscan(rss, &bytes)
			if bytes > 200<<20 {
				t.Errorf("the process holds %.0f MiB", bytes/(1<<20))
			}
		}
	}
}
