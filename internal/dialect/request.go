package dialect

import (
	"bytes"
	"io"

	"turnout/internal/domain"
)

// Facts is the part of reading a request that every JSON dialect shares: it scans
// the body once, takes model and stream, and hands every other member to visit. A model or
// stream that stands twice is refused, because two readers might each believe another one.
func Facts(body []byte, r *Request, visit func(key []byte, value Span)) error {
	const op = "read the request"
	var streamAt Span
	var refuse *domain.Error
	err := Object(body, func(key []byte, v, _ Span) bool {
		switch {
		case Name(key, "model"):
			if r.ModelAt.Present() {
				refuse = &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "model", Message: `the member "model" stands more than once; send it once`}
				return false
			}
			r.ModelAt = v
		case Name(key, "stream"):
			if streamAt.Present() {
				refuse = &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "stream", Message: `the member "stream" stands more than once; send it once`}
				return false
			}
			streamAt = v
		case ambiguous(key):
			// Some servers match names without regard to case and would see a
			// second model here, past the key's allow list.
			refuse = domain.Errorf(domain.KindInvalid, op, "the member %q is ambiguous; write it in lower case", key)
			return false
		default:
			visit(key, v)
		}
		return true
	})
	if refuse != nil {
		return refuse
	}
	if err != nil {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Message: "the request body is not a JSON object: " + err.Error(), Err: err}
	}
	if !r.ModelAt.Present() {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "model", Message: `the member "model" is missing; name the model to use`}
	}
	model, ok := Unquote(r.ModelAt.Of(body))
	if !ok || model == "" {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "model", Message: `the member "model" must be a non-empty string`}
	}
	if len(model) > 256 {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "model", Message: "the model's name is longer than 256 bytes"}
	}
	r.Model = model
	switch s := streamAt.Of(body); {
	case IsTrue(s):
		r.Stream = true
	case IsNull(s), string(s) == "false":
	default:
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "stream", Message: `the member "stream" must be true or false`}
	}
	return nil
}

// ambiguous reports whether a name is model or stream but for the case of its letters,
// however it is spelt: with escapes, or with the letters beyond ASCII that fold to theirs.
func ambiguous(key []byte) bool {
	if len(key) < len("model") {
		return false
	}
	if bytes.IndexByte(key, '\\') >= 0 {
		s, _ := Unquote(append(append([]byte{'"'}, key...), '"'))
		key = []byte(s)
	}
	return bytes.EqualFold(key, []byte("model")) || bytes.EqualFold(key, []byte("stream"))
}

// FirstUser writes the content of the first message whose role is user.
func FirstUser(messages []byte, w io.Writer) {
	_ = Array(messages, func(e Span) bool {
		m := e.Of(messages)
		if role, _ := Unquote(Member(m, "role")); role != "user" {
			return true
		}
		_, _ = w.Write(Member(m, "content"))
		return false
	})
}
