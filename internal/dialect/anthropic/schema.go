package anthropic

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// The provider compiles a schema to a grammar and refuses what it cannot compile: every object
// has to be closed, and bounds on numbers and lengths are not known (structured outputs guide, "JSON
// Schema limitations"). The SDKs of the provider rewrite schemas in the same way.

// unknownKeywords are left out of a schema.
var unknownKeywords = map[string]bool{
	"minimum": true, "maximum": true, "exclusiveMinimum": true, "exclusiveMaximum": true, "multipleOf": true,
	"minLength": true, "maxLength": true, "maxItems": true, "uniqueItems": true,
	"minProperties": true, "maxProperties": true, "patternProperties": true, "propertyNames": true,
}

// closedSchema writes a schema as the provider compiles it.
func (e *requestEncoder) closedSchema(schema []byte, param string) {
	w := schemaWriter{JSON: neutral.JSON{B: e.B}}
	w.value(schema, 0)
	e.B = w.B
	if w.opened {
		e.n.Adapt(param, "objects of the schema may hold only the properties that it names")
	}
	if w.dropped {
		e.n.Adapt(param, "bounds on numbers, lengths and counts are left out of the schema")
	}
}

type schemaWriter struct {
	neutral.JSON
	opened, dropped bool
}

// maxSchemaDepth bounds the recursion; dialect.Object bounds the nesting of what it scans itself.
const maxSchemaDepth = 100

// value writes a schema, or a list or a value inside one.
func (w *schemaWriter) value(v []byte, depth int) {
	switch {
	case len(v) == 0:
		w.Open().Member("type", "object").Key("additionalProperties").Bool(false).Close()
	case depth > maxSchemaDepth:
		w.Raw(v)
	case v[0] == '[':
		w.List()
		_ = dialect.Array(v, func(e dialect.Span) bool { w.value(e.Of(v), depth+1); return true })
		w.End()
	case v[0] == '{':
		w.schema(v, depth)
	default:
		w.Raw(v)
	}
}

func (w *schemaWriter) schema(v []byte, depth int) {
	w.Open()
	object, closed := false, false
	_ = dialect.Object(v, func(key []byte, at, _ dialect.Span) bool {
		val := at.Of(v)
		switch name := string(key); {
		case unknownKeywords[name], name == "minItems" && dialect.Int(val) > 1:
			w.dropped = true
		case name == "additionalProperties":
			closed = true
			w.opened = w.opened || string(val) != "false"
			w.Key(name).Bool(false)
		case name == "properties", name == "$defs", name == "definitions":
			object = object || name == "properties"
			w.Key(name)
			w.named(val, depth+1)
		case name == "type":
			object = object || string(val) == `"object"` || val[0] == '[' && listed(val, `"object"`)
			w.Key(name).Raw(val)
		case name == "enum", name == "const", name == "default", name == "examples", name == "required":
			w.Key(name).Raw(val) // values, not schemas
		default:
			w.RawKey(key)
			w.value(val, depth+1)
		}
		return true
	})
	if object && !closed {
		w.opened = true
		w.Key("additionalProperties").Bool(false)
	}
	w.Close()
}

// named writes an object of schemas by name.
func (w *schemaWriter) named(v []byte, depth int) {
	if len(v) == 0 || v[0] != '{' {
		w.Raw(v)
		return
	}
	w.Open()
	_ = dialect.Object(v, func(key []byte, at, _ dialect.Span) bool {
		w.RawKey(key)
		w.value(at.Of(v), depth)
		return true
	})
	w.Close()
}

func listed(list []byte, want string) bool {
	found := false
	_ = dialect.Array(list, func(e dialect.Span) bool {
		found = found || string(e.Of(list)) == want
		return !found
	})
	return found
}
