package gateway

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/platform"
	"turnout/internal/sched"
)

// Keys checks callers' secrets. The error is a *domain.Error.
type Keys interface {
	Check(secret string, now time.Time) (*domain.Key, error)
	// Knows reports whether it is the secret of a key, which may be disabled or expired.
	Knows(secret string) bool
	// Named gives a key by its name, and the names of all that may be used; nil: there is none of that name.
	Named(name string) (*domain.Key, []string)
}

// Settings are the gateway's limits and times.
type Settings struct {
	MaxBody     int64         // bytes of one request body, decoded
	MaxAnswer   int64         // bytes of a JSON answer that is held until it is whole
	QueuePlaces int           // requests of one pool that may wait for a slot
	QueueWait   time.Duration // how long each waits
	StickyWait  time.Duration // how long a session waits for its own account to be free
	SessionTTL  time.Duration // how long a binding lasts without use
	ModelsTTL   time.Duration // how long a model list is kept
	Total       time.Duration // the whole of one request
	// TrustedProxies are believed when they say where a request comes from.
	TrustedProxies []netip.Prefix

	// How slow a caller may be: a request body that makes no progress for ReadWait, or
	// is not there after ReadTotal, is given up; so is an answer of which nothing is read for WriteWait.
	ReadWait, ReadTotal, WriteWait time.Duration
}

// DefaultSettings are the values to begin with; MaxBody, QueuePlaces, QueueWait and
// SessionTTL are usually overridden by the configuration.
func DefaultSettings() Settings {
	return Settings{
		MaxBody: 32 << 20, MaxAnswer: 64 << 20, QueuePlaces: 100, QueueWait: 10 * time.Second, StickyWait: 3 * time.Second,
		SessionTTL: time.Hour, ModelsTTL: 10 * time.Minute, Total: 60 * time.Minute,
		ReadWait: 30 * time.Second, ReadTotal: 5 * time.Minute, WriteWait: 60 * time.Second,
	}
}

// PoolConfig is a pool as the snapshot is made from it.
type PoolConfig struct {
	Pool      domain.Pool
	Policy    failover.Override
	KeepAlive time.Duration // silence after which a stream gets a keep-alive; 0: never

	Commit     domain.Commit
	Fallbacks  domain.Fallbacks
	Limits     domain.TimeLimits // zero values: the default's
	Errors     []domain.ErrorRule
	Hedge      time.Duration // a second attempt beside the first after so long, for sessions with nothing to lose; 0: none
	Resume     domain.Resume // how an answer that breaks after its commit is gone on with
	OwnSeat    bool          // callers may send a credential of their own along
	MaxResting *int          // percent of its accounts that may rest on a guess; nil: half
	Strategy   domain.Strategy
	Rates      *domain.Rates  // of the callers that use it, together; nil: none
	Payment    domain.Payment // how its requests are paid
}

// pool is a pool, compiled.
type pool struct {
	domain.Pool
	accounts  []*domain.Account
	policies  map[string]*failover.Policy // by platform
	policy    failover.Policy             // where no account has failed yet
	keepAlive time.Duration
	commit    domain.Commit
	fallbacks domain.Fallbacks
	limits    domain.TimeLimits
	errors    []domain.ErrorRule
	ownSeat   bool
	hedge     time.Duration
	resume    domain.Resume
	tuning    sched.Tuning
	rates     *domain.Rates
	payment   domain.Payment
}

// policyOf is the policy for a failure on a platform. It is large: a copy would be
// most of a goroutine's stack.
func (p *pool) policyOf(platformName string) *failover.Policy {
	if pol, ok := p.policies[platformName]; ok {
		return pol
	}
	return &p.policy
}

// Snapshot is one configuration, compiled and immutable but for its cache of views.
// A request keeps the one that it began with. Safe for concurrent use.
type Snapshot struct {
	Version  uint64
	Settings Settings
	Accounts []*domain.Account

	keys      Keys
	pools     map[string]*pool
	platforms map[domain.AccountID]*platform.Platform
	cells     *sched.Cells
	priced    func(*domain.Account, string, time.Time) bool // whether a model's prices are known; nil: all are
	rated     bool                                          // some pool limits its callers
	owners    sync.Map                                      // *domain.Key, *domain.User, *domain.Team or *pool → *limit.Owner, made on first use
	routes    sync.Map                                      // *sched.View → []ledger.Route, likewise

	mu    sync.RWMutex
	views map[viewKey]*sched.View
	urls  map[urlKey]*url.URL
}

