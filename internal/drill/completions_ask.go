package drill

// completionsMembers is the body of a request of OpenAI Chat Completions.
func completionsMembers(a *Ask, stream bool) object {
	var turns []any
	if a.Context != "" {
		turns = append(turns, object{"role": "system", "content": a.Context})
	}
	out := object{"model": askedModel, "stream": stream, "max_tokens": a.most(), "messages": append(turns, completionsTurns(a)...)}
	if a.Effort != "" {
		out["reasoning_effort"] = a.Effort
	}
	if a.Schema {
		out["response_format"] = object{"type": "json_schema", "json_schema": object{"name": "answer", "strict": true, "schema": answerSchema()}}
	}
	var tools []object
	for _, t := range a.Tools {
		tools = append(tools, object{"type": "function", "function": object{"name": t, "description": toolDescription(t), "parameters": toolSchema()}})
	}
	if tools != nil {
		out["tools"] = tools
	}
	if stream {
		out["stream_options"] = object{"include_usage": true}
	}
	return out
}

// completionsTurns is the conversation up to what is said now.
func completionsTurns(a *Ask) (out []any) {
	if b := a.Before; b != nil {
		out = completionsTurns(b.Answer.Ask)
		for _, message := range b.Answer.Turn {
			out = append(out, message)
		}
		for i, result := range b.Results {
			out = append(out, object{"role": "tool", "tool_call_id": b.Answer.Tools[i].ID, "content": result})
		}
	}
	switch {
	case a.Image != "":
		out = append(out, object{"role": "user", "content": []object{
			{"type": "image_url", "image_url": object{"url": "data:" + imageType + ";base64," + a.Image}}, {"type": "text", "text": a.Words},
		}})
	case a.Words != "":
		out = append(out, object{"role": "user", "content": a.Words})
	}
	return out
}
