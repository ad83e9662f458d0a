package anthropic

import (
	"strconv"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// NewEncoder implements neutral.Codec.
func (Dialect) NewEncoder(s *neutral.Session) neutral.Encoder {
	e := &encoder{session: neutral.Session{RequestID: s.RequestID, Model: s.Model, Now: s.Now}, index: -1}
	if b := s.Begun; b != nil {
		e.usage, e.index, e.block = b.Usage, b.Index-1, neutral.Block{Kind: neutral.KindText}
		if e.speak(nil); b.Closed {
			e.stop(nil)
		}
	}
	return e
}

// encoder writes one stream in the order in which the API does: message_start; per block
// content_block_start, deltas, content_block_stop; message_delta; message_stop.
type encoder struct {
	session neutral.Session
	usage   domain.Usage

	index  int // of the open block, or of the last one
	state  blockState
	block  neutral.Block // the open one's head
	prefix []byte        // of its deltas
	alive  []byte
	input  neutral.Kept // of a custom tool's call

	unshown string // the signature of a thought without words that came after text; see KindReasoning in open
	said    bool   // there has been text

	tools, refused bool
	signed         bool // the open thought
	err            error
}

// Err implements neutral.Failing.
func (e *encoder) Err() error { return e.err }

type blockState uint8

const (
	closed  blockState = iota
	pending            // a call that has not been begun: its signature has to stand before it
	opened
	hidden  // not shown to callers of this dialect
	silent  // a thought after text, of which no word has come
	waiting // a thought of which nothing has come: without words and signature it is none
	unsaid  // a text of which nothing has come: the API refuses an empty one when it is sent back
)

// The deltas' text members, which end every delta's prefix.
const (
	textDelta     = `"text_delta","text":`
	thinkingDelta = `"thinking_delta","thinking":`
	inputDelta    = `"input_json_delta","partial_json":`
)

const emptyThinking = `{"type":"thinking","thinking":"","signature":""}`

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
		return e.sign(b, ev.Signature)
	case neutral.Cited:
		if e.state == unsaid {
			b = e.speak(b)
		}
		if e.state == opened && e.block.Kind == neutral.KindText {
			j := neutral.JSON{B: append(b, e.deltaHead()...)}
			j.B = append(j.B, `"citations_delta","citation":`...)
			appendCitation(&j, ev.Citation)
			return append(j.B, "}}\n\n"...)
		}
	case neutral.Closed:
		return e.close(b)
	case neutral.Measured:
		e.usage = ev.Usage
	case neutral.Finished:
		return e.finish(b, ev)
	case neutral.Ended:
		return append(b, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	}
	return b
}

// KeepAlive implements neutral.Encoder.
func (e *encoder) KeepAlive() []byte { return e.alive }

