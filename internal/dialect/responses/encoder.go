package responses

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// encoder writes one stream. It follows the order of the API's own (captured from its clients): per
// item output_item.added, then the events of its parts, then output_item.done; consecutive pieces of
// text are parts of one message. What was said is kept, because the ".done" events and the last one repeat it.
type encoder struct {
	id, prefix, model string // prefix: of items' ids
	created           int64
	names             names
	echo              []byte
	padded            bool
	show, unkept      bool // thoughts are shown; what is opaque about them is not

	seq    int64
	items  int    // begun so far
	output []byte // whole items, with commas between
	over   bool   // more was said than is kept
	last   []byte // the final response object, if json
	json   bool   // it is all that is wanted

	item  item
	block block
	waits bool // the call in item is not announced: its signature may come

	usage  domain.Usage
	tier   string
	finish neutral.Finish
	said   bool // a refusal was said in words
	alive  []byte
}

// item is the item that is open; its type is empty if none is.
type item struct {
	typ   string
	id    string
	parts []byte // of a message: those that are whole
	count int    // of a message: its parts, the open one included

	call      neutral.Block // of a call: ID, Name, Custom
	text      []byte        // of a call or reasoning that is whole: a JSON string
	signature string
	raw       []byte // of an opaque one
	unsaid    bool   // of reasoning: it is not announced, because it may hold nothing
}

// block is the open block of the neutral answer.
type block struct {
	skip      bool // it cannot be shown
	kind      neutral.Kind
	source    neutral.Block // what signatures need: Origin, ID, Redacted
	begun     bool          // of reasoning: its part was added
	before    []byte        // of a delta event, up to the text
	behind    []byte        // and after it
	text      neutral.Kept
	cited     []byte // annotations, with commas between
	citations int
	unplaced  []neutral.Citation // that stand for the whole block, whose end has to be known
}

// NewEncoder implements neutral.Codec.
func (Dialect) NewEncoder(s *neutral.Session) neutral.Encoder {
	return neutral.CustomEncoder(newEncoder(s), customsOf(s))
}

// customsOf are the caller's tools of free text, which stand as functions where an upstream
// knows no others.
func customsOf(s *neutral.Session) map[string]bool {
	if s.Request == nil {
		return nil
	}
	return neutral.CustomTools(s.Request)
}

func newEncoder(s *neutral.Session) *encoder {
	e := &encoder{id: responseID("", s.RequestID), prefix: bare(s.RequestID), model: s.Model, created: s.Now, echo: echo(s.Request), show: true}
	if s.Request != nil {
		e.show, e.unkept = s.Request.Reasoning.Show, s.Request.Unkept
		e.names, e.padded = namesOf(s.Request.Tools), s.Request.Obfuscation
	}
	if s.Begun != nil {
		e.goOn(s.Begun)
	}
	return e
}

// goOn takes a stream over inside the text of its first item.
func (e *encoder) goOn(b *neutral.Begun) {
	e.id, e.tier, e.usage, e.alive = b.ID, b.Tier, b.Usage, aliveEvent
	if b.Created > 0 {
		e.created = b.Created
	}
	e.item = item{typ: "message", id: b.Item}
	if b.Item == "" {
		e.item.id = e.itemID(messagePrefix, "")
	}
	e.block = block{kind: neutral.KindText}
	e.beginPart(nil)
	e.block.text.Add(b.Text)
	e.seq = b.Next
}

// Append implements neutral.Encoder.
func (e *encoder) Append(b []byte, ev *neutral.Event) []byte {
	switch ev.Kind {
	case neutral.Started:
		return e.started(b, ev)
	case neutral.Opened:
		return e.opened(b, ev.Block)
	case neutral.Added, neutral.Signed, neutral.Cited, neutral.Closed:
		if e.waits {
			if b = e.announce(b, ev); ev.Kind == neutral.Signed {
				return b
			}
		}
		return e.inside(b, ev)
	case neutral.Measured:
		e.usage = ev.Usage
	case neutral.Finished:
		e.finish = ev.Finish
		if ev.Usage.Reported {
			e.usage = ev.Usage
		}
		if ev.Tier != "" {
			e.tier = ev.Tier
		}
		b = e.closeItem(b, e.status() == statusIncomplete)
	case neutral.Ended:
		return e.ended(b)
	}
	return b
}

func (e *encoder) inside(b []byte, ev *neutral.Event) []byte {
	if e.block.skip {
		return b
	}
	switch ev.Kind {
	case neutral.Added:
		return e.added(b, ev.Text)
	case neutral.Signed:
		e.item.signature = ev.Signature
	case neutral.Cited:
		return e.cited(b, ev.Citation)
	case neutral.Closed:
		return e.closed(b)
	}
	return b
}

