package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"turnout/internal/admin"
	"turnout/internal/config"
	"turnout/internal/coord"
	"turnout/internal/credential"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/gateway"
	"turnout/internal/jobs"
	"turnout/internal/journal"
	"turnout/internal/ledger"
	"turnout/internal/obs"
	"turnout/internal/sched"
	"turnout/internal/server"
	"turnout/internal/store"
	"turnout/internal/upstream"
)

// Options are what only the one who starts the process knows.
type Options struct {
	// Load reads the configuration; it is called at the start and at every reload.
	Load func() (*config.Config, []config.Warning, error)
	Log  *slog.Logger
	// Roots are the certificates trusted at upstreams; nil: the system's.
	Roots *tls.Config
	// KeyLost: the master key that sealed the stored secrets is gone, and they may be
	// sealed anew from the configuration. Without it another key is an error.
	KeyLost bool
	// Dial and Listen stand in place of the system's network; nil: the system's.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Listen func(address string) (net.Listener, error)
}

// App is one running Turnout. New builds it, Start listens, Stop ends it.
type App struct {
	opts    Options
	log     *slog.Logger
	config  *config.Config                // as started
	current atomic.Pointer[config.Config] // in force: what a reload can change
	store   *store.Store
	cells   *sched.Cells
	memory  *coord.Memory
	gateway *gateway.Gateway
	client  *upstream.Client
	metrics *obs.Metrics
	server  *server.Server
	records *jobs.Batch[*gateway.Record]
	journal *journal.Journal
	book    *ledger.Book
	said    seldom
	// unconfigured are owners whose limits could not be put in force yet; nil: there are none.
	unconfigured atomic.Pointer[[]ledger.Owner]
	prices       PriceList
	loops        []*jobs.Loop
	run          *runFile
	lock         *flock.Flock

	version atomic.Uint64
	reload  sync.Mutex
	rests   restLog
	used    lastUse
	// windowsSaved is when quota windows were written last; the loop that writes them owns it.
	windowsSaved time.Time
	stop         sync.Once
	stopErr      error
}

// Bounds of what is kept in memory.
const (
	maxSessions    = 200_000
	recordCapacity = 16_384
	recordBatch    = 512
	recordEvery    = 200 * time.Millisecond
	recordPatience = 2 * time.Second
	flushEvery     = time.Second
	sweepEvery     = 10 * time.Minute
	sweepRows      = 5_000
)

// New reads the configuration, opens the store and builds everything. Nothing
// listens yet. On an error nothing is left open.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	c, warnings, err := opts.Load()
	if err != nil {
		return nil, err
	}
	if _, err := trial(c); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if opts.Log == nil {
		return nil, errors.New("app: no logger given")
	}
	a := &App{opts: opts, log: opts.Log, config: c, cells: sched.NewCells(), memory: coord.NewMemory(maxSessions), metrics: obs.NewMetrics()}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	for _, w := range warnings {
		a.log.Warn("configuration", "warning", w.String())
	}
	if a.lock, err = lockDir(c.DataDir); err != nil {
		return nil, err
	}
	sealer, err := a.sealer(c)
	if err != nil {
		return nil, err
	}
	if a.store, err = store.Open(ctx, store.Options{Dir: c.DataDir, Sealer: sealer}); err != nil {
		return nil, err
	}
	if err = a.checkSealed(ctx); err != nil {
		return nil, err
	}
	before, err := a.store.Accounts(ctx)
	if err != nil {
		before = nil // what cannot be read is seen as changed
	}
	changes, err := a.provision(ctx, c)
	if err != nil {
		return nil, err
	}
	if err = a.restore(ctx); err != nil {
		return nil, err
	}
	prices, err := readPrices(c)
	if err != nil {
		return nil, err
	}
	a.prices.swap(prices)
	if err = a.openBook(ctx, &a.prices); err != nil {
		return nil, err
	}
	a.client = upstream.NewClient(opts.Roots, opts.Dial)
	a.records = jobs.NewBatch(jobs.BatchOptions[*gateway.Record]{
		Capacity: recordCapacity, Most: recordBatch, Every: recordEvery, Patience: recordPatience,
		Write: a.writeRecords,
		Failed: func(err error, n int) {
			a.metrics.Dropped(n)
			a.log.Error("request records were lost", "records", n, "error", err.Error())
		},
	})
	bodies := gateway.NewBudget(c.Limits.Bodies)
	a.gateway = gateway.New(gateway.Deps{
		Upstream: a.client, Bindings: a.memory, Objects: a.store, Recorder: recorder{a.records}, Ledger: holdings{a.book, a.store}, Observer: a.metrics,
		Cells: a.cells, Bodies: bodies, Log: a.log, Rested: a.rests.note,
	})
	snap, err := a.compile(ctx, c)
	if err != nil {
		return nil, err
	}
	a.renewed(pointers(before), snap, changes)
	a.gateway.Swap(snap)
	a.current.Store(c)
	a.gauges(bodies)
	adm, err := admin.New(c.DataDir, a, map[string]admin.Getter{admin.LimitsPath: a.explainLimits, admin.RoutePath: a.explainRoute, admin.UsagePath: a.usageAnswer, admin.ServicePath: a.serviceAnswer},
		map[string]admin.Getter{admin.SessionPath: a.moveSession}, admin.Objects(a), admin.Months(a))
	if err != nil {
		return nil, err
	}
	a.server = server.New(server.Options{
		Gateway: a.gateway, Dialects: server.Dialects{Anthropic: anthropic.Dialect{}, OpenAI: openai.Dialect{}, Responses: responses.Dialect{}, Gemini: gemini.Dialect{}}, Metrics: a.metrics.Handler(), Admin: adm,
		MaxHeader: int(c.Limits.HeaderBytes), DrainDelay: c.DrainDelay, Listen: opts.Listen, Log: a.log,
	})
	return a, nil
}

