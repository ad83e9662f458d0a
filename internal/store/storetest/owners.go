package storetest

import (
	"crypto/sha256"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

func owning() store.Desired {
	spending := domain.Spending{
		Prepaid: true, Overdraft: 5, Factor: 1_200_000,
		Budgets: []domain.Budget{{Name: "b", Period: domain.PeriodMonth, Zone: "Europe/Berlin", Soft: 1, Hard: 2}, {Period: domain.PeriodDay, Rolling: true, Hard: 3}},
	}
	d := desired()
	d.Teams = []domain.Team{{
		Name: "research", Models: []string{"claude-*"}, Deny: []string{"claude-opus-*"}, Require: domain.Labels{"region": "eu"},
		Rates: &domain.Rates{RateLimits: domain.RateLimits{Tokens: 7}}, Spending: spending, Tags: map[string]string{"cost_centre": "r-17"},
	}, {Name: "bare"}}
	d.Users = []domain.User{{Name: "ada", Team: "research", Deny: []string{"x"}, Spending: domain.Spending{Factor: domain.Free}}, {Name: "bob"}}
	d.Accounts[0].Flat, d.Accounts[0].Monthly = true, 200*domain.Dollar
	d.Pools[0].Spending = domain.Spending{Factor: 7}
	k := &d.Keys[0]
	k.User, k.Deny, k.Tags, k.TagHeader = "ada", []string{"gpt-*"}, map[string]string{"project": "apollo"}, []string{"project"}
	k.Networks, k.Spending = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}, spending
	d.Keys[1].Team = "research"
	return d
}

