package dialect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// event is what a browser would dispatch.
type event struct{ name, data string }

// referenceEvents is the WHATWG HTML standard, section 9.2.6 ("Interpreting an event
// stream"), followed line by line and with no thought for speed. What no blank line
// closes is left out, as the standard says.
func referenceEvents(stream string) (out []event) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	var lines []string
	for stream != "" {
		i := strings.IndexAny(stream, "\r\n")
		if i < 0 {
			break // the last line does not end
		}
		lines = append(lines, stream[:i])
		if strings.HasPrefix(stream[i:], "\r\n") {
			i++
		}
		stream = stream[i+1:]
	}
	var e event
	data := ""
	for _, line := range lines {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != "" {
				e.data = strings.TrimSuffix(data, "\n")
				out = append(out, e)
			}
			e, data = event{}, ""
		case field == "data":
			data += value + "\n"
		case field == "event":
			e.name = value
		}
	}
	return out
}

// events reads a stream as the relay does: it comes in pieces, and whole events are taken off its
// front.
func events(pieces ...string) (out []event, rest string) {
	var buf []byte
	for _, p := range pieces {
		buf = append(buf, p...)
		for {
			n := EndOfEvent(buf)
			if n == 0 {
				break
			}
			name, data := Fields(buf[:n])
			if data != nil {
				out = append(out, event{name: string(name), data: string(data)})
			}
			buf = buf[n:]
		}
	}
	return out, string(buf)
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []event
	}{
		{"one", "data: a\n\n", []event{{data: "a"}}},
		{"named", "event: ping\ndata: {}\n\n", []event{{name: "ping", data: "{}"}}},
		{"name last", "data: {}\nevent: ping\n\n", []event{{name: "ping", data: "{}"}}},
		{"no space", "event:x\ndata:a\n\n", []event{{name: "x", data: "a"}}},
		{"one space of two", "data:  a \n\n", []event{{data: " a "}}},
		{"two", "data: a\n\ndata: b\n\n", []event{{data: "a"}, {data: "b"}}},
		{"lines", "data: a\ndata: b\ndata:\ndata: c\n\n", []event{{data: "a\nb\n\nc"}}},
		{"comment", ": hello\n\ndata: a\n\n", []event{{data: "a"}}},
		{"comment inside", ": x\ndata: a\n: y\ndata: b\n\n", []event{{data: "a\nb"}}},
		{"colon in data", "data: a: b\n\n", []event{{data: "a: b"}}},
		{"other fields", "id: 7\nretry: 10\ndata: a\nfoo: b\nbar\n\n", []event{{data: "a"}}},
		{"like a field", "datas: x\neventual: y\n data: z\ndata: a\n\n", []event{{data: "a"}}},
		{"field without a colon", "data\n\n", []event{{data: ""}}},
		{"fields without a colon", "event\ndata\ndata: a\n\n", []event{{data: "\na"}}},
		{"name without data", "event: x\n\ndata: a\n\n", []event{{data: "a"}}},
		{"last name", "event: x\nevent: y\ndata: a\n\n", []event{{name: "y", data: "a"}}},
		{"blank lines", "\n\n\ndata: a\n\n\n\n", []event{{data: "a"}}},
		{"CRLF", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []event{{name: "x", data: "a"}, {data: "b"}}},
		{"CRLF blank first", "\r\n\r\ndata: a\r\n\r\n", []event{{data: "a"}}},
		{"CR", "event: x\rdata: a\r\rdata: b\r\r:", []event{{name: "x", data: "a"}, {data: "b"}}},
		{"CR before LF", "data: a\r\rdata: b\n\n", []event{{data: "a"}, {data: "b"}}},
		{"CR then CRLF", "data: a\r\r\ndata: b\n\n", []event{{data: "a"}, {data: "b"}}},
		{"LF then CR", "data: a\n\rdata: b\n\r:", []event{{data: "a"}, {data: "b"}}},
		{"LF then CRLF", "data: a\n\r\ndata: b\n\n", []event{{data: "a"}, {data: "b"}}},
		{"CRLF then CR", "data: a\r\n\rdata: b\n\n", []event{{data: "a"}, {data: "b"}}},
		{"CR inside a line", "event: x\rdata: a\ndata: b\n\n", []event{{name: "x", data: "a\nb"}}},
		{"byte order mark", "\ufeffdata: a\n\n", []event{{data: "a"}}},
		{"byte order mark and name", "\ufeffevent: x\ndata: a\n\ndata: b\n\n", []event{{name: "x", data: "a"}, {data: "b"}}},
		{"unfinished", "data: a\n\ndata: b\n", []event{{data: "a"}}},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if ref := referenceEvents(c.stream); !slices.Equal(ref, c.want) {
				t.Fatalf("the table is wrong: the standard says %q", ref)
			}
			for cut := range len(c.stream) + 1 {
				got, _ := events(c.stream[:cut], c.stream[cut:])
				if !slices.Equal(got, c.want) {
					t.Errorf("cut at byte %d: %q, want %q", cut, got, c.want)
				}
			}
			if got, _ := events(strings.Split(c.stream, "")...); !slices.Equal(got, c.want) {
				t.Errorf("in the smallest pieces: %q, want %q", got, c.want)
			}
		})
	}
}

