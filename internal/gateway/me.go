package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/ledger"
	"turnout/internal/limit"
	"turnout/internal/sched"
)

// Standing is what a caller is told of its key: what it may use, and how much of that is left
// where anything is known. It names no account.
type Standing struct {
	Key   StandingKey    `json:"key"`
	User  *StandingOwner `json:"user,omitempty"` // whose the key is
	Team  *StandingOwner `json:"team,omitempty"`
	Pools []StandingPool `json:"pools"` // in the order in which they are used
}

// StandingKey is the key itself.
type StandingKey struct {
	Name    string         `json:"name"`
	Models  []string       `json:"models,omitempty"` // patterns of what may be asked for; none: all
	Deny    []string       `json:"deny,omitempty"`   // and of what may not
	Expires *time.Time     `json:"expires,omitempty"`
	Rates   []StandingRate `json:"rates"` // its own limits, whatever the pool and the account
	StandingMoney
}

// StandingOwner is the user or the team that the key belongs to. What it allows and denies holds beside what the key does.
type StandingOwner struct {
	Name   string         `json:"name"`
	Models []string       `json:"models,omitempty"`
	Deny   []string       `json:"deny,omitempty"`
	Rates  []StandingRate `json:"rates"` // for all of its keys together
	StandingMoney
}

// StandingMoney is what an owner may still spend. Amounts are US dollars, as decimal numbers.
type StandingMoney struct {
	Balance string           `json:"balance_usd,omitempty"` // of who pays before: what is left, less what requests in flight hold
	Budgets []StandingBudget `json:"budgets,omitempty"`
}

// StandingBudget is how far a budget is spent.
type StandingBudget struct {
	Name     string     `json:"name"`
	Spent    string     `json:"spent_usd"`
	Soft     string     `json:"soft_usd,omitempty"`
	Hard     string     `json:"hard_usd,omitempty"`
	ResetsAt *time.Time `json:"resets_at,omitempty"` // none: it is a rolling one, or one for ever
}

// Money is what is known of an owner's money.
type Money struct {
	Prepaid bool
	Left    domain.NanoUSD // of a prepaid one
	Budgets []ledger.BudgetStanding
}

// Purses tell how owners' money stands. A Ledger may have it.
type Purses interface {
	Money(ctx context.Context, of domain.Spender, now time.Time) (Money, error)
}

// money is what an owner may still spend, as far as it can be found out.
func (g *Gateway) money(ctx context.Context, kind domain.SpenderKind, id int64, now time.Time) (out StandingMoney, err error) {
	purses, ok := g.deps.Ledger.(Purses)
	if !ok {
		return out, nil
	}
	m, err := purses.Money(ctx, domain.Spender{Kind: kind, ID: id}, now)
	if err != nil {
		return out, err
	}
	usd := func(n domain.NanoUSD) string { return strings.Replace(n.String(), "$", "", 1) }
	if m.Prepaid {
		out.Balance = usd(m.Left)
	}
	for _, b := range m.Budgets {
		s := StandingBudget{Name: b.Label(), Spent: usd(b.Spent)}
		if b.Soft > 0 {
			s.Soft = usd(b.Soft)
		}
		if b.Hard > 0 {
			s.Hard = usd(b.Hard)
		}
		if !b.Until.IsZero() {
			s.ResetsAt = &b.Until
		}
		out.Budgets = append(out.Budgets, s)
	}
	return out, nil
}

// StandingRate is a limit of a key, an owner or a pool for its callers.
type StandingRate struct {
	Limit     string `json:"limit"` // "requests_per_minute", "tokens_per_minute" or "concurrency"
	Model     string `json:"model,omitempty"`
	Most      int64  `json:"most"`
	Remaining int64  `json:"remaining"`
	ResetsIn  int64  `json:"resets_in,omitempty"` // seconds until all of it may be used again; of concurrency: nobody knows
}

// StandingPool is one of the key's pools.
type StandingPool struct {
	Name    string           `json:"name"`
	Windows []StandingWindow `json:"windows"` // the providers'
	Limits  []StandingWindow `json:"limits"`  // Turnout's operator's, of the accounts
	Rates   []StandingRate   `json:"rates"`   // the pool's own, for all of its callers together
}

