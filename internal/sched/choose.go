package sched

import (
	"math/bits"
	"slices"
	"time"

	"turnout/internal/domain"
)

// Verdict is why an account can or cannot be chosen.
type Verdict uint8

// The verdicts. The numbers are stored in traces: append, never renumber.
const (
	Eligible      Verdict = iota
	WrongPlatform         // does not speak the caller's dialect
	NoModel               // does not serve the model
	NoLabel               // lacks a required label
	Disabled              // gone from the configuration
	Paused                // an operator took it out
	Excluded              // failed in this request already (or its organisation did)
	Resting               // out of scheduling for a while
	Full                  // at its limit of concurrent requests
	Limited               // at another limit of its operator, or past its date

	NumVerdicts = int(Limited) + 1
)

var verdictNames = [NumVerdicts]string{
	"eligible", "wrong_platform", "no_model", "no_label", "disabled", "paused", "excluded", "resting", "full", "limited",
}

// String is the verdict's name.
func (v Verdict) String() string { return verdictNames[v] }

// Rule is what made the scheduler choose.
type Rule uint8

// The rules. The numbers are stored in traces: append, never renumber.
const (
	RuleNone     Rule = iota // nothing was chosen
	RulePinned               // the failover decision named the account
	RuleSticky               // the session is bound to the account
	RuleOnly                 // nothing else was eligible
	RulePriority             // alone in the best priority
	RuleLoad                 // the least loaded for its weight and limit
	RuleIdle                 // equal load; the longest unused for its weight
	RuleWaited               // the queue handed over the first slot that became free
	RuleLeastBad             // too much of the pool rests: the one that fared least badly
)

var ruleNames = [...]string{"none", "pinned", "sticky", "only", "priority", "load", "idle", "waited", "least_bad"}

// String is the rule's name.
func (r Rule) String() string { return ruleNames[r] }

// Request is what Choose needs to know of a request. Slices are read only.
type Request struct {
	Now         time.Time
	Seed        uint64 // breaks exact ties, so that a replay is exact
	Exclude     []domain.AccountID
	ExcludeOrgs []string // organisations as in Candidate.Organization
	Pin         domain.AccountID
	Bound       domain.AccountID // the session's account; 0: none
	// LeastBad: where nobody is eligible and more of the pool rests on a guess than
	// View.MaxResting allows, the least bad of them is chosen.
	LeastBad bool
}

// RunnerUp is an account that was not chosen.
type RunnerUp struct {
	Account  domain.AccountID
	InFlight int
}

// maxRunnersUp is how many a decision keeps.
const maxRunnersUp = 2

// Decision is what was chosen and why, small enough to be kept with every request.
type Decision struct {
	Candidate *Candidate // nil: none
	Rule      Rule
	InFlight  int // of the chosen account, before this request
	RunnersUp [maxRunnersUp]RunnerUp
	// Counts are the accounts of the pool by verdict: all of them where none was
	// chosen, and else those that were looked at before nothing better could follow.
	Counts  [NumVerdicts]uint16
	Version uint64
	Seed    uint64

	// Bound says what became of the session's account: Eligible if it was chosen or
	// there is none.
	Bound Verdict
	// Soonest is when the first resting candidate that is not excluded returns; zero: none rests, or
	// nobody knows.
	Soonest time.Time
}

// Choose picks an account. It is deterministic for equal arguments and counters.
// The caller takes the slot afterwards and asks again should it be gone.
//
// Order: a pinned account alone; the bound account if it is eligible; then the
// lowest priority number, the least load for weight and limit, the longest unused for
// its weight, the seed.
func Choose(v *View, r Request) Decision {
	d := Decision{Version: v.Version, Seed: r.Seed, Counts: v.Out}
	nowMs, nowNs := r.Now.UnixMilli(), r.Now.UnixNano()
	var soonest int64
	best := -1
	var bestIn int64
	var bestRule Rule
	others := 0
	for i := range v.Candidates {
		c := &v.Candidates[i]
		verdict, until := c.verdict(&r, nowMs)
		d.Counts[verdict]++
		if r.Bound == c.ID && verdict != Eligible {
			d.Bound = verdict
		}
		if (verdict == Resting || verdict == Limited) && until != forever && (soonest == 0 || until < soonest) {
			soonest = until
		}
		if verdict != Eligible || r.Pin != 0 && c.ID != r.Pin {
			continue
		}
		in := c.Live.inFlight.Load()
		if r.Pin != 0 || r.Bound == c.ID {
			d.keep(v, best, bestIn)
			best, bestIn, bestRule = i, in, RuleSticky
			if r.Pin != 0 {
				bestRule = RulePinned
			}
			break
		}
		if best < 0 {
			best, bestIn, bestRule = i, in, RuleOnly
			continue
		}
		b := &v.Candidates[best]
		if c.rank() > b.rank() {
			others++
			d.keep(v, i, in)
			if r.Bound == 0 {
				break // sorted: nothing better follows
			}
			continue
		}
		if better, rule := c.better(in, b, bestIn, nowNs, r.Seed); better {
			d.keep(v, best, bestIn)
			best, bestIn, bestRule = i, in, rule
		} else {
			d.keep(v, i, in)
			if bestRule == RuleOnly {
				bestRule = rule
			}
		}
	}
	if bestRule == RuleOnly && others > 0 {
		bestRule = RulePriority
	}
	if best < 0 && r.LeastBad && r.Pin == 0 {
		if best = v.leastBad(&r, nowMs); best >= 0 {
			bestIn, bestRule = v.Candidates[best].Live.inFlight.Load(), RuleLeastBad
		}
	}
	if best >= 0 {
		d.Candidate, d.InFlight, d.Rule = &v.Candidates[best], int(bestIn), bestRule
	}
	if r.Bound != 0 && d.Bound == Eligible && (best < 0 || v.Candidates[best].ID != r.Bound) && v.Find(r.Bound) == nil {
		d.Bound = NoModel
	}
	if soonest != 0 {
		d.Soonest = time.UnixMilli(soonest)
	}
	return d
}

