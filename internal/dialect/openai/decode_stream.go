package openai

import (
	"bytes"
	"encoding/json"
	"errors"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// NewDecoder implements neutral.Codec.
func (Dialect) NewDecoder() neutral.Decoder { return &decoder{} }

// decoder reads the chunks of one stream. The protocol has no blocks: one begins where
// a delta is of another kind than the one before.
type decoder struct {
	started, ended bool

	open   bool
	added  bool // something, to the open block
	kind   neutral.Kind
	next   int    // the index of the next block
	passed bool   // over something of an answer that has no neutral form
	from   string // the member in which the open reasoning came; empty: it cannot be given back

	calls []streamedCall // that were begun so far, in order
	shown int            // of them have been opened; the others wait
	kept  int            // bytes of those that wait

	usage  domain.Usage
	finish neutral.Finish
	tools  bool

	ev    neutral.Event // handed on again and again
	block neutral.Block
	cite  neutral.Citation
}

// Event implements neutral.Decoder.
func (d *decoder) Event(raw []byte, emit func(*neutral.Event)) error {
	name, data := dialect.Fields(raw)
	if len(data) == 0 {
		return nil
	}
	if string(data) == "[DONE]" {
		d.end(emit)
		return nil
	}
	if !json.Valid(data) {
		return errors.New("the upstream sent a chunk that is not JSON")
	}
	if d.ended {
		return errors.New("the upstream's stream goes on after its end")
	}
	var choices, usage []byte
	failed := string(name) == "error"
	ev := neutral.Event{Kind: neutral.Started}
	_ = dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(data)
		switch string(key) {
		case "choices":
			choices = val
		case "usage":
			usage = val
		case "error":
			failed = failed || !dialect.IsNull(val)
		case "id", "model", "created", "service_tier":
			if !d.started {
				head(&ev, key, val)
			}
			if len(key) == len("service_tier") && !dialect.IsNull(val) {
				d.usage.Tier = dialect.Tier(val)
			}
		}
		return true
	})
	if failed {
		return errors.New("the upstream reported an error inside the stream")
	}
	if !d.started {
		d.started = true
		d.ev = ev
		emit(&d.ev)
	}
	var err error
	_ = dialect.Array(choices, func(e dialect.Span) bool {
		err = d.choice(e.Of(choices), emit)
		return err == nil
	})
	if err == nil && !dialect.IsNull(usage) {
		readUsage(usage, &d.usage)
		d.ev = neutral.Event{Kind: neutral.Measured, Usage: d.usage}
		emit(&d.ev)
	}
	return err
}

func head(ev *neutral.Event, key, val []byte) {
	switch string(key) {
	case "id":
		ev.ID = text(val)
	case "model":
		ev.Model = text(val)
	case "created":
		ev.Created = dialect.Int(val)
	case "service_tier":
		ev.Tier = text(val)
	}
}

// choice reads the first choice; no request that is translated asks for more.
func (d *decoder) choice(c []byte, emit func(*neutral.Event)) error {
	var delta, reason []byte
	first := true
	_ = dialect.Object(c, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "index":
			first = dialect.Int(v.Of(c)) == 0
		case "delta":
			delta = v.Of(c)
		case "finish_reason":
			reason = v.Of(c)
		}
		return true
	})
	if !first {
		return nil
	}
	var err error
	if len(delta) > 0 && delta[0] == '{' {
		_ = dialect.Object(delta, func(key []byte, v, _ dialect.Span) bool {
			err = d.member(key, v.Of(delta), emit)
			return err == nil
		})
	}
	if err == nil && len(reason) > 2 && !dialect.IsNull(reason) {
		d.finish = finish(reason, d.tools)
	}
	return err
}

func (d *decoder) member(key, val []byte, emit func(*neutral.Event)) error {
	if len(val) <= 2 || dialect.IsNull(val) {
		return nil // an empty text or list
	}
	switch string(key) {
	case "content":
		return d.text(neutral.KindText, "", val, emit)
	case "refusal":
		return d.text(neutral.KindRefusal, "", val, emit)
	case reasoningContent:
		return d.reasoning(reasoningContent, val, emit)
	case reasoningMember:
		return d.reasoning(reasoningMember, val, emit)
	case "tool_calls":
		return d.toolCalls(val, emit)
	case "function_call": // the legacy kind
		c := call{index: 0, okay: true}
		c.readFunction(val)
		return d.call(&c, emit)
	case "annotations":
		if d.open && d.kind == neutral.KindText {
			d.annotate(val, emit)
		} else {
			d.passed = true
		}
		return nil
	}
	// What only some makers know: opaque reasoning (reasoning_details), pictures, sound. Numbers and the like are no content.
	if string(key) != "role" && (val[0] == '"' || val[0] == '[' || val[0] == '{') {
		d.passed = true
	}
	return nil
}

