package gemini

import (
	"bytes"
	"encoding/json"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// NewEncoder implements neutral.Codec.
func (Dialect) NewEncoder(s *neutral.Session) neutral.Encoder { return newEncoder(s) }

func newEncoder(s *neutral.Session) *encoder {
	e := &encoder{model: s.Model, id: s.RequestID, show: true}
	if s.Request != nil {
		e.show = s.Request.Reasoning.Show
	}
	if b := s.Begun; b != nil {
		e.start(&neutral.Event{ID: b.ID})
		e.block.Kind = neutral.KindText
		e.grounding.text.add(b.Text)
	}
	return e
}

// encoder writes chunks: one for each piece of text or thought, one for each call, whose arguments have to be whole,
// and a last one with the finish reason and the usage. Thoughts are left out where the caller did not ask for them, as
// the API does.
//
// Another provider's signature of reasoning goes where this dialect's clients keep one: on the call or the text that
// follows. Gemini CLI sends no thoughts back (its source, geminiChat.js), so that a signature there would be lost.
type encoder struct {
	model, id string
	show      bool
	bare      bool // parts alone, for a JSON answer
	refused   bool // some words decline

	head, tail []byte // of a chunk, around its part
	block      neutral.Block
	args       neutral.Kept
	signature  string // of the call that is open
	pending    string // of reasoning, for the part that follows
	grounding  grounding
	err        error
}

// Err implements neutral.Failing.
func (e *encoder) Err() error { return e.err }

// Append implements neutral.Encoder.
func (e *encoder) Append(b []byte, ev *neutral.Event) []byte {
	switch ev.Kind {
	case neutral.Started:
		e.start(ev)
	case neutral.Opened:
		return e.opened(b, ev.Block)
	case neutral.Added:
		return e.added(b, ev.Text)
	case neutral.Signed:
		return e.signed(b, ev.Signature)
	case neutral.Cited:
		e.grounding.add(ev.Citation)
	case neutral.Closed:
		e.grounding.close()
		if e.block.Kind == neutral.KindToolUse && e.err == nil {
			return e.call(b)
		}
	case neutral.Finished:
		return e.finished(b, ev)
	case neutral.Measured, neutral.Ended: // figures stand in the last chunk; the body's end is the end
	}
	return b
}

// KeepAlive implements neutral.Encoder: the protocol has no blocks.
func (e *encoder) KeepAlive() []byte { return nil }

func (e *encoder) start(ev *neutral.Event) {
	if ev.ID != "" {
		e.id = ev.ID
	}
	e.head = []byte(`data: {"candidates":[{"content":{"parts":[`)
	e.tail = e.names([]byte(`],"role":"model"},"index":0}],`))
	e.tail = append(e.tail, "}\r\n\r\n"...)
}

// names appends what every chunk says of the answer.
func (e *encoder) names(b []byte) []byte {
	j := neutral.JSON{B: append(b, '{')} // for the comma
	j.Member("modelVersion", e.model).Member("responseId", e.id)
	return append(j.B[:len(b)], j.B[len(b)+1:]...)
}

// part appends a chunk around what write writes.
func (e *encoder) part(b []byte, write func(j *neutral.JSON)) []byte {
	if e.bare {
		j := neutral.JSON{B: b}
		j.Open()
		write(&j)
		j.Close()
		return j.B
	}
	b = append(b, e.head...)
	j := neutral.JSON{B: b}
	j.Open()
	write(&j)
	j.Close()
	return append(j.B, e.tail...)
}

func (e *encoder) opened(b []byte, block *neutral.Block) []byte {
	e.block = neutral.Block{Kind: block.Kind, ID: block.ID, Name: block.Name, Custom: block.Custom, Origin: block.Origin}
	e.args.Reset()
	e.signature = ""
	e.refused = e.refused || block.Kind == neutral.KindRefusal
	switch block.Kind {
	case neutral.KindImage, neutral.KindAudio, neutral.KindVideo, neutral.KindDocument:
		if len(block.Data) > 0 {
			return e.part(b, func(j *neutral.JSON) {
				j.Key("inlineData").Open().Member("mimeType", block.MediaType).Key("data").Text(block.Data).Close()
			})
		}
	case neutral.KindOpaque:
		if block.Origin == own && len(block.Raw) > 2 {
			// What another dialect alone can read has no place here: searches that it ran, and the like.
			raw := oneLine(block.Raw)
			return e.part(b, func(j *neutral.JSON) { j.B = append(j.B, raw[1:len(raw)-1]...) })
		}
	case neutral.KindReasoning:
		if block.Redacted && block.Signature != "" {
			return e.signed(b, block.Signature)
		}
	case neutral.KindText, neutral.KindRefusal, neutral.KindToolUse, neutral.KindToolResult:
	}
	return b
}

func (e *encoder) added(b, quoted []byte) []byte {
	switch e.block.Kind {
	case neutral.KindText, neutral.KindRefusal:
		e.grounding.text.add(quoted)
		if e.pending != "" {
			return e.part(b, func(j *neutral.JSON) {
				j.Key("text").Quoted(quoted)
				e.sign(j, &e.pending)
			})
		}
		if e.bare {
			return e.part(b, func(j *neutral.JSON) { j.Key("text").Quoted(quoted) })
		}
		b = append(b, e.head...)
		b = append(b, `{"text":`...)
		b = append(b, quoted...)
		b = append(b, '}')
		return append(b, e.tail...)
	case neutral.KindReasoning:
		if e.show {
			return e.part(b, func(j *neutral.JSON) { j.Key("text").Quoted(quoted).Key("thought").Bool(true) })
		}
	case neutral.KindToolUse:
		if e.args.Add(quoted); e.args.Len() > neutral.MaxKept && !e.bare { // a whole answer has been bounded where it was read
			e.err = neutral.ErrKept
			e.args.Reset()
		}
	default:
	}
	return b
}

// sign writes a signature and forgets it.
func (e *encoder) sign(j *neutral.JSON, signature *string) {
	if *signature != "" {
		j.Member("thoughtSignature", *signature)
		*signature = ""
	}
}

func (e *encoder) signed(b []byte, signature string) []byte {
	block := e.block
	block.Signature = signature
	shown := shown(&block)
	switch {
	case e.block.Kind == neutral.KindToolUse:
		e.signature = shown
	case block.Origin == own: // as it came: on a thought
		return e.part(b, func(j *neutral.JSON) {
			j.Member("text", "").Key("thought").Bool(true)
			e.sign(j, &shown)
		})
	case e.block.Kind == neutral.KindReasoning:
		b = e.flush(b)
		e.pending = shown
	}
	return b
}

// flush appends a signature that no part followed as a part of its own, which clients keep because it is no thought.
func (e *encoder) flush(b []byte) []byte {
	if e.pending == "" {
		return b
	}
	return e.part(b, func(j *neutral.JSON) {
		j.Member("text", "")
		e.sign(j, &e.pending)
	})
}

// call appends the call that is open.
func (e *encoder) call(b []byte) []byte {
	if e.signature == "" {
		e.signature, e.pending = e.pending, ""
	}
	b = e.flush(b)
	args := arguments(text(e.args.Quoted()), e.block.Custom)
	e.args.Reset()
	return e.part(b, func(j *neutral.JSON) {
		j.Key("functionCall").Open()
		if e.block.ID != "" {
			j.Member("id", e.block.ID)
		}
		j.Member("name", e.block.Name).Key("args").Raw(args).Close()
		e.sign(j, &e.signature)
	})
}

// arguments are an object in this dialect; free text and anything else is its member input.
func arguments(s string, custom bool) []byte {
	raw := bytes.TrimSpace([]byte(s))
	switch {
	case custom || len(raw) > 0 && !json.Valid(raw):
		var j neutral.JSON
		return j.Open().Member("input", s).Close().B
	case len(raw) == 0:
		return []byte("{}")
	case raw[0] != '{':
		var j neutral.JSON
		return j.Open().Key("input").Raw(oneLine(raw)).Close().B
	}
	return oneLine(raw)
}

// oneLine takes line breaks out of a JSON text, where they can only be white space: an event's data is one line.
func oneLine(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, raw)
}

