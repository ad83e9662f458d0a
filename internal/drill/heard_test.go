package drill

import (
	"encoding/json"
	"strings"

	"turnout/internal/domain"
)

// heard is what an account was asked, read in its own dialect, so that what a translation loses shows.
type heard struct {
	system     string
	words      []string   // of the user
	images     []string   // base64
	tools      []string   // offered
	calls      []ToolCall // of the assistant
	results    []ToolCall // what they gave, as Arguments
	signatures []string   // of reasoning that was sent back
	thoughts   string     // reasoning that was sent back as text
	schema     bool       // the answer has to fit the schema
	most       int
}

// node is a piece of a request's body.
type node map[string]any

func parse(raw []byte) node {
	var n node
	_ = json.Unmarshal(raw, &n)
	return n
}

func (n node) at(name string) node     { m, _ := n[name].(map[string]any); return m }
func (n node) text(name string) string { s, _ := n[name].(string); return s }

func (n node) number(name string) int {
	f, _ := n[name].(float64)
	return int(f)
}

// list gives the members of a list; a text stands for a list of one text.
func (n node) list(name string) (out []node) {
	if s, ok := n[name].(string); ok {
		return []node{{"type": "text", "text": s}}
	}
	list, _ := n[name].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

func (n node) json(name string) string {
	raw, _ := json.Marshal(n[name])
	return string(raw)
}

// texts joins the texts of a list.
func (n node) texts(name string) string {
	var out []string
	for _, p := range n.list(name) {
		out = append(out, p.text("text"))
	}
	return strings.Join(out, "\n")
}

// hear reads a request in a dialect.
func hear(d domain.Dialect, body []byte) *heard {
	h := &heard{}
	n := parse(body)
	switch d {
	case domain.DialectAnthropic:
		h.messages(n)
	case domain.DialectOpenAIChat:
		h.completions(n)
	case domain.DialectOpenAIResp:
		h.responses(n)
	case domain.DialectGeminiContent:
		h.gemini(n)
	}
	return h
}

func (h *heard) schemaOf(raw string) { h.schema = strings.Contains(raw, `"track"`) }

func (h *heard) dataURL(url string) {
	if _, data, ok := strings.Cut(url, ";base64,"); ok && strings.HasPrefix(url, "data:"+imageType) {
		h.images = append(h.images, data)
	}
}

func (h *heard) messages(n node) {
	h.system, h.most = n.texts("system"), n.number("max_tokens")
	h.schemaOf(n.at("output_config").json("format"))
	for _, t := range n.list("tools") {
		h.tools = append(h.tools, t.text("name"))
	}
	for _, m := range n.list("messages") {
		for _, b := range m.list("content") {
			switch b.text("type") {
			case "text":
				if m.text("role") == "user" {
					h.words = append(h.words, b.text("text"))
				}
			case "image":
				if b.at("source").text("media_type") == imageType {
					h.images = append(h.images, b.at("source").text("data"))
				}
			case "tool_use":
				h.calls = append(h.calls, ToolCall{b.text("id"), b.text("name"), b.json("input")})
			case "tool_result":
				h.results = append(h.results, ToolCall{b.text("tool_use_id"), "", b.texts("content")})
			case "thinking":
				h.thoughts += b.text("thinking")
				h.signatures = append(h.signatures, b.text("signature"))
			}
		}
	}
}

func (h *heard) completions(n node) {
	h.most = max(n.number("max_tokens"), n.number("max_completion_tokens"))
	h.schemaOf(n.at("response_format").json("json_schema"))
	for _, t := range n.list("tools") {
		h.tools = append(h.tools, t.at("function").text("name"))
	}
	for _, m := range n.list("messages") {
		switch m.text("role") {
		case "system", "developer":
			h.system += m.texts("content")
		case "tool":
			h.results = append(h.results, ToolCall{m.text("tool_call_id"), "", m.texts("content")})
		case "assistant":
			h.thoughts += m.text("reasoning_content")
			for _, c := range m.list("tool_calls") {
				h.calls = append(h.calls, ToolCall{c.text("id"), c.at("function").text("name"), c.at("function").text("arguments")})
			}
		case "user":
			for _, p := range m.list("content") {
				if p.text("type") == "image_url" {
					h.dataURL(p.at("image_url").text("url"))
				} else {
					h.words = append(h.words, p.text("text"))
				}
			}
		}
	}
}

func (h *heard) responses(n node) {
	h.system, h.most = n.text("instructions"), n.number("max_output_tokens")
	h.schemaOf(n.at("text").json("format"))
	for _, t := range n.list("tools") {
		h.tools = append(h.tools, t.text("name"))
	}
	for _, i := range n.list("input") {
		switch i.text("type") {
		case "function_call":
			h.calls = append(h.calls, ToolCall{i.text("call_id"), i.text("name"), i.text("arguments")})
		case "function_call_output":
			h.results = append(h.results, ToolCall{i.text("call_id"), "", i.texts("output")})
		case "reasoning":
			h.thoughts += i.texts("summary")
			h.signatures = append(h.signatures, i.text("encrypted_content"))
		default:
			switch i.text("role") {
			case "system", "developer":
				h.system += i.texts("content")
			case "user":
				for _, p := range i.list("content") {
					if p.text("type") == "input_image" {
						h.dataURL(p.text("image_url"))
					} else {
						h.words = append(h.words, p.text("text"))
					}
				}
			}
		}
	}
}

func (h *heard) gemini(n node) {
	config := n.at("generationConfig")
	h.system, h.most = n.at("systemInstruction").texts("parts"), config.number("maxOutputTokens")
	h.schemaOf(config.json("responseJsonSchema") + config.json("responseSchema"))
	for _, t := range n.list("tools") {
		for _, f := range t.list("functionDeclarations") {
			h.tools = append(h.tools, f.text("name"))
		}
	}
	for _, c := range n.list("contents") {
		for _, p := range c.list("parts") {
			if s := p.text("thoughtSignature"); s != "" {
				h.signatures = append(h.signatures, s)
			}
			call, result, data := p.at("functionCall"), p.at("functionResponse"), p.at("inlineData")
			switch {
			case call != nil:
				h.calls = append(h.calls, ToolCall{call.text("id"), call.text("name"), call.json("args")})
			case result != nil:
				said := result.at("response").text("output")
				if said == "" {
					said = result.json("response")
				}
				h.results = append(h.results, ToolCall{result.text("id"), result.text("name"), said})
			case data != nil && data.text("mimeType") == imageType:
				h.images = append(h.images, data.text("data"))
			case p["thought"] == true:
				h.thoughts += p.text("text")
			case c.text("role") != "model":
				h.words = append(h.words, p.text("text"))
			}
		}
	}
}
