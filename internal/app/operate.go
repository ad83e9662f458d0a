package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnout/internal/admin"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/sched"
	"turnout/internal/store"
)

// What operators do to objects while the gateway runs, or on the store of one that does not: admin.Operator. Each change goes to the
// store first, then into a snapshot that is swapped in; when a call returns, the next request finds the change.

var _ admin.Operator = (*App)(nil)

func unknownAction(kind, action string, there ...string) error {
	return domain.Errorf(domain.KindNotFound, "do something with an object", "nothing called %q can be done with %s; what can: %s", action, kind, strings.Join(there, ", "))
}

// List implements admin.Operator.
func (a *App) List(ctx context.Context, kind string) (any, error) {
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	switch kind {
	case admin.Keys:
		return a.listKeys(&s), nil
	case admin.Accounts:
		return a.listAccounts(&s), nil
	case admin.Pools:
		return a.listPools(&s)
	case admin.Teams:
		return listTeams(&s), nil
	case admin.Balances:
		return a.balances(ctx, &s)
	default:
		return listUsers(&s), nil
	}
}

// Create implements admin.Operator.
func (a *App) Create(ctx context.Context, kind string, object []byte) (any, error) {
	a.reload.Lock()
	defer a.reload.Unlock()
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	piece, err := config.ParsePiece(kind, object, a.known(&s), Platforms())
	if err != nil {
		return nil, err
	}
	want, err := desired(piece)
	if err != nil {
		return nil, err
	}
	done := admin.Done{State: admin.StateActive}
	var secret string
	switch kind {
	case admin.Keys:
		k := &want.Keys[0]
		if k.Hash == [32]byte{} {
			secret, k.Hash = newSecret()
		}
		done.Name = k.Name
	case admin.Accounts:
		done.Name, done.State = want.Accounts[0].Name, admin.StateEligible
	case admin.Pools:
		done.Name = want.Pools[0].Name
	case admin.Teams:
		done.Name = want.Teams[0].Name
	case admin.Users:
		done.Name = want.Users[0].Name
	}
	if err := a.wouldWork(s, want); err != nil {
		return nil, err
	}
	if err := a.store.Create(ctx, want); err != nil {
		return nil, plainly(err)
	}
	if err := a.apply(ctx); err != nil {
		return nil, err
	}
	a.did("create", kind, done.Name)
	if kind == admin.Keys {
		return admin.NewKey{Name: done.Name, Secret: secret}, nil
	}
	return done, nil
}

// plainly is an error of the store in words for the asker: those of the innermost error.
func plainly(err error) error {
	var e *domain.Error
	if errors.As(err, &e) {
		return e
	}
	return err
}

// Do implements admin.Operator.
func (a *App) Do(ctx context.Context, kind, name, action string, body []byte) (any, error) {
	if kind == admin.Accounts && action == "test" {
		return a.testAccount(ctx, name, body) // takes its time, and changes nothing
	}
	a.reload.Lock()
	defer a.reload.Unlock()
	var out any
	var err error
	switch {
	case action == admin.CreditAction && kind != admin.Accounts && kind != admin.Pools:
		out, err = a.credit(ctx, kind, name, body)
	case action == "edit":
		out, err = a.edit(ctx, kind, name, body)
	case kind == admin.Keys:
		out, err = a.doKey(ctx, name, action, body)
	case kind == admin.Accounts:
		out, err = a.doAccount(ctx, name, action, body)
	case kind == admin.Teams, kind == admin.Users:
		out, err = a.doOwner(ctx, kind, name, action, body)
	default:
		err = unknownAction(kind, action, "edit")
	}
	if err != nil {
		return nil, plainly(err)
	}
	a.did(action, kind, name)
	return out, nil
}

// apply makes the store's objects those that requests find. Without a gateway there is nobody to find them.
func (a *App) apply(ctx context.Context) error {
	if a.gateway == nil {
		return nil
	}
	snap, err := a.compile(ctx, a.current.Load())
	if err != nil {
		return fmt.Errorf("the change is stored, and could not be put in force: %w", err)
	}
	a.gateway.Swap(snap)
	return nil
}

// did logs a change.
func (a *App) did(action, kind, name string) {
	a.log.Info("changed by an operator", "by", "admin token", "action", action, "kind", kind, "name", name)
}

// known are the names that an object may name. The file's count too where there is no gateway that has taken them over.
func (a *App) known(s *stored) (k config.Known) {
	for _, p := range s.pools {
		if p.Enabled {
			k.Pools = append(k.Pools, p.Name)
		}
	}
	for _, t := range s.teams {
		if t.Enabled {
			k.Teams = append(k.Teams, t.Name)
		}
	}
	for _, u := range s.users {
		if u.Enabled {
			k.Users = append(k.Users, u.Name)
		}
	}
	if a.gateway == nil {
		for _, p := range a.config.Pools {
			k.Pools = append(k.Pools, p.Name)
		}
		for _, t := range a.config.Teams {
			k.Teams = append(k.Teams, t.Name)
		}
		for _, u := range a.config.Users {
			k.Users = append(k.Users, u.Name)
		}
	}
	return k
}

