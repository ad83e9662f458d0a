package drill

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/sim"
)

// Gateway is a running gateway, as its starter hands it over.
type Gateway interface {
	// URL is where callers reach it, without a path.
	URL() string
	// Stop ends it; when it returns nothing of it runs any more. It may be called twice.
	Stop(ctx context.Context) error
	// Records lists what it wrote down about requests, the oldest first. It is called
	// after Stop.
	Records(ctx context.Context) ([]Record, error)
}

// Start starts a gateway with a configuration, whose data directory is its own.
type Start func(ctx context.Context, n Network, c *config.Config) (Gateway, error)

// Record is what the gateway wrote down about one request.
type Record struct {
	RequestID string
	Outcome   string // as the requests command names it
	Class     string // of the failure that ended it; empty: none
	Status    int    // 499: the caller left
	Account   string
	Attempts  int
	Input     int64 // tokens that were billed, cached ones included
	Cached    int64
	Output    int64
	Trace     []byte // the decision trace; nil: none
}

// Attempt is one request that the provider saw. Durations are by the clock.
type Attempt struct {
	Account string
	Request int           // of the run; 0: not known
	At      time.Duration // since the run began
	Took    time.Duration // until its end; 0 while it is under way
	Model   string
	Path    string
	Body    []byte // what was asked
	Status  int
	Fault   string
	Outcome string // as package sim names it
}

// Run is one scenario in one mode: what was sent, got and seen.
type Run struct {
	Scenario *Scenario
	Mode     Mode
	Pace     Pace

	Began    time.Time
	Answers  []*Answer // in the order of their requests, once the run is over
	Attempts []Attempt // in the order of their arrival
	Records  []Record
	Took     time.Duration
	// Notes are what Play wants Judge to know.
	Notes map[string]time.Duration

	mu       sync.Mutex
	sent     int
	began    time.Time
	gateway  Gateway
	provider *sim.Server
	client   *http.Transport
	accounts []Account
	pool     config.Pool // its settings, in the story
}

// stopPatience is how long, by the clock, a gateway may take to stop once every
// caller has its answer.
const stopPatience = 20 * time.Second

// manyPlaces is how many requests may wait in the line where a scenario does not say so.
const manyPlaces = 1000

// world is what runs scenarios.
type world struct {
	start   Start
	network Network
	clock   Clock
	pool    config.Pool
	// starting lets few gateways start at a time, which keeps the machine busy; nil: any number.
	starting chan struct{}
}

// startsAtOnce is how many.
const startsAtOnce = 2

// run plays one scenario in one mode. The error is one of this machine's, not of the
// gateway's conduct.
func (w *world) run(ctx context.Context, s *Scenario, m Mode) (r *Run, err error) {
	r = &Run{Scenario: s, Mode: m, Pace: s.pace(w.clock), Notes: map[string]time.Duration{}, accounts: s.Accounts(m)}
	dir, err := os.MkdirTemp("", "turnout-drill-")
	if err != nil {
		return r, fmt.Errorf("make a directory for a scenario: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	if w.starting != nil {
		w.starting <- struct{}{}
	}
	untrusted, err := w.begin(ctx, r, dir)
	if w.starting != nil {
		<-w.starting
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, r.provider.Close(), untrusted.Close()) }()
	r.client = &http.Transport{DialContext: w.network.Dial, MaxIdleConnsPerHost: 1024, DisableCompression: true}
	r.Began = time.Now()
	r.began = r.Began
	if s.Play != nil {
		s.Play(ctx, r)
	} else {
		r.Send(ctx, &s.Ask)
	}
	r.Took = time.Since(r.began)
	r.client.CloseIdleConnections()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if err := r.gateway.Stop(stop); err != nil {
		return r, fmt.Errorf("stop the gateway: %w", err)
	}
	if r.Records, err = r.gateway.Records(context.WithoutCancel(ctx)); err != nil {
		return r, fmt.Errorf("read the gateway's records: %w", err)
	}
	r.see()
	return r, ctx.Err()
}

// begin starts the providers and the gateway.
func (w *world) begin(ctx context.Context, r *Run, dir string) (untrusted *sim.Server, err error) {
	if untrusted, err = w.providers(r); err != nil {
		return nil, err
	}
	if r.gateway, err = w.start(ctx, w.network, w.configuration(r, dir, untrusted.URL())); err != nil {
		return nil, errors.Join(fmt.Errorf("start a gateway: %w", err), r.provider.Close(), untrusted.Close())
	}
	return untrusted, nil
}

