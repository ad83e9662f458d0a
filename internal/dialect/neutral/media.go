package neutral

import "strings"

// mediaTypes of files by the ending of their names, and the reverse.
var mediaTypes = []struct{ ending, mediaType string }{
	{".pdf", "application/pdf"}, {".txt", "text/plain"}, {".md", "text/markdown"}, {".csv", "text/csv"}, {".html", "text/html"},
	{".json", "application/json"}, {".xml", "application/xml"},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
}

// MediaTypeOf is a file's type by its name, where nothing else says it, as OpenAI's APIs go by the name. What has
// no ending that is known is a PDF, the first that they took.
func MediaTypeOf(name string) string {
	for _, t := range mediaTypes {
		if strings.HasSuffix(strings.ToLower(name), t.ending) {
			return t.mediaType
		}
	}
	return "application/pdf"
}

// EndingOf is the reverse of [MediaTypeOf].
func EndingOf(mediaType string) string {
	for _, t := range mediaTypes {
		if t.mediaType == mediaType {
			return t.ending
		}
	}
	if strings.HasPrefix(mediaType, "text/") {
		return ".txt"
	}
	return ".pdf"
}
