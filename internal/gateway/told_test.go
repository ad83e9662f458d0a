package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
)

// Where a sign of life has opened the answer, what its header would have said comes in a comment, or, for Google's
// clients, which stumble over comments, as a trailer.
func TestWarningsAfterKeepAlive(t *testing.T) {
	for _, c := range []struct {
		d       dialect.Dialect
		at      dialect.Route
		body    string
		comment bool
	}{
		{openai.Dialect{}, dialect.Route{}, `{"model":"m","stream":true,"seed":7,"messages":[{"role":"user","content":"hi"}]}`, true},
		{gemini.Dialect{}, dialect.Route{Model: "m", Version: "v1beta", Verb: "streamGenerateContent", Stream: true}, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"seed":7}}`, false},
		{gemini.Dialect{}, dialect.Route{Model: "m", Version: "v1beta", Verb: "streamGenerateContent", Stream: true, Array: true}, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"seed":7}}`, false},
	} {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprint(c.d.ID(), c.at.Array, slow), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, []account{{name: "a"}}, as(c.d), func(rc *rigConfig) { rc.keepAlive = 15 * time.Second })
					reply := whole("hi")
					if slow {
						reply = after(20*time.Second, reply)
					}
					r.on("a", reply)
					g := r.ask(Call{Dialect: c.d, At: c.at}, []byte(c.body))
					if g.Code != 200 || !strings.Contains(g.Body.String(), "hi") {
						t.Fatalf("%d %s", g.Code, g.Body)
					}
					// The header as it went out.
					header, trailer := g.Result().Header[warningHeader], g.Header()[http.TrailerPrefix+warningHeader]
					comments := strings.Count(g.Body.String(), ": x-turnout-warning: dropped seed")
					if (len(header) > 0) == slow || (comments == 1) != (slow && c.comment) || (len(trailer) > 0) != (slow && !c.comment) {
						t.Errorf("header %q, trailer %q: %s", header, trailer, g.Body)
					}
				})
			})
		}
	}
}

// All warnings are told as far as a header has room, with how many more there are, and the record keeps more.
func TestManyWarnings(t *testing.T) {
	all := make([]string, 100)
	for i := range all {
		all[i] = fmt.Sprintf("dropped messages[%d].name", i)
	}
	got := fewer(all)
	if n := len(got); n != maxWarnings+1 && n < 20 || !strings.HasPrefix(got[n-1], fmt.Sprintf("and %d more", 100-n+1)) {
		t.Errorf("%d: %q", n, got[n-1])
	}
	if got := fewer(all[:17]); len(got) != 17 {
		t.Errorf("%d of 17", len(got))
	}
	long := fewer([]string{strings.Repeat("x", maxWarningBytes), "y"})
	if len(long) != 1 || long[0] != "and 2 more; see the record of this request" {
		t.Errorf("%q", long)
	}
}
