package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// NewDecoder implements neutral.Codec.
func (Dialect) NewDecoder() neutral.Decoder { return &decoder{} }

// decoder reads the events of one stream. The finish is handed on at the end, because
// figures may follow it.
type decoder struct {
	started, ended bool

	open  bool
	up    int64 // the open block's index at the upstream
	next  int   // the index of the next block
	kind  neutral.Kind
	typ   string // of the open block, where only this dialect knows it
	usage domain.Usage
	split bool

	finish  neutral.Finish
	stopped string
	why     string // the explanation of a refusal

	ev    neutral.Event // handed on again and again
	block neutral.Block
	cite  neutral.Citation
}

var errOrder = errors.New("the upstream's stream breaks the order of the Messages API's events")

// Event implements neutral.Decoder.
func (d *decoder) Event(raw []byte, emit func(*neutral.Event)) error {
	name, data := dialect.Fields(raw)
	if len(data) == 0 {
		return nil
	}
	if !validJSON(data) {
		return errors.New("the upstream sent an event that is not JSON")
	}
	var typ, delta, block, message, usage, index []byte
	_ = dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "type":
			typ = v.Of(data)
		case "delta":
			delta = v.Of(data)
		case "content_block":
			block = v.Of(data)
		case "message":
			message = v.Of(data)
		case "usage":
			usage = v.Of(data)
		case "index":
			index = v.Of(data)
		}
		return true
	})
	if len(typ) < 2 {
		typ = append(append([]byte{'"'}, name...), '"') // some relays drop the type
	}
	switch string(typ[1 : len(typ)-1]) {
	case "content_block_delta":
		return d.delta(dialect.Int(index), delta, emit)
	case "content_block_start":
		return d.begin(dialect.Int(index), block, emit)
	case "content_block_stop":
		if !d.open || d.up != dialect.Int(index) {
			return errOrder
		}
		d.close(emit)
	case "message_start":
		if d.started {
			return errOrder
		}
		d.start(message, emit)
	case "message_delta":
		return d.messageDelta(delta, usage, emit)
	case "message_stop":
		d.end(emit)
	case "error":
		return errors.New("the upstream reported an error inside the stream")
	}
	return nil
}

func (d *decoder) emit(emit func(*neutral.Event)) { emit(&d.ev) }

func (d *decoder) start(message []byte, emit func(*neutral.Event)) {
	u := dialect.Member(message, "usage")
	readUsage(u, &d.usage, &d.split)
	d.started = true
	d.ev = neutral.Event{
		Kind: neutral.Started, ID: text(dialect.Member(message, "id")), Model: text(dialect.Member(message, "model")), Usage: d.usage, Tier: tier(u),
	}
	d.emit(emit)
}

// begin opens a block. One that is still open is ended: relays forget to.
func (d *decoder) begin(index int64, raw []byte, emit func(*neutral.Event)) error {
	if d.ended {
		return errOrder
	}
	if !d.started { // some relays leave message_start out
		d.start(nil, emit)
	}
	d.close(emit)
	p, ok := readParts(raw)
	if !ok || p.typ == "" {
		return fmt.Errorf("%w: a block without a type", errOrder)
	}
	d.typ, d.up = "", index
	b, generated := p.generated()
	if !generated {
		d.typ = p.typ
		b = opaque(p.typ, singleLine(raw))
	}
	var pending []byte
	switch b.Kind {
	case neutral.KindText:
		pending = p.text
	case neutral.KindReasoning:
		pending = p.thinking
	case neutral.KindToolUse:
		// The input comes in deltas; a relay may send it here at once.
		if p.input != nil && string(p.input) != "{}" {
			pending = neutral.Quote(string(p.input))
		}
	}
	signature, cites := b.Signature, b.Citations
	b.Text, b.Args, b.Citations = "", nil, nil
	if !b.Redacted {
		b.Signature = ""
	}
	d.openBlock(b, emit)
	if len(pending) > 2 && pending[0] == '"' { // a relay may send anything here
		d.add(pending, emit)
	}
	for i := range cites {
		d.cited(&cites[i], emit)
	}
	if signature != "" && !b.Redacted {
		d.signed(signature, emit)
	}
	return nil
}

func (d *decoder) openBlock(b neutral.Block, emit func(*neutral.Event)) {
	d.block, d.kind, d.open = b, b.Kind, true
	d.ev = neutral.Event{Kind: neutral.Opened, Index: d.next, Block: &d.block}
	d.next++
	d.emit(emit)
}

