package dialect

import (
	"io"
	"net/http"

	"turnout/internal/domain"
)

// Dialect is one wire protocol as the gateway uses it. Implementations hold no
// state and are safe for concurrent use.
type Dialect interface {
	// ID names the protocol.
	ID() domain.Dialect

	// Request reads the facts of a request in one pass; at is what its path said. The
	// error is a *domain.Error in words for the caller. body is not kept.
	Request(body []byte, at Route) (Request, error)

	// Opening writes the parts of a request that stay the same during a
	// conversation (instructions and the first user message, volatile parts left
	// out), for a session that no signal names.
	Opening(body []byte, r *Request, w io.Writer)

	// Prefix writes what conversations of one client begin with alike (tools and instructions, volatile parts left
	// out), in the order in which providers cache it.
	Prefix(body []byte, r *Request, w io.Writer)

	// NewReader reads one streamed answer.
	NewReader(r *Request) Reader

	// Whole reads a JSON answer. body is not kept.
	Whole(body []byte) Answer

	// Error is an error answer before anything was sent: a JSON body and its status.
	// Headers common to all errors are set by the caller of Error.
	Error(e *domain.Error, requestID string) (status int, body []byte)

	// StreamError is the event that ends an opened stream with an error; next is the number of the
	// stream's next event, for protocols that count them.
	StreamError(e *domain.Error, requestID string, next int64) []byte

	// KeepAlive is an event without meaning, for a stream that is silent between events.
	KeepAlive() []byte

	// Models encodes a model list in this protocol's shape.
	Models(models []Model) []byte

	// Model encodes one row of it, for a caller that asks about one model.
	Model(m Model) []byte

	// ModelList reads an upstream's model list.
	ModelList(body []byte) ([]Model, error)

	// RequestIDHeader says which of an answer's headers carry the upstream's request id.
	RequestIDHeader() string
}

// Route is what of a request stands in its path. Only Gemini's says more there than which
// dialect it is; of the others it is the zero Route.
type Route struct {
	Model   string
	Stream  bool
	Version string // "v1", "v1beta"
	Verb    string // what is asked of the model: "generateContent"
	// Array: a stream is wanted as one JSON array and not as events.
	Array bool
}

// Effort is how much reasoning a request asks for, as far as time limits care.
type Effort uint8

// The efforts.
const (
	EffortNone Effort = iota // no reasoning asked for
	EffortSome               // reasoning at a low, medium or unnamed effort
	EffortHigh               // the highest efforts: minutes of silence are healthy
)

// String is the effort's name in tables.
func (e Effort) String() string {
	return [...]string{"none", "some", "high"}[e]
}

// Request is what one pass over a request's top-level members found. Spans point
// into the body that was read.
type Request struct {
	Model   string
	ModelAt Span // the model's string, quotes included
	// Form: the body is a form, and ModelAt a field's plain text.
	Form bool

	Stream    bool
	MaxTokens int64 // 0: not stated
	Choices   int   // how many answers are asked for at once, each of them so long; 0: not stated
	Effort    Effort
	Size      int // bytes of the body

	// Session signals in the body, empty where absent.
	MetadataSession    string // Anthropic metadata.user_id, or the session inside it
	PromptCacheKey     string
	PreviousResponseID string

	// Refs are what the body names that lives at one account: stored responses, uploads.
	Refs []Ref
	// Marks are what the body may hold further inside.
	Marks Marks
	// Stored: what is answered stays at the account, under the answer's id (Responses).
	Stored bool

	// Background: the answer is made after the request has ended (Responses).
	Background bool

	// System and Messages are the members that Opening looks into; Prefix looks into Tools as well.
	System, Messages, Tools Span

	// AskUsage, if present, is the edit that makes the upstream state its usage at
	// the end of a stream; the caller did not ask, so HideUsage hides it again.
	AskUsage  Edit
	HideUsage bool

	// WholeCalls: tools are offered, and the protocol sends a call in one piece, after the silence in
	// which its arguments are written.
	WholeCalls bool
}

// InputTokens estimates the prompt's tokens from its size: four bytes a token,
// which is near enough for time limits and nothing else.
func (r *Request) InputTokens() int64 { return int64(r.Size) / 4 }

// Edit replaces a span of a body. The zero Edit does nothing. At an empty span it
// inserts.
type Edit struct {
	At   Span
	With []byte
}

// Present reports whether the edit does anything.
func (e Edit) Present() bool { return e.With != nil }

// EventKind is what one event of a stream means to the attempt loop.
type EventKind uint8

// The kinds of events.
const (
	EventNote      EventKind = iota // passes on and means no progress: start frames, usage, unknown events
	EventPing                       // a sign of life
	EventContent                    // a delta that is not empty, of any kind
	EventFinish                     // carries a finish reason: the answer is whole
	EventEnd                        // the terminal event
	EventError                      // the upstream reports an error inside the stream
	EventMalformed                  // cannot be read
	EventHidden                     // was asked for by Turnout, not by the caller: not passed on
)

