package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

func answering() *neutral.Session {
	return &neutral.Session{Request: &neutral.Request{}, RequestID: "01J", Model: "claude-opus-5-5", Now: 1_762_300_000}
}

var answerFiles = []string{"answer_agent.json", "answer_refusal.json"}

func TestDecodeAnswer(t *testing.T) {
	for _, file := range answerFiles {
		t.Run(file, func(t *testing.T) {
			a, err := Dialect{}.DecodeAnswer(golden(t, file))
			if err != nil {
				t.Fatal(err)
			}
			neutraltest.Golden(t, strings.Replace(file, ".json", ".neutral.txt", 1), []byte(neutraltest.DumpAnswer(a)))
		})
	}
	for _, body := range []string{``, `[]`, `{}`, `{"content":null}`, `{"content":"x"}`, `{"content":["x"]}`, `{"content":[{}]}`, `{"content":[]`, `{"content":[{"type":"text","text":tru}]}`} {
		if a, err := (Dialect{}).DecodeAnswer([]byte(body)); err == nil {
			t.Errorf("%s is taken for an answer: %s", body, neutraltest.DumpAnswer(a))
		}
	}
}

// A text that is not quite UTF-8 is not lost.
func TestDecodeMendedAnswer(t *testing.T) {
	a, err := Dialect{}.DecodeAnswer([]byte("{\"content\":[{\"type\":\"text\",\"text\":\"a\xffb\"}]}"))
	if err != nil || len(a.Blocks) != 1 || a.Blocks[0].Text != "a\uFFFDb" {
		t.Errorf("%+v, %v", a, err)
	}
}

// foreign are answers of other dialects that have something which this one shows in its own way.
var foreign = []struct {
	name string
	a    neutral.Answer
}{
	{"text of Chat", neutral.Answer{
		ID: "chatcmpl-1", Created: 7, Finish: neutral.FinishStop, Tier: "default", Usage: domain.Usage{Input: 3, CacheRead: 4, Output: 5, Reported: true},
		Blocks: []neutral.Block{
			{Kind: neutral.KindReasoning, Origin: domain.DialectOpenAIChat, Text: "hm", Signature: "reasoning_content"},
			{Kind: neutral.KindText, Text: "Hello", Citations: []neutral.Citation{{URL: "https://e", Title: "E", Start: 0, End: 5, Document: -1, Origin: domain.DialectOpenAIChat}}},
		},
	}},
	{"refusal of Chat", neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{{Kind: neutral.KindRefusal, Text: "No."}}}},
	{"calls of Chat, said to be done", neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{
		{Kind: neutral.KindToolUse, ID: "functions.x:0", Name: "x", Args: []byte(`{"a":1}`)}, {Kind: neutral.KindToolUse, Name: "y"},
	}}},
	{"broken arguments", neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "a", Name: "x", Args: []byte(`{"a":`)}}}},
	{"a call of Gemini", neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "call_1", Name: "x", Args: []byte(`{}`), Signature: "c2ln", Origin: domain.DialectGeminiContent}}}},
	{"text of Gemini, signed at its end", neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{
		{Kind: neutral.KindText, Text: "Done."}, {Kind: neutral.KindReasoning, Origin: domain.DialectGeminiContent, Signature: "c2ln"},
	}}},
	{"signed text of Gemini, then a call", neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{
		{Kind: neutral.KindText, Text: "I look."}, {Kind: neutral.KindReasoning, Origin: domain.DialectGeminiContent, Signature: "c2ln"},
		{Kind: neutral.KindToolUse, ID: "call_1", Name: "x", Args: []byte(`{}`)},
	}}},
	{"text, then a thought with words", neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{
		{Kind: neutral.KindText, Text: "Done."}, {Kind: neutral.KindReasoning, Origin: domain.DialectGeminiContent, Text: "hm", Signature: "c2ln"},
	}}},
	{"reasoning of Responses", neutral.Answer{Finish: neutral.FinishLength, Blocks: []neutral.Block{
		{Kind: neutral.KindReasoning, Origin: domain.DialectOpenAIResp, ID: "rs_1", Text: "sum", Signature: "gAAA"},
		{Kind: neutral.KindReasoning, Origin: domain.DialectOpenAIResp, ID: "rs_2", Redacted: true, Signature: "gBBB"},
		{Kind: neutral.KindOpaque, Origin: domain.DialectOpenAIResp, Type: "web_search_call", Raw: []byte(`{"x":1}`)},
		{Kind: neutral.KindToolUse, ID: "call_2", Name: "patch", Custom: true, Text: "*** Begin \"Patch\""},
	}}},
	{"a stop sequence", neutral.Answer{Finish: neutral.FinishSequence, Stopped: "END", Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "x"}}}},
	{"a full context", neutral.Answer{Finish: neutral.FinishContext}},
	{"a pause", neutral.Answer{Finish: neutral.FinishPause}},
	{"a filter", neutral.Answer{Finish: neutral.FinishRefusal}},
	{"nothing said of the end", neutral.Answer{Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "x"}}}},
}

