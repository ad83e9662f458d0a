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
}

// add takes bytes of the stream and gives what of the array they make. It is good until the next call.
func (f *arrayFrame) add(p []byte) []byte {
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

// end closes the array.
func (f *arrayFrame) end() []byte {
	if !f.begun {
		f.begun = true
		return []byte("[]")
	}
	return []byte("\r\n]")
}
