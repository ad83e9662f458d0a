package responses

import (
	"path"
	"strings"

	"turnout/internal/dialect/neutral"
)

// turn writes the items that a turn is made of; after are the turns behind it.
func (e *asker) turn(t *neutral.Turn, after []neutral.Turn) {
	if t.Name != "" {
		e.n.Drop("a participant's name", "messages name nobody there")
	}
	for i := range t.Blocks {
		b := &t.Blocks[i]
		e.marked(b)
		switch b.Kind {
		case neutral.KindToolUse:
			e.close()
			e.call(b)
		case neutral.KindToolResult:
			e.close()
			e.result(b)
		case neutral.KindReasoning:
			e.close()
			e.thought(b, t.Blocks[i+1:], after)
		case neutral.KindOpaque:
			if foreign(b.Origin) {
				e.n.Use(neutral.FeatureOpaque, b.Type)
				continue
			}
			if isPart(b.Type) {
				e.message(t.Role)
			} else {
				e.close()
			}
			e.j.Raw(b.Raw)
		default:
			e.message(t.Role)
			e.part(b, t.Role == neutral.Assistant)
		}
	}
	e.close()
}

// isPart reports whether an unknown thing stood inside a message, and not beside one.
func isPart(typ string) bool { return strings.HasPrefix(typ, "input_") || typ == "" }

// message begins a message, unless one is being written.
func (e *asker) message(role neutral.Role) {
	if e.open {
		return
	}
	e.open = true
	name := [...]string{neutral.User: "user", neutral.Assistant: "assistant", neutral.System: "developer"}[role]
	e.j.Open().Member("type", "message").Member("role", name).Key("content").List()
}

func (e *asker) close() {
	if e.open {
		e.open = false
		e.j.End().Close()
	}
}

// part writes one part of a message or of a tool's result.
func (e *asker) part(b *neutral.Block, said bool) {
	switch b.Kind {
	case neutral.KindText:
		e.words(b.Text, said, b.Citations...)
	case neutral.KindRefusal:
		if !said {
			e.words(b.Text, false)
			return
		}
		e.j.Open().Member("type", "refusal").Member("refusal", b.Text).Close()
	case neutral.KindImage:
		if said {
			e.n.Drop("an image of the assistant", "its messages hold words only")
			return
		}
		e.image(b)
	case neutral.KindDocument:
		e.document(b)
	case neutral.KindAudio:
		e.n.Use(neutral.FeatureAudio, "audio")
	case neutral.KindVideo:
		e.n.Use(neutral.FeatureVideo, "video")
	}
}

func (e *asker) words(s string, said bool, cited ...neutral.Citation) {
	if !said {
		e.j.Open().Member("type", "input_text").Member("text", s).Close()
		return
	}
	e.j.Open().Member("type", "output_text").Member("text", s)
	if len(cited) > 0 {
		e.j.Key("annotations").List()
		for i := range cited {
			writeCitation(&e.j, &cited[i])
		}
		e.j.End()
	}
	e.j.Close()
}

func (e *asker) image(b *neutral.Block) {
	switch {
	case b.FileID != "":
		if e.r.From != own && !e.n.Use(neutral.FeatureFile, "image") {
			return
		}
		e.j.Open().Member("type", "input_image").Member("file_id", b.FileID)
	case b.URL != "":
		if !e.n.Use(neutral.FeatureImageURL, "image") {
			return
		}
		e.j.Open().Member("type", "input_image").Member("image_url", b.URL)
	default:
		if !e.n.Use(neutral.FeatureImageData, "image") {
			return
		}
		e.j.Open().Member("type", "input_image").Key("image_url")
		e.j.DataURL(imageType(b), b.Data)
	}
	detail := b.Detail
	if detail == "" {
		detail = "auto" // the SDKs' types want it
	}
	e.j.Member("detail", detail).Close()
}

// imageType is an image's media type; where nobody said it, its first bytes do.
func imageType(b *neutral.Block) string {
	if b.MediaType != "" {
		return b.MediaType
	}
	if typ := neutral.SniffImage(b.Data); typ != "" {
		return typ
	}
	return "image/png"
}

