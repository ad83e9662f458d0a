package responses

import (
	"bytes"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var (
	_ dialect.Named   = (*reader)(nil)
	_ dialect.Sealed  = Dialect{}
	_ dialect.Clearer = Dialect{}
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
func (Dialect) Unsealed(body []byte, is func(sealed string) bool) (out []byte, changed bool) {
	return withoutReasoning(body, func(encrypted []byte) bool { return !dialect.IsNull(encrypted) && is(text(encrypted)) })
}

// Unreadable implements dialect.Sealed.
func (Dialect) Unreadable(refusal []byte) bool {
	return bytes.Contains(refusal, []byte("invalid_encrypted_content"))
}

// Cleared implements dialect.Clearer.
func (Dialect) Cleared(body []byte, _ string) (out []byte, changed bool) {
	return withoutReasoning(body, func(encrypted []byte) bool {
		_, _, _, sealed := neutral.Unseal(text(encrypted))
		return sealed
	})
}

// withoutReasoning leaves out the items of reasoning whose encrypted content is as asked.
func withoutReasoning(body []byte, is func(encrypted []byte) bool) (out []byte, changed bool) {
	return dialect.RewriteObject(body, func(key, v []byte) ([]byte, bool) {
		if !dialect.Name(key, "input") {
			return v, false
		}
		return dialect.RewriteArray(v, func(item []byte) ([]byte, bool) {
			if text(dialect.Member(item, "type")) == "reasoning" && is(dialect.Member(item, "encrypted_content")) {
				return nil, true
			}
			return item, false
		})
	})
}

var _ dialect.Maker = Dialect{}

// Made implements dialect.Maker: of a whole answer, or of the event that ends a stream, the items and the
// containers that their tools ran in.
func (Dialect) Made(answer []byte) (ids []string) {
	if response := dialect.Member(answer, "response"); response != nil {
		answer = response
	}
	output := dialect.Member(answer, "output")
	_ = dialect.Array(output, func(e dialect.Span) bool {
		for _, member := range []string{"id", "container_id"} {
			if id, ok := dialect.Unquote(dialect.Member(e.Of(output), member)); ok && id != "" {
				ids = append(ids, id)
			}
		}
		return len(ids) < maxMade
	})
	return ids
}

// maxMade bounds what one answer is said to have made.
const maxMade = 256
