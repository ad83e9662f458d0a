package openai

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// own is the dialect's name on what only it knows.
const own = domain.DialectOpenAIChat

func text(v []byte) string {
	s, _ := dialect.Unquote(v)
	return s
}

// gemini is where a call's signature comes from that stands in extra_content.
const gemini = domain.DialectGeminiContent

// The members in which servers of other makers show reasoning. The API itself shows none. The
// member's name is kept as the reasoning's signature: such servers want it back under that
// name while tools are called (DeepSeek's and Kimi's thinking guides, read 2026-11).
const (
	reasoningContent = "reasoning_content"
	reasoningMember  = "reasoning"
)

var finishReasons = map[string]neutral.Finish{
	"stop": neutral.FinishStop, "length": neutral.FinishLength, "tool_calls": neutral.FinishTool,
	"function_call": neutral.FinishTool, "content_filter": neutral.FinishRefusal,
}

// finish reads a finish reason. One that is not known is an end all the same. Some servers
// say "stop" after calls.
func finish(reason []byte, tools bool) neutral.Finish {
	if dialect.IsNull(reason) {
		return neutral.FinishNone
	}
	f, ok := finishReasons[text(reason)]
	if !ok {
		f = neutral.FinishStop
	}
	if f == neutral.FinishStop && tools {
		f = neutral.FinishTool
	}
	return f
}

// finishReason writes a finish reason. A refusal in words of its own is whole, as the API says: the SDKs' parse helpers take
// "content_filter" for an error and never show it.
func finishReason(f neutral.Finish, tools, refused bool) string {
	if f == neutral.FinishRefusal && refused {
		return "stop"
	}
	switch f {
	case neutral.FinishNone, neutral.FinishStop:
		if tools {
			return "tool_calls"
		}
	case neutral.FinishLength, neutral.FinishContext:
		return "length"
	case neutral.FinishTool:
		return "tool_calls"
	case neutral.FinishRefusal:
		return "content_filter"
	case neutral.FinishSequence, neutral.FinishPause: // there is nothing nearer
	}
	return "stop"
}

// completionID keeps an id of this API and makes one from Turnout's otherwise.
func completionID(id string, s *neutral.Session) string {
	if strings.HasPrefix(id, "chatcmpl-") {
		return id
	}
	return "chatcmpl-" + s.RequestID
}

func created(at int64, s *neutral.Session) int64 {
	if at != 0 {
		return at
	}
	return s.Now
}

// call is one element of tool_calls, as it came: in a request, an answer or a delta.
type call struct {
	index             int64 // -1: not stated
	id, typ           string
	name              string
	args, input       []byte // JSON strings
	custom            bool
	thoughtSignature  string
	hasFunction, okay bool
}

func readCall(raw []byte) call {
	c := call{index: -1}
	var function, custom []byte
	c.okay = dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(raw)
		if dialect.IsNull(val) {
			return true
		}
		switch string(key) {
		case "index":
			c.index = dialect.Int(val)
		case "id":
			c.id = text(val)
		case "type":
			c.typ = text(val)
		case "function":
			function = val
		case "custom":
			custom = val
		case "extra_content":
			// Google's compatible API hands a call's signature on in this way (its page on
			// OpenAI compatibility, read 2026-11).
			c.thoughtSignature = text(dialect.Member(dialect.Member(val, "google"), "thought_signature"))
		}
		return true
	}) == nil
	body := function
	if c.typ == "custom" || function == nil && custom != nil {
		c.custom, body = true, custom
	}
	c.hasFunction = body != nil
	c.readFunction(body)
	return c
}

func (c *call) readFunction(body []byte) {
	_ = dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		if dialect.IsNull(val) {
			return true
		}
		switch string(key) {
		case "name":
			c.name = text(val)
		case "arguments":
			c.args = val
		case "input":
			c.input = val
		}
		return true
	})
	if len(c.args) > 0 && c.args[0] != '"' { // an object where a string should be, of some servers
		c.args = neutral.Quote(string(c.args))
	}
	if len(c.input) > 0 && c.input[0] != '"' {
		c.input = neutral.Quote(string(c.input))
	}
}

// block is the call as it stands in a request or in a whole answer.
func (c *call) block() neutral.Block {
	b := neutral.Block{Kind: neutral.KindToolUse, ID: c.id, Name: c.name, Custom: c.custom}
	if c.custom {
		b.Text = text(c.input)
	} else if s := text(c.args); s != "" {
		b.Args = []byte(s)
	}
	if c.thoughtSignature != "" {
		b.Signature, b.Origin = c.thoughtSignature, gemini
	}
	return b
}

// appendCall writes a call as requests and whole answers hold it, without its closing brace.
func appendCall(j *neutral.JSON, b *neutral.Block, id string) {
	j.Open().Member("id", id)
	if b.Custom {
		j.Member("type", "custom").Key("custom").Open().Member("name", b.Name).Member("input", b.Text).Close()
	} else {
		args := b.Args
		if len(args) == 0 {
			args = []byte("{}")
		}
		j.Member("type", "function").Key("function").Open().Member("name", b.Name).Member("arguments", string(args)).Close()
	}
	if signature := geminiSignature(b.Signature, b.Origin); signature != "" {
		appendExtra(j, signature)
	}
	j.Close()
}

// geminiSignature is a call's signature that has a place here: Gemini's, whether it came by
// its own dialect or sealed in another one's.
func geminiSignature(signature string, origin domain.Dialect) string {
	if signature == "" {
		return ""
	}
	_, s, ok := neutral.SignatureFor(gemini, &neutral.Block{Signature: signature, Origin: origin})
	if !ok {
		return ""
	}
	return s
}

func appendExtra(j *neutral.JSON, signature string) {
	j.Key("extra_content").Open().Key("google").Open().Member("thought_signature", signature).Close().Close()
}

// citation reads an annotation; ok is false for one that is no citation of a page.
func citation(raw []byte) (c neutral.Citation, ok bool) {
	if text(dialect.Member(raw, "type")) != "url_citation" {
		return c, false
	}
	at := dialect.Member(raw, "url_citation")
	c = neutral.Citation{Document: -1, Origin: own, Raw: raw}
	_ = dialect.Object(at, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(at)
		switch string(key) {
		case "url":
			c.URL = text(val)
		case "title":
			c.Title = text(val)
		case "start_index":
			c.Start = int(dialect.Int(val))
		case "end_index":
			c.End = int(dialect.Int(val))
		}
		return true
	})
	return c, true
}

// appendCitation writes an annotation of a text. before is how many characters of the answer's
// text stand before the block that cites; where the block does not say which of its words cite, all
// of them do.
func appendCitation(j *neutral.JSON, c *neutral.Citation, before, length int) {
	start, end := before, before+length
	if c.Start != 0 || c.End != 0 {
		start, end = before+c.Start, before+c.End
	}
	j.Open().Member("type", "url_citation").Key("url_citation").Open()
	j.MemberInt("start_index", int64(start)).MemberInt("end_index", int64(end)).Member("title", c.Title).Member("url", c.URL)
	j.Close().Close()
}