func owners(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()

	t.Run("what is provisioned comes back whole, and the same again changes nothing", func(t *testing.T) {
		s := open(t)
		if c := got(s.Provision(ctx, owning()))(t); len(c.Added) != 11 || c.Added[0] != "team research" {
			t.Fatalf("changes = %v", c)
		}
		want := owning()
		teams, users, keys, pools := got(s.Teams(ctx))(t), got(s.Users(ctx))(t), got(s.Keys(ctx))(t), got(s.Pools(ctx))(t)
		for i, x := range teams {
			w := want.Teams[i]
			w.ID, w.Origin, w.Enabled = x.ID, domain.OriginFile, true
			if x.ID == 0 || !reflect.DeepEqual(x, w) {
				t.Errorf("team %+v, want %+v", x, w)
			}
		}
		for i, x := range users {
			w := want.Users[i]
			w.ID, w.Origin, w.Enabled = x.ID, domain.OriginFile, true
			if x.ID == 0 || !reflect.DeepEqual(x, w) {
				t.Errorf("user %+v, want %+v", x, w)
			}
		}
		for i, x := range keys {
			w := want.Keys[i]
			w.ID, w.Origin, w.Enabled = x.ID, domain.OriginFile, true
			if !reflect.DeepEqual(x, w) {
				t.Errorf("key %+v, want %+v", x, w)
			}
		}
		if a := got(s.Accounts(ctx))(t); !a[0].Flat || a[1].Flat || a[0].Monthly != 200*domain.Dollar {
			t.Errorf("accounts %+v", a)
		}
		if !reflect.DeepEqual(pools[0].Spending, want.Pools[0].Spending) {
			t.Errorf("pool %+v", pools[0])
		}
		if n := got(s.Names(ctx))(t); n.Teams[teams[0].ID] != "research" || n.Users[users[1].ID] != "bob" {
			t.Errorf("names = %+v", n)
		}
		if c := got(s.Provision(ctx, owning()))(t); !c.Empty() {
			t.Errorf("changes = %v", c)
		}
	})

	t.Run("owners that leave the file are disabled and come back with their id", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, owning()))(t)
		before := got(s.Teams(ctx))(t)
		if c := got(s.Provision(ctx, desired()))(t); !reflect.DeepEqual(c.Disabled, []string{"team bare", "team research", "user ada", "user bob"}) && len(c.Disabled) != 4 {
			t.Errorf("changes = %v", c)
		}
		if x := got(s.Teams(ctx))(t); len(x) != 2 || x[0].Enabled {
			t.Errorf("teams = %+v", x)
		}
		got(s.Provision(ctx, owning()))(t)
		if x := got(s.Teams(ctx))(t); !reflect.DeepEqual(x, before) {
			t.Errorf("teams = %+v, want %+v", x, before)
		}
		if err := s.SetEnabled(ctx, store.KindTeam, "research", false); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("a team of the file was disabled: %v", err)
		}
	})

	t.Run("owners of the API", func(t *testing.T) {
		s := open(t)
		must(t, s.Create(ctx, store.Desired{Teams: []domain.Team{{Name: "research"}}, Users: []domain.User{{Name: "ada", Team: "research"}}}))
		if err := s.Create(ctx, store.Desired{Users: []domain.User{{Name: "ada"}}}); domain.KindOf(err) != domain.KindInvalid {
			t.Errorf("err = %v", err)
		}
		must(t, s.SetEnabled(ctx, store.KindUser, "ada", false))
		if u := got(s.Users(ctx))(t)[0]; u.Enabled || u.Origin != domain.OriginAPI || u.Team != "research" {
			t.Errorf("user = %+v", u)
		}
		must(t, s.SetEnabled(ctx, store.KindUser, "ada", true))
		if u := got(s.Users(ctx))(t)[0]; !u.Enabled {
			t.Errorf("user = %+v", u)
		}
		if _, err := s.Provision(ctx, owning()); domain.KindOf(err) != domain.KindInvalid || !strings.Contains(err.Error(), `team "research"`) {
			t.Errorf("err = %v", err)
		}
	})

	t.Run("a revoked key stays so through provisioning, absence and edits", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		must(t, s.SetRevoked(ctx, "team", true))
		d := desired()
		d.Keys = d.Keys[1:]
		got(s.Provision(ctx, d))(t)
		d = desired()
		d.Keys[0].Hash = sha256.Sum256([]byte("tk-another"))
		if c := got(s.Provision(ctx, d))(t); !reflect.DeepEqual(c.Enabled, []string{"key team"}) {
			t.Errorf("changes = %v", c)
		}
		if k := got(s.Keys(ctx))(t)[0]; !k.Revoked || !k.Enabled {
			t.Errorf("key = %+v", k)
		}
		must(t, s.SetRevoked(ctx, "team", false))
		if k := got(s.Keys(ctx))(t)[0]; k.Revoked {
			t.Errorf("key = %+v", k)
		}
		if err := s.SetRevoked(ctx, "nobody", true); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("err = %v", err)
		}
	})

	t.Run("a rotation keeps the former hash for a while, and only of keys of the API", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		must(t, s.Create(ctx, store.Desired{Keys: []domain.Key{key("mine", "tk-first")}}))
		second, until := sha256.Sum256([]byte("tk-second")), time.UnixMilli(1_900_000_000_000)
		must(t, s.Rotate(ctx, "mine", second, until))
		if k := got(s.Keys(ctx))(t)[2]; k.Hash != second || k.Former != sha256.Sum256([]byte("tk-first")) || !k.FormerUntil.Equal(until) {
			t.Errorf("key = %+v", k)
		}
		third := sha256.Sum256([]byte("tk-third"))
		must(t, s.Rotate(ctx, "mine", third, time.Time{}))
		if k := got(s.Keys(ctx))(t)[2]; k.Hash != third || k.Former != [32]byte{} || !k.FormerUntil.IsZero() {
			t.Errorf("key = %+v", k)
		}
		must(t, s.Rotate(ctx, "mine", second, until))
		must(t, s.SetRevoked(ctx, "mine", true))
		must(t, s.SetRevoked(ctx, "mine", false))
		if k := got(s.Keys(ctx))(t)[2]; k.Former != [32]byte{} {
			t.Errorf("the former secret came back with the key: %+v", k)
		}
		if err := s.Rotate(ctx, "team", second, until); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("a key of the file was rotated: %v", err)
		}
	})

	t.Run("objects of the API are edited, those of the file are not", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		mine := store.Desired{Accounts: []domain.Account{account("mine", "sk-old")}, Keys: []domain.Key{key("mine", "tk-mine")}, Teams: []domain.Team{{Name: "mine"}}, Users: []domain.User{{Name: "mine"}}, Pools: []store.Pool{pool("mine", "")}}
		must(t, s.Create(ctx, mine))
		must(t, s.SetAccountState(ctx, "mine", store.AccountState{Paused: true}))
		mine.Accounts[0].Weight, mine.Accounts[0].APIKey = 9, domain.NewSecret("sk-new")
		mine.Keys[0].Hash, mine.Keys[0].Models = [32]byte{1}, []string{"x"}
		mine.Teams[0].Deny, mine.Users[0].Team = []string{"y"}, "mine"
		mine.Pools[0].Policy = []byte(`"classic"`)
		must(t, s.Replace(ctx, mine))
		a, k, teams, users, pools := got(s.Accounts(ctx))(t)[3], got(s.Keys(ctx))(t)[2], got(s.Teams(ctx))(t), got(s.Users(ctx))(t), got(s.Pools(ctx))(t)
		if a.Weight != 9 || a.APIKey.Reveal() != "sk-new" || !a.Paused || !a.Enabled || a.Origin != domain.OriginAPI {
			t.Errorf("account %+v", a)
		}
		if k.Hash != sha256.Sum256([]byte("tk-mine")) || k.Models[0] != "x" || teams[0].Deny[0] != "y" || users[0].Team != "mine" || string(pools[2].Policy) != `"classic"` {
			t.Errorf("%+v %+v %+v %+v", k, teams, users, pools[2])
		}
		if err := s.Replace(ctx, store.Desired{Teams: []domain.Team{{Name: "mine"}}, Keys: []domain.Key{key("team", "tk-team")}}); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("a key of the file was edited: %v", err)
		}
		if x := got(s.Teams(ctx))(t); len(x[0].Deny) != 1 {
			t.Errorf("half of it was done: %+v", x)
		}
	})

	t.Run("draining survives provisioning", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		must(t, s.SetAccountState(ctx, "a1", store.AccountState{Draining: true}))
		d := desired()
		d.Accounts[0].Weight = 8
		got(s.Provision(ctx, d))(t)
		if a := got(s.Accounts(ctx))(t)[0]; !a.Draining || a.Paused || a.Weight != 8 {
			t.Errorf("a1 = %+v", a)
		}
		must(t, s.SetAccountState(ctx, "a1", store.AccountState{}))
		if a := got(s.Accounts(ctx))(t)[0]; a.Draining {
			t.Errorf("a1 = %+v", a)
		}
	})

	t.Run("the last use only grows", func(t *testing.T) {
		s := open(t)
		got(s.Provision(ctx, desired()))(t)
		k, a := got(s.Keys(ctx))(t)[0], got(s.Accounts(ctx))(t)[1]
		late, early := time.UnixMilli(1_800_000_000_123), time.UnixMilli(1_700_000_000_000)
		for _, at := range []time.Time{late, early} {
			must(t, s.SaveLastUse(ctx, store.LastUse{Keys: map[domain.KeyID]time.Time{k.ID: at}, Accounts: map[domain.AccountID]time.Time{a.ID: at}}))
		}
		must(t, s.SaveLastUse(ctx, store.LastUse{}))
		k, a = got(s.Keys(ctx))(t)[0], got(s.Accounts(ctx))(t)[1]
		if !k.LastUsed.Equal(late) || !a.LastUsed.Equal(late) {
			t.Errorf("%v, %v", k.LastUsed, a.LastUsed)
		}
	})
}
