package gemini

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var _ dialect.Clearer = Dialect{}

// Cleared implements dialect.Clearer: signatures of other providers are left out, thoughts with them. A call gets the
// one that Google documents for calls which the model did not make, where the model asks for one.
func (Dialect) Cleared(body []byte, model string) (out []byte, changed bool) {
	var call []byte
	if familyOf(model).levels {
		call = []byte(`"` + noSignature + `"`)
	}
	return dialect.RewriteObject(body, func(key, v []byte) ([]byte, bool) {
		if string(canon(key)) != "contents" {
			return v, false
		}
		if len(v) > 0 && v[0] == '{' { // which the API takes for a list of one
			v, changed, _ := clearedContent(v, call)
			return v, changed
		}
		return dialect.RewriteArray(v, func(c []byte) ([]byte, bool) {
			c, changed, emptied := clearedContent(c, call)
			if emptied {
				return nil, true
			}
			return c, changed
		})
	})
}

func clearedContent(content, call []byte) (out []byte, changed, emptied bool) {
	out, changed = dialect.RewriteObject(content, func(key, v []byte) ([]byte, bool) {
		if string(canon(key)) != "parts" {
			return v, false
		}
		v, changed := dialect.RewriteArray(v, func(p []byte) ([]byte, bool) { return clearedPart(p, call) })
		emptied = emptied || changed && string(v) == "[]"
		return v, changed
	})
	return out, changed, emptied
}

func clearedPart(raw, call []byte) ([]byte, bool) {
	p := readPart(raw)
	switch _, _, _, sealed := neutral.Unseal(returned(p.signature)); {
	case !sealed:
		return raw, false
	case p.thought && p.kind == "":
		return nil, true
	}
	return dialect.RewriteObject(raw, func(key, v []byte) ([]byte, bool) {
		switch {
		case string(canon(key)) != "thoughtSignature":
			return v, false
		case p.kind == "functionCall":
			return call, true
		}
		return nil, true
	})
}
