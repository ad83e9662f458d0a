package drill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The models and the key of every run.
const (
	// askedModel is what callers ask for; largerModel is F's, where P and F are two models.
	askedModel  = "drill-model"
	largerModel = "drill-larger"
	callerKey   = "tk-drill-0123456789abcdef"
	// commitKey may choose its commit point by header.
	commitKey = "tk-drill-commit-0123456789"
)

// maxTokens is what a request asks for that says nothing else: a small one.
const maxTokens = 1024

// Ask is one request, as a client would send it. The zero value is a small one without
// reasoning.
type Ask struct {
	Effort  string            // "", medium or high
	Hidden  bool              // the thoughts are not to be shown (Anthropic)
	Tool    bool              // the answer is a tool call
	Max     int               // max tokens; 0: maxTokens
	Session string            // Claude Code's session header; empty: none
	Context string            // a long beginning, to be cached
	Header  map[string]string // further headers
	Key     string            // empty: callerKey
	Same    bool              // the body is the same in every request, as in a client's own retries

	// Patience is how long, in the story, the caller waits for the end; 0: patience.
	Patience time.Duration
	// LeaveAfter is when the caller leaves, in the story, and LeaveAt after how many
	// content events; 0: never.
	LeaveAfter time.Duration
	LeaveAt    int
}

// tool is what the answer calls where a tool is asked for.
const tool = "look"

// mark is what tells the attempts of one request from those of others: it stands in
// the user's words.
func mark(n int) string { return fmt.Sprintf("(request %d)", n) }

// request builds the HTTP request, the n-th of a run.
func (a *Ask) request(m Mode, base string, n int) (*http.Request, error) {
	body, err := json.Marshal(a.members(m, n))
	if err != nil {
		return nil, fmt.Errorf("encode a request of the drill: %w", err)
	}
	path := "/v1/messages"
	if !m.anthropic() {
		path = "/v1/chat/completions"
	}
	req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("make a request of the drill: %w", err)
	}
	key := a.Key
	if key == "" {
		key = callerKey
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	if m.anthropic() {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	if a.Session != "" {
		req.Header.Set("X-Claude-Code-Session-Id", a.Session)
	}
	for k, v := range a.Header {
		req.Header.Set(k, v)
	}
	return req, nil
}

func (a *Ask) members(m Mode, n int) map[string]any {
	words := "Say the text. "
	if a.Tool {
		words = "use tool " + tool + " "
	}
	if !a.Same {
		words += mark(n)
	}
	most := a.Max
	if most == 0 {
		most = maxTokens
	}
	schema := map[string]any{"type": "object", "properties": map[string]any{"where": map[string]string{"type": "string"}}}
	messages := []map[string]any{{"role": "user", "content": words}}
	out := map[string]any{"model": askedModel, "stream": m.Stream, "max_tokens": most}
	if m.anthropic() {
		if a.Context != "" {
			out["system"] = []map[string]any{{"type": "text", "text": a.Context, "cache_control": map[string]string{"type": "ephemeral"}}}
		}
		if a.Effort != "" {
			thinking := map[string]any{"type": "enabled", "budget_tokens": 2048}
			if a.Hidden {
				thinking["display"] = "omitted"
			}
			out["thinking"], out["output_config"] = thinking, map[string]string{"effort": a.Effort}
			out["max_tokens"] = max(most, 4096)
		}
		if a.Tool {
			out["tools"] = []map[string]any{{"name": tool, "description": "Look.", "input_schema": schema}}
		}
	} else {
		if a.Context != "" {
			messages = append([]map[string]any{{"role": "system", "content": a.Context}}, messages...)
		}
		if a.Effort != "" {
			out["reasoning_effort"] = a.Effort
		}
		if a.Tool {
			out["tools"] = []map[string]any{{"type": "function", "function": map[string]any{"name": tool, "description": "Look.", "parameters": schema}}}
		}
		if m.Stream {
			out["stream_options"] = map[string]bool{"include_usage": true}
		}
	}
	out["messages"] = messages
	return out
}
