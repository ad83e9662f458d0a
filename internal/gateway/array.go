package gateway

import (
	"bytes"

	"turnout/internal/dialect"
)

// arrayFrame turns the events of a stream into the elements of one JSON array, for callers of
// Gemini's streams without alt=sse. Upstream the same stream is asked for as events, so that there is one
// way to read it. The zero arrayFrame is at the array's beginning.
type arrayFrame struct {
	rest  []byte // of an event that is not whole yet
	begun bool
	out   []byte

	plain bool // what comes is no stream but one JSON value, and goes on as it comes
	list  bool // which is an array already
}

// add takes bytes of the stream and gives what of the array they make. It is good until the next call.
func (f *arrayFrame) add(p []byte) []byte {
	if f.plain {
		return f.value(p)
	}
	f.out = f.out[:0]
	in := p
	if len(f.rest) > 0 {
		f.rest = append(f.rest, p...)
		in = f.rest
	}
	for {
		n := dialect.EndOfEvent(in)
		if n == 0 {
			break
		}
		if _, data := dialect.Fields(in[:n]); len(data) > 0 {
			sep := ",\r\n"
			if !f.begun {
				sep, f.begun = "[", true
			}
			f.out = append(append(f.out, sep...), data...)
		} else {
			f.out = append(f.out, '\n') // a sign of life: white space means nothing there
		}
		in = in[n:]
	}
	f.rest = append(f.rest[:0], bytes.Clone(in)...)
	return f.out
}

// value takes bytes of one JSON value, as some servers answer where a stream was asked for. An object becomes the
// array's only element.
func (f *arrayFrame) value(p []byte) []byte {
	if f.begun {
		return p
	}
	at := bytes.TrimLeft(p, " \t\r\n")
	if len(at) == 0 {
		return p
	}
	f.begun, f.list = true, at[0] == '['
	if f.list {
		return p
	}
	return append([]byte("["), p...)
}

// end closes the array.
func (f *arrayFrame) end() []byte {
	switch {
	case !f.begun:
		f.begun = true
		return []byte("[]")
	case f.list:
		return nil
	}
	return []byte("\r\n]")
}
