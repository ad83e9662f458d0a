package openai

import (
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// messages writes the conversation. Texts are joined to one string where nothing else
// stands between them: some servers of other makers know no lists of parts.
func (e *requestEncoder) messages() {
	r := e.r
	e.Key("messages").List()
	for i := range r.System {
		if r.System[i].Kind != neutral.KindText && r.System[i].Kind != neutral.KindRefusal {
			e.n.Drop("system", "instructions are text here")
		}
	}
	if words := neutral.Words(r.System, "\n\n"); words != "" {
		e.Open().Member("role", "system").Member("content", words).Close()
	}
	turns := r.Turns
	if !e.from {
		turns = neutral.Pair(neutral.Merge(turns), e.n)
	}
	e.marks()
	for i := range turns {
		switch t := &turns[i]; t.Role {
		case neutral.User:
			e.user(t)
		case neutral.Assistant:
			e.assistant(t)
		default:
			if words := neutral.Words(t.Blocks, "\n\n"); words != "" && e.n.Use(neutral.FeatureMidSystem, "messages") {
				e.Open().Member("role", "system").Member("content", words).Close()
			}
		}
	}
	e.End()
	if n := len(turns); n > 0 && turns[n-1].Role == neutral.Assistant && continues(r.From) {
		e.n.Use(neutral.FeaturePrefill, "messages")
	}
}

// marks notes that parts of the prompt are marked to be cached.
func (e *requestEncoder) marks() {
	marked := func(b neutral.Block) bool { return b.Cache != neutral.CacheNone }
	for i := range e.r.Turns {
		if slices.ContainsFunc(e.r.Turns[i].Blocks, marked) {
			e.n.Use(neutral.FeatureCacheControl, "cache_control")
			return
		}
	}
	if slices.ContainsFunc(e.r.System, marked) {
		e.n.Use(neutral.FeatureCacheControl, "cache_control")
	}
}

// user writes a turn of the user: the results of tools first, each as a message of its own, then
// what the user says. Images among the results, which a tool's message cannot hold, go with the latter.
func (e *requestEncoder) user(t *neutral.Turn) {
	var rest []neutral.Block
	results := false
	for i := range t.Blocks {
		if b := &t.Blocks[i]; b.Kind == neutral.KindToolResult {
			results = true
			rest = append(rest, e.result(b)...)
		}
	}
	if !results {
		rest = t.Blocks
	} else {
		for _, b := range t.Blocks {
			if b.Kind != neutral.KindToolResult {
				rest = append(rest, b)
			}
		}
	}
	rest = e.sift(rest)
	if len(rest) == 0 && (results || !e.from) {
		return
	}
	e.Open().Member("role", "user")
	if t.Name != "" {
		e.Member("name", t.Name)
	}
	e.Key("content")
	if !slices.ContainsFunc(rest, func(b neutral.Block) bool { return b.Kind != neutral.KindText && b.Kind != neutral.KindRefusal }) {
		e.String(neutral.Words(rest, "\n\n"))
	} else {
		e.List()
		for i := range rest {
			e.part(&rest[i])
		}
		e.End()
	}
	e.Close()
}

// result writes a tool's result and gives back what its message cannot hold.
func (e *requestEncoder) result(b *neutral.Block) (rest []neutral.Block) {
	content := e.sift(b.Content)
	for _, c := range content {
		if c.Kind != neutral.KindText && c.Kind != neutral.KindRefusal {
			rest = append(rest, c)
		}
	}
	words := neutral.Words(content, "\n\n")
	if b.Failed {
		words = failed(words)
	}
	if len(rest) > 0 {
		if !e.n.Use(neutral.FeatureToolResultImage, "messages") {
			rest = nil
		} else {
			rest = append([]neutral.Block{{Kind: neutral.KindText, Text: "Part of the result of " + b.ID + ":"}}, rest...)
			if words == "" {
				words = "(The result follows in the user's message.)"
			}
		}
	}
	e.Open().Member("role", "tool").Member("tool_call_id", b.ID).Member("content", words).Close()
	return rest
}

// failed marks the text of a failed result, unless it says so itself.
func failed(words string) string {
	if strings.Contains(strings.ToLower(words[:min(len(words), 32)]), "error") {
		return words
	}
	return strings.TrimSpace("Error: " + words)
}

// sift leaves out what does not go to this provider, and makes texts of documents that are.
func (e *requestEncoder) sift(blocks []neutral.Block) []neutral.Block {
	out := make([]neutral.Block, 0, len(blocks))
	for _, b := range blocks {
		if e.goes(&b) {
			out = append(out, b)
		}
	}
	return out
}

func (e *requestEncoder) goes(b *neutral.Block) bool {
	const param = "messages"
	if b.FileID != "" && !e.from {
		return e.n.Use(neutral.FeatureFile, param)
	}
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		return b.Text != ""
	case neutral.KindImage:
		if b.URL != "" {
			return e.n.Use(neutral.FeatureImageURL, param)
		}
		return e.n.Use(neutral.FeatureImageData, param)
	case neutral.KindDocument:
		return e.document(b, param)
	case neutral.KindAudio:
		if audioFormat(b.MediaType) == "" && !e.from {
			e.n.Refuse(param, "sound is WAV or MP3, and stands in the request itself")
			return false
		}
		return e.n.Use(neutral.FeatureAudio, param)
	case neutral.KindVideo:
		return e.from || e.n.Use(neutral.FeatureVideo, param)
	case neutral.KindReasoning:
		e.n.Use(neutral.FeatureForeignReasoning, param)
		return false
	}
	return b.Origin == own || e.n.Use(neutral.FeatureOpaque, param)
}