type urlKey struct {
	account domain.AccountID
	dialect domain.Dialect
	path    string
	at      dialect.Route
}

// viewAsk is what a request asks of a pool.
type viewAsk struct {
	model   string
	dialect domain.Dialect
	path    string           // a further path of the dialect; empty: its main one
	mute    mutes            // dialects that the request cannot be translated into
	only    domain.AccountID // the one account that may serve it, because something that it names lives there; 0: any
}

type viewKey struct {
	pool domain.PoolID
	viewAsk
	require string // of the key, as a canonical text
}

// NewSnapshot compiles a configuration. The error names what is wrong.
func NewSnapshot(version uint64, s Settings, keys Keys, pools []PoolConfig, accounts []*domain.Account, cells *sched.Cells) (*Snapshot, error) {
	snap := &Snapshot{
		Version: version, Settings: s, Accounts: accounts, keys: keys, cells: cells,
		pools: map[string]*pool{}, platforms: map[domain.AccountID]*platform.Platform{}, views: map[viewKey]*sched.View{}, urls: map[urlKey]*url.URL{},
	}
	for _, a := range accounts {
		p, ok := platform.Lookup(a.Platform)
		if !ok {
			if !a.Enabled {
				continue // an old account of a platform that is gone; nothing uses it
			}
			return nil, fmt.Errorf("account %s: platform %q is not known; one of %s", a.Name, a.Platform, strings.Join(platform.Names(), ", "))
		}
		if a.Enabled {
			if _, err := p.URL(a.BaseURL, ""); err != nil {
				return nil, fmt.Errorf("account %s: %w", a.Name, err)
			}
			if a.APIKey.IsZero() && !p.KeyOptional {
				return nil, fmt.Errorf("account %s: platform %s needs an api_key", a.Name, a.Platform)
			}
		}
		snap.platforms[a.ID] = p
	}
	var before *pool
	var was failover.Override // its policy
	for _, pc := range pools {
		c := &pool{
			Pool: pc.Pool, keepAlive: pc.KeepAlive,
			commit: pc.Commit, fallbacks: pc.Fallbacks, limits: pc.Limits.Or(domain.DefaultTimeLimits()), errors: pc.Errors, ownSeat: pc.OwnSeat, hedge: pc.Hedge, resume: pc.Resume, rates: pc.Rates, payment: pc.Payment,
			tuning: sched.Tuning{Strategy: pc.Strategy, MaxResting: maxResting},
		}
		if pc.MaxResting != nil {
			c.tuning.MaxResting = *pc.MaxResting
		}
		if before != nil && reflect.DeepEqual(pc.Policy, was) {
			c.policy, c.policies = before.policy, before.policies // many pools have one policy, and each costs a validation for every platform
		} else if err := c.compile(pc.Policy); err != nil {
			return nil, err
		}
		c.tuning.Prices = sched.Prices{Second: c.policy.Stake.SecondPrice, Token: c.policy.Stake.TokenPrice, ReadSpeed: c.policy.Stake.ReadSpeed}
		before, was = c, pc.Policy
		for _, a := range accounts {
			if slices.Contains(a.Pools, pc.Pool.Name) && snap.platforms[a.ID] != nil {
				c.accounts = append(c.accounts, a)
			}
		}
		snap.pools[pc.Pool.Name], snap.rated = c, snap.rated || c.rates != nil
	}
	return snap, nil
}

// Tuning is how a pool chooses, and its policy where no account has failed yet.
func (s *Snapshot) Tuning(pool string) (sched.Tuning, failover.Policy) {
	p := s.pools[pool]
	return p.tuning, p.policy
}

