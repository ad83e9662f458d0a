package gemini

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// NewDecoder implements neutral.Codec.
func (Dialect) NewDecoder() neutral.Decoder { return &decoder{} }

// decoder makes blocks of a stream's parts, which have no beginnings and ends: neighbouring text is one block, so are
// neighbouring thoughts; everything else comes whole. A signature beside text is reasoning of which nothing is shown;
// it follows the text that it came with, because that has gone out already.
type decoder struct {
	figures figures
	stated  bool
	started bool
	ended   bool

	index   int // of the block that is open, or of the next
	open    bool
	kind    neutral.Kind
	unshown string // a signature beside text that has not been handed on
	text    places // of all words so far
	before  int    // characters of them that stand before the open block
	calls   int
	id      string
	reason  string // the finish reason
	refused bool   // the prompt was
	ev      neutral.Event
	block   neutral.Block
	emit    func(*neutral.Event)
}

// errNoChunk says what a chunk is not.
var errNoChunk = errors.New("gemini: a chunk is not a JSON object")

// Event implements neutral.Decoder.
func (d *decoder) Event(raw []byte, emit func(*neutral.Event)) error {
	_, data := dialect.Fields(raw)
	if len(data) == 0 {
		return nil
	}
	return d.chunk(data, emit)
}

func (d *decoder) chunk(data []byte, emit func(*neutral.Event)) error {
	d.emit = emit
	if !json.Valid(data) { // what is taken out of it goes into another JSON text as it is
		return errNoChunk
	}
	var candidates, usage, model, id, feedback []byte
	failed := false
	err := dialect.Object(data, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(data)
		switch string(canon(key)) {
		case "candidates":
			candidates = val
		case "usageMetadata":
			usage = val
		case "modelVersion":
			model = val
		case "responseId":
			id = val
		case "promptFeedback":
			feedback = val
		case "error":
			failed = !dialect.IsNull(val)
		}
		return true
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errNoChunk, err)
	case failed:
		return errors.New("gemini: an error inside the stream")
	}
	measured := d.figures.read(usage)
	d.stated = d.stated || measured
	d.start(text(id), text(model))
	_ = dialect.Array(candidates, func(e dialect.Span) bool {
		if c := e.Of(candidates); integer(member(c, "index")) == 0 { // the others were not asked for
			d.candidate(c)
		}
		return true
	})
	if wentWrong(d.reason) && d.said() && d.reason != "NO_IMAGE" { // before content the reader says that this is no answer
		return d.failure()
	}
	d.refused = d.refused || blocked(feedback)
	if measured {
		d.send(neutral.Event{Kind: neutral.Measured, Usage: d.figures.usage()})
	}
	return nil
}

func (d *decoder) said() bool { return d.index > 0 || d.open || d.unshown != "" }

func (d *decoder) failure() error { return fmt.Errorf("gemini: the turn failed: %s", d.reason) }

func (d *decoder) send(ev neutral.Event) {
	d.ev = ev
	d.emit(&d.ev)
}

func (d *decoder) start(id, model string) {
	if d.started {
		return
	}
	d.started, d.id = true, id
	ev := neutral.Event{Kind: neutral.Started, ID: id, Model: model}
	if d.stated {
		ev.Usage = d.figures.usage()
	}
	d.send(ev)
}

func (d *decoder) candidate(c []byte) {
	var content, grounding, cited []byte
	each(c, func(key, v []byte) {
		switch string(key) {
		case "content":
			content = v
		case "finishReason":
			if finished(v) {
				d.reason = text(v)
			}
		case "groundingMetadata":
			grounding = v
		case "citationMetadata":
			cited = v
		}
	})
	eachPart(content, d.part)
	for _, v := range [...][]byte{grounding, cited} {
		if v != nil && d.open && d.kind == neutral.KindText { // a place in text that is closed cannot be told any more
			citationsIn(v, &d.text, func(c *neutral.Citation) {
				if c.End > 0 {
					if c.Start, c.End = max(c.Start-d.before, 0), c.End-d.before; c.End <= 0 {
						return
					}
				}
				d.send(neutral.Event{Kind: neutral.Cited, Index: d.index, Citation: c})
			})
		}
	}
}

