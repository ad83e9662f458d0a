package neutral

import (
	"strings"

	"turnout/internal/dialect"
)

// EnumWords are the words that a schema allows; nil: it is not one of words.
func EnumWords(schema []byte) (words []string) {
	list := dialect.Member(schema, "enum")
	_ = dialect.Array(list, func(e dialect.Span) bool {
		s, ok := dialect.Unquote(e.Of(list))
		if !ok {
			words = nil
			return false
		}
		words = append(words, s)
		return true
	})
	return words
}

// WithEnum gives the request for a target that cannot hold an answer to one of several bare words ([FormatEnum]): an
// instruction asks for it. A JSON schema would not do, because its answer is JSON, and the caller compares words. r itself is
// not changed.
func WithEnum(r *Request, n *Notes) *Request {
	if r.Format.Mode != FormatEnum {
		return r
	}
	out := *r
	out.Format = Format{}
	if !n.Use(FeatureEnum, "responseMimeType") {
		return &out
	}
	var say strings.Builder
	say.WriteString("Answer with exactly one of the following lines and nothing else: no quotes, no other words.")
	for _, w := range EnumWords(r.Format.Schema) {
		say.WriteString("\n" + w)
	}
	out.System = append(r.System[:len(r.System):len(r.System)], Block{Kind: KindText, Text: say.String()})
	return &out
}
