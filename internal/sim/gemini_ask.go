package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// geminiWindow is how many tokens a prompt may have.
const geminiWindow = 1_048_576

// geminiMembers are the members of a generateContent request, and geminiConfig those of its generationConfig. The API is
// proto JSON: it takes both ways to write a name and refuses any other name.
var (
	geminiMembers = []string{
		"model", "contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "cachedContent", "labels", "serviceTier", "store",
	}
	geminiConfig = []string{
		"stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema", "responseModalities", "candidateCount", "maxOutputTokens",
		"temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "enableEnhancedCivicAnswers",
		"speechConfig", "thinkingConfig", "imageConfig", "mediaResolution", "audioTranscriptionConfig",
	}
	geminiPartMembers = []string{
		"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
		"toolCall", "toolResponse", "videoMetadata", "mediaResolution", "partMetadata",
	}
	functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$`)
)

// noSignatures are what Google documents for calls that the model did not make itself.
var noSignatures = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

// camel writes a name as the API's own documentation does.
func camel(name string) string {
	first, rest := "", name
	if strings.HasPrefix(name, "_") {
		first, rest = "_", name[1:]
	}
	words := strings.Split(rest, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return first + strings.Join(words, "")
}

// geminiObject reads an object's members under their names in camelCase. where is its place in the request, known
// what it may hold; nil: anything.
func geminiObject(raw json.RawMessage, where string, known []string) (map[string]json.RawMessage, *failure) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, unknownGemini(where, "Invalid value at '%s': %v", where, err)
	}
	out := make(map[string]json.RawMessage, len(members))
	for name, v := range members {
		c := camel(name)
		if known != nil && !slices.Contains(known, c) {
			at := ""
			if where != "" {
				at = " at '" + where + "'"
			}
			return nil, unknownGemini(where, "Invalid JSON payload received. Unknown name %q%s: Cannot find field.", name, at)
		}
		out[c] = v
	}
	return out, nil
}

// geminiList reads a list; an object stands for a list of itself, as the API takes it.
func geminiList(raw json.RawMessage) (list []json.RawMessage) {
	if json.Unmarshal(raw, &list) != nil && len(raw) > 0 && raw[0] == '{' {
		return []json.RawMessage{raw}
	}
	return list
}

func unquoted(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func number64(raw json.RawMessage) (n float64) {
	if json.Unmarshal(raw, &n) != nil {
		_ = json.Unmarshal([]byte(unquoted(raw)), &n)
	}
	return n
}

// parseGemini reads and checks a request, as far as the provider's checks are known.
func parseGemini(body []byte, at geminiAt) (*ask, *failure) {
	if !json.Valid(body) {
		return nil, invalidGemini("Invalid JSON payload received. Unexpected end of string.")
	}
	known := geminiMembers
	if at.verb == "countTokens" {
		known = append(slices.Clip(known), "generateContentRequest")
	}
	m, f := geminiObject(body, "", known)
	if f == nil && m["generateContentRequest"] != nil {
		m, f = geminiObject(m["generateContentRequest"], "generate_content_request", geminiMembers)
	}
	if f != nil {
		return nil, f
	}
	q := &ask{model: at.model}
	p := geminiParse{q: q, model: at.model}
	if f = p.contents(m["contents"]); f == nil {
		f = p.tools(m["tools"], m["toolConfig"])
	}
	if f == nil {
		f = p.config(m["generationConfig"])
	}
	if f != nil {
		return nil, f
	}
	q.prompt = geminiPrompt(m)
	q.promptTokens = requestTokens + tokens(len(q.prompt))
	return q, nil
}

// geminiParse is one request while it is checked.
type geminiParse struct {
	q         *ask
	model     string
	functions bool
	served    bool // tools of the provider's own are offered
}

// geminiTurn is one content.
type geminiTurn struct {
	role             string
	text             string
	calls, responses int
	signature        string // of the first call
	firstCall        geminiCall
}

func (p *geminiParse) contents(raw json.RawMessage) *failure {
	list := geminiList(raw)
	if len(list) == 0 {
		return invalidGemini("* GenerateContentRequest.contents: contents is not specified\n")
	}
	turns := make([]geminiTurn, len(list))
	for i, c := range list {
		if f := turns[i].read(c, i); f != nil {
			return f
		}
	}
	for i := range turns {
		t := &turns[i]
		if t.calls > 0 && (i == 0 || turns[i-1].role == "model") {
			return invalidGemini("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
		}
		if t.responses > 0 && (i == 0 || turns[i-1].calls == 0) {
			return invalidGemini("Please ensure that function response turn comes immediately after a function call turn.")
		}
		if i > 0 && turns[i-1].calls > 0 && t.responses != turns[i-1].calls {
			return invalidGemini("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
	}
	last := &turns[len(turns)-1]
	if p.q.prefill = last.role == "model"; !p.q.prefill && last.responses == 0 {
		p.q.lastText = last.text
	}
	return p.signatures(turns)
}

func (t *geminiTurn) read(raw json.RawMessage, i int) *failure {
	where := fmt.Sprintf("contents[%d]", i)
	m, f := geminiObject(raw, where, []string{"role", "parts"})
	if f != nil {
		return f
	}
	if t.role = unquoted(m["role"]); t.role == "" {
		t.role = "user"
	}
	if t.role != "user" && t.role != "model" && t.role != "function" {
		return invalidGemini("Please use a valid role: user, model.")
	}
	parts := geminiList(m["parts"])
	if len(parts) == 0 {
		return invalidGemini("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n", i)
	}
	for k, raw := range parts {
		at := fmt.Sprintf("%s.parts[%d]", where, k)
		part, f := geminiObject(raw, at, geminiPartMembers)
		if f != nil {
			return f
		}
		data := 0
		for _, name := range []string{"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"} {
			if part[name] != nil {
				data++
			}
		}
		if data != 1 {
			return invalidGemini("* GenerateContentRequest.%s.data: required oneof field 'data' must have one initialized field\n", at)
		}
		t.text += unquoted(part["text"])
		if f := t.function(part, at); f != nil {
			return f
		}
	}
	return nil
}

func (t *geminiTurn) function(part map[string]json.RawMessage, at string) *failure {
	if raw := part["functionCall"]; raw != nil {
		m, f := geminiObject(raw, at+".function_call", []string{"id", "name", "args"})
		if f != nil {
			return f
		}
		var args map[string]json.RawMessage
		if raw := m["args"]; raw != nil && json.Unmarshal(raw, &args) != nil {
			return unknownGemini(at, "Invalid value at '%s.function_call.args' (type.googleapis.com/google.protobuf.Struct)", at)
		}
		if t.calls++; t.calls == 1 {
			t.firstCall, t.signature = geminiCall{Name: unquoted(m["name"]), Args: m["args"]}, unquoted(part["thoughtSignature"])
		}
	}
	if raw := part["functionResponse"]; raw != nil {
		m, f := geminiObject(raw, at+".function_response", []string{"id", "name", "response", "parts", "willContinue", "scheduling"})
		if f != nil {
			return f
		}
		var response map[string]json.RawMessage
		switch {
		case unquoted(m["name"]) == "":
			return invalidGemini("* GenerateContentRequest.%s.function_response.name: Name cannot be empty.\n", at)
		case m["response"] != nil && json.Unmarshal(m["response"], &response) != nil:
			return unknownGemini(at, "Invalid value at '%s.function_response.response' (type.googleapis.com/google.protobuf.Struct)", at)
		}
		t.responses++
	}
	return nil
}

// signatures checks the first call of each step since the user last spoke, if the model signs its calls.
func (p *geminiParse) signatures(turns []geminiTurn) *failure {
	if !signsCalls(p.model) {
		return nil
	}
	from := 0
	for i := range turns {
		if turns[i].role == "user" && turns[i].responses == 0 {
			from = i
		}
	}
	for i := from; i < len(turns); i++ {
		t := &turns[i]
		switch {
		case t.calls == 0 || slices.Contains(noSignatures, t.signature):
		case t.signature == "":
			return invalidGemini("Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:%s` , position %d. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.", t.firstCall.Name, i+1)
		case t.signature != signCall(t.firstCall.Name, t.firstCall.Args):
			return invalidGemini("Corrupted thought signature.")
		}
	}
	return nil
}