// finished appends the last chunk. Like the API's own it has a part, which is empty unless a signature is left.
func (e *encoder) finished(b []byte, ev *neutral.Event) []byte {
	j := neutral.JSON{B: append(b, `data: `...)}
	j.Open().Key("candidates").List().Open().Key("content").Open().Key("parts").List().Open().Member("text", "")
	e.sign(&j, &e.pending)
	j.Close().End().Member("role", "model").Close()
	e.finish(&j, ev.Finish, &ev.Usage)
	j.B = append(e.names(append(j.B, ',')), "}\r\n\r\n"...)
	return j.B
}

// finish writes what follows an answer's content, up to the usage.
func (e *encoder) finish(j *neutral.JSON, f neutral.Finish, u *domain.Usage) {
	j.Member("finishReason", finishOut(f, e.refused)).MemberInt("index", 0)
	e.grounding.write(j)
	j.Close().End()
	writeUsage(j, u)
}

// writeUsage writes usageMetadata: the prompt includes what was read from a cache, thoughts stand beside the
// candidates.
func writeUsage(j *neutral.JSON, u *domain.Usage) {
	if !u.Reported {
		return
	}
	thoughts := min(u.Reasoning, u.Output)
	j.Key("usageMetadata").Open().MemberInt("promptTokenCount", u.Prompt()).MemberInt("candidatesTokenCount", u.Output-thoughts)
	if u.CacheRead > 0 {
		j.MemberInt("cachedContentTokenCount", u.CacheRead)
	}
	if thoughts > 0 {
		j.MemberInt("thoughtsTokenCount", thoughts)
	}
	writeDetails(j, "promptTokensDetails", u.Prompt(), u.AudioInput+u.AudioCacheRead, u.ImageInput)
	writeDetails(j, "cacheTokensDetails", u.CacheRead, u.AudioCacheRead, 0)
	writeDetails(j, "candidatesTokensDetails", u.Output-thoughts, u.AudioOutput, u.ImageOutput)
	j.MemberInt("totalTokenCount", u.Prompt()+u.Output).Close()
}

// writeDetails says what of a count was no text, if anything was.
func writeDetails(j *neutral.JSON, name string, all, audio, image int64) {
	if audio+image == 0 {
		return
	}
	j.Key(name).List()
	for _, m := range [...]struct {
		modality string
		n        int64
	}{{"TEXT", max(all-audio-image, 0)}, {"AUDIO", audio}, {"IMAGE", image}} {
		if m.n > 0 {
			j.Open().Member("modality", m.modality).MemberInt("tokenCount", m.n).Close()
		}
	}
	j.End()
}

// EncodeAnswer implements neutral.Codec: the parts are those of the stream.
func (Dialect) EncodeAnswer(a *neutral.Answer, s *neutral.Session) []byte {
	e := newEncoder(s)
	e.bare = true
	j := neutral.JSON{}
	j.Open().Key("candidates").List().Open().Key("content").Open().Key("parts").List()
	neutral.Replay(a, func(ev *neutral.Event) {
		if ev.Kind != neutral.Finished {
			j.B = e.Append(j.B, ev)
		}
	})
	j.B = e.flush(j.B)
	j.End().Member("role", "model").Close()
	e.finish(&j, a.Finish, &a.Usage)
	j.B = append(e.names(append(j.B, ',')), '}')
	return j.B
}
