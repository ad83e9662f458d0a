package sched

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"turnout/internal/domain"
)

// Candidate is one account as a View lists it.
type Candidate struct {
	Account      *domain.Account // read only
	ID           domain.AccountID
	Organization string // never empty: an account without one is alone under a name of its own
	Domain       uint64 // of its prompts' cache: the organisation, for this model
	Sent         string // the model's name upstream
	Priority     int
	Foreign      bool    // speaks another dialect than the caller: what it is asked has to be translated
	Limit        int     // concurrent requests; 0: no limit
	capacity     int64   // weight × limit, for comparing loads
	loadUnit     float32 // seconds of load for each request in flight
	lnWeight     float32 // natural logarithm of the weight
	price        float32 // nano-USD of a token of the prompt; 0: nothing, or not known

	Live    *Live
	Stat    *Stat
	Rests   [numRests]*Rest
	quotas  [numQuotas]*Quota // what is known of its provider's windows
	meter   *Meter            // of its operator's limits; nil: nothing is counted
	expires int64             // Unix milliseconds from which on it is not used; 0: never

	draining bool // serves those alone who are bound to it
}

// The rest cells of a candidate, by scope.
const (
	RestAccount = iota
	RestAccountModel
	RestOrganization
	RestProvider
	numRests
)

// View is what may serve one (pool, model, dialect, required labels): the
// candidates by priority, and how many accounts of the pool fell out for good, by
// reason. It is never modified; the cells that it points at are.
type View struct {
	Version    uint64 // of the configuration that it was made from
	Pool       domain.PoolID
	PoolName   string
	Model      string
	Dialect    domain.Dialect
	Candidates []Candidate
	Out        [NumVerdicts]uint16 // static verdicts: platform, model, labels, disabled, paused
	Tuning

	tiers  []int // where each priority ends, in Candidates
	places map[domain.AccountID]int32
	kin    map[string][]int32 // places of the accounts of an organisation that has several
	wheels [][]int32          // of each tier whose weights differ: its places, each as often as its weight says; else nil
}

// Tuning is how a pool chooses.
type Tuning struct {
	Strategy   domain.Strategy
	Prices     Prices
	MaxResting int // percent of the candidates that may rest on a guess
	// Tied: its requests name what lives at the account, so that one that drains serves them.
	Tied bool
}

// Cells is the registry of everything that moves. It outlives configurations, so
// that a reload forgets no rest and no slot. Safe for concurrent use.
type Cells struct {
	mu     sync.RWMutex
	live   map[domain.AccountID]*Live
	rests  map[RestKey]*Rest
	stats  map[RestKey]*Stat
	quotas map[QuotaKey]*Quota
	meters map[domain.AccountID]*Meter
}

// RestKey names a rest cell: Scope as in package failover, and what it concerns.
type RestKey struct {
	Scope   int // RestAccount … RestProvider
	Account domain.AccountID
	Name    string // model for an account × model; organisation; platform and model for a provider
}

// NewCells makes an empty registry.
func NewCells() *Cells {
	return &Cells{
		live: map[domain.AccountID]*Live{}, rests: map[RestKey]*Rest{}, stats: map[RestKey]*Stat{},
		quotas: map[QuotaKey]*Quota{}, meters: map[domain.AccountID]*Meter{},
	}
}

