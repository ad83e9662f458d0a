package openai

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

// relayed is what the caller gets of an event.
func relayed(raw []byte, ev dialect.Event) []byte {
	if ev.Kind == dialect.EventHidden {
		return nil
	}
	return append(bytes.Clone(raw[:ev.Cut.Start]), raw[ev.Cut.End:]...)
}

func TestStream(t *testing.T) {
	stated := domain.Usage{Input: 128, CacheRead: 1920, Output: 300, Reasoning: 128, Reported: true}
	for _, c := range []struct {
		file     string
		hide     bool
		kinds    string
		open     string // n none, t text, h thinking, o tool, after each event
		usage    domain.Usage
		finished bool
		relayed  string // another file; empty: the stream as it is
	}{
		{"stream_text.sse", false, ".ccccFE", "nttttnn", domain.Usage{}, true, ""},
		{"stream_text.sse", true, ".ccccFE", "nttttnn", domain.Usage{}, true, ""},
		{"stream_text_usage.sse", false, ".ccccF.E", "nttttnnn", stated, true, ""},
		{"stream_text_usage.sse", true, ".ccccFhE", "nttttnnn", stated, true, "stream_text.sse"},
		{"stream_tools.sse", false, "cccccF.E", "ooooonnn", stated, true, ""},
		{"stream_two_choices.sse", false, "..ccFcFE", "nnttntnn", domain.Usage{}, true, ""},
		{"stream_reasoner.sse", true, "p.ccccFE", "nnhhttnn", domain.Usage{Input: 6, Output: 40, Reasoning: 36, Reported: true}, true, "stream_reasoner_hidden.sse"},
		{"stream_error.sse", false, ".c!", "ntt", domain.Usage{}, false, ""},
	} {
		t.Run(fmt.Sprint(c.file, c.hide), func(t *testing.T) {
			stream := golden(t, c.file)
			r := Dialect{}.NewReader(&dialect.Request{HideUsage: c.hide})
			var kinds, open strings.Builder
			var out []byte
			for _, raw := range split(t, stream) {
				ev := r.Event(raw)
				kinds.WriteByte(letters[ev.Kind])
				open.WriteByte("ntho"[r.Open()])
				out = append(out, relayed(raw, ev)...)
			}
			if kinds.String() != c.kinds || open.String() != c.open {
				t.Errorf("events %s inside %s,\nwant   %s inside %s", kinds.String(), open.String(), c.kinds, c.open)
			}
			if r.Usage() != c.usage || r.Finished() != c.finished {
				t.Errorf("usage %+v, finished %v; want %+v, %v", r.Usage(), r.Finished(), c.usage, c.finished)
			}
			want := stream
			if c.relayed != "" {
				want = golden(t, c.relayed)
			}
			if !bytes.Equal(out, want) {
				t.Errorf("the caller gets\n%s\nwant\n%s", out, want)
			}
		})
	}
}

// An answer with several choices is whole only when all of them are.
func TestFinished(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	choice := func(i int, finish string) {
		r.Event(fmt.Appendf(nil, "data: {\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"x\"},\"finish_reason\":%s}]}\n\n", i, finish))
	}
	if r.Finished() {
		t.Fatal("nothing has begun")
	}
	for i := range 3 {
		choice(i, "null")
	}
	for i, want := range []bool{false, false, true} {
		choice(2-i, `"stop"`)
		if r.Finished() != want {
			t.Errorf("finished is %v after %d of 3", r.Finished(), i+1)
		}
	}
	choice(200, "null")
	if r.Finished() {
		t.Error("one more choice has begun")
	}
	choice(99, `"length"`)
	if !r.Finished() {
		t.Error("choices past the last bit share it")
	}
}

func TestClosing(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	closing := r.Closing()
	if dialect.EndOfEvent(closing) != len(closing) || r.Event(closing).Kind != dialect.EventEnd {
		t.Errorf("%q does not end a stream", closing)
	}
	if again := r.Closing(); again != nil {
		t.Errorf("an ended stream is ended again with %q", again)
	}
}

