package gemini

import (
	"path"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// noSignature stands for the signature of a call that the model did not make itself: Google documents it for
// histories of other models (Gemini API, thought signatures, FAQ; Gemini CLI 0.61.0 sends it, geminiChat.js). Without
// one Gemini 3 refuses the first call of a step with 400 (langgenius/dify#29187).
const noSignature = "skip_thought_signature_validator"

// lostResult is the response to a call whose result the caller does not send; the API wants as many as there were
// calls ("Please ensure that the number of function response parts is equal to the number of function call parts").
const lostResult = "no result was recorded"

// contents writes the conversation. Turns of the same side become one content; what the caller put beside the
// results of functions comes after them, because a content that answers calls has to begin with that.
func (e *encoding) contents() {
	turns := e.turns()
	e.j.Key("contents").List()
	var asked []*neutral.Block // calls of the content before
	for i := range turns {
		asked = e.content(&turns[i], asked, i == 0)
	}
	if len(turns) > 0 && turns[len(turns)-1].Role == neutral.Assistant && asked == nil && e.r.From != own {
		e.n.Use(neutral.FeaturePrefill, "messages")
	}
	e.j.End()
}

// turns are the request's with only two sides: instructions amid the conversation become the user's text. A
// conversation of nothing but instructions is asked as if the user had said them.
func (e *encoding) turns() []neutral.Turn {
	turns := e.r.Turns
	for i := range turns {
		if turns[i].Role != neutral.System {
			continue
		}
		own := make([]neutral.Turn, len(turns))
		copy(own, turns)
		for k := range own {
			if own[k].Role == neutral.System {
				own[k] = e.asUser(&own[k])
			}
		}
		turns = own
		break
	}
	if len(turns) == 0 && len(e.r.System) > 0 {
		turns = []neutral.Turn{{Blocks: e.r.System}}
	}
	said := turns[:0:0]
	for i := range turns {
		if turns[i].Name != "" && e.r.From != own {
			e.n.Use(neutral.FeatureUnknown, "messages.name")
		}
		// A content needs parts; one left out between two of the model's would part them for nothing.
		if slices.ContainsFunc(turns[i].Blocks, says) {
			said = append(said, turns[i])
			continue
		}
		for k := range turns[i].Blocks {
			if b := &turns[i].Blocks[k]; b.Kind == neutral.KindReasoning { // for the warning
				e.reasoning(b)
			} else if b.Kind == neutral.KindOpaque {
				e.n.Use(neutral.FeatureOpaque, b.Type)
			}
		}
	}
	return neutral.Merge(said)
}

// says reports whether a block will be written at all.
func says(b neutral.Block) bool {
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		return b.Text != ""
	case neutral.KindReasoning:
		_, _, ok := neutral.SignatureFor(own, &b)
		return ok
	case neutral.KindOpaque:
		return b.Origin == own
	case neutral.KindImage, neutral.KindDocument, neutral.KindAudio, neutral.KindVideo:
		return b.URL != "" || b.FileID != "" || len(b.Data) > 0 || b.Text != "" || b.Context != ""
	case neutral.KindToolUse, neutral.KindToolResult:
	}
	return true
}

func (e *encoding) asUser(t *neutral.Turn) neutral.Turn {
	e.n.Use(neutral.FeatureMidSystem, "messages")
	out := neutral.Turn{Role: neutral.User}
	for _, b := range t.Blocks {
		if b.Kind == neutral.KindText {
			b.Text = "<system>\n" + b.Text + "\n</system>"
		}
		out.Blocks = append(out.Blocks, b)
	}
	return out
}

// content writes one turn, unless there is nothing in it, and gives the calls that the next has to answer. asked
// are those that this one has to.
func (e *encoding) content(t *neutral.Turn, asked []*neutral.Block, first bool) (calls []*neutral.Block) {
	if t.Role == neutral.Assistant {
		for i := range t.Blocks {
			if t.Blocks[i].Kind == neutral.KindToolUse {
				calls = append(calls, &t.Blocks[i])
			}
		}
		if first && calls != nil {
			// "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
			e.j.Open().Member("role", "user").Key("parts").List().Open().Member("text", "Continue.").Close().End().Close()
		}
	}
	before := len(e.j.B)
	role := "user"
	if t.Role == neutral.Assistant {
		role = "model"
	}
	e.j.Open().Member("role", role).Key("parts").List()
	empty := len(e.j.B)
	if t.Role == neutral.Assistant {
		e.said(t.Blocks)
	} else {
		e.heard(t.Blocks, asked)
	}
	if len(e.j.B) == empty {
		e.j.B = e.j.B[:before]
		return calls
	}
	e.j.End().Close()
	return calls
}

