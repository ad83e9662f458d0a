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
	Draining              // an operator lets it serve its own sessions only

	NumVerdicts = int(Draining) + 1
)

var verdictNames = [NumVerdicts]string{
	"eligible", "wrong_platform", "no_model", "no_label", "disabled", "paused", "excluded", "resting", "full", "limited", "draining",
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
	RuleScore                // the lowest score, by lot among the nearly equal
	RuleLeft                 // a better score than the session's own account, which it left
	RuleTurn                 // longest unused, whatever its weight
	RuleLot                  // by lot, in proportion to the weights
	RulePrice                // the lowest price
	RuleReset                // its window resets first
	RuleFirst                // the first of the configuration that is not full
)

var ruleNames = [...]string{
	"none", "pinned", "sticky", "only", "priority", "load", "idle", "waited", "least_bad",
	"score", "left", "turn", "lot", "price", "reset", "first",
}

// String is the rule's name.
func (r Rule) String() string { return ruleNames[r] }

// Request is what Choose needs to know of a request. Slices are read only.
type Request struct {
	Now         time.Time
	Seed        uint64 // draws lots and breaks exact ties, so that a replay is exact
	Exclude     []domain.AccountID
	ExcludeOrgs []string // organisations as in Candidate.Organization
	Pin         domain.AccountID
	Bound       domain.AccountID // the session's account; 0: none
	// WarmTokens of the session are in the prompt cache of the bound account's domain until WarmUntil.
	WarmTokens int64
	WarmUntil  time.Time
	// Keep: the bound account alone can read something of the request, so that it is not left for a better score.
	Keep    bool
	Session domain.SessionID // zero: none
	// Parent is the account of a sub-agent's parent session; 0: none.
	Parent      domain.AccountID
	InputTokens int64 // of the prompt, estimated
	// Shared are the cache domains in which the prompt's beginning is warm, of a request that has nothing else
	// that is: tools and system prompt, which other conversations of its caller have sent.
	Shared []Warm
	// LeastBad: where nobody is eligible and more of the pool rests on a guess than
	// View.MaxResting allows, the least bad of them is chosen.
	LeastBad bool
}

// RunnerUp is an account that was not chosen.
type RunnerUp struct {
	Account  domain.AccountID
	InFlight int
	Score    float32 // seconds; 0 where the strategy has no scores
}

// maxRunnersUp is how many a decision keeps.
const maxRunnersUp = 2

// Decision is what was chosen and why, small enough to be kept with every request.
type Decision struct {
	Candidate *Candidate // nil: none
	Rule      Rule
	InFlight  int // of the chosen account, before this request
	RunnersUp [maxRunnersUp]RunnerUp
	Score     Score // of the chosen account, where the strategy has scores
	// Stay is the score of the session's account where it was weighed against others; 0: it was not.
	Stay float32
	// Counts are the accounts of the pool by verdict: all of them where none was
	// chosen, and else those that were looked at before nothing better could follow.
	Counts  [NumVerdicts]uint16
	Version uint64
	Seed    uint64

	// Bound says what became of the session's account: Eligible if it was chosen or left for a better one, or
	// there is none.
	Bound Verdict
	// Soonest is when the first resting candidate that is not excluded returns; zero: none rests, or
	// nobody knows.
	Soonest time.Time
}

// Of a priority with more than sampleAbove accounts, those strategies that spread look at accounts in an order that
// the seed draws until they have found sample eligible ones. The best of sixteen drawn is nearly as good as the best
// of all (the power of random choices, Mitzenmacher 2001), and a choice costs the same however large the pool is.
const (
	sampleAbove = 24
	sample      = 16
)

// choice is one call of Choose.
type choice struct {
	v     *View
	r     *Request
	d     *Decision
	nowMs int64
	nowNs int64

	warm         float64 // what the session has warm, in seconds; 0: nothing
	domain       string  // where
	parentDomain string
	weighed      bool // candidates are drawn by weight

	best    int // place in the View; -1: none yet
	key     key // of the best
	rule    Rule
	soonest int64
}

