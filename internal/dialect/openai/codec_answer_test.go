package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

func answering(usage bool) *neutral.Session {
	return &neutral.Session{Request: &neutral.Request{ShowUsage: usage}, RequestID: "01J", Model: "gpt-5.5", Now: 1_762_300_000}
}

var answerFiles = []string{"answer_tools.json", "answer_reasoner.json", "answer_refusal.json"}

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
	for _, body := range []string{``, `[]`, `{}`, `{"choices":[]}`, `{"choices":[{}]}`, `{"choices":[{"message":"x"}]}`, `{"choices":[{"message":{}}]`, `{"choices":[{"message":{"tool_calls":[5]}}]}`} {
		if a, err := (Dialect{}).DecodeAnswer([]byte(body)); err == nil {
			t.Errorf("%s is taken for an answer: %s", body, neutraltest.DumpAnswer(a))
		}
	}
}

// A text that is not quite UTF-8 is not lost.
func TestDecodeMendedAnswer(t *testing.T) {
	a, err := Dialect{}.DecodeAnswer([]byte("{\"choices\":[{\"message\":{\"content\":\"a\xffb\"}}]}"))
	if err != nil || len(a.Blocks) != 1 || a.Blocks[0].Text != "a\uFFFDb" {
		t.Errorf("%+v, %v", a, err)
	}
}

// foreign are answers of other dialects that have something which this one shows in its own way.
var foreign = []struct {
	name string
	a    neutral.Answer
}{
	{"text of Claude", neutral.Answer{
		ID: "msg_1", Finish: neutral.FinishStop, Tier: "default",
		Usage: domain.Usage{Input: 3, CacheRead: 4, CacheWrite5m: 5, CacheWrite1h: 6, Output: 7, Reasoning: 2, Reported: true},
		Blocks: []neutral.Block{
			{Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Text: "hm", Signature: "EqQB"},
			{Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Redacted: true, Signature: "EmwK"},
			{Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Text: "and", Signature: "EqQC"},
			{Kind: neutral.KindText, Text: "Né\n"},
			{Kind: neutral.KindOpaque, Origin: domain.DialectAnthropic, Type: "server_tool_use", Raw: []byte(`{}`)},
			{Kind: neutral.KindText, Text: "\"It\" 🙂", Citations: []neutral.Citation{{URL: "https://e", Title: "E", Document: -1}, {Title: "of a document", Document: 1}, {URL: "https://f", Start: 1, End: 3, Document: -1}}},
		},
	}},
	{"calls", neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{
		{Kind: neutral.KindToolUse, ID: "toolu_1", Name: "x", Args: []byte(`{"a": "b"}`)}, {Kind: neutral.KindToolUse, Name: "y"},
		{Kind: neutral.KindToolUse, ID: "call_3", Name: "patch", Custom: true, Text: "p\n"},
		{Kind: neutral.KindToolUse, ID: "call_4", Name: "z", Args: []byte(`{}`), Signature: "c2ln", Origin: domain.DialectGeminiContent},
	}}},
	{"said to be done", neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "a", Name: "x"}}}},
	{"refusal", neutral.Answer{Finish: neutral.FinishRefusal, Blocks: []neutral.Block{{Kind: neutral.KindRefusal, Text: "No."}}}},
	{"a stop sequence", neutral.Answer{Finish: neutral.FinishSequence, Stopped: "END", Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "x"}}}},
	{"a full context", neutral.Answer{Finish: neutral.FinishContext}},
	{"a limit", neutral.Answer{Finish: neutral.FinishLength}},
	{"a pause", neutral.Answer{Finish: neutral.FinishPause}},
	{"nothing said of the end", neutral.Answer{Created: 5, ID: "chatcmpl-9", Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "x"}}}},
}

func TestEncodeAnswer(t *testing.T) {
	var out bytes.Buffer
	for _, file := range answerFiles {
		a, err := Dialect{}.DecodeAnswer(golden(t, file))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "== %s\n%s\n", file, Dialect{}.EncodeAnswer(a, answering(false)))
	}
	for i := range foreign {
		body := Dialect{}.EncodeAnswer(&foreign[i].a, answering(false))
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
		for _, usage := range []bool{false, true} {
			if usage && i > 0 {
				continue
			}
			stream := neutraltest.Encode(Dialect{}.NewEncoder(answering(usage)), &foreign[i].a)
			sdk(t, stream)
			fmt.Fprintf(&out, "== %s, usage %v\n%s", foreign[i].name, usage, stream)
		}
	}
	neutraltest.Golden(t, "encode_streams.txt", out.Bytes())
}

