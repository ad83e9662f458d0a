package anthropic

import (
	"bytes"
	"errors"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var errNoAnswer = errors.New("the upstream's answer is not a message of the Messages API")

// DecodeAnswer implements neutral.Codec.
func (Dialect) DecodeAnswer(body []byte) (*neutral.Answer, error) {
	if !validJSON(body) {
		return nil, errNoAnswer
	}
	body = bytes.ToValidUTF8(body, []byte("\uFFFD")) // itself, unless it has to be mended
	a := &neutral.Answer{}
	found := false
	var details []byte
	err := dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(body)
		switch string(neutral.Key(key)) {
		case "id":
			a.ID = text(val)
		case "model":
			a.Model = text(val)
		case "content":
			a.Blocks, found = answerBlocks(val)
		case "stop_reason":
			a.Finish = finish(val)
		case "stop_sequence":
			a.Stopped = text(val)
		case "stop_details":
			details = val
		case "usage":
			readUsage(val, &a.Usage, new(bool))
			a.Tier = tier(val)
		}
		return true
	})
	if err != nil || !found {
		return nil, errNoAnswer
	}
	if a.Finish == neutral.FinishRefusal {
		if s := text(dialect.Member(details, "explanation")); s != "" {
			a.Blocks = append(a.Blocks, neutral.Block{Kind: neutral.KindRefusal, Text: s})
		}
	}
	return a, nil
}

func answerBlocks(list []byte) (out []neutral.Block, ok bool) {
	ok = true
	err := dialect.Array(list, func(e dialect.Span) bool {
		raw := e.Of(list)
		p, read := readParts(raw)
		if !read || p.typ == "" {
			ok = false
			return false
		}
		b, generated := p.generated()
		if !generated {
			b = opaque(p.typ, raw)
		}
		out = append(out, b)
		return true
	})
	return out, ok && err == nil
}
