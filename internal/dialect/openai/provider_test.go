package openai

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// provider checks a request as OpenAI does, as far as its rules are known (API reference and
// reasoning guide, read 2026-11). It shares nothing with the encoder.
func provider(body []byte) error {
	var r map[string]any
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	known := []string{
		"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "stream", "stream_options", "reasoning_effort",
		"verbosity", "response_format", "stop", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "user", "prompt_cache_key", "service_tier",
	}
	for name := range r {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown parameter: %q", name)
		}
	}
	if r["stream"] == true && object(r["stream_options"])["include_usage"] != true {
		return fmt.Errorf("the usage is not asked for")
	}
	if err := checkMessages(list(r["messages"]), regexp.MustCompile(`^(o[134]|gpt-)`).MatchString(str(r["model"]))); err != nil {
		return err
	}
	if err := checkTools(r); err != nil {
		return err
	}
	if len(list(r["stop"])) > 4 || len(str(r["user"])) > 64 {
		return fmt.Errorf("array or string too long")
	}
	return checkModel(r)
}

func list(v any) []any { l, _ := v.([]any); return l }

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func str(v any) string { s, _ := v.(string); return s }

func checkModel(r map[string]any) error {
	model := str(r["model"])
	reasons := regexp.MustCompile(`^(o[134]|gpt-5)`).MatchString(model)
	if reasons {
		for name, idle := range map[string]any{"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0} {
			quiet := r["reasoning_effort"] == "none" && strings.HasPrefix(name, "t")
			if r[name] != nil && r[name] != idle && !quiet {
				return fmt.Errorf("unsupported value: %s", name)
			}
		}
		if r["max_tokens"] != nil || r["stop"] != nil {
			return fmt.Errorf("unsupported parameter: 'max_tokens' or 'stop'")
		}
	} else if r["max_completion_tokens"] != nil {
		return fmt.Errorf("a server of another maker may not know max_completion_tokens")
	}
	efforts := []string{"none", "low", "medium", "high", "xhigh"}
	switch {
	case strings.HasPrefix(model, "gpt-4"):
		efforts = nil
	case strings.HasPrefix(model, "o"):
		efforts = []string{"low", "medium", "high"}
	case model == "gpt-5":
		efforts = []string{"minimal", "low", "medium", "high"}
	case !reasons:
		efforts = []string{"minimal", "low", "medium", "high", "xhigh", "max"}
	}
	if e := str(r["reasoning_effort"]); e != "" && !slices.Contains(efforts, e) {
		return fmt.Errorf("unsupported value: 'reasoning_effort' does not support %q with this model", e)
	}
	return nil
}

func checkMessages(messages []any, own bool) error {
	var open []string
	for i, v := range messages {
		m := object(v)
		role := str(m["role"])
		allowed := []string{"role", "content", "name"}
		switch role {
		case "tool":
			allowed = []string{"role", "content", "tool_call_id"}
		case "assistant":
			allowed = append(allowed, "tool_calls", "refusal")
			if !own {
				allowed = append(allowed, "reasoning_content", "reasoning")
			}
		}
		for name := range m {
			if !slices.Contains(allowed, name) {
				return fmt.Errorf("messages[%d].%s: unknown parameter", i, name)
			}
		}
		if role == "tool" {
			at := slices.Index(open, str(m["tool_call_id"]))
			if at < 0 {
				return fmt.Errorf("messages[%d]: role 'tool' must be a response to a preceding message with 'tool_calls'", i)
			}
			open = slices.Delete(open, at, at+1)
			if _, ok := m["content"].(string); !ok {
				return fmt.Errorf("messages[%d]: content of a tool is text", i)
			}
			continue
		}
		if len(open) > 0 {
			return fmt.Errorf("messages[%d]: tool_call_ids did not have response messages: %q", i, open)
		}
		switch role {
		case "system":
			if str(m["content"]) == "" {
				return fmt.Errorf("messages[%d]: no instructions", i)
			}
		case "user":
			if err := checkParts(m["content"]); err != nil {
				return fmt.Errorf("messages[%d]: %w", i, err)
			}
		case "assistant":
			if m["content"] == nil && m["tool_calls"] == nil && m["refusal"] == nil {
				return fmt.Errorf("messages[%d]: expected content or tool_calls", i)
			}
			for _, c := range list(m["tool_calls"]) {
				call := object(c)
				if call["extra_content"] != nil && own {
					return fmt.Errorf("messages[%d]: unknown parameter of a call", i)
				}
				body := object(call[str(call["type"])])
				if str(call["id"]) == "" || str(body["name"]) == "" {
					return fmt.Errorf("messages[%d]: a call without id or name", i)
				}
				if _, ok := body["arguments"].(string); !ok && call["type"] == "function" {
					return fmt.Errorf("messages[%d]: arguments are a string", i)
				}
				open = append(open, str(call["id"]))
			}
		default:
			return fmt.Errorf("messages[%d]: role %q", i, role)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("tool_call_ids did not have response messages: %q", open)
	}
	return nil
}

func checkParts(content any) error {
	if s, ok := content.(string); ok {
		if s == "" {
			return fmt.Errorf("a user says nothing")
		}
		return nil
	}
	parts := list(content)
	if len(parts) == 0 {
		return fmt.Errorf("content is empty")
	}
	for _, p := range parts {
		part := object(p)
		switch part["type"] {
		case "text":
			if str(part["text"]) == "" {
				return fmt.Errorf("an empty text")
			}
		case "image_url":
			if url := str(object(part["image_url"])["url"]); !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "data:image/") {
				return fmt.Errorf("image at %q", url)
			}
		case "file":
			if f := object(part["file"]); str(f["filename"]) == "" || !strings.HasPrefix(str(f["file_data"]), "data:application/pdf;base64,") {
				return fmt.Errorf("file %v", f)
			}
		default:
			return fmt.Errorf("part of type %v", part["type"])
		}
	}
	return nil
}

func checkTools(r map[string]any) error {
	names := map[string]string{}
	for _, v := range list(r["tools"]) {
		t := object(v)
		typ := str(t["type"])
		if typ != "function" && (typ != "custom" || !strings.HasPrefix(str(r["model"]), "gpt-5")) {
			return fmt.Errorf("tool of type %q", typ)
		}
		names[str(object(t[typ])["name"])] = typ
	}
	if len(names) == 0 && (r["tool_choice"] != nil || r["parallel_tool_calls"] != nil) {
		return fmt.Errorf("tool_choice is only allowed when tools are specified")
	}
	if choice := object(r["tool_choice"]); choice != nil {
		typ := str(choice["type"])
		if typ == "allowed_tools" {
			return nil
		}
		if names[str(object(choice[typ])["name"])] != typ {
			return fmt.Errorf("tool choice %v, which is no such tool", choice)
		}
	}
	return nil
}
