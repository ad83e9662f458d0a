package store

import (
	"context"
	"database/sql"
	"math"
	"time"
)

// RestKey is whom a rest concerns: a scope as package failover numbers them and a
// subject in the caller's own form (an account's id, an organisation's name, …).
type RestKey struct {
	Scope   uint8
	Subject string
}

// Rest keeps somebody out of scheduling for a while.
type Rest struct {
	RestKey
	Until  time.Time // zero: until something changes (a credential, say); kept to the millisecond
	Stated bool      // the upstream stated the end
	Class  uint8     // the failure class that caused it, as package failover numbers them
	Streak int       // failures in a row without a success between
}

const untilChange = math.MaxInt64

// SaveRests writes rests in one transaction. A rest is never shortened: an end
// that is earlier than the stored one is ignored together with its cause. The
// streak is always the latest.
func (s *Store) SaveRests(ctx context.Context, rests []Rest) error {
	if len(rests) == 0 {
		return nil
	}
	return s.tx(ctx, "write rests", func(tx *sql.Tx) error {
		save, err := tx.PrepareContext(ctx, `INSERT INTO rests (scope, subject, until, stated, class, streak) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (scope, subject) DO UPDATE SET
			stated = CASE WHEN excluded.until >= rests.until THEN excluded.stated ELSE rests.stated END,
			class  = CASE WHEN excluded.until >= rests.until THEN excluded.class  ELSE rests.class  END,
			until  = CASE WHEN excluded.until >= rests.until THEN excluded.until  ELSE rests.until  END,
			streak = excluded.streak`)
		if err != nil {
			return err
		}
		defer func() { _ = save.Close() }()
		for i := range rests {
			r := &rests[i]
			until := int64(untilChange)
			if !r.Until.IsZero() {
				until = r.Until.UnixMilli()
			}
			if _, err := save.ExecContext(ctx, int64(r.Scope), r.Subject, until, r.Stated, int64(r.Class), r.Streak); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadRests lists the rests that have not ended at now.
func (s *Store) LoadRests(ctx context.Context, now time.Time) ([]Rest, error) {
	var out []Rest
	err := s.rows(ctx, "read rests", func(scan func(...any) error) error {
		var r Rest
		var until int64
		if err := scan(&r.Scope, &r.Subject, &until, &r.Stated, &r.Class, &r.Streak); err != nil {
			return err
		}
		if until != untilChange {
			r.Until = time.UnixMilli(until)
		}
		out = append(out, r)
		return nil
	}, "SELECT scope, subject, until, stated, class, streak FROM rests WHERE until > ? ORDER BY scope, subject", now.UnixMilli())
	return out, err
}

// EndRests deletes rests before their time: the credential was replaced, or an
// operator lifted them. Unknown ones are ignored.
func (s *Store) EndRests(ctx context.Context, keys []RestKey) error {
	if len(keys) == 0 {
		return nil
	}
	return s.tx(ctx, "end rests", func(tx *sql.Tx) error {
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, "DELETE FROM rests WHERE scope = ? AND subject = ?", int64(k.Scope), k.Subject); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteRestsBefore deletes at most limit rests that had ended at t, and says how
// many. There are few rests, so no index serves it.
func (s *Store) DeleteRestsBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep rests",
		"DELETE FROM rests WHERE (scope, subject) IN (SELECT scope, subject FROM rests WHERE until <= ? LIMIT ?)", t.UnixMilli(), limit)
}
