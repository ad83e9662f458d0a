package gemini

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// letters write a stream's events down, one letter an event: . note, p ping, c content, F finish, E end, ! error, ?
// malformed, h hidden.
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
		{"stream_text.sse", "cccF", "httn", domain.Usage{Input: 512, CacheRead: 1536, Output: 21, Reasoning: 12, Reported: true}, true},
		{"stream_tools.sse", "cccF", "hoon", domain.Usage{Input: 900, Output: 90, Reasoning: 60, Reported: true}, true},
		{"stream_grounded.sse", "cF", "tn", domain.Usage{Input: 110, Output: 12, Reported: true}, true},
		{"stream_signed_end.sse", "ccF", "ttn", domain.Usage{Input: 3, Output: 2, Reported: true}, true},
		{"stream_blocked.sse", "F", "n", domain.Usage{Input: 8, Reported: true}, true},
		{"stream_error.sse", "c!", "tt", domain.Usage{Input: 10, Reported: true}, false},
	} {
		t.Run(c.file, func(t *testing.T) {
			r := Dialect{}.NewReader(&dialect.Request{WholeCalls: c.file == "stream_tools.sse"})
			var kinds, open strings.Builder
			for _, raw := range split(t, golden(t, c.file)) {
				ev := r.Event(raw)
				kinds.WriteByte(letters[ev.Kind])
				open.WriteByte("ntho"[r.Open()])
				if ev.Cut.Present() {
					t.Error("nothing is taken out of this protocol's events")
				}
			}
			if kinds.String() != c.kinds || open.String() != c.open {
				t.Errorf("events %s inside %s,\nwant   %s inside %s", kinds.String(), open.String(), c.kinds, c.open)
			}
			if r.Usage() != c.usage || r.Finished() != c.finished {
				t.Errorf("usage %+v, finished %v; want %+v, %v", r.Usage(), r.Finished(), c.usage, c.finished)
			}
			if r.Closing() != nil || r.KeepAlive() != nil {
				t.Error("the body's end is the end, and there are no blocks")
			}
		})
	}
}

