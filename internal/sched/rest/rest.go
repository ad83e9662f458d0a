// Package rest carries out on the scheduler's cells what the failover core decides for other requests. It stands between
// the two cores, which do not know each other, for whoever runs them: the gateway, and the simulation.
package rest

import (
	"time"

	"turnout/internal/failover"
	"turnout/internal/sched"
)

// Cell is the cell of a candidate that a scope means; nil: nobody's.
func Cell(c *sched.Candidate, s failover.Scope) *sched.Rest {
	switch s {
	case failover.ScopeAccount:
		return c.Rests[sched.RestAccount]
	case failover.ScopeAccountModel:
		return c.Rests[sched.RestAccountModel]
	case failover.ScopeOrganization:
		return c.Rests[sched.RestOrganization]
	case failover.ScopeProvider:
		return c.Rests[sched.RestProvider]
	}
	return nil
}

// Blames reports whether a failure says something against the account: it counts in its error rate.
func Blames(c failover.Class) bool {
	switch c {
	case failover.CallerFault, failover.ContentRefused, failover.ContextTooLong, failover.ModelGone:
		return false
	}
	return true
}

// Count enters a failed attempt that began at a time into the streak of whom it concerns. alone: it is the provider's by what it
// says, but no other account has said so; then it counts for the account and its model.
func Count(c *sched.Candidate, s failover.Scope, began, now time.Time) (streak int, alone bool) {
	cell := Cell(c, s)
	if cell == nil {
		return 1, false
	}
	streak, several := cell.Fail(c.ID, began, now)
	if s != failover.ScopeProvider || several {
		return streak, false
	}
	streak, _ = c.Rests[sched.RestAccountModel].Fail(c.ID, began, now)
	return streak, true
}

// Begin begins the rest that an effect asks for, and reports whether anything changed. cell is that of its scope.
func Begin(cell *sched.Rest, e failover.Effect, now time.Time) (changed bool) {
	switch {
	case e.UntilChanged:
		// A refusal may have been the provider's mistake: one request asks again now and then.
		return cell.Extend(now.Add(credentialProbe(cell.Streak())), uint8(e.Class), sched.EndChanged)
	case e.Stated:
		if changed = cell.Extend(now.Add(e.For), uint8(e.Class), sched.EndStated); changed && e.For > sched.AskEarly {
			cell.AskAgain(now.Add(sched.AskEarly)) // an end so far away may be a mistake
		}
		return changed
	}
	// Anything that was not stated is a guess, and is probed before traffic returns.
	return cell.Extend(now.Add(e.For), uint8(e.Class), End(e.Class))
}

// End is what is known of the end of a rest for a class of failure, where the upstream states none.
func End(c failover.Class) sched.End {
	switch c {
	case failover.Credential:
		return sched.EndChanged
	case failover.RateLimited, failover.QuotaExhausted, failover.Permission, failover.ModelGone:
		return sched.EndEstimated
	case failover.ByOperator:
		return sched.EndStated
	}
	return sched.EndGuessed
}

// credentialProbe is how long a refused credential is left alone after the n-th
// refusal in a row, unless it is changed before: 10 minutes, doubling to 5 hours.
func credentialProbe(n int) time.Duration {
	return 10 * time.Minute << min(max(n-1, 0), 5)
}