func (e *encoder) start(b []byte, ev *neutral.Event) []byte {
	b = append(b, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	j := neutral.JSON{B: b}
	j.Open().Member("id", messageID(ev.ID, &e.session)).Member("type", "message").Member("role", "assistant").Member("model", e.session.Model)
	j.Key("content").List().End().Key("stop_reason").Null().Key("stop_sequence").Null().Key("usage")
	e.usage = ev.Usage
	appendUsage(&j, &ev.Usage, ev.Tier, true)
	j.Close()
	return append(j.B, "}\n\n"...)
}

// open begins a block. A call waits for the event after it, because a signature that belongs to
// it is shown as a block of its own in front of it.
func (e *encoder) open(b []byte, block *neutral.Block) []byte {
	e.block = *block
	e.block.Raw, e.block.Citations, e.block.Content = nil, nil, nil
	e.signed = false
	if block.Kind == neutral.KindText || block.Kind == neutral.KindRefusal {
		e.state = unsaid
		return b
	}
	b = e.show(b)
	switch block.Kind {
	case neutral.KindReasoning:
		if block.Redacted && block.Signature == "" {
			break
		}
		if block.Redacted {
			j := neutral.JSON{}
			appendThinking(&j, block, "")
			return e.begin(b, string(j.B), "")
		}
		if e.said && block.Origin != own {
			// Gemini signs the end of its text. Here a thought never ends an answer, and Claude Code takes the last block
			// for the result: it would print nothing. So it is shown where something follows.
			e.state = silent
			return b
		}
		e.state = waiting
		return b
	case neutral.KindToolUse:
		e.tools = true
		e.state = pending
		e.input.Reset()
		return b
	case neutral.KindOpaque:
		if block.Origin == own {
			return e.begin(b, string(block.Raw), inputDelta)
		}
	}
	e.state = hidden
	return b
}

// show writes the thought that waits for something to follow it.
func (e *encoder) show(b []byte) []byte {
	if e.unshown != "" {
		b = e.wordless(b, e.unshown)
		e.unshown = ""
	}
	return b
}

// speak begins the text that waits.
func (e *encoder) speak(b []byte) []byte {
	b = e.show(b)
	e.said = true
	e.refused = e.refused || e.block.Kind == neutral.KindRefusal
	return e.begin(b, `{"type":"text","text":""}`, textDelta)
}

// begin writes a block's start and makes ready for its deltas.
func (e *encoder) begin(b []byte, block, delta string) []byte {
	e.state = opened
	e.index++
	b = append(b, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	b = strconv.AppendInt(b, int64(e.index), 10)
	b = append(b, `,"content_block":`...)
	b = append(b, block...)
	b = append(b, "}\n\n"...)
	e.prefix = append(e.deltaHead(), delta...)
	e.alive = nil
	if delta != "" {
		e.alive = append(append([]byte(nil), e.prefix...), "\"\"}}\n\n"...)
	}
	return b
}

func (e *encoder) deltaHead() []byte {
	b := append(make([]byte, 0, 160), "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	b = strconv.AppendInt(b, int64(e.index), 10)
	return append(b, `,"delta":{"type":`...)
}

// call writes the start of the call that waits.
func (e *encoder) call(b []byte) []byte {
	j := neutral.JSON{}
	j.Open().Member("type", "tool_use").Member("id", callID(e.block.ID, &e.session, e.index+1)).Member("name", e.block.Name)
	j.Key("input").Open().Close().Close()
	return e.begin(b, string(j.B), inputDelta)
}

func (e *encoder) add(b, quoted []byte) []byte {
	switch e.state {
	case pending:
		b = e.call(b)
	case silent, waiting:
		b = e.begin(b, emptyThinking, thinkingDelta)
	case unsaid:
		if len(quoted) <= 2 {
			return b
		}
		b = e.speak(b)
	}
	switch {
	case e.state != opened || len(e.alive) == 0:
		return b
	case e.block.Custom: // inside another JSON text: written whole at the end
		if e.input.Add(quoted); e.input.Len() > neutral.MaxKept {
			e.err = neutral.ErrKept
			e.input.Reset()
		}
		return b
	}
	return e.delta(b, quoted)
}

func (e *encoder) delta(b, quoted []byte) []byte {
	b = append(b, e.prefix...)
	b = append(b, quoted...)
	return append(b, "}}\n\n"...)
}

// sign shows a signature: of a thinking block in its place, of a call in a block before it.
func (e *encoder) sign(b []byte, signature string) []byte {
	if e.state == waiting && signature != "" {
		b = e.begin(b, emptyThinking, thinkingDelta)
	}
	switch {
	case e.state == pending:
		b = e.wordless(b, neutral.Shown(own, &neutral.Block{Signature: signature, Origin: e.block.Origin}))
		e.state = pending
		return b
	case e.state == silent:
		e.unshown = neutral.Shown(own, &neutral.Block{ID: e.block.ID, Signature: signature, Origin: e.block.Origin})
	case e.state == opened && e.block.Kind == neutral.KindReasoning:
		e.signed = true
		return e.signature(b, neutral.Shown(own, &neutral.Block{ID: e.block.ID, Signature: signature, Origin: e.block.Origin}))
	}
	return b
}

// wordless writes a thought of which there is nothing but the signature.
func (e *encoder) wordless(b []byte, shown string) []byte {
	b = e.begin(b, emptyThinking, "")
	return e.stop(e.signature(b, shown))
}

func (e *encoder) signature(b []byte, shown string) []byte {
	j := neutral.JSON{B: append(b, e.deltaHead()...)}
	j.B = append(j.B, `"signature_delta","signature":`...)
	j.String(shown)
	return append(j.B, "}}\n\n"...)
}

func (e *encoder) close(b []byte) []byte {
	if e.state == opened && e.block.Kind == neutral.KindReasoning && !e.block.Redacted && !e.signed {
		if shown := neutral.ShownThought(own, &neutral.Block{Origin: e.block.Origin}); shown != "" {
			b = e.signature(b, shown)
		}
	}
	if e.state == pending {
		b = e.call(b)
	}
	if e.state == opened && e.block.Custom && e.input.Len() > 0 {
		b = e.delta(b, neutral.Quote(`{"input":`+string(e.input.Quoted())+`}`))
		e.input.Reset()
	}
	if e.state == opened {
		b = e.stop(b)
	}
	e.state = closed
	return b
}

func (e *encoder) stop(b []byte) []byte {
	e.alive, e.state = nil, closed
	b = append(b, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	b = strconv.AppendInt(b, int64(e.index), 10)
	return append(b, "}\n\n"...)
}

func (e *encoder) finish(b []byte, ev *neutral.Event) []byte {
	j := neutral.JSON{B: append(b, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"...)}
	j.Open().Member("stop_reason", stopReason(ev.Finish, e.tools, e.refused)).Key("stop_sequence")
	if ev.Finish == neutral.FinishSequence && ev.Stopped != "" {
		j.String(ev.Stopped)
	} else {
		j.Null()
	}
	j.Close().Key("usage")
	appendUsage(&j, &ev.Usage, "", ev.Usage.CacheWrite1h > 0)
	return append(j.B, "}\n\n"...)
}
