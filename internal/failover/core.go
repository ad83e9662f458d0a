package failover

import (
	"time"

	"turnout/internal/domain"
)

// call is one decision in the making. It borrows a policy, an outcome and a state
// of its own for as long as one exported function runs.
type call struct {
	p *Policy
	s *State // a copy whose slices are still shared: write to them only through own, forget and excludeOrganization
	o *Outcome
}

// AfterFailure decides what follows a failed attempt. The order: committed, final
// class, another attempt under way, budgets, same account, grace (stay or move),
// exclude and rest, switch, give up. An account that is waited for is rested only
// until a reset that the upstream stated, which is when it is asked again: any other rest would take the
// session from it, whatever grace decides.
func AfterFailure(p Policy, s State, o Outcome) (State, Decision) {
	c := call{p: &p, s: &s, o: &o}
	a := c.record()
	d := c.afterFailure(a)
	return s, d
}

func (c *call) afterFailure(a *AccountState) Decision {
	resumes := c.o.Committed && c.o.Resume && !c.s.Resumed
	c.s.Resumed = c.s.Resumed || resumes
	switch {
	case c.o.Committed && !resumes, c.p.Final.Has(c.o.Class):
		// Not excluded unless it is spent: should the client send the same again,
		// that is this account's next attempt, with a cache that is warm.
		c.retire(a)
		if c.o.Committed && !resumes {
			return Decision{Reason: ReasonCommitted, Before: c.rest()}
		}
		return Decision{Reason: ReasonFinalClass, Before: c.rest()}
	case c.o.Running > 0:
		c.exclude(a)
		return Decision{Action: Await, Reason: ReasonStillRunning, Before: c.rest()}
	case !c.attemptsLeft():
		c.exclude(a)
		return Decision{Reason: ReasonAttemptsUsed, N: c.s.Attempts, Max: c.p.Attempts, Before: c.rest()}
	case c.p.Total != NoBound && c.o.Spent >= c.p.Total:
		c.exclude(a)
		return Decision{Reason: ReasonTotalUsed, Before: c.rest()}
	}
	if d, ok := c.same(a); ok {
		return d
	}
	d, ok := c.grace(a)
	if ok {
		return d
	}
	// What grace says against staying is the reason of the switch that follows.
	return c.leave(a, d.Reason, d.Detail)
}

// AfterNoCandidate decides what follows when the scheduler found no account to try.
// soonest is how long it takes until an account that this request could still use
// is back from a rest; known is false if no such account rests. Accounts that only
// this request excludes, and those for which State.IsSpent, do not count.
//
// It may be asked of a fresh state: then everybody was resting when the request
// came, and the rest may be short enough to wait for.
//
// ahead is how many requests wait already for the same accounts.
func AfterNoCandidate(p Policy, s State, soonest time.Duration, known bool, ahead int) (State, Decision) {
	o := Outcome{Class: s.Last.Class, Status: s.Last.Status, Spent: s.Last.Spent, Ahead: ahead}
	c := call{p: &p, s: &s, o: &o}
	if s.Attempts > 0 && !c.attemptsLeft() {
		return s, Decision{Reason: ReasonAttemptsUsed, N: s.Attempts, Max: p.Attempts}
	}
	resting := known && soonest > 0 && !p.Round.IgnoreStated
	if !resting && !s.bringsBack() {
		return s, Decision{Reason: ReasonNoAccount}
	}
	d := c.round(soonest, resting)
	return s, d
}

// AfterWait decides, once the wait of d is over, whether the request waits on (Wait is not 0) because the
// account that it waits for still rests: attempts that were under way when the rest began may have made it
// longer. The outcome describes the rest as for StayOrMove; for a round it is that of the first account to
// return, and nobody else can be asked. To wait on is no further use of a rule, but what is left of the rest must be
// short enough for the rule, and for the budgets. Ahead is what it was for d, so that those who wait
// together stay as far apart as they were. After the last wait d is completed.
func AfterWait(p Policy, s State, o Outcome, d Decision) (State, Decision) {
	c := call{p: &p, s: &s, o: &o}
	on := Decision{Action: d.Action, Account: d.Account, N: d.N, Max: d.Max}
	on.Wait, on.Reason, on.Detail = c.waitOn(d)
	return s, on
}