func TestEncodeAnswer(t *testing.T) {
	var out bytes.Buffer
	for _, file := range answerFiles {
		a, err := Dialect{}.DecodeAnswer(golden(t, file))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "== %s\n%s\n", file, Dialect{}.EncodeAnswer(a, answering()))
	}
	for i := range foreign {
		body := Dialect{}.EncodeAnswer(&foreign[i].a, answering())
		if !json.Valid(body) || !(Dialect{}).Whole(body).Finished {
			t.Errorf("%s: no finished answer: %s", foreign[i].name, body)
		}
		fmt.Fprintf(&out, "== %s\n%s\n", foreign[i].name, body)
	}
	neutraltest.Golden(t, "encode_answers.txt", out.Bytes())
}

func TestEncodeStream(t *testing.T) {
	var out bytes.Buffer
	for i := range foreign {
		stream := neutraltest.Encode(Dialect{}.NewEncoder(answering()), &foreign[i].a)
		sdk(t, stream)
		fmt.Fprintf(&out, "== %s\n%s", foreign[i].name, stream)
	}
	neutraltest.Golden(t, "encode_streams.txt", out.Bytes())
}

// sdk reads a stream as the SDK does, which is strict about the order of events, and as the
// gateway's own reader does.
func sdk(t *testing.T, stream []byte) {
	t.Helper()
	events, err := neutraltest.Split(stream)
	if err != nil {
		t.Error(err)
	}
	r := Dialect{}.NewReader(&dialect.Request{})
	want, open, next := "message_start", -1, 0
	for _, raw := range events {
		if k := r.Event(raw).Kind; k == dialect.EventMalformed || k == dialect.EventError {
			t.Errorf("malformed: %s", raw)
		}
		name, data := dialect.Fields(raw)
		var ev struct {
			Type    string
			Index   int
			Message map[string]any
		}
		if err := json.Unmarshal(data, &ev); err != nil || ev.Type != string(name) {
			t.Errorf("%v: %s", err, raw)
		}
		if want != "" && ev.Type != want {
			t.Errorf("event %s, want %s", ev.Type, want)
		}
		want = ""
		switch ev.Type {
		case "message_start":
			if len(ev.Message) < 8 {
				t.Errorf("the message lacks members: %s", raw)
			}
		case "content_block_start":
			if open >= 0 || ev.Index != next {
				t.Errorf("block %d begins inside %d, want %d", ev.Index, open, next)
			}
			open, next = ev.Index, next+1
		case "content_block_delta":
			if ev.Index != open {
				t.Errorf("delta of %d inside %d", ev.Index, open)
			}
		case "content_block_stop":
			if ev.Index != open {
				t.Errorf("stop of %d inside %d", ev.Index, open)
			}
			open = -1
		case "message_delta":
			want = "message_stop"
		case "message_stop":
			want = "nothing"
		}
	}
	if want != "nothing" || !r.Finished() {
		t.Errorf("the stream has no end: %s", stream)
	}
}

func TestDecodeStream(t *testing.T) {
	for _, file := range []string{"stream_agent.sse", "stream_server_tool.sse", "stream_relayed.sse"} {
		t.Run(file, func(t *testing.T) {
			dump, _, err := neutraltest.Decode(Dialect{}.NewDecoder(), golden(t, file))
			if err != nil {
				t.Fatal(err)
			}
			neutraltest.Golden(t, strings.Replace(file, ".sse", ".neutral.txt", 1), []byte(dump))
		})
	}
}

// What no translation can come of is an error, and nothing that came before is lost.
func TestDecodeStreamErrors(t *testing.T) {
	const start = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n"
	const text = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
	for name, stream := range map[string]string{
		"an error":                    string(golden(t, "stream_error.sse")),
		"no JSON":                     start + "data: {\"type\":\n\n",
		"broken inside":               start + text + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":tru}}\n\n",
		"two starts":                  start + start,
		"a delta without a block":     start + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n",
		"a late delta":                start + text + "data: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n",
		"a delta of another kind":     start + text + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"x\"}}\n\n",
		"a stop of nothing":           start + "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
		"a block after the end":       start + "data: {\"type\":\"message_stop\"}\n\n" + text,
		"a block without a type":      start + "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{}}\n\n",
		"a number instead of a text":  start + text + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":5}}\n\n",
		"a finish before the message": "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
	} {
		if dump, _, err := neutraltest.Decode(Dialect{}.NewDecoder(), []byte(stream)); err == nil {
			t.Errorf("%s is no error:\n%s", name, dump)
		}
	}
}