func (d *decoder) add(quoted []byte, emit func(*neutral.Event)) {
	d.ev = neutral.Event{Kind: neutral.Added, Index: d.next - 1, Text: quoted}
	d.emit(emit)
}

func (d *decoder) signed(signature string, emit func(*neutral.Event)) {
	d.ev = neutral.Event{Kind: neutral.Signed, Index: d.next - 1, Signature: signature}
	d.emit(emit)
}

func (d *decoder) cited(c *neutral.Citation, emit func(*neutral.Event)) {
	d.cite = *c
	d.ev = neutral.Event{Kind: neutral.Cited, Index: d.next - 1, Citation: &d.cite}
	d.emit(emit)
}

func (d *decoder) close(emit func(*neutral.Event)) {
	if !d.open {
		return
	}
	d.open = false
	d.ev = neutral.Event{Kind: neutral.Closed, Index: d.next - 1}
	d.emit(emit)
}

// delta adds to the open block. What a delta of an unknown kind adds is left out, like the block
// that only this dialect knows.
func (d *decoder) delta(index int64, delta []byte, emit func(*neutral.Event)) error {
	if !d.open || index != d.up {
		return errOrder
	}
	var typ, value []byte
	_ = dialect.Object(delta, func(key []byte, v, _ dialect.Span) bool {
		switch string(key) {
		case "type":
			typ = v.Of(delta)
		case "text", "thinking", "partial_json", "signature", "citation":
			value = v.Of(delta)
		}
		return true
	})
	if len(typ) < 2 || dialect.IsNull(value) {
		return nil
	}
	fits := false
	switch string(typ) {
	case `"text_delta"`:
		fits = d.kind == neutral.KindText
	case `"thinking_delta"`:
		fits = d.kind == neutral.KindReasoning && !d.block.Redacted
	case `"input_json_delta"`:
		fits = d.kind == neutral.KindToolUse || d.kind == neutral.KindOpaque
	case `"signature_delta"`:
		if d.kind == neutral.KindReasoning && !d.block.Redacted {
			d.signed(text(value), emit)
			return nil
		}
	case `"citations_delta"`:
		if d.kind == neutral.KindText && value[0] == '{' {
			c := citation(singleLine(value))
			d.cited(&c, emit)
			return nil
		}
	default:
		return nil
	}
	if !fits || value[0] != '"' {
		return fmt.Errorf("%w: a delta of another kind than its block", errOrder)
	}
	if len(value) > 2 {
		d.add(value, emit)
	}
	return nil
}

func (d *decoder) messageDelta(delta, usage []byte, emit func(*neutral.Event)) error {
	if !d.started || d.ended {
		return errOrder
	}
	readUsage(usage, &d.usage, &d.split)
	if reason := dialect.Member(delta, "stop_reason"); !dialect.IsNull(reason) {
		d.finish = finish(reason)
		d.stopped = text(dialect.Member(delta, "stop_sequence"))
		d.why = text(dialect.Member(dialect.Member(delta, "stop_details"), "explanation"))
		return nil
	}
	d.ev = neutral.Event{Kind: neutral.Measured, Usage: d.usage}
	d.emit(emit)
	return nil
}

// end hands on what closes the answer, once.
func (d *decoder) end(emit func(*neutral.Event)) {
	if d.ended {
		return
	}
	if !d.started {
		d.start(nil, emit)
	}
	d.close(emit)
	if d.finish == neutral.FinishRefusal && d.why != "" {
		d.openBlock(neutral.Block{Kind: neutral.KindRefusal}, emit)
		d.add(neutral.Quote(d.why), emit)
		d.close(emit)
	}
	d.ended = true
	d.ev = neutral.Event{Kind: neutral.Finished, Finish: d.finish, Stopped: d.stopped, Usage: d.usage}
	d.emit(emit)
	d.ev = neutral.Event{Kind: neutral.Ended}
	d.emit(emit)
}

// Close implements neutral.Decoder.
func (d *decoder) Close(emit func(*neutral.Event)) { d.end(emit) }

// singleLine makes a JSON text fit a data line again, which it may not after its event's
// lines were joined.
func singleLine(v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return v
	}
	var out bytes.Buffer
	if json.Compact(&out, v) != nil {
		return nil
	}
	return out.Bytes()
}
