package neutral

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Invalid is the refusal of a request that a decoder cannot read, for the caller.
func Invalid(param, message string) *domain.Error {
	return &domain.Error{Kind: domain.KindInvalid, Op: "read the request", Param: param, Message: message}
}

// Key is a member's name without escapes. key is as [dialect.Object] hands it on.
func Key(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	s, ok := dialect.Unquote(append(append([]byte{'"'}, key...), '"'))
	if !ok {
		return key
	}
	return []byte(s)
}

// DataURL takes a data: URL apart ("data:image/png;base64,iVBOR…"); ok is false for any other
// URL, and for one that is not in base64.
func DataURL(url string) (mediaType string, data []byte, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", nil, false
	}
	head, body, ok := strings.Cut(rest, ",")
	if !ok {
		return "", nil, false
	}
	head, ok = strings.CutSuffix(head, ";base64")
	if !ok || !plainBase64(body) {
		return "", nil, false
	}
	mediaType, _, _ = strings.Cut(head, ";") // parameters such as charset
	return mediaType, []byte(body), true
}

// plainBase64 reports whether a text is made of base64's characters, of either alphabet.
func plainBase64[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/', c == '-', c == '_', c == '=':
		default:
			return false
		}
	}
	return true
}

// Base64 takes a JSON string that holds base64 without its quotes; where it is something else, ok is
// false and data nil. The result points into v unless it had escapes.
func Base64(v []byte) (data []byte, ok bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, false
	}
	if data = v[1 : len(v)-1]; bytes.IndexByte(data, '\\') >= 0 { // "\/", or broken lines, of some encoders
		s, _ := dialect.Unquote(v)
		data = []byte(strings.Join(strings.Fields(s), ""))
	}
	if !plainBase64(data) {
		return nil, false
	}
	return data, true
}

// IsObject reports whether a text is one valid JSON object.
func IsObject(v []byte) bool {
	return len(v) > 0 && v[0] == '{' && json.Valid(v)
}

// Words joins the text of blocks; what is not text is left out.
func Words(blocks []Block, between string) string {
	n, only := 0, ""
	for i := range blocks {
		if b := &blocks[i]; (b.Kind == KindText || b.Kind == KindRefusal) && b.Text != "" {
			n, only = n+1, b.Text
		}
	}
	if n <= 1 {
		return only
	}
	var out strings.Builder
	for i := range blocks {
		if b := &blocks[i]; (b.Kind == KindText || b.Kind == KindRefusal) && b.Text != "" {
			if out.Len() > 0 {
				out.WriteString(between)
			}
			out.WriteString(b.Text)
		}
	}
	return out.String()
}

// PlainText gives the words of a document that is text ("text/plain", "application/json", …);
// ok is false for any other, and where its data are no text.
func PlainText(b *Block) (words string, ok bool) {
	if len(b.Data) == 0 || !textual(b.MediaType) {
		return "", false
	}
	out, err := base64.StdEncoding.DecodeString(string(b.Data))
	if err != nil {
		if out, err = base64.RawStdEncoding.DecodeString(string(b.Data)); err != nil {
			return "", false
		}
	}
	return strings.ToValidUTF8(string(out), "\uFFFD"), true
}

func textual(mediaType string) bool {
	if strings.HasPrefix(mediaType, "text/") {
		return true
	}
	switch mediaType {
	case "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript":
		return true
	}
	return false
}

// TextDocument makes the data of a document that is plain text.
func TextDocument(words string) []byte {
	return base64.StdEncoding.AppendEncode(nil, []byte(words))
}

// SniffImage names the type of an image by its first bytes, where nobody said it; empty: unknown.
func SniffImage(data []byte) string {
	for _, k := range [...]struct{ prefix, mediaType string }{
		{"iVBOR", "image/png"},
		{"/9j/", "image/jpeg"},
		{"R0lG", "image/gif"},
		{"UklGR", "image/webp"},
	} {
		if bytes.HasPrefix(data, []byte(k.prefix)) {
			return k.mediaType
		}
	}
	return ""
}
