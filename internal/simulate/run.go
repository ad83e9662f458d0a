package simulate

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/sched/rest"
)

// Settings are what is compared.
type Settings struct {
	Name   string
	Tuning sched.Tuning
	Policy failover.Policy
	// QueueWait is how long a request waits for a slot; StickyWait, for a slot of its session's own account.
	QueueWait, StickyWait time.Duration
	QueuePlaces           int // requests that may wait for a slot
	SessionTTL            time.Duration
}

// DefaultSettings are those of a pool without any.
func DefaultSettings() Settings {
	p := failover.Balanced()
	return Settings{
		Name: "score", Policy: p, QueueWait: 10 * time.Second, StickyWait: 3 * time.Second, QueuePlaces: 100, SessionTTL: time.Hour,
		Tuning: sched.Tuning{MaxResting: 50, Prices: sched.Prices{Second: p.Stake.SecondPrice, Token: p.Stake.TokenPrice, ReadSpeed: p.Stake.ReadSpeed}},
	}
}

// longestRequest is how long a request may take in all, and what one without an answer counts as.
const longestRequest = 10 * time.Minute

// cacheLife is how long a prompt's cache lives after its use (Anthropic, prompt caching page).
const cacheLife = 5 * time.Minute

// runner is one run of a script. Its clock is that of the event it is at.
type runner struct {
	s      *Script
	set    *Settings
	cells  *sched.Cells
	view   *sched.View
	now    time.Time
	events events
	seq    int
	line   []*request           // wait for a slot: callers take turns, and of one the first come comes first
	turns  map[domain.KeyID]int // when a caller last had its turn; empty while nobody waits
	turn   int

	loads   map[string]failover.Load // what each provider was asked of late: the retry budget
	binding map[domain.SessionID]domain.Binding
	cache   map[cacheKey]cached
	shared  map[sharedKey]time.Time // until when a beginning is in a cache, whoever sent it
	known   *sched.Prefixes         // what the scheduler is told of that
	talks   []talk
	agents  map[int][]int // sub-agents by their parent
	out     Result
	firsts  []time.Duration
	used    map[domain.AccountID]float64 // slot seconds
}

type cacheKey struct {
	session domain.SessionID
	org     string
}

type sharedKey struct {
	prefix sched.PrefixID
	org    string
}

type cached struct {
	tokens int64
	until  time.Time
}

// talk is how far a session is.
type talk struct {
	next   int
	prompt int64 // tokens so far
}

// request is one turn under way.
type request struct {
	session  int
	turn     int
	began    time.Time
	input    int64
	seed     uint64
	state    failover.State
	attempts int
	pin      domain.AccountID
	sticky   bool
	stays    bool
	waiting  bool // in the line
	patience time.Time
	only     domain.AccountID // the line's: this account alone
	waited   time.Duration
	since    time.Time
	bound    domain.AccountID // at its start
	retryOf  string           // the provider of the attempt that failed before
	braked   bool             // by a fault of its own
	paid     bool             // the next attempt has been counted as a retry already
}

