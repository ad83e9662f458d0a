package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"turnout/internal/domain"
)

// Settled is what a request was settled with.
type Settled struct {
	Payer                               domain.Spender
	Plan, Tags                          string
	Flags                               domain.SettlementFlags
	Charged, WrittenOff, Switched, Cost domain.NanoUSD
	Lost                                domain.NanoUSD // by attempts that came to nothing
}

// Settlement finds what a request was settled with; nil: nothing is booked for it.
func (s *Store) Settlement(ctx context.Context, id domain.RequestID) (*Settled, error) {
	var one Settled
	err := s.read.QueryRowContext(ctx, `SELECT a.kind, a.ref, p.name, t.name, s.flags, s.charged, s.written_off, s.switched, s.cost,
			(SELECT COALESCE(SUM(amount), 0) FROM losses WHERE id = s.id)
		FROM settlements s JOIN ledger_accounts a ON a.id = s.payer JOIN names p ON p.id = s.plan JOIN names t ON t.id = s.tags WHERE s.id = ?`, id[:]).Scan(
		&one.Payer.Kind, &one.Payer.ID, &one.Plan, &one.Tags, &one.Flags, &one.Charged, &one.WrittenOff, &one.Switched, &one.Cost, &one.Lost)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a settlement: %w", explain(err))
	}
	if one.Payer.Kind > domain.SpenderKind(AccountGrant) {
		one.Payer.Kind -= domain.SpenderKind(AccountGrant)
	}
	return &one, nil
}
