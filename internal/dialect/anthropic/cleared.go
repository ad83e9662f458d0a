package anthropic

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var _ dialect.Clearer = Dialect{}

// Cleared implements dialect.Clearer: thoughts of other providers are left out, and a message of nothing else with
// them.
func (Dialect) Cleared(body []byte, _ string) (out []byte, changed bool) {
	return dialect.RewriteObject(body, func(key, v []byte) ([]byte, bool) {
		if !dialect.Name(key, "messages") {
			return v, false
		}
		return dialect.RewriteArray(v, func(m []byte) ([]byte, bool) {
			emptied := false
			m, changed := dialect.RewriteObject(m, func(key, v []byte) ([]byte, bool) {
				if !dialect.Name(key, "content") {
					return v, false
				}
				v, changed := dialect.RewriteArray(v, clearedBlock)
				emptied = emptied || changed && string(v) == "[]"
				return v, changed
			})
			if emptied {
				return nil, true
			}
			return m, changed
		})
	})
}

func clearedBlock(b []byte) ([]byte, bool) {
	var where string
	switch text(dialect.Member(b, "type")) {
	case "thinking":
		where = "signature"
	case "redacted_thinking":
		where = "data"
	default:
		return b, false
	}
	if _, _, _, sealed := neutral.Unseal(text(dialect.Member(b, where))); sealed {
		return nil, true
	}
	return b, false
}