func TestEvent(t *testing.T) {
	delta := func(d string) string { return `{"choices":[{"index":0,"delta":` + d + `,"finish_reason":null}]}` }
	for _, c := range []struct {
		data string
		kind dialect.EventKind
		open dialect.Open
	}{
		{delta(`{"role":"assistant","content":""}`), dialect.EventNote, dialect.OpenNone},
		{delta(`{"role":"assistant"}`), dialect.EventNote, dialect.OpenNone},
		{delta(`{}`), dialect.EventNote, dialect.OpenNone},
		{delta(`null`), dialect.EventNote, dialect.OpenNone},
		{delta(`[]`), dialect.EventNote, dialect.OpenNone},
		{delta(`{"content":"x"}`), dialect.EventContent, dialect.OpenText},
		{delta(`{"content":null,"refusal":"no"}`), dialect.EventContent, dialect.OpenText},
		{delta(`{"audio":{"data":"AA=="}}`), dialect.EventContent, dialect.OpenText},
		{delta(`{"content":"","reasoning_content":"x"}`), dialect.EventContent, dialect.OpenThinking},
		{delta(`{"reasoning":"x","reasoning_details":[{"text":"x"}]}`), dialect.EventContent, dialect.OpenThinking},
		{delta(`{"tool_calls":[{"index":0,"id":"c"}]}`), dialect.EventContent, dialect.OpenTool},
		{delta(`{"tool_calls":[]}`), dialect.EventNote, dialect.OpenNone},
		{delta(`{"function_call":{"name":"f"}}`), dialect.EventContent, dialect.OpenTool},
		{`{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}`, dialect.EventFinish, dialect.OpenNone},
		{`{"choices":[{"delta":{"content":"x"},"finish_reason":""}]}`, dialect.EventContent, dialect.OpenText},
		{`{"choices":[{"finish_reason":"content_filter"}]}`, dialect.EventFinish, dialect.OpenNone},
		{`{"choices":[]}`, dialect.EventNote, dialect.OpenNone},
		{`{"choices":[],"prompt_filter_results":[{}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"choices":null}`, dialect.EventNote, dialect.OpenNone},
		{`{"choices":[null,5,"x",{}]}`, dialect.EventNote, dialect.OpenNone},
		{`{}`, dialect.EventNote, dialect.OpenNone},
		{`{"error":{"message":"x"}}`, dialect.EventError, dialect.OpenNone},
		{`{"error":null,"choices":[{"delta":{"content":"x"}}]}`, dialect.EventContent, dialect.OpenText},
		{`[DONE]`, dialect.EventEnd, dialect.OpenNone},
		{`[DONE] `, dialect.EventMalformed, dialect.OpenNone},
		{`{"choices":[`, dialect.EventMalformed, dialect.OpenNone},
		{``, dialect.EventPing, dialect.OpenNone},
		{`null`, dialect.EventMalformed, dialect.OpenNone},
	} {
		r := Dialect{}.NewReader(&dialect.Request{})
		if got := r.Event([]byte("data: " + c.data + "\n\n")).Kind; got != c.kind || r.Open() != c.open {
			t.Errorf("%s is %c inside %v, want %c inside %v", c.data, letters[got], r.Open(), letters[c.kind], c.open)
		}
	}
	r := Dialect{}.NewReader(&dialect.Request{})
	if ev := r.Event([]byte(": OPENROUTER PROCESSING\n\n")); ev.Kind != dialect.EventPing {
		t.Errorf("a comment is %c", letters[ev.Kind])
	}
	if ev := r.Event([]byte("event: error\ndata: {\"message\":\"x\"}\n\n")); ev.Kind != dialect.EventError || string(ev.Data) != `{"message":"x"}` {
		t.Errorf("an error under its name is %c %q", letters[ev.Kind], ev.Data)
	}
}

