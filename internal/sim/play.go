package sim

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// eventKind is what an event is to the faults.
type eventKind uint8

const (
	otherEvent    eventKind = iota
	openEvent               // the first of a stream
	contentEvent            // carries text, thoughts or arguments
	finishEvent             // carries the finish reason
	usageEvent              // OpenAI's figures after the finish
	sentinelEvent           // message_stop, [DONE]
)

// event is one server-sent event, or (with no data) a silence.
type event struct {
	kind  eventKind
	pause time.Duration // before it
	data  []byte        // framed, as it goes on the wire
}

var errClientLeft = errors.New("the client left")

// sink writes the body of an answer, as the behaviour wants it written.
type sink struct {
	x  *exchange
	gz *gzip.Writer // nil: not compressed
}

// write sends data and makes sure that it has left.
func (s *sink) write(data []byte) error {
	if s.x.r.Context().Err() != nil {
		return errClientLeft
	}
	var to io.Writer = s.x.w
	if s.gz != nil {
		to = s.gz
	}
	step := len(data)
	if s.x.b.Trickle > 0 && s.gz == nil {
		step = s.x.b.Trickle
	}
	for len(data) > 0 {
		n := min(step, len(data))
		if _, err := to.Write(data[:n]); err != nil {
			return errClientLeft
		}
		data = data[n:]
		if s.gz != nil {
			if err := s.gz.Flush(); err != nil {
				return errClientLeft
			}
		}
		if err := s.x.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return errClientLeft
		}
		if s.x.b.Trickle > 0 && !s.x.sleep(s.x.b.Drip) {
			return errClientLeft
		}
	}
	return nil
}

// wantsGzip reports whether the answer is to be compressed.
func (x *exchange) wantsGzip() bool {
	return x.b.Gzip && strings.Contains(strings.Join(x.r.Header.Values("Accept-Encoding"), ","), "gzip")
}

// playStream writes a 200 with the events, and spoils it where the fault says so.
func (x *exchange) playStream(events []event) {
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	if x.array {
		h.Set("Content-Type", "application/json; charset=UTF-8")
	}
	h.Set("Cache-Control", "no-cache")
	s := &sink{x: x}
	switch {
	case x.fault.Kind == BadGzip:
		h.Set("Content-Encoding", "gzip")
	case x.wantsGzip():
		h.Set("Content-Encoding", "gzip")
		s.gz = gzip.NewWriter(x.w)
	}
	x.status(http.StatusOK)
	_ = x.rc.Flush()
	if !x.sleep(x.b.FirstToken) {
		return
	}
	whole, err := x.playEvents(s, events)
	if err == nil && s.gz != nil {
		err = s.gz.Close()
	}
	switch {
	case err != nil:
		x.set(Aborted)
	case whole:
		x.set(OK)
	default:
		x.set(Broken)
	}
}

// playEvents reports whether everything was written as it should be.
func (x *exchange) playEvents(s *sink, events []event) (whole bool, err error) {
	f := x.fault
	whole = f.Kind != NoFinish && f.Kind != NoSentinel && f.Kind != BadGzip && f.Kind != Garbage
	switch f.Kind {
	case Empty:
		return false, nil
	case ErrorEvent:
		if f.After == 0 && !f.Started { // before anything else
			return false, s.write(x.errorEvent())
		}
	}
	content := 0
	spoilt := false
	for _, e := range events {
		switch {
		case f.Kind == NoFinish && e.kind >= finishEvent, f.Kind == NoSentinel && e.kind == sentinelEvent:
			continue
		case f.Kind == OpenEnd && e.kind == sentinelEvent:
			<-x.r.Context().Done()
			return false, errClientLeft
		case !x.sleep(e.pause):
			return false, errClientLeft
		case e.data == nil:
			continue
		}
		if f.Kind == Garbage && e.kind == finishEvent {
			if err := s.write([]byte("data: {\"type\":\"pi\n\n")); err != nil {
				return false, err
			}
		}
		if !spoilt && (e.kind == contentEvent && content >= f.After || e.kind == finishEvent) {
			spoilt = true
			switch goOn, err := x.spoil(s, e); {
			case err != nil:
				return false, err
			case !goOn:
				return false, nil
			case f.Kind == Malformed:
				whole = false
				if e.kind == contentEvent {
					continue // it stood in this one's place
				}
			}
		}
		if err := s.write(e.data); err != nil {
			return false, err
		}
		x.written++
		if e.kind == contentEvent {
			content++
			x.p.journal.update(x.seen, func(s *Seen) { s.Events++ })
		}
	}
	return whole, nil
}

