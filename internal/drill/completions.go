package drill

import "encoding/json"

// completionsStream reads a stream of OpenAI Chat Completions: chunks of one id, a
// finish reason, the usage that was asked for, and [DONE].
type completionsStream struct {
	a        *Answer
	id       string
	extras   []json.RawMessage // of the tool calls
	finished bool              // the finish reason was seen
	done     bool              // [DONE] was seen
	failed   bool              // an error was seen
}

type chunk struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Model   string       `json:"model"`
	Error   *wireError   `json:"error"`
	Usage   *chunkUsage  `json:"usage"`
	Choices []chunkPiece `json:"choices"`
}

type chunkUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	In         struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	Out struct {
		Thought int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (u *chunkUsage) into(a *Answer) {
	if u == nil {
		return
	}
	if u.Total != u.Prompt+u.Completion {
		a.wrong("a total of %d tokens that is not the sum of %d and %d", u.Total, u.Prompt, u.Completion)
	}
	a.Usage = &Usage{u.Prompt, u.Completion, u.In.Cached, u.Out.Thought}
}

type chunkPiece struct {
	Index        int          `json:"index"`
	Delta        chunkMessage `json:"delta"`
	Message      chunkMessage `json:"message"` // of a JSON answer
	FinishReason *string      `json:"finish_reason"`
}

type chunkMessage struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Index    int             `json:"index"`
		ID       string          `json:"id"`
		Type     string          `json:"type"`
		Extra    json.RawMessage `json:"extra_content"` // Google's place for signatures
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	Refusal string `json:"refusal"`
}

func (s *completionsStream) event(e sseEvent) (content bool) {
	switch {
	case s.done:
		s.a.wrong("an event after [DONE]")
		return false
	case e.data == "[DONE]":
		s.done = true
		return false
	case s.failed:
		s.a.wrong("an event after the error")
		return false
	}
	var v chunk
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		s.a.wrong("an event that is not JSON")
		return false
	}
	if v.Error != nil {
		s.failed = true
		if v.Error.Message == "" {
			s.a.wrong("an error event without an error")
			return false
		}
		s.a.Error, s.a.InBand = v.Error.text(), true
		return false
	}
	if v.Object != "chat.completion.chunk" {
		s.a.wrong("an event that is no chunk")
		return false
	}
	if s.id == "" {
		s.id, s.a.Model = v.ID, v.Model
	} else if v.ID != s.id {
		s.a.wrong("chunks of two answers")
	}
	v.Usage.into(s.a)
	for i := range v.Choices {
		content = s.piece(&v.Choices[i]) || content
	}
	return content
}

func (s *completionsStream) piece(c *chunkPiece) (content bool) {
	if c.Index != 0 {
		s.a.wrong("a choice that was not asked for")
		return false
	}
	content = c.Delta.Content != "" || c.Delta.Reasoning != "" || c.Delta.Refusal != ""
	s.a.Text += c.Delta.Content
	s.a.Declined += c.Delta.Refusal
	s.a.Thinking += c.Delta.Reasoning
	for _, t := range c.Delta.ToolCalls {
		switch {
		case t.Index == len(s.a.Tools) && t.Function.Name != "":
			if t.ID == "" || t.Type != "function" {
				s.a.wrong("a tool call without an id or a type")
			}
			s.a.Tools = append(s.a.Tools, ToolCall{ID: t.ID, Name: t.Function.Name})
			s.extras = append(s.extras, t.Extra)
		case t.Index >= len(s.a.Tools):
			s.a.wrong("arguments of a tool call that has not begun")
			continue
		}
		s.a.Tools[t.Index].Arguments += t.Function.Arguments
		content = content || t.Function.Arguments != ""
	}
	if s.finished && content {
		s.a.wrong("content after the finish reason")
	}
	if c.FinishReason != nil {
		if s.finished {
			s.a.wrong("a second finish reason")
		}
		s.finished, s.a.Finish = true, *c.FinishReason
		completionBack(s.a, s.extras)
	}
	return content
}

// completionBack checks the tool calls and notes the message that a client sends back.
func completionBack(a *Answer, extras []json.RawMessage) {
	back := map[string]any{"role": "assistant", "content": a.Text}
	if a.Thinking != "" {
		back["reasoning_content"] = a.Thinking
	}
	var calls []map[string]any
	for i, t := range a.Tools {
		if !json.Valid([]byte(t.Arguments)) {
			a.wrong("tool arguments that are not JSON")
		}
		call := map[string]any{"id": t.ID, "type": "function", "function": map[string]string{"name": t.Name, "arguments": t.Arguments}}
		if extras[i] != nil {
			call["extra_content"] = extras[i]
		}
		calls = append(calls, call)
	}
	if calls != nil {
		back["tool_calls"] = calls
		if a.Text == "" {
			back["content"] = nil
		}
	}
	a.back(back)
}

func (s *completionsStream) end() bool {
	if s.done && !s.finished && !s.failed {
		s.a.wrong("[DONE] without a finish reason")
	}
	return s.done && s.finished && !s.failed
}

// readCompletion reads a JSON answer of Chat Completions.
func readCompletion(body []byte, a *Answer) (ended bool) {
	var c chunk
	if err := json.Unmarshal(body, &c); err != nil {
		a.wrong("a body that is not JSON")
		return false
	}
	if a.Status != 200 {
		if c.Error == nil || c.Error.Message == "" {
			a.wrong("an error body without an error")
			return false
		}
		a.Error = c.Error.text()
		return false
	}
	if c.Object != "chat.completion" || len(c.Choices) != 1 {
		a.wrong("a 200 that is no completion")
		return false
	}
	a.Model = c.Model
	m := &c.Choices[0].Message
	a.Text, a.Thinking, a.Declined = m.Content, m.Reasoning, m.Refusal
	var extras []json.RawMessage
	for _, t := range m.ToolCalls {
		if t.ID == "" || t.Type != "function" {
			a.wrong("a tool call without an id or a type")
		}
		a.Tools = append(a.Tools, ToolCall{t.ID, t.Function.Name, t.Function.Arguments})
		extras = append(extras, t.Extra)
	}
	completionBack(a, extras)
	c.Usage.into(a)
	if c.Choices[0].FinishReason == nil {
		return false
	}
	a.Finish = *c.Choices[0].FinishReason
	return true
}
