package gateway

import (
	"log/slog"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/sched/rest"
)

// afterFailure asks the core what follows a failed attempt, and carries out what it
// says happens at once: rests, counters, the log.
func (x *exchange) afterFailure(at *attempt) failover.Decision {
	c := at.cand
	pol := x.pools[0].policyOf(at.plat.Name)
	opened, committed, _ := x.ans.state()
	o := x.outcome(at)
	o.Opened, o.Committed = opened, committed && at.committed()
	s := x.splice.Load()
	o.Resume = s != nil && s.from == at
	o.Class, o.Status, o.Scope = at.verdict.Class, at.status, at.verdict.Scope
	o.RetrySame, o.Reset, o.Stated = at.verdict.RetrySame, at.verdict.Reset, at.verdict.Stated
	if x.hasFallback(o.Class) {
		other, _ := x.freeFallback(o.Class)
		o.Fallback = other != nil
	}
	o.Probe = at.probe
	x.count(at, &o)
	c.EndProbe()
	if at.result == resultFailed {
		o.Cost = x.lost(at)
	}
	now := time.Now()
	if pol.Braked.Has(o.Class) {
		x.g.loads.ended(x.loadKey(c), true, now)
	}
	if rest.Blames(o.Class) {
		c.Stat.Attempt(true, now)
	}
	if at.result == resultFailed && !at.beside {
		o.Ahead, x.seat = x.g.crowd.join(crowdKey{account: c.ID}, x.key.ID)
	}

	decided := func() {}
	if pol.Braked.Has(o.Class) {
		decided = x.g.loads.decide(x.loadKey(c))
	}
	x.mu.Lock()
	o.NoRetries = !x.g.loads.mayRetry(x.loadKey(c), pol.Retries, now)
	state := x.state
	id, soonest, known := x.awaited(now, func(c *sched.Candidate) bool { return state.IsSpent(c.ID) || x.isUnfit(c.ID) })
	if x.awaiting = id; known {
		o.Soonest = soonest
	}
	o.Running = len(x.running)
	for _, r := range x.running {
		if r == at {
			o.Running--
		}
	}
	var d failover.Decision
	x.state, d = failover.AfterFailure(*pol, x.state, o)
	at.decision = d
	if !known || d.Wait < soonest {
		x.awaiting = 0 // the wait is for something else
	}
	if pol.Braked.Has(o.Class) && (d.Action == failover.RetrySame || d.Action == failover.Round || d.Action == failover.Switch && o.AlternativeProvider == o.Provider) {
		// Counted now and not when it begins: others decide meanwhile, and a round waits.
		x.paid = x.loadKey(c)
		x.g.loads.began(x.paid, true, now)
	}
	x.mu.Unlock()
	decided()
	if d.Wait == 0 && !at.beside {
		x.seat.leave()
	}

	x.effects(d.Before, at)
	x.g.deps.Observer.Attempt(at.plat.Name, o.Class.String(), d.Action.String(), at.took)
	x.g.deps.Log.LogAttrs(x.ctx, slog.LevelInfo, "attempt failed",
		slog.String("request", x.id.String()), slog.Int("attempt", at.n), slog.String("account", c.Account.Name),
		slog.String("class", o.Class.String()), slog.Int("status", at.status), slog.String("row", at.verdict.Row), slog.String("error", at.fault),
		slog.String("action", d.Action.String()), slog.String("reason", string(d.Reason)), slog.Duration("wait", d.Wait))
	return d
}

// count enters a failure into the streak of whom it concerns.
//
// "Overloaded" is said by a provider, but sometimes of one account or one place
// only. So it concerns the provider once several of its accounts have said so
// without a success between (or there is only one), and until then the account alone: an account that
// is always overloaded must not close the others.
func (x *exchange) count(at *attempt, o *failover.Outcome) {
	o.Streak, at.alone = rest.Count(at.cand, o.Scope, at.began, time.Now())
}

