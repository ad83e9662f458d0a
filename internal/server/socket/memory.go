package socket

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
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
}

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
	out := append(make([]byte, 0, len(before)+len(t.input)+2), '[')
	out = append(out, before...)
	for _, item := range itemsOf(t.input) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']'), known
}

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

// stored reports whether the account of a response was asked to keep it.
func (m *memory) stored(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.latest, func(r remembered) bool { return r.id == id && r.stored })
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
	m.add(remembered{id, items, stored})
}

// warmUp remembers a turn that is to be gone on from without an answer, and names it.
func (m *memory) warmUp(input []byte) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	id := "resp_" + hex.EncodeToString(b[:])
	if input != nil {
		m.add(remembered{id: id, items: append([]byte(nil), input[1:len(input)-1]...)})
	}
	return id
}

func (m *memory) add(r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(r.items) > maxMemoryBytes || !m.budget.Take(len(r.items)) {
		return // its next turn has to send the conversation itself
	}
	m.latest = append(m.latest, r)
	m.bytes += len(r.items)
	for len(m.latest) > maxResponses || m.bytes > maxMemoryBytes {
		m.bytes -= len(m.latest[0].items)
		m.budget.Give(len(m.latest[0].items))
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
