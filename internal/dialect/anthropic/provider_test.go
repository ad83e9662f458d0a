package anthropic

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// provider checks a request as the provider does, as far as its rules are known (wire facts, API
// reference and guides, read 2026-11). It shares nothing with the encoder.
func provider(body []byte) error {
	var r map[string]any
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	known := []string{"model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "temperature", "top_p", "top_k", "stop_sequences", "stream", "metadata", "service_tier"}
	for name := range r {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%s: Extra inputs are not permitted", name)
		}
	}
	if n, ok := r["max_tokens"].(float64); !ok || n < 1 {
		return fmt.Errorf("max_tokens: Field required")
	}
	marks := 0
	for _, check := range []func(map[string]any, *int) error{checkSystem, checkMessages, checkTools, checkThinking, checkSampling} {
		if err := check(r, &marks); err != nil {
			return err
		}
	}
	if marks > 4 {
		return fmt.Errorf("a maximum of 4 blocks with cache_control may be provided, found %d", marks)
	}
	for _, s := range list(r["stop_sequences"]) {
		if strings.TrimSpace(s.(string)) == "" {
			return fmt.Errorf("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	return nil
}

func list(v any) []any { l, _ := v.([]any); return l }

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func str(v any) string { s, _ := v.(string); return s }

func checkSystem(r map[string]any, marks *int) error {
	for _, b := range list(r["system"]) {
		if err := checkBlock(object(b), "system", marks); err != nil {
			return err
		}
	}
	return nil
}

func checkMessages(r map[string]any, marks *int) error {
	messages := list(r["messages"])
	if len(messages) == 0 {
		return fmt.Errorf("messages: at least one message is required")
	}
	var open []string
	for i, v := range messages {
		m := object(v)
		role := str(m["role"])
		want := "user"
		if i%2 == 1 {
			want = "assistant"
		}
		if role != want {
			return fmt.Errorf("messages.%d: role %q, want %q", i, role, want)
		}
		content := list(m["content"])
		if len(content) == 0 {
			return fmt.Errorf("messages.%d: content is empty", i)
		}
		answered := map[string]bool{}
		others := false
		var calls []string
		for _, b := range content {
			block := object(b)
			if err := checkBlock(block, role, marks); err != nil {
				return fmt.Errorf("messages.%d: %w", i, err)
			}
			switch block["type"] {
			case "tool_use":
				calls = append(calls, str(block["id"]))
			case "tool_result":
				id := str(block["tool_use_id"])
				if others {
					return fmt.Errorf("messages.%d: tool_result after other content", i)
				}
				if !slices.Contains(open, id) || answered[id] {
					return fmt.Errorf("messages.%d: unexpected tool_use_id %q", i, id)
				}
				answered[id] = true
			default:
				others = true
			}
		}
		if len(answered) != len(open) {
			return fmt.Errorf("messages.%d: tool_use ids without tool_result", i)
		}
		open = calls
	}
	if len(messages)%2 == 0 {
		return fmt.Errorf("this model does not support assistant message prefill")
	}
	return nil
}

var (
	idForm   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
)

var members = map[string][]string{
	"text":              {"text", "citations"},
	"image":             {"source"},
	"document":          {"source", "title", "context", "citations"},
	"thinking":          {"thinking", "signature"},
	"redacted_thinking": {"data"},
	"tool_use":          {"id", "name", "input"},
	"tool_result":       {"tool_use_id", "content", "is_error"},
}

func checkBlock(b map[string]any, role string, marks *int) error {
	typ := str(b["type"])
	allowed, ok := members[typ]
	if !ok {
		return fmt.Errorf("unknown block type %q", typ)
	}
	for name := range b {
		if name != "type" && name != "cache_control" && !slices.Contains(allowed, name) {
			return fmt.Errorf("%s.%s: Extra inputs are not permitted", typ, name)
		}
	}
	if b["cache_control"] != nil {
		*marks++
		if typ == "thinking" || typ == "redacted_thinking" {
			return fmt.Errorf("%s cannot be cached", typ)
		}
	}
	switch typ {
	case "text":
		if strings.TrimSpace(str(b["text"])) == "" {
			return fmt.Errorf("text content blocks must contain non-whitespace text")
		}
	case "image", "document", "tool_result":
		if role == "assistant" {
			return fmt.Errorf("%s by the assistant", typ)
		}
	case "thinking", "redacted_thinking", "tool_use":
		if role != "assistant" {
			return fmt.Errorf("%s by %s", typ, role)
		}
	}
	switch typ {
	case "tool_use":
		if !idForm.MatchString(str(b["id"])) || !nameForm.MatchString(str(b["name"])) {
			return fmt.Errorf("tool_use: id %q, name %q", b["id"], b["name"])
		}
		if _, ok := b["input"].(map[string]any); !ok {
			return fmt.Errorf("tool_use.input: must be an object")
		}
	case "tool_result":
		content := list(b["content"])
		if b["is_error"] == true && len(content) == 0 && str(b["content"]) == "" {
			return fmt.Errorf("content cannot be empty if is_error is true")
		}
		for _, c := range content {
			if t := str(object(c)["type"]); t != "text" && t != "image" && t != "document" {
				return fmt.Errorf("tool_result: block of type %s", t)
			}
			if err := checkBlock(object(c), "user", marks); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkTools(r map[string]any, marks *int) error {
	names := map[string]bool{}
	for _, v := range list(r["tools"]) {
		t := object(v)
		if t["cache_control"] != nil {
			*marks++
		}
		name := str(t["name"])
		if names[name] {
			return fmt.Errorf("tools: names must be unique")
		}
		names[name] = true
		if t["type"] != nil {
			continue
		}
		schema := object(t["input_schema"])
		if schema["type"] != "object" {
			return fmt.Errorf("tools.%s.input_schema.type: Field required", name)
		}
		if t["strict"] == true {
			if err := checkSchema(schema); err != nil {
				return fmt.Errorf("tools.%s: %w", name, err)
			}
		}
	}
	choice := object(r["tool_choice"])
	if len(choice) > 0 && len(names) == 0 {
		return fmt.Errorf("tool_choice may only be specified while providing tools")
	}
	if choice["type"] == "tool" && !names[str(choice["name"])] {
		return fmt.Errorf("tool_choice names %v, which is no tool", choice["name"])
	}
	if format := object(object(r["output_config"])["format"]); len(format) > 0 {
		return checkSchema(object(format["schema"]))
	}
	return nil
}

// checkSchema looks for what the provider's structured outputs do not compile.
func checkSchema(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := checkSchema(e); err != nil {
				return err
			}
		}
	case map[string]any:
		if v["type"] == "object" && v["additionalProperties"] != false {
			return fmt.Errorf("for 'object' type, 'additionalProperties' must be explicitly set to false")
		}
		for name, e := range v {
			switch name {
			case "minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems":
				if _, number := e.(float64); number {
					return fmt.Errorf("property %s is not supported", name)
				}
			case "enum", "const", "default", "required":
				continue
			}
			if err := checkSchema(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkThinking(r map[string]any, _ *int) error {
	thinking, f := object(r["thinking"]), familyOf(str(r["model"]))
	effort := str(object(r["output_config"])["effort"])
	choice := str(object(r["tool_choice"])["type"])
	switch thinking["type"] {
	case nil:
	case "enabled":
		budget, _ := thinking["budget_tokens"].(float64)
		if f.known && (f.major > 4 || f.major == 4 && f.minor >= 7) {
			return fmt.Errorf("thinking.type.enabled is not supported for this model")
		}
		if budget < 1024 || budget >= r["max_tokens"].(float64) {
			return fmt.Errorf("budget_tokens %v must be at least 1024 and less than max_tokens %v", budget, r["max_tokens"])
		}
		if err := startsWithThinking(list(r["messages"])); err != nil {
			return err
		}
	case "adaptive":
		if !f.known || f.major < 4 || f.major == 4 && f.minor < 6 || thinking["budget_tokens"] != nil {
			return fmt.Errorf("adaptive thinking is not supported on this model")
		}
	case "disabled":
		if f.line == "fable" || effort == "xhigh" || effort == "max" {
			return fmt.Errorf("thinking may not be disabled")
		}
	default:
		return fmt.Errorf("thinking.type %v", thinking["type"])
	}
	if (choice == "any" || choice == "tool") && (thinking["type"] == "enabled" || thinking["type"] == "adaptive") {
		return fmt.Errorf("thinking may not be enabled when tool_choice forces tool use")
	}
	if effort != "" && !slices.Contains([]string{"low", "medium", "high", "xhigh", "max"}, effort) {
		return fmt.Errorf("output_config.effort %q", effort)
	}
	if effort != "" && f.known && !(f.major > 4 || f.major == 4 && (f.minor >= 6 || f.minor == 5 && f.line == "opus")) {
		return fmt.Errorf("this model does not support the effort parameter")
	}
	return nil
}

func startsWithThinking(messages []any) error {
	n := len(messages)
	if n < 2 || str(object(list(object(messages[n-1])["content"])[0])["type"]) != "tool_result" {
		return nil
	}
	first := str(object(list(object(messages[n-2])["content"])[0])["type"])
	if first != "thinking" && first != "redacted_thinking" {
		return fmt.Errorf("Expected thinking or redacted_thinking, but found %s", first)
	}
	return nil
}

func checkSampling(r map[string]any, _ *int) error {
	f := familyOf(str(r["model"]))
	temperature, hasTemperature := r["temperature"].(float64)
	topP, hasTopP := r["top_p"].(float64)
	_, hasTopK := r["top_k"]
	switch {
	case hasTemperature && (temperature < 0 || temperature > 1):
		return fmt.Errorf("temperature: range: 0..1")
	case f.known && (f.major > 4 || f.major == 4 && f.minor >= 7) && (hasTemperature || hasTopP || hasTopK):
		return fmt.Errorf("temperature is deprecated for this model")
	case f.known && f.major == 4 && f.minor >= 1 && hasTemperature && hasTopP:
		return fmt.Errorf("temperature and top_p cannot both be specified for this model")
	}
	if t := object(r["thinking"])["type"]; t == "enabled" || t == "adaptive" {
		if hasTemperature && temperature != 1 || hasTopK || hasTopP && topP < 0.95 {
			return fmt.Errorf("temperature may only be set to 1 when thinking is enabled")
		}
	}
	return nil
}
