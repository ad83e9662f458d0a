package neutral

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

var dialects = []domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectOpenAIResp, domain.DialectGeminiContent}

// Every name fits afterwards, two names stay two, and each comes back.
func TestFitNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(dialects).Draw(t, "target")
		names := rapid.SliceOfNDistinct(rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9_.:-]{1,20}`), rapid.StringMatching(`mcp__[a-z]{60,80}__[a-z]{1,3}`), rapid.String()), 1, 6, rapid.ID[string]).Draw(t, "names")
		r := &Request{Choice: ToolChoice{Mode: ChoiceNamed, Names: names[:1]}}
		for _, n := range names {
			if n == "" {
				continue
			}
			r.Tools = append(r.Tools, Tool{Name: n})
			r.Turns = append(r.Turns, Turn{Role: Assistant, Blocks: []Block{{Kind: KindToolUse, Name: n}, {Kind: KindText, Text: n}}}, Turn{Blocks: []Block{{Kind: KindToolResult, Name: n}}})
		}
		before := *r
		before.Tools, before.Turns = append([]Tool(nil), r.Tools...), append([]Turn(nil), r.Turns...)
		out, back := FitNames(r, d)
		if !reflect.DeepEqual(*r, before) {
			t.Fatal("the request was changed")
		}
		seen := map[string]bool{}
		for i, tool := range out.Tools {
			if !nameFits(d, tool.Name) {
				t.Errorf("%q does not fit %s", tool.Name, d)
			}
			if seen[tool.Name] {
				t.Errorf("%q stands twice", tool.Name)
			}
			seen[tool.Name] = true
			if nameFits(d, r.Tools[i].Name) != (tool.Name == r.Tools[i].Name) {
				t.Errorf("%q became %q", r.Tools[i].Name, tool.Name)
			}
			b := Block{Kind: KindToolUse, Name: tool.Name}
			if back.Restore(&b); b.Name != r.Tools[i].Name {
				t.Errorf("%q came back as %q", r.Tools[i].Name, b.Name)
			}
			if call := out.Turns[2*i].Blocks[0]; call.Name != tool.Name || out.Turns[2*i+1].Blocks[0].Name != tool.Name {
				t.Errorf("the call is of %q, the tool %q", call.Name, tool.Name)
			}
		}
	})
}

func TestNamesThatFitStay(t *testing.T) {
	r := &Request{Tools: []Tool{{Name: "Bash"}, {Name: "web_search.v2", Raw: []byte("{}")}}}
	if out, back := FitNames(r, domain.DialectOpenAIChat); out != r || back != nil {
		t.Errorf("%+v, %v", out, back)
	}
	long := strings.Repeat("x", 100)
	if got := fittingName(domain.DialectOpenAIChat, long); len(got) != 64 || !strings.HasPrefix(got, strings.Repeat("x", 50)) {
		t.Errorf("%q", got)
	}
	if out, back := FitNames(&Request{Tools: []Tool{{Name: long}}}, domain.DialectAnthropic); back != nil || out.Tools[0].Name != long {
		t.Errorf("%v", back)
	}
}
