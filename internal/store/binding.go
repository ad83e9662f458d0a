package store

import (
	"context"
	"database/sql"
	"time"

	"turnout/internal/domain"
)

// SaveBindings writes the latest state of bindings in one transaction; of several
// with the same session the last one counts. A binding with account 0 is deleted.
// Times are kept to the millisecond.
func (s *Store) SaveBindings(ctx context.Context, bindings []domain.Binding) error {
	if len(bindings) == 0 {
		return nil
	}
	return s.tx(ctx, "write session bindings", func(tx *sql.Tx) error {
		save, err := tx.PrepareContext(ctx, `INSERT INTO bindings (session, account, expires, warm, warm_until, placed, model) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (session) DO UPDATE SET account = excluded.account, expires = excluded.expires,
			warm = excluded.warm, warm_until = excluded.warm_until, placed = excluded.placed, model = excluded.model`)
		if err != nil {
			return err
		}
		defer func() { _ = save.Close() }()
		for i := range bindings {
			b := &bindings[i]
			if b.Account == 0 {
				_, err = tx.ExecContext(ctx, "DELETE FROM bindings WHERE session = ?", b.Session[:])
			} else {
				_, err = save.ExecContext(ctx, b.Session[:], int64(b.Account), toMilli(b.Expires), b.WarmTokens, toMilli(b.WarmUntil), b.Placed, b.Model)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadBindings lists the bindings that have not expired at now, in no particular
// order.
func (s *Store) LoadBindings(ctx context.Context, now time.Time) ([]domain.Binding, error) {
	var out []domain.Binding
	err := s.rows(ctx, "read session bindings", func(scan func(...any) error) error {
		var b domain.Binding
		var session []byte
		var expires, warmUntil int64
		if err := scan(&session, &b.Account, &expires, &b.WarmTokens, &warmUntil, &b.Placed, &b.Model); err != nil {
			return err
		}
		copy(b.Session[:], session)
		b.Expires, b.WarmUntil = fromMilli(expires), fromMilli(warmUntil)
		out = append(out, b)
		return nil
	}, "SELECT session, account, expires, warm, warm_until, placed, model FROM bindings WHERE expires > ?", now.UnixMilli())
	return out, err
}

const sweepBindings = "DELETE FROM bindings WHERE session IN (SELECT session FROM bindings WHERE expires <= ? ORDER BY expires LIMIT ?)"

// DeleteBindingsBefore deletes at most limit bindings that have expired at t, and
// says how many.
func (s *Store) DeleteBindingsBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep session bindings", sweepBindings, t.UnixMilli(), limit)
}
