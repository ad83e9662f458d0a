package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// anthropicMembers are the members of a Messages request; any other is refused,
// as the provider does ("Extra inputs are not permitted").
var anthropicMembers = map[string]bool{
	"model": true, "messages": true, "max_tokens": true, "system": true, "metadata": true, "stop_sequences": true,
	"stream": true, "temperature": true, "thinking": true, "tool_choice": true, "tools": true, "top_k": true,
	"top_p": true, "service_tier": true, "container": true, "context_management": true, "mcp_servers": true,
	"output_config": true, "output_format": true, "cache_control": true, "inference_geo": true, "speed": true,
}

type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

func (c *cacheControl) life() time.Duration {
	switch {
	case c == nil:
		return 0
	case c.TTL == "1h":
		return anthropicLong
	default:
		return anthropicShort
	}
}

// outputFormat is a structured output, as in the API reference.
type outputFormat struct {
	Schema json.RawMessage `json:"schema"`
}

type anthropicMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// anthropicBlock holds the members of any kind of content block that matter here.
type anthropicBlock struct {
	Type         string        `json:"type"`
	Text         string        `json:"text"`
	Name         string        `json:"name"`
	ID           string        `json:"id"`
	ToolUseID    string        `json:"tool_use_id"`
	Thinking     string        `json:"thinking"`
	Signature    string        `json:"signature"`
	CacheControl *cacheControl `json:"cache_control"`

	raw json.RawMessage
}

// invalidAnthropic is a 400 as the provider words it.
func invalidAnthropic(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "invalid_request_error", message: fmt.Sprintf(format, args...)}
}

// parseAnthropic reads and checks a Messages request, as far as the provider's
// checks are known. counting: the request is for count_tokens, which needs no
// max_tokens.
func parseAnthropic(h http.Header, body []byte, counting bool) (*ask, *failure) {
	if h.Get("anthropic-version") == "" {
		return nil, invalidAnthropic("anthropic-version: header is required")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, invalidAnthropic("The request body is not valid JSON: %v", err)
	}
	for name := range members {
		if anthropicMembers[name] || name == "safeguards" && strings.Contains(strings.Join(h.Values("anthropic-beta"), ","), "dangerous-tool-use-") {
			continue
		}
		return nil, invalidAnthropic("%s: Extra inputs are not permitted", name)
	}
	var r struct {
		Model        *string            `json:"model"`
		Messages     []anthropicMessage `json:"messages"`
		MaxTokens    *int               `json:"max_tokens"`
		System       json.RawMessage    `json:"system"`
		Stream       bool               `json:"stream"`
		Tools        []json.RawMessage  `json:"tools"`
		CacheControl *cacheControl      `json:"cache_control"`
		ToolChoice   struct {
			Type string `json:"type"`
			Name string `json:"name"`
		} `json:"tool_choice"`
		Thinking struct {
			Type    string `json:"type"`
			Display string `json:"display"`
		} `json:"thinking"`
		OutputConfig struct {
			Format outputFormat `json:"format"`
		} `json:"output_config"`
		OutputFormat outputFormat `json:"output_format"` // its name before it moved
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, invalidAnthropic("%v", err)
	}
	switch {
	case r.Model == nil:
		return nil, invalidAnthropic("model: Field required")
	case *r.Model == "":
		return nil, invalidAnthropic("model: String should have at least 1 character")
	case members["messages"] == nil:
		return nil, invalidAnthropic("messages: Field required")
	case len(r.Messages) == 0:
		return nil, invalidAnthropic("messages: at least one message is required")
	case !counting && r.MaxTokens == nil:
		return nil, invalidAnthropic("max_tokens: Field required")
	case !counting && *r.MaxTokens < 1:
		return nil, invalidAnthropic("max_tokens: Input should be greater than or equal to 1")
	}
	q := &ask{
		model: *r.Model, stream: r.Stream,
		think:        r.Thinking.Type == "enabled" || r.Thinking.Type == "adaptive",
		hideThinking: r.Thinking.Display == "omitted",
		schema:       r.OutputConfig.Format.Schema,
	}
	if len(q.schema) == 0 {
		q.schema = r.OutputFormat.Schema
	}
	if r.MaxTokens != nil {
		q.maxTokens = *r.MaxTokens
	}
	if f := q.addTools(r.Tools); f != nil {
		return nil, f
	}
	switch r.ToolChoice.Type {
	case "tool":
		q.forcedTool = r.ToolChoice.Name
	case "any":
		if len(q.offers) > 0 {
			q.forcedTool = q.offers[0].name
		}
	case "none":
		q.offers = nil
	}
	system, err := contentBlocks(r.System)
	if err != nil {
		return nil, invalidAnthropic("system: %v", err)
	}
	q.addBlocks("system", system)
	if f := q.addMessages(r.Messages, strings.Contains(strings.Join(h.Values("anthropic-beta"), ","), "per-turn-control-")); f != nil {
		return nil, f
	}
	if n := len(q.blocks); r.CacheControl != nil && n > 0 && q.blocks[n-1].cache == 0 {
		q.blocks[n-1].cache = r.CacheControl.life()
	}
	q.promptTokens = requestTokens
	for _, b := range q.blocks {
		q.promptTokens += b.size
	}
	return q, nil
}

