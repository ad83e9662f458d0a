package drill

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"turnout/internal/sim"
)

// malformed are the rows of an event that is not JSON.
func malformed() []*Scenario {
	const tenth = 10
	inside := &Scenario{
		Number: 10, Name: "malformed", Does: "the tenth event is not JSON (JSON: half a body), then healthy", Must: "as 8, but that a lost piece of a Chat Completion's text may be skipped; the next request is served",
		Accounts: func(m Mode) []Account {
			return pf(fmt.Sprintf("malformed%dx1", tenth-1-m.provider().before))(m)
		},
		Play: twoRequests,
		Judge: func(r *Run, j *Judgement) {
			a := r.Answers[0]
			if a.Kind != Whole || !r.Mode.Stream || !r.Mode.provider().skips || !withoutOnePiece(a.Text) {
				broken(r, j, a)
			}
			j.healthy(r)
		},
	}
	between := &Scenario{
		Number: 10, Name: "malformed-between", Does: "an event that is not JSON, between blocks", Must: "it is skipped: the whole answer",
		Modes: only("there are no blocks", func(m Mode) bool { return m.Stream && m.provider().blocks }), Accounts: pf("garbage"),
		Judge: func(r *Run, j *Judgement) {
			if j.whole(r.only(), tokens, Fail) {
				j.attempts(r, primary, 1, 1)
			}
		},
	}
	return []*Scenario{inside, between}
}

// withoutOnePiece: the text lacks one piece of the right one, and no more.
func withoutOnePiece(text string) bool {
	whole := sim.Text(tokens)
	for i := range tokens {
		if text == sim.Text(i)+strings.TrimPrefix(whole, sim.Text(i+1)) {
			return true
		}
	}
	return false
}

// unended are the rows of a stream whose terminal event is missing.
func unended() []*Scenario {
	ended := func(r *Run, j *Judgement) {
		if j.whole(r.only(), tokens, Fail) {
			j.within(r, r.only(), 10*time.Second, Partial)
			j.attempts(r, primary, 1, 1)
		}
	}
	unended := func(m Mode) string {
		switch {
		case !m.Stream:
			return "a body has no terminal event"
		case !m.provider().terminal:
			return "nothing comes after the finish reason of the provider's streams"
		}
		return ""
	}
	return []*Scenario{
		{
			Number: 11, Name: "no-terminal", Does: "the whole stream and its finish reason, and no terminal event", Must: "ended promptly with the proper terminal event, usage reported",
			Modes: unended, Accounts: pf("nosentinel"), Judge: ended,
		},
		{
			Number: 11, Name: "no-end", Does: "the whole stream and its finish reason, no terminal event, and the connection stays open", Must: "ended promptly with the proper terminal event, usage reported",
			Modes: only("a body has no terminal event", streaming), Accounts: pf("openend"), Judge: ended,
		},
	}
}

func contextLength() *Scenario {
	return &Scenario{
		Number: 12, Name: "context-length", Does: "400, the prompt is too long", Must: "one attempt at P; a larger model where one is configured, else the error as it is",
		Accounts: pf("ctxlen"),
		Judge: func(r *Run, j *Judgement) {
			a := r.only()
			j.attempts(r, primary, 1, 1)
			if a.Kind == Refusal && !strings.HasSuffix(r.Scenario.Name, "+models") {
				said := r.Mode.provider().tooLong
				j.want(a.Status == 400, Fail, "the caller got status %d, not 400", a.Status)
				j.want(strings.Contains(a.Error, said), Partial, "the provider's words are missing: %s", a.Error)
				return
			}
			j.whole(a, tokens, Fail)
		},
	}
}

