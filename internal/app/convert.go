package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"turnout/internal/caller"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/gateway"
	"turnout/internal/platform"
	"turnout/internal/sched"
	"turnout/internal/store"
)

// Platforms is what the configuration has to know of the platforms.
func Platforms() []config.Platform {
	var out []config.Platform
	for _, name := range platform.Names() {
		p, _ := platform.Lookup(name)
		out = append(out, config.Platform{Name: name, NeedsBaseURL: p.BaseURL == "", KeyOptional: p.KeyOptional})
	}
	return out
}

// poolPolicy is what the store keeps of a pool beyond its identity.
type poolPolicy struct {
	Policy    config.Policy      `json:"policy"`
	KeepAlive time.Duration      `json:"keep_alive"`
	Commit    *domain.Commit     `json:"commit,omitempty"`
	Fallbacks domain.Fallbacks   `json:"fallbacks,omitempty"`
	Limits    *domain.TimeLimits `json:"limits,omitempty"`
	Errors    []domain.ErrorRule `json:"errors,omitempty"`
	Hedge     time.Duration      `json:"hedge,omitempty"`
	Resume    domain.Resume      `json:"resume,omitempty"`
	OwnSeat   bool               `json:"own_seat,omitempty"`
	Strategy  domain.Strategy    `json:"strategy,omitempty"`
	Rates     *domain.Rates      `json:"rates,omitempty"`
	Unpriced  domain.Unpriced    `json:"unpriced,omitempty"`
	Payment   *domain.Payment    `json:"payment,omitempty"`
}

// policyOf is what the store keeps of a pool. What stands at its default is left
// out, so that no new setting makes an old pool look edited.
func policyOf(p config.Pool) poolPolicy {
	out := poolPolicy{Policy: p.Policy, KeepAlive: p.KeepAlive, Fallbacks: p.Fallbacks, Errors: p.Errors, OwnSeat: p.OwnSeat, Strategy: p.Strategy, Hedge: p.Hedge, Resume: p.Resume, Rates: p.Rates, Unpriced: p.Unpriced}
	if p.Payment != (domain.Payment{}) {
		out.Payment = &p.Payment
	}
	if p.Commit != (domain.Commit{}) {
		out.Commit = &p.Commit
	}
	if p.Limits != (domain.TimeLimits{}) {
		out.Limits = &p.Limits
	}
	return out
}

// compiled is the pool as the gateway takes it.
func (p poolPolicy) compiled(pool domain.Pool) gateway.PoolConfig {
	c := gateway.PoolConfig{
		Pool: pool, Policy: override(p.Policy), KeepAlive: p.KeepAlive, Fallbacks: p.Fallbacks, Errors: p.Errors, MaxResting: p.Policy.MaxResting, OwnSeat: p.OwnSeat,
		Strategy: p.Strategy, Hedge: p.Hedge, Resume: p.Resume, Rates: p.Rates,
	}
	if p.Payment != nil {
		c.Payment = *p.Payment
	}
	c.Payment.RefuseUnpriced = p.Unpriced == domain.UnpricedRefuse
	if p.Commit != nil {
		c.Commit = *p.Commit
	}
	if p.Limits != nil {
		c.Limits = *p.Limits
	}
	return c
}

func desired(c *config.Config) (store.Desired, error) {
	d := store.Desired{Teams: c.Teams, Users: c.Users, Accounts: c.Accounts, Keys: c.Keys}
	for _, p := range c.Pools {
		raw, err := json.Marshal(policyOf(p))
		if err != nil {
			return d, fmt.Errorf("encode the policy of pool %s: %w", p.Name, err)
		}
		d.Pools = append(d.Pools, store.Pool{Pool: p.Pool, Policy: raw})
	}
	return d, nil
}

func override(p config.Policy) failover.Override {
	var rests map[string]failover.RestOverride
	for class, r := range p.Rests {
		if rests == nil {
			rests = map[string]failover.RestOverride{}
		}
		rests[class] = failover.RestOverride(r)
	}
	return failover.Override{
		Hold: p.Hold, Rests: rests,
		Profile: failover.Profile(p.Profile), Switches: p.Switches, Attempts: p.Attempts, AttemptsPerAccount: p.AttemptsPerAccount,
		Waiting: p.Waiting, Total: p.Total, SameRetries: p.SameAccountRetries, GraceRetries: p.GraceRetries,
		GraceLongest: p.GraceWait, Rounds: p.Rounds, SecondPrice: p.SecondPrice,
	}
}

func settings(c *config.Config) gateway.Settings {
	s := gateway.DefaultSettings()
	s.MaxBody, s.QueuePlaces, s.QueueWait, s.SessionTTL = c.Limits.Body, c.Limits.Queue, c.Limits.QueueWait, c.SessionTTL
	s.TrustedProxies = c.TrustedProxies
	return s
}