// PassedOver implements neutral.Passing.
func (d *decoder) PassedOver() bool { return d.passed }

// reasoning takes the first of the two members where a delta has both, with the same words, as
// some relays write them.
func (d *decoder) reasoning(member string, val []byte, emit func(*neutral.Event)) error {
	if d.open && d.kind == neutral.KindReasoning && d.from != member || val[0] != '"' {
		d.passed = d.passed || val[0] != '"'
		return nil // also: an object of some maker's own
	}
	return d.text(neutral.KindReasoning, member, val, emit)
}

// text adds to the open block, or begins one of the kind.
func (d *decoder) text(kind neutral.Kind, member string, val []byte, emit func(*neutral.Event)) error {
	switch {
	case val[0] == '[' && kind == neutral.KindText:
		return d.parts(val, emit)
	case val[0] != '"':
		return errors.New("the upstream's delta holds no text where one should be")
	}
	if !d.open || d.kind != kind {
		d.begin(neutral.Block{Kind: kind}, member, emit)
	}
	if len(val) > 2 {
		d.add(val, emit)
	}
	return nil
}

// parts reads content that is a list, as one maker's models send it while they think:
// [{"type":"thinking","thinking":[{"type":"text","text"}]},{"type":"text","text"}].
func (d *decoder) parts(list []byte, emit func(*neutral.Event)) (err error) {
	_ = dialect.Array(list, func(e dialect.Span) bool {
		part := e.Of(list)
		if v := dialect.Member(part, "text"); len(v) > 0 && v[0] == '"' {
			err = d.text(neutral.KindText, "", v, emit)
		} else if t := dialect.Member(part, "type"); string(t) != `"thinking"` && string(t) != `"text"` {
			d.passed = true
		}
		thoughts := dialect.Member(part, "thinking")
		_ = dialect.Array(thoughts, func(e dialect.Span) bool {
			if v := dialect.Member(e.Of(thoughts), "text"); len(v) > 0 && v[0] == '"' {
				err = d.text(neutral.KindReasoning, "", v, emit)
			}
			return err == nil
		})
		return err == nil
	})
	return err
}

// begin opens a block. Calls that wait end before it.
func (d *decoder) begin(b neutral.Block, member string, emit func(*neutral.Event)) {
	d.flush(emit)
	if b.Kind == neutral.KindReasoning {
		b.Origin, d.from = own, member
	}
	d.openBlock(b, emit)
}

func (d *decoder) openBlock(b neutral.Block, emit func(*neutral.Event)) {
	d.block, d.kind, d.open, d.added = b, b.Kind, true, false
	d.ev = neutral.Event{Kind: neutral.Opened, Index: d.next, Block: &d.block}
	d.next++
	emit(&d.ev)
}

func (d *decoder) add(quoted []byte, emit func(*neutral.Event)) {
	d.added = true
	d.ev = neutral.Event{Kind: neutral.Added, Index: d.next - 1, Text: quoted}
	emit(&d.ev)
}

func (d *decoder) sign(signature string, emit func(*neutral.Event)) {
	d.ev = neutral.Event{Kind: neutral.Signed, Index: d.next - 1, Signature: signature}
	emit(&d.ev)
}

func (d *decoder) close(emit func(*neutral.Event)) {
	if !d.open {
		return
	}
	if d.kind == neutral.KindReasoning && d.from != "" {
		d.sign(d.from, emit)
	}
	d.open = false
	d.ev = neutral.Event{Kind: neutral.Closed, Index: d.next - 1}
	emit(&d.ev)
}

func (d *decoder) annotate(list []byte, emit func(*neutral.Event)) {
	_ = dialect.Array(list, func(e dialect.Span) bool {
		raw := e.Of(list)
		if bytes.ContainsAny(raw, "\r\n") {
			var line bytes.Buffer
			if json.Compact(&line, raw) != nil {
				return true
			}
			raw = line.Bytes()
		}
		if c, ok := citation(raw); ok {
			d.cite = c
			d.ev = neutral.Event{Kind: neutral.Cited, Index: d.next - 1, Citation: &d.cite}
			emit(&d.ev)
		}
		return true
	})
}

// end hands on what closes the answer, once.
func (d *decoder) end(emit func(*neutral.Event)) {
	if d.ended {
		return
	}
	if !d.started {
		d.started = true
		d.ev = neutral.Event{Kind: neutral.Started}
		emit(&d.ev)
	}
	d.flush(emit)
	d.ended = true
	d.ev = neutral.Event{Kind: neutral.Finished, Finish: d.finish, Usage: d.usage}
	emit(&d.ev)
	d.ev = neutral.Event{Kind: neutral.Ended}
	emit(&d.ev)
}

// Close implements neutral.Decoder.
func (d *decoder) Close(emit func(*neutral.Event)) { d.end(emit) }
