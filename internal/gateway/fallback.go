package gateway

import (
	"slices"
	"time"

	"turnout/internal/failover"
	"turnout/internal/sched"
)

// target is one model that may serve a request, with the accounts that serve it in
// the key's pools. It is never modified.
type target struct {
	model    string
	views    []*sched.View
	fallback bool // not the model that was asked for
}

// views are the accounts that may serve the request now, pool by pool.
func (x *exchange) views() []*sched.View { return x.target.Load().views }

// everywhere are the views of the asked model and of every one that was gone on with.
func (x *exchange) everywhere() (views []*sched.View) {
	for _, t := range *x.targets.Load() {
		views = append(views, t.views...)
	}
	return views
}

// aim begins with a target.
func (x *exchange) aim(t *target) {
	x.target.Store(t)
	x.targets.Store(&[]*target{t})
}

// fallsBack reports whether another model may serve a request that failed so. What the
// provider refuses for its content is not routed around, and a caller's fault is one everywhere.
func fallsBack(c failover.Class) bool {
	return c != failover.ContentRefused && c != failover.CallerFault
}

// fallbackModels lists what is configured for the asked model and a class of
// failure, less what the key may not use and what was gone on with already.
func (x *exchange) fallbackModels(c failover.Class) []string {
	p := x.pools[0]
	if len(p.fallbacks) == 0 || !fallsBack(c) || x.ownSeat != nil || x.splice.Load() != nil { // an answer is gone on with by its own model
		return nil
	}
	var out []string
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range p.fallbacks.For(x.req.Model, c.String()) {
		if m != x.req.Model && x.key.Allows(m) && !slices.Contains(x.fell, m) {
			out = append(out, m)
		}
	}
	return out
}

// freeFallback is the first fallback with an account that is free now, and how many
// more are configured after it; nil: there is none.
func (x *exchange) freeFallback(c failover.Class) (t *target, left int) {
	models := x.fallbackModels(c)
	for i, m := range models {
		t := x.fallbackTo(m)
		req := sched.Request{Now: time.Now(), Seed: x.seed}
		for _, v := range t.views {
			if sched.Choose(v, req).Candidate != nil && x.affords(t) {
				return t, len(models) - i - 1
			}
		}
	}
	return nil, 0
}

// anyFallback is the first fallback that any account serves at all; nil: there is none.
func (x *exchange) anyFallback(c failover.Class) *target {
	for _, m := range x.fallbackModels(c) {
		if t := x.fallbackTo(m); len(t.views) > 0 {
			return t
		}
	}
	return nil
}

func (x *exchange) fallbackTo(model string) *target {
	x.mu.Lock()
	defer x.mu.Unlock()
	return &target{model: model, fallback: true, views: x.viewsOf(model)}
}

// hasFallback reports whether anything is configured beside the asked model.
func (x *exchange) hasFallback(c failover.Class) bool { return len(x.fallbackModels(c)) > 0 }

// fallBack goes on with another model where the asked one cannot be served; false: it does not.
func (x *exchange) fallBack() bool {
	x.mu.Lock()
	cause := x.cause(time.Now())
	x.mu.Unlock()
	t, left := x.freeFallback(cause)
	if t == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s, d := failover.AfterExhausted(*x.policy(), x.state, t.model, min(left, 1))
	x.notes = append(x.notes, note{at: time.Since(x.began), decision: d})
	if d.Action != failover.Fallback {
		return false
	}
	x.state = s
	x.follow(t)
	x.g.deps.Observer.Event(EventFallback, cause.String(), 1)
	return true
}

// follow makes a fallback the model that serves; the lock is held. The session stays bound where its cache is.
func (x *exchange) follow(t *target) {
	x.target.Store(t)
	targets := *x.targets.Load()
	if !slices.Contains(targets, t) {
		targets = append(slices.Clone(targets), t)
		x.targets.Store(&targets)
	}
	if !slices.Contains(x.fell, t.model) {
		x.fell = append(x.fell, t.model)
	}
	x.stays = true
}

// besideFailed is what follows for fallbacks when an attempt beside failed: if it is the one that
// decides what comes next, its model serves from now on; else that model may be tried
// again.
func (x *exchange) besideFailed(side *attempt, decides bool) {
	if !side.target.fallback || side.result != resultFailed {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if decides {
		x.follow(side.target)
		return
	}
	x.fell = slices.DeleteFunc(x.fell, func(m string) bool { return m == side.target.model })
}

// beginAgain goes back to the first target after a round.
func (x *exchange) beginAgain() {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := (*x.targets.Load())[0]
	x.target.Store(first)
	x.fell = nil
	if first.fallback {
		x.fell = []string{first.model}
	}
}

// cause is the class of failure because of which the asked model cannot be served;
// the lock is held.
func (x *exchange) cause(now time.Time) failover.Class {
	if x.state.Last.Attempt > 0 {
		return x.state.Last.Class
	}
	if rests := x.resting(now); len(rests) > 0 {
		return rests[0].class
	}
	return failover.Unknown
}
