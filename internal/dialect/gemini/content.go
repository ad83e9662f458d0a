package gemini

import (
	"strconv"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// content reads one element of contents into a turn. A content without a role is the user's.
func (d *decoding) content(c []byte) {
	t := neutral.Turn{}
	role := text(member(c, "role"))
	switch role {
	case "user", "", "function": // function: as the API's first version had it
	case "model":
		t.Role = neutral.Assistant
	case "system":
		t.Role = neutral.System
	default:
		d.fail("contents", "contents: the role %q is none; use user or model", role)
	}
	eachPart(c, func(raw []byte) { d.part(&t, raw) })
	d.r.Turns = append(d.r.Turns, t)
	d.remember(&d.r.Turns[len(d.r.Turns)-1])
}

// remember notes a turn's calls, so that responses without an id find them.
func (d *decoding) remember(t *neutral.Turn) {
	for i := range t.Blocks {
		if t.Blocks[i].Kind == neutral.KindToolUse {
			d.asked.add(&t.Blocks[i])
		}
	}
}

func (d *decoding) part(t *neutral.Turn, raw []byte) {
	p := readPart(raw)
	p.signature = returned(p.signature)
	if p.extra != nil {
		d.extra("parts", p.extra, member(raw, string(p.extra)))
	}
	switch p.kind {
	case "":
		d.words(t, &p)
	case "functionCall":
		b := call(p.value)
		if b.ID == "" {
			d.made++
			b.ID = "call_" + strconv.Itoa(d.made)
		}
		d.signed(t, &b, p.signature)
		t.Blocks = append(t.Blocks, b)
	case "functionResponse":
		t.Blocks = append(t.Blocks, d.response(p.value))
	case "inlineData", "fileData":
		t.Blocks = append(t.Blocks, d.media(&p))
	default:
		t.Blocks = append(t.Blocks, neutral.Block{Kind: neutral.KindOpaque, Type: p.kind, Raw: p.raw, Origin: own})
	}
}

// words reads a part of text: thoughts, or what was said. A signature beside what was said is the model's
// thinking before it; a part with nothing but a signature is thinking of which nothing is shown.
func (d *decoding) words(t *neutral.Turn, p *part) {
	s := text(p.text)
	if p.thought {
		t.Blocks = append(t.Blocks, neutral.Block{Kind: neutral.KindReasoning, Text: s, Signature: p.signature, Origin: own})
		return
	}
	if p.signature != "" {
		reasoned(t, p.signature)
	}
	if s != "" { // the Go SDK sends an empty part where the last chunk had empty text
		t.Blocks = append(t.Blocks, neutral.Block{Kind: neutral.KindText, Text: s})
	}
}

// reasoned puts a signature where reasoning stands: to the thoughts just before it that have none, or else
// as a block without text.
func reasoned(t *neutral.Turn, signature string) {
	if n := len(t.Blocks); n > 0 {
		if b := &t.Blocks[n-1]; b.Kind == neutral.KindReasoning && b.Signature == "" {
			b.Signature = signature
			return
		}
	}
	t.Blocks = append(t.Blocks, neutral.Block{Kind: neutral.KindReasoning, Signature: signature, Origin: own})
}

// signed gives a call its signature. One that another dialect's reasoning was sealed in belongs to the
// reasoning before the call.
func (d *decoding) signed(t *neutral.Turn, b *neutral.Block, signature string) {
	if signature == "" {
		return
	}
	if _, _, _, sealed := neutral.Unseal(signature); sealed {
		reasoned(t, signature)
		return
	}
	b.Signature, b.Origin = signature, own
}

// response makes a block of a functionResponse. Responses without an id answer the calls of their name in order;
// the response is an object, of which the member output or error is the result (API reference, FunctionResponse).
func (d *decoding) response(v []byte) neutral.Block {
	b := neutral.Block{Kind: neutral.KindToolResult}
	var response, parts []byte
	each(v, func(key, v []byte) {
		switch string(key) {
		case "id":
			b.ID = text(v)
		case "name":
			b.Name = text(v)
		case "response":
			response = v
		case "parts":
			parts = v
		default: // willContinue, scheduling
			d.extra("functionResponse", key, v)
		}
	})
	d.match(&b)
	b.Content, b.Failed = result(response)
	elements(parts, func(raw []byte) {
		if p := readPart(raw); p.kind == "inlineData" || p.kind == "fileData" {
			b.Content = append(b.Content, d.media(&p))
		}
	})
	return b
}

// media reads inlineData or fileData, and refuses data that are no base64.
func (d *decoding) media(p *part) neutral.Block {
	b := media(p.kind, p.value)
	if data := member(p.value, "data"); p.kind == "inlineData" && b.Data == nil && !dialect.IsNull(data) {
		d.fail("contents", "contents: inlineData.data must be base64")
	}
	return b
}

// match finds the call that a response answers.
func (d *decoding) match(b *neutral.Block) {
	c := d.asked.take(b.ID, b.Name)
	if c == nil {
		return
	}
	b.ID = c.ID
	if b.Name == "" {
		b.Name = c.Name
	}
}

// calls are the function calls that no response has answered yet. A conversation may have very many.
type calls struct {
	list   []*neutral.Block // nil: answered
	byID   map[string]int
	byName map[string][]int // oldest first; some may have been answered
	oldest int              // all before it are answered
}

func (c *calls) add(b *neutral.Block) {
	if c.byID == nil {
		c.byID, c.byName = map[string]int{}, map[string][]int{}
	}
	c.byID[b.ID] = len(c.list)
	c.byName[b.Name] = append(c.byName[b.Name], len(c.list))
	c.list = append(c.list, b)
}

// take gives the call that a response with this id, or else with this name, answers; without an id that can be any
// call, the oldest. nil: there is none.
func (c *calls) take(id, name string) *neutral.Block {
	if id != "" {
		i, ok := c.byID[id]
		if !ok {
			return nil
		}
		return c.answered(i)
	}
	for queue := c.byName[name]; len(queue) > 0; {
		i := queue[0]
		queue = queue[1:]
		c.byName[name] = queue
		if c.list[i] != nil {
			return c.answered(i)
		}
	}
	for ; c.oldest < len(c.list); c.oldest++ {
		if c.list[c.oldest] != nil {
			return c.answered(c.oldest)
		}
	}
	return nil
}

func (c *calls) answered(i int) *neutral.Block {
	b := c.list[i]
	c.list[i] = nil
	return b
}

// result reads a response's object: a single output or error is the result, anything else is one as a whole.
func result(response []byte) (content []neutral.Block, failed bool) {
	var only, inner []byte
	name, n, named := "", 0, false
	members(response, func(key, v []byte) {
		name, only = string(key), v
		n++
		named = named || name == "name"
		if name == "content" {
			inner = v
		}
	})
	switch {
	case n == 2 && named && inner != nil:
		only = inner // how the AI SDK wraps a result (@ai-sdk/google 3.0.141)
	case n == 0 && len(response) <= 2:
		return nil, false
	case n == 1 && (name == "output" || name == "error" || name == "result"):
		failed = name == "error"
	default:
		only = response
	}
	s, ok := dialect.Unquote(only)
	if !ok {
		s = string(only)
	}
	if s == "" {
		return nil, failed
	}
	return []neutral.Block{{Kind: neutral.KindText, Text: s}}, failed
}
