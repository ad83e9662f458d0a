package gemini

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// maxSchemaDepth bounds how far a schema is followed; deeper parts are kept as they are.
const maxSchemaDepth = 64

// jsonSchema makes a JSON schema of the API's Schema, a subset of OpenAPI's 3.0 in which types are in
// capitals, "nullable" stands for a type of its own, and whole numbers may be strings (API reference,
// Schema; proto JSON writes int64 so).
func jsonSchema(schema []byte) []byte {
	var j neutral.JSON
	convertSchema(&j, schema, 0)
	return j.B
}

// statedSchema is what stands where a JSON schema is asked for. Gemini CLI 0.61.0 puts the API's own Schema there
// (its model router's), which the API takes and others refuse: "OBJECT" is no type of a JSON schema.
func statedSchema(v []byte) []byte {
	if typ := text(dialect.Member(v, "type")); typ != "" && typ == strings.ToUpper(typ) {
		return jsonSchema(v)
	}
	return v
}

func convertSchema(j *neutral.JSON, schema []byte, depth int) {
	if len(schema) == 0 || schema[0] != '{' || depth > maxSchemaDepth {
		j.Raw(schema)
		return
	}
	var typ string
	nullable := false
	each(schema, func(key, v []byte) {
		switch string(key) {
		case "type":
			typ = strings.ToLower(text(v))
		case "nullable":
			nullable = string(v) == "true"
		}
	})
	j.Open()
	each(schema, func(key, v []byte) {
		switch string(key) {
		case "type":
			writeType(j, v, typ, nullable)
		case "nullable", "propertyOrdering", "example":
		case "properties", "defs", "$defs":
			j.Key(string(key)).Open()
			members(v, func(name, v []byte) {
				j.RawKey(name)
				convertSchema(j, v, depth+1)
			})
			j.Close()
		case "items", "additionalProperties":
			j.Key(string(key))
			convertSchema(j, v, depth+1)
		case "anyOf", "oneOf", "allOf", "prefixItems":
			j.Key(string(key)).List()
			elements(v, func(e []byte) { convertSchema(j, e, depth+1) })
			j.End()
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			j.MemberInt(string(key), integer(v))
		case "format":
			if text(v) != "enum" { // says nothing that the member enum does not say
				j.Key("format").Raw(v)
			}
		default:
			j.Key(string(key)).Raw(v)
		}
	})
	j.Close()
}

func writeType(j *neutral.JSON, raw []byte, typ string, nullable bool) {
	switch {
	case typ == "" || typ == "type_unspecified": // a list of types, or none
		if raw[0] == '[' {
			j.Key("type").Raw(raw)
		}
	case nullable:
		j.Key("type").List().String(typ).String("null").End()
	default:
		j.Member("type", typ)
	}
}
