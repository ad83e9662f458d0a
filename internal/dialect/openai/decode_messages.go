package openai

import (
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// message holds the members of one message, as they came.
type message struct {
	role, name, callID                    string
	content, refusal, toolCalls, function []byte
	reasoning, reasoningContent, audio    []byte
}

func readMessage(raw []byte) (m message, ok bool) {
	err := dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(raw)
		if dialect.IsNull(val) {
			return true
		}
		switch string(neutral.Key(key)) {
		case "role":
			m.role = text(val)
		case "name":
			m.name = text(val)
		case "tool_call_id":
			m.callID = text(val)
		case "content":
			m.content = val
		case "refusal":
			m.refusal = val
		case "tool_calls":
			m.toolCalls = val
		case "function_call":
			m.function = val
		case reasoningMember:
			m.reasoning = val
		case reasoningContent:
			m.reasoningContent = val
		case "audio":
			m.audio = val
		}
		return true
	})
	return m, err == nil
}

// messages reads the conversation. The system and developer messages that stand before it are
// the instructions.
func (d *requestDecoder) messages(val []byte) {
	r := d.r
	r.System, r.Turns = nil, nil
	if dialect.Array(val, func(e dialect.Span) bool {
		m, ok := readMessage(e.Of(val))
		if !ok {
			d.refuse("messages", "each message must be an object")
			return false
		}
		d.message(&m)
		return d.err == nil
	}) != nil {
		d.refuse("messages", "messages must be a list")
	}
}

func (d *requestDecoder) message(m *message) {
	r := d.r
	t := neutral.Turn{Name: m.name}
	switch m.role {
	case "system", "developer":
		blocks := d.content(m.content)
		if len(r.Turns) == 0 {
			r.System = append(r.System, blocks...)
			return
		}
		t.Role, t.Blocks = neutral.System, blocks
	case "user":
		t.Blocks = d.content(m.content)
	case "assistant":
		t.Role, t.Blocks = neutral.Assistant, d.assistant(m)
	case "tool":
		t.Name = ""
		t.Blocks = []neutral.Block{{Kind: neutral.KindToolResult, ID: m.callID, Name: d.names[m.callID], Content: d.content(m.content)}}
	case "function": // the legacy kind: the result of the last call
		t.Name = ""
		t.Blocks = []neutral.Block{{Kind: neutral.KindToolResult, ID: d.legacyID(), Name: m.name, Content: d.content(m.content)}}
	default:
		d.refuse("messages", "a message's role must be developer, system, user, assistant, tool or function")
	}
	r.Turns = append(r.Turns, t)
}

func (d *requestDecoder) legacyID() string { return "call_" + strconv.Itoa(d.functions) }

// assistant reads what the model said: its reasoning, where a client keeps that, its words, its calls.
func (d *requestDecoder) assistant(m *message) (out []neutral.Block) {
	if s := text(m.reasoningContent); s != "" {
		out = append(out, neutral.Block{Kind: neutral.KindReasoning, Origin: own, Text: s, Signature: reasoningContent})
	} else if s := text(m.reasoning); s != "" {
		out = append(out, neutral.Block{Kind: neutral.KindReasoning, Origin: own, Text: s, Signature: reasoningMember})
	}
	for _, b := range d.content(m.content) {
		if b.Kind != neutral.KindText || b.Text != "" {
			out = append(out, b)
		}
	}
	if s := text(m.refusal); s != "" {
		out = append(out, neutral.Block{Kind: neutral.KindRefusal, Text: s})
	}
	if id := text(dialect.Member(m.audio, "id")); id != "" {
		out = append(out, neutral.Block{Kind: neutral.KindAudio, FileID: id})
	}
	_ = dialect.Array(m.toolCalls, func(e dialect.Span) bool {
		c := readCall(e.Of(m.toolCalls))
		if !c.okay || !c.hasFunction {
			d.refuse("messages", "each of tool_calls must be an object with a function or a custom tool")
			return false
		}
		if d.names == nil {
			d.names = make(map[string]string)
		}
		d.names[c.id] = c.name
		out = append(out, c.block())
		return true
	})
	if m.function != nil {
		d.functions++
		c := call{id: d.legacyID()}
		c.readFunction(m.function)
		out = append(out, c.block())
	}
	return out
}

// content reads a string, or a list of parts.
func (d *requestDecoder) content(val []byte) []neutral.Block {
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
		out = append(out, d.part(e.Of(val)))
		return d.err == nil
	}) != nil {
		d.refuse("messages", "content must be a text or a list of parts")
	}
	return out
}

func (d *requestDecoder) part(raw []byte) neutral.Block {
	typ := text(dialect.Member(raw, "type"))
	switch typ {
	case "text", "refusal":
		kind := neutral.KindText
		if typ == "refusal" {
			kind = neutral.KindRefusal
		}
		return neutral.Block{Kind: kind, Text: text(dialect.Member(raw, typ))}
	case "image_url", "video_url": // the latter of servers of other makers
		at := dialect.Member(raw, typ)
		url := text(at) // some clients write the URL itself
		if len(at) > 0 && at[0] == '{' {
			url = text(dialect.Member(at, "url"))
		}
		b := neutral.Block{Kind: neutral.KindImage, Detail: text(dialect.Member(at, "detail"))}
		if typ == "video_url" {
			b.Kind = neutral.KindVideo
		}
		d.located(&b, url)
		return b
	case "input_audio":
		at := dialect.Member(raw, "input_audio")
		b := neutral.Block{Kind: neutral.KindAudio, MediaType: audioType(text(dialect.Member(at, "format")))}
		var ok bool
		if b.Data, ok = neutral.Base64(dialect.Member(at, "data")); !ok {
			d.refuse("messages", "the data of an input_audio must be base64")
		}
		return b
	case "file":
		return d.file(dialect.Member(raw, "file"))
	case "":
		d.refuse("messages", "each part of content must be an object with a type")
	}
	return neutral.Block{Kind: neutral.KindOpaque, Origin: own, Type: typ, Raw: raw}
}

// located fills in a URL, or the data that a data: URL holds.
func (d *requestDecoder) located(b *neutral.Block, url string) {
	if url == "" {
		d.refuse("messages", "an image has no url")
	}
	if mediaType, data, ok := neutral.DataURL(url); ok {
		b.MediaType, b.Data = mediaType, data
		return
	}
	if strings.HasPrefix(url, "data:") {
		d.refuse("messages", "a data: URL must hold base64")
	}
	b.URL = url
}

func (d *requestDecoder) file(at []byte) neutral.Block {
	b := neutral.Block{Kind: neutral.KindDocument, Title: text(dialect.Member(at, "filename")), FileID: text(dialect.Member(at, "file_id"))}
	if b.FileID != "" {
		return b
	}
	raw := dialect.Member(at, "file_data")
	if mediaType, data, ok := neutral.DataURL(text(raw)); ok {
		b.MediaType, b.Data = mediaType, data
		return b
	}
	if data, ok := neutral.Base64(raw); ok && len(data) > 0 { // without "data:…", as some clients send it
		b.MediaType, b.Data = neutral.MediaTypeOf(b.Title), data
		return b
	}
	d.refuse("messages", "a file needs file_data as a data: URL in base64, or a file_id")
	return b
}

func audioType(format string) string {
	switch format {
	case "":
		return ""
	case "mp3":
		return "audio/mpeg"
	}
	return "audio/" + format
}

// audioFormat is the reverse of audioType; empty: the API knows no such format.
func audioFormat(mediaType string) string {
	switch mediaType {
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav"
	}
	return ""
}
