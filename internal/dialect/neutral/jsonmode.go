package neutral

import "strings"

// JSONInstruction asks for an answer in JSON where a target has no JSON mode, or has one that wants to be
// asked in words as well.
const JSONInstruction = "Answer with one JSON object and nothing else: no words around it and no code fence."

// SaysJSON reports whether the conversation speaks of JSON. OpenAI's JSON mode refuses one that does not ("'messages' must
// contain the word 'json' in some form, to use 'response_format' of type 'json_object'").
func SaysJSON(r *Request) bool {
	if blocksSayJSON(r.System) {
		return true
	}
	for i := range r.Turns {
		if blocksSayJSON(r.Turns[i].Blocks) {
			return true
		}
	}
	return false
}

func blocksSayJSON(blocks []Block) bool {
	for i := range blocks {
		b := &blocks[i]
		if (b.Kind == KindText || b.Kind == KindRefusal) && mentionsJSON(b.Text) || b.Kind == KindToolResult && blocksSayJSON(b.Content) {
			return true
		}
	}
	return false
}

func mentionsJSON(s string) bool {
	for i := 0; i+4 <= len(s); i++ {
		if s[i]|0x20 == 'j' && strings.EqualFold(s[i:i+4], "json") {
			return true
		}
	}
	return false
}
