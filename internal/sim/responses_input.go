package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// dialogue is an input while it is read.
type dialogue struct {
	p            *Provider
	organization string
	q            *ask
	before       []byte            // the prompt of the response that this one goes on from
	open         map[string]string // calls without an output, by id: their types
	thought      string            // the id of the reasoning that something has to follow
}

// responsesItem holds the members of any kind of item that matter here.
type responsesItem struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Encrypted string          `json:"encrypted_content"`

	Tools []json.RawMessage `json:"tools"` // of additional_tools, as Codex sends all of its
}

// read walks the conversation: what went before, types and roles, outputs that answer calls, what is
// encrypted, what is stored.
func (c *dialogue) read(input json.RawMessage) *failure {
	r := c.q.responses
	if r.before != "" {
		s := c.p.stored.find(r.before, c.organization)
		if s == nil {
			return invalidChat("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", r.before)
		}
		c.before = s.prompt
		for id, typ := range s.open {
			c.open[id] = typ
		}
	}
	var text string
	if json.Unmarshal(input, &text) == nil && len(input) > 0 {
		c.q.lastText = text
		r.items = []json.RawMessage{encode(map[string]any{"type": "message", "role": "user", "content": []any{map[string]string{"type": "input_text", "text": text}}})}
		return c.answered()
	}
	if len(input) == 0 {
		return c.answered()
	}
	if json.Unmarshal(input, &r.items) != nil {
		return invalidChat("input", "invalid_type", "Invalid type for 'input': expected one of a string or array of input items, but got %s instead.", kindOf(input))
	}
	for i, raw := range r.items {
		var it responsesItem
		if len(raw) == 0 || raw[0] != '{' {
			return invalidChat(fmt.Sprintf("input[%d]", i), "invalid_type", "Invalid type for 'input[%d]': expected an input item, but got %s instead.", i, kindOf(raw))
		}
		if err := json.Unmarshal(raw, &it); err != nil {
			return invalidChat(fmt.Sprintf("input[%d]", i), "invalid_type", "Invalid type for 'input[%d]': %v.", i, err)
		}
		if it.Type == "" {
			it.Type = "message"
		}
		if f := c.item(fmt.Sprintf("input[%d]", i), &it); f != nil {
			return f
		}
	}
	if c.thought != "" {
		return unfollowed(c.thought)
	}
	return c.answered()
}

func unfollowed(id string) *failure {
	return invalidChat("input", "", "Item '%s' of type 'reasoning' was provided without its required following item.", id)
}

func kindOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	switch raw[0] {
	case '{', 'n':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	}
	return "an integer"
}

func (c *dialogue) item(at string, it *responsesItem) *failure {
	if !slices.Contains(responsesItems, it.Type) {
		return notOneOf(at, it.Type, responsesItems...)
	}
	if prefix := idPrefixes[it.Type]; prefix != "" && it.ID != "" && !strings.HasPrefix(it.ID, prefix) {
		return invalidChat(at+".id", "invalid_value", "Invalid '%s.id': '%s'. Expected an ID that begins with '%s'.", at, it.ID, prefix)
	}
	if len(it.CallID) > 64 {
		return invalidChat(at+".call_id", "string_above_max_length", "Invalid '%s.call_id': string too long. Expected a string with maximum length 64, but got a string with length %d instead.", at, len(it.CallID))
	}
	said := strings.HasSuffix(it.Type, "_call") || it.Role == "assistant" || it.Type == "reasoning" || it.Type == "item_reference"
	if c.thought != "" && !said {
		return unfollowed(c.thought)
	}
	c.thought = ""
	if it.Role != "developer" && it.Role != "system" { // which say nothing of their own, wherever they stand
		c.q.lastText, c.q.prefill = "", false
	}
	switch it.Type {
	case "message":
		return c.message(at, it)
	case "function_call", "custom_tool_call":
		if it.Name == "" {
			return missing(at + ".name")
		}
		c.open[it.CallID] = it.Type
	case "function_call_output", "custom_tool_call_output":
		if c.open[it.CallID]+"_output" != it.Type {
			return invalidChat("input", "", "No tool call found for %s with call_id %s.", strings.ReplaceAll(it.Type, "_", " "), it.CallID)
		}
		delete(c.open, it.CallID)
	case "reasoning", "compaction":
		return c.encrypted(it)
	case "additional_tools":
		return c.q.addResponsesTools(at+".tools", it.Tools, "")
	case "item_reference":
		if !c.p.stored.holds(it.ID, c.organization) {
			return notFound("Item with id '%s' not found.", it.ID)
		}
	}
	return nil
}

// encrypted checks what only the provider can read. It is bound to the organisation that it
// was written for.
func (c *dialogue) encrypted(it *responsesItem) *failure {
	if it.Type == "reasoning" && it.ID != "" {
		c.thought = it.ID
	}
	switch {
	case it.Encrypted == "" && it.Type == "reasoning" && !c.p.stored.holds(it.ID, c.organization):
		return notFound("Item with id '%s' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", it.ID)
	case it.Encrypted == "" && it.Type == "reasoning", unsealThought(c.organization, it.Encrypted):
		return nil
	}
	short := it.Encrypted
	if len(short) > 8 {
		short = short[:4] + "..." + short[len(short)-4:]
	}
	return invalidChat("", "invalid_encrypted_content", "The encrypted content %s could not be verified. Reason: Encrypted content could not be decrypted or parsed.", short)
}

func (c *dialogue) message(at string, it *responsesItem) *failure {
	if !slices.Contains([]string{"assistant", "system", "developer", "user"}, it.Role) {
		return notOneOf(at, it.Role, "assistant", "system", "developer", "user")
	}
	if len(it.Content) == 0 || string(it.Content) == "null" {
		return missing(at + ".content")
	}
	var parts []struct{ Type, Text string }
	supported := []string{"input_text", "input_image", "input_file"}
	if it.Role == "assistant" {
		supported = []string{"output_text", "refusal"}
	}
	if it.Content[0] == '[' {
		if err := json.Unmarshal(it.Content, &parts); err != nil {
			return invalidChat(at+".content", "invalid_type", "Invalid type for '%s.content': %v.", at, err)
		}
	}
	for i, p := range parts {
		if !slices.Contains(supported, p.Type) {
			return notOneOf(fmt.Sprintf("%s.content[%d]", at, i), p.Type, supported...)
		}
	}
	c.q.prefill = it.Role == "assistant" || c.q.prefill && it.Role != "user"
	if it.Role == "user" {
		c.q.lastText = chatText(it.Content)
	}
	return nil
}

// answered checks that each call has its output.
func (c *dialogue) answered() *failure {
	for id, typ := range c.open {
		return invalidChat("input", "", "No tool output found for %s %s.", strings.ReplaceAll(typ, "_", " "), id)
	}
	return nil
}

// sealThought is what stands for encrypted reasoning: good in one organisation, and nowhere else.
func sealThought(organization, id string) string {
	sum := sha256.Sum256([]byte("sim sealed\x00" + organization + "\x00" + id))
	return "gAAAAAB" + base64.RawURLEncoding.EncodeToString([]byte(id)) + "." + base64.RawURLEncoding.EncodeToString(sum[:24])
}

func unsealThought(organization, sealed string) bool {
	rest, ok := strings.CutPrefix(sealed, "gAAAAAB")
	encoded, _, _ := strings.Cut(rest, ".")
	id, err := base64.RawURLEncoding.DecodeString(encoded)
	return ok && err == nil && sealed == sealThought(organization, string(id))
}
