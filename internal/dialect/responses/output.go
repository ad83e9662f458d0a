package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// DecodeAnswer implements neutral.Codec.
func (Dialect) DecodeAnswer(body []byte) (*neutral.Answer, error) {
	a := &neutral.Answer{}
	h := head{}
	if err := h.read(body); err != nil {
		return nil, fmt.Errorf("read a response: %w", err)
	}
	if err := h.failure(); err != nil {
		return nil, err
	}
	a.ID, a.Model, a.Created, a.Tier, a.Stopped = h.id, h.model, h.created, h.tier, ""
	a.Usage.Tier, a.Usage.Searches = h.served, countSearches(h.output)
	readUsage(h.usage, &a.Usage)
	bad := false
	_ = dialect.Array(h.output, func(e dialect.Span) bool {
		item := e.Of(h.output)
		if bad = item[0] != '{'; bad {
			return false
		}
		a.Blocks = appendItem(a.Blocks, item)
		return true
	})
	if bad || len(h.output) > 0 && h.output[0] != '[' {
		return nil, errors.New("read a response: its output is no list of items")
	}
	a.Finish = h.finish(a.Blocks)
	return a, nil
}

// head is a response object but for its items.
type head struct {
	id, model, tier, status, reason string
	served                          domain.Tier // what tier means for the price
	created                         int64
	output, usage, error            []byte
}

func (h *head) read(response []byte) error {
	return dialect.Object(response, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(response)
		switch string(key) {
		case "id":
			h.id = text(val)
		case "model":
			h.model = text(val)
		case "created_at":
			h.created = whole(val)
		case "status":
			h.status = text(val)
		case "service_tier":
			h.tier, h.served = text(val), dialect.Tier(val)
		case "incomplete_details":
			h.reason = text(dialect.Member(val, "reason"))
		case "output":
			h.output = present(val)
		case "usage":
			h.usage = val
		case "error":
			h.error = present(val)
		}
		return true
	})
}

// whole reads a number of seconds, which some servers write with a fraction.
func whole(v []byte) int64 {
	for i, c := range v {
		if c == '.' {
			return dialect.Int(v[:i])
		}
	}
	return dialect.Int(v)
}

// failure is the error of a response that is no answer.
func (h *head) failure() error {
	if h.status == "failed" || h.status == "cancelled" || h.error != nil {
		return fmt.Errorf("the response %s: %s", h.status, text(dialect.Member(h.error, "message")))
	}
	return nil
}

// finish is why the answer ended. The API has no reason for calls and refusals: they are
// seen by what was said.
func (h *head) finish(blocks []neutral.Block) neutral.Finish {
	calls, refused := false, false
	for i := range blocks {
		calls = calls || blocks[i].Kind == neutral.KindToolUse
		refused = refused || blocks[i].Kind == neutral.KindRefusal
	}
	return h.finishOf(calls, refused)
}

func (h *head) finishOf(calls, refused bool) neutral.Finish {
	switch {
	case h.status == "incomplete" && h.reason == "content_filter":
		return neutral.FinishRefusal
	case h.status == "incomplete":
		return neutral.FinishLength
	case calls:
		return neutral.FinishTool
	case refused:
		return neutral.FinishRefusal
	}
	return neutral.FinishStop
}

// appendItem adds what an item of the output holds.
func appendItem(blocks []neutral.Block, item []byte) []neutral.Block {
	switch typ := text(dialect.Member(item, "type")); typ {
	case "message":
		content := dialect.Member(item, "content")
		_ = dialect.Array(content, func(e dialect.Span) bool {
			if part := e.Of(content); part[0] == '{' {
				if b, ok := said(part); ok {
					blocks = append(blocks, b)
				}
			}
			return true
		})
		return blocks
	case "reasoning":
		return append(blocks, thought(item))
	case "function_call":
		b := call(item)
		b.Args = arguments(dialect.Member(item, "arguments"))
		return append(blocks, b)
	case "custom_tool_call":
		b := call(item)
		b.Custom, b.Text = true, text(dialect.Member(item, "input"))
		return append(blocks, b)
	default:
		if !json.Valid(item) {
			return blocks
		}
		return append(blocks, opaque(typ, item))
	}
}

// said is a part of the model's message; false: a kind that is not known.
func said(part []byte) (b neutral.Block, ok bool) {
	switch text(dialect.Member(part, "type")) {
	case "output_text", "text":
		return neutral.Block{Text: text(dialect.Member(part, "text")), Citations: citations(dialect.Member(part, "annotations"))}, true
	case "refusal":
		return neutral.Block{Kind: neutral.KindRefusal, Text: text(dialect.Member(part, "refusal"))}, true
	}
	return b, false
}

// EncodeAnswer implements neutral.Codec. A JSON answer is the response object in which the
// stream of the same answer ends.
func (Dialect) EncodeAnswer(a *neutral.Answer, s *neutral.Session) []byte {
	e := newEncoder(s)
	e.json = true
	if custom := customsOf(s); custom != nil {
		restored := *a
		restored.Blocks = slices.Clone(a.Blocks)
		neutral.RestoreCustom(&restored, custom)
		a = &restored
	}
	var events []byte
	neutral.Replay(a, func(ev *neutral.Event) { events = e.Append(events[:0], ev) })
	return e.last
}
