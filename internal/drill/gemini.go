package drill

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// geminiStream reads a stream of Gemini: chunks of one answer without names, the last of which has
// the finish reason and the usage, and the body's end.
type geminiStream struct {
	a        *Answer
	id       string
	parts    []geminiPart
	finished bool
	failed   bool
}

type geminiReply struct {
	Candidates []struct {
		Content struct {
			Role  string            `json:"role"`
			Parts []json.RawMessage `json:"parts"`
		} `json:"content"`
		Finish string `json:"finishReason"`
		Index  int    `json:"index"`
	} `json:"candidates"`
	Feedback *struct {
		Block string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage   *geminiUsage `json:"usageMetadata"`
	Version string       `json:"modelVersion"`
	ID      string       `json:"responseId"`
	Error   *geminiError `json:"error"`
}

type geminiUsage struct {
	Prompt     int `json:"promptTokenCount"`
	Candidates int `json:"candidatesTokenCount"`
	Thoughts   int `json:"thoughtsTokenCount"`
	Total      int `json:"totalTokenCount"`
	Cached     int `json:"cachedContentTokenCount"`
}

type geminiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Type  string `json:"@type"`
		Delay string `json:"retryDelay"`
	} `json:"details"`
}

// geminiPart is a piece of content: a text, a thought or a call.
type geminiPart struct {
	Text      *string     `json:"text,omitempty"`
	Thought   bool        `json:"thought,omitempty"`
	Call      *geminiCall `json:"functionCall,omitempty"`
	Signature string      `json:"thoughtSignature,omitempty"`
}

type geminiCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

func (e *geminiError) into(a *Answer) {
	if e.Message == "" || e.Status == "" || e.Code < 400 || a.Status >= 400 && e.Code != a.Status {
		a.wrong("an error that says %d %q %q", e.Code, e.Status, e.Message)
		return
	}
	a.Error = e.Status + ": " + e.Message
	for _, d := range e.Details {
		if strings.HasSuffix(d.Type, "google.rpc.RetryInfo") {
			a.RetryInfo = d.Delay
		}
	}
}

func (u *geminiUsage) into(a *Answer) {
	if u == nil {
		return
	}
	if u.Total != u.Prompt+u.Candidates+u.Thoughts {
		a.wrong("a total of %d tokens that is not the sum of %d, %d and %d", u.Total, u.Prompt, u.Candidates, u.Thoughts)
	}
	a.Usage = &Usage{u.Prompt, u.Candidates + u.Thoughts, u.Cached, u.Thoughts}
}

func (s *geminiStream) event(e sseEvent) (content bool) {
	switch {
	case s.failed:
		s.a.wrong("an event after the error")
		return false
	case e.name != "":
		s.a.wrong("an event with the name %q", e.name)
	}
	var v geminiReply
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		s.a.wrong("an event that is not JSON")
		return false
	}
	if v.Error != nil {
		s.failed = true
		v.Error.into(s.a)
		s.a.InBand = true
		return false
	}
	return s.chunk(&v)
}

func (s *geminiStream) chunk(v *geminiReply) (content bool) {
	if s.finished {
		s.a.wrong("a chunk after the finish reason")
	}
	switch {
	case v.ID == "" || v.Version == "":
		s.a.wrong("a chunk without an id or a model")
	case s.id == "":
		s.id, s.a.Model = v.ID, v.Version
	case v.ID != s.id:
		s.a.wrong("chunks of two answers")
	}
	v.Usage.into(s.a)
	if v.Feedback != nil && v.Feedback.Block != "" {
		if len(v.Candidates) > 0 || len(s.parts) > 0 {
			s.a.wrong("a refused prompt with an answer")
		}
		s.finished, s.a.Finish = true, v.Feedback.Block
	}
	if len(v.Candidates) == 0 {
		return false
	}
	c := &v.Candidates[0]
	if len(v.Candidates) > 1 || c.Index != 0 {
		s.a.wrong("a candidate that was not asked for")
	}
	if len(c.Content.Parts) > 0 && c.Content.Role != "model" {
		s.a.wrong("content of the role %q", c.Content.Role)
	}
	for _, raw := range c.Content.Parts {
		content = s.part(raw) || content
	}
	if c.Finish != "" {
		s.finished, s.a.Finish = true, c.Finish
		if v.Usage == nil {
			s.a.wrong("a finish reason without the usage")
		}
		s.back()
	}
	return content
}

func (s *geminiStream) part(raw json.RawMessage) (content bool) {
	var p geminiPart
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	if err := in.Decode(&p); err != nil {
		s.a.wrong("a part that holds something else: %v", err)
		return false
	}
	switch {
	case p.Call != nil && p.Text == nil && !p.Thought:
		if args := bytes.TrimSpace(p.Call.Args); p.Call.Name == "" || len(args) == 0 || args[0] != '{' {
			s.a.wrong("a call without a name or arguments")
			return false
		}
		s.a.Tools = append(s.a.Tools, ToolCall{p.Call.ID, p.Call.Name, string(p.Call.Args)})
		content = true
	case p.Text != nil && p.Call == nil && p.Thought:
		s.a.Thinking += *p.Text
		content = *p.Text != ""
	case p.Text != nil && p.Call == nil:
		s.a.Text += *p.Text
		content = *p.Text != ""
	default:
		s.a.wrong("a part that is neither a text nor a call")
		return false
	}
	s.parts = append(s.parts, p)
	return content
}

// back notes what a client sends back: as Gemini CLI does it, no thoughts, and texts joined.
func (s *geminiStream) back() {
	var out []geminiPart
	for _, p := range s.parts {
		if p.Thought || p.Call == nil && *p.Text == "" && p.Signature == "" {
			continue
		}
		if n := len(out); n > 0 && p.Text != nil && out[n-1].Text != nil && p.Signature == "" && out[n-1].Signature == "" {
			joined := *out[n-1].Text + *p.Text
			out[n-1].Text = &joined
			continue
		}
		out = append(out, p)
	}
	for _, p := range out {
		s.a.back(p)
	}
}

func (s *geminiStream) end() bool { return s.finished && !s.failed }

// readGemini reads a JSON answer of Gemini.
func readGemini(body []byte, a *Answer) (ended bool) {
	var v geminiReply
	if err := json.Unmarshal(body, &v); err != nil {
		a.wrong("a body that is not JSON")
		return false
	}
	if a.Status != http.StatusOK {
		if v.Error == nil {
			a.wrong("an error body without an error")
			return false
		}
		v.Error.into(a)
		return false
	}
	if len(v.Candidates) == 0 && v.Feedback == nil {
		a.wrong("a 200 that is no answer")
		return false
	}
	s := &geminiStream{a: a}
	s.chunk(&v)
	return s.end()
}
