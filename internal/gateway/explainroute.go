package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/limit"
	"turnout/internal/sched"
)

// RouteQuery describes a request whose way is asked for. The zero value of all but Model is a choice of its own.
type RouteQuery struct {
	Key     string // by name; empty: the only one there is
	Model   string
	Dialect domain.Dialect
	Session string // as its client names it; empty: a new one
	Input   int64  // tokens of the prompt
}

// RouteAnswer says where a request would go now, and why.
type RouteAnswer struct {
	Key     string      `json:"key"`
	Model   string      `json:"model"`
	Dialect string      `json:"dialect"`
	Bound   *RouteBound `json:"bound,omitempty"`
	// Shared is where the beginning is warm that the key's last conversation had, for a request that has nothing warm itself.
	Shared  []RouteWarm `json:"shared,omitempty"`
	Account string      `json:"account,omitempty"` // where it would go; empty: nobody is free
	Rule    string      `json:"rule,omitempty"`
	// Refused is what the caller would be told where a limit of the key or of its pools, or the line for slots, would refuse the request
	// now; RetryAfter in seconds. Account is then where it would go otherwise.
	Refused    string      `json:"refused,omitempty"`
	RetryAfter float64     `json:"retry_after_seconds,omitempty"`
	Wait       *RouteWait  `json:"wait,omitempty"` // before it goes there
	Pools      []RoutePool `json:"pools"`          // in the key's order, as far as they were looked at
}

// RouteBound is the session's account.
type RouteBound struct {
	Account    string     `json:"account"`
	WarmTokens int64      `json:"warm_tokens,omitempty"`
	WarmUntil  *time.Time `json:"warm_until,omitempty"`
	Verdict    string     `json:"verdict"`
	Placed     bool       `json:"placed,omitempty"`       // by an operator
	Stay       float64    `json:"stay_seconds,omitempty"` // its score, where it was weighed against others
}

// RouteWarm is an account in whose cache domain a beginning is warm.
type RouteWarm struct {
	Account string    `json:"account"`
	Tokens  int64     `json:"tokens"`
	Until   time.Time `json:"until"`
}

// RouteWait is what a request would wait for first.
type RouteWait struct {
	Account string  `json:"account,omitempty"` // its session's own; empty: whoever is free first
	Most    float64 `json:"most_seconds"`
	Why     string  `json:"why"` // full; or the core's reason to wait for an account that rests
	Ahead   int     `json:"ahead,omitempty"`
	Expect  float64 `json:"expect_seconds,omitempty"` // until it has a slot, on the average; 0: nobody knows
}

// RoutePool is what a choice sees of one pool.
type RoutePool struct {
	Pool       string           `json:"pool"`
	Strategy   string           `json:"strategy"`
	Candidates []RouteCandidate `json:"candidates"`
}

// RouteCandidate is one account of a pool.
type RouteCandidate struct {
	Account    string             `json:"account"`
	Verdict    string             `json:"verdict"`
	Until      *time.Time         `json:"until,omitempty"` // of a resting one, where it is known
	Cause      string             `json:"cause,omitempty"` // of its rest
	Model      string             `json:"model,omitempty"` // upstream's name of it
	Priority   int                `json:"priority"`
	Translated bool               `json:"translated,omitempty"`
	InFlight   int                `json:"in_flight"`
	Limit      int                `json:"limit,omitempty"`
	Score      float64            `json:"score_seconds,omitempty"`
	Terms      map[string]float64 `json:"terms,omitempty"` // of the score, those that are not 0
	Chosen     bool               `json:"chosen,omitempty"`
}

