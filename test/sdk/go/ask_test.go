package sdk

import "context"

// sdk is one SDK, or one API of one.
type sdk struct {
	name, dialect string
	connect       func(root, key string) conn
	// fault is what is compared of an error; ok is false where it is no error of the SDK's own class.
	fault func(error) (f fault, ok bool)
}

var sdks = []*sdk{openaiChat, openaiResponses, anthropicMessages, geminiContent}

// conn asks with one key. piece gets the text so far, at every piece of a stream.
type conn interface {
	ask(context.Context, ask) (answer, error)
	stream(ctx context.Context, q ask, piece func(soFar string)) (answer, error)
	structured(context.Context, ask) (string, error) // the JSON
	models(context.Context) ([]string, error)
}

// ask is a question in the SDKs' common terms.
type ask struct {
	model, system, prompt string

	tools, think, cache, schema bool
	// former is the answer with calls that this request goes on from.
	former *answer
}

type call struct{ id, name, args string }

// answer is an answer in the SDKs' common terms.
type answer struct {
	text, thoughts, end, model string
	streamed                   string // the text, put together from the stream's pieces
	calls                      []call
	prompt, output, cached     int64
	reasoning                  int64 // -1: the API does not say
	own                        any   // what the SDK needs to go on
}

type fault struct {
	status                  int
	kind, code, message     string
	retryAfter, shouldRetry string // headers; Gemini says the first in the body
}

const system = "You are the station of Bern. marker-system-7f3a"
const say = "Say where the train goes. marker-prompt-55d0"

// tool is one that is offered; the provider calls those that the last message names.
type tool struct {
	name, description string
	properties        map[string]any
	required          []string
	args, result      string // what it is called with, and what it gives
}

var tools = []tool{
	{
		"weather", "the weather of a city",
		map[string]any{"city": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer"}},
		[]string{"city", "days"}, `{"city":"Bern","days":3}`, "snow marker-result-91c2",
	},
	{
		"departures", "the next trains of a track", map[string]any{"track": map[string]any{"type": "integer"}},
		[]string{"track"}, `{"track":7}`, "IC 8 marker-result-04be",
	},
}

func (t tool) schema() map[string]any {
	return map[string]any{"type": "object", "properties": t.properties, "required": t.required, "additionalProperties": false}
}

var toolPrompt = "use tool weather with " + tools[0].args + " and use tool departures with " + tools[1].args

func resultOf(name string) string {
	for _, t := range tools {
		if t.name == name {
			return t.result
		}
	}
	return "no such tool"
}

// journey is the structured output.
type journey struct {
	From    string `json:"from"`
	Minutes int    `json:"minutes"`
	Direct  bool   `json:"direct"`
	Stop    struct {
		Name  string `json:"name"`
		Track int    `json:"track"`
	} `json:"stop"`
}

var journeySchema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"from": map[string]any{"type": "string"}, "minutes": map[string]any{"type": "integer"}, "direct": map[string]any{"type": "boolean"},
		"stop": map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}, "track": map[string]any{"type": "integer"}},
			"required": []string{"name", "track"}, "additionalProperties": false,
		},
	},
	"required": []string{"from", "minutes", "direct", "stop"}, "additionalProperties": false,
}

// theJourney is what the provider makes of it: a sample of every property.
const theJourney = `{"from":"sample from","minutes":1,"direct":true,"stop":{"name":"sample name","track":1}}`
