package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
)

// Where a model is to run is nothing to be left out with a warning: who asks for a place goes to an account
// that can promise one, or gets a 400 that says why.
func TestResidency(t *testing.T) {
	for geo, want := range map[string]int{`"us"`: 400, `"eu"`: 400, `"global"`: 200, `null`: 200} {
		t.Run(geo, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) { rc.platform = "openai" })
				r.on("a", status(200, responseJSON("resp_1")))
				g := r.send(`{"model":"m","max_tokens":99,"inference_geo":` + geo + `,"messages":[{"role":"user","content":"hi"}]}`)
				asked := 0
				if want == 200 {
					asked = 1
				}
				if g.Code != want || len(r.attempts) != asked {
					t.Fatalf("%d %s after %d attempts", g.Code, g.text(), len(r.attempts))
				}
				if want == 400 && !strings.Contains(g.text(), "data residency: a request cannot say where it is served") {
					t.Errorf("told: %s", g.text())
				}
				if len(g.Header()[warningHeader]) > 0 {
					t.Errorf("warned: %v", g.Header()[warningHeader])
				}
			})
		})
	}
	t.Run("an account that can", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}})
			r.on("a", jsonOK("there"))
			g := r.send(`{"model":"m","max_tokens":99,"inference_geo":"us","messages":[{"role":"user","content":"hi"}]}`)
			if g.Code != 200 || !strings.Contains(r.attempts[0].body, `"inference_geo":"us"`) {
				t.Errorf("%d %s, sent %s", g.Code, g.text(), r.attempts[0].body)
			}
		})
	})
}
