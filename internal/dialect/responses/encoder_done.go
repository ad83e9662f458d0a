package responses

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// closed ends the open block. Its item stays open: more text may come into a message, and only
// the answer's end tells whether an item is whole.
func (e *encoder) closed(b []byte) []byte {
	k := &e.block
	text := k.text.Quoted()
	switch e.item.typ {
	case "message":
		name, typ := "text", "response.output_text.done"
		if k.kind == neutral.KindRefusal {
			name, typ, e.said = "refusal", "response.refusal.done", true
		}
		b = e.citeAll(b, text)
		j := event(b, typ)
		e.place(&j, e.item.count-1).Key(name).Raw(text)
		if name == "text" {
			j.Key("logprobs").List().End()
		}
		b = e.end(&j)
		j = event(b, "response.content_part.done")
		e.place(&j, e.item.count-1).Key("part")
		from := len(j.B)
		e.writePart(&j, text)
		if e.item.count > 1 {
			e.item.parts = append(e.item.parts, ',')
		}
		e.item.parts = append(e.item.parts, j.B[from:]...)
		b = e.end(&j)
	case "reasoning":
		e.item.signature = e.sealed()
		switch {
		case !k.begun && e.item.signature == "":
			e.item = item{} // a reasoning item that holds nothing says nothing
			e.block = block{}
			return b
		case !k.begun:
			b = e.begin(b, e.item)
			e.block = block{}
			return b
		}
		if e.item.signature == "" {
			e.item.signature = neutral.ShownThought(own, &k.source)
		}
		e.item.text = text
		j := event(b, "response.reasoning_summary_text.done")
		e.place(&j, -1).MemberInt("summary_index", 0).Key("text").Raw(text)
		b = e.end(&j)
		j = event(b, "response.reasoning_summary_part.done")
		e.place(&j, -1).MemberInt("summary_index", 0).Key("part").Open().Member("type", "summary_text").Key("text").Raw(text).Close()
		b = e.end(&j)
	case "function_call":
		if len(text) == 2 {
			text = []byte(`"{}"`)
		}
		e.item.text = text
		j := event(b, "response.function_call_arguments.done")
		e.names.write(e.place(&j, -1), e.item.call.Name)
		j.Key("arguments").Raw(text)
		b = e.end(&j)
	case "custom_tool_call":
		e.item.text = text
		j := event(b, "response.custom_tool_call_input.done")
		e.place(&j, -1).Key("input").Raw(text)
		b = e.end(&j)
	}
	e.block = block{}
	return b
}

// sealed is what the reasoning's provider wants back, as the caller keeps it; empty: nothing. Words that the caller is not
// shown go with it.
func (e *encoder) sealed() string {
	k := &e.block
	switch {
	case e.unkept || e.item.signature == "":
		return ""
	case (!e.show || k.text.Len() == 0) && !k.source.Redacted && k.source.Origin != own:
		words, _ := dialect.Unquote(k.text.Quoted())
		return neutral.SealText(k.source.Origin, k.source.ID, e.item.signature, words)
	}
	return neutral.Shown(own, &neutral.Block{Origin: k.source.Origin, ID: k.source.ID, Signature: e.item.signature})
}

// closeItem ends the open item, if there is one. cut: the answer ended inside of it.
func (e *encoder) closeItem(b []byte, cut bool) []byte {
	if e.item.typ == "" || e.item.unsaid {
		e.item = item{}
		return b
	}
	status := "completed"
	if cut {
		status = statusIncomplete
	}
	j := event(b, "response.output_item.done")
	j.MemberInt("output_index", int64(e.items)).Key("item")
	from := len(j.B)
	e.writeItem(&j, status)
	if e.over = e.over || len(e.output)+len(j.B)-from > neutral.MaxKept; !e.over {
		if len(e.output) > 0 {
			e.output = append(e.output, ',')
		}
		e.output = append(e.output, j.B[from:]...)
	}
	b = e.end(&j)
	e.items++
	e.item = item{}
	return b
}

// writePart writes a part of a message with its text, a JSON string.
func (e *encoder) writePart(j *neutral.JSON, text []byte) {
	if e.block.kind == neutral.KindRefusal {
		j.Open().Member("type", "refusal").Key("refusal").Raw(text).Close()
		return
	}
	j.Open().Member("type", "output_text").Key("annotations").List()
	if len(e.block.cited) > 0 {
		j.Raw(e.block.cited)
	}
	j.End().Key("logprobs").List().End().Key("text").Raw(text).Close()
}

// writeItem writes the open item as far as it is.
func (e *encoder) writeItem(j *neutral.JSON, status string) {
	it := &e.item
	if it.typ == "opaque" {
		j.Raw(oneLine(it.raw))
		return
	}
	text := it.text
	if text == nil {
		text = []byte(`""`)
	}
	j.Open().Member("id", it.id).Member("type", it.typ)
	switch it.typ {
	case "message":
		j.Member("status", status).Member("role", "assistant").Key("content").List()
		if len(it.parts) > 0 {
			j.Raw(it.parts)
		}
		j.End()
	case "reasoning":
		j.Key("summary").List()
		if it.text != nil {
			j.Open().Member("type", "summary_text").Key("text").Raw(text).Close()
		}
		j.End()
		if it.signature != "" && status != "in_progress" {
			j.Member("encrypted_content", it.signature)
		}
	case "function_call":
		j.Member("status", status).Member("call_id", it.call.ID)
		e.names.write(j, it.call.Name)
		j.Key("arguments").Raw(text)
	case "custom_tool_call":
		j.Member("status", status).Member("call_id", it.call.ID)
		e.names.write(j, it.call.Name)
		j.Key("input").Raw(text)
	}
	j.Close()
}

const statusIncomplete = "incomplete"

// status is the response's. A refusal that was not said in words is one of a filter; a turn that the
// provider paused has ended, as far as this dialect can say.
func (e *encoder) status() string {
	switch e.finish {
	case neutral.FinishLength, neutral.FinishContext:
		return statusIncomplete
	case neutral.FinishRefusal:
		if !e.said {
			return statusIncomplete
		}
	}
	return "completed"
}

// ended writes the last event.
func (e *encoder) ended(b []byte) []byte {
	b = e.closeItem(b, false)
	status := e.status()
	if e.over {
		status = "failed"
	}
	j := event(b, "response."+status)
	j.Key("response")
	from := len(j.B)
	e.response(&j, status, true)
	if e.json {
		e.last = append(e.last[:0], j.B[from:]...)
	}
	e.alive = nil
	return e.end(&j)
}

// response writes the response object.
func (e *encoder) response(j *neutral.JSON, status string, final bool) {
	j.Open().Member("id", e.id).Member("object", "response").MemberInt("created_at", e.created).Member("status", status)
	j.Key("error")
	if status == "failed" {
		j.Open().Member("code", "server_error").Member("message", "the answer is longer than the gateway can repeat at its end").Close()
	} else {
		j.Null()
	}
	j.Key("incomplete_details")
	switch {
	case status != statusIncomplete:
		j.Null()
	case e.finish == neutral.FinishRefusal:
		j.Open().Member("reason", "content_filter").Close()
	default:
		j.Open().Member("reason", "max_output_tokens").Close()
	}
	j.Member("model", e.model).Key("output").List()
	if final && len(e.output) > 0 {
		j.Raw(e.output)
	}
	j.End().Key("usage")
	if final {
		writeUsage(j, &e.usage)
	} else {
		j.Null()
	}
	j.Key("service_tier")
	if e.tier == "" {
		j.Null()
	} else {
		j.String(e.tier)
	}
	j.B = append(j.B, e.echo...)
	j.Close()
}
