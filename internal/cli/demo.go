package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/obs"
)

type demoCommand struct {
	Listen string `help:"Address to listen on; by default 127.0.0.1:8080, or the next free port." placeholder:"HOST:PORT"`
	Once   bool   `help:"Stop after the tour; exit with 1 if a request that should have been answered was not."`
}

// Run starts simulated providers and a gateway on a data directory of its own, sends
// requests through it, tells what happened, and serves until it is told to stop. Nothing is left
// behind.
func (c demoCommand) Run(s *session) (err error) {
	dir, err := os.MkdirTemp("", "turnout-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	out := newDemoPrinter(s.Stdout, s.Getenv)
	defer func() {
		err = errors.Join(err, os.RemoveAll(dir))
		if s.ctx.Err() != nil && err == nil {
			out.bye()
			err = out.err
		}
	}()
	w, err := newDemoWorld(dir, c.Listen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	a, log, err := c.start(s, w)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, a.Stop(second(s)))
		}
	}()

	out.intro(w, a.Addr())
	t := &tour{world: w, out: out, base: "http://" + a.Addr()}
	if t.records, err = app.OpenRecords(s.ctx, w.dataDir()); err != nil {
		return err
	}
	defer func() { _ = t.records.Close() }()
	if err = t.run(s.ctx); err != nil {
		if s.ctx.Err() != nil {
			return out.err // told to stop in the middle of the tour
		}
		return err
	}
	out.summary(&t.sum)
	if c.Once {
		if t.sum.wrong > 0 {
			return errFailed
		}
		return out.err
	}
	out.hints(w, t.base)
	if out.err != nil {
		return out.err
	}
	stopped = true
	return serveUntilDone(s, a, log)
}

// start runs the gateway on the demo's configuration. Only what an operator has to
// know of is logged: the tour tells the rest.
func (demoCommand) start(s *session, w *demoWorld) (*app.App, *slog.Logger, error) {
	log, err := obs.NewLogger(s.Stderr, "error", "text")
	if err != nil {
		return nil, nil, err
	}
	none := func(string) (string, bool) { return "", false } // a demo is the same wherever it runs
	a, err := app.New(s.ctx, app.Options{Log: log, Load: func() (*config.Config, []config.Warning, error) {
		return config.Load(w.configFile(), none, app.Platforms(), config.Overrides{})
	}})
	if err != nil {
		return nil, nil, err
	}
	if err := a.Start(); err != nil {
		return nil, nil, errors.Join(err, a.Stop(context.Background()))
	}
	return a, log, nil
}

// demoPrinter writes for people. The first error of the writer stays, and nothing is
// written after it.
type demoPrinter struct {
	w    io.Writer
	bold bool
	err  error
}

func newDemoPrinter(w io.Writer, env config.Env) *demoPrinter {
	return &demoPrinter{w: w, bold: colourful(w, env)}
}
