package dialect

import (
	"bytes"

	"turnout/internal/domain"
)

// FurtherReader reads the streams of further paths (legacy completions, images, speech,
// transcriptions), of which the gateway knows no more than what tells their end: a finish reason, a type
// that ends in ".completed" or ".done", or "[DONE]". The zero FurtherReader is at the beginning.
type FurtherReader struct {
	usage    domain.Usage
	finished bool
	ended    bool
	// ReadUsage reads a usage object; nil: none is read.
	ReadUsage func(usage []byte, u *domain.Usage)
	// Hide: the caller did not ask for an event that holds nothing but usage.
	Hide bool
}

var _ Reader = (*FurtherReader)(nil)

// Event implements Reader.
func (r *FurtherReader) Event(raw []byte) Event {
	name, data := Fields(raw)
	switch {
	case len(data) == 0:
		return Event{Kind: EventPing}
	case string(data) == "[DONE]":
		r.finished, r.ended = true, true
		return Event{Kind: EventEnd, Data: data}
	}
	ev := Event{Kind: EventContent, Data: data}
	failed := string(name) == "error"
	choices, stated := -1, false
	err := Object(data, func(key []byte, v, _ Span) bool {
		val := v.Of(data)
		switch string(key) {
		case "error":
			failed = failed || !IsNull(val)
		case "type":
			if bytes.HasSuffix(val, []byte(`.completed"`)) || bytes.HasSuffix(val, []byte(`.done"`)) {
				ev.Kind = EventFinish
			}
		case "usage":
			stated = r.read(val)
		case "response":
			r.read(Member(val, "usage"))
		case "delta":
			ev.Text += Quoted(val)
		case "choices":
			choices = 0
			_ = Array(val, func(e Span) bool {
				choices++
				c := e.Of(val)
				ev.Text += Quoted(Member(c, "text"))
				if reason := Member(c, "finish_reason"); !IsNull(reason) {
					ev.Kind = EventFinish
				}
				return true
			})
		}
		return true
	})
	switch {
	case err != nil:
		return Event{Kind: EventMalformed, Data: data}
	case failed:
		return Event{Kind: EventError, Data: data}
	}
	if choices == 0 && stated {
		if ev.Kind = EventNote; r.Hide {
			ev.Kind = EventHidden
		}
	}
	r.finished = r.finished || ev.Kind == EventFinish
	return ev
}

// read takes stated usage over.
func (r *FurtherReader) read(usage []byte) bool {
	if r.ReadUsage == nil || IsNull(usage) || usage[0] != '{' {
		return false
	}
	r.ReadUsage(usage, &r.usage)
	return true
}

// Quoted is how many bytes stand between the quotes of a JSON string; of anything else, 0.
func Quoted(v []byte) int {
	if len(v) < 2 || v[0] != '"' {
		return 0
	}
	return len(v) - 2
}

// Usage implements Reader.
func (r *FurtherReader) Usage() domain.Usage { return r.usage }

// Finished implements Reader.
func (r *FurtherReader) Finished() bool { return r.finished }

// Open implements Reader.
func (r *FurtherReader) Open() Open {
	if r.finished {
		return OpenNone
	}
	return OpenThinking // nobody knows: the patient limits
}

// KeepAlive implements Reader: nothing is known of blocks.
func (r *FurtherReader) KeepAlive() []byte { return nil }

// Closing implements Reader: what ends such a stream is not known, so nothing is added.
func (r *FurtherReader) Closing() []byte { return nil }

// WholeFurther reads the JSON answer of a further path: any JSON object that is no error is whole.
func WholeFurther(d Dialect, body []byte) Answer {
	a := d.Whole(body)
	a.Content, a.Finished = a.Valid && !a.Error, a.Valid && !a.Error
	return a
}