// sealer hides accounts' secrets with the master key: the given one, or the one in
// the data directory, which is made at the first start.
func (a *App) sealer(c *config.Config) (*credential.Ring, error) {
	var key credential.Key
	var err error
	switch {
	case !c.MasterKey.IsZero() || c.MasterKeyFile != "":
		if c.MasterKeyFile != "" {
			key, err = credential.ReadFile(c.MasterKeyFile)
		} else {
			key, err = credential.ParseKey(c.MasterKey)
		}
		// Who began with the key in the data directory and gives another one now replaces it:
		// what that one sealed is sealed anew.
		if old, e := credential.ReadFile(filepath.Join(c.DataDir, credential.FileName)); err == nil && e == nil {
			return credential.NewRing(key, old)
		}
	default:
		var created bool
		if key, created, err = credential.LoadOrCreate(c.DataDir); created {
			a.log.Info("made a master key; without it the stored account secrets cannot be read: back it up", "file", filepath.Join(c.DataDir, credential.FileName))
		}
	}
	if err != nil {
		return nil, err
	}
	return credential.NewRing(key)
}

// checkSealed refuses another master key than the one that sealed the stored
// secrets. The file knows the secrets, so that a start could go on; but whoever gave a wrong key
// would not hear of it, and the right one would open nothing any more.
func (a *App) checkSealed(ctx context.Context) error {
	err := a.store.CheckSecrets(ctx)
	if !errors.Is(err, credential.ErrKey) {
		return nil // what else is wrong with a stored secret is mended from the file, or said when it is needed
	}
	if a.opts.KeyLost {
		a.log.Warn("the stored secrets were sealed with a master key that is lost; they are sealed anew from the configuration", "error", err.Error())
		return nil
	}
	return fmt.Errorf("this is not the master key of the data directory %s: %w. To replace the key, put the old one into %s for one start; if it is lost, "+
		"start once with --master-key-lost, which seals the configuration's secrets anew", a.config.DataDir, err, filepath.Join(a.config.DataDir, credential.FileName))
}

