package drill

import (
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// commitPoints are the rows of commit points other than the default and complete.
func commitPoints() []*Scenario {
	at := func(c domain.Commit) func(*config.Pool) {
		return func(p *config.Pool) { p.Commit, p.Resume = c, 0 }
	}
	tokens5 := at(domain.Commit{Point: domain.CommitTokens, Tokens: 5})
	// By time a token comes each 0.3 s: three of them take 0.6 s, ten of them 2.7 s.
	seconds2 := at(domain.Commit{Point: domain.CommitSeconds, Time: 2 * time.Second})
	carried := func(r *Run, j *Judgement) {
		if j.whole(r.only(), tokens, Fail) {
			j.attempts(r, primary, 1, 2)
		}
	}
	// told wants the error event after at least so much content, and nobody else asked.
	told := func(least int) func(*Run, *Judgement) {
		return func(r *Run, j *Judgement) {
			a := r.only()
			j.want(a.Kind == Refusal && a.InBand, Fail, "no error event of the protocol: %s", a)
			j.whole(a, tokens, Pass) // for the text before the error
			j.want(a.Contents >= least, Partial, "the caller saw %d pieces of content before the error, where %d had to be shown", a.Contents, least)
			j.attempts(r, primary, 1, 1)
			j.attempts(r, fallback, 0, 0)
		}
	}
	list := []*Scenario{
		{Name: "commit-tokens-early", Does: "the stream dies after 3 tokens (commit: {tokens: 5})", Must: "carried over: the whole answer", Accounts: pf("cut3"), Pool: tokens5, Judge: carried},
		{Name: "commit-tokens-late", Does: "the stream dies after 10 tokens (commit: {tokens: 5})", Must: "the protocol's error event, after the content", Accounts: pf("cut10"), Pool: tokens5, Judge: told(5)},
		{Name: "commit-seconds-early", Does: "the stream dies after 0.9 s of content (commit: {seconds: 2})", Must: "carried over: the whole answer", Accounts: pf("d300-cut3"), Pool: seconds2, Judge: carried, RealTime: true},
		{Name: "commit-seconds-late", Does: "the stream dies after 3 s of content (commit: {seconds: 2})", Must: "the protocol's error event, after the content", Accounts: pf("d300-cut10"), Pool: seconds2, Judge: told(5), RealTime: true},
		{
			Name: "commit-seconds-silent", Does: "silence after 3 tokens (commit: {seconds: 2})", Must: "the content after 2 s, and then the protocol's error event",
			Accounts: pf("stall3"), Pool: seconds2,
			Judge: func(r *Run, j *Judgement) {
				told(3)(r, j)
				j.want(r.Pace.within(r.only().First, 3*time.Second), Partial, "the content came after %s", short(r.Pace.told(r.only().First)))
			},
		},
		{
			Name: "commit-first-event", Does: "an error event after the start event, before any content (commit: first_event)", Must: "the protocol's error event, and F is not asked",
			Accounts: pf("errstart-es503"), Pool: at(domain.Commit{Point: domain.CommitFirstEvent}), Judge: told(0),
		},
		{
			Name: "error-after-start", Does: "an error event after the start event, before any content (commit: content)", Must: "carried over: the whole answer",
			Accounts: pf("errstart-es503"), Pool: at(domain.Commit{}), Judge: carried,
		},
	}
	for _, s := range list {
		s.Modes = only("commit is of streams", streaming)
	}
	return list
}
