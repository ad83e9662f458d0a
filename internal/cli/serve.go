package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"turnout/internal/admin"
	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/obs"
)

// configFlags are shared by every command that reads the configuration.
type configFlags struct {
	Config  string `short:"c" help:"Configuration file (TURNOUT_CONFIG; turnout.yaml)." placeholder:"FILE"`
	Listen  string `help:"Address to listen on, over the file's." placeholder:"HOST:PORT"`
	DataDir string `help:"Data directory, over the file's." placeholder:"DIR"`
	Drain   string `help:"How long streams may go on after a stop signal, over the file's." placeholder:"DURATION"`
	Log     string `name:"log-level" help:"Log level, over the file's: debug, info, warn or error." placeholder:"LEVEL"`
	LogForm string `name:"log-format" help:"Log format, over the file's: text or json." placeholder:"FORMAT"`
}

func (f configFlags) load(s *session) (*config.Config, []config.Warning, error) {
	return config.Load(f.Config, s.Getenv, app.Platforms(), f.overrides())
}

// loadElsewhere reads the configuration of a process that may have other variables
// than this one: a missing account key is a warning.
func (f configFlags) loadElsewhere(s *session) (*config.Config, []config.Warning, error) {
	o := f.overrides()
	o.Elsewhere = true
	return config.Load(f.Config, s.Getenv, app.Platforms(), o)
}

func (f configFlags) overrides() config.Overrides {
	return config.Overrides{Listen: f.Listen, DataDir: f.DataDir, Drain: f.Drain, LogLevel: f.Log, LogFormat: f.LogForm}
}

type serveCommand struct {
	configFlags
	KeyLost bool `name:"master-key-lost" help:"The old master key is lost: seal the configuration's secrets anew with this one."`
}

// Run serves until it is told to stop, then lets streams in flight end.
func (c serveCommand) Run(s *session) error {
	cfg, warnings, err := c.load(s)
	if err != nil {
		return err
	}
	log, err := obs.NewLogger(s.Stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	tuneMemory(s.Getenv, cfg)
	started := false // what was read just now need not be read again; a reload reads anew
	load := func() (*config.Config, []config.Warning, error) {
		if !started {
			started = true
			return cfg, warnings, nil
		}
		return c.load(s)
	}
	a, err := app.New(s.ctx, app.Options{Load: load, Log: log, KeyLost: c.KeyLost})
	if err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		_ = a.Stop(context.Background())
		return err
	}
	log.Info("serving", "address", a.Addr(), "version", Version())
	return serveUntilDone(s, a, log)
}

// serveUntilDone waits for the end and reloads meanwhile.
func serveUntilDone(s *session, a *app.App, log *slog.Logger) error {
	for {
		select {
		case <-s.ctx.Done():
			log.Info("stopping: streams in flight go on to their end", "again", "a second signal cuts them")
			return a.Stop(second(s))
		case err := <-a.Done():
			return errors.Join(err, a.Stop(context.Background()))
		case <-s.Reload:
			if _, err := a.Reload(s.ctx); err != nil {
				log.Error("the configuration was not reloaded; the old one stays in force", "error", err.Error())
			}
		}
	}
}

// second is a context that a second stop signal ends.
func second(s *session) context.Context {
	if s.Abort == nil {
		return context.Background()
	}
	return s.Abort
}

type reloadCommand struct{ configFlags }

// Run asks the gateway that runs on the configuration's data directory to reload.
func (c reloadCommand) Run(s *session) error {
	cfg, _, err := c.loadElsewhere(s)
	if err != nil {
		return err // the running gateway would say the same
	}
	answer, err := callAdmin(s.ctx, cfg.DataDir, http.MethodPost, admin.ReloadPath)
	if err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error + "\nnothing was changed")
	}
	_, err = fmt.Fprintln(s.Stdout, answer.Result)
	return err
}

type configCommand struct {
	Check   configCheckCommand   `cmd:"" help:"Check a configuration file and say what is wrong with it."`
	Example configExampleCommand `cmd:"" help:"Print a configuration file that explains every setting."`
}

type configExampleCommand struct{}

// Run prints the example.
func (configExampleCommand) Run(s *session) error {
	_, err := io.WriteString(s.Stdout, config.Example())
	return err
}

type configCheckCommand struct{ configFlags }

// Run checks a file as a start would, without starting. The keys in variables may be
// missing: who checks a file, in a pipeline for instance, often has none of its secrets.
func (c configCheckCommand) Run(s *session) error {
	cfg, warnings, err := c.loadElsewhere(s)
	if err != nil {
		return err
	}
	if err := app.Check(cfg); err != nil {
		return err
	}
	for _, w := range warnings {
		if _, err := fmt.Fprintln(s.Stdout, "warning:", w.String()); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(s.Stdout, "%s is good: %d pools, %d accounts, %d keys\n", cfg.File, len(cfg.Pools), len(cfg.Accounts), len(cfg.Keys))
	return err
}
