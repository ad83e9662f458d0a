package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// responsesAsk is what only a Responses request says.
type responsesAsk struct {
	members    map[string]json.RawMessage
	items      []json.RawMessage // of the input, as they are stored
	before     string            // the id of the response that this one goes on from
	store      bool
	background bool
	encrypted  bool // reasoning is to come back encrypted
	tools      map[string]responsesTool
}

// responsesTool is a tool by the name by which a prompt asks for it.
type responsesTool struct {
	name, namespace string
	custom          bool
}

// responsesMembers are the members of a request; any other is refused (measured by others in 2026-08;
// client_metadata is what Codex sends to the API).
var responsesMembers = []string{
	"model", "input", "instructions", "max_output_tokens", "max_tool_calls", "temperature", "top_p", "top_logprobs", "stream",
	"stream_options", "text", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "include", "store", "background",
	"previous_response_id", "conversation", "truncation", "metadata", "user", "safety_identifier", "prompt_cache_key",
	"prompt_cache_retention", "prompt_cache_options", "service_tier", "prompt", "context_management", "moderation",
	"presence_penalty", "frequency_penalty", "client_metadata",
}

// responsesItems are the types of items that an input may have.
var responsesItems = []string{
	"message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning", "item_reference", "compaction",
	"compaction_trigger", "web_search_call", "file_search_call", "computer_call", "computer_call_output", "code_interpreter_call", "image_generation_call",
	"local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_list_tools",
	"mcp_approval_request", "mcp_approval_response", "mcp_call", "tool_search_call", "tool_search_output", "additional_tools", "configuration_update",
}

