package cli

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/simulate"
)

type simulateCommand struct {
	configFlags
	Policy   []string `help:"Configuration files whose pools' strategy and policy are compared; by default all strategies with the default policy." placeholder:"FILE"`
	From     string   `help:"What is played: day (a scripted one), the last so long of this gateway's records (24h), those since a time (2026-11-26T08:00:00Z), or a file that --save wrote." default:"day" placeholder:"day|DURATION|TIME|FILE"`
	Model    string   `short:"m" help:"Of the records, those that asked for this model; by default the one most asked for." placeholder:"NAME"`
	Seed     uint64   `help:"Of the scripted day." default:"1"`
	Accounts int      `help:"Of the scripted day." default:"100"`
	Sessions int      `help:"Conversations of the scripted day." default:"2000"`
	Save     string   `help:"Write the records that are played to this file, without names and keys, to play them elsewhere." placeholder:"FILE"`
	Chart    string   `help:"Draw the comparison into this SVG file." placeholder:"FILE"`
	JSON     bool     `help:"Print JSON; times are in nanoseconds."`
}

// past is what --save writes: records and the accounts that they are about. No names, no secrets.
type past struct {
	Model    string            `json:"model"`
	Accounts []pastAccount     `json:"accounts"`
	Records  []simulate.Record `json:"records"`
}

type pastAccount struct {
	ID           domain.AccountID `json:"id"`
	Platform     string           `json:"platform"`
	Organization string           `json:"organization,omitempty"`
	Priority     int              `json:"priority,omitempty"`
	Weight       int              `json:"weight"`
	Limit        int              `json:"limit,omitempty"`
	TokenPrice   domain.NanoUSD   `json:"token_price,omitempty"`
}

// Run plays and compares.
func (c simulateCommand) Run(s *session) error {
	var made func() *simulate.Script
	var what string
	if c.From == "day" {
		o := simulate.DayOptions{Seed: c.Seed, Accounts: c.Accounts, Sessions: c.Sessions}
		made = func() *simulate.Script { return simulate.Day(o) }
		what = fmt.Sprintf("A scripted day: %d accounts, %d conversations and their sub-agents", c.Accounts, c.Sessions)
		if c.Accounts < 1 || c.Accounts > 100_000 || c.Sessions < 1 || c.Sessions > 1_000_000 {
			return errors.New("a day has 1 to 100000 accounts and 1 to 1000000 sessions")
		}
		if c.Save != "" {
			return errors.New("--save writes records; the scripted day has none: name them with --from")
		}
	} else {
		p, err := c.past(s)
		if err != nil {
			return err
		}
		accounts := p.accounts()
		made = func() *simulate.Script { return simulate.Recorded(p.Model, accounts, p.Records) }
		what = fmt.Sprintf("%d recorded requests for %s at %d accounts", len(p.Records), p.Model, len(accounts))
	}
	sets, err := c.settings(s)
	if err != nil {
		return err
	}
	results := make([]simulate.Result, 0, len(sets))
	for _, set := range sets {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		results = append(results, simulate.Run(made(), set)) // a world has a memory: each run has its own
	}
	if c.Chart != "" {
		if err := os.WriteFile(c.Chart, []byte(simulate.Chart(results)), 0o600); err != nil {
			return err
		}
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(results)
	}
	_, err = fmt.Fprintf(s.Stdout, "%s\n\n%s", what, simulate.Table(results, false))
	return err
}

// settings are what is compared.
func (c *simulateCommand) settings(s *session) (out []simulate.Settings, err error) {
	if len(c.Policy) == 0 {
		for _, name := range domain.Strategies() {
			set := simulate.DefaultSettings()
			set.Name = name
			if set.Tuning.Strategy, err = domain.ParseStrategy(name); err != nil {
				return nil, err
			}
			out = append(out, set)
		}
		return out, nil
	}
	for _, file := range c.Policy {
		cfg, _, err := configFlags{Config: file}.loadElsewhere(s)
		if err != nil {
			return nil, err
		}
		pools, err := app.Tunings(cfg)
		if err != nil {
			return nil, err
		}
		for _, p := range pools {
			set := simulate.DefaultSettings()
			set.Name, set.Tuning, set.Policy = p.Name, p.Tuning, p.Policy
			if len(c.Policy) > 1 {
				set.Name = strings.TrimSuffix(file, ".yaml") + ":" + p.Name
			}
			set.QueueWait, set.QueuePlaces, set.SessionTTL = cfg.Limits.QueueWait, cfg.Limits.Queue, cfg.SessionTTL
			out = append(out, set)
		}
	}
	return out, nil
}

