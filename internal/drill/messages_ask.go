package drill

import "net/http"

func messagesHeader(h http.Header, key, session string) {
	h.Set("Authorization", "Bearer "+key)
	h.Set("Anthropic-Version", "2023-06-01")
	if session != "" {
		h.Set("X-Claude-Code-Session-Id", session)
	}
}

// messagesMembers is the body of a request of Anthropic Messages.
func messagesMembers(a *Ask, stream bool) object {
	out := object{"model": askedModel, "stream": stream, "max_tokens": a.most(), "messages": messagesTurns(a)}
	if a.Context != "" {
		out["system"] = []object{{"type": "text", "text": a.Context, "cache_control": object{"type": "ephemeral"}}}
	}
	output := object{}
	if a.Effort != "" {
		thinking := object{"type": "enabled", "budget_tokens": 2048}
		if a.Hidden {
			thinking["display"] = "omitted"
		}
		out["thinking"], output["effort"] = thinking, a.Effort
	}
	if a.Schema {
		output["format"] = object{"type": "json_schema", "schema": answerSchema()}
	}
	if len(output) > 0 {
		out["output_config"] = output
	}
	var tools []object
	for _, t := range a.Tools {
		tools = append(tools, object{"name": t, "description": toolDescription(t), "input_schema": toolSchema()})
	}
	if tools != nil {
		out["tools"] = tools
	}
	return out
}

// messagesTurns is the conversation up to what is said now.
func messagesTurns(a *Ask) (out []object) {
	var content []object
	if b := a.Before; b != nil {
		out = append(messagesTurns(b.Answer.Ask), object{"role": "assistant", "content": b.Answer.Turn})
		for i, result := range b.Results {
			content = append(content, object{"type": "tool_result", "tool_use_id": b.Answer.Tools[i].ID, "content": result})
		}
	}
	if a.Image != "" {
		content = append(content, object{"type": "image", "source": object{"type": "base64", "media_type": imageType, "data": a.Image}})
	}
	if a.Words != "" {
		content = append(content, object{"type": "text", "text": a.Words})
	}
	return append(out, object{"role": "user", "content": content})
}