// wouldWork tries what is there together with what is wanted, before anything is written.
func (a *App) wouldWork(s stored, want store.Desired) error {
	const op = "try the object"
	last := domain.AccountID(0)
	for _, acc := range s.accounts {
		last = max(last, acc.ID)
	}
	for _, acc := range want.Accounts {
		last++
		acc.ID, acc.Enabled = last, true
		s.accounts = append(s.accounts, acc)
	}
	s.pools = append(s.pools, want.Pools...)
	keys, torn := domain.Link(want.Keys, append(s.users, want.Users...), append(s.teams, want.Teams...))
	if len(torn) > 0 {
		return domain.Errorf(domain.KindInvalid, op, "%s", torn[0])
	}
	for _, k := range keys {
		if i := slices.IndexFunc(s.keys, func(o domain.Key) bool { return o.Hash == k.Hash || o.Former == k.Hash }); i >= 0 {
			return domain.Errorf(domain.KindInvalid, op, "the key %q has the same secret: give each a secret of its own", s.keys[i].Name)
		}
	}
	s.keys = append(s.keys, keys...)
	if _, err := s.snapshot(0, a.current.Load(), sched.NewCells()); err != nil {
		return domain.Errorf(domain.KindInvalid, op, "%v", err)
	}
	return nil
}

// doOwner disables and enables teams and users.
func (a *App) doOwner(ctx context.Context, kind, name, action string, body []byte) (any, error) {
	if err := admin.Decode(body, &struct{}{}); err != nil {
		return nil, err
	}
	if action != "disable" && action != "enable" {
		return nil, unknownAction(kind, action, "edit", "disable", "enable")
	}
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	noun, of := "team", store.KindTeam
	origin, exists := domain.Origin(0), false
	if kind == admin.Users {
		noun, of = "user", store.KindUser
		if i := slices.IndexFunc(s.users, func(u domain.User) bool { return u.Name == name }); i >= 0 {
			origin, exists = s.users[i].Origin, true
		}
	} else if i := slices.IndexFunc(s.teams, func(t domain.Team) bool { return t.Name == name }); i >= 0 {
		origin, exists = s.teams[i].Origin, true
	}
	switch {
	case !exists:
		return nil, nobody(noun, name)
	case origin == domain.OriginFile:
		return nil, domain.Errorf(domain.KindInvalid, "disable an owner", "the %s %q is in the configuration file: take it out there (or put it back), and run turnout reload", noun, name)
	}
	if err := a.store.SetEnabled(ctx, of, name, action == "enable"); err != nil {
		return nil, err
	}
	state := admin.StateDisabled
	if action == "enable" {
		state = admin.StateActive
	}
	return admin.Done{Name: name, State: state}, a.apply(ctx)
}

func nobody(noun, name string) error {
	return domain.Errorf(domain.KindNotFound, "find an object", "there is no %s %q (turnout %ss list shows them)", noun, name, noun)
}

func listTeams(s *stored) []admin.Owner {
	out := []admin.Owner{}
	for _, t := range s.teams {
		o := admin.Owner{
			Name: t.Name, ID: int64(t.ID), Origin: t.Origin.String(), State: enabled(t.Enabled), Models: t.Models, Deny: t.Deny, Require: t.Require, Tags: t.Tags,
			Rates: t.Rates, Spending: spendingOf(&t.Spending),
		}
		for i := range s.keys {
			if own := s.keys[i].Owner.Team; own != nil && own.Name == t.Name {
				o.Keys++
			}
		}
		out = append(out, o)
	}
	return byName(out, func(o admin.Owner) string { return o.Name })
}

func listUsers(s *stored) []admin.Owner {
	out := []admin.Owner{}
	for _, u := range s.users {
		o := admin.Owner{
			Name: u.Name, ID: int64(u.ID), Origin: u.Origin.String(), State: enabled(u.Enabled), Team: u.Team, Models: u.Models, Deny: u.Deny, Require: u.Require,
			Tags: u.Tags, Rates: u.Rates, Spending: spendingOf(&u.Spending),
		}
		for i := range s.keys {
			if s.keys[i].User == u.Name {
				o.Keys++
			}
		}
		out = append(out, o)
	}
	return byName(out, func(o admin.Owner) string { return o.Name })
}

func enabled(is bool) string {
	if is {
		return admin.StateActive
	}
	return admin.StateDisabled
}

func byName[T any](list []T, name func(T) string) []T {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
	return list
}

// spendingOf says what an object says of money in the configuration's words.
func spendingOf(s *domain.Spending) (out admin.Spending) {
	usd := func(n domain.NanoUSD) string {
		if n == 0 {
			return ""
		}
		return strings.TrimPrefix(n.String(), "$")
	}
	out.Prepaid, out.OverdraftUSD = s.Prepaid, usd(s.Overdraft)
	if s.Factor != 0 {
		m := s.Factor.Millionths()
		out.PriceFactor = strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%06d", m/1_000_000, m%1_000_000), "0"), ".")
	}
	for _, b := range s.Budgets {
		out.Budgets = append(out.Budgets, admin.Budget{
			Name: b.Name, Period: b.Period.String(), Rolling: b.Rolling, Zone: b.Zone, SoftUSD: usd(b.Soft), HardUSD: usd(b.Hard),
		})
	}
	return out
}

// moment is a time for a list; zero: none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// parseFor reads a duration as the configuration writes them: 90s, 10m, 1h30m, 7d.
func parseFor(what, s string, most time.Duration) (time.Duration, error) {
	var d time.Duration
	var err error
	if n, ok := strings.CutSuffix(s, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(n, 10, 8)
		d = time.Duration(days) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < 0 || d > most {
		return 0, domain.Errorf(domain.KindInvalid, "read a duration", "%s is %q; want a duration such as 90s, 10m, 24h or 7d, at most %dd", what, s, most/(24*time.Hour))
	}
	return d, nil
}
