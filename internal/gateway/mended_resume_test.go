package gateway

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// An attempt that breaks where it has told the caller's encoder something leaves nothing behind for a third one: the answer ends there, whole or with
// the error, and the text of the third is never the arguments of the second one's call.
func TestResumeLeavesNothingBehind(t *testing.T) {
	up := wires["chat"]
	for name, w := range wires {
		for what, more := range map[string]string{
			"a call":     up.call_,
			"a citation": data("", `{"id":"up-2","object":"chat.completion.chunk","created":7,"model":"claude-x","choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://of-b.example","title":"b","start_index":0,"end_index":3}}]},"finish_reason":null}]}`),
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, []account{{name: "a", platform: up.platform}, {name: "b", platform: up.platform, priority: 1}, {name: "c", platform: up.platform, priority: 2}}, as(w.d), resuming(domain.ResumeRepeat))
					r.on("a", up.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
					r.on("b", stream(io.ErrUnexpectedEOF, part{0, strings.Join(up.parts("2", "one ", "two")[:3], "") + more}), unsent)
					r.on("c", up.says("3", "one ", "two", " three"))
					g := r.sendAs(w, w.ask)
					if text := w.text(g.text()); text != "one two" || r.last().Outcome != OutcomeBroken {
						t.Errorf("the caller read %q: %s, asked %s\n%s", text, r.last().Outcome, r.asked(), g.text())
					}
				})
			})
		}
	}
}

// An answer is gone on with by its own model alone: not by the asked one where a fallback has begun it, not by one that has another name at another account.
func TestResumeStaysWithItsModel(t *testing.T) {
	w := wires["anthropic"]
	sonnet := strings.Replace(w.ask, "claude-x", "claude-sonnet-4-5", 1)
	only := func(m string) domain.ModelMap { return domain.ModelMap{m: m} }
	two := []account{{name: "a", models: only("claude-sonnet-4-5")}, {name: "f", models: only("claude-haiku-4-5")}}
	falling := func(c *rigConfig) {
		old := c.pool
		c.pool = func(p *PoolConfig) {
			old(p)
			p.Fallbacks = domain.Fallbacks{"claude-sonnet-4-5": {"any": {"claude-haiku-4-5"}}}
		}
	}
	cut := w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two")
	for name, c := range map[string]struct {
		accounts []account
		a, f     []reply
		ask      string
		not      string // who must not be asked last
		served   bool
	}{
		"a fallback beside": {two, []reply{stream(io.EOF, part{10 * time.Minute, "x"}), w.says("2", " three")}, []reply{cut, fail503}, sonnet, "a", false},
		"a round":           {two, []reply{limitedFor(5), w.says("2", " three")}, []reply{cut, limitedFor(300)}, sonnet, "a", false},
		"another name": {
			[]account{{name: "a", models: domain.ModelMap{"claude-x": "claude-sonnet-4-5"}}, {name: "f", priority: 1, models: domain.ModelMap{"claude-x": "claude-3-haiku"}}},
			[]reply{cut, unsent}, []reply{w.says("2", " three")}, w.ask, "f", false,
		},
		"the same one by another name": {
			[]account{{name: "a", models: domain.ModelMap{"claude-x": "claude-sonnet-4-5-20250929"}}, {name: "f", priority: 1, models: domain.ModelMap{"claude-x": "claude-sonnet-4.5"}}},
			[]reply{cut, unsent}, []reply{w.says("2", "one two three")}, w.ask, "", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.accounts, as(w.d), resuming(domain.ResumeBoth), falling)
				r.on("a", c.a...)
				r.on("f", c.f...)
				g := r.sendAs(w, c.ask)
				rec := r.last()
				if last := r.attempts[len(r.attempts)-1].account; last == c.not || (rec.Outcome == OutcomeServed) != c.served {
					t.Errorf("asked %s: %s\n%s\n%s", r.asked(), rec.Outcome, g.text(), rec.Trace)
				}
			})
		})
	}
}

// An account that cannot go on with an answer is passed over for one that can.
func TestResumePassesOverTheUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wires["anthropic"]
		r := newRig(t, []account{{name: "a"}, {name: "b", platform: "openai-compatible", priority: 1, limit: 1}, {name: "c", priority: 2}}, as(w.d), resuming(domain.ResumeContinue))
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
		r.on("b", wires["chat"].says("2", " three"))
		r.on("c", w.says("2", " three"))
		g := r.sendAs(w, strings.Replace(w.ask, `claude-x`, "claude-sonnet-4-5", 1))
		if text := w.reads(t, g.text()); text != "one two three" || strings.Contains(r.names(), "b") {
			t.Errorf("read %q, asked %s\n%s", text, r.asked(), r.last().Trace)
		}
		if n := r.cells.Live(2).InFlight(); n != 0 {
			t.Errorf("%d slots of b are held", n)
		}
	})
}

