package neutral

import (
	"errors"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Codec translates a dialect to the neutral form and back. Implementations hold no
// state and are safe for concurrent use.
type Codec interface {
	// ID names the dialect.
	ID() domain.Dialect

	// DecodeRequest reads a caller's request. body is valid JSON. The result points into
	// it. at is what the path said (Gemini). The error is a *domain.Error for the caller.
	DecodeRequest(body []byte, at dialect.Route) (*Request, error)

	// EncodeRequest writes the request's body for an upstream of this dialect. What the
	// dialect cannot express goes through n. r is not changed.
	EncodeRequest(r *Request, n *Notes) []byte

	// Table says what becomes of each feature on the way to this dialect. Shared, never changed.
	Table() *Table

	// DecodeAnswer reads an upstream's JSON answer. The result points into body.
	DecodeAnswer(body []byte) (*Answer, error)

	// EncodeAnswer writes a JSON answer for a caller of this dialect.
	EncodeAnswer(a *Answer, s *Session) []byte

	// NewDecoder reads one streamed answer of an upstream.
	NewDecoder() Decoder

	// NewEncoder writes one streamed answer for a caller.
	NewEncoder(s *Session) Encoder
}

// Session is what an encoder of answers needs to know of the exchange.
type Session struct {
	Request   *Request // the caller's; its raw members may be gone once a stream has been committed, so encoders copy what they need at once
	RequestID string   // Turnout's, for ids that the dialect wants and the upstream does not give
	Model     string   // the model that answers, as the caller is to see it
	Now       int64    // Unix seconds
	Begun     *Begun   // the stream that the encoder goes on with; nil: it begins one
}

// Begun is what a caller has got of a stream that another writer began: the answer's head and, of its content, one text, which is open unless it says that it is not.
// The model's name is the session's.
type Begun struct {
	ID      string // as the caller got it
	Created int64
	Tier    string
	Usage   domain.Usage
	Index   int    // of the open text among the blocks
	Text    []byte // of it so far, a JSON string with its quotes
	Closed  bool   // the text is closed: nothing more of it comes
	Item    string // id of the message that it stands in, in a dialect that names them
	Next    int64  // number of the next event, in a dialect that counts them
}

// Decoder reads the events of one stream of an upstream, in order. It is used by one
// goroutine.
type Decoder interface {
	// Event reads one whole SSE event, its blank line included, and hands on what it means,
	// in the order that [EventKind] states. emit must not keep the event. An error
	// says that the stream cannot be translated any further.
	Event(raw []byte, emit func(*Event)) error
	// Close hands on what is missing at the stream's end (Closed, Finished, Ended). The
	// stream has been checked to be whole before.
	Close(emit func(*Event))
}

// Encoder writes the events of one stream for a caller, in order. It is used by one
// goroutine at a time.
type Encoder interface {
	// Append appends the caller's events for ev to b: none, one or several whole ones.
	Append(b []byte, ev *Event) []byte
	// KeepAlive is an event without meaning inside the block that is open; nil: there is none.
	KeepAlive() []byte
}

// Placing is a decoder of a dialect whose texts stand in messages that have ids.
type Placing interface {
	// Message is the id of the message that was begun last; empty: it has none.
	Message() string
}

// Passing is a decoder that may have to pass over something of an answer.
type Passing interface {
	// PassedOver reports whether it has: something that the events do not tell.
	PassedOver() bool
}

// MaxKept bounds what an encoder keeps of one answer because a later event repeats it, in bytes.
const MaxKept = 32 << 20

// ErrKept is what stops a stream of which more would have to be kept: half of a call is no call.
var ErrKept = errors.New("a call's arguments are longer than the gateway can hold")

// Failing is an encoder that may have to give up inside its stream.
type Failing interface {
	// Err says why nothing more can be written; nil: it can.
	Err() error
}

// Failure asks an encoder whether it had to give up.
func Failure(e Encoder) error {
	if f, ok := e.(Failing); ok {
		return f.Err()
	}
	return nil
}
