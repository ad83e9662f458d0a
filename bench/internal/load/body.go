package load

import (
	"fmt"
	"strings"
)

// API is a wire protocol, as a caller sees it.
type API struct {
	Name     string // in scenario names
	Path     string
	Terminal string // the event that ends a good stream
	Frame    int    // data: lines of a good stream beside the content chunks, with usage asked for
	body     func(b *strings.Builder, size int, stream bool)
}

// The two protocols.
var (
	OpenAI = &API{Name: "openai", Path: "/v1/chat/completions", Terminal: "data: [DONE]",
		Frame: 4, // role, finish, usage, [DONE]
		body:  openAIBody}
	Anthropic = &API{Name: "anthropic", Path: "/v1/messages", Terminal: `"message_stop"`,
		Frame: 5, // message_start, block start, block stop, message_delta, message_stop
		body:  anthropicBody}
)

// Shape describes a request body.
type Shape struct {
	Model     string
	Size      int // bytes, roughly: small ones are one message, large ones an agent's conversation with tools
	Stream    bool
	ModelLast bool // the model's name is the last member, not the first
}

// Body makes a request body.
func (a *API) Body(s Shape) []byte {
	var b strings.Builder
	if s.ModelLast {
		b.WriteString("{")
	} else {
		fmt.Fprintf(&b, `{"model":%q,`, s.Model)
	}
	fmt.Fprintf(&b, `"max_tokens":1024,"stream":%v,`, s.Stream)
	a.body(&b, s.Size, s.Stream)
	if s.ModelLast {
		fmt.Fprintf(&b, `,"model":%q`, s.Model)
	}
	b.WriteString("}")
	return []byte(b.String())
}

// prose is a JSON string's inside, with the escapes that code has.
const prose = `Please look at the function parse() in src/main.go:\n\tif err != nil {\n\t\treturn fmt.Errorf(\"parse: %w\", err)\n\t}\nand say what it does when the <input> is empty — briefly. `

func fill(b *strings.Builder, n int) {
	for ; n > len(prose); n -= len(prose) {
		b.WriteString(prose)
	}
	b.WriteString(strings.Repeat("x", max(n, 1)))
}

const (
	oneMessage  = 4096 // bodies up to this are a single message
	systemBytes = 8000
	tools       = 16
	toolBytes   = 700
	turnBytes   = 2500
	system      = "You are a coding agent. "
	schema      = `{"type":"object","properties":{"path":{"type":"string","description":"absolute path"},"offset":{"type":"integer"},"limit":{"type":"integer"},"pattern":{"type":"string"}},"required":["path"]}`
)

func openAIBody(b *strings.Builder, size int, stream bool) {
	if stream {
		b.WriteString(`"stream_options":{"include_usage":true},`)
	}
	if size > oneMessage {
		b.WriteString(`"tools":[`)
		for i := range tools {
			fmt.Fprintf(b, `{"type":"function","function":{"name":"tool_%d","description":"`, i)
			fill(b, toolBytes)
			b.WriteString(`","parameters":` + schema + `}}`)
			comma(b, i < tools-1)
		}
		b.WriteString(`],`)
	}
	b.WriteString(`"messages":[`)
	if size > oneMessage {
		b.WriteString(`{"role":"system","content":"` + system)
		fill(b, systemBytes)
		b.WriteString(`"},`)
	}
	turns(b, size, func(role string, n int) {
		fmt.Fprintf(b, `{"role":%q,"content":"`, role)
		fill(b, n)
		b.WriteString(`"}`)
	})
	b.WriteString(`]`)
}

func anthropicBody(b *strings.Builder, size int, _ bool) {
	if size > oneMessage {
		b.WriteString(`"system":[{"type":"text","text":"` + system)
		fill(b, systemBytes)
		b.WriteString(`","cache_control":{"type":"ephemeral"}}],"tools":[`)
		for i := range tools {
			fmt.Fprintf(b, `{"name":"tool_%d","description":"`, i)
			fill(b, toolBytes)
			b.WriteString(`","input_schema":` + schema + `}`)
			comma(b, i < tools-1)
		}
		b.WriteString(`],`)
	}
	b.WriteString(`"messages":[`)
	turns(b, size, func(role string, n int) {
		fmt.Fprintf(b, `{"role":%q,"content":[{"type":"text","text":"`, role)
		fill(b, n)
		b.WriteString(`"}]}`)
	})
	b.WriteString(`]`)
}

func comma(b *strings.Builder, more bool) {
	if more {
		b.WriteByte(',')
	}
}

// turns writes alternating messages, the caller's first and last, until the body has
// about size bytes.
func turns(b *strings.Builder, size int, message func(role string, n int)) {
	for i := 0; ; i++ {
		left := size - b.Len() - 40
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		message(role, min(turnBytes, left))
		if i%2 == 0 && left <= turnBytes {
			return
		}
		b.WriteByte(',')
	}
}
