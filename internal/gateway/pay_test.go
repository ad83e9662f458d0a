package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// watched tells of everything that goes to a caller.
type watched struct {
	*httptest.ResponseRecorder
	see func([]byte)
}

func (w *watched) Write(b []byte) (int, error) {
	w.see(b)
	return w.ResponseRecorder.Write(b)
}

// The settlement stands before the caller has the end of the answer, in every form.
func TestSettledBeforeTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		ask    string
		reply  reply
		end    string
		commit domain.Commit
	}{
		"stream":          {askStream, whole("hi"), "message_stop", domain.Commit{}},
		"json":            {askJSON, jsonOK("a"), "}", domain.Commit{}},
		"no terminal":     {askStream, stream(io.EOF, part{0, msgStart + txtStart + delta("hi") + txtStop + msgDelta}), "message_stop", domain.Commit{}},
		"in pieces":       {askStream, stream(io.EOF, part{0, msgStart + txtStart + delta("hi")}, part{time.Second, txtStop + msgDelta}, part{time.Second, msgStop[:8]}, part{time.Second, msgStop[8:]}), "message_stop", domain.Commit{}},
		"held to its end": {askStream, whole("hi"), "message_stop", domain.Commit{Point: domain.CommitComplete}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two[:1], func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Commit = c.commit } })
				r.on("a", c.reply)
				early := false
				w := &watched{httptest.NewRecorder(), nil}
				w.see = func(b []byte) {
					r.ledger.mu.Lock()
					defer r.ledger.mu.Unlock()
					early = early || strings.Contains(w.Body.String()+string(b), c.end) && len(r.ledger.ends) == 0
				}
				req := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(c.ask))
				req.Header.Set("X-Api-Key", testKey)
				r.g.Handler(Call{Dialect: r.d}).ServeHTTP(w, req)
				if text := w.Body.String(); w.Code != 200 || !strings.Contains(text, c.end) {
					t.Fatalf("%d %s", w.Code, text)
				}
				if early {
					t.Error("the end of the answer went out before it was settled")
				}
				if len(r.ledger.ends) != 1 || r.ledger.ends[0].Interrupted || r.ledger.ends[0].Estimated || r.ledger.ends[0].Account.Name != "a" {
					t.Errorf("settled as %+v", r.ledger.ends)
				}
			})
		})
	}
}

// What is asked of the ledger before a request is sent.
func TestHoldAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := []account{{name: "a"}, {name: "b", models: domain.ModelMap{"claude-x": "claude-other"}}, {name: "c"}}
		r := newRig(t, accounts)
		for _, n := range []string{"a", "b", "c"} {
			r.on(n, whole("hi"))
		}
		r.send(askStream)
		ask := r.ledger.asks[0]
		var ways []string
		for _, w := range ask.Routes {
			ways = append(ways, w.Model)
		}
		if got := strings.Join(ways, " "); got != "claude-x claude-other" && got != "claude-other claude-x" {
			t.Errorf("the routes are %q", got)
		}
		if ask.Key == 0 || ask.Pool == 0 || ask.Model != "claude-x" || ask.Input <= 0 {
			t.Errorf("asked with %+v", ask)
		}
		denied := &domain.Error{Kind: domain.KindBudget, Message: "the budget is used up", RetryAfter: time.Hour}
		r.ledger.deny = denied
		asked := len(r.attempts)
		if g := r.send(askStream); g.Code != 402 || !strings.Contains(g.text(), "the budget is used up") || len(r.attempts) != asked {
			t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
		}
		r.ledger.deny = nil
	})
}

// A fallback that the caller cannot pay is not gone on with.
func TestFallbackIsPaid(t *testing.T) {
	for _, again := range []error{nil, errors.New("too dear")} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, twoModels, anyToY)
			r.on("p", fail503)
			r.on("f", whole("from f"))
			r.ledger.again = again
			if g := r.send(askStream); strings.Contains(g.text(), "from f") != (again == nil) || strings.Contains(r.names(), "f") != (again == nil) {
				t.Errorf("%v: %d %s, asked %s", again, g.Code, g.text(), r.asked())
			}
		})
	}
}

// An answer that breaks, or whose caller leaves, is settled with what is known, and marked.
func TestInterruptedIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two[:1])
		r.on("a", stream(io.ErrUnexpectedEOF, part{0, msgStart + txtStart + delta("one") + delta("two") + delta("three")}))
		r.send(askStream)
		f := r.ledger.ends[0]
		if !f.Interrupted || !f.Estimated || f.Usage.Output != 3 || f.Usage.Prompt() != 2010 {
			t.Errorf("settled as %+v", f)
		}
		ctx, leave := context.WithCancel(t.Context())
		r.on("a", stream(io.EOF, part{0, msgStart}, part{forever, ""}))
		time.AfterFunc(time.Second, leave)
		r.send(askStream, withContext(ctx))
		if f := r.ledger.ends[1]; f.Account != nil || f.Usage != (domain.Usage{}) {
			t.Errorf("nothing came of it, and it is settled as %+v", f)
		}
	})
}

// A pool that refuses what has no price does not ask the accounts that have none.
func TestUnpricedAccountsAreLeftOut(t *testing.T) {
	for _, refuse := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, func(c *rigConfig) {
				c.pool = func(p *PoolConfig) { p.Payment.RefuseUnpriced = refuse }
			})
			r.ledger.unpriced = "a"
			r.on("a", whole("from a"))
			r.on("b", whole("from b"))
			if g := r.send(askStream); strings.Contains(g.text(), "from b") != refuse {
				t.Errorf("refuse %v: asked %s", refuse, r.asked())
			}
		})
	}
}
