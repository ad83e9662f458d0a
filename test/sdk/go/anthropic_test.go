package sdk

import (
	"context"
	"errors"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

var anthropicMessages = &sdk{"anthropic-go", "anthropic", func(root, key string) conn {
	return messagesConn{anthropic.NewClient(option.WithBaseURL(root), option.WithAPIKey(key), option.WithMaxRetries(0))}
}, func(err error) (fault, bool) {
	var e *anthropic.Error
	if !errors.As(err, &e) {
		return fault{}, false
	}
	f := fault{status: e.StatusCode, kind: string(e.Type()), message: e.RawJSON()}
	if e.Response != nil {
		f.retryAfter, f.shouldRetry = e.Response.Header.Get("Retry-After"), e.Response.Header.Get("X-Should-Retry")
	}
	return f, true
}}

type messagesConn struct{ c anthropic.Client }

func (c messagesConn) params(q ask) anthropic.MessageNewParams {
	text := anthropic.NewTextBlock(q.prompt)
	if q.cache {
		text.OfText.CacheControl = anthropic.NewCacheControlEphemeralParam()
	}
	p := anthropic.MessageNewParams{Model: q.model, MaxTokens: 8000, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(text)}}
	if q.former != nil {
		var results []anthropic.ContentBlockParamUnion
		for _, k := range q.former.calls {
			results = append(results, anthropic.NewToolResultBlock(k.id, resultOf(k.name), false))
		}
		p.Messages = append(p.Messages, q.former.own.(*anthropic.Message).ToParam(), anthropic.NewUserMessage(results...))
	}
	if q.system != "" {
		p.System = []anthropic.TextBlockParam{{Text: q.system}}
	}
	if q.tools {
		for _, t := range tools {
			p.Tools = append(p.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
				Name: t.name, Description: anthropic.String(t.description), InputSchema: anthropic.ToolInputSchemaParam{Properties: t.properties, Required: t.required},
			}})
		}
	}
	if q.think {
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(2048)
	}
	if q.schema {
		p.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: journeySchema}}
	}
	return p
}

func (c messagesConn) answer(m *anthropic.Message) answer {
	a := answer{
		model: m.Model, own: m, reasoning: -1,
		end: map[anthropic.StopReason]string{
			anthropic.StopReasonEndTurn: "stop", anthropic.StopReasonToolUse: "tools", anthropic.StopReasonMaxTokens: "length",
		}[m.StopReason],
		prompt: m.Usage.InputTokens + m.Usage.CacheReadInputTokens + m.Usage.CacheCreationInputTokens,
		output: m.Usage.OutputTokens, cached: m.Usage.CacheReadInputTokens,
	}
	for _, b := range m.Content {
		switch b := b.AsAny().(type) {
		case anthropic.TextBlock:
			a.text += b.Text
		case anthropic.ThinkingBlock:
			a.thoughts += b.Thinking
		case anthropic.ToolUseBlock:
			a.calls = append(a.calls, call{b.ID, b.Name, string(b.Input)})
		}
	}
	return a
}

func (c messagesConn) ask(ctx context.Context, q ask) (answer, error) {
	m, err := c.c.Messages.New(ctx, c.params(q))
	if err != nil {
		return answer{}, err
	}
	return c.answer(m), nil
}

func (c messagesConn) stream(ctx context.Context, q ask, piece func(string)) (answer, error) {
	s := c.c.Messages.NewStreaming(ctx, c.params(q))
	defer func() { _ = s.Close() }()
	var m anthropic.Message
	var text strings.Builder
	for s.Next() {
		e := s.Current()
		if err := m.Accumulate(e); err != nil {
			return answer{}, err
		}
		if d, ok := e.AsAny().(anthropic.ContentBlockDeltaEvent); ok {
			if t, ok := d.Delta.AsAny().(anthropic.TextDelta); ok {
				text.WriteString(t.Text)
				piece(text.String())
			}
		}
	}
	if err := s.Err(); err != nil {
		return answer{}, err
	}
	a := c.answer(&m)
	a.streamed = text.String()
	return a, nil
}

func (c messagesConn) structured(ctx context.Context, q ask) (string, error) {
	q.schema = true
	a, err := c.ask(ctx, q)
	return a.text, err
}

func (c messagesConn) models(ctx context.Context) (out []string, err error) {
	list := c.c.Models.ListAutoPaging(ctx, anthropic.ModelListParams{})
	for list.Next() {
		out = append(out, list.Current().ID)
	}
	return out, list.Err()
}
