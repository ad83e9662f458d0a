package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

type anthropicCacheCreation struct {
	Ephemeral5m int `json:"ephemeral_5m_input_tokens"`
	Ephemeral1h int `json:"ephemeral_1h_input_tokens"`
}

type anthropicOutputDetails struct {
	ThinkingTokens int `json:"thinking_tokens"`
}

type anthropicUsage struct {
	InputTokens   int                     `json:"input_tokens"`
	CacheCreation int                     `json:"cache_creation_input_tokens"`
	CacheRead     int                     `json:"cache_read_input_tokens"`
	Creation      *anthropicCacheCreation `json:"cache_creation,omitempty"`
	OutputTokens  int                     `json:"output_tokens"`
	OutputDetails *anthropicOutputDetails `json:"output_tokens_details,omitempty"`
	ServiceTier   string                  `json:"service_tier,omitempty"`
	InferenceGeo  string                  `json:"inference_geo,omitempty"`
}

type anthropicReply struct {
	Model        string         `json:"model"`
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Content      []any          `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        anthropicUsage `json:"usage"`
}

type (
	textBlock struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	thinkingBlock struct {
		Type      string `json:"type"`
		Thinking  string `json:"thinking"`
		Signature string `json:"signature"`
	}
	toolUseBlock struct {
		Type  string          `json:"type"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
)

// sign is the signature of a thinking block: the provider verifies its own
// signatures when a block comes back, and so does this one.
func sign(thinking string) string {
	sum := sha256.Sum256([]byte("sim thinking\x00" + thinking))
	return "EqoB" + base64.StdEncoding.EncodeToString(sum[:])
}

func (a *answer) anthropicUsage(output int) anthropicUsage {
	written := a.cache.write5m + a.cache.write1h
	return anthropicUsage{
		InputTokens:   a.ask.promptTokens - a.cache.read - written,
		CacheCreation: written,
		CacheRead:     a.cache.read,
		OutputTokens:  output,
	}
}

// startUsage is the usage of message_start and of a whole message.
func (a *answer) startUsage(output int) anthropicUsage {
	u := a.anthropicUsage(output)
	u.Creation = &anthropicCacheCreation{Ephemeral5m: a.cache.write5m, Ephemeral1h: a.cache.write1h}
	u.ServiceTier, u.InferenceGeo = "standard", "global"
	return u
}

func (a *answer) thinkingDetails() *anthropicOutputDetails {
	if len(a.thoughts) == 0 {
		return nil
	}
	return &anthropicOutputDetails{ThinkingTokens: a.thinkTokens()}
}

func (a *answer) stopReason() *string {
	r := "end_turn"
	switch {
	case a.noFinish:
		return nil
	case a.refusal:
		r = "refusal"
	case len(a.calls) > 0:
		r = "tool_use"
	case a.full:
		r = "max_tokens"
	}
	return &r
}

func (a *answer) anthropicReply() anthropicReply {
	return anthropicReply{Model: a.ask.model, ID: a.id("msg_01"), Type: "message", Role: "assistant", Content: []any{}}
}

func (a *answer) toolUseID(i int) string { return fmt.Sprintf("%s%02d", a.id("toolu_01"), i) }

// anthropicJSON is the whole message.
func (a *answer) anthropicJSON() []byte {
	m := a.anthropicReply()
	if len(a.thoughts) > 0 {
		thought := join(a.thoughts)
		b := thinkingBlock{Type: "thinking", Thinking: thought, Signature: sign(thought)}
		if a.ask.hideThinking {
			b.Thinking = ""
		}
		m.Content = append(m.Content, b)
	}
	if len(a.text) > 0 {
		m.Content = append(m.Content, textBlock{"text", join(a.text)})
	}
	for i, c := range a.calls {
		m.Content = append(m.Content, toolUseBlock{"tool_use", a.toolUseID(i), c.name, json.RawMessage(c.args)})
	}
	m.StopReason = a.stopReason()
	m.Usage = a.startUsage(a.outputTokens())
	m.Usage.OutputDetails = a.thinkingDetails()
	return encode(m)
}

func anthropicEvent(name string, v any) []byte {
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, encode(v))
}

