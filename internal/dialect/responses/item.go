package responses

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// readInput reads the conversation: a text, or a list of items.
func (q *asking) readInput(input []byte) {
	switch {
	case len(input) == 0 && q.goesOn():
	case len(input) == 0:
		q.refuse("input", `the member "input" is missing; send the conversation, as a text or as a list of items`)
	case input[0] == '"':
		q.turn(neutral.User, neutral.Block{Text: text(input)})
	case input[0] == '[':
		i := 0
		_ = dialect.Array(input, func(e dialect.Span) bool {
			q.item("input["+strconv.Itoa(i)+"]", e.Of(input))
			i++
			return q.err == nil
		})
	default:
		q.refuse("input", `the member "input" must be a text or a list of items`)
	}
}

// goesOn reports whether the request names a conversation that is stored, which needs no input.
func (q *asking) goesOn() bool {
	return slices.ContainsFunc(q.r.Asks, func(a neutral.Ask) bool { return a.Feature == neutral.FeaturePreviousResponse })
}

func (q *asking) turn(role neutral.Role, blocks ...neutral.Block) {
	q.r.Turns = append(q.r.Turns, neutral.Turn{Role: role, Blocks: blocks})
}

// item is one item of the conversation. Which members it has depends on its type.
func (q *asking) item(at string, item []byte) {
	if item[0] != '{' {
		q.refuse(at, "%s must be an object", at)
		return
	}
	switch typ := text(dialect.Member(item, "type")); typ {
	case "message", "":
		q.message(at, item)
	case "function_call":
		b := call(item)
		b.Args = arguments(dialect.Member(item, "arguments"))
		q.turn(neutral.Assistant, b)
	case "custom_tool_call":
		b := call(item)
		b.Custom, b.Text = true, text(dialect.Member(item, "input"))
		q.turn(neutral.Assistant, b)
	case "function_call_output", "custom_tool_call_output":
		q.turn(neutral.User, neutral.Block{
			Kind: neutral.KindToolResult, ID: text(dialect.Member(item, "call_id")), Custom: typ == "custom_tool_call_output",
			Content: q.content(at+".output", dialect.Member(item, "output")),
		})
	case "reasoning":
		if b := thought(item); b.Signature != "" || b.Text != "" {
			q.turn(neutral.Assistant, b)
		}
	case "additional_tools", "tool_search_output":
		// Tools that came during the conversation; elsewhere they are there from the start.
		q.readTools(at+".tools", dialect.Member(item, "tools"), "")
	case "tool_search_call", "configuration_update":
	case "item_reference", "compaction", "context_compaction", "compaction_trigger":
		// A part of the conversation that one provider alone has, or can read.
		q.ask(neutral.FeaturePreviousResponse, at, item)
	default:
		role := neutral.Assistant
		if strings.HasSuffix(typ, "_output") || typ == "mcp_approval_response" {
			role = neutral.User
		}
		q.turn(role, opaque(typ, item))
	}
}

func opaque(typ string, raw []byte) neutral.Block {
	return neutral.Block{Kind: neutral.KindOpaque, Type: typ, Raw: raw, Origin: own}
}

// message is a message of any role. What the system and the developer say before everything
// else is the request's system prompt: Codex sends its instructions so (captured from 0.169.0).
func (q *asking) message(at string, item []byte) {
	blocks := q.content(at+".content", dialect.Member(item, "content"))
	if len(blocks) == 0 {
		return
	}
	t := neutral.Turn{Blocks: blocks, ID: text(dialect.Member(item, "id"))}
	switch role := text(dialect.Member(item, "role")); role {
	case "user":
	case "assistant":
		t.Role = neutral.Assistant
	case "system", "developer":
		if len(q.r.Turns) == 0 {
			q.r.System = append(q.r.System, blocks...)
			return
		}
		t.Role = neutral.System
	default:
		q.refuse(at+".role", "%s.role must be user, assistant, system or developer", at)
	}
	q.r.Turns = append(q.r.Turns, t)
}

// call is what calls of all client tools have in common.
func call(item []byte) neutral.Block {
	b := neutral.Block{Kind: neutral.KindToolUse, ID: text(dialect.Member(item, "call_id")), Name: text(dialect.Member(item, "name"))}
	if ns := text(dialect.Member(item, "namespace")); ns != "" {
		b.Name = flat(ns, b.Name)
	}
	return b
}

// arguments reads the JSON text inside a string. A text that is no object, as a model writes
// one now and then and a client sends back, becomes a member of one, so that every dialect can carry it.
func arguments(v []byte) []byte {
	if len(v) > 0 && v[0] == '{' { // of clients that forget the string
		return v
	}
	s := text(v)
	switch {
	case s == "":
		return nil
	case s[0] == '{' && json.Valid([]byte(s)):
		return []byte(s)
	}
	return append(dialect.AppendString([]byte(`{"arguments":`), s), '}')
}

// thought is a reasoning item. Its summary is what can be shown; open models give
// their thoughts themselves, as content.
func thought(item []byte) neutral.Block {
	b := neutral.Block{
		Kind: neutral.KindReasoning, ID: text(dialect.Member(item, "id")), Origin: own,
		Text: joined(dialect.Member(item, "summary")), Signature: text(dialect.Member(item, "encrypted_content")),
	}
	if b.Text == "" {
		b.Text = joined(dialect.Member(item, "content"))
	}
	if b.Text == "" {
		words, unsaid := neutral.SealedText(b.Signature)
		b.Text, b.Redacted = words, b.Signature != "" && !unsaid
	}
	return b
}

// between parts of a summary stands what stands between paragraphs.
const between = "\n\n"

func joined(list []byte) string {
	var parts []string
	_ = dialect.Array(list, func(e dialect.Span) bool {
		if s := text(dialect.Member(e.Of(list), "text")); s != "" {
			parts = append(parts, s)
		}
		return true
	})
	return strings.Join(parts, between)
}
