package anthropic

import (
	"bytes"
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

// split takes a stream apart.
func split(t testing.TB, stream []byte) (events [][]byte) {
	t.Helper()
	for len(stream) > 0 {
		n := dialect.EndOfEvent(stream)
		if n == 0 {
			t.Fatalf("the stream ends inside an event: %q", stream)
		}
		events, stream = append(events, stream[:n]), stream[n:]
	}
	return events
}

func TestStream(t *testing.T) {
	for _, c := range []struct {
		file     string
		kinds    string
		open     string // n none, t text, h thinking, o tool, after each event
		usage    domain.Usage
		finished bool
	}{
		{
			"stream_agent.sse", "..pccc..ccc...cccFE", "nhhhhhnttttnoooonnn",
			domain.Usage{Input: 12, CacheRead: 20000, CacheWrite5m: 200, CacheWrite1h: 500, Output: 321, Reasoning: 120, Reported: true}, true,
		},
		{
			"stream_server_tool.sse", "..cc.c..cc..FE", "nonhnhntttnnnn",
			domain.Usage{Input: 10682, Output: 510, Searches: 1, Reported: true}, true,
		},
		{"stream_error.sse", "..c!", "nttt", domain.Usage{Input: 9, Output: 1, Reported: true}, false},
		{"stream_relayed.sse", "p.cc.FE", "nnttnnn", domain.Usage{Input: 9, Output: 7, Reported: true}, true},
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
		})
	}
}

// What ends a finished stream whose end never came is read as its end.
func TestClosing(t *testing.T) {
	events := split(t, golden(t, "stream_relayed.sse"))
	r := Dialect{}.NewReader(&dialect.Request{})
	for _, raw := range events[:len(events)-1] {
		r.Event(raw)
	}
	closing := r.Closing()
	if dialect.EndOfEvent(closing) != len(closing) || r.Event(closing).Kind != dialect.EventEnd {
		t.Errorf("%q does not end a stream", closing)
	}
	if again := r.Closing(); again != nil {
		t.Errorf("an ended stream is ended again with %q", again)
	}
}

func event(data string) string { return "data: " + data + "\n\n" }

func TestEvent(t *testing.T) {
	for _, c := range []struct {
		raw  string
		kind dialect.EventKind
	}{
		{": hello\n\n", dialect.EventPing},
		{"\n", dialect.EventPing},
		{"event: ping\ndata: {\"type\": \"ping\"}\n\n", dialect.EventPing},
		{"event: ping\ndata: {}\n\n", dialect.EventPing},                          // the type is dropped
		{"event: message_stop\ndata: {}\n\n", dialect.EventEnd},                   // the same
		{"event: message_stop\ndata: {\"type\":\"ping\"}\n\n", dialect.EventPing}, // the type decides
		{event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`), dialect.EventNote},
		{event(`{"type":"content_block_delta","index":0,"delta":{"text":"x","type":"text_delta"}}`), dialect.EventContent},
		{event(`{"type":"content_block_delta","index":0,"delta":{"type":"future_delta","n":null,"what":{"a":1}}}`), dialect.EventContent},
		{event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":null}}`), dialect.EventNote},
		{event(`{"type":"content_block_delta","index":0}`), dialect.EventNote},
		{event(`{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}`), dialect.EventNote},
		{event(`{"type":"message_delta","delta":{"stop_reason":"refusal"}}`), dialect.EventFinish},
		{event(`{"type":"a_new_event","x":1}`), dialect.EventNote},
		{event(`{"type":"error","error":{"type":"api_error","message":"x"}}`), dialect.EventError},
		{event(`{"error":{"message":"x"}}`), dialect.EventError},
		{"event: error\ndata: {\"message\":\"x\"}\n\n", dialect.EventError},
		{event(`{"type":"message_start","error":null}`), dialect.EventNote},
		{event(`{"type":`), dialect.EventMalformed},
		{event(`[DONE]`), dialect.EventMalformed},
		{event(`null`), dialect.EventMalformed},
		{event(``), dialect.EventPing},
		{event(`{"type":5}`), dialect.EventNote},
		{"data: {\"type\":\ndata: \"ping\"}\n\n", dialect.EventPing},
	} {
		r := Dialect{}.NewReader(&dialect.Request{})
		if got := r.Event([]byte(c.raw)).Kind; got != c.kind {
			t.Errorf("%q is %c, want %c", c.raw, letters[got], letters[c.kind])
		}
	}
}

