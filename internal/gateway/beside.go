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
		for _, v := range x.views {
			candidates += len(v.Candidates)
		}
		if candidates > 1 {
			at.watch.Soft(at.limits.soft, func() { x.slow(at) })
		}
	}
}

// slow is called, in a goroutine of its own, when an attempt has passed its soft
// limit. Where the core allows it, it runs the attempt beside to its end.
func (x *exchange) slow(at *attempt) {
	if _, committed, _ := x.ans.state(); committed || x.ctx.Err() != nil {
		return
	}
	o := x.outcome(at)
	o.Silent = at.watch.Elapsed()
	o.NoRetries = !x.g.retries.left(x.provider(at.cand), time.Now())
	pol := x.pools[0].policyOf(at.plat.Name)

	x.mu.Lock()
	if x.side != nil || !x.isRunning(at) {
		x.mu.Unlock()
		return
	}
	before := x.state
	var d failover.Decision
	x.state, d = failover.AtSoftLimit(pol, x.state, o)
	x.notes = append(x.notes, note{at: time.Since(x.began), decision: d})
	x.mu.Unlock()
	if d.Action != failover.Beside {
		if d.Wait > 0 {
			at.watch.Soft(at.watch.Elapsed()+d.Wait, func() { x.slow(at) })
		}
		return
	}
	c, choice := x.choose(0, false, at.cand.ID)
	if c == nil {
		x.mu.Lock()
		x.state = before // nothing was started
		x.mu.Unlock()
		at.watch.Soft(2*at.watch.Elapsed(), func() { x.slow(at) }) // somebody may be free by then
		return
	}
	side := &sideAttempt{done: make(chan struct{})}
	side.at = x.newAttempt(c, choice, x.provider(c) == x.provider(at.cand))
	side.at.beside = true
	x.mu.Lock()
	if !x.isRunning(at) {
		x.drop(side.at)
		x.mu.Unlock()
		x.g.queue.release(c.ID, c.Live, time.Now())
		return
	}
	x.side = side
	x.mu.Unlock()
	defer close(side.done)
	res := side.at.run()
	x.finished(side.at)
	if res == resultFailed {
		side.decision = x.afterFailure(side.at)
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

// drop forgets an attempt that was never made; the lock is held.
func (x *exchange) drop(at *attempt) {
	at.cancel(nil)
	for i, r := range x.attempts {
		if r == at {
			x.attempts = append(x.attempts[:i], x.attempts[i+1:]...)
			break
		}
	}
	for i, r := range x.running {
		if r == at {
			x.running = append(x.running[:i], x.running[i+1:]...)
			break
		}
	}
}