func (a *App) gauges(bodies *gateway.Budget) {
	a.metrics.Gauge("turnout_requests_in_flight", "Requests being served.", func() float64 { return float64(a.gateway.InFlight()) })
	a.metrics.Gauge("turnout_requests_queued", "Requests that wait for a free account.", func() float64 { return float64(a.gateway.Queued()) })
	a.metrics.Gauge("turnout_request_bodies_bytes", "Memory held by request bodies.", func() float64 { return float64(bodies.Used()) })
	a.metrics.Gauge("turnout_requests_held", "Requests that wait for an account to return, or before they ask one again.", func() float64 { return float64(a.gateway.Held()) })
	a.metrics.Gauge("turnout_retry_budgets_empty", "Providers, pool by pool, whose retry budget is used up.", func() float64 { return float64(a.gateway.RetryBudgetsEmpty()) })
	for s := range sched.NumStates {
		if state := sched.State(s); state != sched.Closed {
			a.metrics.Gauge("turnout_circuits", "Circuits that are not closed, of accounts, accounts' models, organisations and providers, by state.",
				func() float64 { return float64(a.circuits(state)) }, "state", state.String())
		}
	}
	a.metrics.Gauges("turnout_quota_used_ratio", "Used share of what is known of the windows of accounts (docs/quota.md); of windows for single models, the fullest.", []string{"account", "window"},
		func(emit func(float64, ...string)) {
			a.gateway.EachQuota(func(account, window string, used float64) { emit(used, account, window) })
		})
	a.metrics.Gauge("turnout_ledger_unwritten", "Settlements that the journal did not take, and that are in memory alone.", func() float64 { n, _ := a.book.Unwritten(); return float64(n) })
	a.metrics.Gauge("turnout_sessions_bound", "Sessions bound to an account.", func() float64 { return float64(a.memory.Len()) })
}

// circuits counts those in a state.
func (a *App) circuits(state sched.State) (n int) {
	now := time.Now()
	a.cells.Each(func(_ sched.RestKey, r *sched.Rest) {
		if r.State(now) == state {
			n++
		}
	})
	return n
}

type recorder struct{ batch *jobs.Batch[*gateway.Record] }

// Record implements gateway.Recorder.
func (r recorder) Record(rec *gateway.Record) { r.batch.Add(rec) }

func (a *App) writeRecords(ctx context.Context, recs []*gateway.Record) error {
	rows := make([]store.RequestRow, len(recs))
	for i, r := range recs {
		rows[i] = row(r)
	}
	a.used.note(recs)
	return a.store.AppendRequests(ctx, rows)
}

// Start listens and starts the background loops.
func (a *App) Start() error {
	if err := a.server.Start(a.config.Listen); err != nil {
		return err
	}
	var err error
	if a.run, err = writeRunFile(a.config.DataDir, a.Addr()); err != nil {
		return err
	}
	a.loops = append(a.loops,
		// A flush that is under way when the stop comes goes on: what it took is in no other place.
		jobs.Every(flushEvery, func(ctx context.Context, _ bool) { a.flush(context.WithoutCancel(ctx)) }),
		jobs.Every(windowsEvery, func(ctx context.Context, _ bool) { a.saveWindows(context.WithoutCancel(ctx)) }),
		jobs.Every(lastUseEvery, func(ctx context.Context, _ bool) { a.saveLastUse(context.WithoutCancel(ctx)) }),
		jobs.Every(applyEvery, a.keepBooks),
		jobs.Every(tidyEvery, a.tidyBooks),
		jobs.Every(sweepEvery, func(ctx context.Context, last bool) {
			if !last {
				a.sweep(ctx)
			}
		}))
	return nil
}

// Addr is where callers reach it, as host:port.
func (a *App) Addr() string { return a.server.Addr() }

// Done tells when serving has ended by itself.
func (a *App) Done() <-chan error { return a.server.Done() }

// Metrics serves the metrics apart from the listener.
func (a *App) Metrics() http.Handler { return a.metrics.Handler() }

// Reload reads the configuration again and swaps it in whole. Requests in flight
// keep the one that they began with. An error has changed nothing. The text says what
// changed, and what a restart would.
func (a *App) Reload(ctx context.Context) (string, error) {
	a.reload.Lock()
	defer a.reload.Unlock()
	c, warnings, err := a.opts.Load()
	if err != nil {
		return "", err
	}
	if _, err := trial(c); err != nil {
		return "", fmt.Errorf("%s: %w", c.File, err)
	}
	prices, err := readPrices(c)
	if err != nil {
		return "", err
	}
	want, err := desired(c)
	if err != nil {
		return "", err
	}
	changes, err := a.store.Provision(ctx, want)
	if err != nil {
		return "", err
	}
	snap, err := a.compile(ctx, c)
	if err != nil {
		return "", err
	}
	a.renewed(a.gateway.Snapshot().Accounts, snap, changes)
	a.prices.swap(prices)
	a.gateway.Swap(snap)
	a.current.Store(c)
	lines := []string{"reloaded " + c.File + ": " + changes.String()}
	for _, w := range warnings {
		lines = append(lines, "warning: "+w.String())
	}
	for _, s := range []struct {
		name    string
		changed bool
	}{
		{"listen", c.Listen != a.config.Listen}, {"data_dir", c.DataDir != a.config.DataDir}, {"limits.bodies", c.Limits.Bodies != a.config.Limits.Bodies},
		{"limits.header_bytes", c.Limits.HeaderBytes != a.config.Limits.HeaderBytes}, {"log", c.Log != a.config.Log}, {"drain", c.Drain != a.config.Drain}, {"drain_delay", c.DrainDelay != a.config.DrainDelay},
		{"master_key_file", c.MasterKeyFile != a.config.MasterKeyFile},
	} {
		if s.changed {
			lines = append(lines, "note: "+s.name+" takes effect at the next start")
		}
	}
	text := strings.Join(lines, "\n")
	a.log.Info("configuration reloaded", "version", snap.Version, "changes", changes.String())
	return text, nil
}