// key is what candidates of one priority are compared by.
type key struct {
	first float64 // by the strategy; lower is better
	score float32 // seconds, where there are scores
	in    int64
	idle  int64
}

// Choose picks an account. It is deterministic for equal arguments and counters.
// The caller takes the slot afterwards and asks again should it be gone.
//
// Order: a pinned account alone; the bound account if it is eligible and leaving it does not pay; then the
// lowest priority number, and within it the pool's strategy.
func Choose(v *View, r Request) Decision {
	d := Decision{Version: v.Version, Seed: r.Seed, Counts: v.Out}
	q := newChoice(v, &r, &d)
	switch {
	case r.Pin != 0:
		q.pinned()
	case r.Bound == 0 || !q.bound():
		q.open()
	}
	if q.best < 0 && r.LeastBad && r.Pin == 0 {
		if i := v.leastBad(&r, q.nowMs); i >= 0 {
			q.take(i, RuleLeastBad)
		}
	}
	if q.best >= 0 {
		c := &v.Candidates[q.best]
		d.Candidate, d.InFlight, d.Rule = c, int(q.key.in), q.rule
		if scores(v) {
			d.Score = q.score(c, q.key.in)
		}
	}
	if q.soonest != 0 {
		d.Soonest = time.UnixMilli(q.soonest)
	}
	return d
}

func newChoice(v *View, r *Request, d *Decision) choice {
	q := choice{v: v, r: r, d: d, nowMs: r.Now.UnixMilli(), nowNs: r.Now.UnixNano(), best: -1}
	// What is warm is so for all of the account's organisation, whatever the account itself is at.
	if i := v.place(r.Bound); i >= 0 {
		q.warm, q.domain = r.warmAt(&v.Prices), v.Candidates[i].Organization
	}
	if i := v.place(r.Parent); i >= 0 {
		q.parentDomain = v.Candidates[i].Organization
	}
	return q
}

func scores(v *View) bool { return v.Strategy == domain.Scored }

// take chooses a place without comparing it.
func (q *choice) take(i int, rule Rule) {
	q.best, q.rule, q.key = i, rule, key{in: q.v.Candidates[i].Live.inFlight.Load()}
}

// pinned takes the pinned account, or nobody.
func (q *choice) pinned() {
	i := q.v.place(q.r.Pin)
	if i >= 0 && q.judge(i) == Eligible {
		q.take(i, RulePinned)
		return
	}
	for j := range q.v.Candidates { // for the counts, and for who returns soonest
		if j != i {
			q.judge(j)
		}
	}
}

// bound decides between the session's account and the others; false: the session has none that is eligible.
//
// A session with something warm stays within its cache's reach unless a better score elsewhere outweighs what is warm.
// One with nothing to lose goes to a better priority as soon as anybody there is eligible, and within its own priority
// to one that is better by more than noise.
func (q *choice) bound() bool {
	i := q.v.place(q.r.Bound)
	if i < 0 {
		q.d.Bound = NoModel
		return false
	}
	c := &q.v.Candidates[i]
	if verdict, _ := c.verdict(q.r, q.nowMs); verdict != Eligible {
		q.d.Bound = verdict // counted when all are looked at
		return false
	}
	q.d.Counts[Eligible]++
	own, scored := q.v.tierOf(i), scores(q.v)
	for t := 0; t <= own && q.best < 0 && !q.r.Keep; t++ {
		if t < own && q.warm > 0 && !scored || t == own && !scored {
			continue
		}
		q.tier(t, i)
		if t < own && q.warm == 0 && q.best >= 0 { // and nothing to lose
			if q.rule = RulePriority; c.rank() == q.v.Candidates[q.best].rank() {
				q.rule = RulePrice
			}
		}
		if t < own && q.warm == 0 || q.best < 0 {
			continue
		}
		stay, other := q.score(c, c.Live.inFlight.Load()), q.key
		q.d.Stay = float32(stay.Sum())
		if float64(other.score) < stay.Sum()-StaySeconds {
			q.rule = RuleLeft
			continue
		}
		q.keep(q.best, &other)
		q.best = -1
	}
	if q.best < 0 {
		q.take(i, RuleSticky)
	} else {
		q.keep(i, &key{score: q.d.Stay, in: c.Live.inFlight.Load()})
	}
	return true
}

