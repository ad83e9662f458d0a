package storetest

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

func account(name, secret string) domain.Account {
	return domain.Account{
		Name: name, Platform: "anthropic", BaseURL: "http://127.0.0.1:9100", APIKey: domain.NewSecret(secret),
		Proxy: "http://user:pass@127.0.0.1:3128", Organization: "acme", Labels: domain.Labels{"region": "eu", "tier": "1"},
		Pools: []string{"default", "spare"}, Priority: 2, Weight: 3, MaxInFlight: 4, TokenPrice: 150,
		Limits: domain.AccountLimits{RequestsPerMinute: 5, TokensPerDay: 6, Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		Models: domain.ModelMap{"claude-*": "claude-*", "x": "y"},
	}
}

func pool(name, policy string) store.Pool {
	p := store.Pool{Pool: domain.Pool{Name: name, Require: domain.Labels{"region": "eu"}}}
	if policy != "" {
		p.Policy = json.RawMessage(policy)
	}
	return p
}

func key(name, secret string) domain.Key {
	return domain.Key{
		Name: name, Hash: sha256.Sum256([]byte(secret)), Pools: []string{"default"}, Models: []string{"claude-*"},
		Require: domain.Labels{"region": "eu"}, Expires: time.UnixMilli(1_900_000_000_123),
	}
}

func desired() store.Desired {
	return store.Desired{
		Accounts: []domain.Account{account("a1", "sk-one"), account("a2", "sk-two"), {Name: "bare", Platform: "openai-compatible"}},
		Pools:    []store.Pool{pool("default", `{"profile":"balanced","switches":5}`), pool("spare", "")},
		Keys:     []domain.Key{choosing(key("team", "tk-team")), key("other", "tk-other")},
	}
}

// choosing is the key with a commit point of its own, which its callers may override.
func choosing(k domain.Key) domain.Key {
	k.Commit, k.Overrides = &domain.Commit{Point: domain.CommitSeconds, Time: 1500 * time.Millisecond}, []string{domain.OverrideCommit}
	k.Decision = true
	k.Rates = &domain.Rates{RateLimits: domain.RateLimits{Requests: 60, Concurrency: 8}, Models: map[string]domain.RateLimits{"claude-opus-*": {Tokens: 1000, TokenBurst: 50}}}
	return k
}

func objects(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()

	t.Run("what is provisioned comes back whole", func(t *testing.T) {
		s := open(t)
		must(t, s.Ping(ctx))
		c := got(s.Provision(ctx, desired()))(t)
		if len(c.Added) != 7 || len(c.Edited)+len(c.Enabled)+len(c.Disabled)+len(c.Resealed) != 0 {
			t.Fatalf("changes = %+v", c)
		}
		want := desired()
		for i, a := range got(s.Accounts(ctx))(t) {
			w := want.Accounts[i]
			w.ID, w.Origin, w.Enabled = a.ID, domain.OriginFile, true
			if a.ID == 0 || !reflect.DeepEqual(a, w) {
				t.Errorf("account %d = %+v, want %+v", i, a, w)
			}
		}
		for i, p := range got(s.Pools(ctx))(t) {
			w := want.Pools[i]
			w.ID, w.Origin, w.Enabled = p.ID, domain.OriginFile, true
			if p.ID == 0 || !reflect.DeepEqual(p, w) {
				t.Errorf("pool %d = %+v, want %+v", i, p, w)
			}
		}
		for i, k := range got(s.Keys(ctx))(t) {
			w := want.Keys[i]
			w.ID, w.Origin, w.Enabled = k.ID, domain.OriginFile, true
			if k.ID == 0 || !reflect.DeepEqual(k, w) {
				t.Errorf("key %d = %+v, want %+v", i, k, w)
			}
		}
		n := got(s.Names(ctx))(t)
		if len(n.Accounts) != 3 || len(n.Pools) != 2 || len(n.Keys) != 2 || n.Accounts[1] != "a1" {
			t.Errorf("names = %+v", n)
		}
	})

	t.Run("the same again changes nothing", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		if c := got(s.Provision(ctx, desired()))(t); !c.Empty() {
			t.Fatalf("changes = %v", c)
		}
	})

	t.Run("edits are found and named", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		d := desired()
		d.Accounts[0].Weight = 9
		d.Accounts[1].APIKey = domain.NewSecret("sk-new")
		d.Pools[1].Policy = json.RawMessage(`"classic"`)
		d.Keys[0].Hash = sha256.Sum256([]byte("tk-renewed"))
		c := got(s.Provision(ctx, d))(t)
		if want := []string{"pool spare", "account a1", "account a2", "key team"}; !reflect.DeepEqual(c.Edited, want) {
			t.Errorf("edited %v, want %v (all: %v)", c.Edited, want, c)
		}
		if a := got(s.Accounts(ctx))(t); a[0].Weight != 9 || a[1].APIKey.Reveal() != "sk-new" {
			t.Errorf("accounts = %+v", a)
		}
	})

	t.Run("a key's own commit point is an edit, also where it is the default", func(t *testing.T) {
		s := open(t)
		for i, commit := range []*domain.Commit{nil, {}, {Point: domain.CommitComplete}, {Point: domain.CommitTokens, Tokens: 20}, nil} {
			d := desired()
			d.Keys[1].Commit = commit
			c := got(s.Provision(ctx, d))(t)
			if i > 0 && !reflect.DeepEqual(c.Edited, []string{"key other"}) {
				t.Errorf("%+v: changes = %v", commit, c)
			}
			if k := got(s.Keys(ctx))(t)[1]; !reflect.DeepEqual(k.Commit, commit) {
				t.Errorf("%+v came back as %+v", commit, k.Commit)
			}
			if c := got(s.Provision(ctx, d))(t); !c.Empty() {
				t.Errorf("%+v a second time: %v", commit, c)
			}
		}
	})

	t.Run("gone from the file is disabled and comes back with its id", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		before := got(s.Accounts(ctx))(t)
		d := desired()
		d.Accounts, d.Pools, d.Keys = d.Accounts[1:], d.Pools[:1], d.Keys[:1]
		c := got(s.Provision(ctx, d))(t)
		if len(c.Disabled) != 3 || len(c.Edited) != 0 {
			t.Fatalf("changes = %v", c)
		}
		a := got(s.Accounts(ctx))(t)
		if len(a) != 3 || a[0].Enabled || !a[1].Enabled || a[0].APIKey.Reveal() != "sk-one" {
			t.Fatalf("accounts = %+v", a)
		}
		if c := got(s.Provision(ctx, d))(t); !c.Empty() {
			t.Fatalf("disabled twice: %v", c)
		}
		c = got(s.Provision(ctx, desired()))(t)
		if len(c.Enabled) != 3 || len(c.Added) != 0 {
			t.Fatalf("changes = %v", c)
		}
		if after := got(s.Accounts(ctx))(t); !reflect.DeepEqual(after, before) {
			t.Errorf("accounts = %+v, want %+v", after, before)
		}
	})

	t.Run("paused survives provisioning, absence and edits", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		must(t, s.SetAccountState(ctx, "a1", store.AccountState{Paused: true}))
		d := desired()
		d.Accounts = d.Accounts[1:]
		got(s.Provision(ctx, d))(t)
		d = desired()
		d.Accounts[0].Weight = 8
		got(s.Provision(ctx, d))(t)
		if a := got(s.Accounts(ctx))(t)[0]; !a.Paused || !a.Enabled || a.Weight != 8 {
			t.Fatalf("a1 = %+v", a)
		}
		must(t, s.SetAccountState(ctx, "a1", store.AccountState{Paused: false}))
		if got(s.Accounts(ctx))(t)[0].Paused {
			t.Fatal("a1 is still paused")
		}
		if err := s.SetAccountState(ctx, "nobody", store.AccountState{Paused: true}); domain.KindOf(err) != domain.KindNotFound {
			t.Fatalf("err = %v", err)
		}
	})

	t.Run("an object of the API is not taken over", func(t *testing.T) {
		s := open(t)
		must(t, s.Create(ctx, store.Desired{
			Accounts: []domain.Account{account("a2", "sk-api")}, Pools: []store.Pool{pool("spare", "")}, Keys: []domain.Key{key("mine", "tk-mine")},
		}))
		d := desired()
		d.Keys = append(d.Keys, key("theirs", "tk-mine"))
		_, err := s.Provision(ctx, d)
		if domain.KindOf(err) != domain.KindInvalid || !strings.Contains(err.Error(), `pool "spare"`) {
			t.Fatalf("err = %v", err)
		}
		if n := got(s.Names(ctx))(t); len(n.Accounts)+len(n.Pools)+len(n.Keys) != 3 {
			t.Fatalf("something was written: %+v", n)
		}
		d.Pools = d.Pools[:1]
		if _, err = s.Provision(ctx, d); err == nil || !strings.Contains(err.Error(), `account "a2"`) {
			t.Fatalf("err = %v", err)
		}
		d.Accounts = d.Accounts[:1]
		if _, err = s.Provision(ctx, d); err == nil || !strings.Contains(err.Error(), `"theirs" and "mine" have the same secret`) {
			t.Fatalf("err = %v", err)
		}
		d.Keys = d.Keys[:2]
		got(s.Provision(ctx, d))(t)
		// And the file does not disable what it did not make.
		got(s.Provision(ctx, store.Desired{}))(t)
		for _, a := range got(s.Accounts(ctx))(t) {
			if a.Enabled != (a.Origin == domain.OriginAPI) {
				t.Errorf("account %s (%s): enabled = %v", a.Name, a.Origin, a.Enabled)
			}
		}
		if err := s.Create(ctx, store.Desired{Accounts: []domain.Account{account("a1", "x")}}); domain.KindOf(err) != domain.KindInvalid {
			t.Fatalf("err = %v", err)
		}
	})

	t.Run("keys may swap secrets or pass one on to a new name", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		d := desired()
		d.Keys[0].Hash, d.Keys[1].Hash = d.Keys[1].Hash, d.Keys[0].Hash
		got(s.Provision(ctx, d))(t)
		for i, k := range got(s.Keys(ctx))(t) {
			if !k.Enabled || k.Hash != d.Keys[i].Hash {
				t.Errorf("key %s = %+v", k.Name, k)
			}
		}
		d.Keys[0].Name = "renamed"
		c := got(s.Provision(ctx, d))(t)
		if !reflect.DeepEqual(c.Added, []string{"key renamed"}) || !reflect.DeepEqual(c.Disabled, []string{"key team"}) {
			t.Errorf("changes = %v", c)
		}
	})

	t.Run("what is named twice is refused", func(t *testing.T) {
		s := open(t)
		d := desired()
		d.Accounts = append(d.Accounts, account("a1", "again"))
		if _, err := s.Provision(ctx, d); domain.KindOf(err) != domain.KindInvalid || !strings.Contains(err.Error(), `"a1" is named twice`) {
			t.Fatalf("err = %v", err)
		}
		d = desired()
		d.Keys[1].Hash = d.Keys[0].Hash
		if _, err := s.Provision(ctx, d); domain.KindOf(err) != domain.KindInvalid {
			t.Fatalf("err = %v", err)
		}
		if n := got(s.Names(ctx))(t); len(n.Accounts) != 0 {
			t.Fatalf("something was written: %+v", n)
		}
	})
}