func (c *call) waitOn(d Decision) (wait time.Duration, why Reason, detail string) {
	r := &c.p.Grace
	switch {
	case d.Action == Round:
		r = &c.p.Round
	case d.Action != RetrySame || d.Reason == ReasonSameAccount || d.Reason == ReasonSingleAccount:
		return 0, d.Reason, "" // it waited for no rest
	case d.Reason == ReasonStatedReset:
		r = &c.p.Same
	}
	left := c.o.Reset
	switch {
	case c.o.Stated && left <= 0:
		return 0, ReasonRestOver, ""
	case !c.o.Stated || r.IgnoreStated || d.Action != Round && !r.covers(c.o):
		return 0, ReasonCauseLasts, ""
	case !within(left, r.LongestStated) || !c.affords(left) || !c.holds(left):
		return 0, ReasonWaitTooLong, ""
	}
	if r == &c.p.Grace && c.p.Stake.On {
		var stay bool
		if why, detail, stay = c.weigh(left); !stay {
			return 0, why, detail
		}
	}
	wait = plus(left, c.pace(left))
	c.s.Waited = plus(c.s.Waited, wait)
	return wait, ReasonStillResting, detail
}

// AfterExhausted decides whether a request that would be given up goes on with
// another model: model is the one to go on with, left how many more are configured
// after it. What failed for one model says nothing of another, so the failed accounts are
// forgotten; the budgets are not renewed. What the failure was is State.Last.
func AfterExhausted(p Policy, s State, model string, left int) (State, Decision) {
	switch {
	case !under(s.Attempts, p.Attempts):
		return s, Decision{Reason: ReasonAttemptsUsed, N: s.Attempts, Max: bound(p.Attempts)}
	case p.Total != NoBound && s.Last.Spent >= p.Total:
		return s, Decision{Reason: ReasonTotalUsed}
	}
	s.Accounts, s.Organizations, s.Session = nil, nil, Session{}
	s.Switches, s.CapacitySwitches, s.Rounds, s.Single = 0, 0, 0, false
	s.Reserved = max(left, 0)
	s.Fallbacks++
	return s, Decision{Action: Fallback, Reason: ReasonFallback, Detail: model, N: s.Fallbacks}
}

// AfterOvertaken is what follows for other requests when an attempt that had not
// even answered with a header was overtaken by one that began later: one such
// is chance, but an account that is always silent must not delay every request. The outcome
// describes it; its class is taken to be FirstTokenLate.
func AfterOvertaken(p Policy, s State, o Outcome) (State, []Effect) {
	o.Class = FirstTokenLate
	c := call{p: &p, s: &s, o: &o}
	effects := c.rest()
	return s, effects
}

// AfterAbandoned is the state after an attempt that was ended without an answer and
// without a failure: the client left, or the other of two attempts settled the
// request in failure. It counts as an attempt, so that a client that leaves and
// asks again renews nothing; nobody is blamed for it.
func AfterAbandoned(p Policy, s State, account domain.AccountID) State {
	c := call{p: &p, s: &s}
	s.Attempts++
	a := s.own(account)
	a.Tries++
	c.retire(a)
	return s
}

// retire excludes the account if it has had all its attempts.
func (c *call) retire(a *AccountState) {
	if !under(a.Tries, c.p.PerAccount) {
		a.Failed, a.Spent = true, true
	}
}

// bringsBack reports whether forgetting could bring back anybody, or nobody was
// excluded. An organisation may have other accounts than those that are spent.
func (s *State) bringsBack() bool {
	excluded := false
	for i := range s.Accounts {
		if s.Accounts[i].Failed && !s.Accounts[i].Spent {
			return true
		}
		excluded = excluded || s.Accounts[i].Failed
	}
	return !excluded || len(s.Organizations) > 0
}

