package anthropic

import "turnout/internal/dialect/neutral"

// What Turnout says itself where the protocol wants somebody to say something.
const (
	beginning = "(The conversation begins.)"
	goOn      = "Continue."
)

// conversation makes turns of which the provider takes each: roles alternate and the user begins
// and ends, no text is blank, and each call is answered in the next turn, first thing.
func (e *requestEncoder) conversation() []neutral.Turn {
	turns := make([]neutral.Turn, 0, len(e.r.Turns))
	for i := range e.r.Turns {
		t := e.r.Turns[i]
		if t.Name != "" && !e.from {
			e.n.Use(neutral.FeatureUnknown, "messages.name")
		}
		if t.Role == neutral.System {
			if !e.from {
				t = e.midSystem(&t)
			}
		} else {
			t.Blocks = e.sift(t.Blocks, t.Role)
		}
		if len(t.Blocks) > 0 {
			turns = append(turns, t)
		}
	}
	if e.from {
		return turns
	}
	turns = neutral.Pair(neutral.Merge(turns), e.n)
	if len(turns) == 0 || turns[0].Role != neutral.User {
		e.n.Adapt("messages", "a user's turn is put in front, because the user has to begin here")
		turns = append([]neutral.Turn{{Blocks: []neutral.Block{{Kind: neutral.KindText, Text: beginning}}}}, turns...)
	}
	if last := &turns[len(turns)-1]; last.Role == neutral.Assistant && e.n.Use(neutral.FeaturePrefill, "messages") {
		turns = append(turns, neutral.Turn{Blocks: []neutral.Block{{Kind: neutral.KindText, Text: goOn}}})
	}
	if e.caches() {
		blocks := turns[len(turns)-1].Blocks // made by sift or here, not the caller's
		blocks[len(blocks)-1].Cache = neutral.Cache5m
	}
	return turns
}

// midSystem makes instructions amid the conversation a user's text, marked. Models since Opus
// 4.8 know a role for it, but only some of them, and only in certain places.
func (e *requestEncoder) midSystem(t *neutral.Turn) neutral.Turn {
	words := neutral.Words(t.Blocks, "\n\n")
	if blank(words) || !e.n.Use(neutral.FeatureMidSystem, "messages") {
		return neutral.Turn{}
	}
	return neutral.Turn{Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "<system>\n" + words + "\n</system>"}}}
}

// sift leaves out the blocks that do not go to this provider. The result is a new slice.
func (e *requestEncoder) sift(blocks []neutral.Block, role neutral.Role) []neutral.Block {
	out := make([]neutral.Block, 0, len(blocks))
	for _, b := range blocks {
		if e.goes(&b, role) {
			out = append(out, b)
		}
	}
	return out
}

func (e *requestEncoder) goes(b *neutral.Block, role neutral.Role) bool {
	const param = "messages"
	if len(b.Citations) > 0 && !e.from {
		e.n.Use(neutral.FeatureCitations, param)
		b.Citations = nil
	}
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		return e.from || !blank(b.Text)
	case neutral.KindReasoning:
		if _, _, ok := neutral.SignatureFor(own, b); !ok {
			e.n.Use(neutral.FeatureForeignReasoning, param)
			return false
		}
		return e.n.Use(neutral.FeatureReasoningReplay, param)
	case neutral.KindImage:
		if role == neutral.Assistant {
			e.n.Drop(param, "an image by the assistant cannot be sent back")
			return false
		}
		switch {
		case e.from:
		case b.FileID != "":
			return e.n.Use(neutral.FeatureFile, param)
		case b.URL != "":
			return e.n.Use(neutral.FeatureImageURL, param)
		}
		return e.n.Use(neutral.FeatureImageData, param)
	case neutral.KindDocument:
		return e.documentGoes(b, param)
	case neutral.KindAudio:
		return e.n.Use(neutral.FeatureAudio, param)
	case neutral.KindVideo:
		return e.n.Use(neutral.FeatureVideo, param)
	case neutral.KindToolUse:
		if b.Signature != "" {
			e.n.Use(neutral.FeatureForeignReasoning, param)
		}
		return true
	case neutral.KindToolResult:
		if !e.from {
			b.Content = e.sift(b.Content, neutral.User)
		}
		return true
	}
	return e.from || e.n.Use(neutral.FeatureOpaque, param)
}

func (e *requestEncoder) documentGoes(b *neutral.Block, param string) bool {
	switch {
	case e.from:
		return true
	case b.FileID != "":
		return e.n.Use(neutral.FeatureFile, param)
	case b.URL != "":
		return e.n.Use(neutral.FeatureDocumentURL, param)
	}
	if b.MediaType != "application/pdf" && b.MediaType != "" {
		if _, ok := neutral.PlainText(b); !ok {
			e.n.Refuse(param, "documents are PDF or text, not "+b.MediaType)
			return false
		}
	}
	return e.n.Use(neutral.FeatureDocumentData, param)
}