// event begins an event; j's last byte is such that a member can follow.
func event(b []byte, typ string) neutral.JSON {
	b = append(b, "event: "...)
	b = append(b, typ...)
	b = append(b, "\ndata: {\"type\":\""...)
	b = append(b, typ...)
	return neutral.JSON{B: append(b, '"')}
}

func (e *encoder) end(j *neutral.JSON) []byte {
	b := append(j.B, `,"sequence_number":`...)
	b = strconv.AppendInt(b, e.seq, 10)
	e.seq++
	return append(b, "}\n\n"...)
}

func (e *encoder) started(b []byte, ev *neutral.Event) []byte {
	if strings.HasPrefix(ev.ID, responsePrefix) {
		e.id = ev.ID
	}
	if ev.Created > 0 {
		e.created = ev.Created
	}
	e.tier, e.usage = ev.Tier, ev.Usage
	for _, typ := range [...]string{"response.created", "response.in_progress"} {
		j := event(b, typ)
		j.Key("response")
		e.response(&j, "in_progress", false)
		b = e.end(&j)
	}
	e.alive = aliveEvent
	return b
}

// KeepAlive implements neutral.Encoder: see the reader's.
func (e *encoder) KeepAlive() []byte { return e.alive }

// Next implements dialect.Counter.
func (e *encoder) Next() int64 { return e.seq }

// opened begins a block. Blocks of other kinds than these, such as images, have no form that callers
// of this dialect could expect, and blocks that only another dialect knows have none at all: they are left out.
func (e *encoder) opened(b []byte, n *neutral.Block) []byte {
	e.block = block{kind: n.Kind, source: neutral.Block{Origin: n.Origin, ID: n.ID, Redacted: n.Redacted}}
	switch {
	case n.Kind == neutral.KindText, n.Kind == neutral.KindRefusal:
		if e.item.typ != "message" {
			b = e.closeItem(b, false)
			b = e.begin(b, item{typ: "message", id: e.itemID(messagePrefix, "")})
		}
		return e.beginPart(b)
	case n.Kind == neutral.KindReasoning:
		b = e.closeItem(b, false)
		id := ""
		if n.Origin == own {
			id = n.ID
		}
		e.item = item{typ: "reasoning", id: e.itemID(thoughtPrefix, id), signature: n.Signature, unsaid: true}
		return b
	case n.Kind == neutral.KindToolUse && n.Origin != own && n.Origin != domain.DialectNone:
		// Its provider signs calls. The signature comes next, if at all, and stands before the call.
		b = e.closeItem(b, false)
		e.waits, e.item.call = true, neutral.Block{ID: n.ID, Name: n.Name, Custom: n.Custom, Origin: n.Origin}
		return b
	case n.Kind == neutral.KindToolUse:
		return e.openCall(e.closeItem(b, false), n)
	case n.Kind == neutral.KindOpaque && n.Origin == own && len(n.Raw) > 0:
		return e.begin(e.closeItem(b, false), item{typ: "opaque", id: n.ID, raw: bytes.Clone(n.Raw)})
	}
	e.block.skip = true
	return b
}

func (e *encoder) openCall(b []byte, n *neutral.Block) []byte {
	c := neutral.Block{ID: n.ID, Name: n.Name, Custom: n.Custom}
	if c.ID == "" {
		c.ID = "call_" + e.prefix + "_" + strconv.Itoa(e.items)
	}
	typ, prefix, delta := "function_call", callPrefix, "response.function_call_arguments.delta"
	if n.Custom {
		typ, prefix, delta = "custom_tool_call", customPrefix, "response.custom_tool_call_input.delta"
	}
	b = e.begin(b, item{typ: typ, id: e.itemID(prefix, ""), call: c})
	e.delta(delta, "", "")
	return b
}

// announce begins the call that waited. A signature goes into a reasoning item of its own, because
// calls have no place for one; read back, it belongs to the call that follows.
func (e *encoder) announce(b []byte, ev *neutral.Event) []byte {
	call := e.item.call
	e.waits, e.item = false, item{}
	if ev.Kind == neutral.Signed && ev.Signature != "" {
		b = e.opened(b, &neutral.Block{Kind: neutral.KindReasoning, Origin: call.Origin})
		e.item.signature = ev.Signature
		b = e.closeItem(e.closed(b), false)
	}
	e.block = block{kind: neutral.KindToolUse}
	return e.openCall(b, &call)
}

func (e *encoder) itemID(prefix, id string) string {
	if strings.HasPrefix(id, prefix) {
		return id
	}
	return prefix + e.prefix + "_" + strconv.Itoa(e.items)
}