// A single data line is not copied: a stream's events are read where they lie.
func TestFieldsCopiesNothing(t *testing.T) {
	raw := []byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n")
	if n := testing.AllocsPerRun(100, func() { _, _ = Fields(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_, data := Fields(raw)
	if Offset(raw, data) < 0 {
		t.Error("the data was copied")
	}
	before := string(raw)
	_, joined := Fields([]byte("data: a\ndata: b\ndata: c\n\n"))
	if string(joined) != "a\nb\nc" || string(raw) != before {
		t.Errorf("%q", joined)
	}
}

func TestOffset(t *testing.T) {
	b := []byte("0123456789")
	for _, c := range []struct {
		whole, part []byte
		want        int
	}{
		{b, b[3:5], 3}, {b, b, 0}, {b, b[9:], 9}, {b[2:8], b[3:5], 1}, {b[2:8], b[1:3], -1}, {b[2:4], b[3:6], -1}, {b[:4], b[6:7], -1},
		{b, bytes.Clone(b), -1}, {b, []byte("12"), -1}, {b, nil, -1}, {nil, b, -1}, {b, b[4:4], -1},
	} {
		if got := Offset(c.whole, c.part); got != c.want {
			t.Errorf("Offset(%q, %q) = %d, want %d", c.whole, c.part, got, c.want)
		}
	}
}

// line draws a line of a stream, mostly near what streams hold.
var line = rapid.OneOf(
	rapid.SampledFrom([]string{"", "", "", "data: x", "data:y", "data:", "data", "event: ping", "event:", ": c", ":", "id: 1", "datax: 1", " data: z", "data: a:b", "\ufeffdata: b"}),
	rapid.StringMatching(`[a-z:{}" \\]{0,12}`),
)

var ending = rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n", "\r\n", "\r"})

// However lines end, and wherever the network cuts: the events are those of the
// standard. (A carriage return at the very end may be half a line end, and waits.)
func TestEventsFollowTheStandard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			b.WriteString(line.Draw(t, "line"))
			b.WriteString(ending.Draw(t, "end"))
		}
		checkStream(t, b.String(), rapid.IntRange(0, b.Len()).Draw(t, "cut"))
	})
}

func checkStream(t interface {
	Helper()
	Fatalf(string, ...any)
}, stream string, cut int,
) {
	t.Helper()
	if strings.Count(stream, "\ufeff") > 0 && strings.LastIndex(stream, "\ufeff") > 0 {
		return // Turnout forgives a mark that stands later; the standard does not
	}
	whole := stream
	if strings.HasSuffix(whole, "\r") {
		whole += ":" // what follows decides
	}
	want := referenceEvents(whole)
	got, rest := events(whole)
	if !slices.Equal(got, want) {
		t.Fatalf("%q: %q, want %q", whole, got, want)
	}
	if len(referenceEvents(rest)) != 0 {
		t.Fatalf("%q: the rest %q still holds an event", whole, rest)
	}
	if cut = min(cut, len(whole)); cut >= 0 {
		if pieces, _ := events(whole[:cut], whole[cut:]); !slices.Equal(pieces, want) {
			t.Fatalf("%q cut at byte %d: %q, want %q", whole, cut, pieces, want)
		}
	}
}

func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"data: a\n\n", "event: x\r\ndata: a\r\n\r\n", "data: a\r\rdata: b\n\n", ": c\n\n", "\ufeffdata: a\n\n", "data\n\n", "data: a\ndata: b\n\n\n", "\r\n\r\n\r", "data: a\r\r\n\r",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, stream string, cut int) { checkStream(t, stream, cut) })
}

func BenchmarkEndOfEvent(b *testing.B) {
	for _, n := range []int{1, 64} {
		one := "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + strings.Repeat("word ", n) + "\"}}\n\n"
		b.Run(fmt.Sprint(len(one)), func(b *testing.B) {
			raw := []byte(one + one)
			b.SetBytes(int64(len(one)))
			for b.Loop() {
				if EndOfEvent(raw) != len(one) {
					b.Fatal("not found")
				}
			}
		})
	}
}
