package app

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"turnout/internal/admin"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/store"
)

// Editing an object that was made at run time: what is given takes the place of what was there, null takes it out, and what is not
// given stays.

const opEdit = "edit an object"

// edits are the settings that an edit gives, by name; null: it is taken out.
type edits map[string]json.RawMessage

func readEdits(body []byte, name string) (edits, error) {
	e := edits{}
	if err := json.Unmarshal(body, &e); err != nil || len(e) == 0 {
		return nil, domain.Errorf(domain.KindInvalid, opEdit, "want a JSON object with the settings that change, as they stand in the configuration file; null takes one out")
	}
	if _, renames := e["name"]; renames {
		return nil, domain.Errorf(domain.KindInvalid, opEdit, "%q keeps its name: records name it by that", name)
	}
	return e, nil
}

// object is what of the edits has a value, as an object of this name; beside goes along where nothing is said of it.
func (e edits) object(name string, beside map[string]any) ([]byte, error) {
	out := map[string]any{}
	for k, v := range beside {
		if _, given := e[k]; !given {
			out[k] = v
		}
	}
	for k, v := range e {
		if !bytes.Equal(bytes.TrimSpace(v), []byte("null")) {
			out[k] = v
		}
	}
	out["name"] = name
	return json.Marshal(out)
}

// apply makes the edits; copies copy one setting each from what was read to what is there.
func (e edits) apply(copies map[string]func()) error {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		f := copies[name]
		if f == nil {
			return domain.Errorf(domain.KindInvalid, opEdit, "%s is no setting that can be edited; those that can: %s", name, listOf(copies))
		}
		f()
	}
	return nil
}

