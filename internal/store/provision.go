package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"turnout/internal/domain"
)

// Changes says what Provision did, as "account a1", "pool default", "key team",
// in the order in which they were done.
type Changes struct {
	Added    []string
	Edited   []string // the spec or the secret is another
	Enabled  []string // came back to the file after having been gone from it
	Disabled []string // gone from the file; kept with their id and their history
	Resealed []string // same secret, sealed anew with the current master key
}

// Empty reports whether nothing was changed.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Edited)+len(c.Enabled)+len(c.Disabled)+len(c.Resealed) == 0
}

// String lists the changes on one line, for the log.
func (c Changes) String() string {
	if c.Empty() {
		return "no changes"
	}
	var parts []string
	for _, p := range []struct {
		verb string
		what []string
	}{{"added", c.Added}, {"edited", c.Edited}, {"enabled again", c.Enabled}, {"disabled", c.Disabled}, {"sealed anew", c.Resealed}} {
		if len(p.what) > 0 {
			parts = append(parts, p.verb+" "+strings.Join(p.what, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// Provision makes the objects of origin file what the file wants, in one
// transaction: all of it or nothing. Objects are matched by name and keep their
// id. What the file no longer names is disabled, never deleted, and comes back
// with the same id. State, such as paused, is not touched. An object of another
// origin with a wanted name is an error (kind invalid), and so is a key that an
// object of another origin uses already.
func (s *Store) Provision(ctx context.Context, want Desired) (Changes, error) {
	var c Changes
	err := s.tx(ctx, "provision from the configuration file", func(tx *sql.Tx) (err error) {
		c, err = s.apply(ctx, tx, want, domain.OriginFile)
		return err
	})
	if err != nil {
		return Changes{}, err
	}
	return c, nil
}

// Create adds objects of origin API, in one transaction. A name that exists
// already, whatever its origin, is an error (kind invalid).
func (s *Store) Create(ctx context.Context, objects Desired) error {
	return s.tx(ctx, "create objects", func(tx *sql.Tx) error {
		_, err := s.apply(ctx, tx, objects, domain.OriginAPI)
		return err
	})
}

// Replace gives objects of origin API another spec, and accounts other secrets, in one transaction. Keys keep their hash. A name that is not there
// (or is the file's) is a domain error of kind not found.
func (s *Store) Replace(ctx context.Context, objects Desired) error {
	const doing = "edit objects"
	rows, err := objects.objects()
	if err != nil {
		return err
	}
	return s.tx(ctx, doing, func(tx *sql.Tx) error {
		for _, step := range []struct {
			table
			want []object
		}{{teamTable, rows.teams}, {userTable, rows.users}, {poolTable, rows.pools}, {accountTable, rows.accounts}, {keyTable, rows.keys}} {
			for i := range step.want {
				w := &step.want[i]
				query, args := "UPDATE "+step.name+" SET spec = ? WHERE origin = ? AND name = ?", []any{w.spec, domain.OriginAPI, w.name}
				if step.table == accountTable {
					sealed, err := s.sealSecrets(w.name, w.secrets)
					if err != nil {
						return err
					}
					query, args = "UPDATE accounts SET spec = ?, secrets = ? WHERE origin = ? AND name = ?", []any{w.spec, sealed, domain.OriginAPI, w.name}
				}
				res, err := tx.ExecContext(ctx, query, args...)
				if err != nil {
					return err
				}
				if n, err := res.RowsAffected(); err != nil {
					return err
				} else if n == 0 {
					return domain.Errorf(domain.KindNotFound, doing, "there is no %s %q that was made through the API", step.noun, w.name)
				}
			}
		}
		return nil
	})
}

// table is what the kinds of objects differ by.
type table struct {
	noun, name string
	extra      string // the column beside spec: sealed secrets, or the key's hash
}

var (
	accountTable = table{"account", "accounts", "secrets"}
	poolTable    = table{"pool", "pools", ""}
	keyTable     = table{"key", "keys", "hash"}
	teamTable    = table{"team", "teams", ""}
	userTable    = table{"user", "users", ""}
)

// object is a row of any of them.
type object struct {
	id      int64
	name    string
	origin  domain.Origin
	spec    string
	extra   []byte
	enabled bool
	secrets accountSecrets // wanted accounts only
}

func (s *Store) apply(ctx context.Context, tx *sql.Tx, want Desired, origin domain.Origin) (c Changes, err error) {
	rows, err := want.objects()
	if err != nil {
		return c, err
	}
	for _, step := range []struct {
		table
		want []object
	}{{teamTable, rows.teams}, {userTable, rows.users}, {poolTable, rows.pools}, {accountTable, rows.accounts}, {keyTable, rows.keys}} {
		if err := s.applyTable(ctx, tx, step.table, step.want, origin, &c); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s *Store) applyTable(ctx context.Context, tx *sql.Tx, t table, want []object, origin domain.Origin, c *Changes) error {
	have, err := t.load(ctx, tx)
	if err != nil {
		return err
	}
	if err := t.conflicts(have, want, origin); err != nil {
		return err
	}
	wanted := make(map[string]*object, len(want))
	for i := range want {
		wanted[want[i].name] = &want[i]
	}
	// First whatever leaves, and every key that gets another hash: so no two
	// enabled keys share a hash at any moment, even if two swap theirs.
	if origin == domain.OriginFile {
		for name, o := range have {
			w := wanted[name]
			gone := w == nil
			if o.origin != origin || !o.enabled || !gone && (t != keyTable || bytes.Equal(w.extra, o.extra)) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "UPDATE "+t.name+" SET enabled = 0 WHERE id = ?", o.id); err != nil {
				return err
			}
			if gone {
				c.Disabled = append(c.Disabled, t.noun+" "+name)
			}
		}
	}
	for i := range want {
		w := &want[i]
		label := t.noun + " " + w.name
		o, exists := have[w.name]
		resealed := false
		if t == accountTable {
			if resealed, err = s.chooseSealed(w, o, exists); err != nil {
				return err
			}
		}
		if !exists {
			if err := t.insert(ctx, tx, w, origin); err != nil {
				return fmt.Errorf("add %s: %w", label, err)
			}
			c.Added = append(c.Added, label)
			continue
		}
		edited := w.spec != o.spec || !resealed && !bytes.Equal(w.extra, o.extra)
		if o.enabled && !edited && !resealed {
			continue
		}
		if err := t.update(ctx, tx, o.id, w); err != nil {
			return fmt.Errorf("edit %s: %w", label, err)
		}
		switch {
		case !o.enabled:
			c.Enabled = append(c.Enabled, label)
		case edited:
			c.Edited = append(c.Edited, label)
		default:
			c.Resealed = append(c.Resealed, label)
		}
	}
	return nil
}

// chooseSealed sets w.extra: the stored form where it holds the wanted secrets
// under the current key, else a new one. A stored form that cannot be opened is
// replaced, because the file knows the secrets.
func (s *Store) chooseSealed(w *object, o object, exists bool) (resealed bool, err error) {
	if exists && len(o.extra) > 0 {
		if old, err := s.openSecrets(w.name, o.extra); err == nil && old == w.secrets {
			if s.sealer.Current(o.extra) {
				w.extra = o.extra
				return false, nil
			}
			resealed = true
		}
	}
	w.extra, err = s.sealSecrets(w.name, w.secrets)
	return resealed, err
}

func (t table) columns() string {
	if t.extra == "" {
		return "id, name, origin, spec, NULL, enabled"
	}
	return "id, name, origin, spec, " + t.extra + ", enabled"
}

func (t table) load(ctx context.Context, tx *sql.Tx) (map[string]object, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+t.columns()+" FROM "+t.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	have := map[string]object{}
	for rows.Next() {
		var o object
		if err := rows.Scan(&o.id, &o.name, &o.origin, &o.spec, &o.extra, &o.enabled); err != nil {
			return nil, err
		}
		have[o.name] = o
	}
	return have, rows.Err()
}

// conflicts finds everything that stands in the way, before anything is written.
func (t table) conflicts(have map[string]object, want []object, origin domain.Origin) error {
	const doing = "compare with the stored objects"
	var errs []error
	hashes := map[string]string{} // of enabled keys that this run does not replace
	if t == keyTable {
		for _, o := range have {
			if o.enabled && (o.origin != origin || origin == domain.OriginAPI) {
				hashes[string(o.extra)] = o.name
			}
		}
	}
	seen := map[string]bool{}
	for _, w := range want {
		switch o, exists := have[w.name]; {
		case w.name == "":
			errs = append(errs, domain.Errorf(domain.KindInvalid, doing, "%s without a name", t.noun))
		case seen[w.name]:
			errs = append(errs, domain.Errorf(domain.KindInvalid, doing, "%s %q is named twice", t.noun, w.name))
		case exists && origin == domain.OriginAPI:
			errs = append(errs, domain.Errorf(domain.KindInvalid, doing, "%s %q exists already (origin %s): choose another name", t.noun, w.name, o.origin))
		case exists && o.origin != origin:
			errs = append(errs, domain.Errorf(domain.KindInvalid, doing,
				"%s %q is in the configuration file, but one of that name was made through the %s: give it another name in the file", t.noun, w.name, o.origin))
		}
		seen[w.name] = true
		if t != keyTable {
			continue
		}
		if other, taken := hashes[string(w.extra)]; taken && other != w.name {
			errs = append(errs, domain.Errorf(domain.KindInvalid, doing, "keys %q and %q have the same secret: give each a secret of its own", w.name, other))
		}
		hashes[string(w.extra)] = w.name
	}
	return errors.Join(errs...)
}

func (t table) insert(ctx context.Context, tx *sql.Tx, o *object, origin domain.Origin) error {
	if t.extra == "" {
		_, err := tx.ExecContext(ctx, "INSERT INTO "+t.name+" (name, origin, spec, enabled) VALUES (?, ?, ?, 1)", o.name, origin, o.spec)
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+t.name+" (name, origin, spec, "+t.extra+", enabled) VALUES (?, ?, ?, ?, 1)", o.name, origin, o.spec, o.extra)
	return err
}

func (t table) update(ctx context.Context, tx *sql.Tx, id int64, o *object) error {
	if t.extra == "" {
		_, err := tx.ExecContext(ctx, "UPDATE "+t.name+" SET spec = ?, enabled = 1 WHERE id = ?", o.spec, id)
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE "+t.name+" SET spec = ?, "+t.extra+" = ?, enabled = 1 WHERE id = ?", o.spec, o.extra, id)
	return err
}

// rows are what is wanted, as it is stored.
type rows struct{ teams, users, pools, accounts, keys []object }

// objects turns what is wanted into rows. JSON of a struct is the same bytes each
// time (maps are sorted), so that comparing texts finds edits.
func (d Desired) objects() (out rows, err error) {
	text := func(noun, name string, spec any) string {
		b, e := json.Marshal(spec)
		if e != nil && err == nil {
			err = fmt.Errorf("write the spec of %s %q: %w", noun, name, e)
		}
		return string(b)
	}
	for _, t := range d.Teams {
		out.teams = append(out.teams, object{name: t.Name, spec: text("team", t.Name, ownerSpec{
			Models: t.Models, Deny: t.Deny, Require: t.Require, Rates: t.Rates, Tags: t.Tags, Spending: t.Spending,
		})})
	}
	for _, u := range d.Users {
		out.users = append(out.users, object{name: u.Name, spec: text("user", u.Name, ownerSpec{
			Team: u.Team, Models: u.Models, Deny: u.Deny, Require: u.Require, Rates: u.Rates, Tags: u.Tags, Spending: u.Spending,
		})})
	}
	for _, a := range d.Accounts {
		out.accounts = append(out.accounts, object{name: a.Name, secrets: accountSecrets{APIKey: a.APIKey.Reveal(), Proxy: a.Proxy},
			spec: text("account", a.Name, accountSpec{
				Platform: a.Platform, BaseURL: a.BaseURL, Organization: a.Organization, Labels: a.Labels, Pools: a.Pools,
				Priority: a.Priority, Weight: a.Weight, MaxInFlight: a.MaxInFlight, Models: a.Models, TokenPrice: a.TokenPrice, Flat: a.Flat, Monthly: a.Monthly, Limits: a.Limits,
			})})
	}
	for _, p := range d.Pools {
		out.pools = append(out.pools, object{name: p.Name, spec: text("pool", p.Name, poolSpec{Require: p.Require, Policy: p.Policy, Spending: p.Spending})})
	}
	for _, k := range d.Keys {
		out.keys = append(out.keys, object{name: k.Name, extra: bytes.Clone(k.Hash[:]),
			spec: text("key", k.Name, keySpec{
				Pools: k.Pools, Models: k.Models, Require: k.Require, Expires: toMilli(k.Expires), Commit: k.Commit, Overrides: k.Overrides, Decision: k.Decision,
				Rates: k.Rates, User: k.User, Team: k.Team, Deny: k.Deny, Networks: k.Networks, Tags: k.Tags, TagHeader: k.TagHeader, Spending: k.Spending,
			})})
	}
	return out, err
}