// past reads what --from names.
func (c *simulateCommand) past(s *session) (p *past, err error) {
	now := time.Now()
	var since time.Time
	if d, bad := time.ParseDuration(c.From); bad == nil && d > 0 {
		since = now.Add(-d)
	} else if t, bad := time.Parse(time.RFC3339, c.From); bad == nil {
		since = t
	} else {
		raw, err := os.ReadFile(c.From)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("--from is %q: want day, a duration such as 24h, a time such as 2026-11-26T08:00:00Z, or a file that --save wrote", c.From)
		}
		if err == nil {
			if err = json.Unmarshal(raw, &p); err == nil && (p == nil || len(p.Accounts) == 0) {
				err = errors.New("it names no accounts")
			}
			if err != nil {
				err = fmt.Errorf("%s is no file that turnout simulate --save wrote: %w", c.From, err)
			}
		}
		return p, err
	}
	cfg, _, err := c.loadElsewhere(s)
	if err != nil {
		return nil, err
	}
	records, err := app.OpenRecords(s.ctx, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = records.Close() }()
	if p, err = readPast(s.ctx, records, cfg, since, c.Model); err != nil {
		return nil, err
	}
	if c.Save != "" {
		raw, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(c.Save, append(raw, '\n'), 0o600); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// readPast reads the records since a time, those for one model.
func readPast(ctx context.Context, records *app.Records, cfg *config.Config, since time.Time, model string) (*past, error) {
	const page = 1000
	var rows []app.Summary
	asked := map[string]int{}
	for f := (app.RecordFilter{Since: since, Model: model, Limit: page}); ; {
		some, err := records.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range some {
			asked[some[i].Model]++
		}
		rows = append(rows, some...)
		if len(some) < page {
			break
		}
		f.Before = some[len(some)-1].ID
	}
	for name, n := range asked {
		if most := asked[model]; n > most || n == most && name < model {
			model = name
		}
	}
	p := &past{Model: model}
	for i := range cfg.Accounts {
		a := &cfg.Accounts[i]
		if _, serves := a.Models.Resolve(model); !serves || !a.Enabled {
			continue
		}
		if id := records.AccountID(a.Name); id != 0 {
			p.Accounts = append(p.Accounts, pastAccount{id, a.Platform, a.Organization, a.Priority, a.Weight, a.MaxInFlight, a.TokenPrice})
		}
	}
	for i := range rows {
		if rows[i].Model != model {
			continue
		}
		row, err := records.Find(ctx, rows[i].ID)
		if err != nil {
			return nil, err
		}
		r := simulate.Record{At: row.ID.Time(), Session: sessionID(row.Session), Caller: row.Key, Input: row.Usage.Prompt(), Output: row.Usage.Output}
		if t, err := readTrace(row.Trace); err == nil {
			r.Attempts = t.attempts(r.At)
		}
		p.Records = append(p.Records, r)
	}
	switch {
	case len(p.Records) == 0:
		return nil, fmt.Errorf("there are no requests since %s to play; turnout requests list shows which there are", since.Format(time.RFC3339))
	case len(p.Accounts) == 0:
		return nil, fmt.Errorf("no account of the configuration serves %s", model)
	}
	return p, nil
}

// sessionID is a session as records name it: by the beginning of its hash.
func sessionID(n uint64) (id domain.SessionID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// attempts are a trace's attempts as a simulation plays them.
func (t *trace) attempts(began time.Time) (out []simulate.Attempt) {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, a := range t.Attempts {
		if a.Account == 0 || a.Result == "lost" || a.Result == "left" || a.Result == "differs" {
			continue
		}
		r := simulate.Reply{OK: a.Result == "served", First: ms(a.Content), Took: ms(a.Took), Reset: ms(a.Reset)}
		if !r.OK {
			r.Scope = failover.ScopeAccount
			for class := range failover.Class(failover.NumClasses) {
				if class.String() == a.Class {
					r.Class = class
				}
			}
			for _, z := range a.Rests {
				for _, scope := range []failover.Scope{failover.ScopeAccount, failover.ScopeAccountModel, failover.ScopeOrganization, failover.ScopeProvider} {
					if text(z[:], 0) == scope.String() {
						r.Scope = scope
					}
				}
			}
		}
		out = append(out, simulate.Attempt{Account: domain.AccountID(a.Account), At: began.Add(ms(a.Began)), Reply: r})
	}
	return out
}

func (p *past) accounts() (out []*domain.Account) {
	for _, a := range p.Accounts {
		out = append(out, &domain.Account{
			ID: a.ID, Name: fmt.Sprint("account ", a.ID), Platform: a.Platform, Organization: a.Organization, Priority: a.Priority,
			Weight: max(a.Weight, 1), MaxInFlight: a.Limit, TokenPrice: a.TokenPrice, Enabled: true,
		})
	}
	return out
}
