package responses

import (
	"encoding/json"
	"errors"
	"fmt"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// decoder reads one stream. The API sends item after item; of servers that are less strict it
// bears items without their deltas, parts that were not announced, and items that are not closed.
type decoder struct {
	started, finished, ended bool
	ev                       neutral.Event // the one that is handed on
	index                    int           // blocks opened so far

	open   bool
	kind   neutral.Kind
	said   bool // something was added to the open block
	item   int  // output_index of the open block's item, and of what came last
	inItem bool // the item with that index is not done
	typ    string
	id     string // of the item that was begun last
	parts  int    // of the open message: blocks made of it
	next   bool   // of reasoning: another part of the summary begins
	plain  bool   // of reasoning: the thoughts themselves are what is shown

	calls, refused bool
	later          queue
}

// NewDecoder implements neutral.Codec.
func (Dialect) NewDecoder() neutral.Decoder { return &decoder{item: -1} }

// parts of an event, as far as they are looked at.
type incoming struct {
	typ                              []byte
	index                            int
	delta, item, part, response      []byte
	text, arguments, input, refusal_ []byte
	annotation                       []byte
}

func (in *incoming) read(data []byte) error {
	in.index = -1
	return dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(data)
		switch string(key) {
		case "type":
			if len(val) >= 2 && val[0] == '"' {
				in.typ = val[1 : len(val)-1]
			}
		case "output_index":
			in.index = int(dialect.Int(val))
		case "delta":
			in.delta = val
		case "item":
			in.item = val
		case "part":
			in.part = val
		case "response":
			in.response = val
		case "text":
			in.text = val
		case "arguments":
			in.arguments = val
		case "input":
			in.input = val
		case "refusal":
			in.refusal_ = val
		case "annotation":
			in.annotation = val
		}
		return true
	})
}

// Event implements neutral.Decoder.
func (d *decoder) Event(raw []byte, emit func(*neutral.Event)) error {
	name, data := dialect.Fields(raw)
	if len(data) == 0 || string(data) == "[DONE]" || d.ended {
		return nil
	}
	var in incoming
	if err := in.read(data); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if len(in.typ) == 0 {
		in.typ = name
	}
	if d.inItem && in.index >= 0 && in.index != d.item {
		return d.later.put(in.index, in.typ, data)
	}
	if err := d.take(&in, emit); err != nil || d.inItem {
		return err
	}
	return d.resume(false, emit)
}

func (d *decoder) take(in *incoming, emit func(*neutral.Event)) error {
	switch string(in.typ) {
	case "response.created":
		d.start(in.response, emit)
	case "response.output_item.added":
		d.start(nil, emit)
		d.begin(in.index, in.item, emit)
	case "response.content_part.added":
		return d.part(in, emit)
	case "response.output_text.delta":
		return d.words(neutral.KindText, in.index, in.delta, emit)
	case "response.refusal.delta":
		return d.words(neutral.KindRefusal, in.index, in.delta, emit)
	case "response.output_text.done":
		return d.unsaid(neutral.KindText, in.index, in.text, emit)
	case "response.refusal.done":
		return d.unsaid(neutral.KindRefusal, in.index, in.refusal_, emit)
	case "response.output_text.annotation.added":
		d.cite(in, emit)
	case "response.content_part.done":
		if d.inItem && in.index == d.item && d.typ == "message" {
			d.close(emit)
		}
	case "response.reasoning_summary_part.added":
		d.next = d.said && d.kind == neutral.KindReasoning
	case "response.reasoning_summary_text.delta":
		return d.thought(false, in.index, in.delta, emit)
	case "response.reasoning_text.delta":
		return d.thought(true, in.index, in.delta, emit)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		return d.argument(in.index, in.delta, emit)
	case "response.function_call_arguments.done":
		return d.whole(in.index, in.arguments, emit)
	case "response.custom_tool_call_input.done":
		return d.whole(in.index, in.input, emit)
	case "response.output_item.done":
		return d.done(in.index, in.item, emit)
	case "response.completed", "response.incomplete":
		return d.finish(in.response, emit)
	case "response.failed", "error":
		return errors.New("the stream ends in an error")
	}
	return nil
}

func (d *decoder) send(kind neutral.EventKind, emit func(*neutral.Event)) {
	d.ev.Kind = kind
	emit(&d.ev)
	d.ev = neutral.Event{}
}

func (d *decoder) start(response []byte, emit func(*neutral.Event)) {
	if d.started {
		return
	}
	d.started = true
	var h head
	_ = h.read(response)
	d.ev = neutral.Event{ID: h.id, Model: h.model, Created: h.created, Tier: h.tier}
	d.send(neutral.Started, emit)
}

