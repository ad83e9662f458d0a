package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

var errLost = upstream.ErrLost

// picked is an account with its slot taken, or why there is none.
type picked struct {
	cand   *sched.Candidate
	choice sched.Decision
	at     time.Time // just before the choice, where there is no candidate
	left   bool
	err    *domain.Error
}

// maxTries bounds how often a choice is repeated because its slot was gone.
const maxTries = 16

// pick chooses an account and takes its slot, waiting in the line where all are full.
func (x *exchange) pick(pin domain.AccountID) *picked {
	var deadline time.Time
	var hurried bool
	var why waited
	sticky, awaited := true, pin
	for range maxTries {
		at := time.Now()
		c, choice := x.choose(pin, sticky, 0)
		if c != nil {
			return &picked{cand: c, choice: choice}
		}
		if x.ctx.Err() != nil {
			return &picked{left: true}
		}
		if deadline.IsZero() {
			deadline, hurried = x.waitsUntil(at)
		}
		if sticky && choice.Bound == sched.Full && pin == 0 {
			// The session's own account is only busy: it is worth a moment.
			c, _ := x.line(x.bound(), time.Until(deadline), min(x.snap.Settings.StickyWait, time.Until(deadline)), choice)
			if c != nil {
				choice.Candidate, choice.Rule, choice.Bound = c, sched.RuleSticky, sched.Eligible
				return &picked{cand: c, choice: choice}
			}
			sticky = false // serve this one elsewhere; the session stays bound
			x.mu.Lock()
			x.stays = true
			x.mu.Unlock()
			continue
		}
		if sticky && (choice.Bound == sched.Resting || choice.Bound == sched.Limited) && pin == 0 {
			if d := x.stayOrMove(); d.Action == failover.RetrySame {
				if !x.carryOut(d) {
					return &picked{left: true}
				}
				continue
			}
			x.seat.leave()
			sticky = false
			continue
		}
		if pin != 0 {
			// The pinned account was rested or taken by others meanwhile: what is left is to choose.
			if choice.Counts[sched.Full] > 0 {
				if c, _ := x.line(pin, time.Until(deadline), x.snap.Settings.StickyWait, choice); c != nil {
					choice.Candidate, choice.Rule = c, sched.RulePinned
					return &picked{cand: c, choice: choice}
				}
			}
			pin = 0
			continue
		}
		if choice.Counts[sched.Full] == 0 && !x.probing(choice, awaited) {
			return &picked{choice: choice, at: at}
		}
		patience := time.Until(deadline)
		if patience <= 0 {
			break
		}
		if next := x.busyPools(); next != nil {
			if c, _ := x.lineIn(next, 0, patience, x.snap.Settings.StickyWait, choice); c != nil {
				choice.Candidate, choice.Rule = c, sched.RuleWaited
				return &picked{cand: c, choice: choice}
			}
			x.mu.Lock()
			x.spilled = true // a moment was enough: on to the key's next pool
			x.mu.Unlock()
			continue
		}
		if other, _ := x.freeFallback(failover.Unknown); other != nil {
			patience = min(patience, x.snap.Settings.StickyWait) // another model is free: that is worth a moment only
			deadline = time.Now().Add(patience)
		}
		if c, why = x.line(0, patience, patience, choice); c != nil {
			choice.Candidate, choice.Rule = c, sched.RuleWaited
			return &picked{cand: c, choice: choice}
		}
		switch {
		case why.full:
			return &picked{choice: choice, err: x.busy(choice, fmt.Sprintf("%d requests are waiting already", x.snap.Settings.QueuePlaces), why.expect)}
		case why.late:
			return &picked{choice: choice, err: x.busy(choice, fmt.Sprintf("so many requests are waiting already that this one would hardly be served within %s", patience.Round(100*time.Millisecond)), why.expect)}
		}
	}
	if x.ctx.Err() != nil {
		return &picked{left: true}
	}
	_, choice := x.choose(0, true, 0)
	none := fmt.Sprintf("none became free within %s", x.snap.Settings.QueueWait)
	if hurried {
		none = fmt.Sprintf("none became free in time for an answer within the %s that the caller waits for one", x.patience)
	}
	return &picked{choice: choice, err: x.busy(choice, none, why.expect)}
}

