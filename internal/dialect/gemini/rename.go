package gemini

import "turnout/internal/dialect"

// Rename gives a body in which every member that names the model again names this one: the API wants the same as in the
// path (batchEmbedContents refuses another one), and an account may know the model by another name than the caller. Bodies
// of generateContent have no such member. body is not changed, and is given back where there is nothing to rename.
func Rename(body []byte, model string) []byte {
	out, from := []byte(nil), 0
	put := func(v dialect.Span) {
		out = append(out, body[from:v.Start]...)
		out = dialect.AppendString(out, resource(model))
		from = v.End
	}
	var visit func(at dialect.Span)
	visit = func(at dialect.Span) {
		object := at.Of(body)
		_ = dialect.Object(object, func(key []byte, v, _ dialect.Span) bool {
			here := dialect.Span{Start: at.Start + v.Start, End: at.Start + v.End}
			switch string(canon(key)) {
			case "model":
				put(here)
			case "generateContentRequest":
				visit(here)
			case "requests":
				_ = dialect.Array(here.Of(body), func(e dialect.Span) bool {
					visit(dialect.Span{Start: here.Start + e.Start, End: here.Start + e.End})
					return true
				})
			}
			return true
		})
	}
	visit(dialect.Span{End: len(body)})
	if out == nil {
		return body
	}
	return append(out, body[from:]...)
}