// providers starts the simulated provider, and one whose certificate nobody trusts.
func (w *world) providers(r *Run) (untrusted *sim.Server, err error) {
	p := sim.New(sim.Options{Name: "Drill", Speed: r.Pace.Scale, Models: []string{askedModel, largerModel}})
	for i := range r.accounts {
		a := &r.accounts[i]
		p.Set(a.key(), a.Behaviour)
		p.SetOrganization(a.key(), a.organization())
	}
	if r.provider, err = sim.Start(p, sim.ServerOptions{Listen: w.network.Listen}); err != nil {
		return nil, err
	}
	if untrusted, err = sim.Start(sim.New(sim.Options{}), sim.ServerOptions{Listen: w.network.Listen, TLS: true}); err != nil {
		return nil, errors.Join(err, r.provider.Close())
	}
	return untrusted, nil
}

func (a *Account) key() string { return "sk-sim-" + a.Name }

func (a *Account) organization() string {
	if a.Organization == "" {
		return "of" + a.Name
	}
	return a.Organization
}

// configuration is the gateway's: one pool, the scenario's accounts, two keys.
func (w *world) configuration(r *Run, dir, untrusted string) *config.Config {
	pool := w.pool
	if r.Scenario.Pool != nil {
		r.Scenario.Pool(&pool)
	}
	r.pool = pool
	pool = r.Pace.pool(pool)
	queue := r.Scenario.Queue
	if queue == 0 {
		queue = manyPlaces
	}
	c := &config.Config{
		File: "the drill's configuration", Listen: "127.0.0.1:0", DataDir: dir, Pools: []config.Pool{pool},
		Limits: config.Limits{Body: 32 << 20, Bodies: 1 << 30, Queue: queue, QueueWait: r.Pace.of(defaultQueueWait), HeaderBytes: 64 << 10},
		Drain:  stopPatience, TraceRetention: time.Hour, RequestRetention: time.Hour, UsageRetention: 35 * 24 * time.Hour, SessionTTL: time.Hour,
		Log: config.Log{Level: "error", Format: "text"},
	}
	priority := 0
	for i := range r.accounts {
		a := &r.accounts[i]
		if i > 0 && !a.Level {
			priority++
		}
		base := r.provider.URL()
		switch a.Address {
		case NoName:
			base = "http://provider" + nowhere
		case Untrusted:
			base = untrusted
		case Provider:
		}
		speaks, platform := r.Mode.accounts(a.Dialect)
		acc := domain.Account{
			Name: a.Name, Origin: domain.OriginFile, Platform: platform, BaseURL: base + speaks.base, APIKey: domain.NewSecret(a.key()),
			Organization: a.organization(), Pools: []string{pool.Name}, Priority: priority, Weight: 1, MaxInFlight: a.MaxInFlight, Enabled: true,
		}
		asked := a.Model
		if asked == "" {
			asked = askedModel
		}
		sent := a.SentAs
		if sent == "" {
			sent = asked
		}
		acc.Models = domain.ModelMap{asked: sent}
		c.Accounts = append(c.Accounts, acc)
	}
	for name, secret := range map[string]string{"drill": callerKey, "drill-commit": commitKey} {
		k := domain.Key{Name: name, Origin: domain.OriginFile, Hash: sha256.Sum256([]byte(secret)), Pools: []string{pool.Name}, Enabled: true}
		if secret == commitKey {
			k.Overrides = []string{domain.OverrideCommit}
		}
		c.Keys = append(c.Keys, k)
	}
	return c
}

// Set changes how an account behaves from the next request on.
func (r *Run) Set(account string, b sim.Behaviour) {
	for i := range r.accounts {
		if a := &r.accounts[i]; a.Name == account {
			r.provider.Set(a.key(), b)
		}
	}
}

// see takes over what the provider saw, and sorts the answers.
func (r *Run) see() {
	names := map[string]string{}
	for i := range r.accounts {
		names[r.accounts[i].key()] = r.accounts[i].Name
	}
	slices.SortFunc(r.Answers, func(a, b *Answer) int { return a.Request - b.Request })
	for _, s := range r.provider.Requests() {
		at := Attempt{
			Account: names[s.Key], At: s.Start.Sub(r.began), Model: s.Model, Path: s.Path, Body: s.Body, Status: s.Status,
			Fault: s.Fault.Kind.String(), Outcome: s.Outcome.String(),
		}
		if !s.End.IsZero() {
			at.Took = s.End.Sub(s.Start)
		}
		at.Request = r.requestOf(string(s.Body))
		r.Attempts = append(r.Attempts, at)
	}
	slices.SortStableFunc(r.Attempts, func(a, b Attempt) int { return int(a.At - b.At) })
}

// requestOf finds the request that an attempt belongs to by the mark in its body.
func (r *Run) requestOf(body string) int {
	const before = "(request "
	at := strings.LastIndex(body, before)
	if at < 0 {
		if len(r.Answers) == 1 {
			return 1
		}
		return 0
	}
	n := 0
	for _, c := range body[at+len(before):] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}