// begin opens an item. Messages open a block for each of their parts; what is known only when
// it is done opens one then.
func (d *decoder) begin(index int, item []byte, emit func(*neutral.Event)) {
	d.close(emit)
	d.item, d.inItem, d.parts, d.typ = index, true, 0, text(dialect.Member(item, "type"))
	d.id = text(dialect.Member(item, "id"))
	switch d.typ {
	case "reasoning":
		d.openBlock(&neutral.Block{Kind: neutral.KindReasoning, ID: d.id, Origin: own}, emit)
	case "function_call", "custom_tool_call":
		b := call(item)
		b.Custom = d.typ == "custom_tool_call"
		d.openBlock(&b, emit)
	}
}

// Message implements neutral.Placing.
func (d *decoder) Message() string { return d.id }

func (d *decoder) openBlock(b *neutral.Block, emit func(*neutral.Event)) {
	d.close(emit)
	d.open, d.kind, d.said, d.next, d.plain = true, b.Kind, false, false, false
	d.calls = d.calls || b.Kind == neutral.KindToolUse
	d.refused = d.refused || b.Kind == neutral.KindRefusal
	d.parts++
	d.ev = neutral.Event{Index: d.index, Block: b}
	d.send(neutral.Opened, emit)
}

// close ends the open block, if there is one.
func (d *decoder) close(emit func(*neutral.Event)) {
	if !d.open {
		return
	}
	d.open = false
	d.ev.Index = d.index
	d.send(neutral.Closed, emit)
	d.index++
}

// add hands more of the open block on; s is a JSON string.
func (d *decoder) add(s []byte, emit func(*neutral.Event)) error {
	if len(s) < 2 || s[0] != '"' {
		if dialect.IsNull(s) {
			return nil
		}
		return errors.New("a delta is no text")
	}
	if len(s) == 2 {
		return nil
	}
	if !sound(s) {
		return errors.New("a delta is no JSON")
	}
	d.said = true
	d.ev.Index, d.ev.Text = d.index, s
	d.send(neutral.Added, emit)
	return nil
}

