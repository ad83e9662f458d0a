package drill

import (
	"net/http"
	"strings"
)

func geminiPath(stream bool) string {
	if stream {
		return "/v1beta/models/" + askedModel + ":streamGenerateContent?alt=sse"
	}
	return "/v1beta/models/" + askedModel + ":generateContent"
}

// geminiHeader: the protocol names no session; other clients' header stands for one.
func geminiHeader(h http.Header, key, session string) {
	h.Set("X-Goog-Api-Key", key)
	if session != "" {
		h.Set("X-Session-Id", session)
	}
}

// geminiMembers is the body of a request of Gemini.
func geminiMembers(a *Ask, _ bool) object {
	config := object{"maxOutputTokens": a.most()}
	out := object{"contents": geminiTurns(a), "generationConfig": config}
	if a.Context != "" {
		out["systemInstruction"] = object{"parts": []object{{"text": a.Context}}}
	}
	config["thinkingConfig"] = object{"thinkingBudget": 0} // or the newest models think by themselves
	if a.Effort != "" {
		config["thinkingConfig"] = object{"thinkingLevel": strings.ToUpper(a.Effort), "includeThoughts": !a.Hidden}
	}
	if a.Schema {
		config["responseMimeType"], config["responseJsonSchema"] = "application/json", answerSchema()
	}
	var tools []object
	for _, t := range a.Tools {
		tools = append(tools, object{"name": t, "description": toolDescription(t), "parametersJsonSchema": toolSchema()})
	}
	if tools != nil {
		out["tools"] = []object{{"functionDeclarations": tools}}
	}
	return out
}

// geminiTurns is the conversation up to what is said now.
func geminiTurns(a *Ask) (out []object) {
	var parts []object
	if b := a.Before; b != nil {
		out = append(geminiTurns(b.Answer.Ask), object{"role": "model", "parts": b.Answer.Turn})
		for i, result := range b.Results {
			call := b.Answer.Tools[i]
			response := object{"name": call.Name, "response": object{"output": result}}
			if call.ID != "" {
				response["id"] = call.ID
			}
			parts = append(parts, object{"functionResponse": response})
		}
	}
	if a.Image != "" {
		parts = append(parts, object{"inlineData": object{"mimeType": imageType, "data": a.Image}})
	}
	if a.Words != "" {
		parts = append(parts, object{"text": a.Words})
	}
	return append(out, object{"role": "user", "parts": parts})
}
