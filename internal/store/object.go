package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"turnout/internal/domain"
)

// Pool is a pool with its policy, which the store keeps without reading it.
type Pool struct {
	domain.Pool
	Policy json.RawMessage // JSON in the caller's own form; nil: none
}

// Desired is what a configuration file wants to exist. IDs, origins and the
// Enabled and Paused fields in it are ignored.
type Desired struct {
	Teams    []domain.Team
	Users    []domain.User
	Accounts []domain.Account
	Pools    []Pool
	Keys     []domain.Key
}

// Names finds the names of stored ids, for showing records to people.
type Names struct {
	Accounts map[domain.AccountID]string
	Pools    map[domain.PoolID]string
	Keys     map[domain.KeyID]string
	Teams    map[domain.TeamID]string
	Users    map[domain.UserID]string
}

// The specs: what the spec columns hold. A member that is added must have
// omitempty, so that old rows do not all seem edited.
type (
	accountSpec struct {
		Platform     string            `json:"platform"`
		BaseURL      string            `json:"base_url,omitempty"`
		Organization string            `json:"organization,omitempty"`
		Labels       domain.Labels     `json:"labels,omitempty"`
		Pools        []string          `json:"pools,omitempty"`
		Priority     int               `json:"priority,omitempty"`
		Weight       int               `json:"weight,omitempty"`
		MaxInFlight  int               `json:"max_concurrency,omitempty"`
		Models       map[string]string `json:"models,omitempty"`
		TokenPrice   domain.NanoUSD    `json:"token_price,omitempty"`
		Flat         bool              `json:"flat,omitempty"`
		Monthly      domain.NanoUSD    `json:"monthly,omitempty"`

		Limits domain.AccountLimits `json:"limits,omitzero"`
	}
	accountSecrets struct {
		APIKey string `json:"api_key,omitempty"`
		Proxy  string `json:"proxy,omitempty"`
	}
	poolSpec struct {
		Require domain.Labels   `json:"require,omitempty"`
		Policy  json.RawMessage `json:"policy,omitempty"`

		Spending domain.Spending `json:"spending,omitzero"`
	}
	ownerSpec struct { // of teams and of users
		Team     string            `json:"team,omitempty"`
		Models   []string          `json:"models,omitempty"`
		Deny     []string          `json:"deny,omitempty"`
		Require  domain.Labels     `json:"require,omitempty"`
		Rates    *domain.Rates     `json:"rates,omitempty"`
		Tags     map[string]string `json:"tags,omitempty"`
		Spending domain.Spending   `json:"spending,omitzero"`
	}
	keySpec struct {
		Pools   []string      `json:"pools,omitempty"`
		Models  []string      `json:"models,omitempty"`
		Require domain.Labels `json:"require,omitempty"`
		Expires int64         `json:"expires,omitempty"` // Unix milliseconds

		Commit    *domain.Commit `json:"commit,omitempty"`
		Overrides []string       `json:"overrides,omitempty"`
		Decision  bool           `json:"show_decision,omitempty"`
		Rates     *domain.Rates  `json:"rates,omitempty"`

		User      string            `json:"user,omitempty"`
		Team      string            `json:"team,omitempty"`
		Deny      []string          `json:"deny,omitempty"`
		Networks  []netip.Prefix    `json:"networks,omitempty"`
		Tags      map[string]string `json:"tags,omitempty"`
		TagHeader []string          `json:"tag_header,omitempty"`
		Spending  domain.Spending   `json:"spending,omitzero"`
	}
)

// CheckSecrets opens the secrets of every enabled account and gives the first error.
func (s *Store) CheckSecrets(ctx context.Context) error {
	return s.rows(ctx, "check the stored secrets", func(scan func(...any) error) error {
		var name string
		var sealed []byte
		if err := scan(&name, &sealed); err != nil {
			return err
		}
		_, err := s.openSecrets(name, sealed)
		return err
	}, "SELECT name, secrets FROM accounts WHERE enabled = 1 ORDER BY id")
}

// Accounts lists all accounts, disabled ones too, by id, with their secrets. A disabled
// one whose secrets cannot be opened has none: it needs none, and must not keep the
// others from being used.
func (s *Store) Accounts(ctx context.Context) ([]domain.Account, error) {
	var out []domain.Account
	err := s.rows(ctx, "list the accounts", func(scan func(...any) error) error {
		var a domain.Account
		var spec string
		var sealed []byte
		var used int64
		if err := scan(&a.ID, &a.Name, &a.Origin, &spec, &sealed, &a.Enabled, &a.Paused, &a.Draining, &used); err != nil {
			return err
		}
		a.LastUsed = fromMilli(used)
		var sp accountSpec
		if err := json.Unmarshal([]byte(spec), &sp); err != nil {
			return fmt.Errorf("read the spec of account %q: %w", a.Name, err)
		}
		secrets, err := s.openSecrets(a.Name, sealed)
		if err != nil && (a.Enabled || s.sealer == nil) {
			return err
		}
		a.Platform, a.BaseURL, a.Organization = sp.Platform, sp.BaseURL, sp.Organization
		a.Labels, a.Pools, a.Models, a.TokenPrice, a.Flat, a.Monthly = sp.Labels, sp.Pools, sp.Models, sp.TokenPrice, sp.Flat, sp.Monthly
		a.Priority, a.Weight, a.MaxInFlight, a.Limits = sp.Priority, sp.Weight, sp.MaxInFlight, sp.Limits
		a.APIKey, a.Proxy = domain.NewSecret(secrets.APIKey), secrets.Proxy
		out = append(out, a)
		return nil
	}, "SELECT id, name, origin, spec, secrets, enabled, paused, draining, last_used FROM accounts ORDER BY id")
	return out, err
}