// record enters the failure into the state, and gives the account's own entry.
func (c *call) record() *AccountState {
	s, o := c.s, c.o
	s.Attempts++
	s.Last = Failure{
		Attempt: s.Attempts, Account: o.Account, Class: o.Class, Status: o.Status, Scope: o.Scope,
		Reset: o.Reset, Stated: o.stated(), Spent: o.Spent,
	}
	// Of equals the newer is kept: its reset is the truer one.
	if !MoreUseful(s.Best, s.Last) {
		s.Best = s.Last
	}
	if c.p.BillOnFailure && (s.Session.HasBound || o.CacheLost) {
		s.CacheBilling = true
	}
	a := s.own(o.Account)
	a.Tries++
	return a
}

// attemptsLeft reports whether this model may be tried once more.
func (c *call) attemptsLeft() bool {
	return c.p.Attempts == NoBound || c.s.Attempts+c.s.Reserved < c.p.Attempts
}

// stated reports whether the upstream stated a reset that says something.
func (o *Outcome) stated() bool { return o.Stated && o.Reset > 0 }

// pinnable reports whether the account may be asked again at all.
func (c *call) pinnable(a *AccountState) bool {
	if !under(a.Tries, c.p.PerAccount) || c.braked() {
		return false
	}
	return c.p.PinFailed || !c.s.Excludes(a.ID, c.organization(c.o.Organization))
}

// braked reports whether asking this provider again would only hammer it.
func (c *call) braked() bool { return c.o.NoRetries && c.p.Braked.Has(c.o.Class) }

// organization is the name by which accounts are related; none where the policy
// takes them for strangers.
func (c *call) organization(name string) string {
	if !c.p.ShareOrganization {
		return ""
	}
	return name
}

// same is the same-account rule, or the platform's own in single-account mode.
func (c *call) same(a *AccountState) (Decision, bool) {
	if !c.pinnable(a) {
		return Decision{}, false
	}
	// The platform's own rule is about waiting for a stated reset. Where none is
	// stated the ordinary rule holds in single-account mode too: the vectors have it so.
	if c.s.Single && c.p.Single.Max != 0 && c.o.stated() {
		return c.single(a)
	}
	r := &c.p.Same
	if !r.covers(c.o) || !under(a.Retries, r.Max) || c.o.Probe && !c.o.stated() && !c.p.PinFailed {
		return Decision{}, false
	}
	full, stated, ok := c.wait(r, a.Retries+1)
	if !ok {
		return Decision{}, false
	}
	a.Retries++
	d := Decision{Action: RetrySame, Account: a.ID, Reason: ReasonSameAccount, N: a.Retries, Max: bound(r.Max)}
	if stated {
		// Until the reset nobody else need ask in vain; it is over when this request is back.
		d.Reason, d.Before = ReasonStatedReset, c.rest()
	}
	d.Wait = c.spend(r, full, stated)
	return d, true
}

func (c *call) single(a *AccountState) (Decision, bool) {
	r := &c.p.Single
	if !r.covers(c.o) || !under(c.s.SingleRetries, r.Max) {
		return Decision{}, false
	}
	full, stated, ok := c.wait(r, c.s.SingleRetries+1)
	if !ok || r.Total > 0 && full > r.Total-c.s.SingleWaited {
		return Decision{}, false
	}
	c.s.SingleRetries++
	d := Decision{
		Action: RetrySame, Account: a.ID, Reason: ReasonSingleAccount, N: c.s.SingleRetries, Max: bound(r.Max),
		Wait: c.spend(r, full, stated),
	}
	c.s.SingleWaited += d.Wait
	return d, true
}

