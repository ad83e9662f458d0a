package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// reads answers like an account that reads nothing but what it wrote itself, which begins with its name.
func reads(name string) reply {
	return func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		body, _ := call.Body()
		raw, _ := io.ReadAll(body)
		for rest := string(raw); ; {
			var found bool
			if _, rest, found = strings.Cut(rest, `"encrypted_content":"`); !found {
				return status(200, responseJSON("resp_1"))(ctx, call)
			}
			if !strings.HasPrefix(rest, name) {
				return status(400, `{"error":{"message":"could not be verified","type":"invalid_request_error","code":"invalid_encrypted_content"}}`)(ctx, call)
			}
		}
	}
}

// A session that had to move costs no refused request in any later turn, keeps what its new account wrote, and what
// the old one wrote is read once it is back there. After a restart one refusal tells it.
func TestReasoningAfterTheMove(t *testing.T) {
	native := func(written ...string) string {
		var b strings.Builder
		b.WriteString(`{"model":"m","store":false,"prompt_cache_key":"s","input":[{"role":"user","content":"q"}`)
		for _, w := range written {
			b.WriteString(`,{"type":"reasoning","id":"rs","encrypted_content":"` + w + `","summary":[]},{"role":"user","content":"q"}`)
		}
		return b.String() + "]}"
	}
	claude := func(written ...string) string {
		var b strings.Builder
		b.WriteString(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"}`)
		for _, w := range written {
			b.WriteString(`,{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"` + neutral.Seal(domain.DialectOpenAIResp, "rs", w) + `"},{"type":"text","text":"a"}]},{"role":"user","content":"q"}`)
		}
		return b.String() + "]}"
	}
	for name, ask := range map[string]func(...string) string{"native": native, "translated": claude} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := ownedRig(t, account{name: "a", org: "one"}, account{name: "b", org: "two", priority: 1})
				if name == "translated" {
					r = newRig(t, []account{{name: "a", org: "one"}, {name: "b", org: "two", priority: 1}}, func(rc *rigConfig) { rc.platform = "openai" })
				}
				turn := func(step, asked, kept, left string, written ...string) {
					t.Helper()
					r.attempts = nil
					g := r.send(ask(written...), withHeader("X-Claude-Code-Session-Id", "s"))
					last := r.attempts[len(r.attempts)-1].body
					if g.Code != 200 || r.names() != asked {
						t.Errorf("%s: %d %s, asked %s", step, g.Code, g.text(), r.names())
					}
					for w := range strings.FieldsSeq(kept) {
						if !strings.Contains(last, w) {
							t.Errorf("%s: %s was left out of %s", step, w, last)
						}
					}
					for w := range strings.FieldsSeq(left) {
						if strings.Contains(last, w) {
							t.Errorf("%s: %s is in %s", step, w, last)
						}
					}
					if warned := strings.Contains(strings.Join(g.Header()[warningHeader], ""), warnSealed); warned != (left != "") {
						t.Errorf("%s: warned %v", step, g.Header()[warningHeader])
					}
				}
				down := status(401, `{"error":{"message":"x"}}`)
				r.on("a", reads("a"))
				r.on("b", reads("b"))
				turn("at home", "a", "a-1", "", "a-1")
				r.on("a", down)
				turn("it moves", "a b", "", "a-1", "a-1")
				turn("after it", "b", "b-1", "a-1", "a-1", "b-1")
				turn("and on", "b", "b-1 b-2", "a-1", "a-1", "b-1", "b-2")
				r.g.writers = writers{}
				turn("after a restart", "b b", "", "a-1 b-1", "a-1", "b-1")
				turn("after that", "b", "b-3", "a-1 b-1", "a-1", "b-1", "b-3")
			})
		})
	}
	t.Run("back home", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := ownedRig(t, account{name: "a", org: "one"}, account{name: "b", org: "two", priority: 1})
			r.on("a", reads("a"))
			r.on("b", reads("b"))
			r.send(native("a-1"))
			r.on("a", fail503)
			r.send(native("a-1"))
			r.on("a", reads("a"))
			r.on("b", fail503)
			r.attempts = nil
			r.send(native("a-1", "b-1"))
			last := r.attempts[len(r.attempts)-1]
			if last.account != "a" || !strings.Contains(last.body, "a-1") || strings.Contains(last.body, "b-1") {
				t.Errorf("asked %s; %s got %s", r.asked(), last.account, last.body)
			}
		})
	})
}

// What is remembered is bounded; what is asked for stays.
func TestWritersAreBounded(t *testing.T) {
	var w writers
	asked := writtenHash(1, "asked")
	if _, known := w.find(asked); known || w.any() {
		t.Error("it knows something from the beginning")
	}
	w.add(asked, 7)
	for i := range 5 * maxWriters {
		w.add(writtenHash(domain.KeyID(i), "x"), 1)
		if i%1000 == 0 {
			w.find(asked)
		}
	}
	if writer, known := w.find(asked); !known || writer != 7 {
		t.Errorf("%d, %v", writer, known)
	}
	if _, known := w.find(writtenHash(0, "x")); known {
		t.Error("what nobody asks for is still there")
	}
	if n := len(w.now) + len(w.before); n > 2*maxWriters {
		t.Errorf("%d are kept", n)
	}
	if writtenHash(1, "x") == writtenHash(2, "x") {
		t.Error("two keys share one")
	}
}
