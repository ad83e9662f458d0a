package responses

import (
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// A request of 1 KB that came in another dialect, and one that came in this one.
func BenchmarkEncodeRequest(b *testing.B) {
	r := &neutral.Request{Model: "gpt-5.4", From: domain.DialectAnthropic, Stream: true, MaxTokens: 32000, System: []neutral.Block{{Text: strings.Repeat("The system. ", 40)}}}
	for range 4 {
		r.Turns = append(r.Turns, neutral.Turn{Blocks: []neutral.Block{{Text: strings.Repeat("The user. ", 8)}}},
			neutral.Turn{Role: neutral.Assistant, Blocks: []neutral.Block{{Text: "I see."}, {Kind: neutral.KindToolUse, ID: "toolu_1", Name: "a", Args: []byte(`{"x":1}`)}}},
			neutral.Turn{Blocks: []neutral.Block{{Kind: neutral.KindToolResult, ID: "toolu_1", Content: []neutral.Block{{Text: "one"}}}}})
	}
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(Dialect{}.EncodeRequest(r, notes()))))
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	body := golden(b, "request_opencode.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Dialect{}).DecodeRequest(body, dialect.Route{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeDelta(b *testing.B) {
	d := Dialect{}.NewDecoder()
	n := 0
	emit := func(*neutral.Event) { n++ }
	for _, raw := range []string{
		event1(`{"type":"response.output_item.added","output_index":1,"item":{"type":"message"}}`),
		event1(`{"type":"response.content_part.added","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}}`),
	} {
		if err := d.Event([]byte(raw), emit); err != nil {
			b.Fatal(err)
		}
	}
	raw := []byte(deltaEvent)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Event(raw, emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeDelta(b *testing.B) {
	e := newEncoder(session(nil))
	e.Append(nil, &neutral.Event{Kind: neutral.Started})
	e.Append(nil, &neutral.Event{Kind: neutral.Opened, Block: &neutral.Block{}})
	ev := &neutral.Event{Kind: neutral.Added, Text: []byte(`" turnout"`)}
	out := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		if e.block.text.Len() > 1<<20 {
			e.block.text.Reset()
		}
		out = e.Append(out[:0], ev)
	}
}
