package anthropic

import (
	"crypto/sha256"
	"encoding/base64"

	"turnout/internal/dialect/neutral"
)

func (e *requestEncoder) turn(t *neutral.Turn) {
	role := "user"
	switch t.Role {
	case neutral.Assistant:
		role = "assistant"
	case neutral.System:
		role = "system"
	}
	e.Open().Member("role", role).Key("content").List()
	for i := range t.Blocks {
		e.block(&t.Blocks[i])
	}
	e.End().Close()
}

// block writes one block that goes to the provider.
func (e *requestEncoder) block(b *neutral.Block) {
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		e.Open().Member("type", "text").Member("text", b.Text)
		if len(b.Citations) > 0 {
			e.Key("citations").List()
			for i := range b.Citations {
				appendCitation(&e.JSON, &b.Citations[i])
			}
			e.End()
		}
	case neutral.KindReasoning:
		_, signature, _ := neutral.SignatureFor(own, b)
		if b.Redacted {
			e.Open().Member("type", "redacted_thinking").Member("data", signature)
		} else {
			e.Open().Member("type", "thinking").Member("thinking", b.Text).Member("signature", signature)
		}
	case neutral.KindImage:
		e.Open().Member("type", "image")
		e.source(b, "image/jpeg")
	case neutral.KindDocument:
		e.document(b)
	case neutral.KindToolUse:
		e.Open().Member("type", "tool_use").Member("id", toolID(b.ID)).Member("name", b.Name)
		if b.Custom {
			e.MemberRaw("input", neutral.WrapInput(b.Text))
		} else {
			e.MemberRaw("input", argsObject(b.Args))
		}
	case neutral.KindToolResult:
		e.toolResult(b)
	default: // a block of this dialect
		e.Raw(b.Raw)
		return
	}
	e.cacheControl(b.Cache)
	e.Close()
}

func (e *requestEncoder) cacheControl(c neutral.Cache) {
	switch c {
	case neutral.Cache5m:
		e.Key("cache_control").Open().Member("type", "ephemeral").Close()
	case neutral.Cache1h:
		e.Key("cache_control").Open().Member("type", "ephemeral").Member("ttl", "1h").Close()
	}
}

// source writes where an image or a document comes from. otherwise is the type of data whose
// type nobody said and whose first bytes do not tell.
func (e *requestEncoder) source(b *neutral.Block, otherwise string) {
	e.Key("source").Open()
	switch {
	case b.FileID != "":
		e.Member("type", "file").Member("file_id", b.FileID)
	case b.URL != "":
		e.Member("type", "url").Member("url", b.URL)
	default:
		mediaType := b.MediaType
		if mediaType == "" {
			mediaType = neutral.SniffImage(b.Data)
		}
		if mediaType == "" {
			mediaType = otherwise
		}
		e.Member("type", "base64").Member("media_type", mediaType).Key("data").Text(b.Data)
	}
	e.Close()
}

func (e *requestEncoder) document(b *neutral.Block) {
	e.Open().Member("type", "document")
	if words, ok := neutral.PlainText(b); ok {
		e.Key("source").Open().Member("type", "text").Member("media_type", "text/plain").Member("data", words).Close()
	} else {
		e.source(b, "application/pdf")
	}
	if b.Title != "" {
		e.Member("title", b.Title)
	}
	if b.Context != "" {
		e.Member("context", b.Context)
	}
	if b.Cite {
		e.Key("citations").Open().Key("enabled").Bool(true).Close()
	}
}

func (e *requestEncoder) toolResult(b *neutral.Block) {
	e.Open().Member("type", "tool_result").Member("tool_use_id", toolID(b.ID))
	content := b.Content
	if !e.from {
		if b.Failed && len(content) == 0 { // "content cannot be empty if is_error is true"
			content = []neutral.Block{{Kind: neutral.KindText, Text: "error"}}
		}
	}
	switch {
	case len(content) == 1 && content[0].Kind == neutral.KindText && content[0].Cache == neutral.CacheNone:
		e.Member("content", content[0].Text)
	case len(content) > 0:
		e.Key("content").List()
		for i := range content {
			e.block(&content[i])
		}
		e.End()
	}
	if b.Failed {
		e.Key("is_error").Bool(true)
	}
}

// toolID gives a call's id as the provider takes it: letters, digits, "_" and "-". Another one
// becomes a name made of its hash, the same for the call and its result.
func toolID(id string) string {
	if fitsID(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "toolu_" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

func fitsID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= 128
}
