package drill

import (
	"context"
	"strings"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/sim"
)

// tokens is how long every healthy answer is.
const tokens = 60

// Names of P and F, and of F's model upstream where P and F serve the same one.
const (
	primary  = "p"
	fallback = "f"
	sentByF  = "drill-model-f"
)

// tooLong is the cause of a prompt that does not fit, as fallbacks name it.
const tooLong = "context_too_long"

// words is a behaviour in the words of package sim, with answers of the usual length.
func words(s string) sim.Behaviour {
	b := sim.Parse(s)
	if b.Chunks == 0 {
		b.Chunks = tokens
	}
	return b
}

// pf is P, which behaves as the words say, and a healthy F.
func pf(p string) func(Mode) []Account {
	return func(Mode) []Account {
		return []Account{{Name: primary, Behaviour: words(p)}, {Name: fallback, SentAs: sentByF, Behaviour: words("")}}
	}
}

// asModels is the scenario with P and F as two models, F's in P's place where P cannot
// serve for this cause.
func asModels(s *Scenario, cause string) *Scenario {
	return s.with("models", func(s *Scenario) {
		accounts, pool := s.Accounts, s.Pool
		s.Does += "; F is another model"
		s.Accounts = func(m Mode) []Account {
			list := accounts(m)
			for i := range list {
				list[i].Model = askedModel
				if list[i].Name == fallback {
					list[i].Model, list[i].SentAs = largerModel, ""
				}
			}
			return list
		}
		s.Pool = func(p *config.Pool) {
			if pool != nil {
				pool(p)
			}
			p.Fallbacks = domain.Fallbacks{askedModel: {cause: {largerModel}}}
		}
	})
}

// complete is the scenario with commit: complete, with which a stream that breaks has
// to end in the whole answer.
func complete(s *Scenario) *Scenario {
	return s.with("complete", func(s *Scenario) {
		pool := s.Pool
		s.Must = "the whole answer"
		s.Does += " (commit: complete)"
		s.Modes = only("commit is of streams", streaming)
		s.Pool = func(p *config.Pool) {
			if pool != nil {
				pool(p)
			}
			p.Commit = domain.Commit{Point: domain.CommitComplete}
		}
	})
}

// resumed is the scenario with a pool that goes on with answers that broke. Nothing says of the models that they take an
// answer that was begun, so that they are asked for all of it again.
func resumed(s *Scenario) *Scenario {
	return s.with("resume", func(s *Scenario) {
		s.Must = "the whole answer"
		s.Does += " (resume: both)"
		s.Modes = only("only streams break after their beginning has gone out", streaming)
		s.Pool = func(p *config.Pool) { p.Resume = domain.ResumeBoth }
		accounts := s.Accounts
		s.Accounts = func(m Mode) []Account { // no other model goes on with an answer
			list := accounts(m)
			for i := range list {
				list[i].SentAs = ""
			}
			return list
		}
	})
}

// broken judges a stream that breaks after content, or a body that breaks: the whole
// answer, or, where the pool commits before the end, content and then the protocol's error
// event.
func broken(r *Run, j *Judgement, a *Answer) {
	clean := Fail
	if r.Mode.Stream {
		clean = Pass
		if strings.HasSuffix(r.Scenario.Name, "+complete") || strings.HasSuffix(r.Scenario.Name, "+resume") {
			clean = Safe
		}
	}
	if a.Kind == Cut && a.Broken == "" {
		j.say(Fail, "request %d: a cut answer that looks whole: the stream just ends", a.Request)
		return
	}
	j.whole(a, tokens, clean)
	if clean == Pass && a.Kind == Refusal {
		// Before any content has gone, the failure could have been carried over.
		j.want(a.Contents > 0, Fail, "request %d was refused although no content had gone out: %s", a.Request, a)
		j.want(a.InBand, Fail, "request %d: the error is no event of the stream: %s", a.Request, a)
	}
}

// twoRequests asks once and then again, to see that the process is well.
func twoRequests(ctx context.Context, r *Run) {
	r.Send(ctx, &r.Scenario.Ask)
	r.Send(ctx, &r.Scenario.Ask)
}

// healthy wants the later requests of a run answered.
func (j *Judgement) healthy(r *Run) {
	for _, a := range r.Answers[1:] {
		j.whole(a, tokens, Fail)
	}
}