func TestEvent(t *testing.T) {
	part := func(p string) string { return `{"candidates":[{"content":{"parts":[` + p + `]}}]}` }
	for _, c := range []struct {
		data string
		kind dialect.EventKind
		open dialect.Open
	}{
		{part(`{"text":"x"}`), dialect.EventContent, dialect.OpenText},
		{part(`{"text":""}`), dialect.EventNote, dialect.OpenNone},
		{part(``), dialect.EventNote, dialect.OpenNone},
		{part(`{"text":"x","thought":true}`), dialect.EventContent, dialect.OpenThinking},
		{part(`{"thought":true}`), dialect.EventNote, dialect.OpenNone},
		{part(`{"thought":true,"text":"x"},{"text":"y"}`), dialect.EventContent, dialect.OpenText},
		{part(`{"text":"","thoughtSignature":"x"}`), dialect.EventContent, dialect.OpenText},
		{part(`{"text":"","thought_signature":"x"}`), dialect.EventContent, dialect.OpenText},
		{part(`{"functionCall":{"name":"f","args":{}}}`), dialect.EventContent, dialect.OpenTool},
		{part(`{"function_call":{"name":"f"}}`), dialect.EventContent, dialect.OpenTool},
		{part(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`), dialect.EventContent, dialect.OpenText},
		{part(`null,5,"x",[]`), dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}`, dialect.EventFinish, dialect.OpenNone},
		{`{"candidates":[{"finish_reason":"MALFORMED_FUNCTION_CALL"}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[{"finishReason":null}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[{"finishReason":""}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[]}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":null}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[null,5,{}]}`, dialect.EventNote, dialect.OpenNone},
		{`{"promptFeedback":{"blockReason":"SAFETY"}}`, dialect.EventFinish, dialect.OpenNone},
		{`{"promptFeedback":{"safetyRatings":[]}}`, dialect.EventNote, dialect.OpenNone},
		{`{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}`, dialect.EventNote, dialect.OpenNone},
		{`{"usageMetadata":{"promptTokenCount":1}}`, dialect.EventNote, dialect.OpenNone},
		{`{}`, dialect.EventNote, dialect.OpenNone},
		{`{"error":{"code":503}}`, dialect.EventError, dialect.OpenNone},
		{`{"error":null}`, dialect.EventNote, dialect.OpenNone},
		{`{"candidates":[`, dialect.EventMalformed, dialect.OpenNone},
		{`[DONE]`, dialect.EventMalformed, dialect.OpenNone},
		{`null`, dialect.EventMalformed, dialect.OpenNone},
		{``, dialect.EventPing, dialect.OpenNone},
	} {
		r := Dialect{}.NewReader(&dialect.Request{})
		if got := r.Event([]byte("data: " + c.data + "\r\n\r\n")).Kind; got != c.kind || r.Open() != c.open {
			t.Errorf("%s is %c inside %v, want %c inside %v", c.data, letters[got], r.Open(), letters[c.kind], c.open)
		}
	}
}

// An answer with several candidates is whole only when all of them are, and a later chunk without a figure does not
// take it back.
func TestFinished(t *testing.T) {
	r := Dialect{}.NewReader(&dialect.Request{})
	steps := []struct {
		data     string
		finished bool
		output   int64
	}{
		{`{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2}}`, false, 2},
		{`{"candidates":[{"index":1,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5}}`, false, 2},
		{`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":9}}`, true, 9},
		{`{"promptFeedback":{"blockReason":"SAFETY"}}`, true, 9},
		{`{"candidates":[{"index":70}]}`, false, 9},
		{`{"candidates":[{"index":99,"finishReason":"STOP"}]}`, true, 9},
	}
	if r.Finished() || r.Usage() != (domain.Usage{}) {
		t.Error("nothing has been said yet")
	}
	for i, s := range steps {
		r.Event([]byte("data: " + s.data + "\n\n"))
		if r.Finished() != s.finished || r.Usage().Output != s.output {
			t.Errorf("step %d: finished %v, output %d; want %v, %d", i, r.Finished(), r.Usage().Output, s.finished, s.output)
		}
	}
}

// Where functions are offered any text may be followed by a call that is written in silence.
func TestWholeCalls(t *testing.T) {
	raw := []byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n\n")
	for whole, want := range map[bool]dialect.Open{true: dialect.OpenTool, false: dialect.OpenText} {
		r := Dialect{}.NewReader(&dialect.Request{WholeCalls: whole})
		if r.Event(raw); r.Open() != want {
			t.Errorf("calls in one piece %v: inside %v, want %v", whole, r.Open(), want)
		}
	}
}

// Whatever comes, the reader answers, and figures never fall.
func FuzzReader(f *testing.F) {
	for _, name := range []string{"stream_text.sse", "stream_tools.sse", "stream_blocked.sse", "stream_error.sse", "stream_code.sse"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte("data: {\"candidates\":[{\"index\":-1,\"content\":{\"parts\":{}}}]}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := Dialect{}.NewReader(&dialect.Request{})
		var last domain.Usage
		for len(stream) > 0 {
			n := dialect.EndOfEvent(stream)
			if n == 0 {
				break
			}
			r.Event(stream[:n])
			stream = stream[n:]
			if u := r.Usage(); u.Output < last.Output || u.Prompt() < last.Prompt() || u.Reasoning > u.Output {
				t.Fatalf("%+v after %+v", u, last)
			} else {
				last = u
			}
		}
		Dialect{}.Whole(stream)
	})
}

func BenchmarkReader(b *testing.B) {
	events := split(b, golden(b, "stream_text.sse"))
	b.ReportAllocs()
	for b.Loop() {
		r := Dialect{}.NewReader(&dialect.Request{})
		for _, raw := range events {
			r.Event(raw)
		}
	}
}

// A stream means the same however its events are written: in which order their members stand, and with which line ends.
func TestOrderOfMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := []string{`"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]`, `"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}`, `"modelVersion":"m"`, `"error":null`}
		end := rapid.SampledFrom([]string{"\n\n", "\r\n\r\n", "\r\r"}).Draw(t, "end")
		space := rapid.SampledFrom([]string{"", " "}).Draw(t, "space")
		r := Dialect{}.NewReader(&dialect.Request{})
		ev := r.Event([]byte("data:" + space + "{" + strings.Join(rapid.Permutation(members).Draw(t, "members"), ",") + "}" + end))
		if ev.Kind != dialect.EventFinish || r.Usage() != (domain.Usage{Input: 3, Output: 1, Reported: true}) {
			t.Fatalf("%c, %+v", letters[ev.Kind], r.Usage())
		}
	})
}
