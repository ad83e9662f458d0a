package sim

import "time"

// FaultKind is what goes wrong with one answer.
type FaultKind uint8

// The faults. The zero kind is a healthy answer.
const (
	None FaultKind = iota

	// Answers that are errors.
	Status        // Fault.Status, in the format's own error body
	Page          // Fault.Status with an HTML page, as an edge in front of a provider answers
	Quota         // OpenAI: 429 insufficient_quota; Anthropic: 400, the workspace's usage limit is reached
	Credit        // Anthropic: 400 "credit balance is too low"; OpenAI: 429 billing_not_active
	Unified5h     // Anthropic: 429, a subscription's five-hour window is used up; OpenAI: as Status 429
	Unified7d     // the same with the seven-day window
	ContextLength // the prompt does not fit the model
	Refused       // 400: the provider refuses the prompt
	NoModel       // 404: no such model

	// No answer.
	Reset    // the connection is reset (RST; on HTTP/2 RST_STREAM) before any header
	EOF      // the connection is closed in order, without an answer
	Hang     // the request is read and never answered
	Redirect // 307 to /redirected + the asked path

	// Answers with a 200 that are not what they seem. JSON answers cannot count
	// events: there, Cut, CutReset and Stall act at half of the body.
	Cut        // the connection is closed after Fault.After content events, without the end of the body
	CutReset   // the same with a reset
	Stall      // silence after Fault.After content events
	JSONStall  // a JSON body stops half way; streams are healthy
	Malformed  // the content event after Fault.After is not JSON (a JSON body is half of one, in order)
	ErrorEvent // an error event after Fault.After content events, then the end (0: before anything else)
	Empty      // no body, or no event, at all
	NoFinish   // all content, then an orderly end without a finish reason or usage
	NoSentinel // a finish reason, and neither message_stop nor [DONE]
	OpenEnd    // a finish reason and what belongs to it, then silence; a JSON body is healthy
	Garbage    // an event that is not JSON between the content and the finish reason; a JSON body is healthy
	BadGzip    // says Content-Encoding: gzip and is not
)

var kindNames = [...]string{
	"none", "status", "page", "quota", "credit", "unified5h", "unified7d", "ctxlen", "refused", "nomodel",
	"reset", "eof", "hang", "redirect",
	"cut", "rst", "stall", "jsonstall", "malformed", "errevent", "empty", "nofinish", "nosentinel", "openend", "garbage", "badgzip",
}

// String is the kind's name in the records; mostly also the word for it.
func (k FaultKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Fault is one thing that goes wrong. The zero value is nothing wrong.
type Fault struct {
	Kind FaultKind

	// Status of a Status or Page fault; of an ErrorEvent, the status whose error
	// it carries (0: 529 for Anthropic, 500 for OpenAI).
	Status int
	// After is how many content events (deltas that carry something) come first.
	After int
	// Started, of an ErrorEvent with After 0: the events that begin a stream come before it.
	Started bool
	// Times is how many requests suffer the fault before it is used up; 0: all.
	Times int

	// RetryAfter, if positive, is stated in retry-after (whole seconds, rounded
	// up) and, by OpenAI, in retry-after-ms; the limit headers agree with it.
	RetryAfter time.Duration
	// RetryDate states RetryAfter as an HTTP date.
	RetryDate bool
	// Window, if positive, is when the limit headers say that the limit is reset.
	// Without it and without RetryAfter a 429 carries no limit headers. For the
	// Unified faults it is how far off the reset is (0: 2 hours, 3 days).
	Window time.Duration
}

// Behaviour is how one key, or one model, is answered. The zero value is a
// healthy answer of DefaultChunks pieces without delay. Durations are divided by
// Options.Speed.
type Behaviour struct {
	// Chunks is the number of text pieces, each one token and one event; 0:
	// DefaultChunks, negative: no text at all.
	Chunks int
	// Delay is the pause between content events. A JSON answer takes as long as
	// the stream would.
	Delay time.Duration
	// FirstByte is the silence before the status line.
	FirstByte time.Duration
	// FirstToken is the silence between the headers and the first event (JSON:
	// and the body).
	FirstToken time.Duration
	// Think is a healthy silence of the text while the model reasons. Anthropic
	// sends pings, and thinking deltas if the request enabled thinking; OpenAI
	// sends its first chunk and then nothing.
	Think time.Duration
	// PingEvery is the distance of pings while thinking; 0: 15 s.
	PingEvery time.Duration

	// Compose is a healthy silence between the start of each tool call and its
	// arguments, as of a model that writes them whole; Anthropic pings.
	Compose time.Duration
	// Fragment is how many bytes of a tool call's arguments one event carries; 0: 12.
	Fragment int
	// Arguments is how many bytes each tool call's arguments have at least, by a member
	// of their own; 0: as they are.
	Arguments int
	// Drip is the pause between the slices of a trickle.
	Drip time.Duration

	Trickle   int  // write the body in slices of so many bytes, each its own write; 0: whole events
	Gzip      bool // compress the answer if the request accepts gzip
	Unified   int  // Anthropic: carry a subscription's limit headers at this per cent of both windows; 0: none
	Refusal   bool // answer 200 with the model's own refusal
	NoPrefill bool // refuse a prompt that ends in an assistant's turn
	GoAway    bool // close the connection after the answer (HTTP/2: GOAWAY)

	// Flap switches the faults on and off, each time for this long, beginning
	// with on at the first request. Without a fault it flaps a 503.
	Flap time.Duration

	// Down ends the faults for good so long after the first request. A reset that they
	// state (RetryAfter, not Window) is then the moment of that end.
	Down time.Duration
	// Share lets the faults act on so many of a hundred requests, evenly; 0: on all.
	Share int
	// Sound is how many requests are healthy before the faults begin, as of an account that
	// fails in the middle of a task.
	Sound int

	// Organization shares limits' names and the prompt cache; empty: the key is
	// alone. Only a key's own behaviour can set it.
	Organization string

	// Faults are used in order: the first that is not used up acts.
	Faults []Fault
}

// DefaultChunks is the number of text pieces of an answer for which nobody
// asked for a number.
const DefaultChunks = 20

const defaultPing = 15 * time.Second

// over lays b over the behaviour beneath it: what b states wins. Faults are not
// part of it, because each layer counts its own.
func (b Behaviour) over(low Behaviour) Behaviour {
	out := low
	out.Faults = nil
	first(&out.Chunks, b.Chunks)
	first(&out.Delay, b.Delay)
	first(&out.FirstByte, b.FirstByte)
	first(&out.FirstToken, b.FirstToken)
	first(&out.Think, b.Think)
	first(&out.PingEvery, b.PingEvery)
	first(&out.Compose, b.Compose)
	first(&out.Fragment, b.Fragment)
	first(&out.Arguments, b.Arguments)
	first(&out.Drip, b.Drip)
	first(&out.Trickle, b.Trickle)
	first(&out.Gzip, b.Gzip)
	first(&out.Unified, b.Unified)
	first(&out.Refusal, b.Refusal)
	first(&out.NoPrefill, b.NoPrefill)
	first(&out.GoAway, b.GoAway)
	return out
}

// first replaces *v by x unless x is zero.
func first[T comparable](v *T, x T) {
	var zero T
	if x != zero {
		*v = x
	}
}