// spoil acts a fault of the middle of a stream, when e would have been next. It
// reports whether the stream goes on.
func (x *exchange) spoil(s *sink, e event) (goOn bool, err error) {
	switch x.fault.Kind {
	case Cut:
		x.set(Broken)
		panic(http.ErrAbortHandler)
	case CutReset:
		x.set(Broken)
		x.reset()
	case Stall:
		<-x.r.Context().Done()
		return false, errClientLeft
	case Malformed:
		// Half of the event's data: a line that ends in the middle of its JSON.
		half := append(bytes.Clone(e.data[:len(e.data)*2/3]), "\n\n"...)
		return true, s.write(half)
	case ErrorEvent:
		return false, s.write(x.errorEvent())
	}
	return true, nil
}

// errorEvent is the format's error inside a stream.
func (x *exchange) errorEvent() []byte {
	body := x.inBandError()
	switch x.format {
	case anthropic:
		return append(append([]byte("event: error\ndata: "), body...), "\n\n"...)
	case gemini:
		return x.geminiErrorEvent(body)
	case responses:
		return x.responsesErrorEvent()
	case openai:
	}
	return append(append([]byte("data: "), body...), "\n\n"...)
}

// inBandFailure is what goes wrong inside a success.
func (x *exchange) inBandFailure() *failure {
	code := x.fault.Status
	if code == 0 {
		code = 500
		if !x.format.ofOpenAI() {
			code = 529 // Gemini's overloaded is a 503
		}
	}
	return statusFailure(x.format, code, x.who())
}

func (x *exchange) inBandError() []byte {
	f := x.inBandFailure()
	if x.format == responses {
		return encode(x.failedResponse(f))
	}
	return f.body(x.format, x.requestID())
}

// playJSON writes a 200 with a whole body, and spoils it where the fault says so.
func (x *exchange) playJSON(body []byte, took time.Duration) {
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	if !x.sleep(took) {
		return
	}
	f, outcome := x.fault, OK
	length := 0 // to announce; 0: the body's own
	switch f.Kind {
	case Cut, CutReset, Stall, JSONStall:
		length, body = len(body), body[:len(body)/2]
	case Malformed:
		body, outcome = body[:len(body)/2], Broken
	case ErrorEvent:
		body, outcome = x.inBandError(), Broken
	case Empty:
		body, outcome = nil, Broken
	case BadGzip:
		h.Set("Content-Encoding", "gzip")
		outcome = Broken
	case NoFinish:
		outcome = Broken
	default:
		if x.wantsGzip() {
			h.Set("Content-Encoding", "gzip")
			body = compressed(body)
		}
	}
	if length == 0 {
		length = len(body)
	}
	h.Set("Content-Length", strconv.Itoa(length))
	x.status(http.StatusOK)
	if x.b.FirstToken > 0 {
		_ = x.rc.Flush()
		if !x.sleep(x.b.FirstToken) {
			return
		}
	}
	s := &sink{x: x}
	if err := s.write(body); err != nil {
		x.set(Aborted)
		return
	}
	switch f.Kind {
	case Cut:
		x.set(Broken)
		panic(http.ErrAbortHandler)
	case CutReset:
		x.set(Broken)
		x.reset()
	case Stall, JSONStall:
		<-x.r.Context().Done()
		x.set(Aborted)
		panic(http.ErrAbortHandler)
	}
	x.set(outcome)
}

func compressed(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body)
	_ = z.Close() // writing to memory cannot fail
	return b.Bytes()
}
