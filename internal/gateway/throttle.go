package gateway

import (
	"fmt"
	"math/bits"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// throttleRetry is when a request that was refused for a provider's sake may come again.
const throttleRetry = 5 * time.Second

// throttled spares a provider that browns out: it keeps a request's first attempt from it, for
// another provider if there is one, and else leaves the error that refuses it. An account that is on its way back
// is not spared: finding out is what its few requests are for.
//
//go:noinline
func (x *exchange) throttled(p *picked) {
	c := p.cand
	if x.tried() > 0 || returning(c) || !x.g.loads.refuses(x.loadKey(c), bits.Reverse64(x.seed), time.Now()) {
		return
	}
	c.ReturnProbe()
	x.giveBack(c)
	x.g.deps.Observer.Event(EventThrottled, c.Account.Platform, 1)
	if other, choice := x.elsewhere(x.provider(c)); other != nil {
		p.cand, p.choice = other, choice
		return
	}
	x.mu.Lock()
	x.notes = append(x.notes, note{at: time.Since(x.began), decision: failover.Decision{Action: failover.GiveUp, Reason: failover.ReasonBrownout}})
	x.mu.Unlock()
	p.cand = nil
	p.err = &domain.Error{
		Kind: domain.KindOverloaded, Op: "spare the provider", RetryAfter: throttleRetry, FromProvider: true,
		Message: fmt.Sprintf("the provider fails most requests for %s at the moment, so this one was not sent; try again in %s", x.req.Model, throttleRetry),
	}
}

// returning reports whether a circuit of the candidate is on its way back.
func returning(c *sched.Candidate) bool {
	now := time.Now()
	for _, cell := range c.Rests {
		if s := cell.State(now); s == sched.Probing || s == sched.Returning {
			return true
		}
	}
	return false
}

// elsewhere takes an account of any other provider than the named one.
func (x *exchange) elsewhere(provider string) (*sched.Candidate, sched.Decision) {
	views := x.views()
	req := sched.Request{Now: time.Now(), Seed: x.seed}
	for _, v := range views {
		for i := range v.Candidates {
			if c := &v.Candidates[i]; x.provider(c) == provider {
				req.Exclude = append(req.Exclude, c.ID)
			}
		}
	}
	for _, v := range views {
		if d := sched.Choose(v, req); d.Candidate != nil && x.take(&d, req.Now) {
			return d.Candidate, d
		}
	}
	return nil, sched.Decision{}
}
