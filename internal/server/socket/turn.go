package socket

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"turnout/internal/dialect"
)

// turn is one response.create message.
type turn struct {
	msg      []byte
	stream   string // the stream that it belongs to; empty: the connection's only one
	previous string // the response that it goes on from; empty: none
	warmUp   bool   // generate: false
	stored   bool   // the account keeps the response, too
	input    []byte
}

var errShape = errors.New("a message is a JSON object with the type response.create and the members of a request to POST /v1/responses")

func readTurn(msg []byte) (*turn, error) {
	t := &turn{msg: msg, stored: true}
	typ := ""
	err := dialect.Object(msg, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(msg)
		switch string(key) {
		case "type":
			typ, _ = dialect.Unquote(val)
		case "stream_id":
			t.stream, _ = dialect.Unquote(val)
		case "previous_response_id":
			t.previous, _ = dialect.Unquote(val)
		case "generate":
			t.warmUp = string(val) == "false"
		case "store":
			t.stored = string(val) != "false"
		case "input":
			t.input = val
		}
		return true
	})
	switch {
	case err != nil:
		return t, errShape
	case typ != "response.create":
		return t, fmt.Errorf("messages of the type %q are not known here; %w", clip(typ), errShape)
	case !dialect.IsNull(t.input) && t.input[0] != '"' && t.input[0] != '[':
		return t, errors.New("input is a text or a list of items")
	case len(t.stream) > 256:
		t.stream = ""
		return t, errors.New("stream_id is longer than 256 bytes")
	}
	return t, nil
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// body is the turn as the body of an HTTP request. Where the connection knows the response that it
// goes on from, the whole conversation takes its place.
func (t *turn) body(input []byte, known bool) []byte {
	out := append(make([]byte, 0, len(t.msg)+len(input)+32), `{"stream":true`...)
	_ = dialect.Object(t.msg, func(key []byte, v, member dialect.Span) bool {
		part := member.Of(t.msg)
		switch string(key) {
		case "type", "stream_id", "generate", "stream", "background":
			return true
		case "previous_response_id":
			if known {
				return true
			}
		case "input":
			if known {
				part = append([]byte(`"input":`), input...)
			}
		}
		out = append(append(out, ','), part...)
		return true
	})
	if known && t.input == nil {
		out = append(append(out, `,"input":`...), input...)
	}
	return append(out, '}')
}

// errorEvent is an error as an event.
func errorEvent(status int, object []byte) []byte {
	b := strconv.AppendInt([]byte(`{"type":"error","status":`), int64(status), 10)
	b = append(append(b, `,"error":`...), object...)
	return append(b, '}')
}

// writer turns the answer of an HTTP request into messages.
type writer struct {
	c      *conn
	stream string
	header http.Header

	status   int
	buf      []byte
	response []byte // of the event that ended it well
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if err := w.c.ctx.Err(); err != nil {
		return 0, err
	}
	w.buf = append(w.buf, p...)
	if w.status == http.StatusOK {
		w.events()
	}
	return len(p), nil
}

// FlushError is what http.ResponseController looks for: messages go out as they are whole.
func (w *writer) FlushError() error { return w.c.ctx.Err() }

// events sends the events that are whole.
func (w *writer) events() {
	done := 0
	for {
		n := dialect.EndOfEvent(w.buf[done:])
		if n == 0 {
			break
		}
		_, data := dialect.Fields(w.buf[done : done+n])
		done += n
		if len(data) == 0 {
			w.c.alive()
			continue
		}
		switch typ, _ := dialect.Unquote(dialect.Member(data, "type")); typ {
		case "response.completed", "response.incomplete":
			w.response = append([]byte(nil), dialect.Member(data, "response")...)
		}
		w.c.send(w.stream, data)
	}
	w.buf = append(w.buf[:0], w.buf[done:]...)
}

// end sends what the answer was if it was no stream: an error.
func (w *writer) end() {
	if w.status == http.StatusOK || len(w.buf) == 0 {
		return
	}
	object := dialect.Member(w.buf, "error")
	if object == nil {
		object = []byte(`{"type":"server_error","code":null,"message":"the turn failed","param":null}`)
	}
	w.c.send(w.stream, errorEvent(w.status, object))
}
