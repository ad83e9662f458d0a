package platform

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"turnout/internal/failover"
)

// FuzzClassify: whatever comes, there is a verdict, and it is bounded.
func FuzzClassify(f *testing.F) {
	for _, c := range corpus(f) {
		a := c.answer()
		f.Add(a.Status, a.Body, a.Header.Get("Retry-After"), a.Header.Get("Anthropic-Ratelimit-Unified-5h-Reset"))
	}
	f.Add(200, []byte("event: error\ndata: [[{]}"), "-0", "1e9")
	f.Add(500, []byte(`{"error":{"error":{"error":{"error":{}}}}}`), "", "")
	f.Add(400, []byte(`{"error":{"message":"{\"error\":{\"message\":\"{\\\"error\\\":{}}\"}}"}}`), "", "")
	f.Fuzz(func(t *testing.T, status int, body []byte, after, reset string) {
		h := http.Header{
			"Retry-After":                             {after},
			"Anthropic-Ratelimit-Unified-Status":      {"rejected"},
			"Anthropic-Ratelimit-Unified-5h-Status":   {"rejected"},
			"Anthropic-Ratelimit-Unified-5h-Reset":    {reset},
			"Anthropic-Ratelimit-Unified-Reset":       {after},
			"X-Ratelimit-Remaining-Tokens":            {"0"},
			"X-Ratelimit-Reset-Tokens":                {reset},
			"X-Codex-Primary-Used-Percent":            {"100"},
			"X-Codex-Primary-Reset-After-Seconds":     {after},
			"Anthropic-Ratelimit-Requests-Remaining":  {"0"},
			"Anthropic-Ratelimit-Requests-Reset":      {reset},
			"Anthropic-Ratelimit-Unified-Odd-Reset":   nil,
			"Anthropic-Ratelimit-Unified-Other-Reset": {reset},
		}
		kept := bytes.Clone(body)
		for _, p := range all {
			v := p.Classify(Answer{Status: status, Header: h, Body: body, Now: now})
			switch {
			case int(v.Class) >= failover.NumClasses, v.Row == "":
				t.Fatalf("%s: no verdict: %+v", p.Name, v)
			case len(v.Message) > maxMessage, len(v.Type) > maxName, len(v.Code) > maxName:
				t.Fatalf("%s: not bounded: %+v", p.Name, v)
			case !utf8.ValidString(v.Message), !utf8.ValidString(v.Type), !utf8.ValidString(v.Code):
				t.Fatalf("%s: not UTF-8: %+v", p.Name, v)
			case v.Stated != (v.Reset > 0), v.Reset < 0, v.Reset > maxReset:
				t.Fatalf("%s: reset %v, %v", p.Name, v.Reset, v.Stated)
			}
			if again := p.Classify(Answer{Status: status, Header: h, Body: body, Now: now}); again != v {
				t.Fatalf("%s: %+v, and again %+v", p.Name, v, again)
			}
		}
		if !bytes.Equal(kept, body) {
			t.Fatal("the body was changed")
		}
	})
}

// rewrite encodes a JSON text again: members in another order, other white space,
// and, where extra is set, members that nobody reads.
func rewrite(r *rand.Rand, value any, extra bool, depth int) string {
	space := func() string { return strings.Repeat(" ", r.IntN(2)) + strings.Repeat("\n\t", r.IntN(2)) }
	var b strings.Builder
	switch v := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v)+2)
		for k := range v {
			keys = append(keys, k)
		}
		if extra {
			for range 1 + r.IntN(3) {
				k := "x_" + string(rune('a'+r.IntN(26))) + string(rune('a'+r.IntN(26)))
				if _, taken := v[k]; !taken {
					keys = append(keys, k)
					v[k] = []any{
						"insufficient_quota", 401.0, true, nil, "Your credit balance is too low",
						map[string]any{"message": "prompt is too long", "code": "invalid_api_key", "error": map[string]any{"type": "overloaded_error"}},
						[]any{"retry after 5 seconds", map[string]any{"reason": "MODEL_CAPACITY_EXHAUSTED"}},
					}[r.IntN(7)]
				}
			}
		}
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b.WriteString("{" + space())
		for i, k := range keys {
			if i > 0 {
				b.WriteString("," + space())
			}
			name, _ := json.Marshal(k)
			if r.IntN(8) == 0 && len(k) > 0 { // escapes in a name change nothing
				name = []byte(`"\u00` + hex2(k[0]) + k[1:] + `"`)
			}
			b.Write(name)
			b.WriteString(space() + ":" + space())
			// What is inside an unread member stays as it is.
			b.WriteString(rewrite(r, v[k], extra && !strings.HasPrefix(k, "x_"), depth+1))
			b.WriteString(space())
		}
		b.WriteString("}")
	case []any:
		b.WriteString("[" + space())
		for i, e := range v {
			if i > 0 {
				b.WriteString("," + space())
			}
			b.WriteString(rewrite(r, e, extra, depth+1) + space())
		}
		b.WriteString("]")
	default:
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(r.IntN(2) == 0)
		_ = e.Encode(v)
	}
	return b.String()
}

