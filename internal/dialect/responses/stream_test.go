package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// letters write a stream's events down, one letter an event: . note, p ping, c content, F
// finish, E end, ! error, ? malformed, h hidden.
const letters = ".pcFE!?h"

func TestStream(t *testing.T) {
	for _, c := range []struct {
		file     string
		kinds    string
		open     string // n none, t text, h thinking, o tool, after each event
		usage    domain.Usage
		finished bool
	}{
		{
			"stream_agent.sse", "...." + "cc..." + "c..." + "..cc..." + ".cc.c" + ".c.c" + ".cc.c" + "E",
			"nnhh" + "hhhhh" + "hhhn" + "ttttttn" + "oooon" + "ooon" + "oooon" + "n",
			domain.Usage{Input: 128, CacheRead: 1920, Output: 300, Reasoning: 128, Reported: true}, true,
		},
		{"stream_search.sse", "..." + "..p.c" + "..c....E", "nnh" + "hhhhn" + "ttttttnn", domain.Usage{Input: 300, Output: 16, Searches: 1, Reported: true}, true},
		{"stream_refusal.sse", "....c...E", "nnttttt" + "nn", domain.Usage{Input: 10, Output: 5, Reported: true}, true},
		{"stream_error.sse", "..!!", "nnnn", domain.Usage{}, false},
		{"stream_compatible.sse", "p..cc..cc..." + ".EE", "nnhhht" + "nnn" + "ttnnnn", domain.Usage{Input: 5, Output: 3, Reported: true}, true},
	} {
		t.Run(c.file, func(t *testing.T) {
			r := Dialect{}.NewReader(&dialect.Request{})
			var kinds, open strings.Builder
			for _, raw := range split(t, golden(t, c.file)) {
				ev := r.Event(raw)
				if ev.Cut.Present() {
					t.Errorf("%q: something is cut", raw)
				}
				kinds.WriteByte(letters[ev.Kind])
				open.WriteByte("ntho"[r.Open()])
			}
			if kinds.String() != c.kinds || open.String() != c.open {
				t.Errorf("events %s inside %s,\nwant   %s inside %s", kinds.String(), open.String(), c.kinds, c.open)
			}
			if r.Usage() != c.usage || r.Finished() != c.finished {
				t.Errorf("usage %+v, finished %v; want %+v, %v", r.Usage(), r.Finished(), c.usage, c.finished)
			}
			if closing := r.Closing(); closing != nil {
				t.Errorf("the end is said again: %q", closing)
			}
		})
	}
}

func event1(data string) string { return "data: " + data + "\n\n" }

func TestEvent(t *testing.T) {
	for _, c := range []struct {
		raw  string
		kind dialect.EventKind
	}{
		{": hello\n\n", dialect.EventPing},
		{"\n", dialect.EventPing},
		{event1(``), dialect.EventPing},
		{event1(`{"type":"keepalive","sequence_number":466}`), dialect.EventPing},
		{"event: keepalive\ndata: {}\n\n", dialect.EventPing},                                // the type is dropped
		{"event: response.completed\ndata: {\"type\":\"keepalive\"}\n\n", dialect.EventPing}, // the type decides
		{event1(`[DONE]`), dialect.EventEnd},
		{event1(`{"type":"response.completed","response":{"status":"completed"}}`), dialect.EventEnd},
		{event1(`{"type":"response.incomplete","response":null}`), dialect.EventEnd},
		{event1(`{"type":"response.completed"}`), dialect.EventEnd},
		{event1(`{"type":"response.failed","response":{"error":{"code":"server_error"}}}`), dialect.EventError},
		{event1(`{"type":"error","code":"x"}`), dialect.EventError},
		{"event: error\ndata: {\"message\":\"x\"}\n\n", dialect.EventError},
		{event1(`{"error":{"message":"x"}}`), dialect.EventError},
		{event1(`{"type":"response.created","response":{},"error":null}`), dialect.EventNote},
		{event1(`{"type":"response.output_text.delta","delta":"x"}`), dialect.EventContent},
		{event1(`{"type":"response.output_text.delta","delta":""}`), dialect.EventNote},
		{event1(`{"type":"response.output_text.delta","delta":null}`), dialect.EventNote},
		{event1(`{"type":"response.output_text.delta"}`), dialect.EventNote},
		{event1(`{"type":"response.a_new.delta","delta":{"a":1}}`), dialect.EventContent},
		{event1(`{"type":"response.output_text.done","delta":"x","text":"x"}`), dialect.EventNote},
		{event1(`{"type":"a_new_event","x":1}`), dialect.EventNote},
		{event1(`{"type":"response.output_item.done","item":{"type":"function_call"}}`), dialect.EventContent},
		{event1(`{"type":"response.output_item.done","item":{"type":"image_generation_call"}}`), dialect.EventContent},
		{event1(`{"type":"response.output_item.done","item":{"type":"reasoning"}}`), dialect.EventNote},
		{event1(`{"type":"response.output_item.done"}`), dialect.EventNote},
		{event1(`{"type":`), dialect.EventMalformed},
		{event1(`null`), dialect.EventMalformed},
		{event1(`{"type":5}`), dialect.EventNote},
		{"data: {\"type\":\ndata: \"keepalive\"}\n\n", dialect.EventPing},
	} {
		r := Dialect{}.NewReader(&dialect.Request{})
		if ev := r.Event([]byte(c.raw)); ev.Kind != c.kind {
			t.Errorf("%q: kind %c, want %c", c.raw, letters[ev.Kind], letters[c.kind])
		}
	}
}

