package gemini

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// own is this dialect, as signatures and opaque blocks name it.
const own = domain.DialectGeminiContent

// part is one part of a content, its values as they came. Of the members that say what it is
// (a oneof in the API) the last one holds.
type part struct {
	text      []byte // a string, with its quotes
	thought   bool
	signature string

	kind  string // "functionCall", "inlineData", …; empty: text
	value []byte // of that member
	extra []byte // the name of a member that changes how the part is read and has no place in the neutral form
	raw   []byte
}

func readPart(raw []byte) (p part) {
	p.raw = raw
	each(raw, func(key, v []byte) {
		switch string(key) {
		case "text":
			if v[0] == '"' {
				p.text = v
			}
		case "thought":
			p.thought = dialect.IsTrue(v)
		case "thoughtSignature":
			p.signature = text(v)
		case "functionCall", "functionResponse", "inlineData", "fileData":
			p.kind, p.value = string(key), v
		case "videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing", "speechMetadata":
			p.extra = key
		default: // executableCode, codeExecutionResult, toolCall, toolResponse, audioTranscription, …
			p.kind, p.value = string(key), nil
		}
	})
	return p
}

// hasText reports whether the part holds text that is not empty.
func (p *part) hasText() bool { return len(p.text) > 2 }

// media makes a block of inlineData or fileData.
func media(kind string, v []byte) neutral.Block {
	var b neutral.Block
	uri := ""
	each(v, func(key, v []byte) {
		switch string(key) {
		case "mimeType":
			b.MediaType = text(v)
		case "data":
			b.Data, _ = neutral.Base64(v)
		case "fileUri":
			uri = text(v)
		case "displayName":
			b.Title = text(v)
		}
	})
	if kind == "fileData" {
		b.Data = nil
		if isUpload(uri) {
			b.FileID, b.Origin = uri, own
		} else {
			b.URL = uri
		}
	}
	b.Kind = kindOf(b.MediaType, uri)
	return b
}

// isUpload tells a file of the Files API, which belongs to one account, from an address on the web.
func isUpload(uri string) bool {
	return strings.HasPrefix(uri, "https://generativelanguage.googleapis.com/") || strings.HasPrefix(uri, "files/") || strings.HasPrefix(uri, "gs://")
}

func kindOf(mediaType, uri string) neutral.Kind {
	switch group, _, _ := strings.Cut(mediaType, "/"); group {
	case "image":
		return neutral.KindImage
	case "audio":
		return neutral.KindAudio
	case "video":
		return neutral.KindVideo
	case "":
		if strings.Contains(uri, "youtube.com/") || strings.Contains(uri, "youtu.be/") {
			return neutral.KindVideo // the API takes these without a type (video understanding)
		}
	}
	return neutral.KindDocument
}

// call makes a block of a functionCall. An id is there since Gemini 3.
func call(v []byte) neutral.Block {
	b := neutral.Block{Kind: neutral.KindToolUse}
	each(v, func(key, v []byte) {
		switch string(key) {
		case "id":
			b.ID = text(v)
		case "name":
			b.Name = text(v)
		case "args":
			if v[0] == '{' {
				b.Args = v
			}
		}
	})
	if b.Args == nil {
		b.Args = []byte("{}")
	}
	return b
}
