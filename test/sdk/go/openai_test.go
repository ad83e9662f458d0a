package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

var openaiChat = &sdk{"openai-go-chat", "openai-chat", func(root, key string) conn { return chatConn{newOpenAI(root, key)} }, openaiFault}
var openaiResponses = &sdk{"openai-go-responses", "openai-responses", func(root, key string) conn { return responsesConn{newOpenAI(root, key)} }, openaiFault}

func newOpenAI(root, key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(root+"/v1/"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func openaiFault(err error) (fault, bool) {
	var e *openai.Error
	if !errors.As(err, &e) {
		return fault{}, false
	}
	f := fault{status: e.StatusCode, kind: e.Type, code: e.Code, message: e.Message}
	if e.Response != nil {
		f.retryAfter, f.shouldRetry = e.Response.Header.Get("Retry-After"), e.Response.Header.Get("X-Should-Retry")
	}
	return f, true
}

type chatConn struct{ c openai.Client }

func (c chatConn) params(q ask) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: q.model}
	if q.system != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(q.system))
	}
	p.Messages = append(p.Messages, openai.UserMessage(q.prompt))
	if q.former != nil {
		p.Messages = append(p.Messages, q.former.own.(openai.ChatCompletionMessage).ToParam())
		for _, k := range q.former.calls {
			p.Messages = append(p.Messages, openai.ToolMessage(resultOf(k.name), k.id))
		}
	}
	if q.tools {
		for _, t := range tools {
			p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
				Name: t.name, Description: openai.String(t.description), Parameters: t.schema(), Strict: openai.Bool(true),
			}))
		}
	}
	if q.think {
		p.ReasoningEffort = shared.ReasoningEffortHigh
	}
	if q.schema {
		p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "journey", Schema: journeySchema, Strict: openai.Bool(true)},
		}}
	}
	return p
}

func (c chatConn) answer(r *openai.ChatCompletion) (answer, error) {
	if len(r.Choices) != 1 {
		return answer{}, errors.New("not one choice: " + r.RawJSON())
	}
	m := r.Choices[0]
	a := answer{
		text: m.Message.Content, model: r.Model, own: m.Message,
		end:    map[string]string{"stop": "stop", "tool_calls": "tools", "length": "length"}[m.FinishReason],
		prompt: r.Usage.PromptTokens, output: r.Usage.CompletionTokens,
		cached: r.Usage.PromptTokensDetails.CachedTokens, reasoning: r.Usage.CompletionTokensDetails.ReasoningTokens,
	}
	for _, k := range m.Message.ToolCalls {
		a.calls = append(a.calls, call{k.ID, k.Function.Name, k.Function.Arguments})
	}
	return a, nil
}

func (c chatConn) ask(ctx context.Context, q ask) (answer, error) {
	r, err := c.c.Chat.Completions.New(ctx, c.params(q))
	if err != nil {
		return answer{}, err
	}
	return c.answer(r)
}

