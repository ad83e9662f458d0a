package neutral_test

import (
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
)

// Only a schema that is strict beyond doubt is made so; what the caller says holds anyway.
func TestKeepsTo(t *testing.T) {
	object := func(properties, required, rest string) string {
		return `{"type":"object","properties":{` + properties + `},"required":[` + required + `]` + rest + `}`
	}
	closed := `,"additionalProperties":false`
	deep := `{"type":"string"}`
	for range 11 {
		deep = object(`"a":`+deep, `"a"`, closed)
	}
	for _, c := range []struct {
		name, schema string
		want         bool
	}{
		{"one string", object(`"title":{"type":"string","description":"d"}`, `"title"`, closed), true},
		{"nested", object(`"a":{"type":"array","items":`+object(`"b":{"type":["integer","null"]},"c":{"anyOf":[{"type":"integer","const":1},{"type":"string","enum":["x"]}]}`, `"b","c"`, closed)+`}`, `"a"`, closed), true},
		{"nothing in it", object("", "", closed), true},
		{"open", object(`"a":{"type":"string"}`, `"a"`, ""), false},
		{"open further in", object(`"a":`+object("", "", ""), `"a"`, closed), false},
		{"optional", object(`"a":{"type":"string"}`, "", closed), false},
		{"an unknown keyword", object(`"a":{"type":"string","contentEncoding":"x"}`, `"a"`, closed), false},
		{"a choice at the top", `{"anyOf":[` + object("", "", closed) + `]}`, false},
		{"no object", `{"type":"array","items":{"type":"string"}}`, false},
		{"properties without a type", object(`"a":{"properties":{}}`, `"a"`, closed), false},
		{"too deep", deep, false},
		{"no type", `{}`, false},
		{"no type further in", object(`"a":{"const":1}`, `"a"`, closed), false},
		{"more required than there is", object("", `"a"`, closed), false},
		{"none", "", false},
		{"true", "true", false},
	} {
		f := neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(c.schema)}
		if got := f.KeepsTo(true); (got != nil && *got) != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := f.KeepsTo(false); got != nil {
			t.Errorf("%s: said of a caller whose dialect has a word for it", c.name)
		}
		no := false
		if f.Strict = &no; f.KeepsTo(true) != &no {
			t.Errorf("%s: what the caller says does not hold", c.name)
		}
	}
	if hostile := strings.Repeat(`{"items":`, 100_000); (&neutral.Format{Schema: []byte(hostile)}).KeepsTo(true) != nil {
		t.Error("a broken schema is strict")
	}
}
