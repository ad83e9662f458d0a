package gateway

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

const formType = "multipart/form-data"

// maxField is the longest form field that is looked at, in bytes.
const maxField = 1 << 10

// mediaType reads what a body is said to be; empty: nothing is said. A type that cannot be read is refused where it may be a
// form's: whoever reads it otherwise would see another body.
func mediaType(h http.Header) (kind string, params map[string]string, err error) {
	stated := h["Content-Type"]
	if len(stated) == 0 {
		return "", nil, nil
	}
	kind, params, wrong := mime.ParseMediaType(stated[0])
	if len(stated) > 1 || strings.HasPrefix(strings.ToLower(strings.TrimSpace(stated[0])), "multipart/") && (wrong != nil || kind != formType || params["boundary"] == "") {
		return "", nil, domain.Errorf(domain.KindInvalid, "read the request", "the content type cannot be read; send one, with a boundary where it is %s", formType)
	}
	if wrong != nil {
		kind = "" // no form, and what is read as JSON goes on as JSON
	}
	return kind, params, nil
}

func formError(param, message string) error {
	return &domain.Error{Kind: domain.KindInvalid, Op: "read the request", Param: param, Message: message}
}

// formPart is one part of a form.
type formPart struct {
	name  string
	file  bool // it has a file's name, if an empty one
	value dialect.Span
}

// is reports whether some reader may take the part for this field.
func (p *formPart) is(field string) bool {
	name, _, _ := strings.Cut(p.name, "[") // of lists
	return strings.EqualFold(strings.TrimSpace(name), field)
}

// formParts reads a form (RFC 7578). Whatever readers differ about is refused, because the one upstream might find a field that was not seen
// here: text around the parts, boundaries within a line, headers that are none.
func formParts(body []byte, boundary string, visit func(*formPart) error) error {
	delim := append([]byte("--"), boundary...)
	at := 0
	if bytes.HasPrefix(body, []byte("\r\n")) {
		at = 2 // before the end of a form without parts
	}
	if boundary == "" || !bytes.HasPrefix(body[at:], delim) {
		return formError("", "the form does not begin with its boundary")
	}
	for {
		at += len(delim)
		rest := body[at:]
		if bytes.HasPrefix(rest, []byte("--")) {
			if len(bytes.TrimSpace(rest[2:])) > 0 {
				return formError("", "there is text after the form's end")
			}
			return nil
		}
		head := bytes.Index(rest, []byte("\r\n\r\n"))
		next := bytes.Index(rest, delim)
		if head < 0 || next < head+len("\r\n\r\n\r\n") {
			return formError("", "the form is cut off in the middle, or a part of it has no header")
		}
		if !bytes.HasPrefix(rest, []byte("\r\n")) || !bytes.HasSuffix(rest[:next], []byte("\r\n")) {
			return formError("", "the form's boundary stands within a line; use one that no part holds")
		}
		p := &formPart{value: dialect.Span{Start: at + head + 4, End: at + next - 2}}
		var ok bool
		if p.name, p.file, ok = partHeader(string(rest[2:max(head, 2)])); !ok {
			return formError("", `a part's header cannot be read; each needs one line like Content-Disposition: form-data; name="file"; filename="a.txt"`)
		}
		if err := visit(p); err != nil {
			return err
		}
		at += next
	}
}

// partHeader reads a part's header: its field, and whether it is a file.
func partHeader(head string) (name string, file, ok bool) {
	for line := range strings.SplitSeq(head, "\r\n") {
		key, value, is := strings.Cut(line, ":")
		if !is || key == "" || strings.ContainsAny(key, " \t\"") || strings.ContainsAny(line, "\r\n\x00") {
			return "", false, false // folded, or with ends of lines that some readers take for such
		}
		switch value = strings.TrimSpace(value); strings.ToLower(key) {
		case "content-disposition":
			kind, params, err := mime.ParseMediaType(value)
			if ok || err != nil || kind != "form-data" || strings.ContainsAny(params["name"], "\"\\;") || extendedName(value) {
				return "", false, false
			}
			if name, ok = params["name"]; !ok {
				return "", false, false
			}
			_, file = params["filename"]
		case "content-transfer-encoding":
			if c := strings.ToLower(value); c != "7bit" && c != "8bit" && c != "binary" {
				return "", false, false // some decode it, some do not
			}
		}
	}
	return name, file, ok
}

// extendedName reports whether the field's name is said in the way of RFC 2231, which not everybody reads.
func extendedName(disposition string) bool {
	plain := make([]byte, 0, len(disposition))
	quoted := false
	for i := 0; i < len(disposition); i++ {
		switch c := disposition[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c != ' ' && c != '\t':
			plain = append(plain, c)
		}
	}
	return strings.Contains(strings.ToLower(string(plain)), ";name*")
}

// formFacts reads model and stream of a form. Files are skipped, not read. A field that stands twice is refused, because two
// readers might each believe another one.
func formFacts(body []byte, boundary string) (dialect.Request, error) {
	r := dialect.Request{Size: len(body), Form: true}
	stream := false
	choices := 0
	err := formParts(body, boundary, func(p *formPart) error {
		long := p.value.End-p.value.Start > maxField
		switch {
		case p.is("model"):
			if p.name != "model" || p.file || long || r.ModelAt.Present() {
				return formError("model", `the field "model" stands more than once, or is no short text in lower case; send it once`)
			}
			r.ModelAt = p.value
		case p.is("stream"):
			if p.name != "stream" || p.file || long || stream {
				return formError("stream", `the field "stream" stands more than once, or is no short text in lower case; send it once`)
			}
			stream = true
			r.Stream = string(p.value.Of(body)) == "true"
		case p.is("n") && !p.file && !long:
			choices = max(choices, dialect.Choices(p.value.Of(body)))
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	r.Model, r.Choices = string(r.ModelAt.Of(body)), choices
	if r.Model == "" || len(r.Model) > 256 {
		return r, formError("model", `the field "model" is missing, or longer than 256 bytes; name the model to use`)
	}
	return r, nil
}