// open chooses among all, priority by priority.
func (q *choice) open() {
	for t := range q.v.tiers {
		if q.tier(t, -1); q.best < 0 {
			continue
		}
		for i := q.v.tiers[t]; i < len(q.v.Candidates) && q.rule == RuleOnly; i++ {
			if q.judge(i) == Eligible { // somebody of a worse priority could have been asked, too
				if q.rule = RulePriority; q.v.Candidates[i].rank() == q.v.Candidates[q.best].rank() {
					q.rule = RulePrice
				}
				q.keep(i, &key{in: q.v.Candidates[i].Live.inFlight.Load()})
			}
		}
		return
	}
}

// tier looks for the best of one priority, all of it or a sample; skip is a place to leave out, or -1.
func (q *choice) tier(t, skip int) {
	start := 0
	if t > 0 {
		start = q.v.tiers[t-1]
	}
	n := q.v.tiers[t] - start
	if n > sampleAbove && q.v.Strategy != domain.FillFirst {
		q.sample(t, start, n, skip)
		return
	}
	for i := start; i < start+n; i++ {
		if q.best >= 0 && q.rule != RuleOnly && q.v.Strategy == domain.FillFirst {
			return
		}
		if i != skip {
			q.consider(i)
		}
	}
}

// sample looks at some of a tier: at those that the session has a reason to go to, and at others that are drawn.
func (q *choice) sample(t, start, n, skip int) {
	var looked [2 * sample]int32
	seen := looked[:0]
	look := func(i int) bool {
		if i < start || i >= start+n || i == skip || slices.Contains(seen, int32(i)) {
			return false
		}
		if len(seen) < cap(seen) {
			seen = append(seen, int32(i))
		}
		return q.consider(i)
	}
	if q.r.Parent != 0 {
		look(q.v.place(q.r.Parent))
	}
	relatives := func(organization string, most int) {
		kin := q.v.kin[organization]
		for k := range min(len(kin), most) {
			look(int(kin[(int(q.r.Seed%uint64(len(kin)))+k)%len(kin)]))
		}
	}
	for _, domain := range [2]string{q.parentDomain, q.domain} {
		relatives(domain, sample/2)
	}
	enough := sample
	for i := range q.r.Shared {
		if !scores(q.v) {
			break // others would not go there for it
		}
		place := q.v.place(q.r.Shared[i].Account)
		if place < 0 || q.v.Candidates[place].Domain != q.r.Shared[i].Domain {
			continue
		}
		if look(place) {
			enough-- // it is one of the sample
		}
		relatives(q.v.Candidates[place].Organization, 1)
	}
	const step = 2_654_435_761 // a prime larger than any pool: it comes to every place once
	found := 0
	if wheel := q.v.wheelOf(t); wheel != nil {
		// Drawn by weight; what was drawn so is not weighed once more.
		q.weighed = true
		if q.v.Strategy == domain.Weighted {
			enough = 1
		}
		counts, spots := q.d.Counts, uint64(len(wheel))
		at := mix(q.r.Seed, uint64(t)+1) % spots
		for k := 0; k < mostDraws && found < enough; k++ {
			if look(int(wheel[at])) {
				found++
			}
			at = (at + step) % spots
		}
		if q.best >= 0 {
			return
		}
		q.d.Counts, seen = counts, looked[:0] // nobody: all are looked at, each once
	}
	at := mix(q.r.Seed, uint64(t)+1) % uint64(n)
	for k := 0; k < n && found < enough; k++ {
		if look(start + int(at)) {
			found++
		}
		at = (at + step) % uint64(n)
	}
}

