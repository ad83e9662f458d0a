package app

import (
	"context"
	"time"

	"turnout/internal/admin"
	"turnout/internal/domain"
	"turnout/internal/store"
)

// CloseMonth implements admin.Closer.
func (a *App) CloseMonth(ctx context.Context, month string, body []byte) (any, error) {
	const op = "close a month"
	m, err := store.ParseMonth(month)
	if err != nil {
		return nil, err
	}
	var ask admin.CloseMonth
	if err := admin.Decode(body, &ask); err != nil {
		return nil, err
	}
	if ask.All == (ask.Team != "") {
		return nil, domain.Errorf(domain.KindInvalid, op, "name a team, or close all")
	}
	if a.book != nil { // what is in the journal belongs to the month
		if err := a.book.Flush(ctx); err != nil {
			return nil, err
		}
	}
	teams, err := a.store.OpenTeams(ctx, m)
	if err != nil {
		return nil, err
	}
	if !ask.All {
		names, err := a.store.Names(ctx)
		if err != nil {
			return nil, err
		}
		id := idOf(names.Teams, ask.Team)
		if id == 0 {
			return nil, nobody("team", ask.Team)
		}
		teams = []int64{id}
	}
	if len(teams) == 0 {
		return nil, domain.Errorf(domain.KindInvalid, op, "%s is closed already, for every team; a closed month never changes", m)
	}
	fixed, err := a.store.FixedPrices(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.store.CloseMonth(ctx, teams, m, fixed, time.Now()); err != nil {
		return nil, plainly(err)
	}
	out := []admin.Closed{}
	for _, id := range teams {
		st, err := a.store.Statement(ctx, id, m, fixed)
		if err != nil {
			return nil, err
		}
		out = append(out, admin.Closed{Team: st.Team, Month: st.Month, Requests: st.Totals.Requests, Charged: st.Totals.Charged, Hash: st.Hash})
	}
	a.log.Info("a month was closed", "month", m.String(), "teams", len(out))
	return out, nil
}

// Statement gives a team's month; the empty name is what belongs to no team.
func (r *Records) Statement(ctx context.Context, team, month string) (*store.Statement, error) {
	m, err := store.ParseMonth(month)
	if err != nil {
		return nil, err
	}
	id := idOf(r.names.Teams, team)
	if id == 0 && team != "" {
		return nil, nobody("team", team)
	}
	if time.Now().Before(m.Start()) {
		return nil, domain.Errorf(domain.KindInvalid, "make a statement", "%s has not begun", m)
	}
	fixed, err := r.store.FixedPrices(ctx)
	if err != nil {
		return nil, err
	}
	return r.store.Statement(ctx, id, m, fixed)
}