// StandingWindow is all windows of one name in a pool together.
type StandingWindow struct {
	Window string `json:"window"`
	Unit   string `json:"unit,omitempty"`   // of Limit; empty: only shares are known
	Model  string `json:"model,omitempty"`  // as it is asked for; empty: all
	Family string `json:"family,omitempty"` // the models whose names hold this word; empty: all
	// Limit is the whole in units, where all of the windows state one.
	Limit int64 `json:"limit,omitempty"`
	// Used is the share of the whole, from 0 to 1; Pace is used share − elapsed share, on the average.
	Used float64  `json:"used"`
	Pace *float64 `json:"pace,omitempty"`
	// ResetsAt is when the first of them is whole again.
	ResetsAt time.Time `json:"resets_at"`
	ResetsIn int64     `json:"resets_in"` // seconds
	// DryAt is when the last of them is used up at the present rate, where none lasts until its reset.
	DryAt      *time.Time `json:"dry_at,omitempty"`
	Confidence float64    `json:"confidence,omitempty"` // in DryAt: the least of all
	Draining   bool       `json:"draining"`             // all of them are nearly used up: new sessions go elsewhere
}

// Me tells a caller how its key stands. d is the caller's dialect, in which it is refused.
func (g *Gateway) Me(d dialect.Dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		id := domain.NewRequestID(now)
		w.Header()[requestIDHeader] = []string{id.String()}
		x := &exchange{g: g, id: id, began: now, d: d}
		if err := x.admit(r); err != nil {
			g.turnAway(w, x, err)
			return
		}
		standing := x.snap.standing(g, x.key, now)
		err := g.addMoney(r.Context(), &standing, x.key, now)
		var body []byte
		if err == nil {
			body, err = json.Marshal(standing)
		}
		if err != nil {
			Refuse(w, d, domain.Errorf(domain.KindInternal, "tell how the key stands", "%v", err), id)
			return
		}
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Header()["Cache-Control"] = []string{"no-store"}
		_, _ = w.Write(body)
	})
}

// addMoney adds what the key and its owners may still spend.
func (g *Gateway) addMoney(ctx context.Context, s *Standing, key *domain.Key, now time.Time) (err error) {
	if s.Key.StandingMoney, err = g.money(ctx, domain.SpenderKey, int64(key.ID), now); err == nil && s.User != nil {
		s.User.StandingMoney, err = g.money(ctx, domain.SpenderUser, int64(key.Owner.User.ID), now)
	}
	if err == nil && s.Team != nil {
		s.Team.StandingMoney, err = g.money(ctx, domain.SpenderTeam, int64(key.Owner.Team.ID), now)
	}
	return err
}

// standingRates are the limits of a key, an owner or a pool, first those whatever the model.
func (s *Snapshot) standingRates(g *Gateway, of any, kind, name string, r *domain.Rates) []StandingRate {
	out := []StandingRate{}
	if r == nil {
		return out
	}
	owner, now := s.owner(g, of, kind, name, r), time.Since(g.since)
	owner.Each(func(model string, c *limit.Cell) {
		requests, tokens, inFlight, most := c.Look(now)
		for _, l := range []struct {
			name string
			s    limit.State
		}{{"requests_per_minute", requests}, {"tokens_per_minute", tokens}} {
			if l.s.Known() {
				out = append(out, StandingRate{l.name, model, l.s.Limit, l.s.Remaining, int64(roundUp(l.s.Reset, time.Second) / time.Second)})
			}
		}
		if most > 0 {
			out = append(out, StandingRate{Limit: "concurrency", Model: model, Most: most, Remaining: max(most-inFlight, 0)})
		}
	})
	return out
}