// leastBad is the place of the candidate to use although it rests, or -1: of those
// that rest on a guess alone, beyond the share of the pool that may, the one with the best priority, the
// fewest failures in a row, and the nearest end.
func (v *View) leastBad(r *Request, nowMs int64) int {
	best, resting := -1, 0
	var bestStreak int
	var bestUntil int64
	for i := range v.Candidates {
		c := &v.Candidates[i]
		until, streak, guess := c.guessed(nowMs)
		if !guess {
			continue
		}
		resting++
		if c.excluded(r) || c.full() {
			continue
		}
		b := best < 0
		if !b {
			switch other := &v.Candidates[best]; {
			case c.rank() != other.rank():
			case streak != bestStreak:
				b = streak < bestStreak
			default:
				b = until < bestUntil
			}
		}
		if b {
			best, bestStreak, bestUntil = i, streak, until
		}
	}
	if resting <= v.mayRest() {
		return -1
	}
	return best
}

// mayRest is how many of the candidates may rest on a guess; one always may.
func (v *View) mayRest() int { return max(len(v.Candidates)*v.MaxResting/100, 1) }

// keep remembers a runner-up, the latest first.
func (d *Decision) keep(v *View, i int, in int64) {
	if i < 0 {
		return
	}
	copy(d.RunnersUp[1:], d.RunnersUp[:maxRunnersUp-1])
	d.RunnersUp[0] = RunnerUp{v.Candidates[i].ID, int(in)}
}

// verdict judges one candidate; until is when a resting one returns, in Unix
// milliseconds.
func (c *Candidate) verdict(r *Request, nowMs int64) (Verdict, int64) {
	if c.excluded(r) {
		return Excluded, 0
	}
	if until := c.blocked(nowMs); until > 0 {
		if c.rested(nowMs) == 0 {
			return Limited, until
		}
		return Resting, until
	}
	if c.full() {
		return Full, 0
	}
	return Eligible, 0
}

func (c *Candidate) excluded(r *Request) bool {
	return slices.Contains(r.Exclude, c.ID) || len(r.ExcludeOrgs) > 0 && slices.Contains(r.ExcludeOrgs, c.Organization)
}

func (c *Candidate) full() bool {
	limit := c.LimitNow()
	return limit > 0 && c.Live.inFlight.Load() >= int64(limit)
}

// better compares a candidate with the best so far, in the same priority. The rule
// is what told them apart.
func (c *Candidate) better(in int64, b *Candidate, bIn int64, nowNs int64, seed uint64) (bool, Rule) {
	if x, y := in*b.capacity, bIn*c.capacity; x != y {
		return x < y, RuleLoad
	}
	ci, bi := c.idle(nowNs), b.idle(nowNs)
	if ci != bi {
		return ci > bi, RuleIdle
	}
	return mix(seed, uint64(c.ID)) > mix(seed, uint64(b.ID)), RuleIdle
}

// idle is how long the account was unused, times its weight, so that at low load,
// where nothing is in flight, weights still tell. Microseconds keep the product small.
func (c *Candidate) idle(nowNs int64) int64 {
	last := c.Live.lastUsed.Load()
	if last == 0 {
		return 1 << 62
	}
	return max(nowNs-last, 0) / 1000 * int64(max(c.Account.Weight, 1))
}

// mix is a cheap hash of a seed and an id (the finaliser of SplitMix64).
func mix(seed, id uint64) uint64 {
	z := seed ^ bits.RotateLeft64(id*0x9e3779b97f4a7c15, 31)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
