package sim

import (
	"encoding/json"
	"fmt"
	"time"
)

// responsesUsage is the usage of a response.
type responsesUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens     int `json:"cached_tokens"`
		CacheWriteTokens int `json:"cache_write_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

type responsesError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

// responsesReply is a response object, its members in the provider's order (captured by the
// API's clients). What it repeats of the request is raw.
type responsesReply struct {
	ID                 string             `json:"id"`
	Object             string             `json:"object"`
	CreatedAt          int64              `json:"created_at"`
	Status             string             `json:"status"`
	Background         bool               `json:"background"`
	CompletedAt        *int64             `json:"completed_at"`
	Error              *responsesError    `json:"error"`
	Incomplete         *incompleteDetails `json:"incomplete_details"`
	Instructions       json.RawMessage    `json:"instructions"`
	MaxOutputTokens    json.RawMessage    `json:"max_output_tokens"`
	MaxToolCalls       json.RawMessage    `json:"max_tool_calls"`
	Model              string             `json:"model"`
	Output             []any              `json:"output"`
	ParallelToolCalls  json.RawMessage    `json:"parallel_tool_calls"`
	PreviousResponseID json.RawMessage    `json:"previous_response_id"`
	PromptCacheKey     json.RawMessage    `json:"prompt_cache_key"`
	Reasoning          json.RawMessage    `json:"reasoning"`
	SafetyIdentifier   json.RawMessage    `json:"safety_identifier"`
	ServiceTier        string             `json:"service_tier"`
	Store              bool               `json:"store"`
	Temperature        json.RawMessage    `json:"temperature"`
	Text               json.RawMessage    `json:"text"`
	ToolChoice         json.RawMessage    `json:"tool_choice"`
	Tools              json.RawMessage    `json:"tools"`
	TopLogprobs        json.RawMessage    `json:"top_logprobs"`
	TopP               json.RawMessage    `json:"top_p"`
	Truncation         json.RawMessage    `json:"truncation"`
	Usage              *responsesUsage    `json:"usage"`
	User               json.RawMessage    `json:"user"`
	Metadata           json.RawMessage    `json:"metadata"`
}

type (
	outputText struct {
		Type        string `json:"type"`
		Annotations []any  `json:"annotations"`
		Logprobs    []any  `json:"logprobs"`
		Text        string `json:"text"`
	}
	outputRefusal struct {
		Type    string `json:"type"`
		Refusal string `json:"refusal"`
	}
	summaryText struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	messageItem struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Status  string `json:"status"`
		Content []any  `json:"content"`
		Role    string `json:"role"`
	}
	reasoningItem struct {
		ID        string        `json:"id"`
		Type      string        `json:"type"`
		Encrypted string        `json:"encrypted_content,omitempty"`
		Summary   []summaryText `json:"summary"`
	}
	functionItem struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		Arguments string `json:"arguments"`
		CallID    string `json:"call_id"`
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
	customItem struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		CallID    string `json:"call_id"`
		Input     string `json:"input"`
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
)

// responsesReply is the response before anything of it is there.
func (a *answer) responsesReply() responsesReply {
	q := a.ask.responses
	echo := func(name, otherwise string) json.RawMessage {
		if v := q.members[name]; len(v) > 0 && string(v) != "null" {
			return v
		}
		return json.RawMessage(otherwise)
	}
	return responsesReply{
		ID: a.id("resp_"), Object: "response", CreatedAt: a.made, Status: "in_progress", Background: q.background,
		Instructions: echo("instructions", "null"), MaxOutputTokens: echo("max_output_tokens", "null"), MaxToolCalls: echo("max_tool_calls", "null"),
		Model: a.ask.model, Output: []any{}, ParallelToolCalls: echo("parallel_tool_calls", "true"), PreviousResponseID: echo("previous_response_id", "null"),
		PromptCacheKey: echo("prompt_cache_key", "null"), Reasoning: echo("reasoning", `{"effort":null,"summary":null}`),
		SafetyIdentifier: echo("safety_identifier", "null"), ServiceTier: "default", Store: q.store, Temperature: echo("temperature", "1.0"),
		Text: echo("text", `{"format":{"type":"text"},"verbosity":"medium"}`), ToolChoice: echo("tool_choice", `"auto"`), Tools: echo("tools", "[]"),
		TopLogprobs: echo("top_logprobs", "0"), TopP: echo("top_p", "1.0"), Truncation: echo("truncation", `"disabled"`),
		User: echo("user", "null"), Metadata: echo("metadata", "{}"),
	}
}

// responsesDone is the whole response.
func (a *answer) responsesDone() responsesReply {
	r := a.responsesReply()
	r.Status = "completed"
	done := a.made
	r.CompletedAt = &done
	item := "completed"
	if a.full {
		r.Status, r.Incomplete, r.CompletedAt, item = "incomplete", &incompleteDetails{"max_output_tokens"}, nil, "incomplete"
	}
	if a.noFinish {
		r.Status, r.Incomplete, r.CompletedAt = "in_progress", nil, nil
	}
	if len(a.thoughts) > 0 {
		r.Output = append(r.Output, a.reasoningItem(true))
	}
	if len(a.text) > 0 {
		r.Output = append(r.Output, a.messageItem(item, a.messagePart(join(a.text))))
	}
	for i, c := range a.calls {
		r.Output = append(r.Output, a.callItem(i, c, "completed", true))
	}
	r.Usage = a.responsesUsage()
	return r
}

func (a *answer) responsesUsage() *responsesUsage {
	u := &responsesUsage{InputTokens: a.ask.promptTokens, OutputTokens: a.outputTokens()}
	u.InputDetails.CachedTokens = a.cache.read
	u.OutputDetails.ReasoningTokens = a.thinkTokens()
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

func (a *answer) itemID(prefix string, i int) string { return fmt.Sprintf("%s%02d", a.id(prefix), i) }

func (a *answer) reasoningItem(done bool) reasoningItem {
	it := reasoningItem{ID: a.itemID("rs_", 0), Type: "reasoning", Summary: []summaryText{}}
	if !done {
		return it
	}
	if !a.ask.hideThinking {
		it.Summary = append(it.Summary, summaryText{"summary_text", join(a.thoughts)})
	}
	if a.ask.responses.encrypted {
		it.Encrypted = sealThought(a.organization, it.ID)
	}
	return it
}

func (a *answer) messageItem(status string, content ...any) messageItem {
	if content == nil {
		content = []any{}
	}
	return messageItem{ID: a.itemID("msg_", 0), Type: "message", Status: status, Content: content, Role: "assistant"}
}

func (a *answer) messagePart(text string) any {
	if a.refusal {
		return outputRefusal{"refusal", text}
	}
	return outputText{"output_text", []any{}, []any{}, text}
}

// callItem is a call; done: with its arguments.
func (a *answer) callItem(i int, c toolCall, status string, done bool) any {
	offer := a.ask.responses.tools[c.name]
	args := ""
	if done {
		args = a.input(c)
	}
	if offer.custom {
		return customItem{a.itemID("ctc_", i), "custom_tool_call", status, a.toolCallID(i), args, offer.name, offer.namespace}
	}
	return functionItem{a.itemID("fc_", i), "function_call", status, args, a.toolCallID(i), offer.name, offer.namespace}
}

// input is what a call hands its tool: a JSON object, or free text.
func (a *answer) input(c toolCall) string {
	if !a.ask.responses.tools[c.name].custom {
		return c.args
	}
	var free struct{ Input *string }
	switch {
	case c.args == "{}":
		return "sample input"
	case json.Unmarshal([]byte(c.args), &free) == nil && free.Input != nil:
		return *free.Input
	}
	return c.args
}

// responsesScript collects the events of one stream.
type responsesScript struct {
	a      *answer
	events []event
	seq    int // of the events, and of the next one
	item   int // output_index
	begun  bool
}

// add adds an event; v is its data after type and sequence_number, an object.
func (s *responsesScript) add(e event, name string, v any) {
	e.data = responsesEvent(name, s.seq, v)
	s.seq++
	s.events = append(s.events, e)
}

// responsesEvent frames an event.
func responsesEvent(name string, seq int, v any) []byte {
	rest := encode(v)[1:]
	sep := ","
	if string(rest) == "}" {
		sep = ""
	}
	return fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q,\"sequence_number\":%d%s%s\n\n", name, name, seq, sep, rest)
}

type (
	lifecycle struct {
		Response responsesReply `json:"response"`
	}
	itemEvent struct {
		OutputIndex int `json:"output_index"`
		Item        any `json:"item"`
	}
	partEvent struct {
		ItemID       string `json:"item_id"`
		OutputIndex  int    `json:"output_index"`
		ContentIndex *int   `json:"content_index,omitempty"`
		SummaryIndex *int   `json:"summary_index,omitempty"`
		Part         any    `json:"part,omitempty"`
		// One of these, or none.
		Delta     string `json:"delta,omitempty"`
		Text      string `json:"text,omitempty"`
		Refusal   string `json:"refusal,omitempty"`
		Arguments string `json:"arguments,omitempty"`
		Input     string `json:"input,omitempty"`

		Logprobs    *[]any `json:"logprobs,omitempty"`
		Obfuscation string `json:"obfuscation,omitempty"`
	}
	nothing struct{}
)

// responsesStream is the answer as events, in the provider's order. The last event is the finish
// and the end in one; there is no sentinel.
func (a *answer) responsesStream() []event {
	s := &responsesScript{a: a}
	s.add(event{kind: openEvent}, "response.created", lifecycle{a.responsesReply()})
	s.add(event{}, "response.in_progress", lifecycle{a.responsesReply()})
	if len(a.thoughts) > 0 {
		s.reasoning()
	} else {
		s.silence(a.b.Think)
	}
	if len(a.text) > 0 {
		s.message()
	}
	for i, c := range a.calls {
		s.call(i, c)
	}
	r := a.responsesDone()
	s.add(event{kind: finishEvent}, "response."+r.Status, lifecycle{r})
	return append(s.events, event{kind: sentinelEvent})
}

// silence lasts d. In long ones the provider sends an event that means nothing
// (openai-node#1964).
func (s *responsesScript) silence(d time.Duration) {
	every := s.a.b.PingEvery
	if every <= 0 {
		every = defaultPing
	}
	for ; d > every; d -= every {
		s.add(event{pause: every}, "keepalive", nothing{})
	}
	if d > 0 {
		s.events = append(s.events, event{pause: d})
	}
}

func (s *responsesScript) content(name string, p partEvent) {
	e := event{kind: contentEvent}
	if s.begun {
		e.pause = s.a.b.Delay
	}
	s.begun = true
	if s.a.ask.obfuscate {
		p.Obfuscation = obfuscation(s.seq)
	}
	s.add(e, name, p)
}

func (s *responsesScript) reasoning() {
	a, it := s.a, s.a.reasoningItem(false)
	zero := 0
	at := partEvent{ItemID: it.ID, OutputIndex: s.item, SummaryIndex: &zero}
	with := func(change func(*partEvent)) partEvent { p := at; change(&p); return p }
	s.add(event{}, "response.output_item.added", itemEvent{s.item, it})
	if !a.ask.hideThinking {
		s.add(event{}, "response.reasoning_summary_part.added", with(func(p *partEvent) { p.Part = summaryText{"summary_text", ""} }))
	}
	each := a.b.Think / time.Duration(len(a.thoughts))
	for _, t := range a.thoughts {
		s.silence(each)
		if !a.ask.hideThinking {
			s.content("response.reasoning_summary_text.delta", with(func(p *partEvent) { p.Delta = t }))
		}
	}
	if whole := join(a.thoughts); !a.ask.hideThinking {
		s.add(event{}, "response.reasoning_summary_text.done", with(func(p *partEvent) { p.Text = whole }))
		s.add(event{}, "response.reasoning_summary_part.done", with(func(p *partEvent) { p.Part = summaryText{"summary_text", whole} }))
	}
	s.done(a.reasoningItem(true))
}

func (s *responsesScript) done(item any) {
	s.add(event{}, "response.output_item.done", itemEvent{s.item, item})
	s.item++
}

func (s *responsesScript) message() {
	a, it := s.a, s.a.messageItem("in_progress")
	zero, none := 0, []any{}
	at := partEvent{ItemID: it.ID, OutputIndex: s.item, ContentIndex: &zero}
	with := func(change func(*partEvent)) partEvent { p := at; change(&p); return p }
	s.add(event{}, "response.output_item.added", itemEvent{s.item, it})
	s.add(event{}, "response.content_part.added", with(func(p *partEvent) { p.Part = a.messagePart("") }))
	for _, t := range a.text {
		if a.refusal {
			s.content("response.refusal.delta", with(func(p *partEvent) { p.Delta = t }))
		} else {
			s.content("response.output_text.delta", with(func(p *partEvent) { p.Delta, p.Logprobs = t, &none }))
		}
	}
	whole := join(a.text)
	if a.refusal {
		s.add(event{}, "response.refusal.done", with(func(p *partEvent) { p.Refusal = whole }))
	} else {
		s.add(event{}, "response.output_text.done", with(func(p *partEvent) { p.Text, p.Logprobs = whole, &none }))
	}
	s.add(event{}, "response.content_part.done", with(func(p *partEvent) { p.Part = a.messagePart(whole) }))
	status := "completed"
	if a.full {
		status = "incomplete"
	}
	s.done(a.messageItem(status, a.messagePart(whole)))
}

func (s *responsesScript) call(i int, c toolCall) {
	a := s.a
	id, name := a.itemID("fc_", i), "response.function_call_arguments"
	custom := a.ask.responses.tools[c.name].custom
	if custom {
		id, name = a.itemID("ctc_", i), "response.custom_tool_call_input"
	}
	at := partEvent{ItemID: id, OutputIndex: s.item}
	s.add(event{}, "response.output_item.added", itemEvent{s.item, a.callItem(i, c, "in_progress", false)})
	s.silence(a.b.Compose)
	whole := a.input(c)
	for _, f := range (toolCall{args: whole}).fragments(a.b.Fragment) {
		p := at
		p.Delta = f
		s.content(name+".delta", p)
	}
	if custom {
		at.Input = whole
	} else {
		at.Arguments = whole
	}
	s.add(event{}, name+".done", at)
	s.done(a.callItem(i, c, "completed", true))
}