// Route explains where a request would go if it came now. Nothing is taken and nothing counted.
func (g *Gateway) Route(q RouteQuery) (RouteAnswer, error) {
	const op = "explain the route"
	snap, now := g.Snapshot(), time.Now()
	key, names := snap.keys.Named(q.Key)
	if q.Key == "" && len(names) == 1 {
		key, _ = snap.keys.Named(names[0])
	}
	if key == nil {
		return RouteAnswer{}, domain.Errorf(domain.KindNotFound, op, "name one of the keys: %s", strings.Join(names, ", "))
	}
	if q.Model == "" {
		return RouteAnswer{}, domain.Errorf(domain.KindInvalid, op, "name a model")
	}
	if !key.Allows(q.Model) {
		return RouteAnswer{}, domain.Errorf(domain.KindForbidden, op, "%s (the key %s)", key.Refusal(q.Model), key.Name)
	}
	out := RouteAnswer{Key: key.Name, Model: q.Model, Dialect: q.Dialect.String()}
	req := sched.Request{Now: now, Seed: uint64(now.UnixNano()), InputTokens: q.Input}
	var views []*sched.View
	ask := viewAsk{model: q.Model, dialect: q.Dialect}
	pools := map[*sched.View]*pool{}
	for _, name := range key.Pools {
		if p := snap.pools[name]; p != nil && p.Enabled {
			v := snap.view(p, ask, key)
			views, pools[v] = append(views, v), p
		}
	}
	views = out.heldTo(g, snap, key, &q, views, pools, now)
	var first *sched.View // whose pool sessions belong to
	for _, v := range views {
		if first == nil && len(v.Candidates) > 0 {
			first = v
		}
	}
	if q.Session != "" && first != nil {
		if b, ok := g.deps.Bindings.Lookup(sessionNamed(q.Session, q.Dialect, key.ID, first.Pool)); ok {
			for _, v := range views {
				if !warmFor(&b, v.Find(b.Account)) {
					b.WarmTokens = 0
				}
			}
			req.Bound, req.WarmTokens, req.WarmUntil, req.Keep = b.Account, b.WarmTokens, b.WarmUntil, b.Placed
			out.Bound = &RouteBound{Account: snap.nameOf(b.Account), Placed: b.Placed, Verdict: sched.Eligible.String()}
			if b.WarmTokens > 0 && b.WarmUntil.After(now) {
				out.Bound.WarmTokens, out.Bound.WarmUntil = b.WarmTokens, &b.WarmUntil
			}
		}
	}
	if out.Bound == nil || out.Bound.WarmTokens == 0 {
		req.Shared = g.prefixes.Latest(nil, key.ID, g.prefixKind(q.Dialect, q.Model), now)
		for _, w := range req.Shared {
			out.Shared = append(out.Shared, RouteWarm{snap.nameOf(w.Account), w.Tokens, w.Until})
		}
	}
	var l routeLine
	for _, v := range inOrder(views, req.Bound) {
		d := sched.Choose(v, req)
		l.add(v, &d, views)
		if out.Bound != nil && (d.Bound != sched.NoModel || v.Find(req.Bound) != nil) {
			out.Bound.Verdict, out.Bound.Stay = d.Bound.String(), float64(d.Stay)
		}
		out.Pools = append(out.Pools, snap.routePool(pools[v], v, ask, key, req, d.Candidate))
		if d.Candidate != nil {
			out.Account, out.Rule = d.Candidate.Account.Name, d.Rule.String()
			break
		}
	}
	out.waits(g, snap, key, &req, views, pools, &l)
	return out, nil
}

// routeLine is what the pools that were looked at say of the line: as chooseFrom and busyPools see it.
type routeLine struct {
	full    bool
	soonest time.Time     // of all pools, when somebody returns
	busy    []*sched.View // the pools up to the first that is only busy, before others
	returns time.Time     // the soonest of that one
}

// add takes in what a pool says.
func (l *routeLine) add(v *sched.View, d *sched.Decision, views []*sched.View) {
	if !d.Soonest.IsZero() && (l.soonest.IsZero() || d.Soonest.Before(l.soonest)) {
		l.soonest = d.Soonest
	}
	if d.Counts[sched.Full] == 0 {
		return
	}
	l.full = true
	if d.Candidate != nil || l.busy != nil {
		return
	}
	i := slices.Index(views, v)
	if slices.ContainsFunc(views[i+1:], func(v *sched.View) bool { return len(v.Candidates) > 0 }) {
		l.busy, l.returns = views[:i+1], d.Soonest
	}
}

