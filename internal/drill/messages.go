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
	open    string        // the type of the block that is open; "": none
	index   int           // of the next block
	done    bool          // message_delta was seen
	stopped bool          // message_stop or an error was seen
	block   messagesBlock // the one that is open
}

type messagesEvent struct {
	Type    string `json:"type"`
	Index   *int   `json:"index"`
	Message *struct {
		Model string         `json:"model"`
		Role  string         `json:"role"`
		Usage *messagesUsage `json:"usage"`
	} `json:"message"`
	Block *messagesBlock `json:"content_block"`
	Delta *struct {
		Type       string  `json:"type"`
		Text       string  `json:"text"`
		Thinking   string  `json:"thinking"`
		Signature  string  `json:"signature"`
		JSON       string  `json:"partial_json"`
		StopReason *string `json:"stop_reason"`
	} `json:"delta"`
	Usage *messagesUsage `json:"usage"`
	Error *wireError     `json:"error"`
}

// messagesBlock is a block of content, as an answer has it.
type messagesBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	Data      string          `json:"data"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
}

// hear takes a whole block in.
func (b *messagesBlock) hear(a *Answer) {
	back := map[string]any{"type": b.Type}
	switch b.Type {
	case "text":
		back["text"] = b.Text
	case "thinking":
		back["thinking"], back["signature"] = b.Thinking, b.Signature
	case "redacted_thinking":
		back["data"] = b.Data
	case "tool_use":
		if !json.Valid(b.Input) {
			a.wrong("tool arguments that are not JSON")
			return
		}
		if b.ID == "" || b.Name == "" {
			a.wrong("a tool call without a name or an id")
		}
		back["id"], back["name"], back["input"] = b.ID, b.Name, b.Input
		a.Tools = append(a.Tools, ToolCall{b.ID, b.Name, string(b.Input)})
	default:
		a.wrong("a block of the type %q", b.Type)
	}
	a.back(back)
}

type messagesUsage struct {
	Input  *int `json:"input_tokens"`
	Output *int `json:"output_tokens"`
	Read   int  `json:"cache_read_input_tokens"`
	Write  int  `json:"cache_creation_input_tokens"`
	Detail struct {
		Thought int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

// wireError is the error of all dialects but Gemini; the code is OpenAI's.
type wireError struct {
	Type    string `json:"type"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *wireError) text() string {
	if e.Code != "" && e.Code != e.Type {
		return fmt.Sprintf("%s (%s): %s", e.Type, e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s", e.Type, e.Message)
}

func (u *messagesUsage) into(a *Answer) {
	if u == nil {
		return
	}
	if a.Usage == nil {
		a.Usage = &Usage{}
	}
	if u.Input != nil {
		a.Usage.Input, a.Usage.Cached = *u.Input+u.Read+u.Write, u.Read
	}
	if u.Output != nil {
		a.Usage.Output = *u.Output
	}
	a.Usage.Thought = max(a.Usage.Thought, u.Detail.Thought)
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
		s.open, s.block = v.Block.Type, *v.Block
		s.block.Input = nil
	case "content_block_delta":
		return s.delta(v)
	case "content_block_stop":
		if s.open == "" {
			s.a.wrong("a block ended that was not open")
		} else {
			if s.open == "tool_use" && len(s.block.Input) == 0 {
				s.block.Input = []byte("{}") // as SDKs take it
			}
			s.block.hear(s.a)
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
	s.block.Text += v.Delta.Text
	s.block.Thinking += v.Delta.Thinking
	s.block.Signature += v.Delta.Signature
	s.block.Input = append(s.block.Input, v.Delta.JSON...)
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
		Type       string          `json:"type"`
		Role       string          `json:"role"`
		Model      string          `json:"model"`
		Error      *wireError      `json:"error"`
		Content    []messagesBlock `json:"content"`
		StopReason *string         `json:"stop_reason"`
		Usage      *messagesUsage  `json:"usage"`
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
	for i := range m.Content {
		c := &m.Content[i]
		a.Text += c.Text
		a.Thinking += c.Thinking
		c.hear(a)
	}
	m.Usage.into(a)
	if m.StopReason == nil {
		return false
	}
	a.Finish = *m.StopReason
	return true
}
