package sched

import (
	"math"

	"turnout/internal/domain"
)

// Term is a part of a score.
type Term uint8

// The terms. The numbers are stored in traces: append, never renumber.
const (
	TermFirstToken Term = iota
	TermErrors
	TermLoad
	TermQueue
	TermQuota
	TermCost
	TermWarmth // negative: what is saved where the prompt's cache is
	TermParent // negative: a sub-agent begins where its parent's cache is
	TermShared // negative: what is saved where the prompt's beginning is warm, which other conversations share

	NumTerms = int(TermShared) + 1
)

var termNames = [NumTerms]string{"first_token", "errors", "load", "queue", "quota", "cost", "warmth", "parent", "shared"}

// String is the term's name.
func (t Term) String() string { return termNames[t] }

// Score is what asking an account is expected to cost, term by term, in seconds of the caller's waiting: money is
// turned into seconds by the pool's price of one. Lower is better.
//
//	first_token  the average time to the first token with this model (half-life 5 min; UnknownFirstToken until measured)
//	errors       RetrySeconds × p/(1−p), where p is the error rate (half-life 1 min, at most MaxErrorRate): what the
//	             failures on the way to an answer take
//	load         LoadSeconds × requests in flight / limit, for its weight
//	queue        first_token × requests that wait for this account / limit
//	quota        PaceSeconds × how far the tightest window is used ahead of its time (UnusedSeconds × how far behind),
//	             and DrainSeconds near its wall, but for the session that is bound there
//	cost         the request's price there, at the account's prices
//	warmth       − (the time to read the session's cached tokens anew + the price of that), in the cache's domain
//	parent       − ParentSeconds at the account of a sub-agent's parent, a little less in its organisation
//	shared       − SharedWorth × (the time to read the prompt's beginning anew + the price of that), where other conversations of the
//	             caller have it in the cache, for a request that has nothing else there
//
// Priority is no term: it comes first, and so does speaking the caller's dialect.
type Score [NumTerms]float32

// Sum is the whole in seconds.
func (s *Score) Sum() (sum float64) {
	for _, t := range s {
		sum += float64(t)
	}
	return sum
}

// The weights of the formula. They are what decides between accounts that differ in several ways at once: measured by the
// simulated day (docs/scheduling.md).
const (
	UnknownFirstToken = 0.3  // seconds: as a quick one, so that everybody is tried, and again when it was forgotten
	RetrySeconds      = 5.0  // what one failed attempt costs
	MaxErrorRate      = 0.9  // above it an account rests anyway
	LoadSeconds       = 2.0  // at the limit
	PaceSeconds       = 10.0 // for a window that is used up where none of it should be
	UnusedSeconds     = 0.3  // for a window that is unused where all of it should be
	DrainSeconds      = 30.0
	ParentSeconds     = 5.0
	// DomainShare is what the parent's organisation is worth of the parent's account: the cache is shared, and so is the load
	// when its sub-agents spread.
	DomainShare = 0.9
	// SharedWorth is what a shared beginning is worth of what it saves: it is saved once, and the conversation stays where
	// it begins.
	SharedWorth = 0.25
	// StaySeconds is by how much another account has to be better before a session without a stake leaves its
	// account within one priority, so that noise moves nobody.
	StaySeconds = 1.0
	// Spread is how far accounts may be apart and still share: of two that differ by it the worse gets one
	// request for e of the better's.
	Spread = 0.1 // seconds
)

// Prices turn time and money into each other.
type Prices struct {
	Second    domain.NanoUSD // of one second of a caller's waiting
	Token     domain.NanoUSD // of reading one cached token anew, where the account's prices are not known
	ReadSpeed int64          // tokens that an upstream reads in a second
}

// stake is what the warm tokens save, in seconds.
func (p *Prices) stake(tokens int64) float64 {
	if tokens <= 0 {
		return 0
	}
	s := 0.0
	if p.ReadSpeed > 0 {
		s = float64(tokens) / float64(p.ReadSpeed)
	}
	if p.Second > 0 {
		s += float64(tokens) * float64(p.Token) / float64(p.Second)
	}
	return s
}

// score adds up what asking a candidate is expected to cost.
func (q *choice) score(c *Candidate, in int64) (s Score) {
	first, known := c.Stat.firstTokenSeconds(q.nowMs)
	if !known {
		first = UnknownFirstToken
	}
	s[TermFirstToken] = float32(first)
	if p := min(c.Stat.errorRate(q.nowMs), MaxErrorRate); p > 0 {
		s[TermErrors] = float32(RetrySeconds * p / (1 - p))
	}
	s[TermLoad] = float32(in) * c.loadUnit
	if w := c.Live.waiting.Load(); w > 0 {
		s[TermQueue] = float32(first) * float32(w) / float32(max(c.Limit, 1))
	}
	s[TermQuota] = c.quotaTerm(q.r.Now, q.r.Bound)
	if c.price > 0 && q.v.Prices.Second > 0 {
		s[TermCost] = c.price * float32(q.r.Tokens()) / float32(q.v.Prices.Second)
	}
	if q.warm > 0 && c.Organization == q.domain {
		s[TermWarmth] = -float32(q.warm)
	}
	switch {
	case q.r.Parent == 0:
	case c.ID == q.r.Parent:
		s[TermParent] = -ParentSeconds
	case c.Organization == q.parentDomain:
		s[TermParent] = -ParentSeconds * DomainShare
	}
	if len(q.r.Shared) > 0 {
		s[TermShared] = q.sharedTerm(c)
	}
	return s
}

// gumbel are quantiles of the standard Gumbel distribution. Taking the least of score − Spread × (ln weight + a draw from
// it) is choosing by lot with probabilities in proportion to weight × e^(−score/Spread): among the best few, because
// the draws are bounded.
var gumbel = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(-math.Log(-math.Log((float64(i) + 0.5) / 256)))
	}
	return
}()

// warmAt is what a request's session has warm at now, in seconds.
func (r *Request) warmAt(p *Prices) float64 {
	if r.WarmTokens <= 0 || !r.Now.Before(r.WarmUntil) {
		return 0
	}
	return p.stake(r.WarmTokens)
}

// expectedOutput is how long an answer is taken to be, in tokens, for prices.
const expectedOutput = 500

// Tokens is what the request's price is counted by: tokens of the prompt, and those of the answer five times
// each, which is what most providers charge for them.
func (r *Request) Tokens() int64 { return r.InputTokens + 5*expectedOutput }
