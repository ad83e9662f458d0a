package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"turnout/internal/domain"
)

// question is one request of the tour, as a client would send it.
type question struct {
	openai  bool
	stream  bool
	model   string
	session string // Claude Code's session header; empty: none
	commit  string // x-turnout-commit; empty: none
	turns   []string
	context string // a long system prompt, to be cached
}

// reply is what a client makes of the answer.
type reply struct {
	id     domain.RequestID
	status int
	text   string
	whole  bool   // with the finish reason
	fault  string // the protocol's error: of the body or of an event in the stream
	after  string // Retry-After
	took   time.Duration
}

func (q *question) body() ([]byte, error) {
	var messages []map[string]any
	for i, t := range q.turns {
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		messages = append(messages, map[string]any{"role": role, "content": t})
	}
	m := map[string]any{"model": q.model, "stream": q.stream, "messages": messages, "max_tokens": 1024}
	if q.context != "" {
		m["system"] = []map[string]any{{"type": "text", "text": q.context, "cache_control": map[string]string{"type": "ephemeral"}}}
	}
	return json.Marshal(m)
}

// ask sends the question and reads the answer to its end. An error is one of this
// machine's; what the gateway answers, whatever it is, is a reply.
func (q *question) ask(ctx context.Context, base, key string) (r reply, err error) {
	body, err := q.body()
	if err != nil {
		return r, err
	}
	path := "/v1/messages"
	if q.openai {
		path = "/v1/chat/completions"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	if !q.openai {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	if q.session != "" {
		req.Header.Set("X-Claude-Code-Session-Id", q.session)
	}
	if q.commit != "" {
		req.Header.Set("X-Turnout-Commit", q.commit)
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, fmt.Errorf("ask the gateway: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return r, fmt.Errorf("read the gateway's answer: %w", err)
	}
	r.took, r.status, r.after = time.Since(began), resp.StatusCode, resp.Header.Get("Retry-After")
	if r.id, err = domain.ParseRequestID(resp.Header.Get("X-Turnout-Request-Id")); err != nil {
		return r, fmt.Errorf("the gateway's answer names no request: %w", err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		r.read(data)
		return r, nil
	}
	for line := range strings.Lines(string(data)) {
		if event, ok := strings.CutPrefix(line, "data: "); ok {
			r.read([]byte(event))
		}
	}
	return r, nil
}

// read takes a JSON body, or one event of a stream, of either dialect.
func (r *reply) read(data []byte) {
	var m struct {
		Error   *struct{ Message string }
		Content []struct{ Text string }
		Delta   struct {
			Text       string
			StopReason string `json:"stop_reason"`
		}
		StopReason string `json:"stop_reason"`
		Choices    []struct {
			Delta, Message struct{ Content string }
			FinishReason   string `json:"finish_reason"`
		}
	}
	if json.Unmarshal(data, &m) != nil {
		return // [DONE]
	}
	if m.Error != nil {
		r.fault = m.Error.Message
	}
	for _, c := range m.Content {
		r.text += c.Text
	}
	r.text += m.Delta.Text
	r.whole = r.whole || m.StopReason != "" || m.Delta.StopReason != ""
	for _, c := range m.Choices {
		r.text += c.Message.Content + c.Delta.Content
		r.whole = r.whole || c.FinishReason != ""
	}
}
