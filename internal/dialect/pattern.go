package dialect

import "bytes"

// Pattern recognises an event that differs from one that was read before only in
// the text of its delta. In a stream nearly every event does, and comparing bytes is
// far cheaper than scanning JSON. The zero Pattern matches nothing.
type Pattern struct {
	prefix []byte // of the raw event, with the delta's opening quote
	suffix []byte // after the delta's closing quote
	cut    Span   // what is left out, from the suffix's start
	open   Open
	learnt int
}

// maxLearnt bounds how often a stream may teach another pattern: where every event
// differs, learning costs more than it saves.
const maxLearnt = 8

// Match reports whether raw is such an event, and what it means. open is what the
// stream is inside of after it.
func (p *Pattern) Match(raw []byte) (ev Event, open Open, ok bool) {
	n := len(p.prefix)
	if n == 0 || len(raw) < n+len(p.suffix) || !bytes.Equal(raw[:n], p.prefix) {
		return ev, 0, false
	}
	end, err := skipString(raw, n-1)
	if err != nil || end-n < 2 || !bytes.Equal(raw[end:], p.suffix) {
		return ev, 0, false
	}
	if text := raw[n:end]; bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return ev, 0, false // what follows is another line of the event, and may be another field
	}
	ev.Kind, ev.Text = EventContent, end-n-1
	if p.cut.Present() {
		ev.Cut = Span{end + p.cut.Start, end + p.cut.End}
	}
	return ev, p.open, true
}

// Learn takes an event that was read in full as the pattern of those to come. text
// is the delta's string, quotes included, inside raw; cut is the event's.
func (p *Pattern) Learn(raw, text []byte, cut Span, open Open) {
	at := Offset(raw, text)
	if at < 0 || len(text) < 3 || p.learnt == maxLearnt {
		return
	}
	end := at + len(text)
	if cut.Present() {
		if cut.Start < end {
			return
		}
		cut = Span{cut.Start - end, cut.End - end}
	}
	p.learnt++
	p.prefix = append(p.prefix[:0], raw[:at+1]...)
	p.suffix = append(p.suffix[:0], raw[end:]...)
	p.cut, p.open = cut, open
}

// Offset is where part begins inside whole, or -1 if it is not a part of it.
func Offset(whole, part []byte) int {
	o := cap(whole) - cap(part)
	if o < 0 || o+len(part) > len(whole) || len(part) == 0 || &whole[o] != &part[0] {
		return -1
	}
	return o
}
