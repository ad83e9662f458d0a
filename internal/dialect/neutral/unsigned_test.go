package neutral_test

import (
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// A thought that its provider has not signed (Gemini's) is one that a caller's own provider would refuse: when the
// conversation goes there, it is left out. It is no signature for anybody.
func TestUnsignedThought(t *testing.T) {
	thought := neutral.Block{Kind: neutral.KindReasoning, Origin: domain.DialectGeminiContent, Text: "hm, so"}
	a := &neutral.Answer{Finish: neutral.FinishStop, Blocks: []neutral.Block{thought, {Kind: neutral.KindText, Text: "Hi"}}}
	for _, s := range speakers {
		if s.ID() != (anthropic.Dialect{}).ID() && s.ID() != (responses.Dialect{}).ID() {
			continue
		}
		_, streamed, err := neutraltest.Decode(s.NewDecoder(), neutraltest.Encode(s.NewEncoder(exchange("m")), a))
		if err != nil {
			t.Fatal(err)
		}
		for name, answer := range map[string][]byte{"answer": s.EncodeAnswer(a, exchange("m")), "stream": s.EncodeAnswer(streamed, exchange("m"))} {
			body := []byte(s.again(answer, nil))
			out, changed := s.Codec.(dialect.Clearer).Cleared(body, s.model)
			if !changed || strings.Contains(string(out), "hm, so") || !strings.Contains(string(out), "Hi") {
				t.Errorf("%s, %s: %v %s", s.ID(), name, changed, out)
			}
			r := neutraltest.Request(t, s, body)
			for _, turn := range r.Turns {
				for i := range turn.Blocks {
					if b := &turn.Blocks[i]; b.Kind == neutral.KindReasoning {
						if _, _, ok := neutral.SignatureFor(domain.DialectGeminiContent, b); ok {
							t.Errorf("%s, %s: %q is taken for a signature", s.ID(), name, b.Signature)
						}
					}
				}
			}
		}
	}
}