// waitsUntil is how long the request may wait for a slot: the operator's limit, or less where its caller has said how long it waits
// for an answer (hurried), and that takes its time, too.
func (x *exchange) waitsUntil(now time.Time) (until time.Time, hurried bool) {
	until = now.Add(min(x.snap.Settings.QueueWait, max(x.left(), 0)))
	if x.patience == 0 {
		return until, false
	}
	if latest := x.began.Add(x.patience - x.quickest(now)); latest.Before(until) {
		return latest, true
	}
	return until, false
}

// quickest is how long the quickest of the request's accounts takes to begin an answer, as far as is known.
func (x *exchange) quickest(now time.Time) (d time.Duration) {
	for _, v := range x.views() {
		for i := range v.Candidates {
			if first, ok := v.Candidates[i].Stat.FirstTokenTime(now); ok && (d == 0 || first < d) {
				d = first
			}
		}
	}
	return d
}

// patienceHeaders say how long a client waits for an answer, in seconds: the SDKs of OpenAI and Anthropic, and Google's.
var patienceHeaders = []string{"X-Stainless-Timeout", "X-Server-Timeout"}

// longestPatience bounds what is believed of them.
const longestPatience = 24 * time.Hour

// patienceOf is how long a request's caller waits for an answer, where it says; else 0.
func patienceOf(h http.Header) time.Duration {
	for _, name := range patienceHeaders {
		if s, err := strconv.ParseFloat(first(h, name), 64); err == nil && s > 0 && s <= longestPatience.Seconds() {
			return time.Duration(s * float64(time.Second))
		}
	}
	return 0
}

// busyPools are the key's pools up to the first that is only busy, to wait for; nil:
// that has been done, or there is no other pool after them.
//
//go:noinline
func (x *exchange) busyPools() []*sched.View {
	x.mu.Lock()
	defer x.mu.Unlock()
	views := x.views()
	if x.spilled || len(views) < 2 {
		return nil
	}
	req := sched.Request{Now: time.Now(), Seed: x.seed, Exclude: x.excluded(), ExcludeOrgs: x.state.Organizations}
	for i, v := range views[:len(views)-1] {
		if sched.Choose(v, req).Counts[sched.Full] > 0 {
			return views[:i+1]
		}
	}
	return nil
}

// probing: something is kept out for a moment only, because a probe finds out whether an account is
// back. Waiting in the line ends when the probe succeeds. A request that has been tried goes there only if it
// has waited for that account. A rest is no such moment, however soon it ends: those who wait for it come back
// one after the other, and not all at its end, as from the line.
func (x *exchange) probing(choice sched.Decision, awaited domain.AccountID) bool {
	now := time.Now()
	if choice.Soonest.IsZero() || choice.Soonest.Sub(now) > probeMoment {
		return false
	}
	if x.tried() > 0 {
		c := x.candidate(awaited)
		return c != nil && c.Probing(now)
	}
	for _, v := range x.views() {
		for i := range v.Candidates {
			if v.Candidates[i].Probing(now) {
				return true
			}
		}
	}
	return false
}

// probeMoment is how long a probe keeps others out at most.
const probeMoment = 5 * time.Second

// choose asks the scheduler, pool by pool in the key's order, and takes the slot.
// besides is an account to leave out. nil: nothing can be taken; the decision is the
// one of the pool that has the most to say (a full account before a resting one).
func (x *exchange) choose(pin domain.AccountID, sticky bool, besides domain.AccountID) (*sched.Candidate, sched.Decision) {
	return x.chooseFrom(x.target.Load(), pin, sticky, besides)
}