// leave excludes and rests the account, and switches if the policy allows it.
func (c *call) leave(a *AccountState, why Reason, detail string) Decision {
	s, r := c.s, &c.p.Switch
	c.exclude(a)
	before := c.rest()
	giveUp := func(reason Reason, n, most int) Decision {
		return Decision{Reason: reason, Detail: detail, N: n, Max: bound(most), Before: before}
	}

	elsewhere := c.o.Provider != "" && c.o.AlternativeProvider != "" && c.o.Provider != c.o.AlternativeProvider
	rotates := c.o.Class == Capacity && !elsewhere
	switch {
	case c.braked() && !elsewhere && !c.o.AlternativeWell:
		return giveUp(ReasonRetriesUsed, 0, 0)
	case !r.covers(c.o):
		return giveUp(ReasonNotSwitched, 0, 0)
	case rotates && !under(s.CapacitySwitches, c.p.CapacitySwitches):
		// Another account of the same provider fares no better; a moment may, but another
		// model that is free at once does not take it.
		if !c.o.Fallback {
			if d := c.round(0, false); d.Action == Round {
				d.Before = before
				return d
			}
		}
		return giveUp(ReasonNoCapacity, s.CapacitySwitches, c.p.CapacitySwitches)
	case !under(s.Switches, r.Max):
		// Of many accounts that are all limited nobody need ask every one: the first that
		// returns will do, if that is soon.
		if c.o.Class == RateLimited && c.o.Soonest > 0 && !c.o.Fallback {
			if d := c.round(c.o.Soonest, true); d.Action == Round {
				d.Before = before
				return d
			}
		}
		return giveUp(ReasonSwitchesUsed, s.Switches, r.Max)
	}
	full, stated, ok := c.wait(r, s.Switches+1)
	if !ok {
		return giveUp(ReasonWaitingUsed, 0, 0)
	}
	s.Switches++
	if rotates {
		s.CapacitySwitches++
	}
	if c.leavesBound() || c.o.CacheLost {
		s.CacheBilling = true
	}
	if why == "" {
		why = ReasonSwitch
	}
	return Decision{
		Action: Switch, Wait: c.spend(r, full, stated), Reason: why, Detail: detail,
		N: s.Switches, Max: bound(r.Max), Before: before,
	}
}

// leavesBound reports whether leaving the failed account is leaving the session's.
// Where the bound account is unknown, the first one that was tried stands for it.
func (c *call) leavesBound() bool {
	b := c.s.Session
	if !b.HasBound {
		return false
	}
	return b.Bound == c.o.Account || !b.BoundKnown
}

// round waits and forgets. rested says that soonest is the true end of a rest.
func (c *call) round(soonest time.Duration, rested bool) Decision {
	s, r := c.s, &c.p.Round
	caused := s.Last.Attempt > 0 && r.covers(c.o)
	switch {
	case !caused && !rested:
		return Decision{Reason: ReasonNoAccount}
	case !under(s.Rounds, r.Max):
		return Decision{Reason: ReasonRoundsUsed, N: s.Rounds, Max: bound(r.Max)}
	case c.p.Switch.Max != NoBound && s.Switches > c.p.Switch.Max:
		return Decision{Reason: ReasonSwitchesUsed, N: s.Switches, Max: c.p.Switch.Max}
	}
	full := time.Duration(0)
	if caused {
		if full = r.Backoff.full(s.Rounds + 1); !within(full, r.Longest) {
			return Decision{Reason: ReasonWaitingUsed}
		}
	}
	if rested && !within(soonest, r.LongestStated) || !c.affords(full) || rested && !c.affords(soonest) || !c.holds(max(full, soonest)) {
		return Decision{Reason: ReasonWaitingUsed}
	}
	s.Rounds++
	wait := full
	if caused {
		wait = r.Backoff.shorten(full, s.draw())
	}
	if rested {
		wait = max(wait, soonest) // jitter never wakes anybody before the rest is over
	}
	wait = plus(wait, c.pace(wait))
	s.Waited = plus(s.Waited, wait)
	d := Decision{
		Action: Round, Wait: wait, Reason: ReasonRound, N: s.Rounds, Max: bound(r.Max),
		After: []Effect{{Kind: EffectForget}},
	}
	if r.SingleAccount {
		d.After = append(d.After, Effect{Kind: EffectSingleAccount})
	}
	return d
}

// exclude takes the account out of this request, and its organisation with it if
// what failed is the organisation's.
func (c *call) exclude(a *AccountState) {
	a.Failed = true
	a.Spent = !under(a.Tries, c.p.PerAccount)
	if c.o.Scope == ScopeOrganization {
		c.s.excludeOrganization(c.organization(c.o.Organization))
	}
}

