package sched

import "time"

// Row is one candidate as a choice sees it.
type Row struct {
	Candidate *Candidate
	Verdict   Verdict
	Until     time.Time // of a resting or limited one; zero: nobody knows
	InFlight  int
	Score     Score // of an eligible one, where the strategy has scores
}

// Explain gives every candidate of a View as [Choose] would see it for a request, in the View's order.
func Explain(v *View, r Request) []Row {
	q := choice{v: v, r: &r, nowMs: r.Now.UnixMilli(), nowNs: r.Now.UnixNano(), best: -1}
	if i := v.place(r.Bound); i >= 0 {
		q.warm, q.domain = r.warmAt(&v.Prices), v.Candidates[i].Organization
	} else if i := v.place(r.Parent); i >= 0 {
		q.parentDomain = v.Candidates[i].Organization
	}
	rows := make([]Row, len(v.Candidates))
	for i := range v.Candidates {
		c := &v.Candidates[i]
		row := Row{Candidate: c, InFlight: c.Live.InFlight()}
		verdict, until := c.verdict(&r, q.nowMs)
		row.Verdict = verdict
		if (verdict == Resting || verdict == Limited) && until != forever {
			row.Until = time.UnixMilli(until)
		}
		if verdict == Eligible && scores(v) {
			row.Score = q.score(c, int64(row.InFlight))
		}
		rows[i] = row
	}
	return rows
}
