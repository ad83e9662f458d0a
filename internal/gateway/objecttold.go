package gateway

import (
	"context"
	"net/http"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// tells reports whether an answer about one object may name others that came to be with it: the results of a batch, what a
// response in the background has made, a conversation's new items.
func (c *ObjectCall) tells(method string) bool {
	switch c.Collection {
	case "/v1/batches":
		return c.ID != ""
	case "/v1/responses":
		return c.ID != "" && (c.Tail == "" && method == http.MethodGet || c.Tail == "/cancel")
	case "/v1/conversations":
		return c.Tail == "/items" && method == http.MethodPost
	}
	return false
}

// told makes what such an answer names the caller's own, before the caller can know of it.
func (x *exchange) told(ctx context.Context, c *ObjectCall, at domain.AccountID, ask *objectAsk, answer []byte) {
	switch c.Collection {
	case "/v1/batches":
		x.results(ctx, at, answer)
	case "/v1/responses":
		if m, ok := x.d.(dialect.Maker); ok {
			for _, id := range m.Made(answer) {
				x.found(ctx, at, id, responseLife)
			}
		}
	case "/v1/conversations":
		given := givenIDs(ask.body.bytes())
		rows := dialect.Member(answer, "data")
		_ = dialect.Array(rows, func(e dialect.Span) bool {
			// An id that the caller has given itself may be another key's.
			if id := madeName(e.Of(rows)); !given[id] {
				x.found(ctx, at, id, objectLife)
			}
			return true
		})
	}
}

// results makes the files that an OpenAI batch has written the caller's own.
func (x *exchange) results(ctx context.Context, at domain.AccountID, batch []byte) {
	for _, member := range []string{"output_file_id", "error_file_id"} {
		if id, ok := dialect.Unquote(dialect.Member(batch, member)); ok {
			x.found(ctx, at, id, objectLife)
		}
	}
}

// found is [exchange.own] for what may be known already: callers ask again and again whether a batch is done.
func (x *exchange) found(ctx context.Context, at domain.AccountID, name string, life time.Duration) {
	if _, err := x.owner(ctx, name); err != nil {
		x.own(ctx, at, name, life)
	}
}

// givenIDs are all that a body gives its items as ids, whichever of two a reader believes.
func givenIDs(body []byte) map[string]bool {
	given := map[string]bool{}
	_ = dialect.Object(body, func(_ []byte, v, _ dialect.Span) bool {
		items := v.Of(body)
		_ = dialect.Array(items, func(e dialect.Span) bool {
			item := e.Of(items)
			_ = dialect.Object(item, func(key []byte, v, _ dialect.Span) bool {
				if dialect.Name(key, "id") {
					if id, ok := dialect.Unquote(v.Of(item)); ok {
						given[id] = true
					}
				}
				return true
			})
			return true
		})
		return true
	})
	return given
}

// hearing learns from an answer in events what [exchange.told] learns from a whole one.
type hearing struct {
	x    *exchange
	ctx  context.Context
	c    *ObjectCall
	at   domain.AccountID
	rest []byte // of an event that is not whole yet
	deaf bool   // an event was too large to be kept
}

// maxHeard is the largest event that is listened to, in bytes.
const maxHeard = 4 << 20

func (h *hearing) hear(piece []byte) {
	if h.deaf {
		return
	}
	h.rest = append(h.rest, piece...)
	for {
		n := dialect.EndOfEvent(h.rest)
		if n == 0 {
			break
		}
		if _, data := dialect.Fields(h.rest[:n]); dialect.Member(data, "response") != nil { // those of pieces are many, and say nothing of it
			h.x.told(h.ctx, h.c, h.at, nil, data)
		}
		h.rest = append(h.rest[:0], h.rest[n:]...)
	}
	if len(h.rest) > maxHeard {
		h.rest, h.deaf = nil, true
	}
}