// sound reports whether a string is one that any JSON parser takes: the scanner leaves what
// stands inside of strings to the provider's own, and here it goes on unchanged.
func sound(s []byte) bool {
	for i := 1; i < len(s)-1; i++ {
		switch c := s[i]; {
		case c < 0x20:
			return false
		case c == '\\':
			i++
			switch s[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(s)-1 || !isHex(s[i+1:i+5]) {
					return false
				}
				i += 4
			default:
				return false
			}
		}
	}
	return true
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

var errLate = errors.New("a delta belongs to an item that is not open")

// here reports whether an event belongs to the item that is open, of one of the types. An item that
// was never announced is announced by its first event.
func (d *decoder) here(index int, types ...string) bool {
	if !d.inItem {
		return false
	}
	for _, t := range types {
		if d.typ == t {
			return index == d.item || index < 0
		}
	}
	return false
}

// ensure makes sure that a message is open at an index.
func (d *decoder) ensure(index int, emit func(*neutral.Event)) bool {
	if !d.inItem && index > d.item {
		d.start(nil, emit)
		d.item, d.inItem, d.parts, d.typ = index, true, 0, "message"
	}
	return d.here(index, "message")
}

func (d *decoder) part(in *incoming, emit func(*neutral.Event)) error {
	kind := neutral.KindText
	switch text(dialect.Member(in.part, "type")) {
	case "output_text", "text":
	case "refusal":
		kind = neutral.KindRefusal
	default: // the text of reasoning, and what is not known
		return nil
	}
	if !d.ensure(in.index, emit) {
		return errLate
	}
	d.openBlock(&neutral.Block{Kind: kind}, emit)
	return nil
}

func (d *decoder) words(kind neutral.Kind, index int, delta []byte, emit func(*neutral.Event)) error {
	if !d.ensure(index, emit) {
		return errLate
	}
	if !d.open || d.kind != kind {
		d.openBlock(&neutral.Block{Kind: kind}, emit)
	}
	return d.add(delta, emit)
}

// unsaid takes the whole text of a part of which no delta came.
func (d *decoder) unsaid(kind neutral.Kind, index int, whole []byte, emit func(*neutral.Event)) error {
	if !d.here(index, "message") || d.open && d.said || !d.open && d.parts > 0 || len(whole) <= 2 {
		return nil
	}
	return d.words(kind, index, whole, emit)
}

func (d *decoder) cite(in *incoming, emit func(*neutral.Event)) {
	if !d.here(in.index, "message") || !d.open || d.kind != neutral.KindText || len(in.annotation) == 0 || in.annotation[0] != '{' || !json.Valid(in.annotation) {
		return
	}
	c := citation(in.annotation)
	d.ev.Index, d.ev.Citation = d.index, &c
	d.send(neutral.Cited, emit)
}

// thought adds to reasoning: to its summary, or the thoughts themselves of open models. Where
// both come, what came first is shown.
func (d *decoder) thought(plain bool, index int, delta []byte, emit func(*neutral.Event)) error {
	if !d.here(index, "reasoning") || !d.open {
		return errLate
	}
	if d.said && d.plain != plain {
		return nil
	}
	d.plain = plain
	if d.next && len(delta) > 2 {
		d.next = false
		if err := d.add([]byte(`"\n\n"`), emit); err != nil {
			return err
		}
	}
	return d.add(delta, emit)
}

func (d *decoder) argument(index int, delta []byte, emit func(*neutral.Event)) error {
	if !d.here(index, "function_call", "custom_tool_call") || !d.open {
		return errLate
	}
	return d.add(delta, emit)
}

// whole takes the arguments of a call of which no delta came.
func (d *decoder) whole(index int, arguments []byte, emit func(*neutral.Event)) error {
	if d.said || !d.open || !d.here(index, "function_call", "custom_tool_call") {
		return nil
	}
	return d.add(arguments, emit)
}

// done ends an item. What of it was not told before is told now.
func (d *decoder) done(index int, item []byte, emit func(*neutral.Event)) error {
	if len(item) == 0 || item[0] != '{' {
		return nil
	}
	d.start(nil, emit)
	if !d.inItem || index >= 0 && index != d.item {
		if index >= 0 && index <= d.item {
			return nil // closed already, because the next one has begun
		}
		d.begin(index, item, emit)
	}
	switch typ := text(dialect.Member(item, "type")); typ {
	case "message":
		if d.parts == 0 {
			for _, b := range appendItem(nil, item) {
				if err := d.tell(&b, emit); err != nil {
					return err
				}
			}
		}
	case "reasoning":
		b := thought(item)
		if !d.open {
			break
		}
		if !d.said && b.Text != "" {
			if err := d.add(neutral.Quote(b.Text), emit); err != nil {
				return err
			}
		}
		if b.Signature != "" {
			d.ev.Index, d.ev.Signature = d.index, b.Signature
			d.send(neutral.Signed, emit)
		}
	case "function_call":
		if err := d.whole(index, dialect.Member(item, "arguments"), emit); err != nil {
			return err
		}
	case "custom_tool_call":
		if err := d.whole(index, dialect.Member(item, "input"), emit); err != nil {
			return err
		}
	default:
		if json.Valid(item) {
			b := opaque(typ, item)
			d.openBlock(&b, emit)
		}
	}
	d.close(emit)
	d.inItem = false
	return nil
}

// tell hands a whole block of a message on.
func (d *decoder) tell(b *neutral.Block, emit func(*neutral.Event)) error {
	d.openBlock(&neutral.Block{Kind: b.Kind}, emit)
	err := d.add(neutral.Quote(b.Text), emit)
	for i := range b.Citations {
		d.ev.Index, d.ev.Citation = d.index, &b.Citations[i]
		d.send(neutral.Cited, emit)
	}
	d.close(emit)
	return err
}

func (d *decoder) finish(response []byte, emit func(*neutral.Event)) error {
	var h head
	if err := h.read(response); err != nil {
		return fmt.Errorf("read the last response: %w", err)
	}
	if err := h.failure(); err != nil {
		return err
	}
	d.start(response, emit)
	if err := d.resume(true, emit); err != nil {
		return err
	}
	d.close(emit)
	d.finished, d.ended = true, true
	d.ev.Finish = h.finishOf(d.calls, d.refused)
	d.ev.Tier = h.tier
	d.ev.Usage.Tier, d.ev.Usage.Searches = h.served, countSearches(h.output)
	readUsage(h.usage, &d.ev.Usage)
	d.send(neutral.Finished, emit)
	d.send(neutral.Ended, emit)
	return nil
}

// Close implements neutral.Decoder.
func (d *decoder) Close(emit func(*neutral.Event)) {
	if d.ended {
		return
	}
	d.ended = true
	d.start(nil, emit)
	_ = d.resume(true, emit) // nobody could be told: the stream is over
	d.close(emit)
	if !d.finished {
		d.ev.Finish = (&head{}).finishOf(d.calls, d.refused)
		d.send(neutral.Finished, emit)
	}
	d.send(neutral.Ended, emit)
}
