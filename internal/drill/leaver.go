package drill

import (
	"context"
	"time"
)

// cancelWithin is how soon an upstream must be cancelled once its caller has left.
const cancelWithin = time.Second

// holdReset is stated by the account for which a caller is held that leaves.
const holdReset = 15 * time.Second

// leavers are the rows of callers who leave.
func leavers() []*Scenario {
	list := []*Scenario{
		{
			Name: "leave-before", Does: "silent; the caller leaves after 2 s",
			Accounts: pf("hang"), Ask: Ask{LeaveAfter: 2 * time.Second},
		},
		{
			Name: "leave-in-hold", Does: "429 with 15 s to go, and there is no F; the caller leaves after 3 s, held", RealTime: true,
			Accounts: func(m Mode) []Account { return pf("fail429-ra15")(m)[:1] },
			Ask:      Ask{LeaveAfter: 3 * time.Second},
			Play: func(ctx context.Context, r *Run) {
				r.Send(ctx, &r.Scenario.Ask)
				r.Pace.wait(ctx, holdReset) // so that a late attempt shows
			},
		},
		{
			Name: "leave-mid-stream", Does: "a token each half second; the caller leaves after the fifth",
			Modes: only("a body comes whole", streaming), Accounts: pf("d500"), Ask: Ask{LeaveAt: 5},
		},
	}
	for _, s := range list {
		s.Must = "the upstream is cancelled within a second, nothing is tried any more, and 499 is recorded"
		s.Judge = judgeLeft
	}
	return list
}

func judgeLeft(r *Run, j *Judgement) {
	a := r.only()
	if !j.want(a.Kind == Left, Fail, "the caller could not leave: %s", a) {
		return
	}
	left := a.At + a.Took
	for _, at := range r.Attempts {
		j.want(at.At <= left, Fail, "an attempt at %s was made after the caller had left", at.Account)
		j.want(at.At > left || at.At+at.Took <= left+cancelWithin+r.Pace.Slack, Fail, "the attempt at %s went on for %s after the caller had left", at.Account, short(at.At+at.Took-left))
	}
	j.want(len(r.Attempts) == 1, Partial, "%d attempts", len(r.Attempts))
	if j.want(len(r.Records) == 1, Partial, "%d records of one request", len(r.Records)) {
		rec := &r.Records[0]
		j.want(rec.Status == 499 && rec.Outcome == "canceled", Partial, "recorded as %s, status %d", rec.Outcome, rec.Status)
	}
}