func (d *decoder) part(raw []byte) {
	p := readPart(raw)
	switch {
	case p.kind == "" && p.thought:
		if !p.hasText() && p.signature == "" {
			return
		}
		d.inside(neutral.KindReasoning)
		d.added(p.text)
		if p.signature != "" {
			d.send(neutral.Event{Kind: neutral.Signed, Index: d.index, Signature: p.signature})
			d.shut()
		}
	case p.kind == "":
		if p.hasText() {
			d.inside(neutral.KindText)
			d.text.add(p.text)
			d.added(p.text)
		}
		if p.signature != "" {
			d.flush()
			d.unshown = p.signature
		}
	case p.kind == "functionCall":
		b := call(p.value)
		args := b.Args
		b.Args = nil
		if b.ID == "" {
			b.ID = d.callID(b.Name, args)
		}
		d.calls++
		if p.signature != "" {
			b.Origin = own
		}
		d.begin(b)
		if p.signature != "" { // before the arguments: some dialects show it in front of the call
			d.send(neutral.Event{Kind: neutral.Signed, Index: d.index, Signature: p.signature})
		}
		d.send(neutral.Event{Kind: neutral.Added, Index: d.index, Text: quotedText(args)})
		d.shut()
	case p.kind == "inlineData", p.kind == "fileData":
		d.begin(media(p.kind, p.value))
		d.shut()
	default:
		d.begin(neutral.Block{Kind: neutral.KindOpaque, Type: p.kind, Raw: p.raw, Origin: own})
		d.shut()
	}
}

// callID makes an id for a call that has none, as before Gemini 3: one that no other call of the conversation has, the
// same whenever the answer is read.
func (d *decoder) callID(name string, args []byte) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(d.id + "\x00" + name + "\x00"))
	_, _ = h.Write(args)
	return "call_" + strconv.FormatUint(h.Sum64(), 36) + "_" + strconv.Itoa(d.calls)
}

// inside makes sure that a block of the kind is open.
func (d *decoder) inside(kind neutral.Kind) {
	if d.open && d.kind == kind && d.unshown == "" {
		return
	}
	b := neutral.Block{Kind: kind}
	if kind == neutral.KindReasoning {
		b.Origin = own
	}
	d.begin(b)
}

// begin closes what is open and opens b.
func (d *decoder) begin(b neutral.Block) {
	d.flush()
	d.shut()
	d.block = b
	d.open, d.kind = true, b.Kind
	d.before = d.text.chars()
	d.send(neutral.Event{Kind: neutral.Opened, Index: d.index, Block: &d.block})
}

func (d *decoder) shut() {
	if d.open {
		d.open = false
		d.send(neutral.Event{Kind: neutral.Closed, Index: d.index})
		d.index++
	}
}

// flush hands on a signature beside text.
func (d *decoder) flush() {
	if d.unshown == "" {
		return
	}
	signature := d.unshown
	d.unshown = ""
	d.inside(neutral.KindReasoning)
	d.send(neutral.Event{Kind: neutral.Signed, Index: d.index, Signature: signature})
	d.shut()
}

func (d *decoder) added(quoted []byte) {
	if len(quoted) > 2 {
		d.send(neutral.Event{Kind: neutral.Added, Index: d.index, Text: quoted})
	}
}

// Close implements neutral.Decoder. The stream's end is told here and not at the finish reason, because figures may
// follow that.
func (d *decoder) Close(emit func(*neutral.Event)) {
	if d.ended {
		return
	}
	d.emit, d.ended = emit, true
	d.start("", "")
	d.flush()
	d.shut()
	ev := neutral.Event{Kind: neutral.Finished, Finish: finishIn(d.reason, d.calls > 0)}
	if d.refused && d.reason == "" {
		ev.Finish = neutral.FinishRefusal
	}
	if d.stated {
		ev.Usage = d.figures.usage()
	}
	d.send(ev)
	d.send(neutral.Event{Kind: neutral.Ended})
}

// DecodeAnswer implements neutral.Codec: a whole answer is a stream of one chunk, and an array is a stream that was not
// asked for as events.
func (Dialect) DecodeAnswer(body []byte) (*neutral.Answer, error) {
	var d decoder
	var g neutral.Gather
	take := func(ev *neutral.Event) { g.Add(ev, text) }
	var err error
	if first(body) == '[' {
		syntax := dialect.Array(body, func(e dialect.Span) bool {
			err = d.chunk(e.Of(body), take)
			return err == nil
		})
		if err == nil {
			err = syntax
		}
	} else {
		err = d.chunk(body, take)
	}
	if err == nil && wentWrong(d.reason) && !d.said() {
		err = d.failure()
	}
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	d.Close(take)
	return &g.Answer, nil
}