func (q *ask) addTools(tools []json.RawMessage) *failure {
	for i, raw := range tools {
		var t struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			InputSchema json.RawMessage `json:"input_schema"`
		}
		b, err := oneBlock(raw)
		if err == nil {
			err = json.Unmarshal(raw, &t)
		}
		if err != nil {
			return invalidAnthropic("tools.%d: %v", i, err)
		}
		if t.Name == "" && (t.Type == "" || t.Type == "custom") { // a server's tool may go without
			return invalidAnthropic("tools.%d.custom.name: Field required", i)
		}
		q.offers = append(q.offers, toolOffer{name: t.Name, schema: t.InputSchema})
		q.addBlocks("tool", []anthropicBlock{b})
	}
	return nil
}

// addMessages walks the conversation: roles, empty text, signatures, and that
// every tool_use is answered at once. amid: instructions may stand between the turns, as Claude Code's do since
// Opus 5.5; they say nothing of their own.
func (q *ask) addMessages(messages []anthropicMessage, amid bool) *failure {
	var open map[string]bool // tool_use ids of the previous message
	for i, m := range messages {
		instructions := amid && m.Role == "system"
		if m.Role != "user" && m.Role != "assistant" && !instructions {
			return invalidAnthropic("messages.%d.role: Input should be 'user' or 'assistant'", i)
		}
		blocks, err := contentBlocks(m.Content)
		if err != nil {
			return invalidAnthropic("messages.%d.content: %v", i, err)
		}
		last := i == len(messages)-1
		if len(blocks) == 0 && (!last || m.Role != "assistant") {
			return invalidAnthropic("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		if instructions {
			q.addBlocks(m.Role, blocks)
			continue
		}
		var calls map[string]bool
		answered := false
		q.lastText = ""
		for k, b := range blocks {
			switch b.Type {
			case "text":
				if b.Text == "" {
					return invalidAnthropic("messages: text content blocks must be non-empty")
				}
				if m.Role == "user" {
					q.lastText += b.Text + "\n"
				}
			case "thinking":
				if b.Signature != sign(b.Thinking) && b.Signature != sign(Thought) {
					return invalidAnthropic("messages.%d.content.%d: Invalid `signature` in `thinking` block", i, k)
				}
			case "tool_use":
				if calls == nil {
					calls = map[string]bool{}
				}
				calls[b.ID] = true
			case "tool_result":
				if !open[b.ToolUseID] {
					return invalidAnthropic("messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, k, b.ToolUseID)
				}
				delete(open, b.ToolUseID)
				answered = true
			}
		}
		for id := range open {
			return invalidAnthropic("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, id)
		}
		if answered {
			q.lastText = ""
		}
		open = calls
		q.prefill = m.Role == "assistant"
		q.addBlocks(m.Role, blocks)
	}
	return nil
}

func (q *ask) addBlocks(role string, blocks []anthropicBlock) {
	for _, b := range blocks {
		text := append([]byte(role+"\x00"), b.raw...)
		size := len(b.raw)
		if b.Type == "text" {
			size = len(b.Text)
		}
		q.blocks = append(q.blocks, block{text: text, size: tokens(size), cache: b.CacheControl.life()})
	}
}

// contentBlocks reads a string or a list of blocks. A string is one text block
// and equal to it for the cache.
func contentBlocks(raw json.RawMessage) ([]anthropicBlock, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		b := anthropicBlock{Type: "text", Text: s}
		b.raw = encode(map[string]string{"type": "text", "text": s})
		return []anthropicBlock{b}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, errors.New("Input should be a valid list") //nolint:staticcheck // the provider's own words
	}
	out := make([]anthropicBlock, len(list))
	for i, item := range list {
		var err error
		if out[i], err = oneBlock(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// oneBlock reads a block; its raw form is without cache_control and with its
// members in order, so that the same content has the same bytes.
func oneBlock(item json.RawMessage) (b anthropicBlock, err error) {
	if err = json.Unmarshal(item, &b); err != nil {
		return b, err
	}
	var members map[string]json.RawMessage
	if err = json.Unmarshal(item, &members); err != nil {
		return b, err
	}
	delete(members, "cache_control")
	b.raw = encode(members)
	return b, nil
}
