package anthropic

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// system reads a string or a list of text blocks.
func (d *requestDecoder) system(val []byte) []neutral.Block {
	blocks := d.blocks(val, "system")
	kept := blocks[:0]
	for _, b := range blocks {
		if !strings.HasPrefix(b.Text, string(billingBlock)) {
			kept = append(kept, b)
		}
	}
	return kept
}

func (d *requestDecoder) messages(val []byte) (turns []neutral.Turn) {
	err := dialect.Array(val, func(e dialect.Span) bool {
		var role string
		var content []byte
		m := e.Of(val)
		if dialect.Object(m, func(key []byte, v, _ dialect.Span) bool {
			switch string(neutral.Key(key)) {
			case "role":
				role = text(v.Of(m))
			case "content":
				content = v.Of(m)
			default:
				if !dialect.IsNull(v.Of(m)) {
					d.unknown("messages." + string(neutral.Key(key)))
				}
			}
			return true
		}) != nil {
			d.refuse("messages", "each message must be an object")
			return false
		}
		t := neutral.Turn{}
		switch role {
		case "user":
		case "assistant":
			t.Role = neutral.Assistant
		case "system": // amid the conversation; known since Opus 4.8
			t.Role = neutral.System
		default:
			d.refuse("messages", "a message's role must be user, assistant or system")
			return false
		}
		t.Blocks = d.blocks(content, "messages")
		turns = append(turns, t)
		return d.err == nil
	})
	if err != nil {
		d.refuse("messages", "messages must be a list")
	}
	return turns
}

// blocks reads content: a string, or a list of blocks.
func (d *requestDecoder) blocks(val []byte, param string) []neutral.Block {
	if dialect.IsNull(val) {
		return nil
	}
	if val[0] == '"' {
		return []neutral.Block{{Kind: neutral.KindText, Text: text(val)}}
	}
	n := 0
	_ = dialect.Array(val, func(dialect.Span) bool { n++; return true })
	out := make([]neutral.Block, 0, n)
	if dialect.Array(val, func(e dialect.Span) bool {
		out = d.block(out, e.Of(val), param)
		return d.err == nil
	}) != nil {
		d.refuse(param, "content must be a text or a list of blocks")
	}
	return out
}

// block appends what one block is.
func (d *requestDecoder) block(out []neutral.Block, raw []byte, param string) []neutral.Block {
	p, ok := readParts(raw)
	if !ok || p.typ == "" {
		d.refuse(param, "each block of content must be an object with a type")
		return out
	}
	b, generated := p.generated()
	switch p.typ {
	case "image", "document", "search_result", "tool_result":
		d.unknownOf(&p, param)
	default:
		if generated { // any other goes to its own dialect whole, or not at all
			d.unknownOf(&p, param)
		}
	}
	if generated {
		if b.Kind == neutral.KindToolUse {
			d.called(b.ID, b.Name)
		}
		b.Cache = cacheMark(p.cache)
		return append(out, b)
	}
	switch p.typ {
	case "image":
		b := neutral.Block{Kind: neutral.KindImage, Cache: cacheMark(p.cache)}
		if !media(&b, p.source) {
			d.refuse(param, "an image's source must be base64 (and its data nothing else), url or file")
		}
		return append(out, b)
	case "document":
		return d.document(out, &p, param)
	case "search_result":
		return append(out, neutral.Block{
			Kind: neutral.KindDocument, MediaType: "text/plain", Data: neutral.TextDocument(neutral.Words(d.blocks(p.content, param), "\n\n")),
			Title: text(p.title), Context: text(p.source), Cite: cited(p.citations), Cache: cacheMark(p.cache),
		})
	case "tool_result":
		b := neutral.Block{
			Kind: neutral.KindToolResult, ID: text(p.toolUseID), Content: d.blocks(p.content, param),
			Failed: dialect.IsTrue(p.isError), Cache: cacheMark(p.cache),
		}
		b.Name = d.names[b.ID]
		return append(out, b)
	}
	return append(out, opaque(p.typ, raw))
}

// unknownOf notes the members of a block that have no place in the neutral form.
func (d *requestDecoder) unknownOf(p *parts, param string) {
	for _, name := range p.unknown {
		d.unknown(param + "." + name)
	}
}

// maxUnknown bounds the names of unknown members inside of messages that a caller is told of.
const maxUnknown = 64

// unknown notes a member inside of messages by its name alone, once, so that its loss is told: without a value it is
// never written.
func (d *requestDecoder) unknown(name string) {
	if d.told[name] || len(d.told) >= maxUnknown {
		return
	}
	if d.told == nil {
		d.told = make(map[string]bool)
	}
	d.told[name] = true
	d.r.Extra = append(d.r.Extra, neutral.Member{Name: name})
}

// called notes a call's name for its result, which this protocol names by id only.
func (d *requestDecoder) called(id, name string) {
	if d.names == nil {
		d.names = make(map[string]string)
	}
	d.names[id] = name
}

// media fills in where an image or a document comes from.
func media(b *neutral.Block, source []byte) bool {
	var typ string
	_ = dialect.Object(source, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(source)
		switch string(neutral.Key(key)) {
		case "type":
			typ = text(val)
		case "media_type":
			b.MediaType = text(val)
		case "data":
			b.Data, _ = neutral.Base64(val)
		case "url":
			b.URL = text(val)
		case "file_id":
			b.FileID = text(val)
		}
		return true
	})
	switch typ {
	case "base64":
		return len(b.Data) > 0
	case "url":
		return b.URL != ""
	case "file":
		return b.FileID != ""
	}
	return false
}

// document reads a document. One whose source is a list of blocks becomes the document of its
// words, and its images follow.
func (d *requestDecoder) document(out []neutral.Block, p *parts, param string) []neutral.Block {
	b := neutral.Block{
		Kind: neutral.KindDocument, Title: text(p.title), Context: text(p.context), Cite: cited(p.citations), Cache: cacheMark(p.cache),
	}
	switch text(dialect.Member(p.source, "type")) {
	case "text":
		b.MediaType = "text/plain"
		b.Data = neutral.TextDocument(text(dialect.Member(p.source, "data")))
	case "content":
		content := d.blocks(dialect.Member(p.source, "content"), param)
		b.MediaType = "text/plain"
		b.Data = neutral.TextDocument(neutral.Words(content, "\n\n"))
		out = append(out, b)
		for i := range content {
			if content[i].Kind == neutral.KindImage {
				out = append(out, content[i])
			}
		}
		return out
	default:
		if !media(&b, p.source) {
			d.refuse(param, "a document's source must be base64 (and its data nothing else), text, url, content or file")
		}
	}
	return append(out, b)
}

func cited(citations []byte) bool { return dialect.IsTrue(dialect.Member(citations, "enabled")) }

func cacheMark(control []byte) neutral.Cache {
	switch {
	case dialect.IsNull(control):
		return neutral.CacheNone
	case text(dialect.Member(control, "ttl")) == "1h":
		return neutral.Cache1h
	}
	return neutral.Cache5m
}
