package openai

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"turnout/internal/dialect/neutral"
)

// callID makes an id for a call that has none.
func callID(id string, s *neutral.Session, n int) string {
	if id == "" {
		return "call_" + s.RequestID + "_" + strconv.Itoa(n)
	}
	return id
}

// EncodeAnswer implements neutral.Codec. The protocol has one text, one refusal and a list of
// calls, so the order between them is lost. Another provider's signatures have no place, but for
// Gemini's on calls; what only another dialect knows is not shown.
func (Dialect) EncodeAnswer(a *neutral.Answer, s *neutral.Session) []byte {
	if s.Request != nil {
		if custom := neutral.CustomTools(s.Request); custom != nil {
			restored := *a
			restored.Blocks = append([]neutral.Block(nil), a.Blocks...)
			neutral.RestoreCustom(&restored, custom)
			a = &restored
		}
	}
	j := neutral.JSON{B: make([]byte, 0, 2<<10)}
	j.Open().Member("id", completionID(a.ID, s)).Member("object", "chat.completion").MemberInt("created", created(a.Created, s))
	j.Member("model", s.Model).Key("choices").List().Open().MemberInt("index", 0).Key("message").Open().Member("role", "assistant")
	tools, refused := appendMessage(&j, a.Blocks, s)
	j.Close().Key("logprobs").Null().Member("finish_reason", endReason(a.Finish, tools, refused, legacy(s))).Close().End()
	j.Key("usage")
	appendUsage(&j, &a.Usage)
	if a.Tier != "" {
		j.Member("service_tier", a.Tier)
	}
	return j.Close().B
}

func appendMessage(j *neutral.JSON, blocks []neutral.Block, s *neutral.Session) (tools, refuses bool) {
	var words, refused, thoughts strings.Builder
	for i := range blocks {
		switch b := &blocks[i]; b.Kind {
		case neutral.KindText:
			words.WriteString(b.Text)
		case neutral.KindRefusal:
			refused.WriteString(b.Text)
		case neutral.KindReasoning:
			join(&thoughts, b.Text)
		case neutral.KindToolUse:
			tools = true
		}
	}
	j.Key("content")
	if words.Len() > 0 || !tools && refused.Len() == 0 {
		j.String(words.String())
	} else {
		j.Null()
	}
	j.Key("refusal")
	if refused.Len() > 0 {
		j.String(refused.String())
	} else {
		j.Null()
	}
	if thoughts.Len() > 0 {
		j.Member(reasoningContent, thoughts.String())
	}
	appendAnnotations(j, blocks)
	switch {
	case tools && legacy(s):
		appendFunctionCall(j, blocks)
	case tools:
		j.Key("tool_calls").List()
		n := 0
		for i := range blocks {
			if b := &blocks[i]; b.Kind == neutral.KindToolUse {
				appendCall(j, b, callID(b.ID, s, n))
				n++
			}
		}
		j.End()
	}
	return tools, refused.Len() > 0
}

func appendAnnotations(j *neutral.JSON, blocks []neutral.Block) {
	before, begun := 0, false
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != neutral.KindText {
			continue
		}
		length := utf8.RuneCountInString(b.Text)
		for c := range b.Citations {
			if b.Citations[c].URL == "" { // of a document: there is no annotation for it
				continue
			}
			if !begun {
				begun = true
				j.Key("annotations").List()
			}
			appendCitation(j, &b.Citations[c], before, length)
		}
		before += length
	}
	if begun {
		j.End()
	}
}

// legacy: the caller knows no tool_calls. It is answered in the member that it asked with.
func legacy(s *neutral.Session) bool { return s.Request != nil && s.Request.LegacyCalls }

// appendFunctionCall writes the first call, the only one that the member can hold. The caller gives its result back,
// and the model asks again for what it still wants.
func appendFunctionCall(j *neutral.JSON, blocks []neutral.Block) {
	for i := range blocks {
		if b := &blocks[i]; b.Kind == neutral.KindToolUse {
			args := b.Args
			if len(args) == 0 {
				args = []byte("{}")
			}
			j.Key("function_call").Open().Member("name", b.Name).Member("arguments", string(args)).Close()
			return
		}
	}
}

// endReason is the finish reason in the words of the caller's kind.
func endReason(f neutral.Finish, tools, refused, legacy bool) string {
	reason := finishReason(f, tools, refused)
	if legacy && reason == "tool_calls" {
		return "function_call"
	}
	return reason
}