// tools reads what is offered and whether it has to be used.
func (p *geminiParse) tools(raw, config json.RawMessage) *failure {
	for i, t := range geminiList(raw) {
		m, f := geminiObject(t, fmt.Sprintf("tools[%d]", i), nil)
		if f != nil {
			return f
		}
		for name, v := range m {
			if name != "functionDeclarations" {
				p.served = true
				continue
			}
			for k, d := range geminiList(v) {
				if f := p.declaration(d, fmt.Sprintf("tools[%d].function_declarations[%d]", i, k)); f != nil {
					return f
				}
			}
		}
	}
	if p.functions && p.served && !signsCalls(p.model) {
		return invalidGemini("Tool use with function calling is unsupported")
	}
	m, f := geminiObject(config, "tool_config", []string{"functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"})
	if f == nil {
		m, f = geminiObject(m["functionCallingConfig"], "tool_config.function_calling_config", []string{"mode", "allowedFunctionNames"})
	}
	if f != nil {
		return f
	}
	var allowed []string
	_ = json.Unmarshal(m["allowedFunctionNames"], &allowed)
	mode := strings.ToUpper(unquoted(m["mode"]))
	if len(allowed) > 0 && mode != "ANY" && mode != "VALIDATED" {
		return invalidGemini("Function calling config is set without function_declarations or allowed_function_names is set while mode is not ANY.")
	}
	if len(allowed) > 0 {
		p.q.offers = slices.DeleteFunc(p.q.offers, func(o toolOffer) bool { return !slices.Contains(allowed, o.name) })
	}
	switch mode {
	case "NONE":
		p.q.offers = nil
	case "ANY":
		if len(p.q.offers) > 0 {
			p.q.forcedTool = p.q.offers[0].name
		}
	case "", "MODE_UNSPECIFIED", "AUTO", "VALIDATED":
	default:
		return unknownGemini("tool_config", "Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), %q", mode)
	}
	return nil
}