// Where the text cannot be put behind the request, for want of memory or because of how it ends, a pool that only continues asks nobody again.
func TestResumeContinuesOrNot(t *testing.T) {
	chat, claude := wires["chat"], wires["anthropic"]
	ask := strings.Replace(claude.ask, "claude-x", "claude-sonnet-4-5", 1)
	deep := `{"model":"deepseek-chat","stream":true,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"be brief"}]}`
	run := func(t *testing.T, w *wire, base, ask string, opts ...rigOption) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a", platform: w.platform, base: base}, {name: "b", platform: w.platform, base: base, priority: 1}}, append(opts, as(w.d), resuming(domain.ResumeContinue))...)
			r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
			r.on("b", w.says("2", "one two", " three"))
			r.sendAs(w, ask)
			if len(r.attempts) > 1 && !strings.Contains(r.attempts[len(r.attempts)-1].body, "one two") {
				t.Errorf("asked again as a whole, %s: %s", r.last().Outcome, r.last().Trace)
			}
			if o := r.last().Outcome; len(r.attempts) == 1 && o == OutcomeLeft {
				t.Errorf("the caller has left, it says")
			}
		})
	}
	t.Run("a last word of the system", func(t *testing.T) { run(t, chat, "https://api.deepseek.com/beta", deep) })
	t.Run("no memory", func(t *testing.T) {
		for _, n := range []int64{600, 900, 1100, 1300, 1600, 2100, 2600, 3500, 4400, 5000, 8500, 9000, 12000} {
			run(t, claude, "", strings.Replace(ask, `"content":"hi"`, `"content":"hi `+strings.Repeat("x", 400)+`"`, 1), func(c *rigConfig) { c.bodies = n })
		}
	})
}

// A character whose two halves come in two pieces is whole, wherever the seam is.
func TestResumeKeepsCharactersWhole(t *testing.T) {
	for name, w := range wires {
		for what, c := range map[string]struct {
			words []string
			want  string
		}{
			"behind the seam":      {[]string{"one ", `two \ud83d`, `\ude00 three`}, "one two 😀 three"},
			"in upper case":        {[]string{`one two\uD83D`, `\uDE00`}, "one two😀"},
			"before the seam":      {[]string{`on`, `e two`, `\ud83d\ude00`}, "one two😀"},
			"a backslash of text":  {[]string{`one two\\ud83d`, `\\ude00`}, `one two\ud83d\ude00`},
			"a half, and no other": {[]string{`one two \ud83d`, `x`}, "one two \ufffdx"},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeRepeat))
					r.on("a", w.cut(io.ErrUnexpectedEOF, "1", 2, "one ", "two"), unsent)
					r.on("b", w.says("2", c.words...))
					g := r.sendAs(w, w.ask)
					if text := w.text(g.text()); text != c.want || r.last().Outcome != OutcomeServed {
						t.Errorf("read %q: %s\n%s", text, r.last().Outcome, r.last().Trace)
					}
				})
			})
		}
	}
}