// What Turnout asked for and the caller did not is taken out, and what is left is JSON with
// everything else in it.
func TestHideUsage(t *testing.T) {
	for data, want := range map[string]string{
		`{"choices":[{"delta":{"content":"x"}}],"usage":null}`:             `{"choices":[{"delta":{"content":"x"}}]}`,
		`{"usage":null,"choices":[{"delta":{"content":"x"}}]}`:             `{"choices":[{"delta":{"content":"x"}}]}`,
		`{"id":"1","usage":null,"choices":[]}`:                             `{"id":"1","choices":[]}`,
		`{"usage":null}`:                                                   `{}`,
		`{ "id" : "1" , "usage" : null , "choices" : [] }`:                 `{ "id" : "1"  , "choices" : [] }`,
		`{ "usage" : null , "choices" : [] }`:                              `{  "choices" : [] }`,
		`{ "usage" : null }`:                                               `{  }`,
		`{"choices":[{"delta":{"content":"\"usage\":null"}}]}`:             `{"choices":[{"delta":{"content":"\"usage\":null"}}]}`,
		`{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`: ``,
		// Makers that state it beside a choice: it went on to callers that had not asked.
		`{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}`:                       `{"choices":[{"delta":{}}]}`,
		`{"usage":{"prompt_tokens":1},"choices":[{"delta":{"content":"x"}}],"id":"1"}`: `{"choices":[{"delta":{"content":"x"}}],"id":"1"}`,
		`{"choices":[{"delta":{"content":"x"}}],"usage":null,"obfuscation":"a"}`:       `{"choices":[{"delta":{"content":"x"}}],"obfuscation":"a"}`,
		`{"choices":[],"error":null}`:                                                  `{"choices":[],"error":null}`,
	} {
		raw := []byte("data: " + data + "\n\n")
		hiding, plain := Dialect{}.NewReader(&dialect.Request{HideUsage: true}), Dialect{}.NewReader(&dialect.Request{})
		got := relayed(raw, hiding.Event(raw))
		if want != "" {
			want = "data: " + want + "\n\n"
		}
		if string(got) != want {
			t.Errorf("%s\nis passed on as %q,\nwant %q", data, got, want)
		}
		if ev := plain.Event(raw); ev.Cut.Present() || ev.Kind == dialect.EventHidden {
			t.Errorf("%s is cut for a caller that asked for usage", data)
		}
		if hiding.Usage() != plain.Usage() {
			t.Errorf("%s: what is hidden is not read", data)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name, usage string
		want        domain.Usage
	}{
		{"null", `null`, domain.Usage{}},
		{"no object", `5`, domain.Usage{}},
		{"plain", `{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}`, domain.Usage{Input: 10, Output: 4, Reported: true}},
		{"the prompt includes what was cached", `{"prompt_tokens":2048,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1920}}`, domain.Usage{Input: 128, CacheRead: 1920, Output: 4, Reported: true}},
		{"the details first", `{"prompt_tokens_details":{"cached_tokens":1920},"prompt_tokens":2048}`, domain.Usage{Input: 128, CacheRead: 1920, Reported: true}},
		{"written to the cache", `{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}`, domain.Usage{Input: 10, CacheRead: 60, CacheWrite5m: 30, Reported: true}},
		{"the output includes the reasoning", `{"prompt_tokens":1,"completion_tokens":300,"completion_tokens_details":{"reasoning_tokens":128}}`, domain.Usage{Input: 1, Output: 300, Reasoning: 128, Reported: true}},
		{"more cached than there was", `{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":25,"cache_write_tokens":5}}`, domain.Usage{CacheRead: 10, Reported: true}},
		{"more written than there was", `{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":50}}`, domain.Usage{CacheRead: 4, CacheWrite5m: 6, Reported: true}},
		{"null details", `{"prompt_tokens":10,"prompt_tokens_details":null,"completion_tokens_details":null}`, domain.Usage{Input: 10, Reported: true}},
		{"odd figures", `{"prompt_tokens":-1,"completion_tokens":"7","prompt_tokens_details":{"cached_tokens":1.5}}`, domain.Usage{Reported: true}},
	} {
		body := `{"choices":[],"usage":` + c.usage + `}`
		r := Dialect{}.NewReader(&dialect.Request{})
		r.Event([]byte("data: " + body + "\n\n"))
		if got := r.Usage(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if got := (Dialect{}).Whole([]byte(body)).Usage; got != c.want {
			t.Errorf("%s, whole: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// drawEvent draws an event near those of real streams. Mutation of an event that has been drawn before
// is what a pattern has to withstand.
func drawEvent(t *rapid.T, before []string) string {
	if len(before) > 0 && rapid.IntRange(0, 3).Draw(t, "mutate") == 0 {
		s := before[rapid.IntRange(0, len(before)-1).Draw(t, "which")]
		at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		with := rapid.SampledFrom([]string{"", `"`, `\`, "x", " ", "}", "\n", "1", `","content":"`}).Draw(t, "with")
		end := min(len(s), at+rapid.IntRange(0, 3).Draw(t, "cut"))
		s = s[:at] + with + s[end:]
		if n := dialect.EndOfEvent([]byte(s)); n > 0 {
			return s[:n]
		}
		return s + "\n\n"
	}
	text := rapid.OneOf(
		rapid.SampledFrom([]string{`""`, `"a"`, `" word"`, `"\""`, `"\\"`, `"\\\""`, `"\"}}],\"usage\":null}"`, `"\u00e9\ud83d\ude00"`, `"é"`, `"usage"`, `null`, "\"a\nb\"", "\"a\nevent: error\ndata: b\"", `"a"b"`, `{"x":1}`, `7`}),
		rapid.Map(rapid.StringN(0, 12, -1), func(s string) string { return string(dialect.AppendString(nil, s)) }),
	)
	choice := func(n int) string {
		name := rapid.SampledFrom([]string{"content", "content", "content", "reasoning_content", "refusal", "role", "x"}).Draw(t, "name")
		delta := fmt.Sprintf(`{"%s":%s}`, name, text.Draw(t, "text"))
		switch rapid.IntRange(0, 9).Draw(t, "delta") {
		case 0:
			delta = `{"tool_calls":[{"index":0,"function":{"arguments":` + text.Draw(t, "text") + `}}]}`
		case 1:
			delta = `{"role":"assistant",` + delta[1:]
		case 2:
			delta = delta[:len(delta)-1] + `,"role":"assistant"}`
		case 3:
			delta = `{}`
		}
		finish := rapid.SampledFrom([]string{"null", "null", "null", "null", `"stop"`}).Draw(t, "finish")
		if rapid.IntRange(0, 3).Draw(t, "order") == 0 {
			return fmt.Sprintf(`{"delta":%s,"finish_reason":%s,"index":%d}`, delta, finish, n)
		}
		return fmt.Sprintf(`{"index":%d,"delta":%s,"logprobs":null,"finish_reason":%s}`, n, delta, finish)
	}
	var choices []string
	for n := range rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "choices") {
		choices = append(choices, choice(n+rapid.SampledFrom([]int{0, 0, 0, 1, 70}).Draw(t, "index")))
	}
	usage := func() string {
		return rapid.SampledFrom([]string{`"usage":null`, `"usage":null`, `"usage":{"prompt_tokens":5,"completion_tokens":1}`, `"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}`, `"usage":0`, ` "usage" : null `}).Draw(t, "usage")
	}
	data := `"choices":[` + strings.Join(choices, ",") + `]`
	switch rapid.IntRange(0, 7).Draw(t, "place") {
	case 0, 1, 2:
		data += "," + usage()
	case 3:
		data = usage() + "," + data
	case 4:
		data += "," + usage() + "," + usage()
	}
	data = `{"id":"1",` + data + rapid.SampledFrom([]string{"", "", "", `,"obfuscation":"ab"`, `,"obfuscation":"abc"`, `,"error":null`, `,"error":{}`, `,"choices":[]`}).Draw(t, "after") + "}"
	if rapid.IntRange(0, 12).Draw(t, "other") == 0 {
		data = rapid.SampledFrom([]string{`[DONE]`, `{}`, `{`, `{"error":{"message":"x"}}`, `5`, `{"usage":null}`}).Draw(t, "data")
	}
	name := rapid.SampledFrom([]string{"", "", "", "event: x\n", ": c\n", "event: error\n"}).Draw(t, "event")
	return name + "data: " + data + "\n\n"
}

func same(a, b *reader, x, y dialect.Event) bool {
	return x.Kind == y.Kind && x.Cut == y.Cut && a.usage == b.usage && a.open == b.open && a.ended == b.ended && a.begun == b.begun && a.done == b.done
}

// A pattern never changes what a stream means: a reader that forgets its pattern before every event
// finds the same.
func TestPatternChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hide := rapid.Bool().Draw(t, "hide")
		fast, slow := &reader{hide: hide}, &reader{hide: hide}
		var events []string
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			raw := drawEvent(t, events)
			events = append(events, raw)
			slow.pattern = dialect.Pattern{}
			a, b := fast.Event([]byte(raw)), slow.Event([]byte(raw))
			if !same(fast, slow, a, b) {
				t.Fatalf("%q\nwith a pattern    %c cut %v inside %v %+v\nwithout a pattern %c cut %v inside %v %+v", raw,
					letters[a.Kind], a.Cut, fast.open, fast.usage, letters[b.Kind], b.Cut, slow.open, slow.usage)
			}
		}
	})
}

// Whatever is hidden from a caller that did not ask for usage: what it gets is as valid as what came.
func TestCutsLeaveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &reader{hide: true}
		var events []string
		for range rapid.IntRange(1, 15).Draw(t, "events") {
			raw := drawEvent(t, events)
			events = append(events, raw)
			ev := r.Event([]byte(raw))
			_, before := dialect.Fields([]byte(raw))
			if !json.Valid(before) || ev.Kind == dialect.EventHidden || !ev.Cut.Present() {
				continue
			}
			_, after := dialect.Fields(relayed([]byte(raw), ev))
			if !json.Valid(after) {
				t.Fatalf("%q\nis passed on as %q", raw, after)
			}
			var a, b map[string]any
			_, _ = json.Unmarshal(before, &a), json.Unmarshal(after, &b)
			if u, ok := b["usage"]; ok && u == nil && strings.Count(raw, `"usage"`) == 1 {
				t.Fatalf("%q\nis passed on as %q, with the usage", raw, after)
			}
			delete(a, "usage")
			delete(b, "usage")
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			if !bytes.Equal(x, y) {
				t.Fatalf("%q\nis passed on as %q", raw, after)
			}
		}
	})
}

