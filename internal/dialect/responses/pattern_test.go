package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
)

func TestPattern(t *testing.T) {
	raw := []byte(deltaEvent)
	find := func(s string) []byte { i := bytes.Index(raw, []byte(s)); return raw[i : i+len(s)] }
	var p pattern
	if p.match(raw) > 0 {
		t.Error("a pattern that has learnt nothing matches")
	}
	p.learn(raw, find("417"), find(`" turnout"`), find(`"mQ7xZpV2"`))
	for _, c := range []struct {
		name, old, new string
		match          bool
	}{
		{"the same", "", "", true}, {"another number", "417", "9999999", true}, {"another text", " turnout", `a\"b\\`, true}, {"a longer one", " turnout", strings.Repeat("word ", 500), true},
		{"what looks like the end", " turnout", `\"},\"usage\":null}`, true}, {"other padding", "mQ7xZpV2", "a", true}, {"no padding", "mQ7xZpV2", "", true},
		{"an empty text", " turnout", "", false}, {"a quote", " turnout", `a"b`, false}, {"a backslash at the end", " turnout", `a\`, false},
		{"a line feed", " turnout", "a\nb", false}, {"a carriage return", "mQ7xZpV2", "a\rb", false}, {"no number", "417", "", false}, {"a number that is none", "417", "4x7", false},
		{"another item", `"output_index":1`, `"output_index":2`, false}, {"log probabilities", `"logprobs":[]`, `"logprobs":[1]`, false}, {"another name", "event: response", "event: respons", false},
		{"something behind it", "\n\n", "\n\n\n", false}, {"half of it", "\"}\n\n", "\n\n", false},
	} {
		ev := []byte(strings.Replace(deltaEvent, c.old, c.new, 1))
		if c.name == "something behind it" || c.name == "half of it" {
			ev = []byte(strings.TrimSuffix(deltaEvent, c.old) + c.new)
		}
		if got := p.match(ev) > 0; got != c.match {
			t.Errorf("%s: %v, want %v", c.name, got, c.match)
		}
	}
	p = pattern{}
	p.learn(raw, []byte("417"), find(`" turnout"`), nil) // no part of the event
	if p.match(raw) > 0 {
		t.Error("something from elsewhere was learnt")
	}
	p.learn(raw, find("417"), find(`" turnout"`), nil)
	if p.match(raw) == 0 || p.match(bytes.Replace(raw, []byte("mQ7x"), []byte("aaaa"), 1)) > 0 {
		t.Error("what was not named as padding may differ")
	}
	for i := range 2 * maxLearnt {
		other := fmt.Appendf(nil, `{"id":%d,"n":1,"delta":"x"}`, i)
		n := bytes.Index(other, []byte(`1,"delta`))
		p.learn(other, other[n:n+1], other[len(other)-4:len(other)-1], nil)
	}
	if p.match(fmt.Appendf(nil, `{"id":%d,"n":1,"delta":"x"}`, 2*maxLearnt-1)) > 0 {
		t.Error("it learns without end")
	}
}

// With what it has learnt a reader says the same of every event as one that reads each anew.
func TestPatternChangesNothing(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", " turnout", `"`, `\`, "é😀", `","type":"error","x":"`, "}\n\ndata: {}"})
	rapid.Check(t, func(t *rapid.T) {
		long := Dialect{}.NewReader(&dialect.Request{})
		for i := range rapid.IntRange(1, 12).Draw(t, "events") {
			text, _ := json.Marshal(word.Draw(t, "text"))
			pad, _ := json.Marshal(word.Draw(t, "padding"))
			typ := rapid.SampledFrom([]string{"response.output_text.delta", "response.refusal.delta", "response.output_text.done"}).Draw(t, "type")
			raw := fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,\"delta\":%s,\"obfuscation\":%s}\n\n", typ, typ, i, text, pad)
			if rapid.IntRange(0, 4).Draw(t, "spoilt") == 0 {
				raw = raw[:rapid.IntRange(len(raw)/2, len(raw)).Draw(t, "at")]
				raw = append(raw, "\n\n"...)
			}
			if got, want := long.Event(raw).Kind, (Dialect{}).NewReader(&dialect.Request{}).Event(raw).Kind; got != want {
				t.Fatalf("%q is %c, and alone %c", raw, letters[got], letters[want])
			}
		}
	})
}
