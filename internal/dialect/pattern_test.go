package dialect

import (
	"fmt"
	"strings"
	"testing"
)

func learnt(t *testing.T, raw, text, cut string, open Open) *Pattern {
	t.Helper()
	b := []byte(raw)
	at := strings.Index(raw, text)
	var span Span
	if cut != "" {
		span = Span{strings.Index(raw, cut), strings.Index(raw, cut) + len(cut)}
	}
	p := &Pattern{}
	p.Learn(b, b[at:at+len(text)], span, open)
	return p
}

func TestPattern(t *testing.T) {
	const raw = `data: {"delta":{"content":"Hi"},"usage":null}` + "\n\n"
	p := learnt(t, raw, `"Hi"`, `,"usage":null`, OpenText)
	for _, c := range []struct {
		name, text string
		match      bool
	}{
		{"the same", `Hi`, true}, {"another", `x`, true}, {"longer", strings.Repeat("word ", 500), true}, {"escapes", `a\"b\\`, true}, {"unicode", `é😀\ud83d`, true},
		{"what looks like the end", `\"},\"usage\":null}`, true}, {"a member's name", `usage`, true},
		{"empty", ``, false}, {"a quote", `a"b`, false}, {"a backslash at the end", `a\`, false}, {"an even number of them", `a\\`, true},
		{"a line feed", "a\nb", false}, {"a carriage return", "a\rb", false}, {"another line", "a\ndata: b", false},
	} {
		event := strings.Replace(raw, "Hi", c.text, 1)
		ev, open, ok := p.Match([]byte(event))
		if ok != c.match {
			t.Errorf("%s: match is %v", c.name, ok)
			continue
		}
		if !ok {
			continue
		}
		if ev.Kind != EventContent || open != OpenText || event[ev.Cut.Start:ev.Cut.End] != `,"usage":null` {
			t.Errorf("%s: %+v, inside %v", c.name, ev, open)
		}
	}
	for _, other := range []string{"", "data", raw[:20], raw[:len(raw)-1], raw + "\n", strings.Replace(raw, "null", "{}", 1), strings.Replace(raw, "content", "Content", 1), " " + raw} {
		if _, _, ok := p.Match([]byte(other)); ok {
			t.Errorf("%q is taken for the same", other)
		}
	}
}

func TestPatternLearnsOnlyWhatItCan(t *testing.T) {
	const raw = `data: {"usage":null,"content":"Hi"}` + "\n\n"
	for name, p := range map[string]*Pattern{
		"nothing learnt":        {},
		"empty text":            learnt(t, `data: {"content":""}`+"\n\n", `""`, "", OpenText),
		"a cut before the text": learnt(t, raw, `"Hi"`, `"usage":null,`, OpenText),
	} {
		if _, _, ok := p.Match([]byte(raw)); ok {
			t.Errorf("%s: matches", name)
		}
	}
	var p Pattern
	p.Learn([]byte(raw), []byte(`"Hi"`), Span{}, OpenText) // no part of the event
	if _, _, ok := p.Match([]byte(raw)); ok {
		t.Error("text from elsewhere was learnt")
	}
}

// A stream in which every event differs may teach only so often; the last pattern stays.
func TestPatternLearnsBoundedly(t *testing.T) {
	var p Pattern
	last := ""
	for i := range 2 * maxLearnt {
		raw := fmt.Appendf(nil, "data: {\"id\":%d,\"content\":\"Hi\"}\n\n", i)
		at := strings.Index(string(raw), `"Hi"`)
		p.Learn(raw, raw[at:at+4], Span{}, OpenText)
		if _, _, ok := p.Match(raw); ok {
			last = string(raw)
		}
	}
	if want := fmt.Sprintf("{\"id\":%d,", maxLearnt-1); !strings.Contains(last, want) {
		t.Errorf("the last event learnt is %q, want %s", last, want)
	}
}
