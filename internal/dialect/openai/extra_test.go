package openai

import (
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// Members that nobody here knows reach servers that may: other makers', from a caller of OpenAI's other
// protocol. A name that is written already is not written twice.
func TestExtraMembers(t *testing.T) {
	for _, c := range []struct {
		from  domain.Dialect
		model string
		kept  bool
	}{
		{domain.DialectOpenAIResp, "vendor/model-1", true},
		{domain.DialectOpenAIResp, "gpt-5.5", false},
		{domain.DialectAnthropic, "vendor/model-1", false},
	} {
		r := &neutral.Request{
			Model: c.model, From: c.from, Turns: []neutral.Turn{{Blocks: []neutral.Block{{Text: "hi"}}}},
			Extra: []neutral.Member{{Name: "provider", Raw: []byte(`{"order":["a"]}`)}, {Name: "messages", Raw: []byte(`[]`)}},
		}
		n := neutral.NewNotes(domain.DialectOpenAIChat, Dialect{}.Table())
		out := string(Dialect{}.EncodeRequest(r, n))
		if strings.Contains(out, `"provider":{"order":["a"]}`) != c.kept || strings.Count(out, `"messages":`) != 1 {
			t.Errorf("%s to %s: %s", c.from, c.model, out)
		}
		if told := strings.Contains(strings.Join(n.Warnings(), " "), "dropped provider"); told == c.kept {
			t.Errorf("%s to %s: %v", c.from, c.model, n.Warnings())
		}
	}
}
