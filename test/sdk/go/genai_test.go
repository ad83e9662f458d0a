package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genai"
)

var geminiContent = &sdk{"genai-go", "gemini", func(root, key string) conn {
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: root}})
	return contentConn{c, err}
}, func(err error) (fault, bool) {
	var e genai.APIError
	if !errors.As(err, &e) {
		return fault{}, false
	}
	f := fault{status: e.Code, kind: e.Status, message: e.Message}
	for _, d := range e.Details {
		kind, _ := d["@type"].(string)
		delay, _ := d["retryDelay"].(string)
		if wait, err := time.ParseDuration(delay); err == nil && strings.HasSuffix(kind, "RetryInfo") {
			f.retryAfter = strconv.Itoa(int(wait.Seconds()))
		}
	}
	return f, true
}}

type contentConn struct {
	c   *genai.Client
	err error
}

func (c contentConn) params(q ask) ([]*genai.Content, *genai.GenerateContentConfig) {
	contents := genai.Text(q.prompt)
	config := &genai.GenerateContentConfig{}
	if q.former != nil {
		results := &genai.Content{Role: genai.RoleUser}
		for _, k := range q.former.calls {
			results.Parts = append(results.Parts, &genai.Part{FunctionResponse: &genai.FunctionResponse{ID: k.id, Name: k.name, Response: map[string]any{"output": resultOf(k.name)}}})
		}
		contents = append(contents, &genai.Content{Role: genai.RoleModel, Parts: q.former.own.([]*genai.Part)}, results)
	}
	if q.system != "" {
		config.SystemInstruction = genai.NewContentFromText(q.system, genai.RoleUser)
	}
	if q.tools {
		t := &genai.Tool{}
		for _, one := range tools {
			t.FunctionDeclarations = append(t.FunctionDeclarations, &genai.FunctionDeclaration{Name: one.name, Description: one.description, ParametersJsonSchema: one.schema()})
		}
		config.Tools = []*genai.Tool{t}
	}
	if q.think {
		config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](2048)}
	}
	if q.schema {
		config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", journeySchema
	}
	return contents, config
}

// add takes one answer, or one piece of a stream, into a.
func (c contentConn) add(a *answer, r *genai.GenerateContentResponse) (piece string, err error) {
	if r.ModelVersion != "" {
		a.model = r.ModelVersion
	}
	if u := r.UsageMetadata; u != nil {
		a.prompt, a.output = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount+u.ThoughtsTokenCount)
		a.cached, a.reasoning = int64(u.CachedContentTokenCount), int64(u.ThoughtsTokenCount)
	}
	parts, _ := a.own.([]*genai.Part)
	for _, cand := range r.Candidates {
		if cand.FinishReason != "" {
			a.end = map[genai.FinishReason]string{genai.FinishReasonStop: "stop", genai.FinishReasonMaxTokens: "length"}[cand.FinishReason]
		}
		if cand.Content == nil {
			continue
		}
		for _, p := range cand.Content.Parts {
			// The SDK writes a part without anything, which the last chunk of a stream holds, as {},
			// and the provider takes none.
			if p.Text != "" || p.FunctionCall != nil || len(p.ThoughtSignature) > 0 {
				parts = append(parts, p)
			}
			switch {
			case p.FunctionCall != nil:
				args, err := json.Marshal(p.FunctionCall.Args)
				if err != nil {
					return "", err
				}
				a.calls = append(a.calls, call{p.FunctionCall.ID, p.FunctionCall.Name, string(args)})
			case p.Thought:
				a.thoughts += p.Text
			default:
				a.text += p.Text
				piece += p.Text
			}
		}
	}
	if a.end == "stop" && len(a.calls) > 0 {
		a.end = "tools"
	}
	a.own = parts
	return piece, nil
}

func (c contentConn) ask(ctx context.Context, q ask) (a answer, err error) {
	if c.err != nil {
		return a, c.err
	}
	contents, config := c.params(q)
	r, err := c.c.Models.GenerateContent(ctx, q.model, contents, config)
	if err == nil {
		_, err = c.add(&a, r)
	}
	return a, err
}

func (c contentConn) stream(ctx context.Context, q ask, piece func(string)) (a answer, err error) {
	if c.err != nil {
		return a, c.err
	}
	contents, config := c.params(q)
	for r, err := range c.c.Models.GenerateContentStream(ctx, q.model, contents, config) {
		if err != nil {
			return a, err
		}
		p, err := c.add(&a, r)
		if err != nil {
			return a, err
		}
		if p != "" {
			a.streamed += p
			piece(a.streamed)
		}
	}
	return a, nil
}

func (c contentConn) structured(ctx context.Context, q ask) (string, error) {
	q.schema = true
	a, err := c.ask(ctx, q)
	return a.text, err
}

func (c contentConn) models(ctx context.Context) (out []string, err error) {
	if c.err != nil {
		return nil, c.err
	}
	for m, err := range c.c.Models.All(ctx) {
		if err != nil {
			return nil, err
		}
		out = append(out, strings.TrimPrefix(m.Name, "models/"))
	}
	return out, nil
}