// renewed ends the rests of accounts that were edited or came back, as far as an edit
// can mend what they rest for: with another credential, address or organisation all of
// them, else what an operator mends elsewhere and says so by touching the account (a permission, a
// balance, a model). before are the accounts as they were.
func (a *App) renewed(before []*domain.Account, snap *gateway.Snapshot, changes store.Changes) {
	old := map[domain.AccountID]*domain.Account{}
	for _, acc := range before {
		old[acc.ID] = acc
	}
	edited := map[domain.AccountID]bool{} // whether it is another account upstream
	for _, acc := range snap.Accounts {
		if name := "account " + acc.Name; slices.Contains(changes.Edited, name) || slices.Contains(changes.Enabled, name) {
			was := old[acc.ID]
			edited[acc.ID] = was == nil || was.APIKey.Reveal() != acc.APIKey.Reveal() || was.BaseURL != acc.BaseURL || was.Organization != acc.Organization
		}
	}
	if len(edited) == 0 {
		return
	}
	var ended []sched.RestKey
	a.cells.Each(func(k sched.RestKey, r *sched.Rest) {
		another, was := edited[k.Account]
		switch class := failover.Class(r.Class()); {
		case k.Account == 0 || !was:
		case another, class == failover.Credential, class == failover.Permission, class == failover.QuotaExhausted, class == failover.ModelGone:
			r.Clear()
			ended = append(ended, k)
		}
	})
	for _, acc := range snap.Accounts {
		if edited[acc.ID] && acc.Organization == "" { // its own limits; those of a named organisation hold for its other keys
			k := sched.OrganizationKey(acc.Platform, sched.OrganizationOf(acc))
			a.cells.Rest(k).Clear()
			ended = append(ended, k)
		}
	}
	for _, k := range ended {
		a.rests.end(k)
	}
}

func (a *App) provision(ctx context.Context, c *config.Config) (store.Changes, error) {
	want, err := desired(c)
	if err != nil {
		return store.Changes{}, err
	}
	changes, err := a.store.Provision(ctx, want)
	if err != nil {
		return store.Changes{}, err
	}
	if !changes.Empty() {
		a.log.Info("provisioned from the configuration file", "changes", changes.String())
	}
	return changes, nil
}

// Stop refuses new requests, lets streams in flight go on to their end for at most
// the drain time (or until ctx ends), then writes down everything that is in memory. When it returns nothing
// runs any more. It may be called twice.
func (a *App) Stop(ctx context.Context) error {
	a.stop.Do(func() {
		ctx, cancel := context.WithTimeoutCause(ctx, a.config.DrainDelay+a.config.Drain, errors.New("the drain time is over"))
		defer cancel()
		a.stopErr = a.server.Stop(ctx)
		a.close()
	})
	return a.stopErr
}

// close ends what New and Start began, in reverse.
func (a *App) close() {
	for _, l := range a.loops {
		l.Stop()
	}
	if a.records != nil {
		a.records.Stop()
		a.saveLastUse(context.Background())
	}
	a.closeBook()
	if a.run != nil {
		a.run.remove()
	}
	if a.client != nil {
		a.client.Close()
	}
	a.memory.Close()
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Error("close the store", "error", err.Error())
		}
	}
	if a.lock != nil {
		_ = a.lock.Unlock() // the process's end would do it as well
	}
}
