package failover

import (
	"strconv"
	"time"

	"turnout/internal/domain"
)

// grace decides whether to wait for the account that the session is bound to. If
// not, the decision's reason (empty if the account is not the bound one) and
// detail say why, for the switch that follows.
func (c *call) grace(a *AccountState) (Decision, bool) {
	r, s := &c.p.Grace, c.s
	if b := s.Session; !b.HasBound || !b.BoundKnown || b.Bound != a.ID {
		return Decision{}, false
	}
	switch {
	case r.Max == 0:
		return Decision{}, false
	case !r.covers(c.o):
		return Decision{Reason: ReasonCauseLasts}, false
	case !under(s.Graces, r.Max) || !c.pinnable(a):
		return Decision{}, false
	}
	d, ok := c.stay(s.Graces + 1)
	if ok && c.o.stated() && !r.IgnoreStated {
		d.Before = c.rest()
	}
	return d, ok
}

// stay weighs waiting for the bound account against moving away from it.
func (c *call) stay(n int) (Decision, bool) {
	r := &c.p.Grace
	full, stated, ok := c.wait(r, n)
	if !ok || !c.holds(full) {
		return Decision{Reason: ReasonWaitTooLong}, false
	}
	d := Decision{Reason: ReasonGrace}
	if c.p.Stake.On {
		d.Reason, d.Detail, ok = c.weigh(full)
		if !ok {
			return d, false
		}
	}
	c.s.Graces++
	d.Action, d.Account, d.N, d.Max = RetrySame, c.o.Account, c.s.Graces, bound(r.Max)
	d.Wait = c.spend(r, full, stated)
	return d, true
}

// weigh says whether a wait at the bound account is cheaper than moving.
func (c *call) weigh(wait time.Duration) (why Reason, detail string, stay bool) {
	st := c.o.Stake
	switch {
	case !st.Warm():
		return ReasonNoStake, "", false
	case wait >= st.Expires:
		return ReasonStakeExpires, "", false
	}
	if !c.alternative() && !c.o.Fallback {
		return ReasonNowhereElse, "", true
	}
	if c.sharesCache() && !c.sharesLimit() {
		return ReasonCacheShared, "", false
	}
	reading := c.p.Stake.readingTime(st.Tokens)
	staying := c.p.Stake.ofTime(wait)
	moving := plus(c.priceOfMoving(), c.p.Stake.ofTime(reading))
	detail = describe(wait, staying, st.Tokens, moving)
	if staying < moving {
		return ReasonStayCheaper, detail, true
	}
	return ReasonMoveCheaper, detail, false
}

// priceOfMoving is the money that reading the stake anew costs.
func (c *call) priceOfMoving() domain.NanoUSD {
	if c.o.PriceOfMoving > 0 {
		return c.o.PriceOfMoving
	}
	return domain.NanoUSD(mulDiv(c.o.Stake.Tokens, int64(c.p.Stake.TokenPrice), 1))
}

// ofTime is what a wait is worth.
func (st *Stakes) ofTime(wait time.Duration) domain.NanoUSD {
	return domain.NanoUSD(mulDiv(int64(wait), int64(st.SecondPrice), int64(time.Second)))
}

// readingTime is how long an upstream reads uncached tokens.
func (st *Stakes) readingTime(tokens int64) time.Duration {
	return time.Duration(mulDiv(tokens, int64(time.Second), st.ReadSpeed))
}

// worth is the inverse of ofTime: how long a wait may be for an amount.
func (st *Stakes) worth(amount domain.NanoUSD) time.Duration {
	return time.Duration(mulDiv(int64(amount), int64(time.Second), int64(st.SecondPrice)))
}

// StayOrMove decides before an attempt, when the account that the session is bound
// to is resting: wait for it (RetrySame, pinned, after the rest) or move (Switch,
// at once, the scheduler chooses). The outcome describes the rest as if it were a
// failure: Account is the bound account, Class and Scope are the rest's, Reset what
// is left of it (a rest without an end: Stated false), with Stake, Alternative and
// Spent as in AfterFailure. Nothing has failed yet: no attempt is counted, nobody is
// excluded and nobody rested. A wait counts as grace and against the budget of
// waiting.
func StayOrMove(p Policy, s State, o Outcome) (State, Decision) {
	c := call{p: &p, s: &s, o: &o}
	d := c.stayOrMove()
	return s, d
}

func (c *call) stayOrMove() Decision {
	r, s := &c.p.Grace, c.s
	move := func(why Reason, detail string) Decision {
		return Decision{Action: Switch, Reason: why, Detail: detail}
	}
	b := s.Session
	switch {
	case !b.HasBound || !b.BoundKnown || b.Bound != c.o.Account || s.Excludes(c.o.Account, c.organization(c.o.Organization)):
		return move(ReasonSwitch, "")
	case c.o.Stated && c.o.Reset <= 0:
		return Decision{Action: RetrySame, Account: c.o.Account, Reason: ReasonRestOver}
	case !c.p.Stake.On || r.IgnoreStated || !under(s.Graces, r.Max):
		return move(ReasonSwitch, "")
	case !r.covers(c.o) || !c.o.Stated:
		return move(ReasonCauseLasts, "")
	}
	d, ok := c.stay(s.Graces + 1)
	if !ok {
		return move(d.Reason, d.Detail)
	}
	return d
}