// Live gives an account's counters.
func (c *Cells) Live(id domain.AccountID) *Live {
	c.mu.RLock()
	l := c.live[id]
	c.mu.RUnlock()
	if l != nil {
		return l
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l = c.live[id]; l == nil {
		l = &Live{}
		c.live[id] = l
	}
	return l
}

// maxRests bounds the registry: models come from callers where an account serves
// any. Past it a cell is handed out but not kept, so it works for the View that asked.
const maxRests = 100_000

// Rest gives a rest cell.
func (c *Cells) Rest(k RestKey) *Rest {
	c.mu.RLock()
	r := c.rests[k]
	c.mu.RUnlock()
	if r != nil {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r = c.rests[k]; r == nil {
		r = &Rest{}
		if len(c.rests) < maxRests {
			c.rests[k] = r
		}
	}
	return r
}

// Stat gives what is known of how an account fares with a model, by its name upstream. It is bounded as rests are.
func (c *Cells) Stat(id domain.AccountID, sent string) *Stat {
	k := AccountModelKey(id, sent)
	c.mu.RLock()
	s := c.stats[k]
	c.mu.RUnlock()
	if s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s = c.stats[k]; s == nil {
		s = &Stat{}
		if len(c.stats) < maxRests {
			c.stats[k] = s
		}
	}
	return s
}

// Each calls f for every known rest cell, in no order.
func (c *Cells) Each(f func(RestKey, *Rest)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for k, r := range c.rests {
		f(k, r)
	}
}

// AccountKey is the cell of one account. It and its like make the keys of a candidate's
// rest cells, so that whoever rests something and whoever builds a View agree.
func AccountKey(id domain.AccountID) RestKey { return RestKey{Scope: RestAccount, Account: id} }

// AccountModelKey is the cell of one account for one model, by its name upstream.
func AccountModelKey(id domain.AccountID, sent string) RestKey {
	return RestKey{Scope: RestAccountModel, Account: id, Name: sent}
}

// OrganizationKey is the cell of an organisation at a platform.
func OrganizationKey(platform, organization string) RestKey {
	return RestKey{Scope: RestOrganization, Name: platform + "\x00" + organization}
}

// ProviderKey is the cell of one model at one platform and address.
func ProviderKey(platform, baseURL, sent string) RestKey {
	return RestKey{Scope: RestProvider, Name: platform + "\x00" + baseURL + "\x00" + sent}
}

// OrganizationOf is the limit and cache domain of an account: its organisation, or a
// name of its own.
func OrganizationOf(a *domain.Account) string {
	if a.Organization != "" {
		return a.Platform + "/" + a.Organization
	}
	return "\x00" + a.Name
}

// Speech is how well an account understands a caller's dialect.
type Speech uint8

// The kinds of speech.
const (
	Mute   Speech = iota // not at all
	Abroad               // through a translation
	Native               // as the caller speaks
)

// rank orders candidates: by priority, and of one priority those first for whom nothing has to be
// translated.
func (c *Candidate) rank() int {
	r := 2 * c.Priority
	if c.Foreign {
		r++
	}
	return r
}

// Build makes the View of a pool for one model. speaks says how an account understands
// the dialect; require is what the pool and the key demand together. accounts are
// those of the pool and are not modified.
func Build(version uint64, pool *domain.Pool, model string, d domain.Dialect, require []domain.Labels,
	accounts []*domain.Account, speaks func(a *domain.Account) Speech, cells *Cells, tuning Tuning,
) *View {
	v := &View{Version: version, Pool: pool.ID, PoolName: pool.Name, Model: model, Dialect: d, Tuning: tuning}
	maxLimit := 1
	for _, a := range accounts {
		sent, _ := a.Models.Resolve(model)
		speech := speaks(a)
		if verdict := Lasting(a, model, require, speech); verdict != Eligible {
			v.Out[verdict]++
			continue
		}
		maxLimit = max(maxLimit, a.MaxInFlight)
		v.Candidates = append(v.Candidates, Candidate{
			Account: a, ID: a.ID, Organization: OrganizationOf(a), Domain: domainOf(OrganizationOf(a), sent), Sent: sent, Priority: a.Priority, Foreign: speech == Abroad, Limit: a.MaxInFlight,
			price: float32(a.TokenPrice), lnWeight: float32(math.Log(float64(max(a.Weight, 1)))),
			Live: cells.Live(a.ID), Stat: cells.Stat(a.ID, sent), quotas: cells.quotasOf(a, sent), meter: cells.meterOf(a), expires: expiresAt(a), draining: a.Draining && !tuning.Tied,
			Rests: [numRests]*Rest{
				cells.Rest(AccountKey(a.ID)), cells.Rest(AccountModelKey(a.ID, sent)),
				cells.Rest(OrganizationKey(a.Platform, OrganizationOf(a))), cells.Rest(ProviderKey(a.Platform, a.BaseURL, sent)),
			},
		})
	}
	largest := int64(1)
	for i := range v.Candidates {
		c := &v.Candidates[i]
		limit := c.Limit
		if limit == 0 {
			limit = maxLimit // an account without a limit counts as large as the largest
		}
		c.capacity = int64(max(c.Account.Weight, 1)) * int64(limit)
		largest = max(largest, c.capacity)
	}
	for i := range v.Candidates {
		// At its limit an account of the largest capacity has LoadSeconds; one of half its capacity has them at half the load.
		c := &v.Candidates[i]
		c.loadUnit = LoadSeconds * float32(largest) / float32(c.capacity) / float32(max(maxLimit, usualLimit))
	}
	slices.SortStableFunc(v.Candidates, func(a, b Candidate) int {
		d := cmp.Compare(a.rank(), b.rank())
		if d == 0 && v.Strategy == domain.Cheapest {
			d = cmp.Compare(a.price, b.price)
		}
		return cmp.Or(d, cmp.Compare(a.ID, b.ID))
	})
	v.places = make(map[domain.AccountID]int32, len(v.Candidates))
	for i := range v.Candidates {
		v.places[v.Candidates[i].ID] = int32(i)
		if i > 0 && (v.Candidates[i].rank() != v.Candidates[i-1].rank() || v.Strategy == domain.Cheapest && v.Candidates[i].price != v.Candidates[i-1].price) {
			v.tiers = append(v.tiers, i)
		}
	}
	if n := len(v.Candidates); n > 0 {
		v.tiers = append(v.tiers, n)
	}
	v.index()
	return v
}

// Lasting is the verdict on an account that only an edit changes; Eligible: none.
func Lasting(a *domain.Account, model string, require []domain.Labels, speech Speech) Verdict {
	_, serves := a.Models.Resolve(model)
	switch {
	case !a.Enabled:
		return Disabled
	case a.Paused:
		return Paused
	case speech == Mute:
		return WrongPlatform
	case !serves:
		return NoModel
	case slices.ContainsFunc(require, func(l domain.Labels) bool { return !a.Labels.Satisfy(l) }):
		return NoLabel
	}
	return Eligible
}

// index makes what a sample of a large pool needs.
func (v *View) index() {
	if len(v.Candidates) <= sampleAbove {
		return
	}
	v.kin = map[string][]int32{}
	for i := range v.Candidates {
		c := &v.Candidates[i]
		v.kin[c.Organization] = append(v.kin[c.Organization], int32(i))
	}
	maps.DeleteFunc(v.kin, func(_ string, places []int32) bool { return len(places) < 2 })
	start := 0
	for _, end := range v.tiers {
		v.wheels = append(v.wheels, wheel(v.Candidates[start:end], start))
		start = end
	}
}

// spotsEach bounds a wheel: so many spots for each account on the average. Weights beyond that are rounded.
const spotsEach = 16

// wheel lists places by weight; nil: the weights are equal.
func wheel(of []Candidate, start int) (spots []int32) {
	differ, sum := false, 0
	for i := range of {
		w := max(of[i].Account.Weight, 1)
		differ, sum = differ || w != max(of[0].Account.Weight, 1), sum+w
	}
	if !differ {
		return nil
	}
	most := min(sum, spotsEach*len(of))
	for i := range of {
		for range max((max(of[i].Account.Weight, 1)*most+sum/2)/sum, 1) {
			spots = append(spots, int32(start+i))
		}
	}
	return spots
}

// wheelOf is a tier's wheel, or nil.
func (v *View) wheelOf(t int) []int32 {
	if v.wheels == nil {
		return nil
	}
	return v.wheels[t]
}

// usualLimit is how many requests at a time count as a full load where no account of a pool has a limit that large.
const usualLimit = 8

// place is where an account stands in Candidates, or -1.
func (v *View) place(id domain.AccountID) int {
	if i, ok := v.places[id]; ok {
		return int(i)
	}
	return -1
}

// tierOf is the tier that a place belongs to, counted from the best.
func (v *View) tierOf(place int) int {
	t := 0
	for place >= v.tiers[t] {
		t++
	}
	return t
}

// Find gives the candidate of an account, or nil.
func (v *View) Find(id domain.AccountID) *Candidate {
	if i := v.place(id); i >= 0 {
		return &v.Candidates[i]
	}
	return nil
}

// blocked is until when the candidate's rests or its operator's limits keep requests out, in Unix
// milliseconds; 0: they do not.
func (c *Candidate) blocked(nowMs int64) int64 { return max(c.rested(nowMs), c.limited(nowMs)) }

// rested is until when the candidate's rests keep requests out.
func (c *Candidate) rested(nowMs int64) int64 {
	var until int64
	for _, cell := range c.Rests {
		if blocked, u := cell.blocked(nowMs); blocked {
			until = max(until, u)
		}
	}
	return until
}

// LimitNow is how many requests at a time the account may serve now: its own limit,
// or fewer while traffic returns to it; 0: any number.
func (c *Candidate) LimitNow() int {
	limit := c.Limit
	for _, cell := range c.Rests {
		if n := int(cell.returning.Load()); n > 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}

// guessed reports whether the candidate rests, and for nothing but guesses: until
// when, and after how many failures in a row.
func (c *Candidate) guessed(nowMs int64) (until int64, streak int, ok bool) {
	if c.limited(nowMs) > 0 {
		return 0, 0, false
	}
	for _, cell := range c.Rests {
		blocked, u := cell.blocked(nowMs)
		if !blocked {
			continue
		}
		if !cell.guessed() {
			return 0, 0, false
		}
		until, streak, ok = max(until, u), max(streak, cell.Streak()), true
	}
	return until, streak, ok
}

// Well reports whether the candidate's last answer was no failure, in any scope. What
// another account alone says of the provider they share does not count.
func (c *Candidate) Well() bool {
	for scope, cell := range c.Rests {
		if cell.Streak() > 0 && (scope != RestProvider || cell.several.Load() || cell.by.Load() == int64(c.ID)) {
			return false
		}
	}
	return true
}

// Drains reports whether the candidate serves those alone who are bound to it.
func (c *Candidate) Drains() bool { return c.draining }

// Probing reports whether a request that is let in now finds out whether the candidate
// is back from a rest.
func (c *Candidate) Probing(now time.Time) bool {
	for _, cell := range c.Rests {
		if cell.State(now) == Probing {
			return true
		}
	}
	return false
}

// Resting reports whether any of the candidate's rests, or a limit of its operator, keeps requests out at now.
func (c *Candidate) Resting(now time.Time) bool { return c.blocked(now.UnixMilli()) > 0 }

// Soonest is how long it takes until the first resting candidate that skip does not
// leave out returns; ok is false if none rests or nobody knows until when.
func (v *View) Soonest(now time.Time, skip func(*Candidate) bool) (d time.Duration, ok bool) {
	for i := range v.Candidates {
		c := &v.Candidates[i]
		until := c.blocked(now.UnixMilli())
		if until == 0 || until == forever || c.draining || skip(c) {
			continue
		}
		if left := time.UnixMilli(until).Sub(now); !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// Returns is how long it takes until the candidate is back from its rests; ok is false if it does not rest, or
// nobody knows.
func (c *Candidate) Returns(now time.Time) (d time.Duration, ok bool) {
	until := c.blocked(now.UnixMilli())
	if until == 0 || until == forever {
		return 0, false
	}
	return time.UnixMilli(until).Sub(now), true
}

// Mix is a cheap hash of a seed and an id, for choices that a replay repeats.
func Mix(seed uint64, id domain.AccountID) uint64 { return mix(seed, uint64(id)) }

// TryProbe claims the probe of every cell whose rest has just ended; false means that
// another request probes already.
func (c *Candidate) TryProbe(now time.Time) bool {
	for i, cell := range c.Rests {
		if !cell.TryProbe(now) {
			for _, got := range c.Rests[:i] {
				got.ReturnProbe()
			}
			return false
		}
	}
	return true
}

// ReturnProbe lets another request probe, after one that has the right to and did not, or left before it knew.
func (c *Candidate) ReturnProbe() {
	for _, cell := range c.Rests {
		cell.ReturnProbe()
	}
}

// Asking reports whether a request that was let in before a rest's end asks whether that is over.
func (c *Candidate) Asking() bool {
	for _, cell := range c.Rests {
		if cell.asking.Load() {
			return true
		}
	}
	return false
}

// EndProbe lets another request probe, after one that neither succeeded nor made
// the rest longer.
func (c *Candidate) EndProbe() {
	for _, cell := range c.Rests {
		cell.EndProbe()
	}
}
