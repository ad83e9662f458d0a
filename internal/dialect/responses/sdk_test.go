package responses

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"turnout/internal/dialect"
)

// client accumulates a stream as the SDKs do and insists on what they insist on: events by name,
// sequence numbers without gaps, items and parts that are announced, filled and finished in turn,
// and a last response that says the same (openai-node 7.57.0, response-accumulator.mjs; openai-go
// v3.96.0, response_accumulator.go).
type client struct {
	seq    int
	state  string // of the response
	output []map[string]any
	open   int // parts that are not done, of the last item
	last   map[string]any
	names  []string
}

func (c *client) event(raw []byte) error {
	name, data := dialect.Fields(raw)
	var ev map[string]any
	if err := json.Unmarshal(data, &ev); err != nil {
		return fmt.Errorf("%w: %q", err, data)
	}
	typ, _ := ev["type"].(string)
	if typ != string(name) {
		return fmt.Errorf("event %q says that it is %q", name, typ)
	}
	if n, ok := ev["sequence_number"].(float64); !ok || int(n) != c.seq {
		return fmt.Errorf("%s: sequence number %v, want %d", typ, ev["sequence_number"], c.seq)
	}
	c.seq++
	c.names = append(c.names, typ)
	if err := c.take(typ, ev); err != nil {
		return fmt.Errorf("%s: %w", typ, err)
	}
	return nil
}

func (c *client) take(typ string, ev map[string]any) error {
	want := map[string]string{"response.created": "", "response.in_progress": "created"}
	if before, ok := want[typ]; ok {
		if c.state != before {
			return fmt.Errorf("comes after %q", c.state)
		}
		c.state = strings.TrimPrefix(typ, "response.")
		return c.response(ev, "in_progress")
	}
	if c.state != "in_progress" {
		return fmt.Errorf("comes after %q", c.state)
	}
	switch typ {
	case "response.completed", "response.incomplete", "response.failed":
		c.state = "over"
		if c.open != 0 || len(c.output) > 0 && !c.itemDone() {
			return fmt.Errorf("an item is not done")
		}
		c.last, _ = ev["response"].(map[string]any)
		if err := c.response(ev, strings.TrimPrefix(typ, "response.")); err != nil {
			return err
		}
		for i := range c.output {
			delete(c.output[i], "done")
		}
		got, _ := json.Marshal(c.last["output"])
		want, _ := json.Marshal(c.output)
		if len(c.output) == 0 {
			want = []byte("[]")
		}
		if string(got) != string(want) {
			return fmt.Errorf("the last response says\n%s, the events said\n%s", got, want)
		}
		return nil
	}
	index, ok := ev["output_index"].(float64)
	if !ok {
		return fmt.Errorf("no output_index")
	}
	switch typ {
	case "response.output_item.added":
		item, _ := ev["item"].(map[string]any)
		if int(index) != len(c.output) || len(c.output) > 0 && !c.itemDone() {
			return fmt.Errorf("item %v is announced while %d are there", index, len(c.output))
		}
		if id, _ := item["id"].(string); id == "" {
			return fmt.Errorf("an item without an id")
		}
		c.output = append(c.output, item)
		return nil
	case "response.output_item.done":
		item, _ := ev["item"].(map[string]any)
		if int(index) != len(c.output)-1 || c.itemDone() || c.open != 0 {
			return fmt.Errorf("item %v is done out of turn", index)
		}
		before := c.output[int(index)]
		for k, v := range before {
			if k == "status" || k == "encrypted_content" {
				continue
			}
			if !reflect.DeepEqual(item[k], v) {
				return fmt.Errorf("%s was %v and is done as %v", k, v, item[k])
			}
		}
		item["done"] = true
		c.output[int(index)] = item
		return nil
	}
	if int(index) != len(c.output)-1 || c.itemDone() {
		return fmt.Errorf("item %v is not open", index)
	}
	item := c.output[int(index)]
	if ev["item_id"] != item["id"] {
		return fmt.Errorf("item_id %v, want %v", ev["item_id"], item["id"])
	}
	return c.inside(typ, ev, item)
}

func (c *client) itemDone() bool { _, done := c.output[len(c.output)-1]["done"]; return done }

