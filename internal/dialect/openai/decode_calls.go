package openai

import (
	"errors"
	"strconv"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// streamedCall is a call that a stream has begun. Deltas of several calls may come in turns: the index says to which a delta
// belongs. Other dialects have one block at a time, so the later call waits until the arguments of the one before
// it are whole.
type streamedCall struct {
	up        int64 // its index at the upstream
	id        string
	args      progress
	head      neutral.Block // while it waits, like what follows
	signature string
	added     neutral.Kept
}

var (
	errOrder = errors.New("the upstream's stream adds to a call that was whole, or after another block was begun")
	errKept  = errors.New("the upstream's calls come in turns and are too long to be put in order")
)

func (d *decoder) toolCalls(list []byte, emit func(*neutral.Event)) error {
	var err error
	if dialect.Array(list, func(e dialect.Span) bool {
		c := readCall(e.Of(list))
		if !c.okay {
			err = errors.New("the upstream's tool_calls hold something that is no call")
			return false
		}
		err = d.call(&c, emit)
		return err == nil
	}) != nil && err == nil {
		err = errors.New("the upstream's tool_calls are no list")
	}
	return err
}

// maxCalls bounds the calls of one answer.
const maxCalls = 1024

// call reads a delta of a call.
func (d *decoder) call(c *call, emit func(*neutral.Event)) error {
	added := c.args
	if c.custom {
		added = c.input
	}
	at := d.find(c)
	switch {
	case at < 0 && c.name == "":
		return errors.New("the upstream's answer calls a tool without a name")
	case at < 0:
		if len(d.calls) >= maxCalls {
			return errors.New("the upstream's answer calls too many tools")
		}
		d.tools = true
		at = len(d.calls)
		if c.index < 0 {
			c.index = int64(at)
		}
		b := neutral.Block{Kind: neutral.KindToolUse, ID: c.id, Name: c.name, Custom: c.custom}
		if c.thoughtSignature != "" {
			b.Origin = gemini
		}
		d.calls = append(d.calls, streamedCall{up: c.index, id: c.id, head: b})
	case !d.waits(at) && !d.isOpen(at):
		if len(added) > 2 {
			return errOrder
		}
		return nil
	}
	k := &d.calls[at]
	if d.waits(at) && at == d.shown && d.ready() {
		d.show(emit)
	}
	if len(added) > 2 {
		k.args.add(added)
	}
	if d.isOpen(at) {
		if c.thoughtSignature != "" && !d.added && d.block.Origin == gemini {
			d.sign(c.thoughtSignature, emit)
		}
		if len(added) > 2 {
			d.add(added, emit)
		}
		for d.shown < len(d.calls) && d.ready() {
			d.show(emit)
		}
		return nil
	}
	if k.added.Len() == 0 && k.head.Origin == gemini && c.thoughtSignature != "" {
		k.signature = c.thoughtSignature
	}
	k.added.Add(added)
	if d.kept += max(len(added)-2, 0); d.kept > neutral.MaxKept {
		return errKept
	}
	return nil
}

// find gives the call that a delta belongs to; -1: it begins one. Some servers leave the index out, or give all calls the
// index 0: a delta with a name and another id begins a new one.
func (d *decoder) find(c *call) int {
	for i := len(d.calls) - 1; i >= 0; i-- {
		k := &d.calls[i]
		live := d.waits(i) || d.isOpen(i)
		switch {
		case c.index >= 0 && c.index != k.up:
			continue
		case c.name == "" && (live || c.index >= 0):
			return i
		case c.name != "" && live && (c.id == "" || c.id == k.id):
			return i
		case c.name != "" && !live && c.index >= 0 && c.id == k.id:
			return i // said again
		}
		if c.index < 0 && (c.id == "" || c.name == "") {
			return -1
		}
	}
	return -1
}

func (d *decoder) waits(at int) bool { return at >= d.shown }

func (d *decoder) isOpen(at int) bool {
	return d.open && d.kind == neutral.KindToolUse && at == d.shown-1
}

// ready: the next call need not wait.
func (d *decoder) ready() bool {
	return !d.open || d.kind != neutral.KindToolUse || d.calls[d.shown-1].args.whole()
}

// show opens the call that has waited longest, with what has come of it.
func (d *decoder) show(emit func(*neutral.Event)) {
	d.close(emit)
	k := &d.calls[d.shown]
	d.shown++
	d.openBlock(k.head, emit)
	if k.signature != "" {
		d.sign(k.signature, emit)
	}
	if k.added.Len() > 0 {
		d.add(k.added.Quoted(), emit)
		d.kept -= k.added.Len()
	}
	k.added.Reset()
	k.head = neutral.Block{}
}

// flush ends the open block and every call that waits.
func (d *decoder) flush(emit func(*neutral.Event)) {
	d.close(emit)
	for d.shown < len(d.calls) {
		d.show(emit)
		d.close(emit)
	}
}

// progress follows the arguments of a call as far as it takes to know when they are whole: an object
// whose last brace has come. Of anything else, a custom tool's text for one, nobody can tell.
type progress struct {
	depth                    int
	begun, inString, escaped bool
	other                    bool // it is no object
}

func (p *progress) whole() bool { return p.begun && !p.other && p.depth == 0 }

// add reads a piece: a JSON string with its quotes.
func (p *progress) add(quoted []byte) {
	for i := 1; i < len(quoted)-1; i++ {
		c := quoted[i]
		if c == '\\' && i+1 < len(quoted)-1 {
			i++
			switch c = quoted[i]; c {
			case 'n', 'r', 't':
				c = ' '
			case 'u':
				c = 'u' // some letter, unless it is one of JSON's own
				if i+4 < len(quoted) {
					if n, err := strconv.ParseUint(string(quoted[i+1:i+5]), 16, 16); err == nil && n < 0x80 {
						c = byte(n)
					}
					i += 4
				}
			}
		}
		p.take(c)
	}
}

func (p *progress) take(c byte) {
	switch {
	case p.other:
	case p.escaped:
		p.escaped = false
	case p.inString:
		p.escaped = c == '\\'
		p.inString = c != '"'
	case !p.begun:
		p.begun = c > ' '
		if p.other = p.begun && c != '{'; c == '{' {
			p.depth++
		}
	case c == '"':
		p.inString = true
	case c == '{', c == '[':
		p.depth++
	case c == '}', c == ']':
		p.depth--
	}
}
