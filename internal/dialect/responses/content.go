package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// content reads what a message or a tool's result holds: a text or a list of parts.
func (q *asking) content(at string, v []byte) []neutral.Block {
	switch {
	case dialect.IsNull(v):
		return nil
	case v[0] == '"':
		return []neutral.Block{{Text: text(v)}}
	case v[0] != '[':
		return []neutral.Block{{Text: string(v)}}
	}
	var out []neutral.Block
	i := 0
	_ = dialect.Array(v, func(e dialect.Span) bool {
		part := e.Of(v)
		if part[0] != '{' {
			q.refuse(at, "%s[%d] must be an object", at, i)
			return false
		}
		out = append(out, q.part(at+"["+strconv.Itoa(i)+"]", part))
		i++
		return true
	})
	return out
}

func (q *asking) part(at string, part []byte) neutral.Block {
	switch typ := text(dialect.Member(part, "type")); typ {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text":
		return neutral.Block{Text: text(dialect.Member(part, "text")), Citations: citations(dialect.Member(part, "annotations"))}
	case "refusal":
		return neutral.Block{Kind: neutral.KindRefusal, Text: text(dialect.Member(part, "refusal"))}
	case "input_image", "computer_screenshot":
		b := neutral.Block{Kind: neutral.KindImage, Detail: text(dialect.Member(part, "detail"))}
		q.media(at, &b, dialect.Member(part, "image_url"), dialect.Member(part, "file_id"))
		return b
	case "input_file":
		b := neutral.Block{Kind: neutral.KindDocument, Title: text(dialect.Member(part, "filename"))}
		if data := dialect.Member(part, "file_data"); !dialect.IsNull(data) {
			if b.MediaType, b.Data = dataURL(data); b.Data == nil {
				b.MediaType, b.Data = neutral.MediaTypeOf(b.Title), base64Of(data) // the API takes plain base64, too
			}
			if len(b.Data) == 0 {
				q.refuse(at+".file_data", "%s.file_data must be base64, or a data: URL of it", at)
			}
			return b
		}
		q.media(at, &b, dialect.Member(part, "file_url"), dialect.Member(part, "file_id"))
		return b
	case "input_audio":
		audio := dialect.Member(part, "input_audio")
		b := neutral.Block{Kind: neutral.KindAudio, MediaType: "audio/" + text(dialect.Member(audio, "format")), Data: base64Of(dialect.Member(audio, "data"))}
		if b.Data == nil {
			q.refuse(at+".input_audio.data", "%s.input_audio.data must be base64", at)
		}
		return b
	default:
		return opaque(typ, part)
	}
}

// media sets where a picture or a document is: in the request itself, at a URL, or uploaded.
func (q *asking) media(at string, b *neutral.Block, url, file []byte) {
	if !dialect.IsNull(url) {
		if b.MediaType, b.Data = dataURL(url); b.Data == nil {
			b.URL = text(url)
		}
		if strings.HasPrefix(b.URL, "data:") {
			q.refuse(at, "%s: a data: URL must hold base64", at)
		}
	}
	if b.URL == "" && b.Data == nil {
		b.FileID = text(file)
	}
	if b.URL == "" && b.Data == nil && b.FileID == "" {
		q.refuse(at, "%s names neither data nor a URL nor a file", at)
	}
}

// dataURL takes a JSON string that holds a data: URL in base64 apart; data is nil for any other.
func dataURL(v []byte) (mediaType string, data []byte) {
	mediaType, data, _ = neutral.DataURL(text(v))
	if len(data) == 0 {
		return "", nil
	}
	return mediaType, data
}

// base64Of is a JSON string's base64; nil: it holds something else.
func base64Of(v []byte) []byte {
	data, _ := neutral.Base64(v)
	return data
}

// citations reads annotations. Of those that name no URL only their own dialect makes something.
func citations(list []byte) []neutral.Citation {
	var out []neutral.Citation
	_ = dialect.Array(list, func(e dialect.Span) bool {
		if a := e.Of(list); a[0] == '{' && json.Valid(a) { // it may go on as it is
			out = append(out, citation(a))
		}
		return true
	})
	return out
}

func citation(a []byte) neutral.Citation {
	c := neutral.Citation{Document: -1, Origin: own, Raw: a}
	_ = dialect.Object(a, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(a)
		switch string(key) {
		case "url":
			c.URL = text(val)
		case "title", "filename":
			c.Title = text(val)
		case "start_index":
			c.Start = int(dialect.Int(val))
		case "end_index":
			c.End = int(dialect.Int(val))
		}
		return true
	})
	return c
}

// writeCitation writes an annotation; false: it cannot be said here, because it names no URL.
func writeCitation(j *neutral.JSON, c *neutral.Citation) bool {
	switch {
	case c.Origin == own && len(c.Raw) > 0:
		j.Raw(oneLine(c.Raw))
	case c.URL == "":
		return false
	default:
		j.Open().Member("type", "url_citation").MemberInt("start_index", int64(c.Start)).MemberInt("end_index", int64(c.End))
		j.Member("url", c.URL).Member("title", c.Title).Close()
	}
	return true
}
