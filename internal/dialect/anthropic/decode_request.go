package anthropic

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// requestDecoder reads a request's members into the neutral form.
type requestDecoder struct {
	r     *neutral.Request
	names map[string]string // of the tools called so far, by the call's id
	err   *domain.Error
}

func (d *requestDecoder) refuse(param, message string) {
	if d.err == nil {
		d.err = neutral.Invalid(param, message)
	}
}

// DecodeRequest implements neutral.Codec.
//
// The block of Claude Code's billing header ([billingBlock]) is left out: it is no
// instruction, and it means nothing to another provider.
func (Dialect) DecodeRequest(body []byte, _ dialect.Route) (*neutral.Request, error) {
	d := requestDecoder{r: &neutral.Request{From: own}}
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		if val := v.Of(body); !dialect.IsNull(val) {
			d.member(string(neutral.Key(key)), val)
		}
		return d.err == nil
	})
	if err != nil {
		d.refuse("", "the request body is not a JSON object: "+err.Error())
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.r, nil
}

func (d *requestDecoder) member(name string, val []byte) {
	r := d.r
	switch name {
	case "model":
		r.Model = text(val)
	case "stream":
		r.Stream = dialect.IsTrue(val)
	case "system":
		r.System = d.system(val)
	case "messages":
		r.Turns = d.messages(val)
	case "tools":
		d.tools(val)
	case "tool_choice":
		d.toolChoice(val)
	case "max_tokens":
		r.MaxTokens = dialect.Int(val)
	case "thinking":
		d.thinking(val)
	case "output_config":
		d.outputConfig(val)
	case "output_format": // of the beta that output_config.format came from
		d.format(val)
	case "stop_sequences":
		_ = dialect.Array(val, func(e dialect.Span) bool {
			r.Stop = append(r.Stop, text(e.Of(val)))
			return true
		})
	case "temperature":
		r.Temperature = val
	case "top_p":
		r.TopP = val
	case "top_k":
		r.TopK = val
	case "metadata":
		r.User = text(dialect.Member(val, "user_id"))
	case "service_tier":
		if r.Tier = text(val); r.Tier == "standard_only" {
			r.Tier = "default"
		}
	default:
		d.ask(name, val)
	}
}

// asks are the members that only this dialect has.
var asks = map[string]neutral.Feature{
	"cache_control":      neutral.FeatureCacheControl, // marks the request's last block by itself
	"context_management": neutral.FeatureContextManagement,
	"compaction":         neutral.FeatureContextManagement,
	"mcp_servers":        neutral.FeatureMCP,
	"container":          neutral.FeatureContainer,
	"safeguards":         neutral.FeatureSafety, // interactive Claude Code, captured from 2.1.330
	"speed":              neutral.FeatureTier,
}

func (d *requestDecoder) ask(name string, val []byte) {
	f, known := asks[name]
	switch {
	case !known:
		d.r.Extra = append(d.r.Extra, neutral.Member{Name: name, Raw: val})
	case string(val) == "[]", name == "speed" && text(val) == "standard":
	default:
		d.r.Asks = append(d.r.Asks, neutral.Ask{Feature: f, Name: name, Raw: val})
	}
}

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
		s, ok := dialect.Unquote(val)
		if !ok {
			d.refuse(param, "a text is not valid UTF-8")
		}
		return []neutral.Block{{Kind: neutral.KindText, Text: s}}
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
	if b, ok := p.generated(); ok {
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
			d.refuse(param, "an image's source must be base64, url or file")
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
			d.refuse(param, "a document's source must be base64, text, url, content or file")
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

func (d *requestDecoder) tools(val []byte) {
	if dialect.Array(val, func(e dialect.Span) bool {
		raw := e.Of(val)
		t := neutral.Tool{}
		var typ string
		if dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
			val := v.Of(raw)
			if dialect.IsNull(val) {
				return true
			}
			switch name := string(neutral.Key(key)); name {
			case "type":
				typ = text(val)
			case "name":
				t.Name = text(val)
			case "description":
				t.Description = text(val)
			case "input_schema":
				t.Schema = val
			case "strict":
				strict := dialect.IsTrue(val)
				t.Strict = &strict
			case "cache_control":
				t.Cache = cacheMark(val)
			default:
				t.Extra = append(t.Extra, neutral.Member{Name: name, Raw: val})
			}
			return true
		}) != nil {
			d.refuse("tools", "each tool must be an object")
			return false
		}
		if typ != "" && typ != "custom" {
			// The provider runs it, or its models were trained on it (bash, text editor):
			// either way nothing here says what it takes.
			t = neutral.Tool{Name: typ, Raw: raw, Origin: own}
		}
		d.r.Tools = append(d.r.Tools, t)
		return true
	}) != nil {
		d.refuse("tools", "tools must be a list")
	}
}

func (d *requestDecoder) toolChoice(val []byte) {
	c := &d.r.Choice
	switch text(dialect.Member(val, "type")) {
	case "auto":
		c.Mode = neutral.ChoiceAuto
	case "any":
		c.Mode = neutral.ChoiceAny
	case "none":
		c.Mode = neutral.ChoiceNone
	case "tool":
		c.Mode = neutral.ChoiceNamed
		c.Names = []string{text(dialect.Member(val, "name"))}
	}
	if off := dialect.Member(val, "disable_parallel_tool_use"); !dialect.IsNull(off) {
		parallel := !dialect.IsTrue(off)
		d.r.Parallel = &parallel
	}
}

func (d *requestDecoder) thinking(val []byte) {
	r := &d.r.Reasoning
	display := text(dialect.Member(val, "display"))
	r.Show = display == "summarized"
	switch text(dialect.Member(val, "type")) {
	case "enabled":
		r.Mode = neutral.ReasoningOn
		r.Budget = dialect.Int(dialect.Member(val, "budget_tokens"))
		r.Show = display != "omitted" // models of this way show it unless told not to
	case "disabled":
		r.Mode = neutral.ReasoningOff
	default: // "adaptive", "between_tools" and whatever comes
		r.Mode, r.Adaptive = neutral.ReasoningOn, true
	}
}

func (d *requestDecoder) outputConfig(val []byte) {
	_ = dialect.Object(val, func(key []byte, v, _ dialect.Span) bool {
		switch v := v.Of(val); string(neutral.Key(key)) {
		case "effort":
			d.r.Reasoning.Effort = text(v)
		case "format":
			d.format(v)
		default:
			if !dialect.IsNull(v) {
				d.r.Extra = append(d.r.Extra, neutral.Member{Name: "output_config." + string(key), Raw: v})
			}
		}
		return true
	})
}

func (d *requestDecoder) format(val []byte) {
	if text(dialect.Member(val, "type")) == "json_schema" {
		d.r.Format = neutral.Format{Mode: neutral.FormatSchema, Schema: dialect.Member(val, "schema")}
	}
}
