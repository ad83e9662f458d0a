package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
}

func invalidChat(param, code, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "invalid_request_error", param: param, code: code, message: fmt.Sprintf(format, args...)}
}

// parseChat reads and checks a Chat Completions request.
func parseChat(body []byte) (*ask, *failure) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, invalidChat("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)")
	}
	var r struct {
		Model               string            `json:"model"`
		Messages            []chatMessage     `json:"messages"`
		Stream              bool              `json:"stream"`
		MaxTokens           int               `json:"max_tokens"`
		MaxCompletionTokens int               `json:"max_completion_tokens"`
		ReasoningEffort     string            `json:"reasoning_effort"`
		Tools               []json.RawMessage `json:"tools"`
		ToolChoice          json.RawMessage   `json:"tool_choice"`
		ResponseFormat      struct {
			JSONSchema struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"json_schema"`
		} `json:"response_format"`
		StreamOptions struct {
			IncludeUsage       bool  `json:"include_usage"`
			IncludeObfuscation *bool `json:"include_obfuscation"`
		} `json:"stream_options"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, invalidChat("", "invalid_type", "Invalid type in the request: %v.", err)
	}
	switch {
	case r.Model == "":
		return nil, invalidChat("", "", "you must provide a model parameter")
	case members["messages"] == nil:
		return nil, invalidChat("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	case len(r.Messages) == 0:
		return nil, invalidChat("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case members["stream_options"] != nil && !r.Stream && !bytes.Equal(members["stream_options"], []byte("null")):
		return nil, invalidChat("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	q := &ask{
		model: r.Model, stream: r.Stream, includeUsage: r.StreamOptions.IncludeUsage,
		obfuscate: r.StreamOptions.IncludeObfuscation == nil || *r.StreamOptions.IncludeObfuscation,
		maxTokens: max(r.MaxTokens, r.MaxCompletionTokens),
		think:     r.ReasoningEffort != "" && r.ReasoningEffort != "none" && r.ReasoningEffort != "minimal",
		// Chat Completions counts reasoning and never shows it.
		hideThinking: true,
		schema:       r.ResponseFormat.JSONSchema.Schema,
	}
	if f := q.addChatTools(r.Tools, r.ToolChoice); f != nil {
		return nil, f
	}
	if f := q.addChatMessages(r.Messages); f != nil {
		return nil, f
	}
	// The cache sees the tools, then the messages; the closing bracket is not
	// part of what the next turn of the conversation has in common with this one.
	q.prompt = bytes.TrimRight(append(bytes.Clone(members["tools"]), members["messages"]...), " \t\r\n]")
	q.promptTokens = requestTokens + tokens(len(q.prompt))
	return q, nil
}

func (q *ask) addChatTools(tools []json.RawMessage, choice json.RawMessage) *failure {
	type named struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	}
	var t struct {
		Type     string `json:"type"`
		Function named  `json:"function"`
		Custom   named  `json:"custom"`
	}
	for i, raw := range tools {
		t.Type, t.Function, t.Custom = "", named{}, named{}
		if err := json.Unmarshal(raw, &t); err != nil {
			return invalidChat(fmt.Sprintf("tools[%d]", i), "invalid_type", "Invalid type for 'tools[%d]': %v.", i, err)
		}
		if t.Type == "" {
			return invalidChat(fmt.Sprintf("tools[%d].type", i), "missing_required_parameter", "Missing required parameter: 'tools[%d].type'.", i)
		}
		// Custom tools take free text instead of JSON; this provider calls functions only.
		if t.Function.Name != "" {
			q.offers = append(q.offers, toolOffer{name: t.Function.Name, schema: t.Function.Parameters})
		}
	}
	var word string
	if json.Unmarshal(choice, &word) == nil {
		switch word {
		case "none":
			q.offers = nil
		case "required":
			if len(q.offers) > 0 {
				q.forcedTool = q.offers[0].name
			}
		}
	} else if json.Unmarshal(choice, &t) == nil {
		q.forcedTool = t.Function.Name
	}
	return nil
}

func (q *ask) addChatMessages(messages []chatMessage) *failure {
	known := map[string]bool{}
	for i, m := range messages {
		switch m.Role {
		case "system", "developer", "user", "assistant", "function":
		case "tool":
			if !known[m.ToolCallID] {
				return invalidChat(fmt.Sprintf("messages.[%d].role", i), "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
			}
			delete(known, m.ToolCallID)
		default:
			return invalidChat(fmt.Sprintf("messages[%d].role", i), "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
		if m.Role != "tool" && len(known) > 0 {
			return invalidChat(fmt.Sprintf("messages.[%d].role", i), "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.")
		}
		for _, c := range m.ToolCalls {
			known[c.ID] = true
		}
		switch m.Role {
		case "system", "developer": // which say nothing of their own, wherever they stand
			continue
		case "user":
			q.lastText = chatText(m.Content)
		default:
			q.lastText = ""
		}
		q.prefill = m.Role == "assistant"
	}
	return nil
}

// chatText is the text of a content that is a string or a list of parts.
func chatText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) == nil {
		for _, p := range parts {
			s += p.Text + "\n"
		}
	}
	return s
}