func (e *asker) document(b *neutral.Block) {
	if b.Cite {
		e.n.Use(neutral.FeatureCitations, "citations of a document")
	}
	if b.Context != "" {
		e.words(b.Context, false)
	}
	if words, ok := neutral.PlainText(b); ok && e.r.From != own {
		// Not every server of this dialect takes files that are no PDF.
		if b.Title != "" {
			words = b.Title + ":\n" + words
		}
		e.words(words, false)
		return
	}
	switch {
	case b.FileID != "":
		if e.r.From != own && !e.n.Use(neutral.FeatureFile, "document") {
			return
		}
		e.j.Open().Member("type", "input_file").Member("file_id", b.FileID)
	case b.URL != "":
		if !e.n.Use(neutral.FeatureDocumentURL, "document") {
			return
		}
		e.j.Open().Member("type", "input_file").Member("file_url", b.URL)
		if b.Title != "" {
			e.j.Member("filename", b.Title)
		}
	default:
		if !e.n.Use(neutral.FeatureDocumentData, "document") {
			return
		}
		mediaType := b.MediaType
		if mediaType == "" {
			mediaType = neutral.MediaTypeOf(b.Title)
		}
		name := b.Title
		if name == "" {
			name = "document"
		}
		if e.r.From != own && path.Ext(name) == "" || b.Title == "" { // the API wants one, and goes by its ending
			name += neutral.EndingOf(mediaType)
		}
		e.j.Open().Member("type", "input_file").Member("filename", name).Key("file_data")
		e.j.DataURL(mediaType, b.Data)
	}
	e.j.Close()
}

// maxCallID is how long a call's id may be: longer ones are a 400 "string too long".
const maxCallID = 64

func callID(id string) string {
	if len(id) > maxCallID {
		return "call_" + digest(id, 16)
	}
	return id
}

// call writes a call of a tool. The item's own id is left out: the API looks for it among what
// it stored, and nothing is.
func (e *asker) call(b *neutral.Block) {
	if b.Signature != "" && foreign(b.Origin) {
		e.n.Use(neutral.FeatureForeignReasoning, "signature of a call")
	}
	if b.Custom {
		e.customs[b.ID] = true
		e.j.Open().Member("type", "custom_tool_call").Member("call_id", callID(b.ID))
		e.names.write(&e.j, b.Name)
		e.j.Member("input", b.Text).Close()
		return
	}
	e.j.Open().Member("type", "function_call").Member("call_id", callID(b.ID))
	e.names.write(&e.j, b.Name)
	args := b.Args
	if len(args) == 0 {
		args = []byte("{}")
	}
	e.j.Member("arguments", string(args)).Close()
}

// failedMark begins the result of a tool that failed, which the API has no member for.
const failedMark = "[the tool failed]\n"

func (e *asker) result(b *neutral.Block) {
	typ := "function_call_output"
	if b.Custom || e.r.From != own && e.customs[b.ID] { // other dialects do not say it of a result
		typ = "custom_tool_call_output"
	}
	e.j.Open().Member("type", typ).Member("call_id", callID(b.ID)).Key("output")
	mark := ""
	if b.Failed && e.n.Use(neutral.FeatureToolResultError, "a failed tool's result") {
		mark = failedMark
	}
	switch c := b.Content; {
	case len(c) == 0:
		e.j.String(mark)
	case len(c) == 1 && c[0].Kind == neutral.KindText:
		e.marked(&c[0])
		e.j.String(mark + c[0].Text)
	default:
		e.j.List()
		if mark != "" {
			e.words(strings.TrimSpace(mark), false)
		}
		for i := range c {
			e.marked(&c[i])
			if c[i].Kind == neutral.KindOpaque {
				if foreign(c[i].Origin) {
					e.n.Use(neutral.FeatureOpaque, c[i].Type)
				} else {
					e.j.Raw(c[i].Raw)
				}
				continue
			}
			e.part(&c[i], false)
		}
		e.j.End()
	}
	e.j.Close()
}

// thought writes a reasoning item. Its id is left out, for the same reason as a call's: what is
// encrypted says all. Reasoning that nothing follows is refused by the API ("provided without its
// required following item") and is worth nothing.
func (e *asker) thought(b *neutral.Block, rest []neutral.Block, after []neutral.Turn) {
	_, signature, ok := neutral.SignatureFor(own, b)
	if !ok {
		e.n.Use(neutral.FeatureForeignReasoning, "reasoning")
		return
	}
	if !e.n.Use(neutral.FeatureReasoningReplay, "reasoning") {
		return
	}
	if !followed(rest, after) {
		e.n.Drop("reasoning", "nothing that the assistant said follows it")
		return
	}
	e.j.Open().Member("type", "reasoning")
	writeSummary(&e.j, b.Text)
	e.j.Member("encrypted_content", signature).Close()
}

func writeSummary(j *neutral.JSON, text string) {
	j.Key("summary").List()
	if text != "" {
		j.Open().Member("type", "summary_text").Member("text", text).Close()
	}
	j.End()
}

// followed reports whether the assistant goes on with words or calls.
func followed(rest []neutral.Block, after []neutral.Turn) bool {
	for {
		for i := range rest {
			switch rest[i].Kind {
			case neutral.KindReasoning:
			case neutral.KindOpaque:
				if !foreign(rest[i].Origin) {
					return true
				}
			default:
				return true
			}
		}
		if len(after) == 0 || after[0].Role != neutral.Assistant {
			return false
		}
		rest, after = after[0].Blocks, after[1:]
	}
}
