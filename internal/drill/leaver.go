package drill

import (
	"context"
	"sync"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/sim"
)

const (
	// cancelWithin is how soon, by the clock, an upstream must be cancelled once its caller has left.
	cancelWithin = time.Second
	// servedWithin is how long the next request may take, if everything that the caller held is free.
	servedWithin = time.Second
	// lineFree is after how long a caller's place in the line is another's.
	lineFree = 4 * time.Second
	// holdReset is stated by the account for which a caller is held that leaves.
	holdReset = 15 * time.Second
)

// leaver is a caller who leaves at one point of a request's life.
type leaver struct {
	Scenario
	// attempts is how many the caller has caused when it leaves; over: of them, those that had
	// ended by then.
	attempts, over int
	// rest is how long it takes until the next request can be served.
	rest time.Duration
	// inLine: another request has the only slot, and a third one takes the caller's place in the line.
	inLine bool
}

// leavers are the rows of callers who leave. Each account takes one request at a time,
// so that a slot that is kept shows.
func leavers() []*Scenario {
	alone := func(p string) func(Mode) []Account {
		return func(m Mode) []Account { return pf(p)(m)[:1] }
	}
	list := []*leaver{
		{attempts: 1, Scenario: Scenario{
			Name: "leave-before", Does: "silent; the caller leaves after 2 s",
			Accounts: pf("hang"), Ask: Ask{LeaveAfter: 2 * time.Second},
		}},
		{inLine: true, Scenario: Scenario{
			Name: "leave-in-line", Does: "busy with another request for 12 s, there is no F, and the caller leaves after 3 s in the line, which has one place",
			Accounts: alone("d200"), Ask: Ask{LeaveAfter: 3 * time.Second}, Queue: 1,
		}},
		{attempts: 1, over: 1, rest: 4 * time.Second, Scenario: Scenario{
			Name: "leave-in-wait", Does: "500 with Retry-After: 2, once; the caller leaves after 1 s, before P is asked again", RealTime: true,
			Accounts: pf("fail500x1-ra2"), Ask: Ask{LeaveAfter: time.Second},
		}},
		{attempts: 1, over: 1, rest: holdReset, Scenario: Scenario{
			Name: "leave-in-hold", Does: "429 with 15 s to go, and there is no F; the caller leaves after 3 s, held", RealTime: true,
			Accounts: alone("fail429-ra15"), Ask: Ask{LeaveAfter: 3 * time.Second},
		}},
		{attempts: 2, Scenario: Scenario{
			Name: "leave-beside", Does: "and F too, silent for a minute after the headers; the caller leaves after 14 s, when both are under way",
			Accounts: func(m Mode) []Account {
				list := pf("headersthen60000")(m)
				list[1].Behaviour = list[0].Behaviour
				return list
			},
			Ask: Ask{LeaveAfter: 14 * time.Second},
		}},
		{attempts: 1, Scenario: Scenario{
			Name: "leave-while-held", Does: "a token each half second, held back (commit: complete); the caller leaves after 5 s",
			Modes: only("commit is of streams", streaming), Accounts: pf("d500"), Ask: Ask{LeaveAfter: 5 * time.Second},
			Pool: func(p *config.Pool) { p.Commit = domain.Commit{Point: domain.CommitComplete} },
		}},
		{attempts: 1, Scenario: Scenario{
			Name: "leave-mid-stream", Does: "a token each half second; the caller leaves after the fifth",
			Modes: only("a body comes whole", streaming), Accounts: pf("d500"), Ask: Ask{LeaveAt: 5},
		}},
	}
	out := make([]*Scenario, len(list))
	for i, l := range list {
		accounts := l.Accounts
		l.Accounts = func(m Mode) []Account {
			list := accounts(m)
			for i := range list {
				list[i].MaxInFlight = 1
			}
			return list
		}
		l.Must = "every upstream attempt is cancelled within a second, nothing is tried any more, 499 is recorded, and the next request is served at once"
		l.Play, l.Judge = l.play, l.judge
		out[i] = &l.Scenario
	}
	return out
}

// play lets the caller leave, and asks again when nothing of its request may be left.
func (l *leaver) play(ctx context.Context, r *Run) {
	var other sync.WaitGroup
	if l.inLine {
		other.Go(func() { r.Send(ctx, &Ask{}) })
		if _, err := r.provider.Wait(ctx, func(sim.Seen) bool { return true }); err != nil {
			return
		}
	}
	r.Send(ctx, &l.Ask)
	r.heal()
	if l.inLine && r.Pace.wait(ctx, lineFree) {
		other.Go(func() { r.Send(ctx, &Ask{}) })
	}
	other.Wait()
	// What is late, an attempt or its cancelling, shows meanwhile.
	if lapse(ctx, cancelWithin) && r.Pace.wait(ctx, l.rest) {
		r.Send(ctx, &Ask{})
	}
}

func (l *leaver) judge(r *Run, j *Judgement) {
	who, next := r.Answers[0], r.Answers[len(r.Answers)-1]
	if l.inLine {
		who = r.Answers[1]
		j.whole(r.Answers[0], tokens, Fail)
		j.want(len(r.Answers) == 4 && j.whole(r.Answers[2], tokens, Fail), Fail, "the request that took the caller's place in the line was not served")
	}
	if !j.want(who.Kind == Left, Fail, "the caller could not leave: %s", who) {
		return
	}
	left, over := who.At+who.Took, 0
	for _, at := range r.of(who.Request) {
		j.want(at.At <= left, Fail, "an attempt at %s was made after the caller had left", at.Account)
		if end := at.At + at.Took; end < left && at.Outcome != aborted {
			over++
		} else {
			j.want(at.Outcome == aborted && end <= left+cancelWithin+r.Pace.Slack, Fail, "the attempt at %s went on for %s after the caller had left: %s", at.Account, short(end-left), at.Outcome)
		}
	}
	j.want(len(r.of(who.Request)) == l.attempts && over == l.over, Partial, "%d attempts, of which %d had ended when the caller left, where %d and %d were due", len(r.of(who.Request)), over, l.attempts, l.over)
	if l.Ask.LeaveAt == 0 {
		j.want(who.Contents == 0, Partial, "the caller had seen %d pieces of content", who.Contents)
	}
	l.judgeNext(r, j, next)
	gone := 0
	for i := range r.Records {
		switch rec := &r.Records[i]; {
		case rec.Status == 499 && rec.Outcome == "canceled":
			gone++
		default:
			j.want(rec.Status == 200 && rec.Outcome == "ok", Partial, "recorded as %s, status %d", rec.Outcome, rec.Status)
		}
	}
	j.want(gone == 1 && len(r.Records) == len(r.Answers), Partial, "%d records with status 499, of %d of %d requests", gone, len(r.Records), len(r.Answers))
}

// judgeNext wants the next request served at once, at the account that comes first.
func (l *leaver) judgeNext(r *Run, j *Judgement, next *Answer) {
	if !j.want(next.Request > 1, Fail, "the next request was not sent") || !j.whole(next, tokens, Fail) {
		return
	}
	j.within(r, next, servedWithin, Partial)
	of := r.of(next.Request)
	j.want(len(of) == 1 && of[0].Account == primary, Partial, "the next request was not served by the first attempt at P, as if its slot were taken")
}
