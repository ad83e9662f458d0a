package anthropic

import (
	"fmt"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// NewReader implements dialect.Dialect.
func (Dialect) NewReader(*dialect.Request) dialect.Reader { return &reader{} }

// reader follows one stream: message_start, then per block content_block_start,
// deltas and content_block_stop, then message_delta with the stop reason, then
// message_stop (event order as captured from the real API's clients).
type reader struct {
	usage    domain.Usage
	split    bool // of the cache writes' lifetimes, as stated
	finished bool
	open     dialect.Open
	ended    bool
	pattern  dialect.Pattern
	alive    []byte // an empty delta of the open block
}

func (r *reader) Usage() domain.Usage { return r.usage }
func (r *reader) Finished() bool      { return r.finished }
func (r *reader) Open() dialect.Open  { return r.open }

// Event implements dialect.Reader.
func (r *reader) Event(raw []byte) dialect.Event {
	if ev, _, ok := r.pattern.Match(raw); ok {
		return ev // a delta opens and closes nothing
	}
	name, data := dialect.Fields(raw)
	if len(data) == 0 { // a comment, or an event without content
		return dialect.Event{Kind: dialect.EventPing} // a comment
	}
	var typ, delta, block, message, usage, index []byte
	hasError := false
	err := dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "type":
			typ = v.Of(data)
		case "delta":
			delta = v.Of(data)
		case "content_block":
			block = v.Of(data)
		case "message":
			message = v.Of(data)
		case "usage":
			usage = v.Of(data)
		case "index":
			index = v.Of(data)
		case "error":
			hasError = !dialect.IsNull(v.Of(data))
		}
		return true
	})
	if err != nil {
		return dialect.Event{Kind: dialect.EventMalformed, Data: data}
	}
	if len(typ) < 2 {
		// Some relays drop the type; the event's name says the same.
		typ = append(append([]byte{'"'}, name...), '"')
	}
	kind, written := dialect.EventNote, 0
	switch string(typ[1 : len(typ)-1]) {
	case "content_block_delta":
		if text, ok := deltaContent(delta); ok {
			kind = dialect.EventContent
			if text != nil {
				written = dialect.Quoted(text)
				r.pattern.Learn(raw, text, dialect.Span{}, r.open)
			}
		}
	case "ping":
		kind = dialect.EventPing
	case "message_start":
		r.addUsage(dialect.Member(message, "usage"))
	case "content_block_start":
		if kind = r.begin(block, index); kind == dialect.EventContent && r.open == dialect.OpenText {
			written = dialect.Quoted(dialect.Member(block, "text"))
		}
	case "content_block_stop":
		if r.open == dialect.OpenTool {
			kind = dialect.EventContent // a call without arguments has no delta that is not empty
		}
		r.open, r.alive = dialect.OpenNone, nil
	case "message_delta":
		r.addUsage(usage)
		if !dialect.IsNull(dialect.Member(delta, "stop_reason")) {
			r.finished = true
			kind = dialect.EventFinish
		}
	case "message_stop":
		r.ended = true
		kind = dialect.EventEnd
	case "error":
		kind = dialect.EventError
	default:
		if hasError { // an error in another dialect's shape, as some proxies send
			kind = dialect.EventError
		}
	}
	return dialect.Event{Kind: kind, Data: data, Text: written}
}

// begin notes what kind of block opens. Blocks that come whole in their start
// event (redacted thinking, server tool results, …) are content at once.
func (r *reader) begin(block, index []byte) dialect.EventKind {
	typ, _ := dialect.Unquote(dialect.Member(block, "type"))
	r.alive = emptyDelta(typ, index)
	switch typ {
	case "text":
		r.open = dialect.OpenText
		if len(dialect.Member(block, "text")) > 2 {
			return dialect.EventContent
		}
		return dialect.EventNote
	case "thinking":
		r.open = dialect.OpenThinking
		if len(dialect.Member(block, "thinking")) > 2 {
			return dialect.EventContent
		}
		return dialect.EventNote
	case "tool_use", "server_tool_use", "mcp_tool_use":
		r.open = dialect.OpenTool
		return dialect.EventNote
	}
	r.open = dialect.OpenThinking // unknown: the patient limits
	return dialect.EventContent
}