// compile works out the pool's policy for each platform.
func (p *pool) compile(own failover.Override) (err error) {
	if p.policy, err = failover.Effective(failover.Override{}, own); err != nil {
		return fmt.Errorf("pool %s: policy: %w", p.Name, err)
	}
	p.policies = map[string]*failover.Policy{}
	for _, name := range platform.Names() {
		plat, _ := platform.Lookup(name)
		pol, err := failover.Effective(plat.Policy, own)
		if err != nil {
			return fmt.Errorf("pool %s: policy on platform %s: %w", p.Name, name, err)
		}
		p.policies[name] = &pol
	}
	return nil
}

// maxResting is how much of a pool may rest on guesses, in percent, where it does not
// say so itself. Beyond it the rest of the pool would carry all the load, and the guess is more
// likely to be wrong (the panic threshold of Envoy's load balancer).
const maxResting = 50

// maxViews bounds the cache: model names come from callers.
const maxViews = 4096

// view gives the picture of a pool for one kind of request, made on first use.
func (s *Snapshot) view(p *pool, ask viewAsk, key *domain.Key) *sched.View {
	k := viewKey{p.ID, ask, canonical(key.Require)}
	s.mu.RLock()
	v := s.views[k]
	s.mu.RUnlock()
	if v != nil {
		return v
	}
	require := required(p, key)
	priced := s.pricedOnly(p, ask.model)
	speaks := func(a *domain.Account) sched.Speech {
		if ask.only != 0 && ask.only != a.ID || priced != nil && !priced(a) {
			return sched.Mute
		}
		_, speech := offer(s.platforms[a.ID], ask.dialect, ask.path, ask.mute)
		return speech
	}
	tuning := p.tuning
	tuning.Tied = ask.only != 0
	v = sched.Build(s.Version, &p.Pool, ask.model, ask.dialect, require, p.accounts, speaks, s.cells, tuning)
	s.mu.Lock()
	if len(s.views) >= maxViews {
		clear(s.views) // rare, and each is quickly made again
		s.routes.Clear()
	}
	s.views[k] = v
	s.mu.Unlock()
	return v
}

// pricedOnly tells the accounts that have a price for a model from those that have none, where a pool refuses these; nil: all may be asked.
// Where no account has one, the ledger refuses the request, in its own words.
func (s *Snapshot) pricedOnly(p *pool, model string) func(*domain.Account) bool {
	if !p.payment.RefuseUnpriced || s.priced == nil {
		return nil
	}
	now := time.Now()
	has := func(a *domain.Account) bool {
		sent, ok := a.Models.Resolve(model)
		return ok && s.priced(a, sent, now)
	}
	if !slices.ContainsFunc(p.accounts, has) {
		return nil
	}
	return has
}

// required is what a pool and a key demand of an account together.
func required(p *pool, key *domain.Key) []domain.Labels {
	require := make([]domain.Labels, 0, 2)
	for _, l := range []domain.Labels{p.Require, key.Require} {
		if len(l) > 0 {
			require = append(require, l)
		}
	}
	return require
}

// url is where an account takes a dialect's requests; path is a further path of the dialect, and
// at what the path has to say where it says more than that. The result is shared: copy it before changing it.
func (s *Snapshot) url(a *domain.Account, p *platform.Platform, o *platform.Offer, path string, at dialect.Route) (*url.URL, error) {
	to := o.Path
	switch {
	case path != "":
		to = o.Others[path]
	case at.Stream && o.StreamPath != "":
		to = o.StreamPath
	}
	if !strings.Contains(to, "{") {
		at = dialect.Route{}
	}
	k := urlKey{a.ID, o.Dialect.ID(), path, at}
	s.mu.RLock()
	u := s.urls[k]
	s.mu.RUnlock()
	if u != nil {
		return u, nil
	}
	u, err := p.URL(a.BaseURL, platform.Expand(to, at))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if len(s.urls) >= maxViews {
		clear(s.urls) // rare: models come from callers
	}
	s.urls[k] = u
	s.mu.Unlock()
	return u, nil
}

// canonical is a label set as a text that is equal for equal sets.
func canonical(l domain.Labels) string {
	if len(l) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(l))
	for k, v := range l {
		pairs = append(pairs, k+"="+v)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "\x00")
}

// account finds an account by id.
func (s *Snapshot) account(id domain.AccountID) *domain.Account {
	for _, a := range s.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}