// waiter is the request as one that waits in the line.
func (l *routeLine) waiter(key *domain.Key, views []*sched.View, returns time.Time, now time.Time, wait time.Duration) *waiter {
	w := &waiter{caller: key.ID, views: views, exclude: (*sched.Candidate).Drains, deadline: now.Add(wait)}
	for _, v := range views {
		if len(v.Candidates) > 0 {
			w.pool = v.Pool
			break
		}
	}
	if returns.IsZero() || returns.After(w.deadline) {
		w.pace = w.paceNow(now)
	}
	return w
}

// heldTo holds the request to its caller's limits, as letIn does: of the key's pools the first that lets it in is its pool.
func (a *RouteAnswer) heldTo(g *Gateway, snap *Snapshot, key *domain.Key, q *RouteQuery, views []*sched.View, pools map[*sched.View]*pool, now time.Time) []*sched.View {
	x := &exchange{g: g, snap: snap, key: key}
	x.req.Model = q.Model
	tokens := q.Input + outputGuess
	var refused limit.Answer
	for i, v := range views {
		if len(v.Candidates) == 0 {
			continue
		}
		r := limit.Would(x.poolCells(pools[v], x.keyCells()), tokens, time.Since(g.since))
		if r.OK() {
			return views[i:]
		}
		if refused.OK() || r.RetryAfter < refused.RetryAfter {
			refused = r
		}
	}
	if !refused.OK() {
		e := rateError(&refused, tokens, now)
		a.Refused, a.RetryAfter = e.Message, e.RetryAfter.Seconds()
	}
	return views
}

// waits says what the request would wait for first, as pick does.
func (a *RouteAnswer) waits(g *Gateway, snap *Snapshot, key *domain.Key, req *sched.Request, views []*sched.View, pools map[*sched.View]*pool, l *routeLine) {
	s := &snap.Settings
	warm := req.WarmTokens > 0
	switch {
	case a.Bound != nil && a.Bound.Verdict == sched.Full.String():
		a.Wait = &RouteWait{Account: a.Bound.Account, Most: min(s.StickyWait, s.QueueWait).Seconds(), Why: sched.Full.String()}
	case a.Bound != nil && warm && (a.Bound.Verdict == sched.Resting.String() || a.Bound.Verdict == sched.Limited.String()):
		x := &exchange{
			g: g, snap: snap, key: key, began: req.Now, seed: req.Seed,
			binding: domain.Binding{Account: req.Bound, WarmTokens: req.WarmTokens, WarmUntil: req.WarmUntil},
		}
		t := &target{model: a.Model}
		for _, v := range views {
			if len(v.Candidates) > 0 {
				x.pools, t.views = append(x.pools, pools[v]), append(t.views, v)
			}
		}
		x.req.Model = a.Model
		x.aim(t)
		x.state = failover.NewState(failover.Session{HasBound: true, Bound: req.Bound, BoundKnown: true}, x.seed)
		c := x.candidate(req.Bound)
		if c == nil {
			return
		}
		_, d := failover.StayOrMove(*x.pools[0].policyOf(c.Account.Platform), x.state, x.restOutcome(c, req.Now))
		if d.Action == failover.RetrySame {
			a.Wait = &RouteWait{Account: a.Bound.Account, Most: d.Wait.Seconds(), Why: string(d.Reason)}
		}
	case a.Account != "" && l.busy != nil:
		w := l.waiter(key, l.busy, l.returns, req.Now, s.QueueWait)
		ahead, places := g.queue.standing(w)
		if most := min(s.StickyWait, s.QueueWait); places < s.QueuePlaces && !w.hardly(ahead+1, most) {
			a.Wait = &RouteWait{Most: most.Seconds(), Why: sched.Full.String(), Ahead: ahead, Expect: w.expected(ahead + 1).Seconds()}
		}
	case a.Account == "" && l.full:
		w := l.waiter(key, views, l.soonest, req.Now, s.QueueWait)
		ahead, places := g.queue.standing(w)
		a.Wait = &RouteWait{Most: s.QueueWait.Seconds(), Why: sched.Full.String(), Ahead: ahead, Expect: w.expected(ahead + 1).Seconds()}
		if places >= s.QueuePlaces {
			a.Wait, a.Refused = nil, fmt.Sprintf("every account is full, and %d requests are waiting already", places)
		} else if w.hardly(ahead+1, s.QueueWait) {
			a.Wait, a.Refused = nil, fmt.Sprintf("every account is full, and with %d requests before it this one would hardly be served within %s", ahead, s.QueueWait)
		}
		if a.Wait == nil {
			a.RetryAfter = min(max(roundUp(w.expected(ahead+1), time.Second), time.Second), longestBusy).Seconds()
		}
	}
}

