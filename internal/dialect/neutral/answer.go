package neutral

import "turnout/internal/domain"

// Finish is why an answer ended.
type Finish uint8

// The reasons.
const (
	FinishNone     Finish = iota // it has not ended, or does not say
	FinishStop                   // the model was done
	FinishSequence               // a stop sequence, named beside it
	FinishLength                 // the limit of tokens
	FinishTool                   // tools are to be called
	FinishRefusal                // the model or a filter declined
	FinishContext                // the context window is full
	FinishPause                  // the provider paused a long turn; it is to be sent back to go on
)

// String is the reason's name in tables and traces.
func (f Finish) String() string {
	return [...]string{"none", "stop", "stop_sequence", "length", "tool_use", "refusal", "context_full", "pause"}[f]
}

// Answer is what an upstream said as a whole.
type Answer struct {
	ID      string // the upstream's; empty: encoders make one
	Model   string
	Created int64 // Unix seconds; 0: not stated
	Blocks  []Block
	Finish  Finish
	Stopped string // the stop sequence
	Usage   domain.Usage
	Tier    string
}

// EventKind is what an event of a stream does.
type EventKind uint8

// The kinds of events, in the order in which they come: Started once; then blocks one after
// the other, each Opened, then Added, Signed and Cited any number of times, then Closed; then
// Finished once and Ended once. Measured may come anywhere. A call is signed before its
// arguments come, because some dialects show the signature in front of it. A decoder keeps to that
// order whatever its upstream does, and an encoder may rely on it.
const (
	Started  EventKind = iota // ID, Model, Created, and Usage as far as it is known
	Opened                    // Index, Block (its Text, Args and Signature are still empty)
	Added                     // Index, Text: more of the block's text, reasoning, arguments or input
	Signed                    // Index, Signature of reasoning, or of a tool call
	Cited                     // Index, Citation
	Closed                    // Index
	Measured                  // Usage so far
	Finished                  // Finish, Stopped, Usage
	Ended
)

// Event is one step of a streamed answer. It and what it points to are good until
// the next one is made.
type Event struct {
	Kind  EventKind
	Index int // of the block, from 0, without gaps
	Block *Block

	// Text is a JSON string with its quotes, as it came, so that it can go on unchanged.
	// Pieces of arguments are pieces of a JSON text inside a JSON string, as all dialects that
	// stream them send them.
	Text      []byte
	Signature string
	Citation  *Citation

	ID      string
	Model   string
	Created int64
	Tier    string
	Finish  Finish
	Stopped string
	Usage   domain.Usage
}