// outcome is what every question to the core needs to know of an attempt.
func (x *exchange) outcome(at *attempt) failover.Outcome {
	c := at.cand
	o := failover.Outcome{
		Account: c.ID, Organization: c.Organization, Provider: x.provider(c),
		Spent: x.spent(time.Now()), Streak: 1, Stake: x.stakeAt(c.ID),
	}
	if alt := x.alternative(c.ID); alt != nil {
		o.Alternative, o.AlternativeOrganization, o.AlternativeProvider = alt.ID, alt.Organization, x.provider(alt)
		// That one account is well says nothing while its provider fails most of what it is asked.
		o.AlternativeWell = alt.Well() && !x.g.loads.brownsOut(x.loadKey(alt), time.Now())
	}
	return o
}

// spent is how much of the time has gone within which attempts may begin: what an answer took before it broke is none of it.
func (x *exchange) spent(now time.Time) time.Duration {
	if s := x.splice.Load(); s != nil {
		return now.Sub(s.broke)
	}
	return now.Sub(x.began)
}

// stakeAt is what the session would lose by leaving an account.
func (x *exchange) stakeAt(id domain.AccountID) failover.Stake {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.binding.Account != id {
		return failover.Stake{}
	}
	return failover.Stake{Tokens: x.staked(), Expires: max(time.Until(x.binding.WarmUntil), 0)}
}

// alternative is where the scheduler would go if an account were left out now.
func (x *exchange) alternative(leave domain.AccountID) *sched.Candidate {
	x.mu.Lock()
	req := sched.Request{Now: time.Now(), Seed: x.seed, Exclude: append(x.excluded(), leave), ExcludeOrgs: x.state.Organizations}
	x.mu.Unlock()
	for _, v := range x.views() {
		if d := sched.Choose(v, req); d.Candidate != nil {
			return d.Candidate
		}
	}
	return nil
}

// afterNoCandidate asks the core what follows when nobody was left at the time of a choice: who has come
// back since then was resting.
func (x *exchange) afterNoCandidate(now time.Time, choice *sched.Decision) failover.Decision {
	pol := x.policy()
	x.mu.Lock()
	if n := len(x.attempts); n > 0 {
		pol = x.pools[0].policyOf(x.attempts[n-1].plat.Name)
	}
	retry, owed := x.owed(pol)
	x.mu.Unlock()
	decided := func() {}
	if owed {
		decided = x.g.loads.decide(retry)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	state := x.state
	ahead, s := x.g.crowd.join(crowdKey{pool: x.pools[0].ID}, x.key.ID)
	x.seat = s
	id, soonest, known := x.awaited(now, func(c *sched.Candidate) bool { return state.IsSpent(c.ID) || x.isUnfit(c.ID) })
	x.awaiting = id
	if x.g.crowd.held(x.pools[0].ID) > x.snap.Settings.QueuePlaces {
		known = false // enough are waiting; more would only come back together
	}
	if owed && !x.g.loads.mayRetry(retry, pol.Retries, now) {
		known = false
	}
	var d failover.Decision
	x.state, d = failover.AfterNoCandidate(*pol, x.state, soonest, known, ahead)
	if owed && d.Action == failover.Round {
		x.paid = retry
		x.g.loads.began(retry, true, now)
	}
	decided()
	if !known || d.Wait < soonest {
		x.awaiting = 0
	}
	n := note{at: now.Sub(x.began), decision: d}
	if known {
		n.soonest = soonest
	}
	n.rests = x.resting(now)
	x.notes = append(x.notes, n)
	x.g.deps.Log.LogAttrs(x.ctx, slog.LevelInfo, "no account left",
		slog.String("request", x.id.String()), slog.String("action", d.Action.String()), slog.String("reason", string(d.Reason)),
		slog.Duration("wait", d.Wait), slog.Int("resting", int(choice.Counts[sched.Resting])), slog.Int("limited", int(choice.Counts[sched.Limited])), slog.Int("excluded", int(choice.Counts[sched.Excluded])))
	return d
}

// owed is what the next attempt would be counted under as a retry, if the last failure was a provider's own fault
// and the retry has not been counted yet; the lock is held.
func (x *exchange) owed(pol *failover.Policy) (k loadKey, owed bool) {
	if len(x.attempts) == 0 || x.paid != (loadKey{}) || !pol.Braked.Has(x.state.Last.Class) {
		return k, false
	}
	return x.loadKey(x.attempts[len(x.attempts)-1].cand), true
}

// resting names accounts that rest, and why.
func (x *exchange) resting(now time.Time) (out []noteRest) {
	for _, v := range x.everywhere() {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			if left, ok := c.Limited(now); ok && len(out) < maxNoteRests {
				out = append(out, noteRest{c.ID, failover.RateLimited, left})
				continue
			}
			for _, cell := range c.Rests {
				if until, ok := cell.Until(); ok && until.After(now) && len(out) < maxNoteRests {
					out = append(out, noteRest{c.ID, failover.Class(cell.Class()), until.Sub(now)})
					break
				}
			}
		}
	}
	return out
}

