package openai

import (
	"bytes"
	"encoding/json"
	"errors"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var errNoAnswer = errors.New("the upstream's answer is not a chat completion")

// DecodeAnswer implements neutral.Codec. The first choice is read: no request that is
// translated asks for more.
func (Dialect) DecodeAnswer(body []byte) (*neutral.Answer, error) {
	if !json.Valid(body) {
		return nil, errNoAnswer
	}
	body = bytes.ToValidUTF8(body, []byte("\uFFFD")) // itself, unless it has to be mended
	a := &neutral.Answer{}
	var choice []byte
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(neutral.Key(key)) {
		case "id":
			a.ID = text(val)
		case "model":
			a.Model = text(val)
		case "created":
			a.Created = dialect.Int(val)
		case "service_tier":
			a.Tier, a.Usage.Tier = text(val), dialect.Tier(val)
		case "choices":
			_ = dialect.Array(val, func(e dialect.Span) bool {
				choice = e.Of(val)
				return false
			})
		case "usage":
			readUsage(val, &a.Usage)
		}
		return true
	})
	message := dialect.Member(choice, "message")
	if err != nil || len(message) == 0 || message[0] != '{' {
		return nil, errNoAnswer
	}
	var tools bool
	if a.Blocks, tools, err = answerBlocks(message); err != nil {
		return nil, err
	}
	a.Finish = finish(dialect.Member(choice, "finish_reason"), tools)
	return a, nil
}

func answerBlocks(raw []byte) (out []neutral.Block, tools bool, err error) {
	m, ok := readMessage(raw)
	if !ok {
		return nil, false, errNoAnswer
	}
	d := requestDecoder{}
	out = d.assistant(&m)
	if d.err != nil {
		return nil, false, errNoAnswer
	}
	if list := dialect.Member(raw, "annotations"); len(list) > 0 {
		for i := range out {
			if out[i].Kind == neutral.KindText {
				out[i].Citations = citations(list)
				break
			}
		}
	}
	kept := out[:0]
	for _, b := range out {
		if b.Kind != neutral.KindAudio { // its words stand in the content or nowhere
			kept = append(kept, b)
		}
		tools = tools || b.Kind == neutral.KindToolUse
	}
	return kept, tools, nil
}

func citations(list []byte) (out []neutral.Citation) {
	_ = dialect.Array(list, func(e dialect.Span) bool {
		if c, ok := citation(e.Of(list)); ok {
			out = append(out, c)
		}
		return true
	})
	return out
}
