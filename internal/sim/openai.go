package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

type chatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
		AudioTokens  int `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens          int `json:"reasoning_tokens"`
		AudioTokens              int `json:"audio_tokens"`
		AcceptedPredictionTokens int `json:"accepted_prediction_tokens"`
		RejectedPredictionTokens int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
}

type chatFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type chatToolCall struct {
	Index    *int         `json:"index,omitempty"` // in streams
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function chatFunction `json:"function"`
}

type chatReplyMessage struct {
	Role        string         `json:"role"`
	Content     *string        `json:"content"`
	ToolCalls   []chatToolCall `json:"tool_calls,omitempty"`
	Refusal     *string        `json:"refusal"`
	Annotations []any          `json:"annotations"`
}

type chatChoice struct {
	Index        int              `json:"index"`
	Message      chatReplyMessage `json:"message"`
	Logprobs     *struct{}        `json:"logprobs"`
	FinishReason *string          `json:"finish_reason"`
}

type chatReply struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"`
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	Choices           []chatChoice `json:"choices"`
	Usage             chatUsage    `json:"usage"`
	ServiceTier       string       `json:"service_tier"`
	SystemFingerprint string       `json:"system_fingerprint"`
}

type chatDelta struct {
	Role      string          `json:"role,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // a string or null
	ToolCalls []chatToolCall  `json:"tool_calls,omitempty"`
	Refusal   json.RawMessage `json:"refusal,omitempty"` // a string or null
}

type chatDeltaChoice struct {
	Index        int       `json:"index"`
	Delta        chatDelta `json:"delta"`
	Logprobs     *struct{} `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

type chatChunk struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	Created           int64             `json:"created"`
	Model             string            `json:"model"`
	ServiceTier       string            `json:"service_tier"`
	SystemFingerprint string            `json:"system_fingerprint"`
	Choices           []chatDeltaChoice `json:"choices"`
	Usage             json.RawMessage   `json:"usage,omitempty"` // absent, null or the figures
	Obfuscation       string            `json:"obfuscation,omitempty"`
}

const fingerprint = "fp_5133130f47"

var null = json.RawMessage("null")

func (a *answer) finishReason() *string {
	r := "stop"
	switch {
	case a.noFinish:
		return nil
	case len(a.calls) > 0:
		r = "tool_calls"
	case a.full:
		r = "length"
	}
	return &r
}

func (a *answer) chatUsage() chatUsage {
	u := chatUsage{PromptTokens: a.ask.promptTokens, CompletionTokens: a.outputTokens()}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	u.PromptDetails.CachedTokens = a.cache.read
	u.CompletionDetails.ReasoningTokens = a.thinkTokens()
	return u
}

func (a *answer) toolCallID(i int) string { return fmt.Sprintf("%s%02d", a.id("call_"), i) }

// chatJSON is the whole completion.
func (a *answer) chatJSON() []byte {
	m := chatReplyMessage{Role: "assistant", Annotations: []any{}}
	switch text := join(a.text); {
	case a.refusal:
		m.Refusal = &text
	case len(a.calls) == 0:
		m.Content = &text
	}
	for i, c := range a.calls {
		m.ToolCalls = append(m.ToolCalls, chatToolCall{ID: a.toolCallID(i), Type: "function", Function: chatFunction{c.name, c.args}})
	}
	return encode(chatReply{
		ID: a.id("chatcmpl-"), Object: "chat.completion", Created: a.made, Model: a.ask.model,
		Choices: []chatChoice{{Message: m, FinishReason: a.finishReason()}},
		Usage:   a.chatUsage(), ServiceTier: "default", SystemFingerprint: fingerprint,
	})
}

// chatStream is the answer as chunks.
func (a *answer) chatStream() []event {
	var events []event
	add := func(e event, c chatChunk) {
		c.ID, c.Object, c.Created, c.Model = a.id("chatcmpl-"), "chat.completion.chunk", a.made, a.ask.model
		c.ServiceTier, c.SystemFingerprint = "default", fingerprint
		if a.ask.includeUsage && c.Usage == nil {
			c.Usage = null
		}
		if a.ask.obfuscate {
			c.Obfuscation = obfuscation(len(events))
		}
		e.data = fmt.Appendf(nil, "data: %s\n\n", encode(c))
		events = append(events, e)
	}
	delta := func(e event, d chatDelta, finish *string) {
		add(e, chatChunk{Choices: []chatDeltaChoice{{Delta: d, FinishReason: finish}}})
	}
	begun := false
	content := func(d chatDelta) {
		e := event{kind: contentEvent}
		if begun {
			e.pause = a.b.Delay
		}
		begun = true
		delta(e, d, nil)
	}

	opening := chatDelta{Role: "assistant", Content: json.RawMessage(`""`), Refusal: null}
	if len(a.calls) > 0 {
		opening.Content = null
	}
	delta(event{kind: openEvent}, opening, nil)
	if a.b.Think > 0 {
		events = append(events, event{pause: a.b.Think})
	}
	for _, t := range a.text {
		if a.refusal {
			content(chatDelta{Refusal: encode(t)})
		} else {
			content(chatDelta{Content: encode(t)})
		}
	}
	for i, c := range a.calls {
		delta(event{}, chatDelta{ToolCalls: []chatToolCall{{Index: &i, ID: a.toolCallID(i), Type: "function", Function: chatFunction{Name: c.name}}}}, nil)
		if a.b.Compose > 0 {
			events = append(events, event{pause: a.b.Compose})
		}
		for _, f := range c.fragments(a.b.Fragment) {
			content(chatDelta{ToolCalls: []chatToolCall{{Index: &i, Function: chatFunction{Arguments: f}}}})
		}
	}
	delta(event{kind: finishEvent}, chatDelta{}, a.finishReason())
	if a.ask.includeUsage {
		add(event{kind: usageEvent}, chatChunk{Choices: []chatDeltaChoice{}, Usage: encode(a.chatUsage())})
	}
	return append(events, event{kind: sentinelEvent, data: []byte("data: [DONE]\n\n")})
}

// obfuscation is padding of varying length; the provider's is random, this one
// is the same in every run.
func obfuscation(i int) string {
	const letters = "mQ7xZpV2kTdR9wLb"
	return letters[:1+(i*7)%len(letters)]
}

func join(parts []string) string { return strings.Join(parts, "") }

// id is the answer's id: unique in the process of the provider, and the same in
// every run.
func (a *answer) id(prefix string) string { return fmt.Sprintf("%s%s%08d", prefix, a.name, a.seq) }

// took is how long a JSON answer takes to be generated.
func (a *answer) took() time.Duration {
	d := a.b.Think + time.Duration(len(a.calls))*a.b.Compose
	if n := a.contentEvents(); n > 1 {
		d += time.Duration(n-1) * a.b.Delay
	}
	return d
}
