package cli

import (
	"strings"
	"testing"

	"turnout/internal/domain"
)

// The story of an answer that broke and was gone on with.
func TestTraceOfResumed(t *testing.T) {
	for _, c := range []struct{ how, result, want string }{
		{"repeat", "served", "(the only one that could serve, to repeat the broken answer and go on)"},
		{"continue", "served", "(the only one that could serve, to go on with the broken answer)"},
		{"repeat", "differs", "given up after 500ms: its answer does not begin with what the caller has got"},
	} {
		raw := `{"v":1,"c":1,"s":"none","a":[{"a":1,"r":"priority","t":0,"o":200,"d":300,"e":"broken","st":200,"k":"stream_cut","w":"stream.cut","q":["switch","switch",0,1,3,""]},` +
			`{"a":2,"r":"only","rj":"` + c.how + `","t":400,"d":500,"e":"` + c.result + `","st":200}]}`
		tr, err := readTrace([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		tr.write(&b, func(id domain.AccountID) string { return map[domain.AccountID]string{1: "first", 2: "second"}[id] })
		for _, want := range []string{c.want, "broke after 300ms, in the middle of the answer: the answer broke off", "then: switch to another account"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in:\n%s", want, b.String())
			}
		}
	}
}