func hex2(c byte) string { return string([]byte{"0123456789abcdef"[c>>4], "0123456789abcdef"[c&15]}) }

// The verdict depends on what an error says, not on how it is written down, nor on
// members that are not part of it.
func TestOnlyTheErrorDecides(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rewritten := 0
	for _, c := range corpus(t) {
		a := c.answer()
		d := json.NewDecoder(bytes.NewReader(a.Body))
		d.UseNumber()
		var value any
		if len(a.Body) == 0 || a.Body[0] != '{' && a.Body[0] != '[' || d.Decode(&value) != nil || d.More() {
			continue
		}
		rewritten++
		p := mustLookup(t, c.Platform)
		want := p.Classify(a)
		for i := range 40 {
			b := a
			b.Body = []byte(rewrite(r, value, i%2 == 1, 0))
			got := p.Classify(b)
			if strings.HasPrefix(want.Message, "{") { // no message: what people see is the body
				got.Message = want.Message
			}
			if got != want {
				t.Errorf("%s: got  %+v\nwant %+v\nfrom %s", c.Name, got, want, b.Body)
				break
			}
		}
	}
	if rewritten < 150 {
		t.Errorf("only %d cases were rewritten", rewritten)
	}
}

func BenchmarkClassify(b *testing.B) {
	cases := map[string]corpusCase{}
	for _, c := range corpus(b) {
		cases[c.Name] = c
	}
	for _, name := range []string{"anthropic-429-window-5h", "openai-429-tokens", "openai-500-other", "azure-429-call-rate", "gemini-429-day-model", "nginx-502"} {
		c := cases[name]
		p, a := mustLookup(b, c.Platform), c.answer()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(a.Body)))
			for b.Loop() {
				if v := p.Classify(a); v.Row != c.Want.Row {
					b.Fatal(v.Row)
				}
			}
		})
	}
}

// An error of a hostile upstream costs little, however it is built.
func TestClassifyOfAHugeBody(t *testing.T) {
	for name, body := range map[string]string{
		"deep":   strings.Repeat(`{"error":`, MaxBody/9),
		"arrays": `{"error":{"details":` + strings.Repeat("[", MaxBody),
		"reasons": `{"error":{"message":"m","details":[` + strings.Repeat(`{"reason":"R","violations":[{"quotaId":"a"},{"quotaId":"b"}]},`, MaxBody/65) +
			`{"reason":"z"}]}}`,
		"phrases": `{"error":{"message":"` + strings.Repeat("try again in ", MaxBody/13-10) + `"}}`,
		"digits":  `{"error":{"message":"try again in ` + strings.Repeat("9", MaxBody-100) + `s"}}`,
		"page":    "<html>" + strings.Repeat("<title", MaxBody/6),
		"wrapped": `{"error":{"message":"` + strings.Repeat(`{\"error\":`, MaxBody/10-10) + `}"}}`,
	} {
		allocs := testing.AllocsPerRun(1, func() {
			for _, p := range all {
				if v := p.Classify(Answer{Status: 429, Body: []byte(body), Now: time.Time{}}); v.Row == "" {
					t.Error("no verdict")
				}
			}
		})
		if allocs > 20000 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