func (p *geminiParse) declaration(raw json.RawMessage, where string) *failure {
	m, f := geminiObject(raw, where, []string{"name", "description", "behavior", "parameters", "parametersJsonSchema", "response", "responseJsonSchema"})
	switch name := unquoted(m["name"]); {
	case f != nil:
		return f
	case !functionName.MatchString(name):
		return invalidGemini("* GenerateContentRequest.%s.name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n", where)
	case m["parameters"] != nil && m["parametersJsonSchema"] != nil:
		return invalidGemini("* GenerateContentRequest.%s: parameters and parameters_json_schema are mutually exclusive.\n", where)
	case m["parameters"] != nil:
		if f := geminiSchema(m["parameters"], where+".parameters"); f != nil {
			return f
		}
	}
	p.functions = true
	schema := m["parametersJsonSchema"]
	if schema == nil {
		schema = lowerTypes(m["parameters"])
	}
	p.q.offers = append(p.q.offers, toolOffer{name: unquoted(m["name"]), schema: schema})
	return nil
}

// geminiSchema checks the top of a schema in the API's own subset of OpenAPI's, which knows no other members.
func geminiSchema(raw json.RawMessage, where string) *failure {
	_, f := geminiObject(raw, where, []string{
		"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required", "minProperties", "maxProperties",
		"minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default", "items", "minimum", "maximum",
	})
	return f
}

// lowerTypes writes a schema's types as JSON Schema does.
func lowerTypes(raw json.RawMessage) json.RawMessage {
	return regexp.MustCompile(`"type"\s*:\s*"[A-Z]+"`).ReplaceAllFunc(raw, func(b []byte) []byte { return []byte(strings.ToLower(string(b))) })
}