// sdk reads a stream as the SDK and the gateway's own reader do.
func sdk(t *testing.T, stream []byte) {
	t.Helper()
	events, err := neutraltest.Split(stream)
	if err != nil {
		t.Error(err)
	}
	r := Dialect{}.NewReader(&dialect.Request{})
	ended := false
	for i, raw := range events {
		if k := r.Event(raw).Kind; k == dialect.EventMalformed || k == dialect.EventError || ended {
			t.Errorf("malformed, or after the end: %s", raw)
		}
		_, data := dialect.Fields(raw)
		if string(data) == "[DONE]" {
			ended = true
			continue
		}
		var chunk struct {
			ID, Object, Model string
			Choices           []struct{ Delta map[string]any }
		}
		if err := json.Unmarshal(data, &chunk); err != nil || chunk.ID == "" || chunk.Object != "chat.completion.chunk" || chunk.Model == "" || chunk.Choices == nil {
			t.Errorf("%v: %s", err, raw)
		}
		if i == 0 && chunk.Choices[0].Delta["role"] != "assistant" {
			t.Errorf("the first chunk has no role: %s", raw)
		}
	}
	if !ended || !r.Finished() {
		t.Errorf("the stream has no end: %s", stream)
	}
}

// A caller's custom tool that stood as a function at another provider is called as what it is,
// in answers and in streams.
func TestCustomToolsComeBack(t *testing.T) {
	s := answering(false)
	s.Request.Tools = []neutral.Tool{{Name: "patch", Custom: true}, {Name: "read"}}
	a := &neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{
		{Kind: neutral.KindToolUse, ID: "a", Name: "patch", Args: neutral.WrapInput("*** Begin \"Patch\"\n🙂")},
		{Kind: neutral.KindToolUse, ID: "b", Name: "read", Args: []byte(`{"input":"x"}`)},
		{Kind: neutral.KindToolUse, ID: "c", Name: "patch", Args: []byte(`not as it was told`)},
	}}
	const want = `  call id="a" name="patch" text="*** Begin \"Patch\"\n🙂" custom
  call id="b" name="read" args="{\"input\":\"x\"}"
  call id="c" name="patch" text="not as it was told" custom
`
	back, err := Dialect{}.DecodeAnswer(Dialect{}.EncodeAnswer(a, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := neutraltest.DumpAnswer(back); !strings.Contains(got, want) {
		t.Errorf("answer:\n%s", got)
	}
	var stream []byte
	e := Dialect{}.NewEncoder(s)
	s.Request = nil // it is gone once the stream has begun
	neutraltest.Pieces(a, 3, func(ev *neutral.Event) { stream = e.Append(stream, ev) })
	_, back, err = neutraltest.Decode(Dialect{}.NewDecoder(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if got := neutraltest.DumpAnswer(back); !strings.Contains(got, want) {
		t.Errorf("stream:\n%s", got)
	}
}

func TestDecodeStream(t *testing.T) {
	for _, file := range []string{"stream_text.sse", "stream_text_usage.sse", "stream_tools.sse", "stream_reasoner.sse", "stream_two_choices.sse", "stream_odd.sse"} {
		t.Run(file, func(t *testing.T) {
			dump, _, err := neutraltest.Decode(Dialect{}.NewDecoder(), golden(t, file))
			if err != nil {
				t.Fatal(err)
			}
			neutraltest.Golden(t, strings.Replace(file, ".sse", ".neutral.txt", 1), []byte(dump))
		})
	}
}

// What no translation can come of is an error.
func TestDecodeStreamErrors(t *testing.T) {
	chunk := func(delta string) string { return `data: {"id":"x","choices":[{"index":0,"delta":` + delta + "}]}\n\n" }
	call := func(index int, id string) string {
		return fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%q,"function":{"name":"f","arguments":"{"}}]}`, index, id)
	}
	var many strings.Builder
	for i := range 1200 {
		many.WriteString(chunk(call(i, fmt.Sprint("call_", i))))
	}
	for name, stream := range map[string]string{
		"an error":                   string(golden(t, "stream_error.sse")),
		"an error by its event":      "event: error\ndata: {\"message\":\"x\"}\n\n",
		"no JSON":                    "data: {\"id\":\n\n",
		"broken inside":              chunk(`{"content":tru}`),
		"a number instead of a text": chunk(`{"content":12345}`),
		"calls that are no list":     chunk(`{"tool_calls":{"a":1}}`),
		"a call that is no object":   chunk(`{"tool_calls":[12]}`),
		"a late delta of a call":     chunk(call(0, "a")) + chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`) + chunk(call(1, "b")) + chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`),
		"too much in turns":          chunk(call(0, "a")) + chunk(call(1, "b")) + strings.Repeat(chunk(`{"tool_calls":[{"index":1,"function":{"arguments":"`+strings.Repeat("x", 1<<20)+`"}}]}`), neutral.MaxKept>>20+1),
		"a call that a text cuts":    chunk(call(0, "a")) + chunk(`{"content":"x"}`) + chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`),
		"a chunk after the end":      "data: [DONE]\n\n" + chunk(`{"content":"x"}`),
		"too many calls":             many.String(),
		"a call without a name":      chunk(`{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}`),
	} {
		if dump, _, err := neutraltest.Decode(Dialect{}.NewDecoder(), []byte(stream)); err == nil {
			t.Errorf("%s is no error:\n%s", name, dump)
		}
	}
}