// mostDraws is how often a wheel is turned before all accounts of the priority are looked at.
const mostDraws = 4 * sample

// draw is a candidate's lot: the higher the better.
func (q *choice) draw(c *Candidate) float32 {
	d := gumbel[mix(q.r.Seed, uint64(c.ID))>>56]
	if !q.weighed {
		d += c.lnWeight
	}
	return d
}

// judge gives a candidate's verdict and counts it.
func (q *choice) judge(i int) Verdict {
	verdict, until := q.v.Candidates[i].verdict(q.r, q.nowMs)
	q.d.Counts[verdict]++
	if (verdict == Resting || verdict == Limited) && until != forever && (q.soonest == 0 || until < q.soonest) {
		q.soonest = until
	}
	return verdict
}

// consider compares a candidate with the best so far; false: it is not eligible.
func (q *choice) consider(i int) bool {
	if q.judge(i) != Eligible {
		return false
	}
	c := &q.v.Candidates[i]
	k := key{in: c.Live.inFlight.Load()}
	rule := RuleIdle
	switch q.v.Strategy {
	case domain.LeastLoaded, domain.Cheapest: // the price is told by the tier
		k.idle = c.idle(q.nowNs)
	case domain.Scored:
		s := q.score(c, k.in)
		k.score = float32(s.Sum())
		k.first, rule = float64(k.score-Spread*q.draw(c)), RuleScore
	case domain.Weighted:
		k.first, rule = -float64(q.draw(c)), RuleLot
	case domain.RoundRobin:
		k.first, rule = float64(c.Live.lastUsed.Load()), RuleTurn
	case domain.SoonestReset:
		k.first, rule = c.resetAt(q.nowMs), RuleReset
		k.idle = c.idle(q.nowNs)
	case domain.FillFirst:
		k.first, rule = float64(i), RuleFirst
	}
	if q.best < 0 {
		q.best, q.key, q.rule = i, k, RuleOnly
		return true
	}
	b := &q.v.Candidates[q.best]
	better := k.first < q.key.first
	if k.first == q.key.first {
		if x, y := k.in*b.capacity, q.key.in*c.capacity; x != y {
			better, rule = x < y, RuleLoad
		} else if rule = RuleIdle; k.idle != q.key.idle {
			better = k.idle > q.key.idle
		} else {
			better = mix(q.r.Seed, uint64(c.ID)) > mix(q.r.Seed, uint64(b.ID))
		}
	}
	if better {
		q.keep(q.best, &q.key)
		q.best, q.key, q.rule = i, k, rule
		return true
	}
	q.keep(i, &k)
	if q.rule == RuleOnly {
		q.rule = rule
	}
	return true
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
		if c.excluded(r) || c.full() || c.draining && r.Bound != c.ID {
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

// keep remembers a runner-up: the latest first, or, where there are scores, the best first.
func (q *choice) keep(i int, k *key) {
	up := &q.d.RunnersUp
	at := 0
	for q.v.Strategy == domain.Scored && at < maxRunnersUp && up[at].Account != 0 && up[at].Score <= k.score {
		at++
	}
	if at == maxRunnersUp {
		return
	}
	copy(up[at+1:], up[at:maxRunnersUp-1])
	up[at] = RunnerUp{q.v.Candidates[i].ID, int(k.in), k.score}
}

// verdict judges one candidate; until is when a resting one returns, in Unix
// milliseconds.
func (c *Candidate) verdict(r *Request, nowMs int64) (Verdict, int64) {
	if c.excluded(r) {
		return Excluded, 0
	}
	if c.draining && r.Bound != c.ID && r.Pin != c.ID {
		return Draining, 0
	}
	if until := c.blocked(nowMs); until > 0 {
		if c.rested(nowMs) == 0 {
			return Limited, until
		}
		return Resting, until
	}
	if until := c.unwelcome(r, nowMs); until > 0 {
		return Limited, until
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
