package openai

import (
	"strconv"

	"turnout/internal/dialect/neutral"
)

// NewEncoder implements neutral.Codec.
func (Dialect) NewEncoder(s *neutral.Session) neutral.Encoder {
	e := &encoder{session: neutral.Session{RequestID: s.RequestID, Model: s.Model, Now: s.Now}}
	if s.Request != nil {
		e.showUsage, e.legacy = s.Request.ShowUsage, s.Request.LegacyCalls
	}
	if b := s.Begun; b != nil {
		e.heads(b.ID, b.Created, b.Tier)
		e.open(nil, &neutral.Block{Kind: neutral.KindText})
		e.length = characters(b.Text)
	}
	if s.Request == nil {
		return e
	}
	return neutral.CustomEncoder(e, neutral.CustomTools(s.Request))
}

// encoder writes one stream as the API does: a chunk with the role, chunks with deltas, one with
// the finish reason, one with the usage if the caller wants it, and "[DONE]".
type encoder struct {
	session   neutral.Session
	showUsage bool
	legacy    bool // the caller knows function_call and no tool_calls

	head   []byte // of every chunk, up to and with the bracket of its choices
	suffix []byte // of every delta, from the brace that ends it on
	prefix []byte // of a delta of the open block, up to its text
	tail   []byte // of the same, after its text
	alive  []byte

	block   neutral.Block // the open one's head
	state   blockState
	calls   int  // so far
	bare    bool // the open call has no arguments yet
	thought bool // there was reasoning with text
	gap     bool // the open reasoning's text would run into that
	refused bool

	before, length int // characters of text in the blocks before, and in the open one
	cites          []neutral.Citation
}

type blockState uint8

const (
	closed  blockState = iota
	pending            // a call that has not been begun: a signature stands beside its name
	opened
	hidden // not shown to callers of this dialect
)

// Append implements neutral.Encoder.
func (e *encoder) Append(b []byte, ev *neutral.Event) []byte {
	switch ev.Kind {
	case neutral.Started:
		return e.start(b, ev)
	case neutral.Opened:
		return e.open(b, ev.Block)
	case neutral.Added:
		return e.add(b, ev.Text)
	case neutral.Signed:
		if e.state == pending { // reasoning has no place for one here
			e.block.Signature = ev.Signature
			return e.begin(b)
		}
	case neutral.Cited:
		if c := ev.Citation; e.state == opened && e.block.Kind == neutral.KindText && c.URL != "" && len(e.cites) < maxCites {
			e.cites = append(e.cites, neutral.Citation{URL: c.URL, Title: c.Title, Start: c.Start, End: c.End})
		}
	case neutral.Closed:
		return e.close(b)
	case neutral.Measured: // the finish has them
	case neutral.Finished:
		return e.finish(b, ev)
	case neutral.Ended:
		return append(b, "data: [DONE]\n\n"...)
	}
	return b
}

// maxCites bounds the citations of a block, which are shown at its end, when its length is known.
const maxCites = 1024

// KeepAlive implements neutral.Encoder.
func (e *encoder) KeepAlive() []byte { return e.alive }

func (e *encoder) start(b []byte, ev *neutral.Event) []byte {
	e.heads(completionID(ev.ID, &e.session), created(ev.Created, &e.session), ev.Tier)
	b = append(e.delta(b), `"role":"assistant","content":"","refusal":null`...)
	return append(b, e.suffix...)
}

// heads makes ready what every chunk begins and ends with.
func (e *encoder) heads(id string, created int64, tier string) {
	j := neutral.JSON{B: append(make([]byte, 0, 256), "data: "...)}
	j.Open().Member("id", id).Member("object", "chat.completion.chunk")
	j.MemberInt("created", created).Member("model", e.session.Model)
	if tier != "" {
		j.Member("service_tier", tier)
	}
	e.head = append(j.B, `,"choices":[`...)
	e.suffix = append(e.suffix, `},"logprobs":null,"finish_reason":null}]`...)
	if e.showUsage {
		e.suffix = append(e.suffix, `,"usage":null`...)
	}
	e.suffix = append(e.suffix, "}\n\n"...)
}

// delta begins a chunk with a delta.
func (e *encoder) delta(b []byte) []byte {
	return append(append(b, e.head...), `{"index":0,"delta":{`...)
}

func (e *encoder) open(b []byte, block *neutral.Block) []byte {
	e.block = neutral.Block{Kind: block.Kind, ID: block.ID, Name: block.Name, Custom: block.Custom, Origin: block.Origin}
	e.state = opened
	switch block.Kind {
	case neutral.KindText:
		e.length = 0
		e.ready(`"content":`, "")
	case neutral.KindRefusal:
		e.refused = true
		e.ready(`"refusal":`, "")
	case neutral.KindReasoning:
		e.ready(`"`+reasoningContent+`":`, "")
		e.gap = e.thought
	case neutral.KindToolUse:
		e.state = pending
		if e.legacy && e.calls > 0 {
			e.state = hidden // see appendFunctionCall
		}
	default:
		e.state = hidden
	}
	return b
}