func (e *requestEncoder) document(b *neutral.Block, param string) bool {
	if b.URL != "" {
		return e.n.Use(neutral.FeatureDocumentURL, param)
	}
	if b.Cite {
		e.n.Use(neutral.FeatureCitations, "documents")
	}
	if words, ok := neutral.PlainText(b); ok {
		head := "<document"
		if b.Title != "" {
			head += ` title="` + b.Title + `"`
		}
		if b.Context != "" {
			head += ` context="` + b.Context + `"`
		}
		*b = neutral.Block{Kind: neutral.KindText, Text: head + ">\n" + words + "\n</document>"}
		return true
	}
	return b.FileID != "" || e.n.Use(neutral.FeatureDocumentData, param)
}

// part writes one part of a user's content.
func (e *requestEncoder) part(b *neutral.Block) {
	e.Open()
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		e.Member("type", "text").Member("text", b.Text)
	case neutral.KindImage, neutral.KindVideo:
		typ := "image_url"
		if b.Kind == neutral.KindVideo {
			typ = "video_url"
		}
		e.Member("type", typ).Key(typ).Open().Key("url")
		if b.URL != "" {
			e.String(b.URL)
		} else {
			mediaType := b.MediaType
			if mediaType == "" {
				mediaType = neutral.SniffImage(b.Data)
			}
			e.dataURL(mediaType, "image/jpeg", b.Data)
		}
		if b.Detail != "" {
			e.Member("detail", b.Detail)
		}
		e.Close()
	case neutral.KindDocument:
		e.Member("type", "file").Key("file").Open()
		switch {
		case b.FileID != "":
			e.Member("file_id", b.FileID)
		default:
			name := b.Title
			if name == "" {
				name = "document.pdf" // it has to have one
			}
			e.Member("filename", name).Key("file_data")
			e.dataURL(b.MediaType, "application/pdf", b.Data)
		}
		e.Close()
	case neutral.KindAudio:
		e.Member("type", "input_audio").Key("input_audio").Open().Key("data").Text(b.Data)
		e.Member("format", audioFormat(b.MediaType)).Close()
	default: // a part of this dialect
		e.B = append(e.B[:len(e.B)-1], b.Raw...)
		return
	}
	e.Close()
}

func (e *requestEncoder) dataURL(mediaType, otherwise string, data []byte) {
	if mediaType == "" {
		mediaType = otherwise
	}
	e.String("data:" + mediaType + ";base64,")
	e.B = append(append(e.B[:len(e.B)-1], data...), '"')
}