// Some makers state the usage so far with every chunk; the latest figures stand, also where they go
// back to what an earlier chunk said.
func TestUsageWithContent(t *testing.T) {
	r := &reader{}
	for _, n := range []int64{5, 5, 9, 5} {
		r.Event(fmt.Appendf(nil, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"completion_tokens\":%d}}\n\n", n))
		if r.Usage().Output != n {
			t.Errorf("%d tokens, the latest chunk says %d", r.Usage().Output, n)
		}
	}
}

// The pattern is used: otherwise the property above holds for nothing.
func TestPatternMatches(t *testing.T) {
	r := &reader{hide: true}
	const raw = `data: {"id":"1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}],"usage":null}` + "\n\n"
	r.Event(fmt.Appendf(nil, raw, "a"))
	one := fmt.Appendf(nil, raw, "another")
	if ev, _, ok := r.pattern.Match(one); !ok || !ev.Cut.Present() {
		t.Error("a delta of the same choice is not recognised")
	}
	if n := testing.AllocsPerRun(100, func() { r.Event(one) }); n != 0 {
		t.Errorf("%v allocations for a delta", n)
	}
}

func FuzzEvent(f *testing.F) {
	for _, name := range []string{"stream_text_usage.sse", "stream_tools.sse", "stream_reasoner.sse", "stream_two_choices.sse", "stream_error.sse"} {
		f.Add(golden(f, name), true)
	}
	f.Add([]byte("data: {\"choices\":[{\"index\":-1,\"delta\":5,\"finish_reason\":{}}],\"usage\":[]}\n\ndata\n\n"), false)
	f.Fuzz(func(t *testing.T, stream []byte, hide bool) {
		before := bytes.Clone(stream)
		fast, slow := &reader{hide: hide}, &reader{hide: hide}
		for b := stream; len(b) > 0; {
			n := dialect.EndOfEvent(b)
			if n == 0 {
				n = len(b)
			}
			slow.pattern = dialect.Pattern{}
			x, y := fast.Event(b[:n]), slow.Event(b[:n])
			if !same(fast, slow, x, y) {
				t.Fatalf("%q: a pattern changes what it means: %+v, %+v", b[:n], x, y)
			}
			if int(x.Kind) >= len(letters) || x.Cut.Start < 0 || x.Cut.End > n || x.Cut.Start > x.Cut.End {
				t.Fatalf("%q: %+v", b[:n], x)
			}
			b = b[n:]
		}
		if u := fast.Usage(); u.Input < 0 || u.Output < 0 || u.CacheRead < 0 || u.CacheWrite5m < 0 {
			t.Fatalf("%q: %+v", stream, u)
		}
		if !bytes.Equal(stream, before) {
			t.Fatal("the stream was changed")
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	raw := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1762300000,"model":"gpt-5.5","choices":[{"index":0,"delta":{"content":" a few words"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n")
	for _, pattern := range []bool{true, false} {
		b.Run(fmt.Sprintf("pattern=%v", pattern), func(b *testing.B) {
			r := &reader{hide: true}
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
