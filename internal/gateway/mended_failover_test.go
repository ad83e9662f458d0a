package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// Faults that reading the failover found, each with its story.

const askLong = `{"model":"claude-x","max_tokens":8000,"messages":[{"role":"user","content":"hi"}]}`

// A caller of a JSON answer is held for 45 s at most. That bound was once asked of every
// way to go on, so an account that failed after a minute was the end of the request, with a healthy one beside it.
func TestLateFailureOfAJSONAnswer(t *testing.T) {
	for name, fault := range map[string]reply{
		"503 after 50 s":  after(50*time.Second, fail503),
		"503 after 100 s": after(100*time.Second, fail503),
		"a body that stalls after a minute": func(ctx context.Context, _ *call) (*response, error) {
			resp := answer200("application/json", "")
			resp.ContentLength = -1
			resp.Body = &scripted{ctx: ctx, parts: []part{{30 * time.Second, messageJSON("x")[:60]}, {forever, ""}}, end: io.EOF}
			return resp, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", fault)
				r.on("b", jsonOK("fine"))
				if g := r.send(askLong); g.Code != 200 || !strings.HasSuffix(r.names(), " b") {
					t.Errorf("status %d, asked %s", g.Code, r.asked())
				}
			})
		})
	}
}

// The commit of one attempt lets the body go. One that was being started beside it at that moment under another
// name of the model cut it up without looking, which crashed the process.
func TestCommitWhileAnotherIsStartedBeside(t *testing.T) {
	b := &body{budget: NewBudget(1 << 20), buf: []byte(`{"model":"claude-x"}`)}
	b.budget.take(cap(b.buf))
	b.release()
	if e := b.edit(); e != nil {
		t.Fatalf("a body that was let go can still be sent: %d bytes", e.length)
	}
	// The same moment, again and again: content comes at the soft limit exactly.
	for i := range 50 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, twoModels, anyToY)
			r.on("p", stream(io.EOF, part{8*time.Second + time.Duration(i%3)*time.Nanosecond, msgStart + txtStart + delta("p") + txtEnd}))
			r.on("f", whole("f"))
			if g := r.send(askStream); !strings.Contains(g.text(), "message_stop") {
				t.Errorf("%s", g.text())
			}
		})
	}
}

// At the soft limit another goroutine looks for a fallback while the main attempt fails:
// the race detector is the judge.
func TestSoftLimitWhileFailing(t *testing.T) {
	x := domain.ModelMap{"claude-x": "claude-x"}
	for i := range 100 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "p", models: x}, {name: "q", models: x}, twoModels[1]}, anyToY)
			r.on("p", after(8*time.Second, fail503), whole("x"))
			r.on("q", whole("y"))
			r.on("f", whole("z"))
			if g := r.send(strings.Replace(askStream, "hi", fmt.Sprint(i), 1)); !strings.Contains(g.text(), "message_stop") {
				t.Errorf("%s", g.text())
			}
		})
	}
}

// A request whose attempt failed while another one ran beside it kept its place in the
// crowd for ever, and everybody after it waited for nobody.
func TestPlacesAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		for i := range 10 {
			r.on("a", stream(errors.New("reset"), part{0, msgStart}, part{9 * time.Second, ""}), whole("x"))
			r.on("b", stream(io.EOF, part{3 * time.Second, msgStart + txtStart + delta("fine") + txtEnd}))
			r.send(strings.Replace(askStream, "hi", fmt.Sprint(i), 1))
			time.Sleep(time.Minute)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r.on("a", stream(errors.New("reset"), part{0, msgStart}, part{9 * time.Second, ""}))
		r.on("b", hang)
		r.send(askStream, withContext(ctx))
		if n := r.g.Held(); n != 0 {
			t.Errorf("%d places are held and nobody waits", n)
		}
	})
}

// Retry-After says when somebody is really free, whichever model that is for.
func TestRetryAfterLooksEverywhere(t *testing.T) {
	limited := func(s string) reply { return status(429, errorJSON("rate_limit_error"), "Retry-After", s) }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoModels, anyToY)
		r.on("p", limited("30"))
		r.on("f", limited("300"))
		if g := r.send(askJSON); g.Header().Get("Retry-After") != "30" || g.Header().Get("X-Should-Retry") != "" {
			t.Errorf("the asked model returns first: %v", g.Header())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
		r.on("a", limited("300"))
		r.on("b", fail503, fail503, jsonOK("fine"))
		if g := r.send(askJSON); g.Header().Get("Retry-After") != "5" || g.Header().Get("X-Should-Retry") != "" {
			t.Errorf("an account that does not rest: %v", g.Header())
		}
	})
}

