package socket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"turnout/internal/dialect"
)

// Bounds of a connection.
const (
	maxAge     = 60 * time.Minute // as the guide states it; clients open a new one
	maxFlying  = 16               // turns at the same time, each on a stream of its own
	maxWaiting = 64               // turns that wait for the one before them on their stream
	writeWait  = 60 * time.Second // for a client that reads nothing
)

// Handler serves one connection after another.
type Handler struct {
	// Turn serves one turn as an HTTP request: POST with a JSON body, the answer a stream.
	Turn http.Handler
	// Check refuses a caller before the connection is opened; it has written the answer if it says false.
	Check func(w http.ResponseWriter, r *http.Request) bool
	// Kept reports whether the account that made a response keeps it for this caller, so that a turn may name it. r is the turn's.
	Kept func(r *http.Request, response string) bool
	// Draining says that no new turn is to be begun.
	Draining func() bool
	// MaxMessage is how large a client's message may be, in bytes.
	MaxMessage func() int64
	// Memory is where messages that wait and conversations that are kept are counted.
	Memory Budget
	Log    *slog.Logger

	mu    sync.Mutex
	conns map[*conn]bool
}

// Budget bounds memory, in bytes. Implementations are safe for concurrent use.
type Budget interface {
	Take(n int) bool // false: there is not so much left, and nothing was taken
	Give(n int)
}

// Close ends every connection, when no turn runs any more: a server's own stop does not know them.
func (h *Handler) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.cancel()
		_ = c.ws.CloseNow()
	}
}

func (h *Handler) add(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		h.conns = map[*conn]bool{}
	}
	h.conns[c] = true
}

func (h *Handler) remove(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// IsUpgrade reports whether a request asks for a WebSocket.
func IsUpgrade(r *http.Request) bool {
	return headerHas(r.Header, "Connection", "upgrade") && headerHas(r.Header, "Upgrade", "websocket")
}

func headerHas(h http.Header, name, token string) bool {
	for _, v := range h[name] {
		for part := range bytes.SplitSeq([]byte(v), []byte(",")) {
			if bytes.EqualFold(bytes.TrimSpace(part), []byte(token)) {
				return true
			}
		}
	}
	return false
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.Check(w, r) {
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(h.MaxMessage())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxAge)
	defer cancel()
	c := &conn{h: h, ws: ws, r: r, ctx: ctx, cancel: cancel, streams: map[string]chan struct{}{}, slots: make(chan struct{}, maxFlying), memory: newMemory(h.Memory)}
	h.add(c)
	defer h.remove(c)
	c.read()
	cancel()
	c.turns.Wait()
	c.memory.forget()
	_ = ws.CloseNow()
}

// conn is one connection.
type conn struct {
	h      *Handler
	ws     *websocket.Conn
	r      *http.Request // that opened it; its header goes along with every turn
	ctx    context.Context
	cancel context.CancelFunc
	turns  sync.WaitGroup
	slots  chan struct{}
	memory *memory

	pinging atomic.Bool

	mu      sync.Mutex
	streams map[string]chan struct{} // by stream: closed when its latest turn has ended
	waiting int
}

// read takes messages until the client leaves, the connection is too old, or Turnout stops.
func (c *conn) read() {
	for {
		kind, msg, err := c.ws.Read(c.ctx)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				c.refuse("", http.StatusBadRequest, "websocket_connection_limit_reached", "this connection is 60 minutes old; open a new one and go on there")
				_ = c.ws.Close(websocket.StatusNormalClosure, "open a new connection")
			}
			return
		}
		if c.h.Draining() {
			c.refuse("", http.StatusServiceUnavailable, "server_is_stopping", "Turnout is stopping; open a new connection and send the turn again")
			_ = c.ws.Close(websocket.StatusGoingAway, "stopping")
			return
		}
		if kind != websocket.MessageText {
			c.refuse("", http.StatusBadRequest, "invalid_message", "messages are JSON texts, not binary")
			continue
		}
		c.take(msg)
	}
}

