package gemini

import (
	"math/bits"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// NewReader implements dialect.Dialect.
func (Dialect) NewReader(r *dialect.Request) dialect.Reader {
	return &reader{wholeCalls: r.WholeCalls, asked: max(r.Choices, 1)}
}

// reader follows one stream of `alt=sse`: chunks without names, each a GenerateContentResponse, the last
// of which has the finish reason. Nothing ends the stream but its body's end (captured 2026-11).
type reader struct {
	figures    figures
	stated     bool
	open       dialect.Open
	wholeCalls bool
	asked      int  // candidates
	final      bool // all of them have finished, and the figures are those of the end
	written    int  // bytes of text in the chunk being read

	// begun and done hold a bit for each candidate, so that an answer with several is whole only
	// when all of them are. Candidates past the 63rd share a bit. said: there was content; a turn that failed
	// before it is not done, so that it can be tried again.
	begun, done, said uint64
}

func (r *reader) Usage() domain.Usage {
	if !r.stated {
		return domain.Usage{}
	}
	return r.figures.usage()
}

// Stated implements dialect.Late.
func (r *reader) Stated() bool { return r.final }

func (r *reader) Finished() bool     { return r.done != 0 && r.begun&^r.done == 0 }
func (r *reader) Open() dialect.Open { return r.open }

// Event implements dialect.Reader.
func (r *reader) Event(raw []byte) dialect.Event {
	_, data := dialect.Fields(raw)
	if len(data) == 0 { // a blank line, a comment, or an event without content
		return dialect.Event{Kind: dialect.EventPing}
	}
	var candidates, feedback []byte
	hasError, counted := false, false
	err := dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(data)
		switch string(canon(key)) {
		case "candidates":
			candidates = val
		case "usageMetadata":
			r.stated = r.figures.read(val) || r.stated
			counted = member(val, "candidatesTokenCount") != nil
		case "promptFeedback":
			feedback = val
		case "error":
			hasError = !dialect.IsNull(val)
		}
		return true
	})
	switch {
	case err != nil:
		return dialect.Event{Kind: dialect.EventMalformed, Data: data}
	case hasError:
		return dialect.Event{Kind: dialect.EventError, Data: data}
	}
	ev := dialect.Event{Kind: dialect.EventNote, Data: data}
	r.written = 0
	_ = dialect.Array(candidates, func(e dialect.Span) bool {
		ev.Kind = max(ev.Kind, r.candidate(e.Of(candidates)))
		return true
	})
	ev.Text = r.written
	if blocked(feedback) && r.begun == 0 {
		// The prompt was refused: there are no candidates, and this is the answer.
		r.begun, r.done = 1, 1
		ev.Kind = dialect.EventFinish
	}
	r.final = counted && r.Finished() && bits.OnesCount64(r.done) >= r.asked
	return ev
}

// blocked reports whether a promptFeedback says that the prompt was refused.
func blocked(feedback []byte) bool {
	reason := text(member(feedback, "blockReason"))
	return reason != "" && reason != "BLOCK_REASON_UNSPECIFIED" && reason != "BLOCKED_REASON_UNSPECIFIED"
}

// candidate reads one element of candidates: a finish reason outranks content, which outranks
// anything else.
func (r *reader) candidate(c []byte) dialect.EventKind {
	if len(c) == 0 || c[0] != '{' {
		return dialect.EventNote
	}
	var content []byte
	bit := uint64(1)
	finish, broke := false, false
	_ = dialect.Object(c, func(key []byte, v, _ dialect.Span) bool {
		switch val := v.Of(c); string(canon(key)) {
		case "index":
			bit = 1 << min(dialect.Int(val), 63)
		case "content":
			content = val
		case "finishReason":
			finish, broke = finished(val), wentWrong(text(val))
		}
		return true
	})
	r.begun |= bit
	kind := dialect.EventNote
	eachPart(content, func(part []byte) {
		if open, ok := r.part(part); ok {
			kind, r.open = dialect.EventContent, open
			r.said |= bit
		}
	})
	if finish && (!broke || r.said&bit != 0) {
		r.done |= bit
		r.open = dialect.OpenNone
		kind = dialect.EventFinish
	}
	return kind
}

// eachPart calls visit for each part of a content.
func eachPart(content []byte, visit func(part []byte)) {
	parts := dialect.Member(content, "parts")
	_ = dialect.Array(parts, func(e dialect.Span) bool {
		visit(e.Of(parts))
		return true
	})
}

// finished reports whether a finish reason is one: the enumeration's zero value says that the model goes on.
func finished(reason []byte) bool {
	return len(reason) > 2 && !dialect.IsNull(reason) && string(reason) != `"FINISH_REASON_UNSPECIFIED"`
}

// part says whether a part holds anything, and what the stream is inside of after it. Parts have no
// ends. A call comes whole, after a silence as long as its arguments take to be written; where tools are
// offered, any text may be followed by one.
func (r *reader) part(part []byte) (open dialect.Open, content bool) {
	if len(part) == 0 || part[0] != '{' {
		return dialect.OpenNone, false
	}
	open = dialect.OpenText
	if r.wholeCalls {
		open = dialect.OpenTool
	}
	_ = dialect.Object(part, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(part)
		switch string(canon(key)) {
		case "thought":
			if dialect.IsTrue(val) {
				open = dialect.OpenThinking
			}
			return true
		case "text":
			r.written += dialect.Quoted(val)
		case "functionCall", "executableCode", "toolCall":
			open = dialect.OpenTool
			r.written += len(val)
		}
		content = content || len(val) > 2 && !dialect.IsNull(val) && string(val) != "false"
		return true
	})
	return open, content
}

// KeepAlive implements dialect.Reader: the protocol has no blocks.
func (r *reader) KeepAlive() []byte { return nil }

// Closing implements dialect.Reader: the body's end is the end.
func (r *reader) Closing() []byte { return nil }