// ready makes ready for deltas of the open block: what stands before and after their text.
func (e *encoder) ready(before, after string) {
	e.prefix = append(e.delta(e.prefix[:0]), before...)
	e.tail = append(append(e.tail[:0], after...), e.suffix...)
	e.alive = append(append(append(make([]byte, 0, len(e.prefix)+len(e.tail)+2), e.prefix...), `""`...), e.tail...)
}

func (e *encoder) write(b, quoted []byte) []byte {
	return append(append(append(b, e.prefix...), quoted...), e.tail...)
}

// begin writes the chunk that names a call.
func (e *encoder) begin(b []byte) []byte {
	if e.legacy {
		j := neutral.JSON{B: append(e.delta(b), `"function_call":`...)}
		j.Open().Member("name", e.block.Name).Member("arguments", "").Close()
		e.ready(`"function_call":{"arguments":`, "}")
		e.calls++
		e.state, e.bare = opened, true
		return append(j.B, e.suffix...)
	}
	typ, member := "function", "arguments"
	if e.block.Custom {
		typ, member = "custom", "input"
	}
	j := neutral.JSON{B: append(e.delta(b), `"tool_calls":[`...)}
	j.Open().MemberInt("index", int64(e.calls)).Member("id", callID(e.block.ID, &e.session, e.calls)).Member("type", typ)
	j.Key(typ).Open().Member("name", e.block.Name).Member(member, "").Close()
	if signature := geminiSignature(e.block.Signature, e.block.Origin); signature != "" {
		appendExtra(&j, signature)
	}
	j.Close().End()
	e.ready(`"tool_calls":[{"index":`+strconv.Itoa(e.calls)+`,"`+typ+`":{"`+member+`":`, "}}]")
	e.calls++
	e.state, e.bare = opened, !e.block.Custom
	return append(j.B, e.suffix...)
}

func (e *encoder) add(b, quoted []byte) []byte {
	if e.state == pending {
		b = e.begin(b)
	}
	if e.state != opened {
		return b
	}
	switch e.block.Kind {
	case neutral.KindText:
		e.length += characters(quoted)
	case neutral.KindReasoning:
		if len(quoted) > 2 && e.gap {
			e.gap = false
			b = e.write(b, []byte(`"\n\n"`))
		}
		e.thought = e.thought || len(quoted) > 2
	case neutral.KindToolUse:
		e.bare = e.bare && len(quoted) <= 2
	}
	return e.write(b, quoted)
}

func (e *encoder) close(b []byte) []byte {
	if e.state == pending {
		b = e.begin(b)
	}
	if e.bare { // callers parse the arguments, and nothing is no JSON
		b, e.bare = e.write(b, []byte(`"{}"`)), false
	}
	if len(e.cites) > 0 {
		j := neutral.JSON{B: append(e.delta(b), `"annotations":[`...)}
		for i := range e.cites {
			appendCitation(&j, &e.cites[i], e.before, e.length)
		}
		b = append(j.End().B, e.suffix...)
		e.cites = nil
	}
	if e.block.Kind == neutral.KindText {
		e.before, e.length = e.before+e.length, 0
	}
	e.state, e.alive = closed, nil
	return b
}

func (e *encoder) finish(b []byte, ev *neutral.Event) []byte {
	j := neutral.JSON{B: append(b, e.head...)}
	j.Open().MemberInt("index", 0).Key("delta").Open().Close().Key("logprobs").Null()
	j.Member("finish_reason", endReason(ev.Finish, e.calls > 0, e.refused, e.legacy)).Close().End()
	if e.showUsage {
		j.Key("usage").Null()
	}
	b = append(j.Close().B, "\n\n"...)
	if !e.showUsage {
		return b
	}
	j = neutral.JSON{B: append(b, e.head...)}
	j.End().Key("usage")
	appendUsage(&j, &ev.Usage)
	return append(j.Close().B, "\n\n"...)
}

// characters counts those of a JSON string with its quotes.
func characters(quoted []byte) (n int) {
	for i := 1; i < len(quoted)-1; i++ {
		switch c := quoted[i]; {
		case c == '\\' && quoted[i+1] == 'u':
			// The second half of a surrogate pair is no character of its own.
			low := i+3 < len(quoted) && quoted[i+2]|0x20 == 'd' && quoted[i+3]|0x20 >= 'c' && quoted[i+3]|0x20 <= 'f'
			if i += 5; !low {
				n++
			}
		case c == '\\':
			i++
			n++
		case c&0xc0 != 0x80: // not a byte inside a character
			n++
		}
	}
	return n
}