func listOf(copies map[string]func()) string {
	var b bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(copies)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

func copied[T any](to *T, from T) func() { return func() { *to = from } }

func spendingCopies(to *domain.Spending, from *domain.Spending, purse, factor bool) map[string]func() {
	out := map[string]func(){"budgets": copied(&to.Budgets, from.Budgets)}
	if factor {
		out["price_factor"] = copied(&to.Factor, from.Factor)
	}
	if purse {
		out["prepaid"], out["overdraft_usd"] = copied(&to.Prepaid, from.Prepaid), copied(&to.Overdraft, from.Overdraft)
	}
	return out
}

// prepaidBeside lets an overdraft be read alone where the object is prepaid already.
func prepaidBeside(s *domain.Spending) map[string]any {
	if s.Prepaid {
		return map[string]any{"prepaid": true}
	}
	return nil
}

func overdrawn(s *domain.Spending) error {
	if s.Overdraft > 0 && !s.Prepaid {
		return domain.Errorf(domain.KindInvalid, opEdit, "overdraft_usd has no effect without prepaid: take both out, or none")
	}
	return nil
}

// edit edits one object.
func (a *App) edit(ctx context.Context, kind, name string, body []byte) (any, error) {
	e, err := readEdits(body, name)
	if err != nil {
		return nil, err
	}
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	var want store.Desired
	switch kind {
	case admin.Keys:
		want, err = a.editKey(ctx, &s, e, name)
	case admin.Accounts:
		want, err = a.editAccount(&s, e, name)
	case admin.Pools:
		want, err = a.editPool(&s, e, name)
	case admin.Teams:
		want, err = a.editTeam(&s, e, name)
	case admin.Users:
		want, err = a.editUser(&s, e, name)
	default:
		err = unknownAction(kind, "edit", "nothing")
	}
	if err != nil {
		return nil, err
	}
	s.without(want)
	if err := a.wouldWork(s, want); err != nil {
		return nil, err
	}
	if err := a.store.Replace(ctx, want); err != nil {
		return nil, err
	}
	if a.gateway == nil {
		return admin.Done{Name: name, State: admin.StateActive}, nil
	}
	before := a.gateway.Snapshot().Accounts
	if err := a.apply(ctx); err != nil {
		return nil, err
	}
	if kind == admin.Accounts {
		a.renewed(before, a.gateway.Snapshot(), store.Changes{Edited: []string{"account " + name}})
	}
	return admin.Done{Name: name, State: admin.StateActive}, nil
}

// without leaves out what is about to be replaced.
func (s *stored) without(want store.Desired) {
	for _, x := range want.Accounts {
		s.accounts = slices.DeleteFunc(s.accounts, func(o domain.Account) bool { return o.Name == x.Name })
	}
	for _, x := range want.Pools {
		s.pools = slices.DeleteFunc(s.pools, func(o store.Pool) bool { return o.Name == x.Name })
	}
	for _, x := range want.Keys {
		s.keys = slices.DeleteFunc(s.keys, func(o domain.Key) bool { return o.Name == x.Name })
	}
	for _, x := range want.Teams {
		s.teams = slices.DeleteFunc(s.teams, func(o domain.Team) bool { return o.Name == x.Name })
	}
	for _, x := range want.Users {
		s.users = slices.DeleteFunc(s.users, func(o domain.User) bool { return o.Name == x.Name })
	}
}

// editable finds an object that an edit may touch.
func editable[T any](list []T, noun, name string, is func(*T) (string, domain.Origin)) (*T, error) {
	for i := range list {
		n, origin := is(&list[i])
		if n != name {
			continue
		}
		if origin == domain.OriginFile {
			return nil, domain.Errorf(domain.KindInvalid, opEdit, "the %s %q is in the configuration file: change it there, and run turnout reload", noun, name)
		}
		return &list[i], nil
	}
	return nil, nobody(noun, name)
}

func (a *App) piece(s *stored, kind string, e edits, name string, beside map[string]any) (*config.Config, error) {
	object, err := e.object(name, beside)
	if err != nil {
		return nil, err
	}
	return config.ParsePiece(kind, object, a.known(s), Platforms())
}

func (a *App) editKey(ctx context.Context, s *stored, e edits, name string) (want store.Desired, err error) {
	keys, err := a.store.Keys(ctx) // as they are, without what their owners add
	if err != nil {
		return want, err
	}
	k, err := editable(keys, "key", name, func(k *domain.Key) (string, domain.Origin) { return k.Name, k.Origin })
	if err != nil {
		return want, err
	}
	beside := map[string]any{"pools": k.Pools}
	maps.Copy(beside, prepaidBeside(&k.Spending))
	c, err := a.piece(s, admin.Keys, e, name, beside)
	if err != nil {
		return want, err
	}
	p := &c.Keys[0]
	copies := spendingCopies(&k.Spending, &p.Spending, true, true)
	maps.Copy(copies, map[string]func(){
		"owner": func() { k.User, k.Team = p.User, p.Team }, "pools": copied(&k.Pools, p.Pools), "models": copied(&k.Models, p.Models), "deny": copied(&k.Deny, p.Deny),
		"require": copied(&k.Require, p.Require), "networks": copied(&k.Networks, p.Networks), "expires": copied(&k.Expires, p.Expires), "tags": copied(&k.Tags, p.Tags),
		"tag_header": copied(&k.TagHeader, p.TagHeader), "rates": copied(&k.Rates, p.Rates), "commit": copied(&k.Commit, p.Commit),
		"show_decision": copied(&k.Decision, p.Decision), "overrides": copied(&k.Overrides, p.Overrides),
	})
	if err := e.apply(copies); err != nil {
		return want, err
	}
	want.Keys = []domain.Key{*k}
	return want, overdrawn(&k.Spending)
}

func (a *App) editTeam(s *stored, e edits, name string) (want store.Desired, err error) {
	found, err := editable(s.teams, "team", name, func(t *domain.Team) (string, domain.Origin) { return t.Name, t.Origin })
	if err != nil {
		return want, err
	}
	t := *found
	c, err := a.piece(s, admin.Teams, e, name, prepaidBeside(&t.Spending))
	if err != nil {
		return want, err
	}
	p := &c.Teams[0]
	copies := spendingCopies(&t.Spending, &p.Spending, true, true)
	maps.Copy(copies, map[string]func(){
		"models": copied(&t.Models, p.Models), "deny": copied(&t.Deny, p.Deny), "require": copied(&t.Require, p.Require), "rates": copied(&t.Rates, p.Rates), "tags": copied(&t.Tags, p.Tags),
	})
	if err := e.apply(copies); err != nil {
		return want, err
	}
	want.Teams = []domain.Team{t}
	return want, overdrawn(&t.Spending)
}

func (a *App) editUser(s *stored, e edits, name string) (want store.Desired, err error) {
	found, err := editable(s.users, "user", name, func(u *domain.User) (string, domain.Origin) { return u.Name, u.Origin })
	if err != nil {
		return want, err
	}
	u := *found
	c, err := a.piece(s, admin.Users, e, name, prepaidBeside(&u.Spending))
	if err != nil {
		return want, err
	}
	p := &c.Users[0]
	copies := spendingCopies(&u.Spending, &p.Spending, true, false)
	maps.Copy(copies, map[string]func(){
		"team": copied(&u.Team, p.Team), "models": copied(&u.Models, p.Models), "deny": copied(&u.Deny, p.Deny), "require": copied(&u.Require, p.Require),
		"rates": copied(&u.Rates, p.Rates), "tags": copied(&u.Tags, p.Tags),
	})
	if err := e.apply(copies); err != nil {
		return want, err
	}
	want.Users = []domain.User{u}
	return want, overdrawn(&u.Spending)
}

func (a *App) editAccount(s *stored, e edits, name string) (want store.Desired, err error) {
	found, err := editable(s.accounts, "account", name, func(x *domain.Account) (string, domain.Origin) { return x.Name, x.Origin })
	if err != nil {
		return want, err
	}
	x := *found
	beside := map[string]any{"platform": x.Platform, "pools": x.Pools}
	if key := x.APIKey.Reveal(); key != "" {
		beside["api_key"] = key
	}
	if x.BaseURL != "" {
		beside["base_url"] = x.BaseURL
	}
	c, err := a.piece(s, admin.Accounts, e, name, beside)
	if err != nil {
		return want, err
	}
	p := &c.Accounts[0]
	if err := e.apply(map[string]func(){
		"base_url": copied(&x.BaseURL, p.BaseURL), "api_key": copied(&x.APIKey, p.APIKey), "organization": copied(&x.Organization, p.Organization), "labels": copied(&x.Labels, p.Labels),
		"pools": copied(&x.Pools, p.Pools), "priority": copied(&x.Priority, p.Priority), "weight": copied(&x.Weight, p.Weight), "max_concurrency": copied(&x.MaxInFlight, p.MaxInFlight),
		"input_price_usd": copied(&x.TokenPrice, p.TokenPrice), "billing": copied(&x.Flat, p.Flat), "monthly_price_usd": copied(&x.Monthly, p.Monthly), "models": copied(&x.Models, p.Models), "limits": copied(&x.Limits, p.Limits),
		"proxy": copied(&x.Proxy, p.Proxy),
	}); err != nil {
		return want, err
	}
	want.Accounts = []domain.Account{x}
	return want, nil
}

func (a *App) editPool(s *stored, e edits, name string) (want store.Desired, err error) {
	found, err := editable(s.pools, "pool", name, func(p *store.Pool) (string, domain.Origin) { return p.Name, p.Origin })
	if err != nil {
		return want, err
	}
	pool := *found
	pol, err := readPolicy(pool)
	if err != nil {
		return want, err
	}
	c, err := a.piece(s, admin.Pools, e, name, nil)
	if err != nil {
		return want, err
	}
	p := policyOf(c.Pools[0])
	copies := spendingCopies(&pool.Spending, &c.Pools[0].Spending, false, true)
	maps.Copy(copies, map[string]func(){
		"require": copied(&pool.Require, c.Pools[0].Require), "policy": copied(&pol.Policy, p.Policy), "keep_alive": copied(&pol.KeepAlive, p.KeepAlive), "commit": copied(&pol.Commit, p.Commit),
		"fallbacks": copied(&pol.Fallbacks, p.Fallbacks), "strategy": copied(&pol.Strategy, p.Strategy), "limits": copied(&pol.Limits, p.Limits), "rates": copied(&pol.Rates, p.Rates),
		"hedge": copied(&pol.Hedge, p.Hedge), "own_seat": copied(&pol.OwnSeat, p.OwnSeat), "errors": copied(&pol.Errors, p.Errors),
		"resume": copied(&pol.Resume, p.Resume), "unpriced": copied(&pol.Unpriced, p.Unpriced), "payment": copied(&pol.Payment, p.Payment),
	})
	if err := e.apply(copies); err != nil {
		return want, err
	}
	if pool.Policy, err = json.Marshal(pol); err != nil {
		return want, err
	}
	want.Pools = []store.Pool{pool}
	return want, nil
}