// Wherever a second attempt breaks, whatever it has said by then, a third one goes on with the caller's text or nobody does.
func TestResumeAnywhereTwice(t *testing.T) {
	names := []string{"anthropic", "chat", "responses", "gemini"}
	words := []string{"one ", "two", " thr\\u00e9e"}
	const whole = "one two thrée"
	outcomes := map[Outcome]int{}
	for _, caller := range names {
		for _, second := range names {
			w, a := wires[caller], wires[names[len(caller+second)%4]]
			a, b, c := a.to(w), wires[second].to(w), wires[names[(len(caller)+2*len(second))%4]].to(w)
			parts := b.parts("2", words...)
			for _, said := range []string{strings.Join(parts, ""), strings.Join(parts[:3], "") + b.call_, strings.Join(parts[:4], "") + b.call_} {
				for at := 0; at <= len(said); at += 1 + len(said)/60 {
					synctest.Test(t, func(t *testing.T) {
						r := newRig(t, []account{{name: "a", platform: a.platform}, {name: "b", platform: b.platform, priority: 1}, {name: "c", platform: c.platform, priority: 2}}, as(w.d), resuming(domain.ResumeBoth))
						r.on("a", a.cut(io.ErrUnexpectedEOF, "1", 2, words...), unsent)
						r.on("b", stream(io.ErrUnexpectedEOF, part{0, said[:at/2]}, part{time.Second, said[at/2 : at]}), unsent)
						r.on("c", c.says("3", words...))
						g := r.sendAs(w, w.ask)
						got, rec := w.text(g.text()), r.last()
						outcomes[rec.Outcome]++
						switch rec.Outcome {
						case OutcomeServed:
							if w.reads(t, g.text()) != whole || got != whole {
								t.Errorf("%s, %s at %d: read %q\n%s\n%s", caller, second, at, got, g.text(), rec.Trace)
							}
						case OutcomeBroken:
							if !strings.HasPrefix(whole, got) || w.reads(t, g.text()) != "" {
								t.Errorf("%s, %s at %d: read %q\n%s\n%s", caller, second, at, got, g.text(), rec.Trace)
							}
						default:
							t.Errorf("%s, %s at %d: %s\n%s", caller, second, at, rec.Outcome, rec.Trace)
						}
					})
				}
			}
		}
	}
	if outcomes[OutcomeServed] < 500 || outcomes[OutcomeBroken] < 500 {
		t.Errorf("%v", outcomes)
	}
}

// What a chunk has beside the text that a model of some maker alone sends is something that the caller has got: the answer is not gone on with.
func TestResumeNeverBesideWhatIsNotRead(t *testing.T) {
	w := wires["chat"]
	for member, resumes := range map[string]bool{
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"OPAQUE","id":"rs_1"}]`: false,
		`"reasoning_details":[]`: true, `"reasoning_details":null`: true,
		`"images":[{"type":"image_url","image_url":{"url":"data:,x"}}]`:  false,
		`"audio":{"id":"a","data":"AA=="}`:                               false,
		`"content":[{"type":"image_url","image_url":{"url":"data:,x"}}]`: false,
		`"role":"assistant"`: true, `"something":null`: true, `"matched":12345`: true,
	} {
		t.Run(member, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", platform: w.platform}, {name: "b", platform: w.platform, priority: 1}}, as(w.d), resuming(domain.ResumeRepeat))
				p := w.parts("1", "one ", "two")
				beside := data("", `{"id":"up-1","object":"chat.completion.chunk","created":7,"model":"claude-x","choices":[{"index":0,"delta":{`+member+`},"finish_reason":null}]}`)
				r.on("a", stream(io.ErrUnexpectedEOF, part{0, p[0] + beside + p[1] + p[2]}), unsent)
				r.on("b", w.says("2", "one two three"))
				g := r.sendAs(w, w.ask)
				if (r.last().Outcome == OutcomeServed) != resumes {
					t.Errorf("%s, asked %s\n%s", r.last().Outcome, r.asked(), g.text())
				}
			})
		})
	}
}

// An answer that has come for longer than attempts may begin in is gone on with as any.
func TestResumeAfterLong(t *testing.T) {
	for _, minutes := range []int{5, 12} {
		synctest.Test(t, func(t *testing.T) {
			w := wires["anthropic"]
			r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, resuming(domain.ResumeRepeat))
			drip := []part{{0, w.parts("1")[0] + delta("x")}}
			for range minutes*3 - 1 {
				drip = append(drip, part{20 * time.Second, delta("x")})
			}
			r.on("a", stream(io.ErrUnexpectedEOF, drip...), unsent)
			r.on("b", w.says("2", strings.Repeat("x", minutes*3), "yz"))
			r.sendAs(w, w.ask)
			if r.last().Outcome != OutcomeServed {
				t.Errorf("after %d minutes: asked %s, %s\n%s", minutes, r.asked(), r.last().Outcome, r.last().Trace)
			}
		})
	}
}

// While an answer goes on, its holding grows by all that the caller has got.
func TestResumeGrowsTheHolding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wires["anthropic"]
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, as(w.d), resuming(domain.ResumeContinue))
		words := strings.Split(strings.Repeat("x,", 3*growEvery), ",")
		r.on("a", w.cut(io.ErrUnexpectedEOF, "1", len(words), words...), unsent)
		r.on("b", w.says("2", words...))
		r.sendAs(w, strings.Replace(w.ask, "claude-x", "claude-sonnet-4-5", 1))
		if r.last().Outcome != OutcomeServed || r.ledger.grown < 6*growEvery-2 {
			t.Errorf("%s: grown to %d\n%s", r.last().Outcome, r.ledger.grown, r.last().Trace)
		}
	})
}
