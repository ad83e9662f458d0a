package anthropic

import (
	"encoding/json"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// own is the dialect's name on what only it knows.
const own = domain.DialectAnthropic

// parts are the members of one content block, as they came. They are the same in requests,
// answers and the events that open a block.
type parts struct {
	typ                                      string
	text, thinking, signature, data          []byte
	id, name, input                          []byte
	toolUseID, content, isError              []byte
	source, title, context, citations, cache []byte
	unknown                                  []string // names of other members
}

func readParts(raw []byte) (p parts, ok bool) {
	err := dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(raw)
		if dialect.IsNull(val) {
			return true
		}
		switch string(neutral.Key(key)) {
		case "type":
			p.typ, _ = dialect.Unquote(val)
		case "text":
			p.text = val
		case "thinking":
			p.thinking = val
		case "signature":
			p.signature = val
		case "data":
			p.data = val
		case "id":
			p.id = val
		case "name":
			p.name = val
		case "input":
			p.input = val
		case "tool_use_id":
			p.toolUseID = val
		case "content":
			p.content = val
		case "is_error":
			p.isError = val
		case "source":
			p.source = val
		case "title":
			p.title = val
		case "context":
			p.context = val
		case "citations":
			p.citations = val
		case "cache_control":
			p.cache = val
		case "caller": // who calls the tool: the model itself, as answers say it of every call, is nothing to tell
			if typ := dialect.Member(val, "type"); string(typ) != `"direct"` {
				p.unknown = append(p.unknown, "caller")
			}
		default:
			p.unknown = append(p.unknown, string(neutral.Key(key)))
		}
		return true
	})
	return p, err == nil
}

// text reads a string that may be absent.
func text(v []byte) string {
	s, _ := dialect.Unquote(v)
	return s
}

// generated makes a block of what a model writes: it stands in answers and in the
// assistant's turns. ok is false for a block that only this dialect knows, or that is none.
func (p *parts) generated() (b neutral.Block, ok bool) {
	switch p.typ {
	case "text":
		return neutral.Block{Kind: neutral.KindText, Text: text(p.text), Citations: citations(p.citations)}, true
	case "thinking":
		return neutral.Block{Kind: neutral.KindReasoning, Origin: own, Text: text(p.thinking), Signature: text(p.signature)}, true
	case "redacted_thinking":
		return neutral.Block{Kind: neutral.KindReasoning, Origin: own, Redacted: true, Signature: text(p.data)}, true
	case "tool_use":
		return neutral.Block{Kind: neutral.KindToolUse, ID: text(p.id), Name: text(p.name), Args: p.input}, true
	}
	return b, false
}

// opaque keeps a block that only this dialect knows.
func opaque(typ string, raw []byte) neutral.Block {
	return neutral.Block{Kind: neutral.KindOpaque, Origin: own, Type: typ, Raw: raw}
}

func citations(list []byte) (out []neutral.Citation) {
	if len(list) == 0 || list[0] != '[' {
		return nil // a document's {"enabled":…}
	}
	_ = dialect.Array(list, func(e dialect.Span) bool {
		out = append(out, citation(e.Of(list)))
		return true
	})
	return out
}

// citation reads one citation. Its indexes are those of the source, not of the text that cites,
// so Start and End are not stated.
func citation(raw []byte) neutral.Citation {
	c := neutral.Citation{Document: -1, Origin: own, Raw: raw}
	_ = dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(raw)
		switch string(key) {
		case "url":
			c.URL = text(val)
		case "title", "document_title":
			if s := text(val); s != "" {
				c.Title = s
			}
		case "source": // of a search result: where the caller found it
			if s := text(val); c.URL == "" {
				c.URL = s
			}
		case "cited_text":
			c.Cited = text(val)
		case "document_index":
			if !dialect.IsNull(val) {
				c.Document = int(dialect.Int(val))
			}
		}
		return true
	})
	return c
}

// shown appends a citation for a caller. Another dialect's is shown as one of a page, which
// is the only kind that has a URL and no place in a document of the request.
func appendCitation(j *neutral.JSON, c *neutral.Citation) {
	if c.Origin == own && len(c.Raw) > 0 {
		j.Raw(c.Raw)
		return
	}
	j.Open().Member("type", "web_search_result_location").Member("url", c.URL)
	j.Member("title", c.Title).Member("encrypted_index", "").Member("cited_text", c.Cited).Close()
}

var stopReasons = map[string]neutral.Finish{
	"end_turn": neutral.FinishStop, "max_tokens": neutral.FinishLength, "stop_sequence": neutral.FinishSequence,
	"tool_use": neutral.FinishTool, "pause_turn": neutral.FinishPause, "refusal": neutral.FinishRefusal,
	"model_context_window_exceeded": neutral.FinishContext,
}

// finish reads a stop reason. One that is not known is an end all the same.
func finish(reason []byte) neutral.Finish {
	if dialect.IsNull(reason) {
		return neutral.FinishNone
	}
	if f, ok := stopReasons[text(reason)]; ok {
		return f
	}
	return neutral.FinishStop
}

// stopReason is the reason that a caller sees. Tools that were called say more than an
// upstream that only says that it is done, and so does a refusal.
func stopReason(f neutral.Finish, tools, refused bool) string {
	switch f {
	case neutral.FinishNone, neutral.FinishStop:
		switch {
		case refused:
			return "refusal"
		case tools:
			return "tool_use"
		}
		return "end_turn"
	case neutral.FinishSequence:
		return "stop_sequence"
	case neutral.FinishLength:
		return "max_tokens"
	case neutral.FinishTool:
		return "tool_use"
	case neutral.FinishRefusal:
		return "refusal"
	case neutral.FinishContext:
		return "model_context_window_exceeded"
	}
	return "pause_turn"
}

// tiers of answers; requests know only "auto" and "standard_only".
func tier(usage []byte) string {
	switch t := text(dialect.Member(usage, "service_tier")); t {
	case "standard":
		return "default"
	default:
		return t
	}
}

func appendUsage(j *neutral.JSON, u *domain.Usage, tier string, split bool) {
	j.Open().MemberInt("input_tokens", u.Input).MemberInt("cache_creation_input_tokens", u.CacheWrite5m+u.CacheWrite1h)
	j.MemberInt("cache_read_input_tokens", u.CacheRead)
	if split {
		j.Key("cache_creation").Open().MemberInt("ephemeral_5m_input_tokens", u.CacheWrite5m).MemberInt("ephemeral_1h_input_tokens", u.CacheWrite1h).Close()
	}
	j.MemberInt("output_tokens", u.Output)
	if u.Reasoning > 0 {
		j.Key("output_tokens_details").Open().MemberInt("thinking_tokens", u.Reasoning).Close()
	}
	if u.Searches > 0 {
		j.Key("server_tool_use").Open().MemberInt("web_search_requests", u.Searches).Close()
	}
	switch tier {
	case "":
	case "default":
		j.Member("service_tier", "standard")
	case "priority", "batch":
		j.Member("service_tier", tier)
	}
	j.Close()
}

// argsObject gives a call's arguments as the object that the protocol wants. What a model
// of another maker wrote may be no JSON at all.
func argsObject(args []byte) []byte {
	switch {
	case len(args) == 0:
		return []byte("{}")
	case neutral.IsObject(args):
		return args
	}
	j := neutral.JSON{}
	return j.Open().Member("arguments", string(args)).Close().B
}

// validJSON guards against upstreams: what is taken out of an event or an answer goes into
// another JSON text as it is.
func validJSON(b []byte) bool { return json.Valid(b) }