func (x *exchange) chooseFrom(t *target, pin domain.AccountID, sticky bool, besides domain.AccountID) (*sched.Candidate, sched.Decision) {
	x.mu.Lock()
	req := sched.Request{Now: time.Now(), Seed: x.seed, Pin: pin, InputTokens: x.req.InputTokens(), Session: x.session.id}
	if pin == 0 {
		req.Exclude, req.ExcludeOrgs = x.excluded(), x.state.Organizations
	}
	if besides != 0 {
		req.Exclude = append(req.Exclude, besides)
	}
	if sticky && pin == 0 && !t.fallback {
		req.Parent = x.parent
		req.Bound, req.WarmTokens, req.WarmUntil = x.binding.Account, x.staked(), x.binding.WarmUntil
		req.Keep = x.binding.Placed || x.req.Marks.Has(dialect.MarkEncrypted)
	}
	if req.WarmTokens == 0 || !req.Now.Before(req.WarmUntil) {
		req.Shared = x.prefix.shared
	}
	fresh, warm := len(x.attempts) == 0, x.staked() > 0
	spill := x.spilled || pin != 0 || besides != 0
	x.mu.Unlock()
	none, tired := sched.Decision{}, false
	views := inOrder(t.views, req.Bound)
	for i, v := range views {
		d := sched.Choose(v, req)
		// A session's own account that is only busy, or rests for a while, is worth a thought first.
		waitForBound := sticky && fresh && (d.Bound == sched.Full || (d.Bound == sched.Resting || d.Bound == sched.Limited) && warm)
		if waitForBound {
			d.Candidate = nil
			return nil, d
		}
		for tries := 0; d.Candidate != nil; tries++ {
			if x.take(&d, req.Now) {
				return d.Candidate, d
			}
			if tries == maxTries {
				break
			}
			d = sched.Choose(v, req)
		}
		d.Candidate = nil
		if !spill && d.Counts[sched.Full] > 0 && i < len(views)-1 {
			return nil, d // a pool that is only busy is not exhausted
		}
		tired = tired || d.Counts[sched.Resting] > 1
		if i == 0 || d.Counts[sched.Full] > 0 && none.Counts[sched.Full] == 0 {
			none = d
		}
		if !d.Soonest.IsZero() && (none.Soonest.IsZero() || d.Soonest.Before(none.Soonest)) {
			none.Soonest = d.Soonest
		}
	}
	if !tired || pin != 0 {
		return nil, none
	}
	// Whoever is well is better than whoever fares least badly, even under another model.
	if other, _ := x.freeFallback(failover.Unknown); other != nil && !t.fallback {
		return nil, none
	}
	if d := x.leastBad(t, &req); d.Candidate != nil {
		return d.Candidate, d
	}
	return nil, none
}

// leastBad chooses among those that rest on a guess, and takes the slot. It is apart from
// chooseFrom, because what that needs of the stack a stream keeps.
//
//go:noinline
func (x *exchange) leastBad(t *target, req *sched.Request) sched.Decision {
	req.LeastBad = true
	for _, v := range t.views {
		if d := sched.Choose(v, *req); d.Candidate != nil && x.take(&d, req.Now) {
			x.g.deps.Observer.Event(EventLeastBad, leastBadClass(d.Candidate), 1)
			return d
		}
	}
	return sched.Decision{}
}

// inOrder gives the views in the order of the key's pools, but the one where the
// session's account is first: a session that had to leave the first pool stays where its cache is.
func inOrder(views []*sched.View, bound domain.AccountID) []*sched.View {
	if bound == 0 || len(views) == 1 || views[0].Find(bound) != nil {
		return views
	}
	for i, v := range views {
		if v.Find(bound) != nil {
			out := append([]*sched.View{v}, views[:i]...)
			return append(out, views[i+1:]...)
		}
	}
	return views
}

