package openai

import (
	"slices"
	"strings"

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
	words := neutral.Words(r.System, "\n\n")
	if r.Format.Mode == neutral.FormatJSON && !e.from && !neutral.SaysJSON(r) {
		e.n.Adapt("response_format", "JSON mode wants to be asked for in words as well: an instruction says so")
		words = strings.TrimPrefix(words+"\n\n"+neutral.JSONInstruction, "\n\n")
	}
	if words != "" {
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

// errorMark begins the text of a failed result, because the message has no member that says so.
const errorMark = "Error:"

// failed marks the text of a failed result, unless it begins with the mark already. That the word stands anywhere else says
// nothing: "0 errors, then killed".
func failed(words string) string {
	if len(words) >= len(errorMark) && strings.EqualFold(words[:len(errorMark)], errorMark) {
		return words
	}
	return strings.TrimSpace(errorMark + " " + words)
}

// assistant writes what the model said: words, reasoning that its maker wants back, calls.
func (e *requestEncoder) assistant(t *neutral.Turn) {
	var calls []*neutral.Block
	var words, refused, thoughts strings.Builder
	member, sound, signature, before := "", "", "", ""
	for i := range t.Blocks {
		switch b := &t.Blocks[i]; b.Kind {
		case neutral.KindText:
			join(&words, b.Text)
			if len(b.Citations) > 0 && !e.from {
				e.n.Use(neutral.FeatureCitations, "messages")
			}
		case neutral.KindRefusal:
			join(&refused, b.Text)
		case neutral.KindReasoning:
			if s := geminiSignature(b.Signature, b.Origin); s != "" && !e.f.known() {
				signature = s // of the call that follows, as a client of another dialect keeps it
				continue
			}
			name, ok := e.replayed(b)
			if !ok && b.Signature == "" {
				before += b.Text // clients of Gemini's dialect keep the signature in a part after the words
			}
			if !ok {
				e.n.Use(neutral.FeatureForeignReasoning, "messages")
				continue
			}
			if e.n.Use(neutral.FeatureReasoningReplay, "messages") {
				member = name
				join(&thoughts, before)
				join(&thoughts, b.Text)
			}
			before = ""
		case neutral.KindToolUse:
			b, signature = e.signed(b, signature), ""
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

// replayed gives the member in which a server wants the reasoning back that it has shown. OpenAI
// shows none, and does not know such members.
func (e *requestEncoder) replayed(b *neutral.Block) (member string, ok bool) {
	_, member, ok = neutral.SignatureFor(own, b)
	return member, ok && (member == reasoningContent || member == reasoningMember) && (e.from || !e.f.known())
}

// signed gives a call with the signature that goes to this provider: its own, or the one that
// stood in front of it.
func (e *requestEncoder) signed(b *neutral.Block, before string) *neutral.Block {
	if b.Signature == "" && before == "" {
		return b
	}
	out := *b
	if out.Signature == "" {
		out.Signature, out.Origin = before, gemini
	}
	if !e.from && (e.f.known() || geminiSignature(out.Signature, out.Origin) == "") {
		e.n.Use(neutral.FeatureForeignReasoning, "messages")
		out.Signature = ""
	}
	return &out
}

// join appends a paragraph.
func join(to *strings.Builder, words string) {
	if words == "" {
		return
	}
	if to.Len() > 0 {
		to.WriteString("\n\n")
	}
	to.WriteString(words)
}
