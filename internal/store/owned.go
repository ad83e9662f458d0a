package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"turnout/internal/domain"
)

// SaveObject writes where an object lives. One that is there already is replaced.
func (s *Store) SaveObject(ctx context.Context, o domain.Object) error {
	return s.tx(ctx, "write an object's owner", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO objects (id, account, expires) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET account = excluded.account, expires = excluded.expires`, o.ID[:], int64(o.Account), toMilli(o.Expires))
		return err
	})
}

// Object finds where an object lives. The error is a *domain.Error of kind NotFound where it
// is unknown or has expired at now.
func (s *Store) Object(ctx context.Context, id domain.ObjectID, now time.Time) (domain.Object, error) {
	const op = "find an object"
	o := domain.Object{ID: id}
	found := false
	err := s.rows(ctx, op, func(scan func(...any) error) error {
		var expires int64
		if err := scan(&o.Account, &expires); err != nil {
			return err
		}
		o.Expires, found = fromMilli(expires), true
		return nil
	}, "SELECT account, expires FROM objects WHERE id = ? AND expires > ?", id[:], now.UnixMilli())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return o, err
	}
	if !found {
		return o, domain.Errorf(domain.KindNotFound, op, "there is no such object")
	}
	return o, nil
}

// DeleteObject forgets an object; one that is unknown is no error.
func (s *Store) DeleteObject(ctx context.Context, id domain.ObjectID) error {
	return s.tx(ctx, "forget an object", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM objects WHERE id = ?", id[:])
		return err
	})
}

const sweepObjects = "DELETE FROM objects WHERE id IN (SELECT id FROM objects WHERE expires <= ? ORDER BY expires LIMIT ?)"

// DeleteObjectsBefore forgets at most limit objects that have expired at t, and says how many.
func (s *Store) DeleteObjectsBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep objects", sweepObjects, t.UnixMilli(), limit)
}