// An end without the finish is not one: the relay looks at Finished.
func TestEndWithoutFinish(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	if ev := r.Event([]byte("data: [DONE]\n\n")); ev.Kind != dialect.EventEnd || r.Finished() {
		t.Errorf("kind %c, finished %v", letters[ev.Kind], r.Finished())
	}
}

// The sign of life is an event that means nothing, from the first event to the last, and
// has no number, so that those of the stream's own stay whole.
func TestReaderKeepAlive(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	if r.KeepAlive() != nil {
		t.Error("a sign of life before anything lives")
	}
	var before []byte
	changes := 0
	for _, raw := range split(t, golden(t, "stream_agent.sse")) {
		r.Event(raw)
		alive := r.KeepAlive()
		if !r.Finished() {
			other := Dialect{}.NewReader(&dialect.Request{})
			if dialect.EndOfEvent(alive) != len(alive) || other.Event(alive).Kind != dialect.EventPing {
				t.Fatalf("%q is no event without meaning", alive)
			}
			var v struct {
				Type string
				Seq  *int `json:"sequence_number"`
			}
			if _, data := dialect.Fields(alive); json.Unmarshal(data, &v) != nil || v.Type != "keepalive" || v.Seq != nil {
				t.Fatalf("%q", alive)
			}
		} else if alive != nil {
			t.Errorf("%q after the end", alive)
		}
		if len(alive) != len(before) || len(alive) > 0 && &alive[0] != &before[0] {
			changes++
		}
		before = alive
	}
	if changes != 1+1 {
		t.Errorf("%d signs of life in one stream", changes)
	}
}

// However long the text and whatever it holds: a delta is content, and nothing of it is taken for something else.
func TestDeltas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]string{"response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta", "response.reasoning_summary_text.delta"}).Draw(t, "type")
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{``, `","type":"error`, `"}}` + "\n\n" + `data: {"type":"response.completed"}`, `\`, `{"error":{}}`})).Draw(t, "text")
		quoted, _ := json.Marshal(text)
		raw := fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,\"item_id\":\"x\",\"output_index\":0,\"delta\":%s,\"logprobs\":[]}\n\n", typ, typ, rapid.IntRange(0, 1e6).Draw(t, "n"), quoted)
		want := dialect.EventContent
		if text == "" {
			want = dialect.EventNote
		}
		r := Dialect{}.NewReader(&dialect.Request{})
		if ev := r.Event(raw); ev.Kind != want || r.Finished() {
			t.Fatalf("%q: kind %c, finished %v", raw, letters[ev.Kind], r.Finished())
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"stream_agent.sse", "stream_search.sse", "stream_error.sse", "stream_compatible.sse"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte("data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":-1}}}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := Dialect{}.NewReader(&dialect.Request{})
		for len(stream) > 0 {
			n := dialect.EndOfEvent(stream)
			if n == 0 {
				return
			}
			raw := bytes.Clone(stream[:n])
			ev := r.Event(raw)
			if !bytes.Equal(raw, stream[:n]) {
				t.Fatal("the event was changed")
			}
			if u := r.Usage(); u.Input < 0 || u.CacheRead < 0 || u.CacheWrite5m < 0 || u.Output < 0 {
				t.Fatalf("usage %+v", u)
			}
			if ev.Kind == dialect.EventFinish || ev.Kind == dialect.EventHidden {
				t.Fatalf("kind %c", letters[ev.Kind])
			}
			stream = stream[n:]
		}
	})
}

const deltaEvent = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":417,\"item_id\":\"msg_0265b28bea036ff60068df845920648196938b4f36acdcee37\",\"output_index\":1,\"content_index\":0,\"delta\":\" turnout\",\"logprobs\":[],\"obfuscation\":\"mQ7xZpV2\"}\n\n"

func BenchmarkReader(b *testing.B) {
	r := Dialect{}.NewReader(&dialect.Request{})
	raw := []byte(deltaEvent)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if r.Event(raw).Kind != dialect.EventContent {
			b.Fatal("no content")
		}
	}
}
