package gemini

import (
	"bytes"
	"strconv"

	"turnout/internal/dialect"
)

// canon is a member's name in camelCase. The API reads proto JSON, whose parsers accept the
// name in camelCase and as it stands in the .proto file, in snake_case (protobuf.dev, ProtoJSON
// format); curl users and the Python SDK's dictionaries send the latter. Nearly every name is
// camelCase already and is given back as it is.
func canon(key []byte) []byte {
	if bytes.IndexByte(key, '\\') >= 0 {
		s, _ := dialect.Unquote(append(append([]byte{'"'}, key...), '"'))
		key = []byte(s)
	}
	if bytes.IndexByte(key, '_') < 0 {
		return key
	}
	out := make([]byte, 0, len(key))
	for i := 0; i < len(key); i++ {
		if c := key[i]; c == '_' && i > 0 && i+1 < len(key) && key[i+1] >= 'a' && key[i+1] <= 'z' {
			i++
			out = append(out, key[i]-'a'+'A')
		} else {
			out = append(out, c)
		}
	}
	return out
}

// member finds a member of an object by its camelCase name, however it is written.
func member(object []byte, name string) []byte {
	var found []byte
	each(object, func(key, v []byte) {
		if found == nil && string(key) == name {
			found = v
		}
	})
	return found
}

// each calls visit for each member of an object that is not null, with its name in camelCase. What is no
// object has no members; a broken one has those before the break.
func each(object []byte, visit func(key, value []byte)) {
	if len(object) == 0 || object[0] != '{' {
		return
	}
	_ = dialect.Object(object, func(key []byte, v, _ dialect.Span) bool {
		if val := v.Of(object); !dialect.IsNull(val) {
			visit(canon(key), val)
		}
		return true
	})
}

// members is each without a word of the API's own: names are the caller's, as they stand between their
// quotes, and values may be null.
func members(object []byte, visit func(key, value []byte)) {
	if len(object) == 0 || object[0] != '{' {
		return
	}
	_ = dialect.Object(object, func(key []byte, v, _ dialect.Span) bool {
		visit(key, v.Of(object))
		return true
	})
}

// elements calls visit for each element of an array. What is no array has none, except that an
// object stands for an array of itself: callers write tools and contents so, and the API takes it.
func elements(array []byte, visit func(e []byte)) {
	if len(array) > 0 && array[0] == '{' {
		visit(array)
		return
	}
	_ = dialect.Array(array, func(e dialect.Span) bool {
		visit(e.Of(array))
		return true
	})
}

// text is a string's content; "" for anything else.
func text(v []byte) string {
	s, _ := dialect.Unquote(v)
	return s
}

// integer reads a whole number, which proto JSON also writes as a string or with a fraction of zeros.
func integer(v []byte) int64 {
	if s, ok := dialect.Unquote(v); ok {
		v = []byte(s)
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(string(v), 64); err == nil && f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
		return int64(f)
	}
	return 0
}

// count is a number of tokens: at least 0.
func count(v []byte) int64 { return max(integer(v), 0) }