// rest is the failure's consequence for other requests.
func (c *call) rest() []Effect {
	if int(c.o.Class) >= NumClasses {
		return nil
	}
	r := c.p.Rests[c.o.Class]
	e, ok := r.For(*c.o)
	if !ok {
		return nil
	}
	if !e.Stated && r.Jitter > 0 {
		e.For = Backoff{Jitter: r.Jitter}.shorten(e.For, c.s.draw())
	}
	return []Effect{e}
}

// wait is what a rule's n-th use would wait before jitter; ok is false if that is
// too long for the rule or for what is left of a budget.
func (c *call) wait(r *Rule, n int) (full time.Duration, stated, ok bool) {
	stated = c.o.stated() && !r.IgnoreStated
	if stated {
		return c.o.Reset, true, within(c.o.Reset, r.LongestStated) && c.affords(c.o.Reset)
	}
	full = r.Backoff.full(n)
	return full, false, !r.NeedStated && within(full, r.Longest) && c.affords(full)
}

// spend takes a wait from the budget and gives what is really waited.
func (c *call) spend(r *Rule, full time.Duration, stated bool) time.Duration {
	if !stated && r.Backoff.Jitter > 0 && full > 0 {
		full = r.Backoff.shorten(full, c.s.draw())
	}
	if full > 0 { // who waits for nothing has nobody before it
		full = plus(full, c.pace(full))
	}
	c.s.Waited = plus(c.s.Waited, full)
	return full
}

// mostPace is the longest that requests ahead make another one wait.
const mostPace = 5 * time.Second

// pace is how much longer than wait the requests that wait already make this one
// wait, as far as the budgets allow it.
func (c *call) pace(wait time.Duration) time.Duration {
	if c.p.Pace <= 0 || c.o.Ahead <= 0 {
		return 0
	}
	more := min(time.Duration(mulDiv(int64(c.o.Ahead), int64(c.p.Pace), 1)), mostPace)
	if c.p.Waiting != NoBound {
		more = min(more, c.p.Waiting-plus(c.s.Waited, wait))
	}
	spent := max(c.o.Spent, 0)
	if c.p.Total != NoBound {
		more = min(more, c.p.Total-plus(spent, wait))
	}
	if c.s.HoldUntil > 0 {
		more = min(more, c.s.HoldUntil-plus(spent, wait))
	}
	return max(more, 0)
}

// affords reports whether a wait is within the budgets of waiting and of time.
func (c *call) affords(wait time.Duration) bool {
	end := plus(max(c.o.Spent, 0), wait)
	return within(plus(c.s.Waited, wait), c.p.Waiting) && within(end, c.p.Total)
}

// holds reports whether a caller can be held for a wait. Going on at once is no hold,
// however late it is.
func (c *call) holds(wait time.Duration) bool {
	return c.s.HoldUntil <= 0 || wait <= 0 || plus(max(c.o.Spent, 0), wait) <= c.s.HoldUntil
}

func within(wait, longest time.Duration) bool { return longest == NoBound || wait <= longest }

// bound is a maximum as a decision shows it: 0 if there is none.
func bound(maximum int) int { return max(maximum, 0) }

// alternative reports whether the scheduler has somebody to go to after this
// failure. That somebody may share the failed limit (see sharesLimit).
func (c *call) alternative() bool {
	o := c.o
	return o.Alternative != 0 && o.Alternative != o.Account &&
		!c.s.Excludes(o.Alternative, c.organization(o.AlternativeOrganization))
}

// sharesLimit reports whether what failed is as much the alternative's: going there
// would be of no use, but the scheduler may have others once the organisation is
// excluded.
func (c *call) sharesLimit() bool { return c.o.Scope == ScopeOrganization && c.sharesCache() }

// sharesCache reports whether the alternative reads the same organisation's cache.
func (c *call) sharesCache() bool {
	org := c.organization(c.o.Organization)
	return org != "" && org == c.o.AlternativeOrganization
}
