package neutral_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// An answer that has to be one of several words stays one: other dialects are told the words, and that nothing may stand
// around them.
func TestEnumIsAskedForInWords(t *testing.T) {
	g := parties[3]
	for _, schema := range []string{
		`"responseSchema":{"type":"STRING","enum":["stay","go \"now\""]}`,
		`"responseJsonSchema":{"type":"string","enum":["stay","go \"now\""]}`,
	} {
		r, err := g.DecodeRequest([]byte(`{"systemInstruction":{"parts":[{"text":"Decide."}]},"contents":[{"role":"user","parts":[{"text":"Rain."}]}],
			"generationConfig":{"responseMimeType":"text/x.enum",`+schema+`}}`), dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range parties[:3] {
			r.Model = to.newest
			n := neutral.NewNotes(to.ID(), to.Table())
			out := string(to.EncodeRequest(r, n))
			if !strings.Contains(out, `nothing else: no quotes, no other words.\nstay\ngo \"now\"`) || !strings.Contains(out, "Decide.") {
				t.Errorf("%s gets %s", to.ID(), out)
			}
			if strings.Contains(out, "json_schema") || strings.Contains(out, "enum") {
				t.Errorf("%s is asked for JSON: %s", to.ID(), out)
			}
			if !slices.ContainsFunc(n.Warnings(), func(s string) bool { return strings.HasPrefix(s, "adapted responseMimeType:") }) {
				t.Errorf("%s: %q", to.ID(), n.Warnings())
			}
		}
		n := neutral.NewNotes(g.ID(), g.Table())
		if out := string(g.EncodeRequest(r, n)); !strings.Contains(out, `"responseMimeType":"text/x.enum","responseJsonSchema":{`) || len(n.Warnings()) > 0 {
			t.Errorf("its own dialect gets %s %q", out, n.Warnings())
		}
		if len(r.System) != 1 {
			t.Error("the request was changed")
		}
	}
}

// Without words to choose from nobody could answer.
func TestEnumWithoutWordsIsRefused(t *testing.T) {
	for _, schema := range []string{``, `,"responseSchema":{"type":"STRING"}`, `,"responseSchema":{"type":"ARRAY","items":{"type":"STRING","enum":["a"]}}`, `,"responseJsonSchema":{"enum":[1,2]}`} {
		_, err := parties[3].DecodeRequest([]byte(`{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"responseMimeType":"text/x.enum"`+schema+`}}`), dialect.Route{})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Param != "generationConfig.responseSchema" {
			t.Errorf("%s: %v", schema, err)
		}
	}
}