// emptyDelta is a delta of a block that adds nothing to it; nil: there is none for its kind.
func emptyDelta(typ string, index []byte) []byte {
	var member string
	switch typ {
	case "text":
		member = `"text_delta","text"`
	case "thinking":
		member = `"thinking_delta","thinking"`
	case "tool_use", "server_tool_use", "mcp_tool_use":
		member = `"input_json_delta","partial_json"`
	default:
		return nil
	}
	return fmt.Appendf(nil, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":%s:\"\"}}\n\n", dialect.Int(index), member)
}

// KeepAlive implements dialect.Reader.
func (r *reader) KeepAlive() []byte { return r.alive }

// deltaContent says whether a delta is not empty. text_delta, input_json_delta (the
// first is often ""), thinking_delta, signature_delta and citations_delta each hold
// one member beside their type; text is that member if it is a string.
func deltaContent(delta []byte) (text []byte, content bool) {
	_ = dialect.Object(delta, func(key []byte, v, _ dialect.Span) bool {
		if string(key) != "type" && v.End-v.Start > 2 && !dialect.IsNull(v.Of(delta)) {
			if content = true; delta[v.Start] == '"' {
				text = v.Of(delta)
			}
			return false
		}
		return true
	})
	return text, content
}

// addUsage takes stated figures over.
func (r *reader) addUsage(usage []byte) { readUsage(usage, &r.usage, &r.split) }

// readUsage takes stated figures over. The prompt total is input_tokens +
// cache_read_input_tokens + cache_creation_input_tokens, disjoint; figures in later events
// are cumulative (API reference, streaming messages). So they only raise what is known:
// relays write zeros into message_delta for what message_start has said. split tells
// whether the writes' lifetimes have been stated; it is set when they are.
func readUsage(usage []byte, u *domain.Usage, split *bool) {
	if dialect.IsNull(usage) {
		return
	}
	var creation, short, long int64
	_ = dialect.Object(usage, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(usage)
		if dialect.IsNull(val) {
			return true
		}
		switch string(key) {
		case "input_tokens":
			u.Input = max(u.Input, dialect.Int(val))
		case "output_tokens":
			u.Output = max(u.Output, dialect.Int(val))
		case "cache_read_input_tokens":
			u.CacheRead = max(u.CacheRead, dialect.Int(val))
		case "cache_creation_input_tokens":
			creation = dialect.Int(val)
		case "cache_creation":
			short = dialect.Int(dialect.Member(val, "ephemeral_5m_input_tokens"))
			long = dialect.Int(dialect.Member(val, "ephemeral_1h_input_tokens"))
		case "output_tokens_details":
			if t := dialect.Member(val, "thinking_tokens"); t != nil {
				u.Reasoning = max(u.Reasoning, dialect.Int(t))
			} else if t := dialect.Member(val, "reasoning_tokens"); t != nil {
				u.Reasoning = max(u.Reasoning, dialect.Int(t))
			}
		case "server_tool_use":
			u.Searches = max(u.Searches, dialect.Int(dialect.Member(val, "web_search_requests")))
			return true
		case "service_tier":
			if u.Tier != domain.TierFast {
				u.Tier = dialect.Tier(val)
			}
			return true
		case "speed": // it costs more than every tier that a request may be in besides (fast mode page)
			if string(val) == `"fast"` {
				u.Tier = domain.TierFast
			}
			return true
		}
		u.Reported = true
		return true
	})
	if u.Reasoning > u.Output && u.Output > 0 { // output_tokens includes it (API reference, the usage object)
		u.Reasoning = u.Output
	}
	if short+long > 0 {
		if *split {
			u.CacheWrite5m, u.CacheWrite1h = max(u.CacheWrite5m, short), max(u.CacheWrite1h, long)
		} else {
			// Until now there was a total, taken for five minutes.
			creation = max(creation, u.CacheWrite5m)
			u.CacheWrite5m, u.CacheWrite1h, *split = short, long, true
		}
	}
	// What a split leaves out, and what a total grows by, is of the kind that is there.
	if rest := creation - u.CacheWrite5m - u.CacheWrite1h; rest > 0 {
		if u.CacheWrite1h > 0 && u.CacheWrite5m == 0 {
			u.CacheWrite1h += rest
		} else {
			u.CacheWrite5m += rest
		}
	}
}

// Closing implements dialect.Reader.
func (r *reader) Closing() []byte {
	if r.ended {
		return nil
	}
	return []byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}