// An error's payload is handed over for classifying.
func TestEventData(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	const data = `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
	if ev := r.Event([]byte("event: error\n" + event(data))); string(ev.Data) != data {
		t.Errorf("the data is %q", ev.Data)
	}
}

func TestUsage(t *testing.T) {
	start := func(u string) string { return event(`{"type":"message_start","message":{"usage":` + u + `}}`) }
	delta := func(u string) string { return event(`{"type":"message_delta","delta":{},"usage":` + u + `}`) }
	for _, c := range []struct {
		name   string
		stream []string
		want   domain.Usage
	}{
		{"nothing", nil, domain.Usage{}},
		{"null", []string{start("null"), delta("null")}, domain.Usage{}},
		{"empty", []string{start("{}")}, domain.Usage{}},
		{"all null", []string{start(`{"input_tokens":null,"output_tokens":null}`)}, domain.Usage{}},
		{"the three parts of a prompt are disjoint", []string{start(`{"input_tokens":3,"cache_read_input_tokens":50,"cache_creation_input_tokens":7,"output_tokens":1}`)}, domain.Usage{Input: 3, CacheRead: 50, CacheWrite5m: 7, Output: 1, Reported: true}},
		{"split by lifetime", []string{start(`{"input_tokens":3,"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":500}}`)}, domain.Usage{Input: 3, CacheWrite5m: 200, CacheWrite1h: 500, Reported: true}},
		{"split before its sum", []string{start(`{"cache_creation":{"ephemeral_1h_input_tokens":500,"ephemeral_5m_input_tokens":200},"cache_creation_input_tokens":700}`)}, domain.Usage{CacheWrite5m: 200, CacheWrite1h: 500, Reported: true}},
		{"a split that leaves tokens out", []string{start(`{"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_1h_input_tokens":500}}`)}, domain.Usage{CacheWrite1h: 700, Reported: true}},
		{"a split without a sum", []string{start(`{"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":500}}`)}, domain.Usage{CacheWrite1h: 500, Reported: true}},
		{"a null split", []string{start(`{"cache_creation_input_tokens":700,"cache_creation":null}`)}, domain.Usage{CacheWrite5m: 700, Reported: true}},
		{"deltas are cumulative", []string{start(`{"input_tokens":10,"output_tokens":1}`), delta(`{"output_tokens":20}`), delta(`{"output_tokens":35}`)}, domain.Usage{Input: 10, Output: 35, Reported: true}},
		{"a delta repeats the prompt", []string{start(`{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}`), delta(`{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":20}`)}, domain.Usage{Input: 10, CacheRead: 5, Output: 20, Reported: true}},
		{"a delta raises the prompt", []string{start(`{"input_tokens":10,"output_tokens":1}`), delta(`{"input_tokens":900,"output_tokens":20}`)}, domain.Usage{Input: 900, Output: 20, Reported: true}},
		// Relays write zeros into message_delta, which wiped what message_start had said; and a total that
		// grew turned all the hour's tokens into five minutes'.
		{"a delta of zeros wipes nothing", []string{
			start(`{"input_tokens":12,"cache_read_input_tokens":50,"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":500},"output_tokens":1}`),
			delta(`{"input_tokens":0,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":9,"output_tokens_details":{"thinking_tokens":0}}`),
		}, domain.Usage{Input: 12, CacheRead: 50, CacheWrite5m: 200, CacheWrite1h: 500, Output: 9, Reported: true}},
		{"a total that grows stays the hour's", []string{start(`{"cache_creation_input_tokens":500,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":500}}`), delta(`{"cache_creation_input_tokens":700,"output_tokens":9}`)}, domain.Usage{CacheWrite1h: 700, Output: 9, Reported: true}},
		{"a total that grows beside both", []string{start(`{"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":500}}`), delta(`{"cache_creation_input_tokens":800}`)}, domain.Usage{CacheWrite5m: 300, CacheWrite1h: 500, Reported: true}},
		{"a split that comes later", []string{start(`{"cache_creation_input_tokens":700}`), delta(`{"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":700},"output_tokens":9}`)}, domain.Usage{CacheWrite1h: 700, Output: 9, Reported: true}},
		{"a delta keeps the split", []string{start(`{"cache_creation_input_tokens":700,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":500}}`), delta(`{"cache_creation_input_tokens":700,"output_tokens":9}`)}, domain.Usage{CacheWrite5m: 200, CacheWrite1h: 500, Output: 9, Reported: true}},
		{"a delta without figures takes none away", []string{start(`{"input_tokens":10,"output_tokens":1}`), delta(`{"output_tokens":null,"input_tokens":null}`)}, domain.Usage{Input: 10, Output: 1, Reported: true}},
		{"thinking is a part of the output", []string{delta(`{"output_tokens":50,"output_tokens_details":{"thinking_tokens":40}}`)}, domain.Usage{Output: 50, Reasoning: 40, Reported: true}},
		{"thinking under its other name", []string{delta(`{"output_tokens":50,"output_tokens_details":{"reasoning_tokens":40}}`)}, domain.Usage{Output: 50, Reasoning: 40, Reported: true}},
		{"odd figures", []string{start(`{"input_tokens":-5,"output_tokens":1.5,"cache_read_input_tokens":"7"}`)}, domain.Usage{Reported: true}},
		{"no object", []string{start(`[1]`), start(`"x"`), start(`5`)}, domain.Usage{}},
	} {
		r := Dialect{}.NewReader(&dialect.Request{})
		for _, e := range c.stream {
			r.Event([]byte(e))
		}
		if got := r.Usage(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// drawEvent draws an event near those of real streams. Mutation of an event that has been drawn before
// is what a pattern has to withstand.
func drawEvent(t *rapid.T, before []string) string {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{`""`, `"a"`, `" word"`, `"\""`, `"\\"`, `"\\\""`, `"\"}}\n\ndata: "`, `"\u00e9\ud83d\ude00"`, `"é"`, `"usage"`, `null`, "\"a\nb\"", "\"a\nevent: error\ndata: b\"", `"a"b"`, `{"x":1}`, `7`}),
		rapid.Map(rapid.StringN(0, 12, -1), func(s string) string { return string(dialect.AppendString(nil, s)) }),
	)
	if len(before) > 0 && rapid.IntRange(0, 3).Draw(t, "mutate") == 0 {
		s := before[rapid.IntRange(0, len(before)-1).Draw(t, "which")]
		at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		with := rapid.SampledFrom([]string{"", `"`, `\`, "x", " ", "}", "\n", "1", `","text":"`}).Draw(t, "with")
		end := min(len(s), at+rapid.IntRange(0, 3).Draw(t, "cut"))
		s = s[:at] + with + s[end:]
		if n := dialect.EndOfEvent([]byte(s)); n > 0 {
			return s[:n]
		}
		return s + "\n\n"
	}
	index := rapid.IntRange(0, 1).Draw(t, "index")
	kind := rapid.SampledFrom([]string{"text", "text", "text", "thinking", "partial_json", "start", "stop", "ping", "delta", "end", "error", "other"}).Draw(t, "kind")
	var data string
	switch kind {
	case "start":
		typ := rapid.SampledFrom([]string{"text", "thinking", "tool_use", "redacted_thinking", "server_tool_use"}).Draw(t, "block")
		data = fmt.Sprintf(`{"type":"content_block_start","index":%d,"content_block":{"type":"%s"}}`, index, typ)
	case "stop":
		data = fmt.Sprintf(`{"type":"content_block_stop","index":%d}`, index)
	case "ping":
		data = `{"type":"ping"}`
	case "delta":
		data = fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":%s},"usage":{"output_tokens":%d}}`, rapid.SampledFrom([]string{"null", `"end_turn"`}).Draw(t, "reason"), rapid.IntRange(0, 99).Draw(t, "tokens"))
	case "end":
		data = `{"type":"message_stop"}`
	case "error":
		data = `{"type":"error","error":{"type":"api_error"}}`
	case "other":
		data = rapid.SampledFrom([]string{`{}`, `{`, `[DONE]`, `{"error":{}}`, `5`}).Draw(t, "other")
	default:
		after := rapid.SampledFrom([]string{"", "", "", `,"usage":{"output_tokens":5}`, `,"type":"error"`, `,"error":{}`, `,"p":"abc"`}).Draw(t, "after")
		data = fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":{"type":"%s_delta","%s":%s}%s}`, index, kind, kind, text.Draw(t, "text"), after)
	}
	name := rapid.SampledFrom([]string{"", "", "event: content_block_delta\n", ": c\n", "event: error\n"}).Draw(t, "name")
	return name + "data: " + data + "\n\n"
}

// A pattern never changes what a stream means: a reader that forgets its pattern before every event
// finds the same.
func TestPatternChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fast, slow := &reader{}, &reader{}
		var events []string
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			raw := drawEvent(t, events)
			events = append(events, raw)
			slow.pattern = dialect.Pattern{}
			a, b := fast.Event([]byte(raw)), slow.Event([]byte(raw))
			if a.Kind != b.Kind || a.Cut != b.Cut || fast.usage != slow.usage || fast.finished != slow.finished || fast.open != slow.open || fast.ended != slow.ended {
				t.Fatalf("%q\nwith a pattern    %c cut %v inside %v %+v\nwithout a pattern %c cut %v inside %v %+v", raw,
					letters[a.Kind], a.Cut, fast.open, fast.usage, letters[b.Kind], b.Cut, slow.open, slow.usage)
			}
		}
	})
}

