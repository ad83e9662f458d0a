package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// form is a protocol and a way of answering.
type form struct {
	openai, stream bool
}

var forms = []form{{false, false}, {false, true}, {true, false}, {true, true}}

func (f form) String() string {
	name := "messages"
	if f.openai {
		name = "chat"
	}
	if f.stream {
		return name + "-stream"
	}
	return name + "-json"
}

func (f form) path() string {
	if f.openai {
		return "/v1/chat/completions"
	}
	return "/v1/messages"
}

func (f form) platform() string {
	if f.openai {
		return "openai"
	}
	return "anthropic"
}

// body is a small request.
func (f form) body(model string) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":4000,"stream":%t,"messages":[{"role":"user","content":"Which track is free?"}]}`, model, f.stream)
}

// ask is one request of a caller.
type ask struct {
	form
	model  string
	key    string // empty: teamKey
	raw    string // the body; empty: a small one
	header map[string]string
	path   string // empty: the form's
}

// reply is what a client makes of an answer.
type reply struct {
	id     string // x-turnout-request-id
	status int
	header http.Header
	body   string

	text  string // of the answer
	whole bool   // the finish reason was seen
	ended bool   // message_stop, [DONE], or the end of a JSON body
	fault string // the protocol's error type, of the body or of an event
	said  string // its message
	usage bool   // some event or the body stated usage
	err   error  // the connection broke
}

// good: a whole, healthy answer.
func (r *reply) good() bool {
	return r.err == nil && r.status == 200 && r.whole && r.ended && r.fault == ""
}

func (r *reply) String() string {
	return fmt.Sprintf("status %d, text %q, whole %t, ended %t, fault %q (%s), error %v", r.status, r.text, r.whole, r.ended, r.fault, r.said, r.err)
}

// client keeps no connection alive longer than its test.
func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// request makes the HTTP request.
func (a *ask) request(ctx context.Context, base string) *http.Request {
	body, path, key := a.raw, a.path, a.key
	if body == "" {
		body = a.body(a.model)
	}
	if path == "" {
		path = a.form.path()
	}
	if key == "" {
		key = teamKey
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a.openai {
		req.Header.Set("Authorization", "Bearer "+key)
	} else {
		req.Header.Set("X-Api-Key", key)
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	for k, v := range a.header {
		req.Header.Set(k, v)
	}
	return req
}

// do sends it and reads the answer to its end.
func (a *ask) do(c *http.Client, base string) reply {
	resp, err := c.Do(a.request(context.Background(), base))
	if err != nil {
		return reply{err: err}
	}
	return readReply(resp)
}

// send is do for a single request.
func (g *gateway) send(a ask) reply {
	return a.do(newClient(g.t), g.base)
}

func readReply(resp *http.Response) reply {
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	r := reply{status: resp.StatusCode, header: resp.Header, id: resp.Header.Get("X-Turnout-Request-Id"), body: string(b), err: err}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		r.event(b)
		r.ended = err == nil
		return r
	}
	for e := range strings.SplitSeq(r.body, "\n\n") {
		for line := range strings.SplitSeq(e, "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			switch {
			case !ok:
			case data == "[DONE]":
				r.ended = true
			default:
				r.event([]byte(data))
			}
		}
	}
	return r
}

// event reads a JSON body, or an event of a stream.
func (r *reply) event(data []byte) {
	var m struct {
		Type  string
		Error *struct{ Type, Message string }
		Usage json.RawMessage

		Content    []struct{ Text string }
		StopReason string `json:"stop_reason"`
		Message    struct{ Usage json.RawMessage }
		Delta      struct {
			Text       string
			StopReason string `json:"stop_reason"`
		}

		Choices []struct {
			Message, Delta struct{ Content string }
			FinishReason   string `json:"finish_reason"`
		}
	}
	if json.Unmarshal(data, &m) != nil {
		return
	}
	if m.Error != nil {
		r.fault, r.said = m.Error.Type, m.Error.Message
	}
	for _, u := range []json.RawMessage{m.Usage, m.Message.Usage} {
		r.usage = r.usage || len(u) > 0 && !bytes.Equal(u, []byte("null"))
	}
	for _, c := range m.Content {
		r.text += c.Text
	}
	r.text += m.Delta.Text
	r.whole = r.whole || m.StopReason != "" || m.Delta.StopReason != ""
	r.ended = r.ended || m.Type == "message_stop"
	for _, c := range m.Choices {
		r.text += c.Message.Content + c.Delta.Content
		r.whole = r.whole || c.FinishReason != ""
	}
}

// stream is an answer that is being read.
type stream struct {
	t      *testing.T
	resp   *http.Response
	cancel context.CancelFunc
	read   bytes.Buffer
}

// open sends a request and returns when its first content is there.
func (g *gateway) open(a ask) *stream {
	g.t.Helper()
	return g.openWith(newClient(g.t), a)
}

func (g *gateway) openWith(c *http.Client, a ask) *stream {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g.t.Cleanup(cancel)
	resp, err := c.Do(a.request(ctx, g.base))
	if err != nil {
		g.t.Fatal(err)
	}
	s := &stream{t: g.t, resp: resp, cancel: cancel}
	s.until("turnout ")
	return s
}

// until reads on until the answer holds the text.
func (s *stream) until(text string) {
	s.t.Helper()
	buf := make([]byte, 4096)
	for !strings.Contains(s.read.String(), text) {
		n, err := s.resp.Body.Read(buf)
		s.read.Write(buf[:n])
		if err != nil {
			s.t.Fatalf("the stream ended before %q: %v after\n%s", text, err, &s.read)
		}
	}
}

// rest reads the answer to its end.
func (s *stream) rest() reply {
	resp := *s.resp
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&s.read, s.resp.Body), s.resp.Body}
	return readReply(&resp)
}

// begin sends a request and returns at once; the function that it gives makes the
// caller leave.
func (g *gateway) begin(a ask) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := newClient(g.t)
	go func() {
		defer close(done)
		if resp, err := c.Do(a.request(ctx, g.base)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	leave = func() {
		cancel()
		<-done
	}
	g.t.Cleanup(leave)
	return leave
}