// routePool tells one pool: the candidates as the choice saw them, then those that only an edit would make candidates.
func (s *Snapshot) routePool(p *pool, v *sched.View, ask viewAsk, key *domain.Key, req sched.Request, chosen *sched.Candidate) RoutePool {
	out := RoutePool{Pool: p.Name, Strategy: p.tuning.Strategy.String(), Candidates: []RouteCandidate{}}
	for _, row := range sched.Explain(v, req) {
		c := row.Candidate
		rc := RouteCandidate{
			Account: c.Account.Name, Verdict: row.Verdict.String(), Priority: c.Priority, Translated: c.Foreign,
			InFlight: row.InFlight, Limit: c.LimitNow(), Chosen: c == chosen,
		}
		if c.Sent != ask.model {
			rc.Model = c.Sent
		}
		if !row.Until.IsZero() {
			rc.Until = &row.Until
		}
		switch row.Verdict {
		case sched.Resting:
			rc.Cause = restCause(c, req.Now)
		case sched.Limited:
			rc.Cause = "a limit of its operator"
		}
		if row.Score != (sched.Score{}) {
			rc.Score, rc.Terms = row.Score.Sum(), map[string]float64{}
			for i, t := range row.Score {
				if t != 0 {
					rc.Terms[sched.Term(i).String()] = float64(t)
				}
			}
		}
		out.Candidates = append(out.Candidates, rc)
	}
	for _, a := range p.accounts {
		if v.Find(a.ID) == nil {
			_, speech := offer(s.platforms[a.ID], ask.dialect, ask.path, ask.mute)
			verdict := sched.Lasting(a, ask.model, required(p, key), speech)
			out.Candidates = append(out.Candidates, RouteCandidate{Account: a.Name, Verdict: verdict.String(), Priority: a.Priority})
		}
	}
	return out
}

// decisionHeader tells a caller whose key may see it what was decided: a dictionary as RFC 9651 has it.
const decisionHeader = "X-Turnout-Decision"

// decided says who answers and why.
func (at *attempt) decided() string {
	b := strconv.AppendQuote([]byte("account="), at.cand.Account.Name)
	b = append(append(b, ", rule="...), at.choice.Rule.String()...)
	b = strconv.AppendInt(append(b, ", attempt="...), int64(at.n), 10)
	if at.choice.Score != (sched.Score{}) {
		b = strconv.AppendFloat(append(b, ", score="...), at.choice.Score.Sum(), 'f', 3, 64)
	}
	return string(b)
}

// restCause is why a candidate rests.
func restCause(c *sched.Candidate, now time.Time) string {
	for _, cell := range c.Rests {
		if until, ok := cell.Until(); !ok || until.After(now) {
			return failover.Class(cell.Class()).String()
		}
	}
	return "a probe is under way"
}

// nameOf is an account's name; a number where it is gone.
func (s *Snapshot) nameOf(id domain.AccountID) string {
	if a := s.account(id); a != nil {
		return a.Name
	}
	return "an account that is gone"
}