// begin opens an item.
func (e *encoder) begin(b []byte, it item) []byte {
	e.item = it
	e.item.unsaid = false
	j := event(b, "response.output_item.added")
	j.MemberInt("output_index", int64(e.items)).Key("item")
	e.writeItem(&j, "in_progress")
	b = e.end(&j)
	return b
}

// beginPart opens the next part of the open message.
func (e *encoder) beginPart(b []byte) []byte {
	at := `"content_index":` + strconv.Itoa(e.item.count) + `,`
	e.item.count++
	j := event(b, "response.content_part.added")
	e.place(&j, e.item.count-1).Key("part")
	e.writePart(&j, []byte(`""`))
	if e.block.kind == neutral.KindRefusal {
		e.delta("response.refusal.delta", at, "")
	} else {
		e.delta("response.output_text.delta", at, `,"logprobs":[]`)
	}
	return e.end(&j)
}

// place writes where in the answer an event belongs; content < 0: to no part.
func (e *encoder) place(j *neutral.JSON, content int) *neutral.JSON {
	j.Member("item_id", e.item.id).MemberInt("output_index", int64(e.items))
	if content >= 0 {
		j.MemberInt("content_index", int64(content))
	}
	return j
}

// delta makes ready what stands around the text of the block's deltas.
func (e *encoder) delta(typ, at, behind string) {
	j := event(make([]byte, 0, 192), typ)
	e.place(&j, -1)
	e.block.before = append(append(append(j.B, ','), at...), `"delta":`...)
	e.block.behind = append([]byte(behind), `,"sequence_number":`...)
}

// added writes a delta; text is a JSON string.
func (e *encoder) added(b, text []byte) []byte {
	if len(text) <= 2 {
		return b
	}
	k := &e.block
	switch {
	case e.item.typ == "opaque":
		return b
	case e.item.typ == "reasoning" && !e.show:
		if k.text.Len()+len(text) <= neutral.MaxKept {
			k.text.Add(text) // it may have to travel with the signature
		}
		return b
	case e.item.typ == "reasoning" && !k.begun:
		k.begun = true
		b = e.begin(b, e.item)
		e.delta("response.reasoning_summary_text.delta", `"summary_index":0,`, "")
		j := event(b, "response.reasoning_summary_part.added")
		e.place(&j, -1).MemberInt("summary_index", 0).Key("part").Open().Member("type", "summary_text").Member("text", "").Close()
		b = e.end(&j)
	}
	if e.over = e.over || len(e.output)+len(e.item.parts)+k.text.Len()+len(text) > neutral.MaxKept; !e.over {
		k.text.Add(text)
	}
	b = append(b, k.before...)
	b = append(b, text...)
	if e.padded {
		b = append(b, `,"obfuscation":"`...)
		b = append(b, padding[:1+(len(text)*7+int(e.seq)*5)%len(padding)]...)
		b = append(b, '"')
	}
	b = append(b, k.behind...)
	b = strconv.AppendInt(b, e.seq, 10)
	e.seq++
	return append(b, "}\n\n"...)
}

// padding blurs the lengths of deltas, for callers that ask for it (stream_options.include_obfuscation).
const padding = "mQ7xZpV2kTdR9wLb"

// maxUnplaced bounds the citations of a block that wait for its end.
const maxUnplaced = 1000

// citeAll writes the citations that waited: they stand for the whole text.
func (e *encoder) citeAll(b, text []byte) []byte {
	if e.block.unplaced == nil {
		return b
	}
	s, _ := dialect.Unquote(text)
	all := e.block.unplaced
	e.block.unplaced = nil
	for i := range all {
		if all[i].End = utf8.RuneCountInString(s); all[i].End > 0 {
			b = e.cited(b, &all[i])
		}
	}
	return b
}

func (e *encoder) cited(b []byte, c *neutral.Citation) []byte {
	if e.block.kind != neutral.KindText {
		return b
	}
	if c.URL != "" && c.End == 0 && (c.Origin != own || len(c.Raw) == 0) {
		if len(e.block.unplaced) < maxUnplaced {
			e.block.unplaced = append(e.block.unplaced, neutral.Citation{URL: c.URL, Title: c.Title})
		}
		return b
	}
	j := event(b, "response.output_text.annotation.added")
	e.place(&j, e.item.count-1).MemberInt("annotation_index", int64(e.block.citations)).Key("annotation")
	from := len(j.B)
	if !writeCitation(&j, c) {
		return b // it names no URL, and so nothing that an annotation could
	}
	if e.block.citations > 0 {
		e.block.cited = append(e.block.cited, ',')
	}
	e.block.cited = append(e.block.cited, j.B[from:]...)
	e.block.citations++
	return e.end(&j)
}
