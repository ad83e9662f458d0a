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
	q := newChoice(v, &r, nil)
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
