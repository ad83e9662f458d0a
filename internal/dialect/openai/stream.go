package openai

import (
	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// NewReader implements dialect.Dialect.
func (Dialect) NewReader(r *dialect.Request) dialect.Reader { return &reader{hide: r.HideUsage} }

// reader follows one stream: chunks with choices, a chunk with a finish reason per
// choice, with include_usage one last chunk with choices:[] and the usage, then
// "[DONE]".
type reader struct {
	usage domain.Usage
	open  dialect.Open
	hide  bool
	ended bool

	pattern dialect.Pattern
	text    []byte // the delta's content of the event being read, if it has nothing else
	written int    // bytes of text in it

	// begun and done hold a bit for each choice, so that an answer with several
	// choices is whole only when all of them are. Choices past the 63rd share a bit.
	begun, done uint64
}

func (r *reader) Usage() domain.Usage { return r.usage }
func (r *reader) Finished() bool      { return r.done != 0 && r.begun&^r.done == 0 }
func (r *reader) Open() dialect.Open  { return r.open }

// Event implements dialect.Reader.
func (r *reader) Event(raw []byte) dialect.Event {
	if ev, open, ok := r.pattern.Match(raw); ok {
		r.open = open
		return ev
	}
	name, data := dialect.Fields(raw)
	if len(data) == 0 { // a comment, or an event without content
		return dialect.Event{Kind: dialect.EventPing}
	}
	if string(data) == "[DONE]" {
		r.ended = true
		return dialect.Event{Kind: dialect.EventEnd, Data: data}
	}
	var choices, usage, usageMember dialect.Span
	hasError := string(name) == "error"
	err := dialect.Object(data, func(key []byte, v, member dialect.Span) bool {
		switch string(key) {
		case "choices":
			choices = v
		case "usage":
			usage, usageMember = v, member
		case "service_tier":
			if tier := dialect.Tier(v.Of(data)); tier != domain.TierStandard {
				r.usage.Tier = tier
			}
		case "error":
			hasError = hasError || !dialect.IsNull(v.Of(data))
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
	anyChoice := false
	r.text, r.written = nil, 0
	if choices.Present() {
		list := choices.Of(data)
		_ = dialect.Array(list, func(e dialect.Span) bool {
			anyChoice = true
			ev.Kind = max(ev.Kind, r.choice(e.Of(list)))
			return true
		})
	}
	ev.Text = r.written
	stated := !dialect.IsNull(usage.Of(data))
	if stated {
		readUsage(usage.Of(data), &r.usage)
	}
	switch {
	case !usage.Present() || !r.hide:
	case stated && !anyChoice:
		ev.Kind = dialect.EventHidden
	default: // null, or figures beside a choice, as some makers write them
		ev.Cut = cutMember(raw, data, usageMember)
	}
	if ev.Kind == dialect.EventContent && r.text != nil && !stated {
		// An event with figures is always read: they replace those of the events between.
		r.pattern.Learn(raw, r.text, ev.Cut, r.open)
	}
	return ev
}

// choice reads one element of choices: a finish reason outranks content, which
// outranks anything else.
func (r *reader) choice(c []byte) dialect.EventKind {
	var delta []byte
	bit := uint64(1)
	finish := false
	_ = dialect.Object(c, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "index":
			bit = 1 << min(dialect.Int(v.Of(c)), 63)
		case "delta":
			delta = v.Of(c)
		case "finish_reason":
			finish = v.End-v.Start > 2 && !dialect.IsNull(v.Of(c))
		}
		return true
	})
	r.begun |= bit
	kind := dialect.EventNote
	r.text = nil
	members := 0
	if delta != nil && delta[0] == '{' {
		_ = dialect.Object(delta, func(key []byte, v, _ dialect.Span) bool {
			val := v.Of(delta)
			if members++; members == 1 && val[0] == '"' {
				r.text = val
			} else {
				r.text = nil
			}
			if string(key) == "role" || len(val) <= 2 || dialect.IsNull(val) {
				return true
			}
			kind = dialect.EventContent
			switch string(key) {
			case "content", "refusal", "audio":
				r.open = dialect.OpenText
				r.written += dialect.Quoted(val)
			case "tool_calls", "function_call":
				r.open = dialect.OpenTool
				r.written += len(val)
			default: // reasoning_content, reasoning and whatever other makers call it
				r.open = dialect.OpenThinking
				r.written += dialect.Quoted(val)
			}
			return true
		})
	}
	if finish {
		r.done |= bit
		r.open = dialect.OpenNone
		r.text = nil
		kind = dialect.EventFinish
	}
	return kind
}

// cutMember gives the range of the raw event that holds a member of its data, with
// the comma that parts it from its neighbour. Only a single data line can be cut.
func cutMember(raw, data []byte, member dialect.Span) dialect.Span {
	base := dialect.Offset(raw, data)
	if base < 0 {
		return dialect.Span{}
	}
	i := member.Start - 1
	for i > 0 && isSpace(data[i]) {
		i--
	}
	if data[i] == ',' {
		return dialect.Span{Start: base + i, End: base + member.End}
	}
	j := member.End
	for j < len(data) && isSpace(data[j]) {
		j++
	}
	if j < len(data) && data[j] == ',' {
		return dialect.Span{Start: base + member.Start, End: base + j + 1}
	}
	return dialect.Span{Start: base + member.Start, End: base + member.End}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// KeepAlive implements dialect.Reader: the protocol has no blocks.
func (r *reader) KeepAlive() []byte { return nil }

// Closing implements dialect.Reader.
func (r *reader) Closing() []byte {
	if r.ended {
		return nil
	}
	return []byte("data: [DONE]\n\n")
}