// assistant writes what the model said: words, reasoning that its maker wants back, calls.
func (e *requestEncoder) assistant(t *neutral.Turn) {
	var calls []*neutral.Block
	var words, refused, thoughts strings.Builder
	member, sound := "", ""
	for i := range t.Blocks {
		switch b := &t.Blocks[i]; b.Kind {
		case neutral.KindText:
			join(&words, b.Text, "\n\n")
			if len(b.Citations) > 0 && !e.from {
				e.n.Use(neutral.FeatureCitations, "messages")
			}
		case neutral.KindRefusal:
			join(&refused, b.Text, "\n\n")
		case neutral.KindReasoning:
			_, signature, ok := neutral.SignatureFor(own, b)
			if !ok || signature != reasoningContent && signature != reasoningMember || e.f.known() && !e.from {
				e.n.Use(neutral.FeatureForeignReasoning, "messages")
				continue
			}
			if e.n.Use(neutral.FeatureReasoningReplay, "messages") {
				member = signature
				join(&thoughts, b.Text, "\n\n")
			}
		case neutral.KindToolUse:
			if b.Signature != "" && !e.from && (e.f.known() || geminiSignature(b.Signature, b.Origin) == "") {
				e.n.Use(neutral.FeatureForeignReasoning, "messages")
				unsigned := *b
				unsigned.Signature = ""
				b = &unsigned
			}
			calls = append(calls, b)
		case neutral.KindAudio:
			if e.from && b.FileID != "" {
				sound = b.FileID
				continue
			}
			e.n.Drop("messages", "sound by the assistant cannot be sent back")
		case neutral.KindOpaque:
			e.n.Use(neutral.FeatureOpaque, "messages")
		default:
			e.n.Drop("messages", "only text by the assistant can be sent back")
		}
	}
	if words.Len() == 0 && refused.Len() == 0 && thoughts.Len() == 0 && len(calls) == 0 && sound == "" && !e.from {
		return
	}
	e.Open().Member("role", "assistant")
	if t.Name != "" {
		e.Member("name", t.Name)
	}
	e.Key("content")
	if words.Len() > 0 || len(calls) == 0 && refused.Len() == 0 && sound == "" {
		e.String(words.String())
	} else {
		e.Null()
	}
	if refused.Len() > 0 {
		e.Member("refusal", refused.String())
	}
	if thoughts.Len() > 0 {
		e.Member(member, thoughts.String())
	}
	if sound != "" {
		e.Key("audio").Open().Member("id", sound).Close()
	}
	if len(calls) > 0 {
		e.Key("tool_calls").List()
		for _, b := range calls {
			if b.Custom && e.custom[b.Name] {
				b = &neutral.Block{ID: b.ID, Name: b.Name, Args: neutral.WrapInput(b.Text), Signature: b.Signature, Origin: b.Origin}
			}
			appendCall(&e.JSON, b, b.ID)
		}
		e.End()
	}
	e.Close()
}

func join(to *strings.Builder, words, between string) {
	if words == "" {
		return
	}
	if to.Len() > 0 {
		to.WriteString(between)
	}
	to.WriteString(words)
}

// tools writes the tools that go to the provider, and which of them are to be called.
func (e *requestEncoder) tools() {
	r := e.r
	allowed := r.Choice.Mode == neutral.ChoiceAllow
	// OpenAI's own models know allowed_tools; for others the rest is left out.
	leave := allowed && !e.from && !e.f.known()
	var tools []*neutral.Tool
	foreign := 0
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case t.Server() && t.Origin != own:
			foreign++
		case leave && !slices.Contains(r.Choice.Names, t.Name):
		default:
			tools = append(tools, t)
		}
	}
	if leave {
		e.n.Adapt("tool_choice", "the tools that are not allowed are left out")
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case !t.Server() || t.Origin == own:
		case foreign == len(r.Tools):
			e.n.Refuse("tools", "only its own provider runs the tool "+t.Name)
		default:
			e.n.Use(neutral.FeatureServerTool, "tools."+t.Name)
		}
	}
	if len(tools) == 0 {
		return
	}
	if i := slices.IndexFunc(tools, searchOptions); i >= 0 {
		e.MemberRaw("web_search_options", tools[i].Raw)
		if tools = slices.Delete(tools, i, i+1); len(tools) == 0 {
			return
		}
	}
	e.Key("tools").List()
	for _, t := range tools {
		e.tool(t)
	}
	e.End()
	e.toolChoice(leave)
	if p := r.Parallel; p != nil && e.n.Use(neutral.FeatureParallel, "parallel_tool_calls") {
		e.Key("parallel_tool_calls").Bool(*p)
	}
}