var carried = neutraltest.Options{From: own, Custom: true, Refusals: true, Citations: true}

// back brings an answer into the shape in which this dialect gives it back.
func back(a *neutral.Answer) *neutral.Answer {
	out := *a
	out.Blocks = slices.Clone(a.Blocks)
	for i := range out.Blocks {
		b := &out.Blocks[i]
		b.Citations = nil
		for _, c := range a.Blocks[i].Citations {
			c.Origin, c.Start, c.End = own, 0, len([]rune(b.Text))
			b.Citations = append(b.Citations, c)
		}
	}
	return &out
}

// bare is an answer without the raw citations, which are written anew.
func bare(a *neutral.Answer) string {
	for i := range a.Blocks {
		for k := range a.Blocks[i].Citations {
			a.Blocks[i].Citations[k].Raw = nil
		}
	}
	return neutraltest.DumpAnswer(a)
}

func generated(t *rapid.T) *neutral.Answer {
	a := neutraltest.Answers(carried).Draw(t, "answer")
	a.ID, a.Model, a.Created = "chatcmpl-1", "gpt-5.5", 1_762_300_000
	if rapid.Bool().Draw(t, "reasons") {
		a.Blocks = append([]neutral.Block{{Kind: neutral.KindReasoning, Origin: own, Text: "hm \"hm\"", Signature: reasoningContent}}, a.Blocks...)
	}
	return a
}

func TestAnswerProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := generated(t)
		got, err := Dialect{}.DecodeAnswer(Dialect{}.EncodeAnswer(a, answering(false)))
		if err != nil {
			t.Fatal(err)
		}
		if want, got := bare(back(a)), bare(got); want != got {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestStreamProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := generated(t)
		e := Dialect{}.NewEncoder(answering(true))
		var stream []byte
		neutraltest.Pieces(a, rapid.IntRange(1, 9).Draw(t, "pieces"), func(ev *neutral.Event) {
			if alive := e.KeepAlive(); alive != nil && rapid.Bool().Draw(t, "silence") {
				stream = append(stream, alive...)
			}
			stream = e.Append(stream, ev)
		})
		_, got, err := neutraltest.Decode(Dialect{}.NewDecoder(), stream)
		if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		if want, got := bare(back(a)), bare(got); want != got {
			t.Errorf("got:\n%s\nwant:\n%s\n%s", got, want, stream)
		}
	})
}

// Characters are counted as Unicode has them, however the text is escaped.
func TestCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		want := len([]rune(s))
		ascii, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var escaped []byte
		for _, r := range string(ascii) {
			switch {
			case r > 0xffff:
				escaped = fmt.Appendf(escaped, `\u%04x\u%04X`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			case r > 0x7e:
				escaped = fmt.Appendf(escaped, `\u%04X`, r)
			default:
				escaped = append(escaped, byte(r))
			}
		}
		if a, b := characters(ascii), characters(escaped); a != want || b != want {
			t.Errorf("%s has %d characters, and %s %d; want %d", ascii, a, escaped, b, want)
		}
	})
}

// Events in any order break neither the decoder nor its promise.
func TestDecodeConfusedStream(t *testing.T) {
	var streams [][]byte
	for _, file := range []string{"stream_text.sse", "stream_text_usage.sse", "stream_tools.sse", "stream_reasoner.sse", "stream_two_choices.sse", "stream_odd.sse"} {
		streams = append(streams, golden(t, file))
	}
	rapid.Check(t, func(t *rapid.T) {
		neutraltest.Confused(t, Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering(true)), streams)
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
		if out := (Dialect{}).EncodeAnswer(a, answering(false)); !json.Valid(out) {
			t.Errorf("no JSON: %s", out)
		}
	})
}

func FuzzDecodeStream(f *testing.F) {
	for _, file := range []string{"stream_text.sse", "stream_tools.sse", "stream_reasoner.sse", "stream_error.sse", "stream_odd.sse"} {
		f.Add(golden(f, file))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, e := Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering(true))
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
			if _, data := dialect.Fields(raw); !json.Valid(data) && string(data) != "[DONE]" {
				t.Errorf("no JSON: %q of %q", raw, stream)
			}
		}
	})
}

func BenchmarkTranslateDelta(b *testing.B) {
	d, e := Dialect{}.NewDecoder(), Dialect{}.NewEncoder(answering(true))
	var out []byte
	take := func(ev *neutral.Event) { out = e.Append(out[:0], ev) }
	events, err := neutraltest.Split(golden(b, "stream_text.sse"))
	if err != nil {
		b.Fatal(err)
	}
	for _, raw := range events[:2] {
		if err := d.Event(raw, take); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(events[2])))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Event(events[2], take); err != nil {
			b.Fatal(err)
		}
	}
}