// AtSoftLimit decides whether to start another account beside one that has been
// silent for long (Beside) or to go on waiting (Await). The outcome describes the
// slow attempt, which has not failed: Account, Stake, Silent, Alternative and Spent;
// its class is taken to be FirstTokenLate. At most Policy.Besides times in a
// request, within the attempts, and not while reading the stake anew costs more
// than waiting on. How long the silence will last nobody knows; the best guess for
// a thing that has lasted this long is that it lasts as long again. So an Await for
// that reason says in Wait when to ask again, and so does one for a reason that may
// pass (nobody else is free, the retry budget is used up).
func AtSoftLimit(p Policy, s State, o Outcome) (State, Decision) {
	o.Class = FirstTokenLate
	c := call{p: &p, s: &s, o: &o}
	d := c.atSoftLimit()
	return s, d
}

func (c *call) atSoftLimit() Decision {
	s, o := c.s, c.o
	await := func(why Reason) Decision { return Decision{Action: Await, Reason: why} }
	silent := o.Silent
	if silent <= 0 {
		silent = o.Spent
	}
	awaitAndAsk := func(why Reason) Decision {
		return Decision{Action: Await, Reason: why, Wait: max(silent, time.Second)}
	}
	running := 1 + max(o.Running, 0)
	switch {
	case o.Committed:
		return await(ReasonCommitted)
	case s.Besides >= c.p.Besides:
		return await(ReasonBesideUsed)
	case c.p.Attempts != NoBound && s.Attempts+s.Reserved+running >= c.p.Attempts && !o.Fallback:
		return await(ReasonAttemptsUsed)
	case c.p.Attempts != NoBound && s.Attempts+running >= c.p.Attempts:
		return await(ReasonAttemptsUsed)
	case c.p.Total != NoBound && o.Spent >= c.p.Total:
		return await(ReasonTotalUsed)
	}
	if !c.alternative() && !o.Fallback {
		return awaitAndAsk(ReasonNoAlternative)
	}
	elsewhere := o.Provider != "" && o.AlternativeProvider != "" && o.Provider != o.AlternativeProvider
	if c.braked() && !elsewhere && !o.AlternativeWell {
		return awaitAndAsk(ReasonRetriesUsed)
	}
	if o.Hedge {
		switch {
		case o.Stake.Warm():
			return await(ReasonWaitCheaper)
		case o.NoRetries:
			return await(ReasonRetriesUsed)
		}
		s.Besides++
		return Decision{Action: Beside, Reason: ReasonHedge, N: s.Besides, Max: c.p.Besides}
	}
	detail := ""
	if o.Stake.Warm() && !c.sharesCache() {
		waiting, moving := c.p.Stake.ofTime(silent), c.priceOfMoving()
		detail = describe(silent, waiting, o.Stake.Tokens, moving)
		if waiting <= moving {
			d := Decision{Action: Await, Reason: ReasonWaitCheaper, Detail: detail}
			if c.p.Stake.SecondPrice > 0 {
				// One nanosecond more, so that asking again then does not find equality.
				d.Wait = max(plus(c.p.Stake.worth(moving), 1)-max(silent, 0), time.Millisecond)
			}
			return d
		}
	}
	s.Besides++
	return Decision{Action: Beside, Reason: ReasonSlow, Detail: detail, N: s.Besides, Max: c.p.Besides}
}

// describe names both amounts, for people.
func describe(wait time.Duration, staying domain.NanoUSD, tokens int64, moving domain.NanoUSD) string {
	b := make([]byte, 0, 80)
	b = append(b, "waiting "...)
	b = append(b, wait.Round(time.Millisecond).String()...)
	b = append(b, " costs "...)
	b = appendUSD(b, staying)
	b = append(b, ", moving "...)
	b = strconv.AppendInt(b, tokens, 10)
	b = append(b, " cached tokens "...)
	b = appendUSD(b, moving)
	return string(b)
}

// appendUSD writes an amount in dollars, to a hundredth of a cent, rounded.
func appendUSD(b []byte, n domain.NanoUSD) []byte {
	tenths := (plus(max(n, 0), 50_000)) / 100_000
	b = append(b, '$')
	b = strconv.AppendInt(b, int64(tenths/10_000), 10)
	b = append(b, '.')
	frac := int64(tenths % 10_000)
	for unit := int64(1000); unit > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit%10))
	}
	return b
}
