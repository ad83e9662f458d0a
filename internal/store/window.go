package store

import (
	"context"
	"database/sql"
	"time"
)

// Window is what is known of one quota window.
type Window struct {
	Subject string // whose, in the caller's own form
	Name    string
	State   []byte    // in the caller's own form
	Until   time.Time // when none of it matters any more; kept to the millisecond
}

// SaveWindows writes windows in one transaction, over what was known before.
func (s *Store) SaveWindows(ctx context.Context, windows []Window) error {
	if len(windows) == 0 {
		return nil
	}
	return s.tx(ctx, "write quota windows", func(tx *sql.Tx) error {
		save, err := tx.PrepareContext(ctx, `INSERT INTO windows (subject, name, state, until) VALUES (?, ?, ?, ?)
			ON CONFLICT (subject, name) DO UPDATE SET state = excluded.state, until = excluded.until`)
		if err != nil {
			return err
		}
		defer func() { _ = save.Close() }()
		for i := range windows {
			w := &windows[i]
			if _, err := save.ExecContext(ctx, w.Subject, w.Name, string(w.State), w.Until.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadWindows lists the windows that matter at now.
func (s *Store) LoadWindows(ctx context.Context, now time.Time) ([]Window, error) {
	var out []Window
	err := s.rows(ctx, "read quota windows", func(scan func(...any) error) error {
		var w Window
		var until int64
		if err := scan(&w.Subject, &w.Name, &w.State, &until); err != nil {
			return err
		}
		w.Until = time.UnixMilli(until)
		out = append(out, w)
		return nil
	}, "SELECT subject, name, state, until FROM windows WHERE until > ? ORDER BY subject, name", now.UnixMilli())
	return out, err
}

// DeleteWindowsBefore deletes at most limit windows that had ceased to matter at t, and says how many. There are few, so
// no index serves it.
func (s *Store) DeleteWindowsBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep quota windows",
		"DELETE FROM windows WHERE (subject, name) IN (SELECT subject, name FROM windows WHERE until <= ? LIMIT ?)", t.UnixMilli(), limit)
}