// The pattern is used: otherwise the property above holds for nothing.
func TestPatternMatches(t *testing.T) {
	r := &reader{}
	const raw = `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}` + "\n\n"
	r.Event(fmt.Appendf(nil, raw, "a"))
	if _, _, ok := r.pattern.Match(fmt.Appendf(nil, raw, "another")); !ok {
		t.Error("a delta of the same block is not recognised")
	}
	one := fmt.Appendf(nil, raw, "another")
	if n := testing.AllocsPerRun(100, func() { r.Event(one) }); n != 0 {
		t.Errorf("%v allocations for a delta", n)
	}
}

func FuzzEvent(f *testing.F) {
	for _, name := range []string{"stream_agent.sse", "stream_server_tool.sse", "stream_error.sse", "stream_relayed.sse"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte("event: x\ndata: {\"type\":1,\"delta\":2,\"content_block\":[],\"message\":0,\"usage\":\"\"}\n\ndata\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		before := bytes.Clone(stream)
		fast, slow := &reader{}, &reader{}
		for b := stream; len(b) > 0; {
			n := dialect.EndOfEvent(b)
			if n == 0 {
				n = len(b)
			}
			slow.pattern = dialect.Pattern{}
			x, y := fast.Event(b[:n]), slow.Event(b[:n])
			if x.Kind != y.Kind || x.Cut != y.Cut || fast.usage != slow.usage || fast.finished != slow.finished || fast.open != slow.open {
				t.Fatalf("%q: a pattern changes what it means", b[:n])
			}
			if int(x.Kind) >= len(letters) || x.Cut.End > n || x.Cut.Start > x.Cut.End {
				t.Fatalf("%q: %+v", b[:n], x)
			}
			b = b[n:]
		}
		if u := fast.Usage(); u.Input < 0 || u.Output < 0 || u.CacheWrite5m < 0 || u.CacheWrite1h < 0 {
			t.Fatalf("%q: %+v", stream, u)
		}
		if !bytes.Equal(stream, before) {
			t.Fatal("the stream was changed")
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	raw := []byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" a few words\"}}\n\n")
	for _, pattern := range []bool{true, false} {
		b.Run(fmt.Sprintf("pattern=%v", pattern), func(b *testing.B) {
			r := &reader{}
			b.ReportAllocs()
			for b.Loop() {
				if !pattern {
					r.pattern = dialect.Pattern{}
				}
				if r.Event(raw).Kind != dialect.EventContent {
					b.Fatal("no content")
				}
			}
		})
	}
}
