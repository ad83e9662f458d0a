package app

import (
	"context"
	"log/slog"
	"net/http"

	"turnout/internal/admin"
	"turnout/internal/config"
	"turnout/internal/coord"
	"turnout/internal/obs"
	"turnout/internal/sched"
	"turnout/internal/store"
	"turnout/internal/upstream"
)

// Offline is the data directory of a gateway that does not run.
type Offline struct{ app *App }

// OpenOffline opens the data directory of a configuration, and keeps others off it. It is refused where a gateway runs on
// it. Nothing of the file is provisioned: that is for a start, which has all of the file's secrets.
func OpenOffline(ctx context.Context, c *config.Config) (_ *Offline, err error) {
	a := &App{log: slog.New(slog.DiscardHandler), config: c, cells: sched.NewCells(), memory: coord.NewMemory(maxSessions), metrics: obs.NewMetrics()}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.current.Store(c)
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
	if err = a.restore(ctx); err != nil {
		return nil, err
	}
	a.client = upstream.NewClient(nil, nil)
	return &Offline{a}, nil
}

// Handler answers the admin API's calls for objects, without a token: who may open the data directory may do all of it.
func (o *Offline) Handler() http.Handler {
	mux := http.NewServeMux()
	admin.Objects(o.app)(mux)
	admin.Months(o.app)(mux)
	return mux
}

// Close writes down what has changed and lets the directory go.
func (o *Offline) Close() error {
	o.app.flush(context.Background())
	o.app.close()
	return nil
}
