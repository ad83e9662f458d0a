package drill

import (
	"encoding/json"
	"fmt"
)

// messagesStream reads a stream of Anthropic Messages: message_start, blocks one after
// the other, message_delta with the stop reason, message_stop, and pings anywhere.
type messagesStream struct {
	a       *Answer
	started bool
	open    string // the type of the block that is open; "": none
	index   int    // of the next block
	done    bool   // message_delta was seen
	stopped bool   // message_stop or an error was seen
	args    string // of the tool call that is open
}

type messagesEvent struct {
	Type    string `json:"type"`
	Index   *int   `json:"index"`
	Message *struct {
		Model string         `json:"model"`
		Role  string         `json:"role"`
		Usage *messagesUsage `json:"usage"`
	} `json:"message"`
	Block *struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"content_block"`
	Delta *struct {
		Type       string  `json:"type"`
		Text       string  `json:"text"`
		Thinking   string  `json:"thinking"`
		JSON       string  `json:"partial_json"`
		StopReason *string `json:"stop_reason"`
	} `json:"delta"`
	Usage *messagesUsage `json:"usage"`
	Error *wireError     `json:"error"`
}

type messagesUsage struct {
	Input  *int `json:"input_tokens"`
	Output *int `json:"output_tokens"`
	Read   int  `json:"cache_read_input_tokens"`
	Write  int  `json:"cache_creation_input_tokens"`
}

// wireError is the error of both dialects.
type wireError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (e *wireError) text() string { return fmt.Sprintf("%s: %s", e.Type, e.Message) }

func (u *messagesUsage) into(a *Answer) {
	if u == nil {
		return
	}
	if a.Usage == nil {
		a.Usage = &Usage{}
	}
	if u.Input != nil {
		a.Usage.Input = *u.Input + u.Read + u.Write
	}
	if u.Output != nil {
		a.Usage.Output = *u.Output
	}
}

// deltaOf says which block a delta belongs into.
var deltaOf = map[string]string{
	"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use",
}

func (s *messagesStream) event(e sseEvent) (content bool) {
	var v messagesEvent
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		s.a.wrong("an event that is not JSON")
		return false
	}
	switch {
	case e.name != v.Type:
		s.a.wrong("an event named %q of the type %q", e.name, v.Type)
	case v.Type == "ping" && !s.stopped:
		s.a.Pings++
	case s.stopped:
		s.a.wrong("%s after the end", v.Type)
	case v.Type == "error":
		s.fail(v.Error)
	case v.Type == "message_start":
		s.start(&v)
	case !s.started:
		s.a.wrong("%s before message_start", v.Type)
	case s.done && v.Type != "message_stop":
		s.a.wrong("%s after the stop reason", v.Type)
	default:
		return s.inside(&v)
	}
	return false
}

func (s *messagesStream) fail(e *wireError) {
	s.stopped = true
	if e == nil || e.Type == "" || e.Message == "" {
		s.a.wrong("an error event without an error")
		return
	}
	s.a.Error, s.a.InBand = e.text(), true
}

func (s *messagesStream) start(v *messagesEvent) {
	switch {
	case s.started:
		s.a.wrong("a second message_start")
	case v.Message == nil || v.Message.Role != "assistant" || v.Message.Usage == nil:
		s.a.wrong("message_start without a message")
	default:
		s.a.Model = v.Message.Model
		v.Message.Usage.into(s.a)
	}
	s.started = true
}

func (s *messagesStream) inside(v *messagesEvent) (content bool) {
	if v.Index != nil && *v.Index != s.index {
		s.a.wrong("%s of block %d where block %d was due", v.Type, *v.Index, s.index)
	}
	switch v.Type {
	case "content_block_start":
		if s.open != "" || v.Block == nil {
			s.a.wrong("a block began inside another")
			return false
		}
		s.open, s.args = v.Block.Type, ""
		if s.open == "tool_use" {
			s.a.Tools = append(s.a.Tools, ToolCall{Name: v.Block.Name})
		}
	case "content_block_delta":
		return s.delta(v)
	case "content_block_stop":
		if s.open == "tool_use" {
			if !json.Valid([]byte(s.args)) {
				s.a.wrong("tool arguments that are not JSON")
			}
			s.a.Tools[len(s.a.Tools)-1].Arguments = s.args
		}
		if s.open == "" {
			s.a.wrong("a block ended that was not open")
		}
		s.open = ""
		s.index++
	case "message_delta":
		if s.open != "" {
			s.a.wrong("the stop reason came inside a block")
		}
		if v.Delta == nil || v.Delta.StopReason == nil {
			s.a.wrong("message_delta without a stop reason")
			return false
		}
		s.done, s.a.Finish = true, *v.Delta.StopReason
		v.Usage.into(s.a)
	case "message_stop":
		if !s.done {
			s.a.wrong("message_stop without a stop reason")
		}
		s.stopped = true
	default:
		s.a.wrong("an event of the type %q", v.Type)
	}
	return false
}

func (s *messagesStream) delta(v *messagesEvent) (content bool) {
	if v.Delta == nil || v.Index == nil || deltaOf[v.Delta.Type] != s.open || s.open == "" {
		s.a.wrong("a delta that belongs to no open block")
		return false
	}
	s.a.Text += v.Delta.Text
	s.a.Thinking += v.Delta.Thinking
	s.args += v.Delta.JSON
	content = v.Delta.Text+v.Delta.Thinking+v.Delta.JSON != ""
	if !content && v.Delta.Type != "signature_delta" {
		s.a.Fillers++
	}
	return content
}

func (s *messagesStream) end() bool { return s.stopped && s.a.Error == "" }

// readMessage reads a JSON answer of Anthropic Messages.
func readMessage(body []byte, a *Answer) (ended bool) {
	var m struct {
		Type    string     `json:"type"`
		Role    string     `json:"role"`
		Model   string     `json:"model"`
		Error   *wireError `json:"error"`
		Content []struct {
			Type     string          `json:"type"`
			Text     string          `json:"text"`
			Thinking string          `json:"thinking"`
			Name     string          `json:"name"`
			Input    json.RawMessage `json:"input"`
		} `json:"content"`
		StopReason *string        `json:"stop_reason"`
		Usage      *messagesUsage `json:"usage"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		a.wrong("a body that is not JSON")
		return false
	}
	if a.Status != 200 {
		if m.Type != "error" || m.Error == nil || m.Error.Type == "" || m.Error.Message == "" {
			a.wrong("an error body without an error")
			return false
		}
		a.Error = m.Error.text()
		return false
	}
	if m.Type != "message" || m.Role != "assistant" {
		a.wrong("a 200 that is no message")
		return false
	}
	a.Model = m.Model
	for _, c := range m.Content {
		a.Text += c.Text
		a.Thinking += c.Thinking
		if c.Type == "tool_use" {
			a.Tools = append(a.Tools, ToolCall{c.Name, string(c.Input)})
		}
	}
	m.Usage.into(a)
	if m.StopReason == nil {
		return false
	}
	a.Finish = *m.StopReason
	return true
}