// heard writes the user's side: first a response to each call, in their order, then everything else.
func (e *encoding) heard(blocks []neutral.Block, asked []*neutral.Block) {
	used := make([]bool, len(blocks))
	results := map[string][]int{}
	for i := range blocks {
		if b := &blocks[i]; b.Kind == neutral.KindToolResult && len(asked) > 0 {
			results[b.ID] = append(results[b.ID], i)
		}
	}
	for _, c := range asked {
		if own := results[c.ID]; len(own) > 0 {
			used[own[0]] = true
			results[c.ID] = own[1:]
			e.response(&blocks[own[0]], c.Name)
		} else {
			e.response(&neutral.Block{ID: c.ID, Failed: true, Content: []neutral.Block{{Text: lostResult}}}, c.Name)
		}
	}
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Kind != neutral.KindToolResult:
			e.block(b)
		case !used[i]: // of a call that is not there: what it says is kept, as text
			name := b.Name
			if name == "" {
				name = "a function"
			}
			e.j.Open().Member("text", "Result of "+name+": "+words(b.Content)).Close()
		}
		if used[i] && !e.family.levels {
			e.attachments(b.Content)
		}
		if b.Cache != neutral.CacheNone {
			e.cacheMark()
		}
	}
}

// words is the text of blocks.
func words(blocks []neutral.Block) string {
	var out []string
	for i := range blocks {
		if blocks[i].Text != "" {
			out = append(out, blocks[i].Text)
		}
	}
	return strings.Join(out, "\n")
}

// response writes a functionResponse: the result under output, or under error (API reference, FunctionResponse). What
// is no text goes inside from Gemini 3 on and beside it before (Gemini API, function calling, multimodal responses).
func (e *encoding) response(b *neutral.Block, name string) {
	key := "output"
	if b.Failed && e.n.Use(neutral.FeatureToolResultError, "tool result") {
		key = "error"
	}
	e.j.Open().Key("functionResponse").Open()
	if b.ID != "" {
		e.j.Member("id", b.ID)
	}
	e.j.Member("name", name).Key("response").Open().Member(key, words(b.Content)).Close()
	if e.family.levels {
		before := len(e.j.B)
		e.j.Key("parts").List()
		empty := len(e.j.B)
		e.attachments(b.Content)
		if len(e.j.B) == empty {
			e.j.B = e.j.B[:before]
		} else {
			e.j.End()
		}
	}
	e.j.Close().Close()
}

// attachments writes what of a result is no text.
func (e *encoding) attachments(content []neutral.Block) {
	for i := range content {
		b := content[i]
		if b.Context, b.Title = "", ""; b.URL == "" && b.FileID == "" && len(b.Data) == 0 {
			continue // text, which stands in the response
		}
		if e.n.Use(neutral.FeatureToolResultImage, "tool result") {
			e.media(&b)
		}
	}
}

// said writes the model's side. Signatures of reasoning that is not shown go to the part that follows them: that is
// where this dialect has them.
func (e *encoding) said(blocks []neutral.Block) {
	pending := "" // a signature without a part of its own
	signed := false
	for i := range blocks {
		b := &blocks[i]
		switch b.Kind {
		case neutral.KindReasoning:
			e.pending(&pending)
			pending = e.reasoning(b)
		case neutral.KindToolUse:
			e.call(b, pending, !signed)
			pending, signed = "", true
		case neutral.KindText, neutral.KindRefusal:
			if b.Text != "" {
				if len(b.Citations) > 0 && e.r.From != own {
					e.n.Use(neutral.FeatureCitations, "citations")
				}
				e.j.Open().Member("text", b.Text)
				e.signature(pending)
				e.j.Close()
				pending = ""
			}
		default:
			e.pending(&pending)
			e.block(b)
		}
		if b.Cache != neutral.CacheNone {
			e.cacheMark()
		}
	}
	e.pending(&pending)
}

// pending writes a signature that nothing followed, as the API itself does at an answer's end.
func (e *encoding) pending(signature *string) {
	if *signature != "" {
		e.j.Open().Member("text", "")
		e.signature(*signature)
		e.j.Close()
		*signature = ""
	}
}

func (e *encoding) signature(s string) {
	if s != "" {
		e.j.Member("thoughtSignature", s)
	}
}

// reasoning writes thoughts with their signature; one without thoughts is given back for the part that follows.
// Thoughts without a signature say nothing to the model, and Google's clients leave them out too.
func (e *encoding) reasoning(b *neutral.Block) (pending string) {
	_, signature, ok := neutral.SignatureFor(own, b)
	switch {
	case !ok:
		if b.Signature != "" || b.Origin != own {
			e.n.Use(neutral.FeatureForeignReasoning, "reasoning")
		}
		return ""
	case b.Text == "":
		return signature
	}
	e.j.Open().Member("text", b.Text).Key("thought").Bool(true)
	e.signature(signature)
	e.j.Close()
	return ""
}

