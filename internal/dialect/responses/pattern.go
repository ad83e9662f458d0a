package responses

import (
	"bytes"

	"turnout/internal/dialect"
)

// pattern recognises a delta event that differs from one that was read before only in its
// number, its text and its padding. dialect.Pattern knows events that differ in one text; here the
// number differs in every event, and the padding in most. Comparing bytes takes a fifth of the time
// of reading JSON. The zero pattern matches nothing.
type pattern struct {
	parts  [4][]byte // what stands before each hole, and behind the last
	holes  [3]byte   // '0': digits, '"': a string
	delta  int       // which hole is the delta
	n      int       // holes
	learnt int
}

// maxLearnt bounds how often a stream may teach another pattern: every item teaches one, and
// where every event differs learning costs more than it saves.
const maxLearnt = 64

// match is how many bytes the text of such an event has; 0: raw is none, or its text is empty.
func (p *pattern) match(raw []byte) (text int) {
	if p.n == 0 {
		return 0
	}
	for i := range p.n {
		part := p.parts[i]
		if len(raw) < len(part) || !bytes.Equal(raw[:len(part)], part) {
			return 0
		}
		raw = raw[len(part):]
		end := 0
		if p.holes[i] == '0' {
			for end < len(raw) && raw[end] >= '0' && raw[end] <= '9' {
				end++
			}
		} else {
			end = stringEnd(raw)
		}
		if end <= 0 || i == p.delta && end <= 2 {
			return 0
		}
		if i == p.delta {
			text = end - 2
		}
		raw = raw[end:]
	}
	if !bytes.Equal(raw, p.parts[p.n]) {
		return 0
	}
	return text
}

// stringEnd is the index after the JSON string that b begins with; 0: it does not end, or holds a
// line's end, behind which another field of the event would begin.
func stringEnd(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	i := 1
	for {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return 0
		}
		i += q
		back := i - 1
		for back > 0 && b[back] == '\\' {
			back--
		}
		i++
		if (i-1-back)%2 == 1 { // an even number of backslashes before the quote
			break
		}
	}
	if in := b[:i]; bytes.IndexByte(in, '\n') >= 0 || bytes.IndexByte(in, '\r') >= 0 {
		return 0
	}
	return i
}

// learn takes an event that was read in full as the pattern of those to come. What differs are parts
// of it; padding may be absent.
func (p *pattern) learn(raw, number, delta, padding []byte) {
	if p.learnt == maxLearnt {
		return
	}
	p.learnt++
	p.n = 0
	type hole struct {
		at, end int
		kind    byte
		delta   bool
	}
	var holes [3]hole
	n := 0
	for i, v := range [...][]byte{number, delta, padding} {
		if len(v) == 0 {
			continue
		}
		at := dialect.Offset(raw, v)
		if at < 0 || i == 0 && (v[0] < '0' || v[0] > '9') || i > 0 && stringEnd(v) != len(v) {
			return
		}
		k := n
		for k > 0 && holes[k-1].at > at {
			holes[k] = holes[k-1]
			k--
		}
		holes[k] = hole{at, at + len(v), map[bool]byte{true: '0', false: '"'}[i == 0], i == 1}
		n++
	}
	from := 0
	for i, h := range holes[:n] {
		p.parts[i] = append(p.parts[i][:0], raw[from:h.at]...)
		p.holes[i] = h.kind
		if h.delta {
			p.delta = i
		}
		from = h.end
	}
	p.parts[n] = append(p.parts[n][:0], raw[from:]...)
	p.n = n
}