func refused() *Scenario {
	return &Scenario{
		Number: 13, Name: "refused", Does: "400, content refused", Must: "one attempt at P; the provider's reason to the caller; no way around it",
		Accounts: pf("refused"),
		Judge: func(r *Run, j *Judgement) {
			a := r.only()
			if said := r.Mode.provider().refused; said != "" {
				j.want(a.Kind == Refusal && a.Status == 400, Fail, "not the provider's refusal: %s", a)
				j.want(strings.Contains(a.Error, said), Fail, "the provider's reason is missing: %s", a.Error)
			} else {
				declined := r.Mode.caller().declined
				if !r.Mode.translated() {
					declined = "PROHIBITED_CONTENT" // as it came
				}
				j.want(a.Kind == Whole && a.Text == "" && a.Finish == declined, Fail, "not the provider's refusal: %s, finish reason %q", a, a.Finish)
			}
			j.attempts(r, primary, 1, 1)
			j.want(len(r.at(fallback)) == 0, Fail, "the refused request was shown to F")
		},
	}
}

// The outage of row 15.
const (
	outageLasts = 60 * time.Second
	outageEvery = 4 * time.Second
	backWithin  = 30 * time.Second
	// outageProbes is how many attempts at P its outage may cost: two requests until the
	// circuit opens, then single probes.
	outageProbes = 10
)

func outage() *Scenario {
	return &Scenario{
		Number: 15, Name: "outage", Does: "down for 60 s, then healthy; a request every 4 s", Must: "all served; few attempts at P while it is down; back on P within 30 s of its recovery",
		Accounts: pf("fail503-down60000"),
		Play: func(ctx context.Context, r *Run) {
			var all sync.WaitGroup
			for at := time.Duration(0); at <= outageLasts+backWithin+3*outageEvery; at += outageEvery {
				all.Go(func() { r.Send(ctx, &r.Scenario.Ask) })
				if !r.Pace.wait(ctx, outageEvery) {
					break
				}
			}
			all.Wait()
		},
		Judge: func(r *Run, j *Judgement) {
			down, late := 0, 0
			for _, a := range r.at(primary) {
				if a.At < r.Pace.of(outageLasts) {
					down++
				}
			}
			j.want(down <= outageProbes, Partial, "%d attempts at P while it was down, where at most %d should be made", down, outageProbes)
			for _, a := range r.Answers {
				if !j.whole(a, tokens, Fail) || a.At <= r.Pace.of(outageLasts+backWithin)+r.Pace.Slack {
					continue
				}
				if last := r.of(a.Request); len(last) == 0 || last[len(last)-1].Account != primary {
					late++
				}
			}
			j.want(late == 0, Partial, "%d requests were not served by P although it had been back for 30 s", late)
		},
	}
}

func attribution() *Scenario {
	return &Scenario{
		Number: 16, Name: "attribution", Does: "always 503", Must: "the answer names F's model and usage; failed attempts are recorded and not billed to the caller",
		Accounts: pf("fail503"),
		Judge: func(r *Run, j *Judgement) {
			a := r.only()
			if !j.whole(a, tokens, Fail) {
				return
			}
			byF := r.at(fallback)
			if !j.want(len(byF) == 1, Partial, "%d attempts at F", len(byF)) {
				return
			}
			j.want(a.Model == byF[0].Model, Partial, "the answer names the model %q, and F's is %q", a.Model, byF[0].Model)
			j.want(a.Usage != nil && a.Usage.Output >= tokens, Partial, "the answer's usage is not F's: %+v", a.Usage)
			rec := r.record(a)
			if !j.want(rec != nil, Partial, "the request was not recorded") {
				return
			}
			j.want(rec.Account == fallback && rec.Outcome == "ok" && rec.Status == 200, Partial,
				"recorded as %s, status %d, by %s", rec.Outcome, rec.Status, rec.Account)
			j.want(rec.Attempts == len(r.Attempts), Partial, "%d attempts were recorded of %d", rec.Attempts, len(r.Attempts))
			j.want(a.Usage != nil && rec.Output == int64(a.Usage.Output) && rec.Input == int64(a.Usage.Input), Partial,
				"%d + %d tokens were billed, and the answer has %+v", rec.Input, rec.Output, a.Usage)
		},
	}
}
