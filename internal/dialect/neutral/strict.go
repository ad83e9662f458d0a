package neutral

import "turnout/internal/dialect"

// maxStrictDepth is how deep a strict schema may be nested (OpenAI, structured outputs guide, read 2026-11).
const maxStrictDepth = 10

// KeepsTo reports whether an answer by the format has to keep to its schema: the caller says so, or says nothing in a
// dialect whose providers always do, and the schema is one that OpenAI takes as strict. There every object names all it may
// hold, and requires it; keywords that are not sure to be known make it none. nil: nothing is said.
func (f *Format) KeepsTo(from bool) *bool {
	if f.Strict == nil && from && strictSchema(f.Schema, 0) {
		yes := true
		return &yes
	}
	return f.Strict
}

func strictSchema(v []byte, depth int) bool {
	if len(v) == 0 || v[0] != '{' || depth > maxStrictDepth {
		return false
	}
	var properties, required []byte
	object, typed, closed, ok := false, false, false, true
	err := dialect.Object(v, func(key []byte, at, _ dialect.Span) bool {
		val := at.Of(v)
		switch string(key) {
		case "type":
			object, typed = string(val) == `"object"`, true
			ok = depth > 0 || object // the whole answer is an object
		case "properties":
			properties = val
		case "required":
			required = val
		case "additionalProperties":
			closed = string(val) == "false"
		case "items":
			ok = strictSchema(val, depth+1)
		case "anyOf":
			ok, typed = depth > 0 && strictSchemas(val, depth+1), true
		case "description", "title", "enum", "const":
		default:
			ok = false
		}
		return ok
	})
	if err != nil || !ok || !typed {
		return false
	}
	if !object {
		return depth > 0 && properties == nil
	}
	return closed && strictProperties(properties, required, depth+1)
}

func strictSchemas(list []byte, depth int) bool {
	ok := true
	err := dialect.Array(list, func(e dialect.Span) bool {
		ok = strictSchema(e.Of(list), depth)
		return ok
	})
	return ok && err == nil
}

func strictProperties(properties, required []byte, depth int) bool {
	needed := map[string]bool{}
	if len(required) > 0 && dialect.Array(required, func(e dialect.Span) bool {
		needed[string(e.Of(required))] = true
		return true
	}) != nil {
		return false
	}
	if len(properties) == 0 {
		return len(needed) == 0
	}
	ok, n := true, 0
	err := dialect.Object(properties, func(key []byte, at, _ dialect.Span) bool {
		n++
		ok = needed[`"`+string(key)+`"`] && strictSchema(at.Of(properties), depth)
		return ok
	})
	return ok && err == nil && n == len(needed)
}
