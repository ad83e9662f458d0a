package neutral_test

import (
	"slices"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// What a request of the Messages API loses on its way is told, wherever it stood; what means nothing is not.
func TestNothingIsLostInSilence(t *testing.T) {
	const head = `{"model":"m","max_tokens":900,`
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	for name, c := range map[string]struct {
		body string
		want []string // beginnings of warnings
	}{
		"speed":              {head + `"speed":"fast",` + hi + `}`, []string{"dropped speed"}},
		"standard speed":     {head + `"speed":"standard",` + hi + `}`, nil},
		"members of a tool":  {head + `"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true,"zzz":1}],` + hi + `}`, []string{"dropped tools.defer_loading", "dropped tools.zzz"}},
		"member of messages": {head + `"messages":[{"role":"user","zzz":1,"content":"hi"},{"role":"user","zzz":2,"content":"hi"}]}`, []string{"dropped messages.zzz"}},
		"member of a text":   {head + `"system":[{"type":"text","text":"a","yyy":1}],"messages":[{"role":"user","content":[{"type":"text","text":"hi","zzz":{}}]}]}`, []string{"dropped system.yyy", "dropped messages.zzz"}},
		"members inside": {head + `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{},"caller":{"type":"direct"}},{"type":"tool_use","id":"b","name":"f","input":{},"caller":{"type":"code_execution_20250825"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"x","zzz":1}],"yyy":1},{"type":"tool_result","tool_use_id":"b","content":"x","xxx":null}]}]}`,
			[]string{"dropped messages.caller", "dropped messages.yyy", "dropped messages.zzz"}},
	} {
		r, err := parties[0].DecodeRequest([]byte(c.body), dialect.Route{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, to := range parties[1:] {
			r.Model = to.newest
			n := neutral.NewNotes(to.ID(), to.Table())
			out := string(to.EncodeRequest(r, n))
			for _, w := range c.want {
				if !slices.ContainsFunc(n.Warnings(), func(s string) bool { return strings.HasPrefix(s, w+":") }) {
					t.Errorf("%s: %s does not say %q: %q", name, to.ID(), w, n.Warnings())
				}
			}
			if c.want == nil && len(n.Warnings()) > 0 {
				t.Errorf("%s: %s warns for nothing: %q", name, to.ID(), n.Warnings())
			}
			if strings.Contains(out, "zzz") || strings.Contains(out, "yyy") {
				t.Errorf("%s: %s gets %s", name, to.ID(), out)
			}
		}
	}
}