func (c chatConn) stream(ctx context.Context, q ask, piece func(string)) (answer, error) {
	p := c.params(q)
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	s := c.c.Chat.Completions.NewStreaming(ctx, p)
	defer func() { _ = s.Close() }()
	var acc openai.ChatCompletionAccumulator
	var text strings.Builder
	for s.Next() {
		chunk := s.Current()
		if !acc.AddChunk(chunk) {
			return answer{}, errors.New("the accumulator refuses " + chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			if choice.Delta.Content != "" {
				text.WriteString(choice.Delta.Content)
				piece(text.String())
			}
		}
	}
	if err := s.Err(); err != nil {
		return answer{}, err
	}
	a, err := c.answer(&acc.ChatCompletion)
	a.streamed = text.String()
	return a, err
}

func (c chatConn) structured(ctx context.Context, q ask) (string, error) {
	q.schema = true
	a, err := c.ask(ctx, q)
	return a.text, err
}

func (c chatConn) models(ctx context.Context) ([]string, error) { return openaiModels(ctx, c.c) }

func openaiModels(ctx context.Context, c openai.Client) (out []string, err error) {
	list := c.Models.ListAutoPaging(ctx)
	for list.Next() {
		out = append(out, list.Current().ID)
	}
	return out, list.Err()
}

type responsesConn struct{ c openai.Client }

func (c responsesConn) params(q ask) responses.ResponseNewParams {
	in := responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(q.prompt, responses.EasyInputMessageRoleUser)}
	if q.former != nil {
		for _, item := range q.former.own.([]responses.ResponseOutputItemUnion) {
			in = append(in, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(item.RawJSON())))
		}
		for _, k := range q.former.calls {
			in = append(in, responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
				CallID: openai.String(k.id), Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String(resultOf(k.name))},
			}})
		}
	}
	p := responses.ResponseNewParams{Model: q.model, Input: responses.ResponseNewParamsInputUnion{OfInputItemList: in}, Store: openai.Bool(false)}
	if q.system != "" {
		p.Instructions = openai.String(q.system)
	}
	if q.tools {
		for _, t := range tools {
			p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{
				Name: t.name, Description: openai.String(t.description), Parameters: t.schema(), Strict: openai.Bool(true),
			}})
		}
	}
	if q.think {
		p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortHigh, Summary: shared.ReasoningSummaryAuto}
		p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	if q.schema {
		p.Text.Format = responses.ResponseFormatTextConfigUnionParam{OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{
			Name: "journey", Schema: journeySchema, Strict: openai.Bool(true),
		}}
	}
	return p
}

func (c responsesConn) answer(r *responses.Response) answer {
	a := answer{
		text: r.OutputText(), model: r.Model, own: r.Output,
		prompt: r.Usage.InputTokens, output: r.Usage.OutputTokens,
		cached: r.Usage.InputTokensDetails.CachedTokens, reasoning: r.Usage.OutputTokensDetails.ReasoningTokens,
	}
	for _, item := range r.Output {
		switch item.Type {
		case "function_call":
			k := item.AsFunctionCall()
			a.calls = append(a.calls, call{k.CallID, k.Name, k.Arguments})
		case "reasoning":
			for _, s := range item.AsReasoning().Summary {
				a.thoughts += s.Text
			}
		}
	}
	switch {
	case r.Status == responses.ResponseStatusCompleted && len(a.calls) > 0:
		a.end = "tools"
	case r.Status == responses.ResponseStatusCompleted:
		a.end = "stop"
	default:
		a.end = string(r.Status) + " " + r.IncompleteDetails.Reason
	}
	return a
}

func (c responsesConn) ask(ctx context.Context, q ask) (answer, error) {
	r, err := c.c.Responses.New(ctx, c.params(q))
	if err != nil {
		return answer{}, err
	}
	return c.answer(r), nil
}

func (c responsesConn) stream(ctx context.Context, q ask, piece func(string)) (answer, error) {
	s := c.c.Responses.NewStreaming(ctx, c.params(q))
	defer func() { _ = s.Close() }()
	var last *responses.Response
	var text strings.Builder
	for s.Next() {
		switch e := s.Current(); e.Type {
		case "response.output_text.delta":
			text.WriteString(e.Delta)
			piece(text.String())
		case "response.completed", "response.incomplete":
			last = &e.Response
		case "response.failed", "error":
			return answer{}, errors.New("the stream says: " + e.RawJSON())
		}
	}
	if err := s.Err(); err != nil {
		return answer{}, err
	}
	if last == nil {
		return answer{}, errors.New("the stream ended without its last event")
	}
	a := c.answer(last)
	a.streamed = text.String()
	return a, nil
}

func (c responsesConn) structured(ctx context.Context, q ask) (string, error) {
	q.schema = true
	a, err := c.ask(ctx, q)
	return a.text, err
}

func (c responsesConn) models(ctx context.Context) ([]string, error) { return openaiModels(ctx, c.c) }