type (
	blockStart struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
		Block any    `json:"content_block"`
	}
	blockDelta struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
		Delta any    `json:"delta"`
	}
	blockStop struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
	textDelta struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	thinkingDelta struct {
		Type     string `json:"type"`
		Thinking string `json:"thinking"`
	}
	signatureDelta struct {
		Type      string `json:"type"`
		Signature string `json:"signature"`
	}
	inputDelta struct {
		Type string `json:"type"`
		JSON string `json:"partial_json"`
	}
	stopDelta struct {
		StopReason   *string `json:"stop_reason"`
		StopSequence *string `json:"stop_sequence"`
	}
	messageDelta struct {
		Type  string         `json:"type"`
		Delta stopDelta      `json:"delta"`
		Usage anthropicUsage `json:"usage"`
	}
	typeOnly struct {
		Type string `json:"type"`
	}
)

var pingEvent = anthropicEvent("ping", typeOnly{"ping"})

// anthropicStream is the answer as events, in the provider's order.
func (a *answer) anthropicStream() []event {
	s := &anthropicScript{a: a}
	m := a.anthropicReply()
	m.Usage = a.startUsage(1)
	s.add(event{kind: openEvent}, "message_start", struct {
		Type    string         `json:"type"`
		Message anthropicReply `json:"message"`
	}{"message_start", m})

	if len(a.thoughts) > 0 {
		s.thinking()
	} else {
		s.silence(a.b.Think)
	}
	if len(a.text) > 0 {
		s.open(textBlock{Type: "text"})
		for _, t := range a.text {
			s.content(textDelta{"text_delta", t})
		}
		s.close()
	}
	for i, c := range a.calls {
		s.open(toolUseBlock{"tool_use", a.toolUseID(i), c.name, json.RawMessage("{}")})
		s.delta(event{}, inputDelta{Type: "input_json_delta"}) // the first one says nothing
		s.silence(a.b.Compose)
		for _, f := range c.fragments(a.b.Fragment) {
			s.content(inputDelta{"input_json_delta", f})
		}
		s.close()
	}

	u := a.anthropicUsage(a.outputTokens())
	u.OutputDetails = a.thinkingDetails()
	s.add(event{kind: finishEvent}, "message_delta", messageDelta{"message_delta", stopDelta{StopReason: a.stopReason()}, u})
	s.add(event{kind: sentinelEvent}, "message_stop", typeOnly{"message_stop"})
	return s.events
}

// anthropicScript collects the events of one stream.
type anthropicScript struct {
	a      *answer
	events []event
	index  int
	pinged bool
	begun  bool // a content event is there: the next one comes after the delay
}

func (s *anthropicScript) add(e event, name string, v any) {
	e.data = anthropicEvent(name, v)
	s.events = append(s.events, e)
}

func (s *anthropicScript) open(block any) {
	s.add(event{}, "content_block_start", blockStart{"content_block_start", s.index, block})
	if !s.pinged { // the provider pings once after the first block's start
		s.pinged = true
		s.events = append(s.events, event{data: pingEvent})
	}
}

func (s *anthropicScript) close() {
	s.add(event{}, "content_block_stop", blockStop{"content_block_stop", s.index})
	s.index++
}

func (s *anthropicScript) delta(e event, d any) {
	s.add(e, "content_block_delta", blockDelta{"content_block_delta", s.index, d})
}

func (s *anthropicScript) content(d any) {
	e := event{kind: contentEvent}
	if s.begun {
		e.pause = s.a.b.Delay
	}
	s.begun = true
	s.delta(e, d)
}

// silence lasts d, with a ping every now and then.
func (s *anthropicScript) silence(d time.Duration) {
	every := s.a.b.PingEvery
	if every <= 0 {
		every = defaultPing
	}
	for ; d > every; d -= every {
		s.events = append(s.events, event{pause: every, data: pingEvent})
	}
	if d > 0 {
		s.events = append(s.events, event{pause: d})
	}
}

// thinking is the thinking block; Behaviour.Think is spread over its pieces.
func (s *anthropicScript) thinking() {
	s.open(thinkingBlock{Type: "thinking"})
	each := s.a.b.Think / time.Duration(len(s.a.thoughts))
	for _, t := range s.a.thoughts {
		s.silence(each)
		if !s.a.ask.hideThinking {
			s.content(thinkingDelta{"thinking_delta", t})
		}
	}
	s.delta(event{}, signatureDelta{"signature_delta", sign(join(s.a.thoughts))})
	s.close()
}