// searchOptions recognises what the decoder makes of web_search_options.
func searchOptions(t *neutral.Tool) bool {
	return t.Server() && len(dialect.Member(t.Raw, "type")) == 0
}

func (e *requestEncoder) tool(t *neutral.Tool) {
	if t.Server() {
		e.Raw(t.Raw)
		return
	}
	custom := t.Custom && !e.custom[t.Name]
	typ := "function"
	if custom {
		typ = "custom"
	}
	e.Open().Member("type", typ).Key(typ).Open().Member("name", t.Name)
	if t.Description != "" {
		e.Member("description", t.Description)
	}
	switch {
	case custom && len(t.Schema) > 0:
		e.grammar(t.Schema)
	case custom:
	case t.Custom:
		e.n.Adapt("tools."+t.Name, "it stands as a function with one text, its grammar is left out")
		e.MemberRaw("parameters", []byte(neutral.CustomSchema))
	default:
		e.MemberRaw("parameters", t.Schema)
	}
	if t.Strict != nil && !custom && e.n.Use(neutral.FeatureToolStrict, "tools.strict") {
		e.Key("strict").Bool(*t.Strict)
	}
	for _, m := range t.Extra {
		if e.from {
			e.MemberRaw(m.Name, m.Raw)
		} else {
			e.n.Use(neutral.FeatureUnknown, "tools."+m.Name)
		}
	}
	e.Close().Close()
}

// grammar is the reverse of flatGrammar.
func (e *requestEncoder) grammar(format []byte) {
	definition := dialect.Member(format, "definition")
	e.Key("format")
	if len(definition) == 0 {
		e.Raw(format)
		return
	}
	e.Open().Member("type", "grammar").Key("grammar").Open()
	e.MemberRaw("syntax", dialect.Member(format, "syntax")).MemberRaw("definition", definition).Close().Close()
}

func (e *requestEncoder) toolChoice(left bool) {
	c := e.r.Choice
	mode := func(must bool) string {
		if must {
			return "required"
		}
		return "auto"
	}
	switch c.Mode {
	case neutral.ChoiceUnset:
	case neutral.ChoiceAuto:
		e.Member("tool_choice", "auto")
	case neutral.ChoiceNone:
		e.Member("tool_choice", "none")
	case neutral.ChoiceAny:
		e.Member("tool_choice", "required")
	case neutral.ChoiceNamed:
		if len(c.Names) > 0 {
			e.Key("tool_choice")
			e.named(c.Names[0])
		}
	case neutral.ChoiceAllow:
		if left {
			e.Member("tool_choice", mode(c.Must))
			return
		}
		e.n.Use(neutral.FeatureToolChoiceAllowed, "tool_choice")
		e.Key("tool_choice").Open().Member("type", "allowed_tools").Key("allowed_tools").Open().Member("mode", mode(c.Must))
		e.Key("tools").List()
		for _, name := range c.Names {
			e.named(name)
		}
		e.End().Close().Close()
	}
}

func (e *requestEncoder) named(name string) {
	typ := "function"
	for i := range e.r.Tools {
		if t := &e.r.Tools[i]; t.Custom && t.Name == name && !e.custom[name] {
			typ = "custom"
		}
	}
	e.Open().Member("type", typ).Key(typ).Open().Member("name", name).Close().Close()
}
