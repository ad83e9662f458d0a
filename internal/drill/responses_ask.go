package drill

import "net/http"

// responsesHeader: as Codex names its sessions.
func responsesHeader(h http.Header, key, session string) {
	h.Set("Authorization", "Bearer "+key)
	if session != "" {
		h.Set("Session-Id", session)
	}
}

// responsesMembers is the body of a request of OpenAI Responses that keeps nothing at the provider.
func responsesMembers(a *Ask, stream bool) object {
	out := object{
		"model": askedModel, "stream": stream, "max_output_tokens": a.most(), "input": responsesTurns(a), "store": false,
		"include": []string{"reasoning.encrypted_content"},
	}
	if a.Context != "" {
		out["instructions"] = a.Context
	}
	if a.Session != "" {
		out["prompt_cache_key"] = a.Session
	}
	reasoning := object{"effort": "none"} // or the newest models think by themselves
	if a.Effort != "" {
		if reasoning["effort"] = a.Effort; !a.Hidden {
			reasoning["summary"] = "auto"
		}
	}
	out["reasoning"] = reasoning
	if a.Schema {
		out["text"] = object{"format": object{"type": "json_schema", "name": "answer", "strict": true, "schema": answerSchema()}}
	}
	var tools []object
	for _, t := range a.Tools {
		tools = append(tools, object{"type": "function", "name": t, "description": toolDescription(t), "parameters": toolSchema(), "strict": false})
	}
	if tools != nil {
		out["tools"] = tools
	}
	return out
}

// responsesTurns is the conversation up to what is said now.
func responsesTurns(a *Ask) (out []any) {
	if b := a.Before; b != nil {
		out = responsesTurns(b.Answer.Ask)
		for _, item := range b.Answer.Turn {
			out = append(out, item)
		}
		for i, result := range b.Results {
			out = append(out, object{"type": "function_call_output", "call_id": b.Answer.Tools[i].ID, "output": result})
		}
	}
	var content []object
	if a.Image != "" {
		content = append(content, object{"type": "input_image", "image_url": "data:" + imageType + ";base64," + a.Image, "detail": "auto"})
	}
	if a.Words != "" {
		content = append(content, object{"type": "input_text", "text": a.Words})
	}
	if content != nil {
		out = append(out, object{"type": "message", "role": "user", "content": content})
	}
	return out
}