// soonest is how long it takes until the first resting account returns.
func (x *exchange) soonest(now time.Time, skip func(*sched.Candidate) bool) (d time.Duration, known bool) {
	for _, v := range x.everywhere() {
		if left, ok := v.Soonest(now, skip); ok && (!known || left < d) {
			d, known = left, true
		}
	}
	if !known { // nobody rests; but some may be full of sessions
		for _, v := range x.everywhere() {
			for i := range v.Candidates {
				c := &v.Candidates[i]
				if left, ok := c.Unwelcome(now); ok && !c.Drains() && !skip(c) && (!known || left < d) {
					d, known = left, true
				}
			}
		}
	}
	return d, known
}

// together is within how much of the first one's return others count as returning with it.
const together = 250 * time.Millisecond

// awaited is the account to wait for and how long that takes: the first to return, or by
// chance one that returns together with it, so that all who wait do not wait for one.
func (x *exchange) awaited(now time.Time, skip func(*sched.Candidate) bool) (id domain.AccountID, d time.Duration, known bool) {
	first, known := x.soonest(now, skip)
	if !known {
		return 0, 0, false
	}
	var rank uint64
	for _, v := range x.everywhere() {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			left, ok := c.Returns(now)
			if !ok || left > first+together || skip(c) {
				continue
			}
			if r := sched.Mix(x.seed, c.ID); id == 0 || r > rank {
				id, d, rank = c.ID, left, r
			}
		}
	}
	return id, d, true
}

// stayOrMove asks the core whether a session waits for its resting account.
func (x *exchange) stayOrMove() failover.Decision {
	c := x.candidate(x.bound())
	if c == nil {
		return failover.Decision{Action: failover.Switch}
	}
	now := time.Now()
	o := x.restOutcome(c, now)
	o.Ahead, x.seat = x.g.crowd.join(crowdKey{account: c.ID}, x.key.ID)
	x.mu.Lock()
	defer x.mu.Unlock()
	var d failover.Decision
	x.state, d = failover.StayOrMove(*x.pools[0].policyOf(c.Account.Platform), x.state, o)
	x.notes = append(x.notes, note{at: now.Sub(x.began), decision: d, soonest: o.Reset})
	return d
}

// restOutcome describes a candidate's rest as if it were a failure; one that is over has a reset of 0.
func (x *exchange) restOutcome(c *sched.Candidate, now time.Time) failover.Outcome {
	o := x.outcome(&attempt{cand: c})
	o.Stated = !c.Resting(now) // while it is only probed nobody knows
	if left, ok := c.Limited(now); ok {
		o.Class, o.Stated, o.Reset = failover.RateLimited, true, left
	}
	for _, cell := range c.Rests {
		if until, ok := cell.Until(); !ok || until.After(now) {
			o.Class, o.Stated = failover.Class(cell.Class()), ok
			if !ok {
				break
			}
			o.Reset = max(o.Reset, until.Sub(now))
		}
	}
	if x.hasFallback(o.Class) {
		other, _ := x.freeFallback(o.Class)
		o.Fallback = other != nil
	}
	return o
}