// Check says what is wrong with a configuration beyond what its file can tell.
func Check(c *config.Config) error {
	if _, err := trial(c); err != nil {
		return err
	}
	_, err := Catalogue(c)
	return err
}

// trial builds a snapshot from the file alone, so that a file that cannot work
// changes nothing. Its ids are made up.
func trial(c *config.Config) (*gateway.Snapshot, error) {
	accounts := make([]*domain.Account, len(c.Accounts))
	for i := range c.Accounts {
		a := c.Accounts[i]
		a.ID = domain.AccountID(i + 1)
		accounts[i] = &a
	}
	var pools []gateway.PoolConfig
	for i, p := range c.Pools {
		pool := p.Pool
		pool.ID = domain.PoolID(i + 1)
		pools = append(pools, policyOf(p).compiled(pool))
	}
	linked, _ := domain.Link(c.Keys, c.Users, c.Teams) // what contradicts itself the reader of the file has reported
	keys, err := caller.NewDirectory(linked)
	if err != nil {
		return nil, err
	}
	return gateway.NewSnapshot(0, settings(c), keys, pools, accounts, sched.NewCells())
}

// stored is what the store holds of what a snapshot is made of.
type stored struct {
	accounts []domain.Account
	pools    []store.Pool
	keys     []domain.Key // with their owners
	users    []domain.User
	teams    []domain.Team
	torn     []string // keys whose owners and they themselves require labels that contradict each other
}

func (a *App) stored(ctx context.Context) (s stored, err error) {
	if s.accounts, err = a.store.Accounts(ctx); err != nil {
		return s, err
	}
	if s.pools, err = a.store.Pools(ctx); err != nil {
		return s, err
	}
	if s.teams, err = a.store.Teams(ctx); err != nil {
		return s, err
	}
	if s.users, err = a.store.Users(ctx); err != nil {
		return s, err
	}
	if s.keys, err = a.store.Keys(ctx); err != nil {
		return s, err
	}
	s.keys, s.torn = domain.Link(s.keys, s.users, s.teams)
	return s, nil
}

// snapshot compiles.
func (s *stored) snapshot(version uint64, c *config.Config, cells *sched.Cells) (*gateway.Snapshot, error) {
	pools := make([]gateway.PoolConfig, 0, len(s.pools))
	for _, p := range s.pools {
		pol, err := readPolicy(p)
		if err != nil {
			return nil, err
		}
		pools = append(pools, pol.compiled(p.Pool))
	}
	for i := range s.accounts {
		s.accounts[i].OwnPrices = ownPrices(c.Prices, s.accounts[i].Name)
	}
	keys, err := caller.NewDirectory(s.keys)
	if err != nil {
		return nil, err
	}
	return gateway.NewSnapshot(version, settings(c), keys, pools, pointers(s.accounts), cells)
}

func readPolicy(p store.Pool) (poolPolicy, error) {
	pol := poolPolicy{KeepAlive: 15 * time.Second}
	if len(p.Policy) > 0 {
		if err := json.Unmarshal(p.Policy, &pol); err != nil {
			return pol, fmt.Errorf("read the stored policy of pool %s: %w", p.Name, err)
		}
	}
	return pol, nil
}

// compile makes a snapshot of what is in the store.
func (a *App) compile(ctx context.Context, c *config.Config) (*gateway.Snapshot, error) {
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range s.torn {
		a.log.Warn("a key can use no account", "why", text)
	}
	if a.book != nil {
		if err := a.configureBook(ctx, s.spenders()); err != nil {
			return nil, err
		}
	}
	return s.snapshot(a.version.Add(1), c, a.cells)
}

func pointers(accounts []domain.Account) []*domain.Account {
	refs := make([]*domain.Account, len(accounts))
	for i := range accounts {
		refs[i] = &accounts[i]
	}
	return refs
}

// row is a record as the store keeps it.
func row(r *gateway.Record) store.RequestRow {
	var session uint64
	for _, b := range r.Session[:8] {
		session = session<<8 | uint64(b)
	}
	return store.RequestRow{
		ID: r.ID, Key: r.Key, Pool: r.Pool, Account: r.Account, Model: r.Model, Dialect: r.Dialect, Stream: r.Stream,
		Outcome: store.Outcome(r.Outcome), Status: r.Status, Class: uint8(r.Class), Attempts: r.Attempts, Session: session,
		Usage: r.Usage, TTFT: r.First, Total: r.Took, Wait: r.Waited, BytesIn: r.BytesIn, BytesOut: r.BytesOut, Trace: r.Trace,
	}
}
