package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/drill"
)

type drillCommand struct {
	Config   string   `short:"c" help:"Drill the settings of a pool of this configuration file (policy, commit, limits, keep_alive); its accounts are not used." placeholder:"FILE"`
	Pool     string   `help:"Which pool of the file; the first one." placeholder:"NAME"`
	Dialect  string   `help:"Only callers of this dialect: anthropic, openai-chat (openai for short), openai-responses or gemini." enum:",anthropic,openai,openai-chat,openai-responses,gemini" default:""`
	Accounts string   `help:"Accounts that speak this dialect, and callers that speak another one: what is translated." enum:",anthropic,openai,openai-chat,openai-responses,gemini" default:"" placeholder:"DIALECT"`
	Full     bool     `help:"Real durations: more than 40 minutes."`
	JSON     bool     `help:"One JSON document with everything that was sent, got and seen."`
	Only     []string `help:"Only these scenarios: names, numbers of the sixteen, or a name's beginning with a '*'." placeholder:"NAMES"`
	List     bool     `help:"List the scenarios and run none."`
}

// Run runs the drill and prints its scorecard; it fails unless every scenario passes.
func (c drillCommand) Run(s *session) error {
	scenarios, unknown := drill.Choose(drill.Scenarios(), c.Only)
	if len(unknown) > 0 {
		return fmt.Errorf("there is no scenario %s; turnout drill --list lists them", strings.Join(unknown, ", "))
	}
	p := &drillPrinter{w: s.Stdout, colour: colourful(s.Stdout, s.Getenv)}
	if c.List {
		p.list(scenarios)
		return p.err
	}
	pool, err := c.pool(s)
	if err != nil {
		return err
	}
	modes, err := c.modes()
	if err != nil {
		return err
	}
	o := drill.Options{Start: StartDrillGateway, Network: drill.Sockets(), Pool: pool, Scenarios: scenarios, Modes: modes}
	if c.Full {
		o.Clock = drill.Real
	}
	if colourful(s.Stderr, s.Getenv) {
		o.Progress = func(done, all int, row *drill.Row, r *drill.Result) {
			_, _ = fmt.Fprintf(s.Stderr, "\r\x1b[K%d of %d  %s %s", done, all, row.Name, r.Mode)
			if done == all {
				_, _ = io.WriteString(s.Stderr, "\r\x1b[K")
			}
		}
	}
	card, err := drill.Drill(s.ctx, o)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return errors.New("the drill was stopped before its end")
		}
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(card); err != nil {
			return err
		}
	} else if p.scorecard(card, c.what(pool)); p.err != nil {
		return p.err
	}
	if !card.Passed() {
		return errFailed
	}
	return nil
}

// modes are the callers' dialects beside the accounts', each as a stream and as JSON.
func (c drillCommand) modes() (modes []drill.Mode, err error) {
	callers, accounts := dialectNamed(c.Dialect), dialectNamed(c.Accounts)
	switch {
	case accounts == domain.DialectNone && callers == domain.DialectNone:
		return drill.Modes(), nil
	case accounts == domain.DialectNone:
		return drill.Pair(callers, callers), nil
	case callers == domain.DialectNone:
		return drill.Translated(accounts), nil
	case callers == accounts:
		return nil, errors.New("--accounts is for callers of another dialect: leave it out where both are the same")
	}
	if why := drill.NoPair(callers, accounts); why != "" {
		return nil, fmt.Errorf("nothing to drill: %s", why)
	}
	return drill.Pair(callers, accounts), nil
}

// dialectNamed is the dialect of a name; none for an empty one.
func dialectNamed(name string) domain.Dialect {
	if name == "openai" {
		return domain.DialectOpenAIChat
	}
	for _, d := range drill.Dialects() {
		if d.String() == name {
			return d
		}
	}
	return domain.DialectNone
}

// pool is the one whose settings are drilled: the defaults, or an operator's own.
// Its fallbacks and its error rules are left out: a scenario has its own, and rules change what is said.
func (c drillCommand) pool(s *session) (config.Pool, error) {
	pool := drill.DefaultPool()
	if c.Config == "" {
		if c.Pool != "" {
			return pool, errors.New("--pool names a pool of a configuration file: add --config FILE")
		}
		return pool, nil
	}
	cfg, _, err := config.Load(c.Config, s.Getenv, app.Platforms(), config.Overrides{})
	if err != nil {
		return pool, err
	}
	i := 0
	if c.Pool != "" {
		if i = slices.IndexFunc(cfg.Pools, func(p config.Pool) bool { return p.Name == c.Pool }); i < 0 {
			return pool, fmt.Errorf("there is no pool %q in %s", c.Pool, cfg.File)
		}
	}
	from := &cfg.Pools[i]
	pool.Name, pool.Policy, pool.KeepAlive, pool.Commit, pool.Limits = from.Name, from.Policy, from.KeepAlive, from.Commit, from.Limits
	return pool, nil
}

// what says which settings were drilled.
func (c drillCommand) what(pool config.Pool) string {
	if c.Config == "" {
		return "the default settings"
	}
	return fmt.Sprintf("pool %s of %s", pool.Name, c.Config)
}
