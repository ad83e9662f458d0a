package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit bounds every test that talks over loopback; nothing is measured by it.
const limit = 20 * time.Second

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, p *Provider, o ServerOptions) *Server {
	t.Helper()
	s, err := Start(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// client never follows redirects, never reuses a connection and leaves nothing
// behind.
func client(t *testing.T, s *Server) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func request(ctx context.Context, t *testing.T, base string, f format, key, body string) *http.Request {
	t.Helper()
	path := map[format]string{anthropic: "/v1/messages", openai: "/v1/chat/completions", responses: "/v1/responses"}[f]
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if f == anthropic {
		r.Header.Set("x-api-key", key)
		r.Header.Set("anthropic-version", "2023-06-01")
	} else {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r
}

func (f format) String() string {
	return [...]string{openai: "openai", anthropic: "anthropic", gemini: "gemini", responses: "responses"}[f]
}

// hello is the simplest request of both formats.
func hello(stream bool) string {
	return string(encode(map[string]any{
		"model": "m", "max_tokens": 1000, "stream": stream,
		"messages": []any{map[string]any{"role": "user", "content": "hello"}},
	}))
}

// heard is what a client makes of an answer.
type heard struct {
	status   int
	header   http.Header
	body     []byte
	err      error  // of the call, or of reading the body
	text     string // of the content
	events   int    // with content
	finish   string
	sentinel bool
	bad      int // events whose data is no JSON
	failed   string
	names    []string // of Anthropic's events
}

// hear sends a request and reads all of the answer.
func hear(t *testing.T, c *http.Client, f format, r *http.Request) heard {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		return heard{err: err}
	}
	defer resp.Body.Close()
	h := heard{status: resp.StatusCode, header: resp.Header}
	h.body, h.err = io.ReadAll(resp.Body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		h.readEvents(f)
	} else {
		h.readJSON(f)
	}
	return h
}

// anything holds the members of both formats' answers and events.
type anything struct {
	Type  string `json:"type"`
	Delta struct {
		Text       string `json:"text"`
		Thinking   string `json:"thinking"`
		JSON       string `json:"partial_json"`
		StopReason string `json:"stop_reason"`
	} `json:"delta"`
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	StopReason string `json:"stop_reason"`
	Choices    []struct {
		Delta struct {
			Content   string         `json:"content"`
			Refusal   string         `json:"refusal"`
			ToolCalls []chatToolCall `json:"tool_calls"`
		} `json:"delta"`
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Error struct {
		Type string `json:"type"`
	} `json:"error"`
	Usage json.RawMessage `json:"usage"`
}

func (h *heard) readJSON(f format) {
	var a anything
	if json.Unmarshal(h.body, &a) != nil {
		h.bad++
		return
	}
	h.failed, h.finish = a.Error.Type, a.StopReason
	for _, c := range a.Content {
		h.text += c.Text
	}
	for _, c := range a.Choices {
		h.text += c.Message.Content
		h.finish += c.FinishReason
	}
}

func (h *heard) readEvents(f format) {
	lines := bufio.NewScanner(bytes.NewReader(h.body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			h.names = append(h.names, name)
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			h.sentinel = true
			continue
		}
		var a anything
		if json.Unmarshal([]byte(data), &a) != nil {
			h.bad++
			continue
		}
		if a.Error.Type != "" {
			h.failed = a.Error.Type
		}
		h.sentinel = h.sentinel || a.Type == "message_stop"
		text := a.Delta.Text
		h.finish += a.Delta.StopReason
		for _, c := range a.Choices {
			text += c.Delta.Content
			h.finish += c.FinishReason
		}
		if text != "" {
			h.events++
			h.text += text
		}
	}
}