func (c *client) inside(typ string, ev, item map[string]any) error {
	parts, index, want := "content", "content_index", "message"
	if strings.Contains(typ, "reasoning_summary") {
		parts, index, want = "summary", "summary_index", "reasoning"
	}
	member := map[string]string{
		"response.function_call_arguments.delta": "arguments", "response.function_call_arguments.done": "arguments",
		"response.custom_tool_call_input.delta": "input", "response.custom_tool_call_input.done": "input",
	}[typ]
	if member != "" {
		want = map[string]string{"arguments": "function_call", "input": "custom_tool_call"}[member]
		if item["type"] != want {
			return fmt.Errorf("in a %v", item["type"])
		}
		if delta, ok := ev["delta"].(string); ok {
			item[member] = item[member].(string) + delta
			return nil
		}
		if item[member] == "" { // a call without arguments
			item[member] = ev[member]
		}
		if item[member] != ev[member] {
			return fmt.Errorf("%q, want %q", ev[member], item[member])
		}
		return nil
	}
	if item["type"] != want {
		return fmt.Errorf("in a %v", item["type"])
	}
	list, _ := item[parts].([]any)
	at, ok := ev[index].(float64)
	if !ok {
		return fmt.Errorf("no %s", index)
	}
	if strings.HasSuffix(typ, "part.added") {
		if int(at) != len(list) || c.open != 0 {
			return fmt.Errorf("part %v is announced out of turn", at)
		}
		c.open++
		item[parts] = append(list, ev["part"])
		return nil
	}
	if int(at) != len(list)-1 || c.open != 1 {
		return fmt.Errorf("part %v is not open", at)
	}
	part := list[int(at)].(map[string]any)
	text := "text"
	if part["type"] == "refusal" {
		text = "refusal"
	}
	if strings.Contains(typ, "refusal") != (text == "refusal") && !strings.Contains(typ, "part.done") {
		return fmt.Errorf("in a part %v", part["type"])
	}
	switch {
	case strings.HasSuffix(typ, ".delta"):
		delta, _ := ev["delta"].(string)
		if delta == "" {
			return fmt.Errorf("an empty delta")
		}
		if _, has := ev["logprobs"].([]any); text == "text" && parts == "content" && !has {
			return fmt.Errorf("no logprobs")
		}
		part[text] = part[text].(string) + delta
	case strings.HasSuffix(typ, "annotation.added"):
		list, _ := part["annotations"].([]any)
		if n, _ := ev["annotation_index"].(float64); int(n) != len(list) {
			return fmt.Errorf("annotation %v out of turn", n)
		}
		part["annotations"] = append(list, ev["annotation"])
	case strings.HasSuffix(typ, "part.done"):
		c.open--
		if !reflect.DeepEqual(ev["part"], any(part)) {
			return fmt.Errorf("done as %v, was %v", ev["part"], part)
		}
	default: // text.done
		if ev[text] != part[text] {
			return fmt.Errorf("%q, want %q", ev[text], part[text])
		}
	}
	return nil
}

// required are the members of a response object without which the SDKs' types are not met.
var required = []string{
	"id", "object", "created_at", "error", "incomplete_details", "instructions", "metadata", "model", "output", "parallel_tool_calls",
	"temperature", "tool_choice", "tools", "top_p", "status", "usage",
}

func (c *client) response(ev map[string]any, status string) error {
	r, _ := ev["response"].(map[string]any)
	for _, name := range required {
		if _, ok := r[name]; !ok {
			return fmt.Errorf("the response has no %s", name)
		}
	}
	if r["status"] != status || r["object"] != "response" {
		return fmt.Errorf("the response is %v, want %s", r["status"], status)
	}
	return nil
}

// listen reads a whole stream as a client does.
func listen(t testing.TB, stream []byte) (*client, error) {
	t.Helper()
	c := &client{}
	for _, raw := range split(t, stream) {
		if err := c.event(raw); err != nil {
			return c, err
		}
	}
	if c.state != "over" {
		return c, fmt.Errorf("the stream does not end")
	}
	return c, nil
}

// The stand-in itself accepts what the API sends.
func TestClientTakesTheOriginal(t *testing.T) {
	for _, file := range []string{"stream_agent.sse", "stream_refusal.sse"} {
		if _, err := listen(t, golden(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
