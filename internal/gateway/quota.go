package gateway

import (
	"net/http"
	"slices"
	"time"

	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/sched"
)

// heard takes in what an answer's header says of the account's windows, whether it is a
// success or not. Those of a caller's own seat are the caller's.
//
//go:noinline
func (at *attempt) heard(h http.Header) {
	if at.x.ownSeat != nil {
		return
	}
	now := time.Now()
	at.observe(platform.QuotaHeaders(h, now), now)
}

// observe moves the windows. Counting tokens has limits of its own, apart from those of asking the same model
// (Anthropic, token counting page; Gemini has a quota for each method): such an answer tells of the account's own windows alone.
func (at *attempt) observe(readings []domain.QuotaReading, now time.Time) {
	if readings == nil {
		return
	}
	if at.x.countsTokens() {
		readings = slices.DeleteFunc(readings, func(r domain.QuotaReading) bool { return r.Scope != domain.QuotaOfAccount })
	}
	at.cand.Observe(readings, now)
}

// countsTokens reports whether the request only asks how many tokens it has.
func (x *exchange) countsTokens() bool {
	switch x.path {
	case "/v1/messages/count_tokens", "/v1/responses/input_tokens", "countTokens":
		return true
	}
	return false
}

// heardBody takes in what a failure's body says of them.
func (at *attempt) heardBody(body []byte) {
	if at.x.ownSeat != nil {
		return
	}
	now := time.Now()
	at.observe(platform.QuotaBody(body, now), now)
}

// heardOf takes in what an answer to another question than a request for a model says of an account's
// own windows. Whose model the other windows would be nobody knows.
func (g *Gateway) heardOf(a *domain.Account, h http.Header) {
	now := time.Now()
	for _, r := range platform.QuotaHeaders(h, now) {
		if r.Scope == domain.QuotaOfAccount {
			g.deps.Cells.Quota(sched.AccountQuotaKey(a.ID)).Observe(&r, now)
		}
	}
}

// counted notes what the attempt used: in windows that Turnout counts itself, and against the operator's limits.
// An attempt whose tokens nobody states keeps what was taken for it, unless it failed.
func (at *attempt) counted(now time.Time) {
	served := at.status >= http.StatusOK && at.status < http.StatusMultipleChoices && at.result != resultFailed
	if served && at.x.ownSeat == nil && !at.x.countsTokens() {
		at.cand.Count(1, at.usage, at.began, now)
	}
	m := at.cand.Meter()
	if m == nil {
		return
	}
	d := at.x.draw(at.cand)
	used := d.Tokens
	if at.usage.Reported || at.result == resultFailed || at.x.countsTokens() {
		used = at.usage.Prompt() + at.usage.Output
	}
	m.Settle(d, used, at.result == resultServed || at.committed(), at.began, now)
}

// draw is what an attempt at a candidate takes of the operator's limits.
func (x *exchange) draw(c *sched.Candidate) sched.Draw {
	return sched.Draw{Tokens: x.req.InputTokens(), Session: x.session.id, Bound: x.bound() == c.ID}
}

// allowed takes of the operator's limits; false: one of them is reached.
func (x *exchange) allowed(c *sched.Candidate, now time.Time) bool {
	m := c.Meter()
	return m == nil || m.Take(x.draw(c), now)
}

// untake undoes it.
func (x *exchange) untake(c *sched.Candidate, now time.Time) {
	if m := c.Meter(); m != nil {
		m.Untake(x.draw(c), now, now)
	}
}

// onlyLimited reports whether nothing but limits of Turnout's operator keeps requests out.
func (x *exchange) onlyLimited(now time.Time) bool {
	for _, v := range x.everywhere() {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			if _, limited := c.Limited(now); c.Resting(now) && !limited {
				return false
			}
		}
	}
	return true
}

// take takes the chosen candidate's slot, its share of the operator's limits and, where its rest has just
// ended, its probe.
func (x *exchange) take(d *sched.Decision, now time.Time) bool {
	c := d.Candidate
	if !c.Live.TryAcquire(c.LimitNow(), now) {
		return false
	}
	if !x.allowed(c, now) {
		c.Live.Release()
		return false
	}
	if d.Rule != sched.RuleLeastBad && !c.TryProbe(now) {
		x.untake(c, now)
		c.Live.Release()
		return false
	}
	return true
}

// giveBack undoes a take that no attempt follows.
func (x *exchange) giveBack(c *sched.Candidate) {
	now := time.Now()
	x.untake(c, now)
	x.g.queue.release(c.ID, c.Live, now)
}
