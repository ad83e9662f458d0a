package dialect

// Begin gives a request's body with the beginning of an answer as the last of its messages, the assistant's, and with mark, a
// member, beside it. ok is false where the body has no list of messages, or the assistant has the last word in it already.
func Begin(body []byte, answer, mark string) (out []byte, ok bool) {
	var at Span
	seen := 0
	err := Object(body, func(key []byte, v, _ Span) bool {
		if Name(key, "messages") {
			at = v
			seen++
		}
		return true
	})
	list := at.Of(body)
	if err != nil || seen != 1 || len(list) == 0 || list[0] != '[' {
		return nil, false
	}
	var last []byte
	if Array(list, func(e Span) bool { last = e.Of(list); return true }) != nil || len(last) == 0 || last[0] != '{' {
		return nil, false
	}
	if role, _ := Unquote(Member(last, "role")); role != "user" && role != "tool" {
		return nil, false
	}
	end := at.End - 1 // its bracket
	out = append(make([]byte, 0, len(body)+len(answer)+len(answer)/8+64), body[:end]...)
	out = AppendString(append(out, `,{"role":"assistant","content":`...), answer)
	if mark != "" {
		out = append(append(out, ','), mark...)
	}
	out = append(out, '}')
	return append(out, body[end:]...), true
}
