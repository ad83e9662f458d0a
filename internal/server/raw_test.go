package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

type rawAnswer struct {
	*http.Response
	body string
}

// raw writes a text to a connection of its own and reads answers until the server closes it. It says
// that nothing more will come only once the first answer is there: that one must not wait for a body.
func (r *rig) raw(text string) []rawAnswer {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // half of the rig's BodyWait: a wait for a body fails the test
	if _, err := io.WriteString(conn, text); err != nil {
		r.t.Fatal(err)
	}
	var answers []rawAnswer
	for buf := bufio.NewReader(conn); ; {
		if _, err := buf.Peek(1); errors.Is(err, io.EOF) {
			return answers
		}
		resp, err := http.ReadResponse(buf, nil)
		if err != nil {
			r.t.Fatalf("after %d answers: %v", len(answers), err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		if answers = append(answers, rawAnswer{resp, string(body)}); len(answers) == 1 {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}
}

// Methods and targets that are a proxy's are refused in the caller's dialect, at once, and what follows them
// on the connection is not taken for a request.
func TestProxyRequests(t *testing.T) {
	r := start(t, nil)
	const next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		name, text string
		shape      func(string) bool
		says       string
	}{
		{"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", isOpenAI, "CONNECT example.com:443 is nothing"},
		{"CONNECT of HTTP/1.0", "CONNECT example.com:443 HTTP/1.0\r\n\r\n", isOpenAI, "CONNECT example.com:443"},
		{"CONNECT by a caller of Anthropic's", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nAnthropic-Version: 2023-06-01\r\n\r\n", isAnthropic, "CONNECT example.com:443"},
		{"CONNECT to a path", "CONNECT /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", isAnthropic, "CONNECT /v1/messages"},
		{"CONNECT with a long name", "CONNECT " + strings.Repeat("x", 300) + ":443 HTTP/1.1\r\nHost: x\r\n\r\n", isOpenAI, "xxx…"},
		{"CONNECT and a tunnel's bytes", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n" + next, isOpenAI, "CONNECT"},
		{"CONNECT and bytes of TLS", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\x00\xa5\x01\x00", isOpenAI, "CONNECT"},
		{"CONNECT with a body", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + next, isOpenAI, "CONNECT"},
		{"CONNECT with a body in chunks", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + next, isOpenAI, "CONNECT"},
		{"CONNECT with a body that never comes", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", isOpenAI, "CONNECT"},
		{"CONNECT with a body without end", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 16), isOpenAI, "CONNECT"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", isOpenAI, "OPTIONS * is nothing"},
		{"OPTIONS * by a caller of Anthropic's", "OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\n\r\n", isAnthropic, "OPTIONS *"},
		{"OPTIONS * with a body", "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + next, isOpenAI, "OPTIONS *"},
		{"GET *", "GET * HTTP/1.1\r\nHost: x\r\n\r\n" + next, isOpenAI, "GET *"},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", isOpenAI, "PRI *"},
	} {
		answers := r.raw(c.text)
		if len(answers) != 1 {
			t.Errorf("%s: %d answers: %+v", c.name, len(answers), answers)
			continue
		}
		a := answers[0]
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD, POST" || !a.Close || !c.shape(a.body) || !strings.Contains(a.body, c.says) || !strings.Contains(a.body, "POST /v1/messages") {
			t.Errorf("%s: %d %v\n%s", c.name, a.StatusCode, a.Header, a.body)
		}
		if id := a.Header.Get("X-Turnout-Request-Id"); !strings.HasPrefix(id, "req_") || !strings.Contains(a.body, id) || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v\n%s", c.name, a.Header, a.body)
		}
	}
	r.unharmed()
}

// unharmed shows that nothing crashed, and that the next caller is served.
func (r *rig) unharmed() {
	r.t.Helper()
	if resp, body, err := r.ask("GET", "/healthz", nil); err != nil || resp.StatusCode != 200 || body != "ok\n" {
		r.t.Errorf("afterwards: %v %s %v", resp, body, err)
	}
	if log := r.log.String(); strings.Contains(log, "crashed") || strings.Contains(log, "panic") {
		r.t.Errorf("the log says %s", log)
	}
}

// Nothing is upgraded: a request that asks for it is answered as if it did not, and what follows it is HTTP or refused.
func TestUpgradesAreIgnored(t *testing.T) {
	r := start(t, nil)
	const (
		socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		h2c    = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
		last   = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	)
	for _, c := range []struct {
		name, text string
		status     []int
		shape      func(string) bool // of the first
	}{
		{"a socket at a path for POST", "GET /v1/messages HTTP/1.1\r\nHost: x\r\n" + socket + "\r\n" + last, []int{405, 200}, isAnthropic},
		{"a socket where there is nothing", "GET /v1/realtime HTTP/1.1\r\nHost: x\r\n" + socket + "\r\n" + last, []int{404, 200}, isOpenAI},
		{"a socket's frames", "GET /v1/realtime HTTP/1.1\r\nHost: x\r\n" + socket + "\r\n\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\r\n\r\n", []int{404, 400}, isOpenAI},
		{"h2c with a body", "POST /v1/messages HTTP/1.1\r\nHost: x\r\n" + h2c + "Content-Length: 2\r\n\r\n{}" + last, []int{503, 200}, isAnthropic},
		{"h2c with a body in chunks", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + h2c + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{503, 200}, isOpenAI},
		{"h2c and bytes of HTTP/2", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + h2c + "Content-Length: 2\r\n\r\n{}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{503, 405}, isOpenAI},
	} {
		answers := r.raw(c.text)
		var got []int
		for _, a := range answers {
			got = append(got, a.StatusCode)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.status) || !c.shape(answers[0].body) || answers[0].Header.Get("Upgrade") != "" {
			t.Errorf("%s: %v, want %v\n%+v", c.name, got, c.status, answers)
		}
	}
	r.unharmed()
}

// Up to net/http's own bound, which is far above ours, long headers and long targets are refused in the dialect.
func TestHugeHeaders(t *testing.T) {
	r := start(t, nil)
	head := func(first string, n int, header func(room int) string) string {
		text := first + "\r\nHost: x\r\nConnection: close\r\n"
		return text + header(n-len(text)-2) + "\r\n"
	}
	one := func(room int) string { return "X-Long: " + strings.Repeat("x", room-10) + "\r\n" }
	many := func(room int) string {
		line := "X-Many: " + strings.Repeat("y", 30) + "\r\n"
		return strings.Repeat(line, room/len(line)-1) + one(len(line)+room%len(line))
	}
	for _, c := range []struct {
		name, text string
		status     int
		shape      func(string) bool
		says       string
	}{
		{"one header just below", head("POST /v1/messages HTTP/1.1", parserHeaderBytes-1, one), 413, isAnthropic, "the limit is 4096"},
		{"as long as it may be", head("POST /v1/chat/completions HTTP/1.1", parserHeaderBytes, one), 413, isOpenAI, "the limit is 4096"},
		{"many headers just below", head("GET /v1/models HTTP/1.1", parserHeaderBytes-1, many), 413, isOpenAI, "the limit is 4096"},
		{"a long target", "GET /" + strings.Repeat("x", parserHeaderBytes-100) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, isOpenAI, "x…"},
		{"a long query", "GET /v1/messages?" + strings.Repeat("x", parserHeaderBytes-100) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, isAnthropic, "use POST"},
	} {
		answers := r.raw(c.text)
		if len(answers) != 1 || answers[0].StatusCode != c.status || !c.shape(answers[0].body) || !strings.Contains(answers[0].body, c.says) || len(answers[0].body) > 1000 {
			t.Errorf("%s (%d bytes): %+v", c.name, len(c.text), answers)
		}
	}
	// Above it, and what net/http adds to it, net/http answers by itself, before anything of the request is known.
	if answers := r.raw(head("POST /v1/messages HTTP/1.1", parserHeaderBytes+2*4096, one)); len(answers) != 1 || answers[0].StatusCode != 431 {
		t.Errorf("above the bound: %+v", answers)
	}
	r.unharmed()
}