// A model that only a fallback serves is no unknown model while the fallback's account is busy or rests.
func TestUnknownModelWithABusyFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "f", limit: 1, models: domain.ModelMap{"claude-y": "claude-y"}}}, anyToY)
		r.on("f", after(5*time.Second, jsonOK("fine")))
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				if g := r.send(strings.Replace(askJSON, "hi", fmt.Sprint(i), 1)); g.Code != 200 {
					t.Errorf("status %d: %s", g.Code, g.text())
				}
			})
			time.Sleep(time.Second)
		}
		wg.Wait()
		r.on("f", status(429, errorJSON("rate_limit_error"), "Retry-After", "30"))
		r.send(askJSON)
		if g := r.send(askLong); g.Code != 429 || g.Header().Get("Retry-After") != "30" {
			t.Errorf("status %d: %s", g.Code, g.text())
		}
	})
}

// A fallback that failed once while it ran beside the slow one is tried again, as its own failure says.
func TestFallbackBesideFailsOnce(t *testing.T) {
	broken := stream(errors.New("reset"), part{0, msgStart}, part{12 * time.Second, ""})
	for name, f := range map[string]reply{"after the slow one": after(6*time.Second, fail503), "before the slow one": fail503} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, twoModels, anyToY)
				r.on("p", broken, fail503)
				r.on("f", f, whole("fine"))
				g := r.send(askStream)
				mustContain(t, "the stream", g.text(), "fine", "message_stop")
				if n := len(r.attempts); n > 5 {
					t.Errorf("asked %s", r.asked())
				}
			})
		})
	}
}

// A fallback makes nothing worse: what would be held without it is held when it fails, too; and a free one is not
// waited beside.
func TestFallbackMakesNothingWorse(t *testing.T) {
	limited := func(s string) reply { return status(429, errorJSON("rate_limit_error"), "Retry-After", s) }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoModels, anyToY)
		r.on("p", limited("8"), jsonOK("back"))
		r.on("f", fail503)
		if g := r.send(askJSON); g.Code != 200 || !strings.Contains(g.text(), "back") {
			t.Errorf("status %d, asked %s: %s", g.Code, r.asked(), g.text())
		}
	})
	synctest.Test(t, func(t *testing.T) { // a warm session with little to lose
		r := newRig(t, twoModels, anyToY)
		r.on("p", whole("one"), limited("15"), whole("back"))
		r.on("f", whole("fine"))
		session := withHeader("X-Claude-Code-Session-Id", "s1")
		for i := range 3 {
			if g := r.send(strings.Replace(askStream, "hi", fmt.Sprint(i), 1), session); g.took != 0 {
				t.Errorf("request %d waited %s beside a free model: %s", i, g.took, r.asked())
			}
			time.Sleep(time.Second)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the asked model's account is full
		r := newRig(t, []account{{name: "p", limit: 1, models: domain.ModelMap{"claude-x": "claude-x"}}, twoModels[1]}, anyToY)
		r.on("p", after(30*time.Second, jsonOK("slow")))
		r.on("f", jsonOK("fine"))
		var wg sync.WaitGroup
		wg.Go(func() { r.send(askLong) })
		time.Sleep(time.Second)
		if g := r.send(askJSON); g.took != 3*time.Second || !strings.Contains(g.text(), "fine") {
			t.Errorf("took %s: %s", g.took, g.text())
		}
		wg.Wait()
	})
}

// What a rule passes on names neither the account's organisation nor a status that
// would tell the caller that its own key is refused.
func TestPassedErrorsKeepAccountsPrivate(t *testing.T) {
	all := func(rc *rigConfig) {
		rc.pool = func(p *PoolConfig) { p.Errors = []domain.ErrorRule{{Pass: true}} }
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, all)
		const org, mine = "2b1c5f7e-93f1-4b5d-a8de-3f1a77c0ffee", "11111111-2222-3333-4444-555555555555"
		r.on("a", status(429, `{"type":"error","error":{"type":"rate_limit_error","message":"This request (id `+mine+`) would exceed your organization's rate limit (org: `+org+`, model: claude-x)."}}`, "Retry-After", "100"))
		g := r.send(askJSON)
		mustContain(t, "the answer", g.text(), "would exceed", mine, "org: [redacted]")
		mustLack(t, "the answer", g.text(), org)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, all)
		r.on("a", status(401, errorJSON("authentication_error")))
		if g := r.send(askJSON); g.Code != 502 {
			t.Errorf("status %d: %s", g.Code, g.text())
		}
	})
}

