package anthropic

import (
	"strconv"
	"strings"

	"turnout/internal/dialect/neutral"
)

// messageID keeps an id of this API and makes one from Turnout's otherwise.
func messageID(id string, s *neutral.Session) string {
	if strings.HasPrefix(id, "msg_") {
		return id
	}
	return "msg_" + s.RequestID
}

// callID keeps a call's id where a later request may hold it, and makes one for a call that
// has none.
func callID(id string, s *neutral.Session, n int) string {
	if id == "" {
		return "toolu_" + s.RequestID + "_" + strconv.Itoa(n)
	}
	return toolID(id)
}

// EncodeAnswer implements neutral.Codec. What only another dialect knows, and images and
// sound, which a caller of this one cannot have asked for, are not shown.
func (Dialect) EncodeAnswer(a *neutral.Answer, s *neutral.Session) []byte {
	j := neutral.JSON{B: make([]byte, 0, 2<<10)}
	j.Open().Member("id", messageID(a.ID, s)).Member("type", "message").Member("role", "assistant").Member("model", s.Model)
	j.Key("content").List()
	tools, refused, said := false, false, false
	for i := range a.Blocks {
		b := &a.Blocks[i]
		if said && i == len(a.Blocks)-1 && b.Kind == neutral.KindReasoning && b.Text == "" && !b.Redacted && b.Origin != own {
			break // an answer does not end in a thought without words (see encoder.open)
		}
		if b.Kind == neutral.KindReasoning && b.Signature == "" && (b.Text == "" || b.Redacted) {
			continue // nothing was thought that anybody could see or give back
		}
		if (b.Kind == neutral.KindText || b.Kind == neutral.KindRefusal) && b.Text == "" && len(b.Citations) == 0 {
			continue // the API refuses an empty text when it is sent back
		}
		said = said || b.Kind == neutral.KindText || b.Kind == neutral.KindRefusal
		tools = tools || b.Kind == neutral.KindToolUse
		refused = refused || b.Kind == neutral.KindRefusal
		appendBlock(&j, b, s, i)
	}
	j.End().Member("stop_reason", stopReason(a.Finish, tools, refused)).Key("stop_sequence")
	if a.Finish == neutral.FinishSequence && a.Stopped != "" {
		j.String(a.Stopped)
	} else {
		j.Null()
	}
	j.Key("usage")
	appendUsage(&j, &a.Usage, a.Tier, true)
	return j.Close().B
}

func appendBlock(j *neutral.JSON, b *neutral.Block, s *neutral.Session, n int) {
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		j.Open().Member("type", "text").Member("text", b.Text)
		if len(b.Citations) > 0 {
			j.Key("citations").List()
			for i := range b.Citations {
				appendCitation(j, &b.Citations[i])
			}
			j.End()
		}
		j.Close()
	case neutral.KindReasoning:
		appendThinking(j, b, b.Text)
	case neutral.KindToolUse:
		if b.Signature != "" { // the protocol has no place for it on the call
			appendThinking(j, &neutral.Block{Signature: b.Signature, Origin: b.Origin}, "")
		}
		j.Open().Member("type", "tool_use").Member("id", callID(b.ID, s, n)).Member("name", b.Name).Key("input")
		if b.Custom {
			j.Raw(neutral.WrapInput(b.Text))
		} else {
			j.Raw(argsObject(b.Args))
		}
		j.Close()
	case neutral.KindOpaque:
		if b.Origin == own {
			j.Raw(b.Raw)
		}
	}
}

func appendThinking(j *neutral.JSON, b *neutral.Block, words string) {
	if b.Redacted {
		j.Open().Member("type", "redacted_thinking").Member("data", neutral.Shown(own, b)).Close()
		return
	}
	j.Open().Member("type", "thinking").Member("thinking", words).Member("signature", neutral.ShownThought(own, b)).Close()
}
