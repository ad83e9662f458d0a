package gateway

import (
	"time"

	"turnout/internal/failover"
)

// softLimit arms an attempt's soft limit: past it another account may be started
// beside it, and the first content wins.
func (x *exchange) softLimit(at *attempt) {
	at.onStart = func() {
		candidates := 0
		for _, v := range x.views() {
			candidates += len(v.Candidates)
		}
		if candidates > 1 || x.hasFallback(failover.FirstTokenLate) {
			if hedge := x.pools[0].hedge; hedge > 0 && hedge < at.limits.soft {
				at.watch.Soft(hedge, func() { x.slow(at, true) })
				return
			}
			at.watch.Soft(at.limits.soft, func() { x.slow(at, false) })
		}
	}
}

// slow is called, in a goroutine of its own, when an attempt has passed its soft
// limit, or when it is time to hedge. Where the core allows it, it runs the attempt beside to its end.
func (x *exchange) slow(at *attempt, hedge bool) {
	if _, committed, _ := x.ans.state(); committed || x.ctx.Err() != nil {
		return
	}
	o := x.outcome(at)
	o.Silent, o.Hedge = at.watch.Elapsed(), hedge
	if alt := x.candidate(o.Alternative); alt != nil {
		o.AlternativeWell = alt.Well() // one that answers is worth asking, whatever its provider does elsewhere
	}
	other, _ := x.freeFallback(failover.FirstTokenLate)
	o.Fallback = other != nil
	pol := x.pools[0].policyOf(at.plat.Name)
	o.NoRetries = !x.g.loads.mayRetry(x.loadKey(at.cand), pol.Retries, time.Now())

	// From here on until side.done is closed the main attempt's goroutine waits for
	// this one, should it come to its end. What is decided under the lock holds: the main
	// attempt is running, and sees the one beside it.
	side := &sideAttempt{done: make(chan struct{})}
	x.mu.Lock()
	if x.side != nil || !x.isRunning(at) {
		x.mu.Unlock()
		return
	}
	var d failover.Decision
	x.state, d = failover.AtSoftLimit(*pol, x.state, o)
	x.notes = append(x.notes, note{at: time.Since(x.began), decision: d})
	x.g.deps.Observer.Event(EventBeside, string(d.Reason), 1)
	if d.Action != failover.Beside {
		x.mu.Unlock()
		switch {
		case hedge:
			at.watch.Soft(at.limits.soft, func() { x.slow(at, false) })
		case d.Wait > 0:
			at.watch.Soft(at.watch.Elapsed()+d.Wait, func() { x.slow(at, false) })
		}
		return
	}
	x.side = side
	x.mu.Unlock()
	defer close(side.done)

	t := x.target.Load()
	c, choice := x.chooseFrom(t, 0, false, at.cand.ID)
	if c == nil && other != nil {
		t = other
		c, choice = x.chooseFrom(t, 0, false, 0)
	}
	if c != nil && !x.mayUse(t, c) {
		x.turnedFrom(c)
		c = nil
	}
	var beside *attempt
	if c != nil {
		beside = x.newAttempt(t, c, &choice, x.provider(c) == x.provider(at.cand))
		beside.beside = true
	}
	x.mu.Lock()
	started := beside != nil && x.isRunning(at)
	if started {
		x.register(beside)
		if t.fallback && t == other {
			x.fell = append(x.fell, t.model) // until it has failed
		}
		side.at = beside
	} else {
		x.state.Besides-- // nothing was started
		if x.side == side {
			x.side = nil
		}
	}
	x.mu.Unlock()
	switch {
	case started:
		res := beside.run()
		x.finished(beside)
		if res == resultFailed {
			side.decision = x.afterFailure(beside)
		}
	case beside != nil:
		beside.cancel(nil)
		x.giveBack(c)
	default:
		at.watch.Soft(2*at.watch.Elapsed(), func() { x.slow(at, false) }) // somebody may be free by then
	}
}

// isRunning reports whether an attempt is under way; the lock is held.
func (x *exchange) isRunning(at *attempt) bool {
	for _, r := range x.running {
		if r == at {
			return true
		}
	}
	return false
}