// A rule that says when to come back is not overruled by what the client's own retry would wait for.
func TestRuleSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) {
			rc.pool = func(p *PoolConfig) { p.Errors = []domain.ErrorRule{{RetryAfter: time.Second}} }
		})
		r.on("a", fail503)
		if g := r.send(askJSON); g.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", g.Header().Get("Retry-After"))
		}
	})
}

// A hold that its timer ends inside a block tells the answer which block that is.
func TestHoldThatEndsInsideABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(rc *rigConfig) {
			rc.pool = func(p *PoolConfig) {
				p.KeepAlive, p.Commit = 15*time.Second, domain.Commit{Point: domain.CommitSeconds, Time: time.Second}
			}
		})
		rest := strings.ReplaceAll(txtStart+delta("fine")+txtStop, `"index":0`, `"index":1`) + msgDelta + msgStop
		r.on("a", stream(io.EOF, part{0, msgStart + thkStart + thought}, part{70 * time.Second, txtStop + rest}))
		g := r.send(askStream, withHeader("User-Agent", claudeCode))
		if pings, empty := strings.Count(g.text(), ping), strings.Count(g.text(), emptyThought); pings != 0 || empty != 2 {
			t.Errorf("%d pings and %d empty deltas, want two empty deltas in 70 s", pings, empty)
		}
	})
}

// A hold that the clock ends soon is not given up for the silence of the same length.
func TestSecondsAgainstTheTextGap(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, committing(domain.Commit{Point: domain.CommitSeconds, Time: 10 * time.Second}))
			r.on("a", stream(io.EOF, part{0, msgStart + txtStart + delta("one")}, part{12 * time.Second, delta("two") + txtEnd}))
			if g := r.send(askStream); r.textOf(g.text()) != "onetwo" || !strings.Contains(g.text(), "message_stop") {
				t.Fatalf("asked %s: %s", r.asked(), g.text())
			}
		})
	}
}

// SDKs are told not to hammer a provider without capacity either, once failover has been tried in vain.
func TestNoCapacityIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", fail529)
		r.on("b", fail529)
		g := r.send(askJSON)
		if g.Code != 529 || g.Header().Get("Retry-After") == "" && g.Header().Get("X-Should-Retry") != "false" {
			t.Errorf("status %d, headers %v", g.Code, g.Header())
		}
	})
}

// A crash in one request gives back what it held, and writes nothing afterwards.
func TestACrashGivesBackWhatItHeld(t *testing.T) {
	r := newRig(t, []account{{name: "a", limit: 1}}, func(rc *rigConfig) { rc.keepAlive = time.Millisecond })
	r.on("a", func(context.Context, *call) (*response, error) { panic("a bug in a reader") })
	for range 3 {
		func() {
			w := httptest.NewRecorder()
			defer func() {
				if recover() == nil {
					t.Error("the crash was swallowed")
				}
			}()
			req := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(askStream))
			req.Header.Set("X-Api-Key", testKey)
			r.g.Handler(Call{Dialect: r.d}).ServeHTTP(w, req)
		}()
	}
	// The rig checks slots, bodies, requests in flight and the ledger at the end.
}

// crashing is a caller's connection with a bug in it.
type crashing struct{ *httptest.ResponseRecorder }

func (crashing) Write([]byte) (int, error) { panic("a bug in a writer") }

// The first bytes of a stream are written in a goroutine of their own: a crash there is the request's, not the process's.
func TestACrashWhileTheHeaderIsWritten(t *testing.T) {
	r := newRig(t, []account{{name: "a", limit: 1}})
	r.on("a", whole("fine"))
	defer func() {
		if p := recover(); p != "a bug in a writer" {
			t.Errorf("the request ended with %v", p)
		}
	}()
	req := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(askStream))
	req.Header.Set("X-Api-Key", testKey)
	r.g.Handler(Call{Dialect: r.d}).ServeHTTP(crashing{httptest.NewRecorder()}, req)
}

// Of fifty accounts that are all limited a request asks a few and then waits for the first that returns. What it
// asked then was once any account that nobody had asked yet, which was limited as well.
func TestTheHoldIsForWhoReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var accounts []account
		for i := range 50 {
			accounts = append(accounts, account{name: fmt.Sprint("a", i)})
		}
		r := newRig(t, accounts)
		for _, a := range accounts { // limited for 8 s from when each is first asked
			r.on(a.name, status(429, errorJSON("rate_limit_error"), "Retry-After", "8"), jsonOK("back"))
		}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if g := r.send(strings.Replace(askJSON, "hi", fmt.Sprint(i), 1)); g.Code != 200 {
					t.Errorf("status %d: %s", g.Code, g.text())
				}
			})
		}
		wg.Wait()
	})
}
