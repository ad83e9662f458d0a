package responses

import (
	"bytes"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// NewReader implements dialect.Dialect.
func (Dialect) NewReader(*dialect.Request) dialect.Reader { return &reader{} }

// reader follows one stream: response.created and response.in_progress, then per item
// response.output_item.added, its deltas and response.output_item.done, then response.completed,
// response.incomplete or response.failed, which carries the usage and is the end (captured from the
// API's clients; no "[DONE]" follows).
type reader struct {
	usage    domain.Usage
	id       string
	finished bool
	open     dialect.Open
	alive    []byte
	pattern  pattern
	next     int64 // the number of the event that comes next
	counted  bool  // events have numbers
}

func (r *reader) Usage() domain.Usage { return r.usage }
func (r *reader) Finished() bool      { return r.finished }
func (r *reader) Open() dialect.Open  { return r.open }

// Event implements dialect.Reader. One event is both the finish and the end: it is an EventEnd,
// at which Finished is true.
func (r *reader) Event(raw []byte) dialect.Event {
	if n := r.pattern.match(raw); n > 0 {
		r.next++
		return dialect.Event{Kind: dialect.EventContent, Text: n}
	}
	name, data := dialect.Fields(raw)
	if len(data) == 0 { // a comment, or an event without content
		return dialect.Event{Kind: dialect.EventPing}
	}
	if string(data) == "[DONE]" { // of compatible servers
		return dialect.Event{Kind: dialect.EventEnd, Data: data}
	}
	var typ, delta, item, response, sequence, padding []byte
	hasError := false
	err := dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "type":
			typ = v.Of(data)
		case "delta":
			delta = v.Of(data)
		case "item":
			item = v.Of(data)
		case "response":
			response = v.Of(data)
		case "sequence_number":
			sequence = v.Of(data)
		case "obfuscation":
			padding = v.Of(data)
		case "error":
			hasError = !dialect.IsNull(v.Of(data))
		}
		return true
	})
	if err != nil {
		return dialect.Event{Kind: dialect.EventMalformed, Data: data}
	}
	if len(typ) > 2 && typ[0] == '"' {
		name = typ[1 : len(typ)-1]
	}
	ev := dialect.Event{Kind: dialect.EventNote, Data: data}
	switch string(name) {
	case "response.completed", "response.incomplete":
		r.measure(response)
		r.finished, r.open, r.alive = true, dialect.OpenNone, nil
		ev.Kind = dialect.EventEnd
	case "response.failed":
		r.measure(response)
		ev.Kind = dialect.EventError
	case "error":
		ev.Kind = dialect.EventError
	case "response.created":
		r.id, _ = dialect.Unquote(dialect.Member(response, "id"))
		r.alive = aliveEvent
	case "response.output_item.added":
		r.begin(item)
	case "response.output_item.done":
		ev.Kind = r.end(item)
	case "keepalive", "ping", "response.keep_alive": // the API's own, proxies', OpenRouter's for a while
		ev.Kind, ev.Counted = dialect.EventPing, len(sequence) > 0
	default:
		switch {
		case hasError: // an error in another dialect's shape, as some proxies send
			ev.Kind = dialect.EventError
		case len(delta) > 2 && !dialect.IsNull(delta) && bytes.HasSuffix(name, []byte(".delta")):
			ev.Kind, ev.Text = dialect.EventContent, dialect.Quoted(delta)
			r.pattern.learn(raw, sequence, delta, padding)
		}
	}
	// An error is not passed on: what Turnout says of it takes its number.
	if len(sequence) > 0 && ev.Kind != dialect.EventError {
		r.next, r.counted = dialect.Int(sequence)+1, true
	}
	return ev
}

// measure reads what an answer consumed from its last event.
func (r *reader) measure(response []byte) {
	r.usage.Tier = dialect.Tier(dialect.Member(response, "service_tier"))
	readUsage(dialect.Member(response, "usage"), &r.usage)
}

// Next implements dialect.Counter.
func (r *reader) Next() int64 {
	if !r.counted {
		return 0
	}
	return r.next
}

// begin notes what kind of item opens.
func (r *reader) begin(item []byte) {
	switch typ, _ := dialect.Unquote(dialect.Member(item, "type")); typ {
	case "message":
		r.open = dialect.OpenText
	case "function_call", "custom_tool_call":
		r.open = dialect.OpenTool
	default: // reasoning, and tools that the provider runs, which take as long as they like
		r.open = dialect.OpenThinking
	}
}

// end closes the open item. A call without arguments has no delta that is not empty, and what a
// provider's tools have done comes whole; messages and reasoning have been told by then.
func (r *reader) end(item []byte) dialect.EventKind {
	r.open = dialect.OpenNone
	switch typ, _ := dialect.Unquote(dialect.Member(item, "type")); typ {
	case "message", "reasoning", "":
		return dialect.EventNote
	case "web_search_call":
		if searches(item) {
			r.usage.Searches++
		}
	}
	return dialect.EventContent
}

// aliveEvent means nothing.
var aliveEvent = []byte("event: keepalive\ndata: {\"type\":\"keepalive\"}\n\n")

// KeepAlive implements dialect.Reader. It is the event that the API itself sends in long
// silences ({"type":"keepalive","sequence_number":466}, openai-node#1964), and so it can stand anywhere
// between the first event and the last. It is for Codex, whose watchdog takes only events for life
// and which passes over those that it does not know (tried with 0.169.0: with comments it gives up, with
// these or with empty deltas it does not). It has no number, unlike the API's: with one of its own every later event
// would have to be written anew, and Codex looks at none (codex-rs/codex-api, sse/responses.rs).
func (r *reader) KeepAlive() []byte { return r.alive }

// Closing implements dialect.Reader: the finish and the end are one event.
func (r *reader) Closing() []byte { return nil }