// Run plays the script under the settings.
func Run(s *Script, set Settings) Result {
	r := &runner{
		s: s, set: &set, cells: sched.NewCells(), now: s.Began, loads: map[string]failover.Load{}, binding: map[domain.SessionID]domain.Binding{},
		cache: map[cacheKey]cached{}, shared: map[sharedKey]time.Time{}, known: sched.NewPrefixes(), talks: make([]talk, len(s.Sessions)), used: map[domain.AccountID]float64{}, turns: map[domain.KeyID]int{}, agents: map[int][]int{},
	}
	r.out.Name = set.Name
	native := func(*domain.Account) sched.Speech { return sched.Native }
	r.view = sched.Build(1, &domain.Pool{ID: 1, Name: "simulated"}, s.Model, domain.DialectAnthropic, nil, s.Accounts, native, r.cells, set.Tuning)
	for i := range s.Sessions {
		switch t := &s.Sessions[i]; {
		case len(t.Turns) == 0:
		case t.Parent > 0:
			r.agents[t.Parent-1] = append(r.agents[t.Parent-1], i)
		default:
			r.at(later(t.Start.Add(t.Turns[0].Think), t.Turns[0].At), func() { r.arrive(i) })
		}
		for _, turn := range s.Sessions[i].Turns[min(1, len(s.Sessions[i].Turns)):] {
			if !turn.At.IsZero() {
				r.at(turn.At, func() { r.arrive(i) })
			}
		}
	}
	for len(r.events) > 0 {
		e := heap.Pop(&r.events).(event)
		r.now = e.at
		e.do()
	}
	r.finish()
	return r.out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// at does something at a moment of the virtual clock.
func (r *runner) at(t time.Time, do func()) {
	r.seq++
	heap.Push(&r.events, event{later(t, r.now), r.seq, do})
}

// arrive begins a session's next turn.
func (r *runner) arrive(session int) {
	t := &r.talks[session]
	turn := &r.s.Sessions[session].Turns[t.next]
	t.prompt += turn.Input
	if turn.Prompt > 0 {
		t.prompt = turn.Prompt
	}
	q := &request{session: session, turn: t.next, began: r.now, input: t.prompt, seed: mix(uint64(session)<<20|uint64(t.next), 1), sticky: true}
	t.next++
	r.out.Requests++
	b, _ := r.bound(session)
	q.bound = b.Account
	q.state = failover.NewState(failover.Session{HasBound: b.Account != 0, Bound: b.Account, BoundKnown: b.Account != 0}, q.seed)
	r.try(q)
}

func (r *runner) bound(session int) (domain.Binding, bool) {
	b, ok := r.binding[r.s.Sessions[session].ID]
	if ok && !r.now.Before(b.Expires) {
		return domain.Binding{}, false
	}
	return b, ok
}

// ask is the request as the scheduler sees it.
func (r *runner) ask(q *request) sched.Request {
	req := sched.Request{Now: r.now, Seed: q.seed, Pin: q.pin, InputTokens: q.input}
	if q.pin != 0 {
		return req
	}
	req.Exclude, req.ExcludeOrgs = q.state.Failed(), q.state.Organizations
	s := &r.s.Sessions[q.session]
	if q.sticky {
		if b, ok := r.bound(q.session); ok {
			req.Bound, req.WarmTokens, req.WarmUntil = b.Account, b.WarmTokens, b.WarmUntil
		} else if s.Parent > 0 {
			b, _ := r.bound(s.Parent - 1)
			req.Parent = b.Account
		}
	}
	if req.WarmTokens == 0 || !r.now.Before(req.WarmUntil) {
		req.Shared = r.known.Look(nil, s.Prefix, r.now)
	}
	return req
}

// try chooses an account and asks it, or waits, or gives up.
func (r *runner) try(q *request) {
	for {
		req := r.ask(q)
		d := sched.Choose(r.view, req)
		warm := req.WarmTokens > 0 && req.WarmUntil.After(r.now)
		switch {
		case q.attempts == 0 && q.sticky && req.Bound != 0 && d.Bound == sched.Full:
			r.join(q, req.Bound, r.set.StickyWait)
			return
		case q.attempts == 0 && q.sticky && req.Bound != 0 && d.Bound == sched.Resting && warm:
			if r.stay(q, req.Bound) {
				return
			}
			q.sticky = false
			continue
		}
		if c := d.Candidate; c != nil && c.Live.TryAcquire(c.LimitNow(), r.now) {
			if c.TryProbe(r.now) || d.Rule == sched.RuleLeastBad {
				r.attempt(q, c)
				return
			}
			c.Live.Release()
			d.Candidate = nil
		}
		if q.pin != 0 {
			q.pin = 0
			continue
		}
		if d.Counts[sched.Full] > 0 || d.Candidate != nil {
			r.join(q, 0, r.set.QueueWait)
			return
		}
		if d.Counts[sched.Resting] > 1 {
			req.LeastBad = true
			if d = sched.Choose(r.view, req); d.Candidate != nil && d.Candidate.Live.TryAcquire(0, r.now) {
				r.attempt(q, d.Candidate)
				return
			}
		}
		soonest, known := r.view.Soonest(r.now, func(c *sched.Candidate) bool { return q.state.IsSpent(c.ID) })
		owed := q.braked && !q.paid
		if owed && !r.mayRetry(q.retryOf) {
			known = false
		}
		var next failover.Decision
		q.state, next = failover.AfterNoCandidate(r.set.Policy, q.state, soonest, known, 0)
		if next.Action == failover.GiveUp {
			r.fail(q)
			return
		}
		if owed {
			r.pay(q)
		}
		r.pause(q, next, 0)
		return
	}
}

// provider names whose retry budget an attempt at a candidate counts in.
func provider(c *sched.Candidate) string { return c.Account.Platform + " " + c.Account.BaseURL }

// mayRetry reports whether a provider may be asked again because of its own fault.
func (r *runner) mayRetry(provider string) bool {
	return r.loads[provider].MayRetry(r.now.Unix(), r.set.Policy.Retries)
}

// pay counts the retry that follows a failure when it is decided and not when it begins: others decide meanwhile.
func (r *runner) pay(q *request) {
	q.paid = true
	r.loads[q.retryOf] = r.loads[q.retryOf].Began(r.now.Unix(), true)
}

// stay asks the core whether the session waits for its resting account.
func (r *runner) stay(q *request, id domain.AccountID) bool {
	c := r.view.Find(id)
	o := r.outcome(q, c, Reply{})
	o.Stated = !c.Resting(r.now) // while it is only probed nobody knows
	for _, cell := range c.Rests {
		if until, ok := cell.Until(); !ok || until.After(r.now) {
			o.Class, o.Stated = failover.Class(cell.Class()), ok
			o.Reset = max(o.Reset, until.Sub(r.now))
		}
	}
	var d failover.Decision
	if q.state, d = failover.StayOrMove(r.set.Policy, q.state, o); d.Action != failover.RetrySame {
		return false
	}
	r.pause(q, d, id)
	return true
}

// pause waits as decided, then tries again.
func (r *runner) pause(q *request, d failover.Decision, pin domain.AccountID) {
	q.waited += d.Wait
	r.at(r.now.Add(d.Wait), func() {
		q.state = d.Completed(q.state)
		q.pin = pin
		r.try(q)
	})
}

// attempt asks the world.
func (r *runner) attempt(q *request, c *sched.Candidate) {
	q.attempts++
	r.out.Attempts++
	if of := provider(c); !q.paid || of != q.retryOf {
		r.loads[of] = r.loads[of].Began(r.now.Unix(), of == q.retryOf)
	}
	q.paid, q.braked = false, false
	s := &r.s.Sessions[q.session]
	turn := &s.Turns[q.turn]
	a := Ask{At: r.now, Session: s.ID, Account: c.Account, Input: q.input, Output: turn.Output, Draw: mix(q.seed, uint64(q.attempts)<<32|uint64(c.ID))}
	if have, ok := r.cache[cacheKey{s.ID, c.Organization}]; ok && r.now.Before(have.until) {
		a.Cached = min(have.tokens, q.input)
	}
	if r.now.Before(r.shared[sharedKey{s.Prefix, c.Organization}]) {
		a.Cached = max(a.Cached, min(s.Shared, q.input))
	}
	hoped := slices.ContainsFunc(r.ask(q).Shared, func(w sched.Warm) bool { return w.Domain == c.Domain })
	rep := r.s.World.Answer(a)
	began := r.now
	r.at(r.now.Add(rep.Took), func() {
		c.Live.Release()
		r.used[c.ID] += rep.Took.Seconds()
		if rep.Heard != nil {
			c.Observe([]domain.QuotaReading{*rep.Heard}, r.now)
		}
		if rep.OK {
			r.served(q, c, a, rep)
			r.learn(s, c, a, hoped)
		} else {
			r.failed(q, c, rep, began)
		}
		r.freed(c.ID)
	})
}

// learn notes where a session's beginning is warm now.
func (r *runner) learn(s *Session, c *sched.Candidate, a Ask, hoped bool) {
	if s.Shared == 0 {
		return
	}
	r.shared[sharedKey{s.Prefix, c.Organization}] = r.now.Add(cacheLife)
	r.known.Learn(s.Prefix, sched.PrefixUse{
		Domain: c.Domain, Account: c.ID, Tokens: s.Shared, Read: a.Cached, Warm: a.Input, Life: cacheLife, Hoped: hoped,
	}, r.now)
}

func (r *runner) served(q *request, c *sched.Candidate, a Ask, rep Reply) {
	for _, cell := range c.Rests {
		cell.Begin(r.now, false)
		cell.Succeed(r.now)
	}
	r.loads[provider(c)] = r.loads[provider(c)].Answered(r.now.Unix())
	c.Stat.Attempt(false, r.now)
	c.Stat.FirstToken(rep.First, r.now)
	s := &r.s.Sessions[q.session]
	moved := q.bound != 0 && q.bound != c.ID
	if moved {
		r.out.Moved++
	}
	if q.attempts > 1 {
		r.out.Carried++
	}
	if b, ok := r.bound(q.session); !s.ID.IsZero() && (!ok || b.Account == c.ID || !q.stays) {
		r.binding[s.ID] = domain.Binding{
			Session: s.ID, Account: c.ID, Expires: r.now.Add(r.set.SessionTTL), WarmTokens: q.input, WarmUntil: r.now.Add(cacheLife),
		}
	}
	if !s.ID.IsZero() {
		r.cache[cacheKey{s.ID, c.Organization}] = cached{q.input, r.now.Add(cacheLife)}
	}
	r.out.Input += a.Input
	r.out.Cached += a.Cached
	// A cached token costs a tenth, one that is written to the cache a quarter more (Anthropic, prompt caching page); one of the answer five.
	r.out.Cost += float64(c.Account.TokenPrice) * (float64(a.Cached)*0.1 + float64(a.Input-a.Cached)*1.25 + float64(rep.Output)*5)
	first := r.now.Add(rep.First - rep.Took).Sub(q.began)
	r.firsts = append(r.firsts, first)
	r.out.Waited += q.waited
	r.answered(q, rep.Output)
}

// answered goes on with the conversation.
func (r *runner) answered(q *request, output int64) {
	t := &r.talks[q.session]
	t.prompt += output
	turns := r.s.Sessions[q.session].Turns
	if q.turn+1 < len(turns) && turns[q.turn+1].At.IsZero() {
		r.at(r.now.Add(turns[q.turn+1].Think), func() { r.arrive(q.session) })
	}
	for _, i := range r.agents[q.session] {
		if s := &r.s.Sessions[i]; s.After == q.turn+1 {
			r.at(later(r.now.Add(s.Turns[0].Think), s.Turns[0].At), func() { r.arrive(i) })
		}
	}
}

func (r *runner) failed(q *request, c *sched.Candidate, rep Reply, began time.Time) {
	r.out.Failures++
	if rep.Class == failover.RateLimited {
		r.out.Limited++
	}
	if rest.Blames(rep.Class) {
		c.Stat.Attempt(true, r.now)
	}
	c.EndProbe()
	of, braked := provider(c), r.set.Policy.Braked.Has(rep.Class)
	if q.retryOf, q.braked, q.paid = of, braked, false; braked {
		r.loads[of] = r.loads[of].Failed(r.now.Unix())
	}
	o := r.outcome(q, c, rep)
	if o.NoRetries = !r.mayRetry(of); o.NoRetries && braked {
		r.out.Braked++
	}
	var alone bool
	o.Streak, alone = rest.Count(c, o.Scope, began, r.now)
	var d failover.Decision
	q.state, d = failover.AfterFailure(r.set.Policy, q.state, o)
	for _, e := range d.Before {
		if e.Kind == failover.EffectRest {
			r.rest(c, e, alone)
		}
	}
	if braked && (d.Action == failover.RetrySame || d.Action == failover.Round || d.Action == failover.Switch && o.AlternativeProvider == of) {
		r.pay(q)
	}
	switch d.Action {
	case failover.RetrySame:
		r.pause(q, d, d.Account)
	case failover.Switch, failover.Round:
		if d.Action == failover.Switch {
			r.out.Switches++
		}
		r.pause(q, d, 0)
	default:
		r.fail(q)
	}
}

func (r *runner) rest(c *sched.Candidate, e failover.Effect, alone bool) {
	if e.Scope == failover.ScopeProvider && alone {
		e.Scope = failover.ScopeAccountModel
	}
	cell := rest.Cell(c, e.Scope)
	if cell == nil || !rest.Begin(cell, e, r.now) {
		return
	}
	if until, ok := cell.Until(); ok && until.After(r.now) {
		r.at(until, func() { r.freed(c.ID) })
	}
}

func (r *runner) outcome(q *request, c *sched.Candidate, rep Reply) failover.Outcome {
	o := failover.Outcome{
		Account: c.ID, Organization: c.Organization, Provider: provider(c), Class: rep.Class, Scope: rep.Scope,
		Reset: rep.Reset, Stated: rep.Reset > 0, Spent: r.now.Sub(q.began), Streak: 1,
	}
	if b, ok := r.bound(q.session); ok && b.Account == c.ID {
		o.Stake = failover.Stake{Tokens: b.WarmTokens, Expires: max(b.WarmUntil.Sub(r.now), 0)}
	}
	req := r.ask(q)
	req.Pin, req.Bound, req.Exclude = 0, 0, append(q.state.Failed(), c.ID)
	if d := sched.Choose(r.view, req); d.Candidate != nil {
		o.Alternative, o.AlternativeOrganization, o.AlternativeProvider = d.Candidate.ID, d.Candidate.Organization, provider(d.Candidate)
		o.AlternativeWell = d.Candidate.Well() && !r.loads[provider(d.Candidate)].BrownsOut(r.now.Unix())
	}
	return o
}

// fail ends a request without an answer. The conversation goes on with its next turn, without that answer in its prompt. Among the first tokens it counts as
// one that never came: as long as a request may take.
func (r *runner) fail(q *request) {
	r.out.Failed++
	r.out.Waited += q.waited
	r.firsts = append(r.firsts, longestRequest)
	r.answered(q, 0)
}

// finish makes the figures.
func (r *runner) finish() {
	slices.Sort(r.firsts)
	r.out.FirstP50, r.out.FirstP95, r.out.FirstP99 = quantile(r.firsts, 0.5), quantile(r.firsts, 0.95), quantile(r.firsts, 0.99)
	r.out.Took = r.now.Sub(r.s.Began)
	var sum, squares float64
	for _, a := range r.s.Accounts {
		share := r.used[a.ID] / float64(max(a.Weight, 1))
		sum += share
		squares += share * share
	}
	if n := float64(len(r.s.Accounts)); sum > 0 {
		mean := sum / n
		r.out.Spread = math.Sqrt(max(squares/n-mean*mean, 0)) / mean
	}
	for _, a := range r.s.Accounts {
		if n := r.cells.Live(a.ID).InFlight(); n != 0 {
			r.out.Leaked += n
		}
	}
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// mix is SplitMix64's finaliser: chance from numbers.
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

type event struct {
	at  time.Time
	seq int // of two at one moment, the first made comes first
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if c := e[i].at.Compare(e[j].at); c != 0 {
		return c < 0
	}
	return e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}
