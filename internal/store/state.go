package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"turnout/internal/domain"
)

// Teams lists all teams, disabled ones too, by id.
func (s *Store) Teams(ctx context.Context) ([]domain.Team, error) {
	var out []domain.Team
	err := s.rows(ctx, "list the teams", func(scan func(...any) error) error {
		var t domain.Team
		var spec string
		if err := scan(&t.ID, &t.Name, &t.Origin, &spec, &t.Enabled); err != nil {
			return err
		}
		var sp ownerSpec
		if err := json.Unmarshal([]byte(spec), &sp); err != nil {
			return fmt.Errorf("read the spec of team %q: %w", t.Name, err)
		}
		t.Models, t.Deny, t.Require, t.Rates, t.Tags, t.Spending = sp.Models, sp.Deny, sp.Require, sp.Rates, sp.Tags, sp.Spending
		out = append(out, t)
		return nil
	}, "SELECT id, name, origin, spec, enabled FROM teams ORDER BY id")
	return out, err
}

// Users lists all users, disabled ones too, by id.
func (s *Store) Users(ctx context.Context) ([]domain.User, error) {
	var out []domain.User
	err := s.rows(ctx, "list the users", func(scan func(...any) error) error {
		var u domain.User
		var spec string
		if err := scan(&u.ID, &u.Name, &u.Origin, &spec, &u.Enabled); err != nil {
			return err
		}
		var sp ownerSpec
		if err := json.Unmarshal([]byte(spec), &sp); err != nil {
			return fmt.Errorf("read the spec of user %q: %w", u.Name, err)
		}
		u.Team, u.Models, u.Deny, u.Require, u.Rates, u.Tags, u.Spending = sp.Team, sp.Models, sp.Deny, sp.Require, sp.Rates, sp.Tags, sp.Spending
		out = append(out, u)
		return nil
	}, "SELECT id, name, origin, spec, enabled FROM users ORDER BY id")
	return out, err
}

// AccountState is what an operator does with an account beside its spec.
type AccountState struct{ Paused, Draining bool }

// SetAccountState takes an account out of scheduling, wholly or for new sessions, or puts it back. It holds until it
// is called again, whatever the configuration file says. An unknown name is a
// domain error of kind not found.
func (s *Store) SetAccountState(ctx context.Context, account string, state AccountState) error {
	return s.setState(ctx, "account", account, "UPDATE accounts SET paused = ?, draining = ? WHERE name = ?", state.Paused, state.Draining, account)
}

// SetRevoked takes a key away or gives it back. It holds whatever the configuration file says.
func (s *Store) SetRevoked(ctx context.Context, key string, revoked bool) error {
	// What was rotated out of a key does not come back with it.
	return s.setState(ctx, "key", key, "UPDATE keys SET revoked = ?, former = NULL, former_until = 0 WHERE name = ?", revoked, key)
}

// Rotate gives a key of origin API another hash; the one that it had works until a time, or from now on no more.
func (s *Store) Rotate(ctx context.Context, key string, hash [32]byte, formerUntil time.Time) error {
	if formerUntil.IsZero() {
		return s.setState(ctx, "key", key, "UPDATE keys SET former = NULL, former_until = 0, hash = ? WHERE origin = ? AND name = ?", hash[:], domain.OriginAPI, key)
	}
	return s.setState(ctx, "key", key, "UPDATE keys SET former = hash, former_until = ?, hash = ? WHERE origin = ? AND name = ?",
		toMilli(formerUntil), hash[:], domain.OriginAPI, key)
}

// Kind is a kind of objects that can be disabled.
type Kind uint8

// The kinds.
const (
	KindTeam Kind = iota
	KindUser
)

// SetEnabled disables an object of origin API, or enables it again.
func (s *Store) SetEnabled(ctx context.Context, kind Kind, name string, enabled bool) error {
	noun, query := "team", "UPDATE teams SET enabled = ? WHERE origin = ? AND name = ?"
	if kind == KindUser {
		noun, query = "user", "UPDATE users SET enabled = ? WHERE origin = ? AND name = ?"
	}
	return s.setState(ctx, noun, name, query, enabled, domain.OriginAPI, name)
}

// setState runs an update of one object by its name.
func (s *Store) setState(ctx context.Context, noun, name, query string, args ...any) error {
	doing := "change the state of a " + noun
	return s.tx(ctx, doing, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return domain.Errorf(domain.KindNotFound, doing, "there is no %s %q", noun, name)
		}
		return nil
	})
}

// LastUse is when keys and accounts were used last.
type LastUse struct {
	Keys     map[domain.KeyID]time.Time
	Accounts map[domain.AccountID]time.Time
}

// SaveLastUse keeps what is later than what is known.
func (s *Store) SaveLastUse(ctx context.Context, u LastUse) error {
	if len(u.Keys)+len(u.Accounts) == 0 {
		return nil
	}
	return s.tx(ctx, "keep when keys and accounts were used last", func(tx *sql.Tx) error {
		for id, at := range u.Keys {
			if _, err := tx.ExecContext(ctx, "UPDATE keys SET last_used = max(last_used, ?) WHERE id = ?", toMilli(at), id); err != nil {
				return err
			}
		}
		for id, at := range u.Accounts {
			if _, err := tx.ExecContext(ctx, "UPDATE accounts SET last_used = max(last_used, ?) WHERE id = ?", toMilli(at), id); err != nil {
				return err
			}
		}
		return nil
	})
}