// EachQuota tells the used share of every window of every account that is in use, to its operator: of
// windows that an organisation has for each of its models, the fullest.
func (g *Gateway) EachQuota(tell func(account, window string, used float64)) {
	s, now := g.Snapshot(), time.Now()
	models := s.modelQuotas()
	for _, a := range s.Accounts {
		if !a.Enabled {
			continue
		}
		used := map[string]float64{}
		of := func(q *sched.Quota) {
			for _, w := range q.Windows() {
				if st, known := w.Standing(now); known {
					used[st.Window] = max(used[st.Window], st.Used)
				}
			}
		}
		of(s.cells.Quota(sched.AccountQuotaKey(a.ID)))
		for _, m := range models[sched.OrganizationOf(a)] {
			of(m.quota)
		}
		for window, share := range used {
			tell(a.Name, window, share)
		}
	}
}

// modelQuota is an organisation's windows for one model.
type modelQuota struct {
	sent  string
	quota *sched.Quota
}

// modelQuotas are the windows of organisations for their models, by organisation.
func (s *Snapshot) modelQuotas() map[string][]modelQuota {
	models := map[string][]modelQuota{}
	s.cells.EachQuota(func(k sched.QuotaKey, q *sched.Quota) {
		if i := strings.LastIndexByte(k.Name, 0); k.Account == 0 && i >= 0 && len(q.Windows()) > 0 {
			models[k.Name[:i]] = append(models[k.Name[:i]], modelQuota{k.Name[i+1:], q})
		}
	})
	return models
}

// standing says how a key stands.
func (s *Snapshot) standing(g *Gateway, key *domain.Key, now time.Time) Standing {
	out := Standing{Key: StandingKey{Name: key.Name, Models: key.Models, Deny: key.Deny, Rates: s.standingRates(g, key, "key", key.Name, key.Rates)}, Pools: []StandingPool{}}
	if !key.Expires.IsZero() {
		out.Key.Expires = &key.Expires
	}
	if u := key.Owner.User; u != nil {
		out.User = &StandingOwner{Name: u.Name, Models: u.Models, Deny: u.Deny, Rates: s.standingRates(g, u, "user", u.Name, u.Rates)}
	}
	if t := key.Owner.Team; t != nil {
		out.Team = &StandingOwner{Name: t.Name, Models: t.Models, Deny: t.Deny, Rates: s.standingRates(g, t, "team", t.Name, t.Rates)}
	}
	models := s.modelQuotas()
	for _, name := range key.Pools {
		p := s.pools[name]
		if p == nil || !p.Enabled {
			continue
		}
		windows, limits := gathered{}, gathered{}
		for _, a := range p.accounts {
			if !a.Enabled || a.Paused || !a.Labels.Satisfy(p.Require) || !a.Labels.Satisfy(key.Require) || !a.Limits.Expires.IsZero() && !now.Before(a.Limits.Expires) {
				continue
			}
			windows.quota(s.cells.Quota(sched.AccountQuotaKey(a.ID)), "", now)
			for _, m := range models[sched.OrganizationOf(a)] {
				names := askedNames(a.Models, m.sent)
				for asked := range a.Models {
					if sent, _ := a.Models.Resolve(asked); sent == m.sent && !strings.Contains(asked, "*") {
						names = append(names, asked)
					}
				}
				slices.Sort(names)
				if i := slices.IndexFunc(names, key.Allows); i >= 0 {
					windows.quota(m.quota, names[i], now)
				}
			}
			if a.Limits.Counted() {
				limits.meter(s.cells.Meter(a.ID).Standing(now), a.Limits)
			}
		}
		out.Pools = append(out.Pools, StandingPool{Name: name, Windows: windows.list(now), Limits: limits.list(now), Rates: s.standingRates(g, p, "pool", p.Name, p.rates)})
	}
	return out
}

// gathered are windows of one name each.
type gathered map[gatherKey]*gather

type gatherKey struct{ window, model, family string }

type gather struct {
	StandingWindow
	seen          map[*sched.Quota]bool
	n, paced, dry int
	unlimited     bool // one of them states no limit
	used, pace    float64
	units         float64 // of the limits that are used
	reset, dryAt  time.Time
	confidence    float64
}

func (g gathered) of(window, model, family string) *gather {
	k := gatherKey{window, model, family}
	w := g[k]
	if w == nil {
		w = &gather{StandingWindow: StandingWindow{Window: window, Model: model, Family: family, Draining: true}, seen: map[*sched.Quota]bool{}, confidence: 1}
		g[k] = w
	}
	return w
}