// Pools lists all pools, disabled ones too, by id.
func (s *Store) Pools(ctx context.Context) ([]Pool, error) {
	var out []Pool
	err := s.rows(ctx, "list the pools", func(scan func(...any) error) error {
		var p Pool
		var spec string
		if err := scan(&p.ID, &p.Name, &p.Origin, &spec, &p.Enabled); err != nil {
			return err
		}
		var sp poolSpec
		if err := json.Unmarshal([]byte(spec), &sp); err != nil {
			return fmt.Errorf("read the spec of pool %q: %w", p.Name, err)
		}
		p.Require, p.Policy, p.Spending = sp.Require, sp.Policy, sp.Spending
		out = append(out, p)
		return nil
	}, "SELECT id, name, origin, spec, enabled FROM pools ORDER BY id")
	return out, err
}

// Keys lists all keys, disabled ones too, by id.
func (s *Store) Keys(ctx context.Context) ([]domain.Key, error) {
	var out []domain.Key
	err := s.rows(ctx, "list the keys", func(scan func(...any) error) error {
		var k domain.Key
		var spec string
		var hash, former []byte
		var until, used int64
		if err := scan(&k.ID, &k.Name, &k.Origin, &spec, &hash, &k.Enabled, &k.Revoked, &former, &until, &used); err != nil {
			return err
		}
		var sp keySpec
		if err := json.Unmarshal([]byte(spec), &sp); err != nil {
			return fmt.Errorf("read the spec of key %q: %w", k.Name, err)
		}
		if copy(k.Hash[:], hash) != len(k.Hash) || len(hash) != len(k.Hash) {
			return fmt.Errorf("the hash of key %q has %d bytes instead of %d", k.Name, len(hash), len(k.Hash))
		}
		k.Pools, k.Models, k.Require = sp.Pools, sp.Models, sp.Require
		k.Expires, k.Commit, k.Overrides, k.Decision = fromMilli(sp.Expires), sp.Commit, sp.Overrides, sp.Decision
		k.Rates = sp.Rates
		k.User, k.Team, k.Deny, k.Networks = sp.User, sp.Team, sp.Deny, sp.Networks
		k.Tags, k.TagHeader, k.Spending = sp.Tags, sp.TagHeader, sp.Spending
		if len(former) == len(k.Former) {
			copy(k.Former[:], former)
			k.FormerUntil = fromMilli(until)
		}
		k.LastUsed = fromMilli(used)
		out = append(out, k)
		return nil
	}, "SELECT id, name, origin, spec, hash, enabled, revoked, former, former_until, last_used FROM keys ORDER BY id")
	return out, err
}

// Names lists the names of all objects. Unlike Accounts it needs no secrets.
func (s *Store) Names(ctx context.Context) (Names, error) {
	n := Names{map[domain.AccountID]string{}, map[domain.PoolID]string{}, map[domain.KeyID]string{}, map[domain.TeamID]string{}, map[domain.UserID]string{}}
	err := s.rows(ctx, "list the names", func(scan func(...any) error) error {
		var kind int
		var id int64
		var name string
		if err := scan(&kind, &id, &name); err != nil {
			return err
		}
		switch kind {
		case 1:
			n.Accounts[domain.AccountID(id)] = name
		case 2:
			n.Pools[domain.PoolID(id)] = name
		case 3:
			n.Keys[domain.KeyID(id)] = name
		case 4:
			n.Teams[domain.TeamID(id)] = name
		case 5:
			n.Users[domain.UserID(id)] = name
		}
		return nil
	}, "SELECT 1, id, name FROM accounts UNION ALL SELECT 2, id, name FROM pools UNION ALL SELECT 3, id, name FROM keys "+
		"UNION ALL SELECT 4, id, name FROM teams UNION ALL SELECT 5, id, name FROM users")
	return n, err
}

func (s *Store) sealSecrets(name string, sec accountSecrets) ([]byte, error) {
	if sec == (accountSecrets{}) {
		return nil, nil
	}
	plain, err := json.Marshal(sec)
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealer.Seal(plain, "accounts", name, "secrets")
	if err != nil {
		return nil, fmt.Errorf("seal the secrets of account %q: %w", name, err)
	}
	return sealed, nil
}

func (s *Store) openSecrets(name string, sealed []byte) (sec accountSecrets, err error) {
	if len(sealed) == 0 {
		return sec, nil
	}
	if s.sealer == nil {
		return sec, fmt.Errorf("the secrets of account %q are sealed and the store was opened without the master key", name)
	}
	plain, err := s.sealer.Open(sealed, "accounts", name, "secrets")
	if err != nil {
		return sec, fmt.Errorf("open the secrets of account %q: %w", name, err)
	}
	if json.Unmarshal(plain, &sec) != nil { // its error could quote the plain text
		return accountSecrets{}, fmt.Errorf("the secrets of account %q are not in the form that this version writes", name)
	}
	return sec, nil
}

// rows runs a query and hands each row's scanner to f.
func (s *Store) rows(ctx context.Context, doing string, f func(scan func(...any) error) error, query string, args ...any) error {
	r, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, explain(err))
	}
	defer func() { _ = r.Close() }()
	for r.Next() {
		if err := f(r.Scan); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, explain(err))
	}
	return nil
}

// toMilli and fromMilli keep the zero time as 0.
func toMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
