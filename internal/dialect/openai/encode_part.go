package openai

import (
	"path"

	"turnout/internal/dialect/neutral"
)

// sift leaves out what does not go to this provider, and makes texts of documents that are.
func (e *requestEncoder) sift(blocks []neutral.Block) []neutral.Block {
	out := make([]neutral.Block, 0, len(blocks))
	for _, b := range blocks {
		about := b.Context // of a document that is no text, a file has no place for it
		if !e.goes(&b) {
			continue
		}
		if b.Kind == neutral.KindDocument && about != "" {
			out = append(out, neutral.Block{Kind: neutral.KindText, Text: about})
		}
		out = append(out, b)
	}
	return out
}

func (e *requestEncoder) goes(b *neutral.Block) bool {
	const param = "messages"
	if b.FileID != "" && !e.from {
		return e.n.Use(neutral.FeatureFile, param)
	}
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		return b.Text != ""
	case neutral.KindImage:
		if b.URL != "" {
			return e.n.Use(neutral.FeatureImageURL, param)
		}
		return e.n.Use(neutral.FeatureImageData, param)
	case neutral.KindDocument:
		return e.document(b, param)
	case neutral.KindAudio:
		if audioFormat(b.MediaType) == "" && !e.from {
			e.n.Refuse(param, "sound is WAV or MP3, and stands in the request itself")
			return false
		}
		return e.n.Use(neutral.FeatureAudio, param)
	case neutral.KindVideo:
		return e.from || e.n.Use(neutral.FeatureVideo, param)
	case neutral.KindReasoning:
		e.n.Use(neutral.FeatureForeignReasoning, param)
		return false
	}
	return b.Origin == own || e.n.Use(neutral.FeatureOpaque, param)
}

func (e *requestEncoder) document(b *neutral.Block, param string) bool {
	if b.URL != "" {
		return e.n.Use(neutral.FeatureDocumentURL, param)
	}
	if b.Cite {
		e.n.Use(neutral.FeatureCitations, "documents")
	}
	if words, ok := neutral.PlainText(b); ok {
		head := "<document"
		if b.Title != "" {
			head += ` title="` + b.Title + `"`
		}
		if b.Context != "" {
			head += ` context="` + b.Context + `"`
		}
		*b = neutral.Block{Kind: neutral.KindText, Text: head + ">\n" + words + "\n</document>"}
		return true
	}
	return b.FileID != "" || e.n.Use(neutral.FeatureDocumentData, param)
}

// part writes one part of a user's content.
func (e *requestEncoder) part(b *neutral.Block) {
	e.Open()
	switch b.Kind {
	case neutral.KindText, neutral.KindRefusal:
		e.Member("type", "text").Member("text", b.Text)
	case neutral.KindImage, neutral.KindVideo:
		typ := "image_url"
		if b.Kind == neutral.KindVideo {
			typ = "video_url"
		}
		e.Member("type", typ).Key(typ).Open().Key("url")
		if b.URL != "" {
			e.String(b.URL)
		} else {
			mediaType := b.MediaType
			if mediaType == "" {
				mediaType = neutral.SniffImage(b.Data)
			}
			e.dataURL(mediaType, "image/jpeg", b.Data)
		}
		if b.Detail != "" {
			e.Member("detail", b.Detail)
		}
		e.Close()
	case neutral.KindDocument:
		e.Member("type", "file").Key("file").Open()
		switch {
		case b.FileID != "":
			e.Member("file_id", b.FileID)
		default:
			name := b.Title
			if name == "" {
				name = "document" // it has to have one
			}
			if !e.from && path.Ext(name) == "" && (b.MediaType == "" || b.MediaType == "application/pdf") {
				name += ".pdf" // the API goes by the ending: "Expected … a supported format: .pdf but got none"
			}
			e.Member("filename", name).Key("file_data")
			e.dataURL(b.MediaType, "application/pdf", b.Data)
		}
		e.Close()
	case neutral.KindAudio:
		e.Member("type", "input_audio").Key("input_audio").Open().Key("data").Text(b.Data)
		e.Member("format", audioFormat(b.MediaType)).Close()
	default: // a part of this dialect
		e.B = append(e.B[:len(e.B)-1], b.Raw...)
		return
	}
	e.Close()
}

func (e *requestEncoder) dataURL(mediaType, otherwise string, data []byte) {
	if mediaType == "" {
		mediaType = otherwise
	}
	e.DataURL(mediaType, data)
}