// add takes one window in.
func (w *gather) add(st *sched.Standing, now time.Time) {
	w.n++
	w.Unit = unitName(st.Unit)
	w.Limit += st.Limit
	w.unlimited = w.unlimited || st.Limit == 0
	w.used += st.Used
	w.units += st.Used * float64(st.Limit)
	if st.Paced {
		w.paced++
		w.pace += st.Pace
	}
	if w.reset.IsZero() || st.Reset.Before(w.reset) {
		w.reset = st.Reset
	}
	if st.Dry {
		w.dry++
		if at := now.Add(st.Exhausted); at.After(w.dryAt) {
			w.dryAt = at
		}
		w.confidence = min(w.confidence, st.Confidence)
	}
	w.Draining = w.Draining && st.Draining
}

// quota takes the windows of a quota in. One that several accounts share counts once.
func (g gathered) quota(q *sched.Quota, model string, now time.Time) {
	for _, one := range q.Windows() {
		st, known := one.Standing(now)
		if !known {
			continue
		}
		if w := g.of(st.Window, model, st.Family); !w.seen[q] {
			w.seen[q] = true
			w.add(&st, now)
		}
	}
}

// meter takes an account's own limits in.
func (g gathered) meter(st sched.MeterStanding, l domain.AccountLimits) {
	for _, one := range [...]struct {
		window      string
		unit        domain.QuotaUnit
		limit, used int64
		reset       time.Time
	}{
		{"requests_per_minute", domain.QuotaRequests, l.RequestsPerMinute, st.RequestsMinute, st.MinuteReset},
		{"tokens_per_minute", domain.QuotaTokens, l.TokensPerMinute, st.TokensMinute, st.MinuteReset},
		{"requests_per_day", domain.QuotaRequests, l.RequestsPerDay, st.RequestsToday, st.NextDay},
		{"tokens_per_day", domain.QuotaTokens, l.TokensPerDay, st.TokensToday, st.NextDay},
		{"sessions", domain.QuotaShare, l.Sessions, st.Sessions, st.SessionEnds},
	} {
		if one.limit > 0 {
			used := min(float64(one.used)/float64(one.limit), 1)
			g.of(one.window, "", "").add(&sched.Standing{Unit: one.unit, Limit: one.limit, Used: used, Reset: one.reset, Draining: used >= 1}, one.reset)
		}
	}
}

// list gives what was gathered, by name.
func (g gathered) list(now time.Time) []StandingWindow {
	out := make([]StandingWindow, 0, len(g))
	for _, w := range g {
		s := w.StandingWindow
		if w.unlimited {
			s.Limit, s.Unit = 0, ""
			s.Used = rounded(w.used / float64(w.n)) // one as large as the other
		} else {
			s.Used = rounded(w.units / float64(s.Limit))
		}
		if w.paced == w.n {
			pace := rounded(w.pace / float64(w.n))
			s.Pace = &pace
		}
		s.ResetsAt = inSeconds(w.reset)
		s.ResetsIn = int64((max(w.reset.Sub(now), 0) + time.Second - 1) / time.Second)
		if w.dry == w.n {
			at := inSeconds(w.dryAt)
			s.DryAt, s.Confidence = &at, rounded(w.confidence)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b StandingWindow) int {
		return cmp.Or(cmp.Compare(a.Window, b.Window), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Family, b.Family))
	})
	return out
}

// inSeconds is a moment in whole seconds, not earlier.
func inSeconds(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second).UTC() }

// rounded is a share as a status line can show it.
func rounded(share float64) float64 { return math.Round(share*1e4) / 1e4 }

func unitName(u domain.QuotaUnit) string {
	switch u {
	case domain.QuotaRequests:
		return "requests"
	case domain.QuotaTokens:
		return "tokens"
	case domain.QuotaInputTokens:
		return "input_tokens"
	case domain.QuotaOutputTokens:
		return "output_tokens"
	case domain.QuotaSpend:
		return "spend"
	}
	return ""
}
