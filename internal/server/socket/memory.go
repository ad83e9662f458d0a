package socket

import (
	"crypto/rand"
	"encoding/hex"
	"sync"

	"turnout/internal/dialect"
)

// Bounds of what a connection remembers.
const (
	maxResponses   = 16       // the latest ones
	maxMemoryBytes = 32 << 20 // of their conversations, in all
)

// memory keeps the conversations of a connection's latest responses. Safe for concurrent use.
type memory struct {
	budget Budget

	mu     sync.Mutex
	latest []remembered // the newest last
	bytes  int
}

// remembered is one response and the conversation up to its end: the elements of an array,
// comma separated.
type remembered struct {
	id     string
	items  []byte
	stored bool // its account was asked to keep it

	// Of a turn that was not answered: the stored response that it goes on from, and the items since; empty: none.
	base  string
	since []byte
}

func (r *remembered) size() int { return len(r.items) + len(r.since) }

func newMemory(b Budget) *memory { return &memory{budget: b} }

// forget gives all of it back.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budget.Give(m.bytes)
	m.latest, m.bytes = nil, 0
}

// input gives the whole conversation that a turn sends, as a JSON array; known is false where
// it goes on from a response that is not remembered here, and then it has to stay as it is.
func (m *memory) input(t *turn) (input []byte, known bool) {
	var before []byte
	if t.previous != "" {
		m.mu.Lock()
		for i := range m.latest {
			if m.latest[i].id == t.previous {
				before, known = m.latest[i].items, true
			}
		}
		m.mu.Unlock()
		if !known {
			return nil, false
		}
	}
	return listed(joined(before, t.input)), known
}

func listed(items []byte) []byte { return append(append([]byte{'['}, items...), ']') }

// itemsOf are the items of an input, which may be a string instead.
func itemsOf(input []byte) (items [][]byte) {
	switch {
	case dialect.IsNull(input):
	case input[0] == '"':
		items = append(items, append(append([]byte(`{"type":"message","role":"user","content":`), input...), '}'))
	default:
		_ = dialect.Array(input, func(e dialect.Span) bool {
			items = append(items, e.Of(input))
			return true
		})
	}
	return items
}

// stored gives the response to name in the place of one, and the items since that, comma separated; empty: its account was not asked to
// keep any.
func (m *memory) stored(id string) (base string, since []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.latest {
		switch {
		case r.id != id:
		case r.stored:
			base, since = id, nil
		default:
			base, since = r.base, r.since
		}
	}
	return base, since
}

// keep remembers a response that ended well. The reasoning in it that is not encrypted cannot be sent
// back where nothing is stored, so it is left out, as clients leave it out; and with it the ids of what came after it, by which
// an account that keeps them would miss it.
func (m *memory) keep(input, response []byte, stored bool) {
	id, _ := dialect.Unquote(dialect.Member(response, "id"))
	if id == "" || input == nil {
		return
	}
	items := append([]byte(nil), input[1:len(input)-1]...)
	output := dialect.Member(response, "output")
	bare := false
	_ = dialect.Array(output, func(e dialect.Span) bool {
		item := e.Of(output)
		typ, _ := dialect.Unquote(dialect.Member(item, "type"))
		if typ == "reasoning" && dialect.IsNull(dialect.Member(item, "encrypted_content")) {
			bare = true
			return true
		}
		if bare {
			item, _ = dialect.RewriteObject(item, func(key, v []byte) ([]byte, bool) {
				if dialect.Name(key, "id") {
					return nil, true
				}
				return v, false
			})
		}
		if len(items) > 0 {
			items = append(items, ',')
		}
		items = append(items, item...)
		return true
	})
	m.add(remembered{id: id, items: items, stored: stored})
}

// warmUp remembers a turn that is to be gone on from without an answer, and names it.
func (m *memory) warmUp(t *turn, input []byte) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	id := "resp_" + hex.EncodeToString(b[:])
	if input != nil {
		r := remembered{id: id, items: append([]byte(nil), input[1:len(input)-1]...)}
		if r.base, r.since = m.stored(t.previous); r.base != "" {
			r.since = joined(r.since, t.input)
		}
		m.add(r)
	}
	return id
}

// joined are items and those of an input behind them, comma separated.
func joined(items, input []byte) []byte {
	out := append([]byte(nil), items...)
	for _, item := range itemsOf(input) {
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return out
}

func (m *memory) add(r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.size() > maxMemoryBytes || !m.budget.Take(r.size()) {
		return // its next turn has to send the conversation itself
	}
	m.latest = append(m.latest, r)
	m.bytes += r.size()
	for len(m.latest) > maxResponses || m.bytes > maxMemoryBytes {
		m.bytes -= m.latest[0].size()
		m.budget.Give(m.latest[0].size())
		m.latest = append(m.latest[:0:0], m.latest[1:]...)
	}
}

// warmUpEvents answer a turn that generates nothing.
func warmUpEvents(id string) [][]byte {
	response := func(status string) string {
		return `{"id":"` + id + `","object":"response","status":"` + status + `","output":[],"error":null,"incomplete_details":null,"usage":{"input_tokens":0,"input_tokens_details":{"cached_tokens":0},"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0}}`
	}
	return [][]byte{
		[]byte(`{"type":"response.created","sequence_number":0,"response":` + response("in_progress") + `}`),
		[]byte(`{"type":"response.completed","sequence_number":1,"response":` + response("completed") + `}`),
	}
}