// take begins a turn, behind the one that runs on the same stream.
func (c *conn) take(msg []byte) {
	t, err := readTurn(msg)
	if err != nil {
		c.refuse(t.stream, http.StatusBadRequest, "invalid_message", err.Error())
		return
	}
	if c.busy() {
		// In the reader's own goroutine: who sends on without reading is read no further.
		c.refuse(t.stream, http.StatusTooManyRequests, "too_many_turns", "too many turns wait on this connection; wait for answers first")
		return
	}
	if !c.h.Memory.Take(len(msg)) {
		c.refuse(t.stream, http.StatusServiceUnavailable, "server_is_busy", "too many large requests at once; try again in a moment")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++
	before := c.streams[t.stream]
	done := make(chan struct{})
	c.streams[t.stream] = done
	c.turns.Go(func() {
		defer close(done)
		defer c.h.Memory.Give(len(msg))
		if before != nil {
			<-before
		}
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		c.mu.Lock()
		c.waiting--
		c.mu.Unlock()
		if c.ctx.Err() == nil {
			c.run(t)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.streams[t.stream] == done {
			delete(c.streams, t.stream)
		}
	})
}

// busy reports whether no further turn may wait.
func (c *conn) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting >= maxWaiting
}

// run serves one turn.
func (c *conn) run(t *turn) {
	input, known := c.memory.input(t)
	if t.warmUp {
		id := c.memory.warmUp(t, input)
		for _, ev := range warmUpEvents(id) {
			c.send(t.stream, ev)
		}
		return
	}
	// What the account keeps says more than can be sent: reasoning that is not encrypted. So it is named as long as that account
	// serves, and the conversation is spelled out where it does not.
	var w *writer
	if base, since := c.memory.stored(t.previous); known && base != "" {
		if r := c.request(t.named(base, since)); c.h.Kept(r, base) {
			w = c.serve(t, r, true)
		}
	}
	if w == nil || w.lost {
		w = c.serve(t, c.request(t.body(input, known)), false)
	}
	if w.response != nil {
		c.memory.keep(input, w.response, t.stored)
	}
}

// request is a turn as an HTTP request.
func (c *conn) request(body []byte) *http.Request {
	u := url.URL{Path: "/v1/responses", RawQuery: c.r.URL.RawQuery} // a key may stand in the query
	r := &http.Request{
		Method: http.MethodPost, URL: &u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: c.r.Host, RemoteAddr: c.r.RemoteAddr,
		Header: turnHeader(c.r.Header), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	return r.WithContext(c.ctx)
}

// serve lets a request be answered; spare: it can be asked in another way.
func (c *conn) serve(t *turn, r *http.Request, spare bool) *writer {
	w := &writer{c: c, stream: t.stream, header: http.Header{}, spare: spare}
	c.h.Turn.ServeHTTP(w, r)
	w.end()
	return w
}

// turnHeader is the header of the request that opened the connection, less what belongs to the
// connection itself.
func turnHeader(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for k, v := range h {
		if k != "Connection" && k != "Upgrade" && k != "Accept" && k != "Content-Length" && !bytes.HasPrefix([]byte(k), []byte("Sec-Websocket-")) {
			out[k] = v
		}
	}
	out["Content-Type"] = []string{"application/json"}
	return out
}

// send sends one event. An error ends the connection: its client is gone.
func (c *conn) send(stream string, event []byte) {
	if stream != "" && len(event) > 1 && event[0] == '{' {
		tagged := dialect.AppendString([]byte(`{"stream_id":`), stream)
		if event[1] != '}' {
			tagged = append(tagged, ',')
		}
		event = append(tagged, event[1:]...)
	}
	ctx, cancel := context.WithTimeout(c.ctx, writeWait)
	defer cancel()
	if c.ws.Write(ctx, websocket.MessageText, event) != nil {
		_ = c.ws.CloseNow()
	}
}

// refuse tells of an error in the shape that the guide shows.
func (c *conn) refuse(stream string, status int, code, message string) {
	kind := "invalid_request_error"
	if status >= http.StatusInternalServerError {
		kind = "server_error"
	}
	b := dialect.AppendString([]byte(`{"type":`), kind)
	b = dialect.AppendString(append(b, `,"code":`...), code)
	b = append(dialect.AppendString(append(b, `,"message":`...), message), `,"param":null}`...)
	c.send(stream, errorEvent(status, b))
}

// alive asks the client's side for a sign, as keep-alives between events do over HTTP.
func (c *conn) alive() {
	if c.pinging.Swap(true) {
		return // the last one has not been answered yet
	}
	go func() {
		defer c.pinging.Store(false)
		ctx, cancel := context.WithTimeout(c.ctx, writeWait)
		defer cancel()
		_ = c.ws.Ping(ctx) // a client that is gone is noticed at the next event
	}()
}
