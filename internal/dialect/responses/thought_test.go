package responses

import (
	"bytes"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// What of another provider's reasoning a caller gets: words where it asked for a summary, what has to travel back unless it
// keeps nothing of that kind, and no item where there is neither.
func TestThoughtsForCallers(t *testing.T) {
	claude := neutral.Block{Kind: neutral.KindReasoning, Text: "hm \"so\"", Signature: "EqQB", Origin: domain.DialectAnthropic}
	redacted := neutral.Block{Kind: neutral.KindReasoning, Redacted: true, Signature: "EmwK", Origin: domain.DialectAnthropic}
	wordless := neutral.Block{Kind: neutral.KindReasoning, Signature: "EqQB", Origin: domain.DialectAnthropic}
	unsigned := neutral.Block{Kind: neutral.KindReasoning, Text: "hm \"so\"", Origin: domain.DialectGeminiContent}
	nothing := neutral.Block{Kind: neutral.KindReasoning, Origin: domain.DialectGeminiContent}
	deepseek := neutral.Block{Kind: neutral.KindReasoning, Text: "hm \"so\"", Signature: "reasoning_content", Origin: domain.DialectOpenAIChat}
	const (
		codex    = `"reasoning":{"effort":"medium","summary":"auto"},"include":["reasoning.encrypted_content"],"store":false`
		seals    = `"include":["reasoning.encrypted_content"],"store":false`
		shows    = `"reasoning":{"summary":"concise"},"store":false`
		neither  = `"reasoning":{"effort":"high","summary":null},"store":false`
		sdk      = `"temperature":1` // the default: what is answered is stored, and the next request has to go on with it
		refuses  = `"reasoning":{"summary":"none"},"include":[],"store":false`
		words    = `"summary":[{"type":"summary_text","text":"hm \"so\""}]`
		noWords  = `"summary":[]`
		sealedAs = `,"encrypted_content":"` + dialect.SealPrefix
	)
	for _, c := range []struct {
		name    string
		request string
		b       neutral.Block
		want    string // of the item; empty: there is none
		back    string // the words that come back with the signature
	}{
		{"Codex", codex, claude, words + sealedAs, claude.Text},
		{"Codex, redacted", codex, redacted, noWords + sealedAs, ""},
		{"Codex, without words", codex, wordless, noWords + sealedAs, ""},
		// A mark without a signature: so the item is known as another provider's when it comes back.
		{"Codex, without a signature", codex, unsigned, words + sealedAs + `4.."}`, ""},
		{"Codex, nothing", codex, nothing, "", ""},
		{"seals", seals, claude, noWords + sealedAs, claude.Text},
		{"seals, redacted", seals, redacted, noWords + sealedAs, ""},
		{"seals, reasoning_content", seals, deepseek, noWords + sealedAs, deepseek.Text},
		{"seals, without a signature", seals, unsigned, "", ""},
		{"shows", shows, claude, words + sealedAs + `1.."}`, ""},
		{"shows, redacted", shows, redacted, "", ""},
		{"neither", neither, claude, "", ""},
		{"refuses", refuses, deepseek, "", ""},
		{"an SDK's default", sdk, claude, noWords + sealedAs, claude.Text},
		{"an SDK's default, nothing to come back", sdk, unsigned, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","input":"hi",`+c.request+`}`), dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			a := &neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{c.b, {Text: "Good."}}}
			stream := events(a, session(r))
			if _, err := listen(t, stream); err != nil {
				t.Fatalf("%v in %s", err, stream)
			}
			for _, out := range [][]byte{stream[bytes.LastIndex(stream, []byte("event: ")):], Dialect{}.EncodeAnswer(a, session(r))} {
				_, item, found := strings.Cut(string(out), `"type":"reasoning",`)
				if found != (c.want != "") || !strings.HasPrefix(item, c.want) {
					t.Fatalf("want %s in %s", c.want, out)
				}
			}
			if got := strings.Count(string(stream), `"item":{"id":"rs_`); got != 2 && c.want != "" || got != 0 && c.want == "" {
				t.Errorf("%d events of a reasoning item in %s", got, stream)
			}
			if !strings.HasSuffix(c.want, sealedAs) {
				return
			}
			back, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[{"role":"user","content":"hi"},`+itemOf(t, stream)+`]}`), dialect.Route{})
			if err != nil || len(back.Turns) != 2 {
				t.Fatalf("%v: %+v", err, back)
			}
			b := &back.Turns[1].Blocks[0]
			if _, signature, ok := neutral.SignatureFor(c.b.Origin, b); !ok || signature != c.b.Signature || b.Text != c.back || b.Redacted != c.b.Redacted {
				t.Errorf("comes back as %+v", b)
			}
		})
	}
}

// itemOf is the first item of the response in which a stream ends.
func itemOf(t *testing.T, stream []byte) string {
	t.Helper()
	_, data := dialect.Fields(stream[bytes.LastIndex(stream, []byte("event: ")):])
	output := dialect.Member(dialect.Member(data, "response"), "output")
	item := ""
	if err := dialect.Array(output, func(e dialect.Span) bool { item = string(e.Of(output)); return false }); err != nil || item == "" {
		t.Fatalf("%v: no items in %s", err, data)
	}
	return item
}