// afterWait asks the core whether a request whose wait is over waits on, because the account that
// it waits for still rests. Without a wait in it the decision says that it does not.
func (x *exchange) afterWait(d failover.Decision) (on failover.Decision) {
	now := time.Now()
	var c *sched.Candidate
	switch {
	case d.Action == failover.RetrySame:
		c = x.candidate(d.Account)
	case d.Action == failover.Round && x.awaiting != 0:
		c = x.stillAwaited(d, now)
	}
	if c == nil || !c.Resting(now) {
		return on
	}
	o := x.restOutcome(c, now)
	o.Ahead = x.seat.ahead
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state, on = failover.AfterWait(*x.pools[0].policyOf(c.Account.Platform), x.state, o, d); on.Wait > 0 {
		x.notes = append(x.notes, note{at: now.Sub(x.began), decision: on, soonest: o.Reset})
	}
	return on
}

// stillAwaited is whose return the end of a round has to wait for; nil: somebody is there.
func (x *exchange) stillAwaited(d failover.Decision, now time.Time) *sched.Candidate {
	state := d.Completed(x.snapshotState())
	spent := func(c *sched.Candidate) bool { return state.IsSpent(c.ID) || x.isUnfit(c.ID) }
	id, _, known := x.awaited(now, spent)
	if !known {
		return nil
	}
	var awaited *sched.Candidate
	for _, v := range x.everywhere() {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			if !spent(c) && !c.Resting(now) {
				return nil
			}
			if c.ID == id {
				awaited = c
			}
		}
	}
	x.awaiting = id
	return awaited
}

// overtaken draws the consequence for others of attempts that had not even answered with a
// header when one that began later was done. Only a stream's header says that somebody is there; a
// JSON answer's comes with its end.
func (x *exchange) overtaken() {
	if !x.req.Stream {
		return
	}
	for _, at := range x.attempts {
		if at.result != resultLost || at.status > 0 || at.beside {
			continue
		}
		o := x.outcome(at)
		o.Class, o.Scope = failover.FirstTokenLate, failover.ScopeAccount
		x.count(at, &o)
		x.mu.Lock()
		var effects []failover.Effect
		x.state, effects = failover.AfterOvertaken(*x.pools[0].policyOf(at.plat.Name), x.state, o)
		x.mu.Unlock()
		x.effects(effects, at)
	}
}

// restKey names the cell of a candidate that a scope means.
func restKey(c *sched.Candidate, s failover.Scope) sched.RestKey {
	switch s {
	case failover.ScopeAccountModel:
		return sched.AccountModelKey(c.ID, c.Sent)
	case failover.ScopeOrganization:
		return sched.OrganizationKey(c.Account.Platform, c.Organization)
	case failover.ScopeProvider:
		return sched.ProviderKey(c.Account.Platform, c.Account.BaseURL, c.Sent)
	}
	return sched.AccountKey(c.ID)
}

// effects carries out what a decision means for other requests.
func (x *exchange) effects(effects []failover.Effect, at *attempt) {
	c := at.cand
	for i := range effects {
		if effects[i].Kind != failover.EffectRest {
			continue
		}
		if effects[i].Scope == failover.ScopeProvider && at.alone {
			effects[i].Scope = failover.ScopeAccountModel // see count; the trace shows what was really done
		}
		e := effects[i]
		cell := rest.Cell(c, e.Scope)
		if cell == nil || !rest.Begin(cell, e, time.Now()) {
			continue
		}
		if x.ownSeat == nil { // its rests go with it
			x.g.deps.Rested(restKey(c, e.Scope), cell)
		}
		x.g.deps.Observer.Rest(c.Account.Platform, e.Scope.String(), e.Class.String())
		x.g.deps.Log.LogAttrs(x.ctx, slog.LevelInfo, "rest begins",
			slog.String("request", x.id.String()), slog.String("scope", e.Scope.String()), slog.String("account", c.Account.Name),
			slog.String("class", e.Class.String()), slog.Duration("for", e.For), slog.Bool("stated", e.Stated), slog.Bool("until_changed", e.UntilChanged))
	}
}
