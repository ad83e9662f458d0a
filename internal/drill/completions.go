package drill

import "encoding/json"

// completionsStream reads a stream of OpenAI Chat Completions: chunks of one id, a
// finish reason, the usage that was asked for, and [DONE].
type completionsStream struct {
	a        *Answer
	id       string
	finished bool // the finish reason was seen
	done     bool // [DONE] was seen
	failed   bool // an error was seen
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
		Index    int `json:"index"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
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
	if v.Usage != nil {
		s.a.Usage = &Usage{v.Usage.Prompt, v.Usage.Completion}
	}
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
	content = c.Delta.Content != "" || c.Delta.Reasoning != ""
	s.a.Text += c.Delta.Content
	s.a.Thinking += c.Delta.Reasoning
	for _, t := range c.Delta.ToolCalls {
		switch {
		case t.Index == len(s.a.Tools) && t.Function.Name != "":
			s.a.Tools = append(s.a.Tools, ToolCall{Name: t.Function.Name})
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
		for _, t := range s.a.Tools {
			if !json.Valid([]byte(t.Arguments)) {
				s.a.wrong("tool arguments that are not JSON")
			}
		}
	}
	return content
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
	a.Text, a.Thinking = m.Content, m.Reasoning
	for _, t := range m.ToolCalls {
		if !json.Valid([]byte(t.Function.Arguments)) {
			a.wrong("tool arguments that are not JSON")
		}
		a.Tools = append(a.Tools, ToolCall{t.Function.Name, t.Function.Arguments})
	}
	if c.Usage != nil {
		a.Usage = &Usage{c.Usage.Prompt, c.Usage.Completion}
	}
	if c.Choices[0].FinishReason == nil {
		return false
	}
	a.Finish = *c.Choices[0].FinishReason
	return true
}