// config reads generationConfig.
func (p *geminiParse) config(raw json.RawMessage) *failure {
	m, f := geminiObject(raw, "generation_config", geminiConfig)
	if f != nil {
		return f
	}
	old := !signsCalls(p.model)
	var stops []string
	_ = json.Unmarshal(m["stopSequences"], &stops)
	switch {
	case len(stops) > 5:
		return invalidGemini("* GenerateContentRequest.generation_config.stop_sequences: stop_sequences must have at most 5 elements.\n")
	case m["temperature"] != nil && (number64(m["temperature"]) < 0 || number64(m["temperature"]) > 2):
		return invalidGemini("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n")
	case number64(m["presencePenalty"]) != 0, number64(m["frequencyPenalty"]) != 0:
		return invalidGemini("Penalty is not enabled for models/%s", p.model)
	case unquoted(m["responseMimeType"]) == "application/json" && p.functions && old:
		return invalidGemini("Function calling with a response mime type: 'application/json' is unsupported")
	case (m["responseSchema"] != nil || m["responseJsonSchema"] != nil) && unquoted(m["responseMimeType"]) == "":
		return invalidGemini("* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is set\n")
	case m["responseSchema"] != nil && m["responseJsonSchema"] != nil:
		return invalidGemini("* GenerateContentRequest.generation_config: response_schema and response_json_schema are mutually exclusive.\n")
	}
	p.q.maxTokens = int(number64(m["maxOutputTokens"]))
	if p.q.schema = m["responseJsonSchema"]; p.q.schema == nil {
		p.q.schema = lowerTypes(m["responseSchema"])
	}
	return p.thinking(m["thinkingConfig"])
}

// thinking reads thinkingConfig.
func (p *geminiParse) thinking(raw json.RawMessage) *failure {
	m, f := geminiObject(raw, "generation_config.thinking_config", []string{"includeThoughts", "thinkingBudget", "thinkingLevel"})
	if f != nil {
		return f
	}
	budget, level := m["thinkingBudget"], strings.ToUpper(unquoted(m["thinkingLevel"]))
	n := number64(budget)
	pro := strings.Contains(p.model, "-pro")
	switch {
	case budget != nil && level != "":
		return invalidGemini("You can only set only one of thinking budget and thinking level.")
	case level != "" && strings.Contains(p.model, "gemini-2"):
		return invalidGemini("Thinking level is not supported for this model.")
	case level != "" && !slices.Contains([]string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}, level):
		return unknownGemini("generation_config", "Invalid value at 'generation_config.thinking_config.thinking_level', %q", level)
	case level == "MINIMAL" && pro && signsCalls(p.model):
		return invalidGemini("Thinking level MINIMAL is not supported for this model.")
	case budget != nil && n == 0 && pro:
		return invalidGemini("Budget 0 is invalid. This model only works in thinking mode.")
	case n < -1 || n > 32768 || !pro && n > 24576:
		return invalidGemini("The thinking budget %.0f is invalid. Please choose a value between 1 and 24576.", n)
	case n > 0 && p.q.maxTokens > 0 && n >= float64(p.q.maxTokens):
		return invalidGemini("max_output_tokens must be greater than the thinking budget.")
	}
	show := string(m["includeThoughts"]) == "true"
	p.q.think = m != nil && (budget != nil && n != 0 || level != "" || budget == nil && show)
	p.q.hideThinking = !show
	return nil
}

// parseEmbed reads and checks a request for embeddings, and gives their texts.
func parseEmbed(body []byte, at geminiAt) (texts []string, f *failure) {
	m, f := geminiObject(body, "", nil)
	if f != nil {
		return nil, f
	}
	list := []json.RawMessage{body}
	if at.verb == "batchEmbedContents" {
		if list = geminiList(m["requests"]); len(list) == 0 {
			return nil, invalidGemini("* BatchEmbedContentsRequest.requests: requests is not specified\n")
		}
	}
	for _, raw := range list {
		m, f := geminiObject(raw, "requests", []string{"model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"})
		if f != nil {
			return nil, f
		}
		if model := unquoted(m["model"]); at.verb == "batchEmbedContents" && model != "models/"+at.model {
			return nil, invalidGemini("* BatchEmbedContentsRequest.requests[0].model: unexpected model name format or the model does not match the one in the path\n")
		}
		var t geminiTurn
		if f := t.read(m["content"], 0); f != nil {
			return nil, f
		}
		texts = append(texts, t.text)
	}
	return texts, nil
}

// invalidGemini is a 400 as the provider words it; unknownGemini one about a member that it does not know.
func invalidGemini(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "INVALID_ARGUMENT", message: fmt.Sprintf(format, args...)}
}

func unknownGemini(field, format string, args ...any) *failure {
	f := invalidGemini(format, args...)
	violation := map[string]string{"description": f.message}
	if field != "" {
		violation["field"] = field
	}
	f.details = []any{map[string]any{"@type": typeBadRequest, "fieldViolations": []any{violation}}}
	return f
}
