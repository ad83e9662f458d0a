package responses

import "turnout/internal/dialect"

var (
	_ dialect.Named  = (*reader)(nil)
	_ dialect.Sealed = Dialect{}
)

// conversation reads the id of a stored conversation, which stands as a string or in an object.
func conversation(v []byte) string {
	if len(v) > 0 && v[0] == '{' {
		v = dialect.Member(v, "id")
	}
	id, _ := dialect.Unquote(v)
	return id
}

// ID implements dialect.Named.
func (r *reader) ID() string { return r.id }

// Unsealed implements dialect.Sealed: the items of reasoning whose content is encrypted are left
// out whole, because without it an item is only a name that another account does not know. What was compacted
// stays: without it the conversation would be another one, and the refusal says so better.
func (Dialect) Unsealed(body []byte) (out []byte, changed bool) {
	input := dialect.Span{}
	_ = dialect.Object(body, func(key []byte, v, _ dialect.Span) bool {
		if dialect.Name(key, "input") {
			input = v
		}
		return true
	})
	items := input.Of(body)
	if len(items) == 0 || items[0] != '[' {
		return body, false
	}
	out = append(make([]byte, 0, len(body)), body[:input.Start]...)
	out = append(out, '[')
	first := true
	_ = dialect.Array(items, func(e dialect.Span) bool {
		item := e.Of(items)
		if typ, _ := dialect.Unquote(dialect.Member(item, "type")); typ == "reasoning" && !dialect.IsNull(dialect.Member(item, "encrypted_content")) {
			changed = true
			return true
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(out, item...)
		return true
	})
	out = append(out, ']')
	return append(out, body[input.End:]...), changed
}