// line waits for a slot, of one account or of any.
func (x *exchange) line(only domain.AccountID, left, patience time.Duration, choice sched.Decision) (c *sched.Candidate, why waited) {
	return x.lineIn(x.views(), only, left, patience, choice)
}

func (x *exchange) lineIn(views []*sched.View, only domain.AccountID, left, patience time.Duration, choice sched.Decision) (c *sched.Candidate, why waited) {
	patience = min(patience, left)
	if patience <= 0 {
		return nil, why
	}
	began := time.Now()
	state := x.snapshotState()
	w := &waiter{caller: x.key.ID, views: views, only: only, pool: x.pools[0].ID, exclude: func(c *sched.Candidate) bool {
		return only == 0 && (c.Drains() || state.Excludes(c.ID, c.Organization) || x.isUnfit(c.ID))
	}, deadline: began.Add(left)}
	if only == 0 && (choice.Soonest.IsZero() || choice.Soonest.After(w.deadline)) {
		w.pace = w.paceNow(began)
	}
	var retry <-chan time.Time
	if only == 0 && !choice.Soonest.IsZero() {
		t := time.NewTimer(max(time.Until(choice.Soonest), time.Millisecond))
		defer t.Stop()
		retry = t.C
	}
	if one := x.candidate(only); one != nil {
		one.Live.Queue(1)
		defer one.Live.Queue(-1)
	}
	c, why = x.g.queue.wait(x.ctx, w, x.snap.Settings.QueuePlaces, patience, retry)
	x.waited += time.Since(began)
	if c != nil && !x.allowed(c, time.Now()) {
		x.g.queue.release(c.ID, c.Live, time.Now()) // a limit was reached in the same moment
		return nil, why
	}
	return c, why
}

// paceNow is how long it takes, on the average, until one of the accounts that a waiter can use is free again: as long as their
// slots are held, by how many there are. 0: nobody knows, because too few were held of late, or because more of them may be soon.
func (w *waiter) paceNow(now time.Time) time.Duration {
	rate := 0.0
	for _, v := range w.views {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			if w.exclude(c) || c.Resting(now) {
				continue
			}
			held, known := c.Live.HeldTime(now)
			if !known || held <= 0 || c.Limit == 0 || c.LimitNow() < c.Limit {
				return 0
			}
			rate += float64(c.Live.InFlight()) / held.Seconds()
		}
	}
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

func (x *exchange) snapshotState() failover.State {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state
}

// longestBusy is the longest time after which a caller is told to come back to accounts that are only busy.
const longestBusy = 5 * time.Minute

// busy is the refusal where every account that could serve is at its limit; expect is how long it takes until those who wait
// have been served, where that is known.
func (x *exchange) busy(choice sched.Decision, why string, expect time.Duration) *domain.Error {
	after := min(max(roundUp(expect, time.Second), time.Second), longestBusy)
	if !choice.Soonest.IsZero() && choice.Counts[sched.Full] == 0 {
		after = max(time.Until(choice.Soonest), after)
	}
	return &domain.Error{
		Kind: domain.KindRateLimited, Op: "choose an account", RetryAfter: after,
		Message: fmt.Sprintf("every account that serves %s is at its limit of concurrent requests, and %s; try again in %s", x.req.Model, why, after.Round(time.Second)),
	}
}

// candidate finds an account in the request's views.
func (x *exchange) candidate(id domain.AccountID) *sched.Candidate {
	for _, v := range x.views() {
		if c := v.Find(id); c != nil {
			return c
		}
	}
	return nil
}

// leastBadClass names why a candidate rests that is used all the same.
func leastBadClass(c *sched.Candidate) string {
	for _, cell := range c.Rests {
		if until, ok := cell.Until(); ok && until.After(time.Now()) {
			return failover.Class(cell.Class()).String()
		}
	}
	return failover.Unknown.String()
}