// Event is one event's meaning.
type Event struct {
	Kind EventKind
	// Data is the event's payload, for classifying errors. It points into the event.
	Data []byte
	// Cut is a range of the raw event that the caller did not ask for and does not get.
	Cut Span
	// Counted: it has a number, which the caller would miss without it.
	Counted bool
	// Text is how many bytes of the event are what the model has written, as they stand there; data written as text is left out. What an
	// answer without stated usage has taken is estimated by it.
	Text int
}

// Counter is what reads or writes a stream of a protocol that counts its events.
type Counter interface {
	// Next is the number of the event that comes next.
	Next() int64
}

// Open is what kind of block a stream is inside of.
type Open uint8

// The kinds of blocks.
const (
	OpenNone     Open = iota
	OpenText          // text flows
	OpenThinking      // reasoning: long silences are healthy
	OpenTool          // tool arguments: may come in one large piece after a silence
)

// Reader reads the events of one answer, in order. It is used by one goroutine
// and does not keep the bytes it is given.
type Reader interface {
	// Event reads one whole event, its blank line included.
	Event(raw []byte) Event
	// Usage is what the upstream has stated so far.
	Usage() domain.Usage
	// Finished: a finish reason was seen for everything that was begun.
	Finished() bool
	// Open is what the stream is inside of.
	Open() Open
	// KeepAlive is an event without meaning inside the block that is open: an empty
	// delta of its kind. The same slice as long as the same block is open; nil: none is
	// open, or its kind has no such delta.
	KeepAlive() []byte
	// Closing is what must still be sent to end a finished stream whose terminal event
	// never came.
	Closing() []byte
}

// Late is a Reader of a protocol without a terminal event: what it has taken may be stated only behind the event that finishes it.
type Late interface {
	// Stated reports whether all that was asked for has finished, and what it has taken was stated with that or since.
	Stated() bool
}

// Sealed is a Dialect whose requests may hold reasoning that not every account of it takes: only the organisation
// which wrote it can read it, or, where it is plain words, only the provider whose model said them wants them back.
type Sealed interface {
	// Unsealed gives the body without what of it is asked for, by what is encrypted, or by the words; changed is false where there
	// is none.
	Unsealed(body []byte, is func(sealed string) bool) (out []byte, changed bool)
	// Unreadable reports whether it is what a refusal of the request speaks of.
	Unreadable(refusal []byte) bool
}

// Clearer is a Dialect whose requests may hold reasoning that an account of another dialect has written: its
// callers got it sealed and send it back, and its own providers refuse it.
type Clearer interface {
	// Cleared gives the body, for the model, without it; changed is false where there is none. Bodies
	// without MarkSeal need not be asked for.
	Cleared(body []byte, model string) (out []byte, changed bool)
}

// Renamer is a Dialect whose path names the model, and whose further paths repeat it in the body.
type Renamer interface {
	// Rename gives the body with that name in place of every one that stands there.
	Rename(body []byte, model string) []byte
}

// Maker is a Dialect whose answers make things that stay at the account and that later requests may
// name: items of stored responses, containers.
type Maker interface {
	// Made lists their ids in a JSON answer, or in the data of one event.
	Made(answer []byte) []string
}

// Named is a Reader of a dialect that keeps answers under their ids.
type Named interface {
	// ID is the answer's id; empty: it was not stated yet.
	ID() string
}

// Meter is a Dialect with further paths that stream.
type Meter interface {
	// ReadUsage takes over what a usage object states.
	ReadUsage(usage []byte, u *domain.Usage)
}

// Answer is what a whole JSON answer says about itself.
type Answer struct {
	Valid    bool   // one JSON object, as far as the scanner checks
	Error    bool   // an error where an answer should be
	Content  bool   // it holds something that was generated
	Finished bool   // a finish reason is there
	ID       string // of the answer, where its dialect keeps answers under their ids; else empty
	Usage    domain.Usage
}

// Model is one row of a model list.
type Model struct {
	ID      string
	Name    string // for people; may be empty
	Created int64  // Unix seconds; may be 0
	Owner   string
	// Translated: only accounts of other dialects than the caller's serve it, so that the dialect's further paths do not.
	Translated bool
}

// StatusOf is the HTTP status that every dialect uses for a kind unless it says
// otherwise.
func StatusOf(k domain.Kind) int {
	switch k {
	case domain.KindInvalid:
		return http.StatusBadRequest
	case domain.KindUnauthenticated:
		return http.StatusUnauthorized
	case domain.KindForbidden:
		return http.StatusForbidden
	case domain.KindNotFound:
		return http.StatusNotFound
	case domain.KindMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case domain.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case domain.KindUnsupported:
		return http.StatusUnsupportedMediaType
	case domain.KindTimeout:
		return http.StatusRequestTimeout
	case domain.KindRateLimited:
		return http.StatusTooManyRequests
	case domain.KindBalance, domain.KindBudget:
		return http.StatusPaymentRequired
	case domain.KindUnavailable, domain.KindOverloaded, domain.KindDraining:
		return http.StatusServiceUnavailable
	case domain.KindUpstream:
		return http.StatusBadGateway
	case domain.KindUpstreamTimeout:
		return http.StatusGatewayTimeout
	case domain.KindCanceled:
		return StatusClientClosed
	}
	return http.StatusInternalServerError
}

// StatusClientClosed is nginx's status for a caller that left. It is recorded, never sent.
const StatusClientClosed = 499