// sixteen are the faults of the public crash test.
func sixteen() []*Scenario {
	unavailable := &Scenario{
		Number: 4, Name: "unavailable", Does: "always 503", Must: "F within the budget",
		Accounts: pf("fail503"),
		Judge: func(r *Run, j *Judgement) {
			if j.whole(r.only(), tokens, Fail) {
				j.attempts(r, primary, 1, 2)
				j.attempts(r, fallback, 1, 2)
				j.within(r, r.only(), 20*time.Second, Partial)
			}
		},
	}
	slow := &Scenario{
		Number: 7, Name: "slow-first-token", Does: "headers at once, the first token after 20 s", Must: "a whole answer in less than 15 s: F is started beside P",
		Accounts: pf("headersthen20000"),
		Judge: func(r *Run, j *Judgement) {
			if j.whole(r.only(), tokens, Fail) {
				j.within(r, r.only(), 15*time.Second, Partial)
				j.attempts(r, primary, 1, 1)
				j.attempts(r, fallback, 1, 1)
			}
		},
	}
	cut := &Scenario{
		Number: 8, Name: "cut", Does: "the stream dies after 40 of 60 tokens", Must: "the whole answer, or the protocol's error",
		Accounts: pf("cut40"), Judge: func(r *Run, j *Judgement) { broken(r, j, r.only()) },
	}
	stalled := &Scenario{
		Number: 9, Name: "stalled", Does: "silence after 20 tokens, then healthy", Must: "as 8, within 45 s; the next request is served",
		Accounts: pf("stall20x1"), Play: twoRequests,
		Judge: func(r *Run, j *Judgement) {
			broken(r, j, r.Answers[0])
			j.within(r, r.Answers[0], 45*time.Second, Fail)
			j.healthy(r)
		},
	}
	prefill := &Scenario{
		Number: 14, Name: "prefill", Does: "the stream dies after 40 tokens, and F refuses a prompt that ends in an assistant's turn", Must: "as 8; F's refusal is never the caller's error",
		Accounts: func(Mode) []Account {
			return []Account{{Name: primary, Behaviour: words("cut40")}, {Name: fallback, SentAs: sentByF, Behaviour: words("noprefill")}}
		},
		Judge: func(r *Run, j *Judgement) {
			broken(r, j, r.only())
			j.want(!strings.Contains(r.only().Error, "prefill"), Fail, "the caller reads of a prefill that it never sent: %s", r.only().Error)
		},
	}
	long := contextLength()
	outage, attribution := outage(), attribution()
	list := []*Scenario{
		{
			Number: 1, Name: "limited-once", Does: "the first attempt 429 with Retry-After: 2", Must: "P again after 1.8 s or more, or F; never two attempts at P within 1.5 s",
			RealTime: true, Accounts: pf("fail429x1-ra2"),
			Judge: func(r *Run, j *Judgement) {
				j.whole(r.only(), tokens, Fail)
				at := moments(r.at(primary))
				j.want(most(at, 1500*time.Millisecond) <= 1, Fail, "two attempts at P within 1.5 s")
				j.want(len(at) < 2 || at[1]-at[0] >= 1800*time.Millisecond, Partial, "P again after less than 1.8 s")
			},
		},
		{
			Number: 2, Name: "limited", Does: "always 429, no Retry-After", Must: "back off, then F; at most 6 attempts at P, at most 4 of them in 3 s",
			Accounts: pf("fail429"),
			Judge: func(r *Run, j *Judgement) {
				if j.whole(r.only(), tokens, Fail) {
					j.attempts(r, primary, 1, 6)
					j.want(most(moments(r.at(primary)), r.Pace.of(3*time.Second)) <= 4, Partial, "more than four attempts at P in 3 s")
				}
			},
		},
		{
			Number: 3, Name: "error-once", Does: "500 once, then fine", Must: "one retry at P succeeds",
			Accounts: pf("fail500x1"),
			Judge: func(r *Run, j *Judgement) {
				if j.whole(r.only(), tokens, Fail) {
					j.attempts(r, primary, 2, 2)
					j.attempts(r, fallback, 0, 0)
				}
			},
		},
		unavailable, asModels(unavailable, domain.FallbackAny),
		{
			Number: 5, Name: "reset-once", Does: "the connection is reset before the headers, once", Must: "an answer, of P or of F",
			Accounts: pf("resetx1"),
			Judge: func(r *Run, j *Judgement) {
				if j.whole(r.only(), tokens, Fail) {
					j.attempts(r, primary, 1, 2)
				}
			},
		},
		{
			Number: 6, Name: "silent", Does: "accepts and never answers", Must: "a time limit fires, P is not tried again, F answers",
			Accounts: pf("hang"),
			Judge: func(r *Run, j *Judgement) {
				if j.whole(r.only(), tokens, Fail) {
					j.attempts(r, primary, 1, 1)
					j.within(r, r.only(), 45*time.Second, Partial)
				}
			},
		},
		slow, asModels(slow, domain.FallbackAny),
		cut, complete(cut), resumed(cut),
		stalled, complete(stalled), resumed(stalled),
	}
	list = append(list, malformed()...)
	list = append(list, unended()...)
	list = append(list, long, asModels(long, tooLong))
	list = append(list, refused(), prefill, complete(prefill), resumed(prefill), outage, asModels(outage, domain.FallbackAny),
		attribution, asModels(attribution, domain.FallbackAny))
	for _, s := range list {
		s.Group = Sixteen
	}
	return list
}