// idPrefixes are how ids of items begin.
var idPrefixes = map[string]string{"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}

func missing(param string) *failure {
	return invalidChat(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

func notOneOf(param, value string, supported ...string) *failure {
	list := "'" + strings.Join(supported[:len(supported)-1], "', '") + "'"
	if len(supported) > 2 {
		list += ","
	}
	return invalidChat(param, "invalid_value", "Invalid value: '%s'. Supported values are: %s and '%s'.", value, list, supported[len(supported)-1])
}

// parseResponses reads and checks a request, in the provider's order as far as it is known.
// Stored responses are looked for in p, for the organisation.
func parseResponses(p *Provider, organization string, body []byte) (*ask, *failure) {
	members, f := membersOf(body)
	if f != nil {
		return nil, f
	}
	var r struct {
		Model         string          `json:"model"`
		Input         json.RawMessage `json:"input"`
		Stream        bool            `json:"stream"`
		Store         *bool           `json:"store"`
		Background    bool            `json:"background"`
		Include       []string        `json:"include"`
		Previous      string          `json:"previous_response_id"`
		MaxTokens     *int            `json:"max_output_tokens"`
		Tools         []json.RawMessage
		ToolChoice    json.RawMessage `json:"tool_choice"`
		StreamOptions *struct {
			Obfuscation *bool `json:"include_obfuscation"`
		} `json:"stream_options"`
		Reasoning struct {
			Effort, Summary string
		}
		Text struct {
			Format struct {
				Type, Name string
				Schema     json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, invalidChat("", "invalid_type", "Invalid type in the request: %v.", err)
	}
	q := &ask{
		model: r.Model, stream: r.Stream, obfuscate: true,
		think:        r.Reasoning.Effort != "" && r.Reasoning.Effort != "none" && r.Reasoning.Effort != "minimal" || r.Reasoning.Summary != "",
		hideThinking: r.Reasoning.Summary == "",
		responses: &responsesAsk{
			members: members, before: r.Previous, background: r.Background, store: r.Store == nil || *r.Store,
			encrypted: slices.Contains(r.Include, "reasoning.encrypted_content"), tools: map[string]responsesTool{},
		},
	}
	switch {
	case members["model"] == nil:
		return nil, missing("model")
	case r.Model == "":
		return nil, invalidChat("model", "model_not_found", "The requested model '' does not exist.")
	case len(r.Input) == 0 && r.Previous == "" && members["prompt"] == nil && members["conversation"] == nil:
		return nil, invalidChat("", "missing_required_parameter", `One of "input" or "previous_response_id" or 'prompt' or 'conversation_id' must be provided.`)
	case r.StreamOptions != nil && !r.Stream:
		return nil, invalidChat("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case r.MaxTokens != nil && *r.MaxTokens < 16:
		return nil, invalidChat("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", *r.MaxTokens)
	case r.Background && !q.responses.store:
		return nil, invalidChat("background", "invalid_value", "Background responses require 'store' to be true.")
	}
	if r.StreamOptions != nil && r.StreamOptions.Obfuscation != nil {
		q.obfuscate = *r.StreamOptions.Obfuscation
	}
	if r.MaxTokens != nil {
		q.maxTokens = *r.MaxTokens
	}
	if f := q.addResponsesTools("tools", r.Tools, ""); f != nil {
		return nil, f
	}
	c := &dialogue{p: p, organization: organization, q: q, open: map[string]string{}}
	if f := c.read(r.Input); f != nil {
		return nil, f
	}
	if f := q.chooseResponsesTool(r.ToolChoice); f != nil {
		return nil, f
	}
	if f := q.setFormat(r.Text.Format.Type, r.Text.Format.Name, r.Text.Format.Schema); f != nil {
		return nil, f
	}
	if f := q.checkModel(members); f != nil {
		return nil, f
	}
	q.prompt = append(c.before, bytes.TrimRight(bytes.Join([][]byte{members["tools"], members["instructions"], r.Input}, nil), " \t\r\n]")...)
	q.promptTokens = requestTokens + tokens(len(q.prompt))
	return q, nil
}

// membersOf reads the top level. null means left out, except for the model.
func membersOf(body []byte) (map[string]json.RawMessage, *failure) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, invalidChat("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)")
	}
	for _, name := range sortedNames(members) {
		switch {
		case name == "messages":
			return nil, invalidChat("", "unsupported_parameter", "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'. Try again with the new parameter. See the API documentation for more information: https://platform.openai.com/docs/api-reference/responses/create.")
		case !slices.Contains(responsesMembers, name):
			return nil, invalidChat(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
		case name != "model" && string(members[name]) == "null":
			delete(members, name)
		}
	}
	return members, nil
}

func sortedNames(members map[string]json.RawMessage) []string {
	out := make([]string, 0, len(members))
	for name := range members {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (q *ask) addResponsesTools(at string, tools []json.RawMessage, namespace string) *failure {
	for i, raw := range tools {
		at := fmt.Sprintf("%s[%d]", at, i)
		var t struct {
			Type, Name string
			Parameters json.RawMessage
			Tools      []json.RawMessage
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return invalidChat(at, "invalid_type", "Invalid type for '%s': %v.", at, err)
		}
		switch t.Type {
		case "":
			return missing(at + ".type")
		case "function", "custom", "namespace":
			if t.Name == "" {
				return missing(at + ".name")
			}
		}
		switch t.Type {
		case "namespace":
			if f := q.addResponsesTools(at+".tools", t.Tools, t.Name); f != nil {
				return f
			}
		case "function", "custom":
			name := t.Name
			if namespace != "" {
				name = namespace + "." + name
			}
			q.offers = append(q.offers, toolOffer{name: name, schema: t.Parameters})
			q.responses.tools[name] = responsesTool{t.Name, namespace, t.Type == "custom"}
		}
	}
	return nil
}

func (q *ask) chooseResponsesTool(choice json.RawMessage) *failure {
	var word string
	var named struct {
		Type, Name, Mode, Namespace string
		Tools                       []struct{ Name string }
	}
	switch {
	case json.Unmarshal(choice, &word) == nil:
	case json.Unmarshal(choice, &named) == nil && named.Type == "allowed_tools":
		word = named.Mode
		q.offers = slices.DeleteFunc(q.offers, func(o toolOffer) bool {
			return !slices.ContainsFunc(named.Tools, func(t struct{ Name string }) bool { return q.responses.tools[o.name].name == t.Name })
		})
	case named.Name != "":
		i := slices.IndexFunc(q.offers, func(o toolOffer) bool { return q.responses.tools[o.name].name == named.Name })
		if i < 0 {
			return invalidChat("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", named.Name)
		}
		q.forcedTool = q.offers[i].name
	}
	switch word {
	case "none":
		q.offers = nil
	case "required":
		if len(q.offers) == 0 {
			return invalidChat("tool_choice", "", "Tool choice 'required' must be specified with 'tools' parameter.")
		}
		q.forcedTool = q.offers[0].name
	case "auto", "":
	default:
		return notOneOf("tool_choice", word, "none", "auto", "required")
	}
	return nil
}

func (q *ask) setFormat(typ, name string, schema json.RawMessage) *failure {
	switch typ {
	case "", "text":
	case "json_schema":
		if name == "" {
			return missing("text.format.name")
		}
		q.schema = schema
	case "json_object":
		if !strings.Contains(strings.ToLower(string(q.responses.members["input"])+string(q.responses.members["instructions"])), "json") {
			return invalidChat("input", "", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.")
		}
		q.schema = json.RawMessage(`{"type":"object","properties":{"answer":{"type":"string"}}}`)
	default:
		return notOneOf("text.format.type", typ, "json_object", "text", "json_schema")
	}
	return nil
}

// checkModel refuses what a model cannot do, by OpenAI's own names; others can do everything.
func (q *ask) checkModel(members map[string]json.RawMessage) *failure {
	begins := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(q.model, p) })
	}
	switch {
	case begins("gpt-4", "gpt-3.5", "chatgpt") && q.responses.encrypted:
		return invalidChat("include", "", "Encrypted content is not supported with this model.")
	case begins("gpt-4", "gpt-3.5", "chatgpt") && members["reasoning"] != nil && q.think:
		return invalidChat("reasoning.effort", "unsupported_parameter", "Unsupported parameter: 'reasoning.effort' is not supported with this model.")
	case begins("gpt-5", "o1", "o3", "o4") && members["temperature"] != nil && string(members["temperature"]) != "1":
		return invalidChat("temperature", "", "Unsupported parameter: 'temperature' is not supported with this model.")
	}
	return nil
}

func notFound(format string, args ...any) *failure {
	f := invalidChat("", "", format, args...)
	f.status = http.StatusNotFound
	return f
}
