package gateway

import (
	"bytes"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// maxSaid is how much text of an answer is kept to go on with it should it break, in bytes.
const maxSaid = 1 << 20

// said is what the caller gets of an answer, followed as it passes, for as long as it is one plain text that another
// attempt could go on with (resume.go). Only pools that resume have one.
type said struct {
	at   *attempt
	dec  neutral.Decoder // reads what passes as it came; nil: it is translated, and the events are told
	emit func(*neutral.Event)
	enc  neutral.Encoder // what has written it so far, where it is translated

	lost    bool // there is more to it than text, or it is too long
	open    bool // the text is
	closed  bool // the text is whole, as far as the upstream says
	thought bool // there was reasoning before it, in words that nobody signed
	bare    bool // it is open
	member  bool // and its signature is only the name of the member that it came in
	head    neutral.Begun
	model   string
	text    []byte // the inside of a JSON string
	taken   int    // of the memory of bodies
}

// follows begins to follow what an attempt says, if its pool wants that.
//
//go:noinline
func (at *attempt) follows() {
	x := at.x
	if x.pools[0].resume == 0 || x.path != "" || x.req.Stored || at.joint != nil {
		return // what is stored under an answer's id lives at the account that began it
	}
	codec, ok := x.d.(neutral.Codec)
	if !ok {
		return
	}
	at.said = &said{at: at}
	if at.codec == nil {
		at.said.dec = codec.NewDecoder()
	}
	at.said.emit = at.said.tell
}

// event takes in an event that goes to the caller as it came.
//
//go:noinline
func (s *said) event(raw []byte) {
	switch {
	case s.lost:
	case bytes.Contains(raw, []byte("thoughtSignature")), bytes.Contains(raw, []byte("thought_signature")):
		s.lose() // beside Gemini's text, and told only after it
	case s.dec.Event(raw, s.emit) != nil:
		s.lose()
	default:
		if d, ok := s.dec.(neutral.Passing); ok && d.PassedOver() {
			s.lose() // the caller has got more than the text
		}
	}
}

// tell takes in what an event means.
func (s *said) tell(ev *neutral.Event) {
	if s.lost {
		return
	}
	switch ev.Kind {
	case neutral.Started:
		s.head.ID, s.head.Created, s.head.Tier, s.head.Usage, s.model = ev.ID, ev.Created, ev.Tier, ev.Usage, ev.Model
	case neutral.Measured:
		s.head.Usage = ev.Usage
	case neutral.Opened:
		switch b := ev.Block; {
		case s.open, s.closed:
			s.lose()
		case b.Kind == neutral.KindText:
			s.open, s.head.Index = true, ev.Index
		case b.Kind == neutral.KindReasoning && !b.Redacted && b.Signature == "":
			s.thought, s.bare, s.member = true, true, b.Origin == domain.DialectOpenAIChat
		default:
			s.lose()
		}
	case neutral.Added:
		if s.open && len(ev.Text) > 2 {
			s.add(ev.Text[1 : len(ev.Text)-1])
		}
	case neutral.Signed:
		if !s.bare || !s.member {
			s.lose()
		}
	case neutral.Closed:
		s.bare = false
		if s.closed, s.open = s.open, false; s.closed && s.repeats() {
			s.lose() // more of the message than its text has gone
		}
	case neutral.Cited, neutral.Finished, neutral.Ended:
		s.lose()
	}
}

func (s *said) add(text []byte) {
	if len(s.text)+len(text) > maxSaid {
		s.lose()
		return
	}
	s.text = append(s.text, text...)
	if more := cap(s.text) - s.taken; cap(s.text) > freeHold && more > 0 {
		if !s.at.x.g.deps.Bodies.take(more) {
			s.lose()
			return
		}
		s.taken += more
	}
}

// lose ends it: the answer cannot be gone on with, and nothing is kept for that.
func (s *said) lose() {
	s.drop()
	if s.at.committed() {
		s.at.x.release()
	}
}

// ended takes in what the upstream's stream was inside of at its end: a decoder may hold a call back that has begun. Gemini's
// calls come whole, and any text may be followed by one.
func (s *said) ended(inside dialect.Open) {
	if inside != dialect.OpenText && (!s.closed || inside != dialect.OpenNone) && (inside != dialect.OpenTool || s.at.d.ID() != domain.DialectGeminiContent) {
		s.lose()
	}
}

// drop gives the memory back.
func (s *said) drop() {
	s.lost, s.text = true, nil
	s.at.x.g.deps.Bodies.give(s.taken)
	s.taken = 0
}

// usable reports whether the answer can be gone on with.
func (s *said) usable() bool { return s != nil && !s.lost && (s.open || s.closed) && len(s.text) > 0 }

// repeats reports whether it passes as it came, in a dialect that says at the end of a message all that stands in it.
func (s *said) repeats() bool {
	_, ok := s.dec.(neutral.Placing)
	return ok
}

// quoted is the text so far as a JSON string.
func (s *said) quoted() []byte {
	return append(append(append(make([]byte, 0, len(s.text)+2), '"'), s.text...), '"')
}

// encoder writes what comes after it.
func (s *said) encoder() neutral.Encoder {
	if s.enc != nil {
		return s.enc
	}
	session := s.at.session()
	if s.model != "" {
		session.Model = s.model
	}
	head := s.head
	head.Text, head.Next, head.Closed = s.quoted(), s.at.nextEvent, s.closed
	if p, ok := s.dec.(neutral.Placing); ok {
		head.Item = p.Message()
	}
	session.Begun = &head
	return s.at.x.d.(neutral.Codec).NewEncoder(session)
}
