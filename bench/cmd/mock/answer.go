package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answers are everything that can be said to one model name, rendered once.
type answers struct {
	delay     time.Duration
	openai    dialect
	anthropic dialect
}

// dialect is the answers in one protocol.
type dialect struct {
	json   []byte
	events [][]byte
	usage  []byte   // sent after events to those who asked; nil: not a thing here
	end    [][]byte // sent last
}

// shape is what the words of a model's name say.
type shape struct {
	chunks, chunkBytes, bytes int
	delay                     time.Duration
}

func parseShape(model string) shape {
	s := shape{chunks: 100, chunkBytes: 20, bytes: 700}
	for word := range strings.SplitSeq(model, "-") {
		if len(word) < 2 {
			continue
		}
		n, err := strconv.Atoi(word[1:])
		if err != nil {
			continue
		}
		switch word[0] {
		case 'n':
			s.chunks = n
		case 'd':
			s.delay = time.Duration(n) * time.Millisecond
		case 's':
			s.chunkBytes = n
		case 'r':
			s.bytes = n
		}
	}
	return s
}

func filler(n int) string {
	const words = "the quick brown fox jumps over the lazy dog and runs on "
	return strings.Repeat(words, n/len(words)+1)[:n]
}

const promptTokens = 250

func render(model string) *answers {
	s := parseShape(model)
	m := strconv.Quote(model)
	return &answers{delay: s.delay, openai: renderOpenAI(m, s), anthropic: renderAnthropic(m, s)}
}

func renderOpenAI(model string, s shape) dialect {
	usage := func(out int) string {
		return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}`, promptTokens, out, promptTokens+out)
	}
	chunk := func(rest string) []byte {
		return fmt.Appendf(nil, "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":%s,\"system_fingerprint\":\"fp_mock\",%s}\n\n", model, rest)
	}
	choice := func(delta, finish string) []byte {
		return chunk(fmt.Sprintf(`"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]`, delta, finish))
	}
	d := dialect{
		json: fmt.Appendf(nil, `{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":%s,"choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":%s,"system_fingerprint":"fp_mock"}`,
			model, filler(s.bytes), usage(s.bytes/4)),
		usage: chunk(`"choices":[],"usage":` + usage(s.chunks)),
		end:   [][]byte{[]byte("data: [DONE]\n\n")},
	}
	d.events = append(d.events, choice(`{"role":"assistant","content":""}`, "null"))
	for range s.chunks {
		d.events = append(d.events, choice(fmt.Sprintf(`{"content":%q}`, filler(s.chunkBytes)), "null"))
	}
	d.events = append(d.events, choice(`{}`, `"stop"`))
	return d
}

func renderAnthropic(model string, s shape) dialect {
	event := func(name, format string, args ...any) []byte {
		return fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q,%s}\n\n", name, name, fmt.Sprintf(format, args...))
	}
	d := dialect{
		json: fmt.Appendf(nil, `{"id":"msg_mock","type":"message","role":"assistant","model":%s,"content":[{"type":"text","text":%q}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d}}`,
			model, filler(s.bytes), promptTokens, s.bytes/4),
		events: [][]byte{
			event("message_start", `"message":{"id":"msg_mock","type":"message","role":"assistant","model":%s,"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}`, model, promptTokens),
			event("content_block_start", `"index":0,"content_block":{"type":"text","text":""}`),
		},
		end: [][]byte{
			event("content_block_stop", `"index":0`),
			event("message_delta", `"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`, s.chunks),
			[]byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
		},
	}
	for range s.chunks {
		d.events = append(d.events, event("content_block_delta", `"index":0,"delta":{"type":"text_delta","text":%q}`, filler(s.chunkBytes)))
	}
	return d
}

// known holds the answers by model name. The benchmarks use a handful of names.
var known sync.Map

func lookup(model []byte) *answers {
	if a, ok := known.Load(string(model)); ok {
		return a.(*answers)
	}
	a, _ := known.LoadOrStore(string(model), render(string(model)))
	return a.(*answers)
}

// asked is what the mock reads of a request.
type asked struct {
	answers *answers
	dialect *dialect
	stream  bool
	usage   bool
}

// read finds what a request asks for by searching the body for its members' names:
// inside a string their quotes would be escaped. ok is false for an unknown path.
func read(path string, body []byte) (a asked, ok bool) {
	a = asked{answers: lookup(stringMember(body, `"model"`)), stream: trueMember(body, `"stream"`)}
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		a.dialect, a.usage = &a.answers.openai, a.stream && trueMember(body, `"include_usage"`)
	case strings.HasSuffix(path, "/messages"):
		a.dialect = &a.answers.anthropic
	default:
		return asked{}, false
	}
	return a, true
}

func stringMember(body []byte, quoted string) []byte {
	_, rest, ok := bytes.Cut(body, []byte(quoted))
	if !ok {
		return nil
	}
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return value
}

func trueMember(body []byte, quoted string) bool {
	_, rest, ok := bytes.Cut(body, []byte(quoted))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " :\t\r\n"), []byte("true"))
}

// models is the answer of GET …/models, in a form that both SDKs read.
var models = func() []byte {
	b, err := json.Marshal(map[string]any{"object": "list", "has_more": false, "data": []map[string]any{
		{"id": "mock", "type": "model", "object": "model", "created": 1700000000, "owned_by": "mock", "display_name": "mock", "created_at": "2026-01-01T00:00:00Z"},
	}})
	if err != nil {
		panic(err) // only text and numbers
	}
	return b
}()
