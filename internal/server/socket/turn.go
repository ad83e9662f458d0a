package socket

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

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

// named is the turn as a body that names a response that its account keeps, and the items since that.
func (t *turn) named(base string, since []byte) []byte {
	if base == t.previous {
		return t.body(nil, false) // as it came
	}
	out := t.body(listed(joined(since, t.input)), true)
	return append(dialect.AppendString(append(out[:len(out)-1], `,"previous_response_id":`...), base), '}')
}

// errorEvent is an error as an event.
func errorEvent(status int, object []byte) []byte {
	b := strconv.AppendInt([]byte(`{"type":"error","status":`), int64(status), 10)
	b = append(append(b, `,"error":`...), object...)
	return append(b, '}')
}

// promoHeader is the one header of an error that some client reads from its event: Codex, the words to show where money is used up.
const promoHeader = "X-Codex-Promo-Message"

// withHeaders adds it to an error's event, as the API's own events have the headers of their answers (codex-rs/codex-api, responses_websocket.rs).
func withHeaders(event []byte, h http.Header) []byte {
	text := h.Get(promoHeader)
	if text == "" {
		return event
	}
	event = append(event[:len(event)-1], `,"headers":{"`+strings.ToLower(promoHeader)+`":`...)
	return append(dialect.AppendString(event, text), "}}"...)
}

// warningHeader says what of a request could not be done as it was asked.
const warningHeader = "X-Turnout-Warning"

// writer turns the answer of an HTTP request into messages: one of them ends the turn, and none follows it.
type writer struct {
	c      *conn
	stream string
	header http.Header
	spare  bool // the turn can be asked in another way, if nothing of it has been sent

	status   int
	buf      []byte
	begun    bool   // the client has got something of it
	over     bool   // and what ends it
	failure  []byte // an error that has not been sent
	lost     bool   // it failed, the client has got nothing of it, and it may be asked in the other way
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
		w.event(data)
	}
	w.buf = append(w.buf[:0], w.buf[done:]...)
}

// event sends one event, unless the turn is over. A stream over HTTP that breaks says so twice, in an error and in response.failed,
// because some of its clients look for the one and some for the other. All that speak WebSocket know the latter,
// and take what comes after the first of them for the next turn's; so an error is held until it is the only one.
func (w *writer) event(data []byte) {
	if w.over {
		return
	}
	switch typ, _ := dialect.Unquote(dialect.Member(data, "type")); typ {
	case "error":
		w.failure = append([]byte(nil), data...)
		return
	case "response.failed":
		if w.over = true; w.loses(dialect.Member(w.failure, "error")) {
			return
		}
	case "response.completed", "response.incomplete":
		w.over = true
		w.response = append([]byte(nil), dialect.Member(data, "response")...)
	}
	w.send(data)
}

// loses reports whether a failure need not be told, because the turn is asked in another way.
func (w *writer) loses(failure []byte) bool {
	typ, _ := dialect.Unquote(dialect.Member(failure, "type"))
	code, _ := dialect.Unquote(dialect.Member(failure, "code"))
	w.lost = w.spare && !w.begun && (typ != "invalid_request_error" || w.status == http.StatusNotFound || code == "previous_response_not_found")
	return w.lost
}

// send sends an event. The first one says what the answer's header would say over HTTP, in a member that clients do not
// know and pass over, as they do with stream_id.
func (w *writer) send(data []byte) {
	if warnings := w.header[warningHeader]; !w.begun && len(warnings) > 0 && len(data) > 1 && data[0] == '{' {
		b := []byte(`{"turnout_warnings":[`)
		for i, text := range warnings {
			if i > 0 {
				b = append(b, ',')
			}
			b = dialect.AppendString(b, text)
		}
		if b = append(b, ']'); data[1] != '}' {
			b = append(b, ',')
		}
		data = append(b, data[1:]...)
	}
	w.begun = true
	w.c.send(w.stream, data)
}

// end sends what ended the answer, where no event said so: an error.
func (w *writer) end() {
	if w.over {
		return
	}
	w.over = true
	if w.status == http.StatusOK {
		if w.failure != nil && !w.loses(dialect.Member(w.failure, "error")) {
			w.send(w.failure)
		}
		return
	}
	if len(w.buf) == 0 {
		return
	}
	object := dialect.Member(w.buf, "error")
	if object == nil {
		object = []byte(`{"type":"server_error","code":null,"message":"the turn failed","param":null}`)
	}
	if !w.loses(object) {
		w.send(withHeaders(errorEvent(w.status, object), w.header))
	}
}