// A refusal is told in words, where the provider gives some.
func TestDecodeStreamRefusal(t *testing.T) {
	_, a, err := neutraltest.Decode(Dialect{}.NewDecoder(), []byte("data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n"+
		"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{\"type\":\"refusal\",\"explanation\":\"No \\\"way\\\".\"}},\"usage\":{\"output_tokens\":2}}\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Finish != neutral.FinishRefusal || len(a.Blocks) != 1 || a.Blocks[0].Kind != neutral.KindRefusal || a.Blocks[0].Text != `No "way".` || a.Usage.Output != 2 {
		t.Errorf("%s", neutraltest.DumpAnswer(a))
	}
}

var carried = neutraltest.Options{From: own, Reasoning: true, Redacted: true, Cache: true}

func TestAnswerProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := neutraltest.Answers(carried).Draw(t, "answer")
		a.ID, a.Model = "msg_1", "claude-opus-5-5"
		back, err := Dialect{}.DecodeAnswer(Dialect{}.EncodeAnswer(a, answering()))
		if err != nil {
			t.Fatal(err)
		}
		if want, got := neutraltest.DumpAnswer(a), neutraltest.DumpAnswer(back); want != got {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestStreamProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := neutraltest.Answers(carried).Draw(t, "answer")
		a.ID, a.Model = "msg_1", "claude-opus-5-5"
		e := Dialect{}.NewEncoder(answering())
		var stream []byte
		neutraltest.Pieces(a, rapid.IntRange(1, 9).Draw(t, "pieces"), func(ev *neutral.Event) {
			if alive := e.KeepAlive(); alive != nil && rapid.Bool().Draw(t, "silence") {
				stream = append(stream, alive...)
			}
			stream = e.Append(stream, ev)
		})
		_, back, err := neutraltest.Decode(Dialect{}.NewDecoder(), stream)
		if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		if want, got := neutraltest.DumpAnswer(a), neutraltest.DumpAnswer(back); want != got {
			t.Errorf("got:\n%s\nwant:\n%s\n%s", got, want, stream)
		}
	})
}

// Events in any order break neither the decoder nor its promise.
func TestDecodeConfusedStream(t *testing.T) {
	var streams [][]byte
	for _, file := range []string{"stream_agent.sse", "stream_server_tool.sse", "stream_relayed.sse"} {
		streams = append(streams, golden(t, file))
	}
	rapid.Check(t, func(t *rapid.T) {
		neutraltest.Confused(t, Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering()), streams)
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, file := range answerFiles {
		f.Add(golden(f, file))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := Dialect{}.DecodeAnswer(body)
		if err != nil {
			return
		}
		if out := (Dialect{}).EncodeAnswer(a, answering()); !json.Valid(out) {
			t.Errorf("no JSON: %s", out)
		}
	})
}

func FuzzDecodeStream(f *testing.F) {
	for _, file := range []string{"stream_agent.sse", "stream_server_tool.sse", "stream_relayed.sse", "stream_error.sse"} {
		f.Add(golden(f, file))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, e := Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering())
		var order neutraltest.Order
		var out []byte
		take := func(ev *neutral.Event) {
			if err := order.Add(ev); err != nil {
				t.Errorf("%v: %q", err, stream)
			}
			out = e.Append(out, ev)
		}
		events, _ := neutraltest.Split(stream)
		for _, raw := range events {
			if d.Event(raw, take) != nil {
				return
			}
		}
		d.Close(take)
		if err := order.End(); err != nil {
			t.Errorf("%v: %q", err, stream)
		}
		written, err := neutraltest.Split(out)
		if err != nil {
			t.Errorf("%v: %q", err, stream)
		}
		for _, raw := range written {
			if _, data := dialect.Fields(raw); !json.Valid(data) {
				t.Errorf("no JSON: %q of %q", raw, stream)
			}
		}
	})
}

func BenchmarkTranslateDelta(b *testing.B) {
	d, e := Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering())
	var out []byte
	take := func(ev *neutral.Event) { out = e.Append(out[:0], ev) }
	events, err := neutraltest.Split(golden(b, "stream_relayed.sse"))
	if err != nil {
		b.Fatal(err)
	}
	for _, raw := range events[:3] {
		if err := d.Event(raw, take); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(events[3])))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Event(events[3], take); err != nil {
			b.Fatal(err)
		}
	}
}