// call writes a functionCall. The first one of a step has to be signed.
func (e *encoding) call(b *neutral.Block, pending string, first bool) {
	_, signature, ok := neutral.SignatureFor(own, b)
	if !ok {
		signature = pending
	}
	if signature == "" && first && e.family.levels && e.r.From != own {
		signature = noSignature
	}
	e.j.Open().Key("functionCall").Open()
	if b.ID != "" {
		e.j.Member("id", b.ID)
	}
	e.j.Member("name", b.Name).Key("args")
	switch {
	case b.Custom:
		e.j.Open().Member("input", b.Text).Close()
	case dialect.IsNull(b.Args):
		e.j.Open().Close()
	default: // a client's history may hold what a model cut off, which is no JSON
		e.j.Raw(arguments(string(b.Args), false))
	}
	e.j.Close()
	e.signature(signature)
	e.j.Close()
}

// block writes what either side can say.
func (e *encoding) block(b *neutral.Block) {
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		if b.Text != "" {
			e.j.Open().Member("text", b.Text).Close()
		}
	case neutral.KindImage, neutral.KindDocument, neutral.KindAudio, neutral.KindVideo:
		e.media(b)
	case neutral.KindOpaque:
		if b.Origin == own {
			e.j.Raw(b.Raw)
		} else {
			e.n.Use(neutral.FeatureOpaque, b.Type)
		}
	case neutral.KindReasoning, neutral.KindToolUse, neutral.KindToolResult:
		e.n.Use(neutral.FeatureOpaque, "messages")
	}
}

// usualType is what a medium is taken for that does not say its type, which the API wants.
var usualType = map[neutral.Kind]string{
	neutral.KindImage: "image/jpeg", neutral.KindDocument: "application/pdf", neutral.KindAudio: "audio/wav", neutral.KindVideo: "video/mp4",
}

// types are those that a URL's ending tells.
var types = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".heic": "image/heic",
	".pdf": "application/pdf", ".txt": "text/plain", ".html": "text/html", ".csv": "text/csv",
	".mp3": "audio/mp3", ".wav": "audio/wav", ".ogg": "audio/ogg", ".mp4": "video/mp4", ".webm": "video/webm",
}

// mediaFeature says which feature a medium uses, by kind and by whether it is there or elsewhere.
func mediaFeature(b *neutral.Block) (f neutral.Feature, param string) {
	switch b.Kind {
	case neutral.KindAudio:
		return neutral.FeatureAudio, "audio"
	case neutral.KindVideo:
		return neutral.FeatureVideo, "video"
	case neutral.KindImage:
		if b.URL != "" {
			return neutral.FeatureImageURL, "image"
		}
		return neutral.FeatureImageData, "image"
	}
	if b.URL != "" {
		return neutral.FeatureDocumentURL, "document"
	}
	return neutral.FeatureDocumentData, "document"
}

func (e *encoding) media(b *neutral.Block) {
	if b.Cite {
		e.n.Use(neutral.FeatureCitations, "citations")
	}
	if b.Title != "" && b.Kind == neutral.KindDocument && e.r.From != own { // the conversation may speak of it by that name
		e.j.Open().Member("text", "Document \""+b.Title+"\":").Close()
	}
	if b.Context != "" {
		e.j.Open().Member("text", b.Context).Close()
	}
	f, param := mediaFeature(b)
	mime := b.MediaType
	switch {
	case b.FileID != "" && b.Origin == own:
		e.j.Open().Key("fileData").Open()
		if mime != "" {
			e.j.Member("mimeType", mime)
		}
		e.j.Member("fileUri", b.FileID).Close().Close()
	case b.FileID != "":
		e.n.Use(neutral.FeatureFile, param)
	case !e.n.Use(f, param):
	case b.URL != "":
		if mime == "" {
			u, _, _ := strings.Cut(b.URL, "?")
			mime = types[strings.ToLower(path.Ext(u))]
		}
		if mime == "" && e.r.From != own {
			mime = usualType[b.Kind]
		}
		e.j.Open().Key("fileData").Open()
		if mime != "" {
			e.j.Member("mimeType", mime)
		}
		e.j.Member("fileUri", b.URL).Close().Close()
	case len(b.Data) > 0:
		if mime == "" {
			mime = usualType[b.Kind]
		}
		e.j.Open().Key("inlineData").Open().Member("mimeType", mime).Key("data").Text(b.Data)
		if e.r.From == own && b.Title != "" {
			e.j.Member("displayName", b.Title)
		}
		e.j.Close().Close()
	case b.Text != "": // a document of plain text
		e.j.Open().Member("text", b.Text).Close()
	}
}
