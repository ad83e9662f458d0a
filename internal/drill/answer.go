package drill

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// Kind is what a caller got, read strictly.
type Kind uint8

// The kinds.
const (
	Whole   Kind = iota // a well-formed answer with its end
	Refusal             // the protocol's error: a status with an error body, or an error event in a stream
	Cut                 // it ended without its end, or the connection broke
	Garbled             // something in it is against the protocol
	Hang                // no end within the caller's patience
	Left                // the caller left on purpose
)

var kindNames = [...]string{"whole", "error", "cut", "garbled", "hang", "left"}

// String is the kind's name in the scorecard.
func (k Kind) String() string { return kindNames[k] }

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Answer is one request and what its caller got. Durations are by the clock.
type Answer struct {
	Ask     *Ask // with the words that were said
	Request int
	At      time.Duration // when it was sent, since the run began
	Header  time.Duration // until the status line, since it was sent; 0: none came
	First   time.Duration // until the first content; 0: none came
	Took    time.Duration // until the end
	Longest time.Duration // the longest silence after the header

	Kind        Kind
	Status      int // 0: no answer
	RetryAfter  string
	RetryInfo   string // Gemini's, in the body
	ShouldRetry string
	RequestID   string // the gateway's

	Text, Thinking string
	Declined       string // the model's refusal, where a protocol keeps it apart from the text
	Tools          []ToolCall
	// Turn is what a client sends back as the assistant's turn: blocks of Messages, a message of
	// Completions, items of Responses, parts of Gemini.
	Turn          []json.RawMessage
	Model, Finish string
	Usage         *Usage // nil: none was reported
	Contents      int    // content events

	// Signs of life: ping events, comments, blank lines, and deltas of the open block with nothing in them.
	Pings, Comments, Blanks, Fillers int

	Error    string // the protocol's error, its type and message
	InBand   bool   // it was an event of a stream
	Disorder []string
	Broken   string // the connection's error
}

// ToolCall is a tool call with its arguments.
type ToolCall struct{ ID, Name, Arguments string }

// Usage is what an answer reports: of the whole prompt a part was read from a cache, and of all that was
// written a part was thought.
type Usage struct{ Input, Output, Cached, Thought int }

// wrong notes something against the protocol.
func (a *Answer) wrong(format string, args ...any) {
	const most = 5
	if len(a.Disorder) < most {
		a.Disorder = append(a.Disorder, fmt.Sprintf(format, args...))
	}
}

// back notes a piece of what a client sends back.
func (a *Answer) back(piece any) {
	raw, err := json.Marshal(piece)
	if err != nil {
		a.wrong("a piece that cannot be sent back: %v", err)
		return
	}
	a.Turn = append(a.Turn, raw)
}

// settle decides the kind. ended: the terminal event was seen (of a stream), or the
// body was whole.
func (a *Answer) settle(ended bool) {
	switch {
	case len(a.Disorder) > 0:
		a.Kind = Garbled
	case a.Error != "" && (a.InBand || a.Status >= 400) && a.Broken == "":
		a.Kind = Refusal
	case ended && a.Error == "" && a.Status == 200 && a.Broken == "":
		a.Kind = Whole
	case a.Broken != "" || a.Status == 200:
		a.Kind = Cut
	default:
		a.wrong("status %d without an error of the protocol", a.Status)
		a.Kind = Garbled
	}
}

// anyID is a request's id in an error's text, which tells a reader of reasons nothing.
var anyID = regexp.MustCompile(`,? request req_[0-9a-f]+`)

// String says in words what the caller got.
func (a *Answer) String() string {
	s := fmt.Sprintf("request %d: %s", a.Request, a.Kind)
	if a.Status > 0 {
		s += fmt.Sprintf(", status %d", a.Status)
	}
	if a.Text != "" {
		s += fmt.Sprintf(", %d bytes of text", len(a.Text))
	}
	if a.Error != "" {
		s += ", error " + anyID.ReplaceAllString(a.Error, "")
	}
	if a.RetryAfter != "" {
		s += ", retry-after " + a.RetryAfter
	}
	if a.Broken != "" {
		s += ", connection: " + a.Broken
	}
	for _, d := range a.Disorder {
		s += ", " + d
	}
	return s
}
