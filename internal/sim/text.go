package sim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var sentence = []string{"The ", "turnout ", "carries ", "every ", "train ", "over ", "to ", "a free ", "track, "}

// piece is the i-th piece of every text. Every tenth carries its number, so that
// a lost, doubled or misplaced piece shows in the text.
func piece(i int) string {
	if n := len(sentence) + 1; i%n == n-1 {
		return fmt.Sprintf("number %d. ", i/n+1)
	}
	return sentence[i%(len(sentence)+1)]
}

// Text is the text of a healthy answer of n pieces: the concatenation of its
// content events. Text(m) is a prefix of Text(n) for m ≤ n.
func Text(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(piece(i))
	}
	return b.String()
}

// thoughts are the pieces of a thinking block.
var thoughts = []string{"Which ", "track ", "is ", "free? ", "Let ", "me ", "look. ", "There."}

// Thought is the text of a thinking block that max tokens did not cut short.
const Thought = "Which track is free? Let me look. There."

// RefusalText is what an answer with the word "refusal" says.
const RefusalText = "I'm sorry, but I can't help with that."

func pieces(n int) []string {
	out := make([]string, max(n, 0))
	for i := range out {
		out[i] = piece(i)
	}
	return out
}

// toolCall is a call that the answer makes.
type toolCall struct {
	name string
	args string // a JSON object
}

// defaultFragment is how many bytes of arguments one event carries, as a model streams
// them; maxArguments bounds what a word may ask for.
const (
	defaultFragment = 12
	maxArguments    = 8 << 20
)

// padded is the call with arguments of at least so many bytes.
func (c toolCall) padded(size int) toolCall {
	if len(c.args) >= size {
		return c
	}
	open := c.args[:len(c.args)-1]
	if c.args != "{}" {
		open += ","
	}
	open += `"padding":"`
	c.args = open + strings.Repeat("x", max(size-len(open)-len(`"}`), 0)) + `"}`
	return c
}

// fragments splits the arguments into pieces of so many bytes; 0: defaultFragment.
func (c toolCall) fragments(size int) []string {
	if size <= 0 {
		size = defaultFragment
	}
	return fragments(c.args, size)
}

// fragments splits a text into pieces of so many bytes, none of them inside a rune.
func fragments(s string, size int) (out []string) {
	for s != "" {
		n := min(size, len(s))
		for n < len(s) && s[n]&0xC0 == 0x80 {
			n++
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// toolOffer is a tool that the request offers.
type toolOffer struct {
	name   string
	schema json.RawMessage
}

var useTool = regexp.MustCompile(`use tool ([A-Za-z0-9_.:-]+)(?: with (\{))?`)

// chooseTools decides which of the offered tools the answer calls: the forced
// one, or those that the text names as "use tool NAME", each optionally followed
// by " with {…}", its arguments.
func chooseTools(offers []toolOffer, forced string, text string) []toolCall {
	find := func(name string) *toolOffer {
		i := slices.IndexFunc(offers, func(o toolOffer) bool { return o.name == name })
		if i < 0 {
			return nil
		}
		return &offers[i]
	}
	var calls []toolCall
	for _, m := range useTool.FindAllStringSubmatchIndex(text, -1) {
		o := find(strings.TrimRight(text[m[2]:m[3]], ".:-"))
		if o == nil {
			continue
		}
		c := toolCall{name: o.name}
		if m[4] >= 0 {
			var args json.RawMessage
			if json.NewDecoder(strings.NewReader(text[m[4]:])).Decode(&args) == nil {
				c.args = string(args)
			}
		}
		if c.args == "" {
			c.args = sampleArguments(o.schema)
		}
		calls = append(calls, c)
	}
	if len(calls) == 0 && forced != "" {
		if o := find(forced); o != nil {
			calls = []toolCall{{name: o.name, args: sampleArguments(o.schema)}}
		}
	}
	return calls
}

// sampleArguments makes an object that fits the common part of JSON Schema: every
// declared property, with a value of its type.
func sampleArguments(schema json.RawMessage) string {
	var s sampleSchema
	if len(schema) == 0 || json.Unmarshal(schema, &s) != nil {
		return "{}"
	}
	return string(encode(s.object()))
}

// sampleSchema is what a sample looks at.
type sampleSchema struct {
	Type       any                     `json:"type"`
	Enum       []json.RawMessage       `json:"enum"`
	Properties map[string]sampleSchema `json:"properties"`
	Items      *sampleSchema           `json:"items"`
	MinItems   int                     `json:"minItems"`
}

func (s *sampleSchema) object() map[string]any {
	out := map[string]any{}
	for name, p := range s.Properties {
		out[name] = p.value(name)
	}
	return out
}

// value is a sample for a place of this name. Gemini writes types in capitals.
func (s *sampleSchema) value(name string) any {
	kind, _ := s.Type.(string)
	switch kind = strings.ToLower(kind); {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case kind == "integer" || kind == "number":
		return 1
	case kind == "boolean":
		return true
	case kind == "array":
		out := []any{}
		for s.Items != nil && len(out) < s.MinItems && len(out) < 8 {
			out = append(out, s.Items.value(name))
		}
		return out
	case kind == "object":
		return s.object()
	default:
		return "sample " + name
	}
}

// encode is JSON without HTML escapes, as providers write it. Everything that
// the package encodes can be encoded, so an error is a fault of the program.
func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sim: encode an answer: %v", err))
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
