package cli

import (
	"context"
	"log/slog"
	"slices"

	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/drill"
)

// drillGateway is a gateway of package app, as a drill runs it.
type drillGateway struct {
	app *app.App
	dir string
}

// StartDrillGateway starts a gateway for a scenario of the drill, with everything that a
// gateway has but for what it logs.
func StartDrillGateway(ctx context.Context, n drill.Network, c *config.Config) (drill.Gateway, error) {
	a, err := app.New(ctx, app.Options{
		Load: func() (*config.Config, []config.Warning, error) { return c, nil, nil },
		Log:  slog.New(slog.DiscardHandler), Dial: n.Dial, Listen: n.Listen,
	})
	if err != nil {
		return nil, err
	}
	if err := a.Start(); err != nil {
		_ = a.Stop(ctx)
		return nil, err
	}
	return &drillGateway{a, c.DataDir}, nil
}

// URL implements drill.Gateway.
func (g *drillGateway) URL() string { return "http://" + g.app.Addr() }

// Stop implements drill.Gateway.
func (g *drillGateway) Stop(ctx context.Context) error { return g.app.Stop(ctx) }

// tracesRead is of how many requests a drill reads the decision trace, the first ones.
const tracesRead = 10

// Records implements drill.Gateway.
func (g *drillGateway) Records(ctx context.Context) ([]drill.Record, error) {
	records, err := app.OpenRecords(ctx, g.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = records.Close() }()
	const page = 500
	var out []drill.Record
	var ids []domain.RequestID
	f := app.RecordFilter{Limit: page}
	for {
		rows, err := records.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			r := &rows[i]
			out = append(out, drill.Record{
				RequestID: r.ID.String(), Outcome: r.Outcome.String(), Class: r.ClassName, Status: r.Status, Account: r.AccountName,
				Attempts: r.Attempts, Input: r.Usage.Prompt(), Cached: r.Usage.CacheRead, Output: r.Usage.Output,
			})
			ids = append(ids, r.ID)
			f.Before = r.ID
		}
		if len(rows) < page {
			break
		}
	}
	slices.Reverse(out)
	slices.Reverse(ids)
	for i := range min(len(out), tracesRead) {
		row, err := records.Find(ctx, ids[i])
		if err != nil {
			return nil, err
		}
		out[i].Trace = row.Trace
	}
	return out, nil
}
