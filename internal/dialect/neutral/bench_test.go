package neutral_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
)

// agentRequest is an agent's turn in the neutral form: instructions, tools, and a conversation of calls and results
// whose texts are code, about size bytes in all.
func agentRequest(size int) *neutral.Request {
	code := strings.Repeat("\tif err := s.write(ctx, \"row\"); err != nil {\n\t\treturn fmt.Errorf(\"write: %w\", err) // größer\n\t}\n", 20)
	r := &neutral.Request{Stream: true, MaxTokens: 4096, System: []neutral.Block{text("You are a careful engineer.")}}
	for i := range 8 {
		r.Tools = append(r.Tools, neutral.Tool{Name: fmt.Sprintf("tool_%d", i), Description: strings.Repeat("Reads a file. ", 20),
			Schema: []byte(`{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}`)})
	}
	r.Turns = append(r.Turns, neutral.Turn{Role: neutral.User, Blocks: []neutral.Block{text("Mend the writer.")}})
	for n := 0; n < size; n += len(code) {
		c, res := call(fmt.Sprintf("call_%d", n)), result(fmt.Sprintf("call_%d", n))
		c.Name, c.Args = "tool_1", []byte(`{"path":"store/write.go"}`)
		res.Name, res.Content = "tool_1", []neutral.Block{text(code)}
		r.Turns = append(r.Turns, neutral.Turn{Role: neutral.Assistant, Blocks: []neutral.Block{c}}, neutral.Turn{Role: neutral.User, Blocks: []neutral.Block{res}})
	}
	return r
}

// What translation adds before the first byte goes upstream, as the gateway does it.
func BenchmarkTranslate(b *testing.B) {
	for _, size := range []int{1, 200} {
		for _, from := range speakers {
			r := agentRequest(size << 10)
			r.Model, r.From = from.model, from.ID()
			body := from.EncodeRequest(r, neutral.NewNotes(from.ID(), from.Table()))
			for _, to := range speakers {
				if to.ID() == from.ID() {
					continue
				}
				b.Run(fmt.Sprintf("%dKB/%s/%s", size, from.ID(), to.ID()), func(b *testing.B) {
					b.SetBytes(int64(len(body)))
					b.ReportAllocs()
					for b.Loop() {
						if !json.Valid(body) {
							b.Fatal("not valid")
						}
						q, err := from.DecodeRequest(body, dialect.Route{Model: from.model, Verb: "streamGenerateContent"})
						if err != nil {
							b.Fatal(err)
						}
						q.Model, q.Size = to.model, len(body)
						q, _ = neutral.FitNames(q, to.ID())
						notes := neutral.NewNotes(to.ID(), to.Table())
						out := to.EncodeRequest(q, notes)
						if notes.Err() != nil || len(out) < len(body)/2 {
							b.Fatal(notes.Err())
						}
					}
				})
			}
		}
	}
}

// What translation adds to the first token: everything from the stream's begin on to the caller's first event with content, with the
// decoder and the encoder made anew, as the gateway does it for each stream. The request behind it is an agent's.
func BenchmarkFirstContent(b *testing.B) {
	const word = "Grüße"
	for _, from := range speakers {
		answer := &neutral.Answer{ID: "x", Model: "m", Finish: neutral.FinishStop, Blocks: []neutral.Block{text(word + " to all.")}}
		events, err := neutraltest.Split(neutraltest.Encode(from.NewEncoder(&neutral.Session{RequestID: "01K9Z3V8Q4T6", Model: "m", Now: 1}), answer))
		if err != nil {
			b.Fatal(err)
		}
		for _, to := range speakers {
			if to.ID() == from.ID() {
				continue
			}
			s := &neutral.Session{Request: agentRequest(200 << 10), RequestID: "01K9Z3V8Q4T6", Model: "m", Now: 1}
			var out []byte
			first := func() int { // how many events it takes
				out = out[:0]
				d, e := from.NewDecoder(), to.NewEncoder(s)
				take := func(ev *neutral.Event) { out = e.Append(out, ev) }
				for i, raw := range events {
					if err := d.Event(raw, take); err != nil {
						b.Fatal(err)
					}
					if bytes.Contains(out, []byte(word)) {
						return i + 1
					}
				}
				b.Fatal("no content comes")
				return 0
			}
			n := first()
			b.Run(fmt.Sprintf("%s/%s", from.ID(), to.ID()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if first() != n {
						b.Fatal("another event has it")
					}
				}
			})
		}
	}
}
