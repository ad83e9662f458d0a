package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
)

// argumentTexts are whole arguments with what makes their end hard to find.
var argumentTexts = rapid.Custom(func(t *rapid.T) string {
	v := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		v[rapid.StringOf(rapid.SampledFrom([]rune(`ab{}[]"\ü`))).Draw(t, "name")] = rapid.SampledFrom([]any{"}", `\"`, `\\`, 1, nil, []any{"]", map[string]any{}}, map[string]any{"a": `{"`}}).Draw(t, "value")
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
})

// cut takes a text apart between its characters.
func cut(t *rapid.T, s string) (pieces []string) {
	for runes := []rune(s); len(runes) > 0; {
		n := rapid.IntRange(1, min(len(runes), 4)).Draw(t, "piece")
		pieces, runes = append(pieces, string(runes[:n])), runes[n:]
	}
	return pieces
}

// quote writes a piece as servers do, each in its own way.
func quote(t *rapid.T, s string) []byte {
	if !rapid.Bool().Draw(t, "escaped") {
		return neutral.Quote(s)
	}
	out := []byte{'"'}
	for _, r := range s {
		out = fmt.Appendf(out, `\u%04x`, r)
	}
	return append(out, '"')
}

// Arguments are whole with their last brace and not before, however they are cut and escaped.
func TestProgress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := argumentTexts.Draw(t, "arguments")
		var p progress
		pieces := cut(t, s)
		for i, piece := range pieces {
			if p.whole() {
				t.Fatalf("%s is whole before %q", s, strings.Join(pieces[i:], ""))
			}
			p.add(quote(t, piece))
		}
		if !p.whole() {
			t.Fatalf("%s is not whole", s)
		}
	})
}

// deltaChunk is an event with a delta.
func deltaChunk(delta string) string {
	return "data: {\"choices\":[{\"index\":0,\"delta\":" + delta + "}]}\n\n"
}

// Deltas of calls may come in any turns: each call is the same in the end, and blocks come one after the other.
func TestCallsInAnyTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "calls")
		texts, waiting := make([]string, n), make([][]string, n)
		custom := make([]bool, n)
		begun := 0
		var stream strings.Builder
		for i := range n {
			custom[i] = rapid.IntRange(0, 3).Draw(t, "custom") == 0
			texts[i] = argumentTexts.Draw(t, "arguments")
			waiting[i] = cut(t, texts[i])
		}
		for begun < n || slices.ContainsFunc(waiting, func(w []string) bool { return len(w) > 0 }) {
			if begun < n && (begun == 0 || rapid.Bool().Draw(t, "begin")) {
				typ, member := "function", "arguments"
				if custom[begun] {
					typ, member = "custom", "input"
				}
				stream.WriteString(deltaChunk(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"c%d","type":%q,%q:{"name":"f","%s":""}}]}`, begun, begun, typ, typ, member)))
				begun++
				continue
			}
			i := rapid.IntRange(0, begun-1).Draw(t, "call")
			if len(waiting[i]) == 0 {
				continue
			}
			body := `"function":{"arguments":`
			if custom[i] {
				body = `"custom":{"input":`
			}
			stream.WriteString(deltaChunk(fmt.Sprintf(`{"tool_calls":[{"index":%d,%s%s}}]}`, i, body, quote(t, waiting[i][0]))))
			waiting[i] = waiting[i][1:]
		}
		stream.WriteString("data: [DONE]\n\n")
		_, a, err := neutraltest.Decode(Dialect{}.NewDecoder(), []byte(stream.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, stream.String())
		}
		if len(a.Blocks) != n {
			t.Fatalf("%d calls of %d\n%s", len(a.Blocks), n, stream.String())
		}
		for i := range a.Blocks {
			b := &a.Blocks[i]
			got := string(b.Args)
			if custom[i] {
				got = b.Text
			}
			if b.ID != fmt.Sprint("c", i) || b.Custom != custom[i] || got != texts[i] {
				t.Errorf("call %d is %s, want %s\n%s", i, neutraltest.DumpAnswer(a), texts[i], stream.String())
			}
		}
	})
}
