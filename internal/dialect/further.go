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
			if r.ReadUsage != nil {
				r.ReadUsage(val, &r.usage)
			}
		case "choices":
			_ = Array(val, func(e Span) bool {
				if reason := Member(e.Of(val), "finish_reason"); !IsNull(reason) {
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
	r.finished = r.finished || ev.Kind == EventFinish
	return ev
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
