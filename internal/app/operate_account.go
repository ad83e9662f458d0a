package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"turnout/internal/admin"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/gateway"
	"turnout/internal/sched"
	"turnout/internal/store"
)

// mostRest is how long an operator can let an account rest; to take one out for good it is paused.
const mostRest = 30 * 24 * time.Hour

func (a *App) findAccount(ctx context.Context, name string) (*stored, *domain.Account, error) {
	s, err := a.stored(ctx)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(s.accounts, func(x domain.Account) bool { return x.Name == name })
	if i < 0 {
		return nil, nil, nobody("account", name)
	}
	return &s, &s.accounts[i], nil
}

func (a *App) doAccount(ctx context.Context, name, action string, body []byte) (any, error) {
	_, acc, err := a.findAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	state, set := store.AccountState{}, true
	switch action {
	case "pause":
		state.Paused = true
	case "drain":
		state.Draining = true
	case "resume":
	case "rest":
		set = false
		var want admin.AccountRest
		if err = admin.Decode(body, &want); err == nil {
			err = a.restAccount(acc, want)
		}
	default:
		return nil, unknownAction(admin.Accounts, action, "edit", "test", "pause", "drain", "resume", "rest")
	}
	if set {
		if err = admin.Decode(body, &struct{}{}); err == nil {
			err = a.store.SetAccountState(ctx, name, state)
		}
		if err == nil {
			err = a.apply(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	s, _, err := a.findAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	list := a.listAccounts(s)
	return list[slices.IndexFunc(list, func(x admin.Account) bool { return x.Name == name })], nil
}

// restAccount lets an account rest, or ends all of its rests, its organisation's with them: an operator knows better.
func (a *App) restAccount(acc *domain.Account, want admin.AccountRest) error {
	const op = "let an account rest"
	if want.Clear == (want.For != "") {
		return domain.Errorf(domain.KindInvalid, op, "say how long it is to rest (for), or that it is not (clear)")
	}
	organization := sched.OrganizationKey(acc.Platform, sched.OrganizationOf(acc))
	if want.Clear {
		a.cells.Each(func(k sched.RestKey, r *sched.Rest) {
			if k.Account == acc.ID || k == organization {
				r.Clear()
				a.rests.end(k)
			}
		})
		return nil
	}
	d, err := parseFor("for", want.For, mostRest)
	if err != nil {
		return err
	}
	k := sched.AccountKey(acc.ID)
	if r := a.cells.Rest(k); d > 0 && r.Extend(time.Now().Add(d), uint8(failover.ByOperator), sched.EndStated) {
		a.rests.note(k, r)
	}
	return nil
}

func (a *App) testAccount(ctx context.Context, name string, body []byte) (any, error) {
	var want admin.AccountTest
	if err := admin.Decode(body, &want); err != nil {
		return nil, err
	}
	_, acc, err := a.findAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	return gateway.TestAccount(ctx, a.client, acc, want.Model)
}

// accountRests are the rests of accounts and organisations that keep requests out now.
func (a *App) accountRests(now time.Time) map[sched.RestKey]admin.Rest {
	out := map[sched.RestKey]admin.Rest{}
	a.cells.Each(func(k sched.RestKey, r *sched.Rest) {
		until, ends := r.Until()
		if ends && !until.After(now) {
			return
		}
		row := admin.Rest{Class: failover.Class(r.Class()).String()}
		if ends {
			row.Until = moment(until)
		}
		switch k.Scope {
		case sched.RestAccount:
			row.Scope = failover.ScopeAccount.String()
		case sched.RestAccountModel:
			row.Scope, row.Model = failover.ScopeAccountModel.String(), k.Name
		case sched.RestOrganization:
			row.Scope = failover.ScopeOrganization.String()
		default:
			return // a provider's model, which no single account can help
		}
		out[k] = row
	})
	return out
}

func (a *App) listAccounts(s *stored) []admin.Account {
	now, rests, sessions, quotas := time.Now(), a.accountRests(time.Now()), a.memory.Sessions(), map[string][]admin.Quota{}
	if a.gateway != nil {
		a.gateway.EachQuota(func(account, window string, used float64) {
			quotas[account] = append(quotas[account], admin.Quota{Window: window, Used: float64(int(used*1e4+0.5)) / 1e4})
		})
	}
	byAccount := map[domain.AccountID][]admin.Rest{}
	for k, r := range rests {
		if k.Account != 0 {
			byAccount[k.Account] = append(byAccount[k.Account], r)
		}
	}
	out := []admin.Account{}
	for i := range s.accounts {
		x := &s.accounts[i]
		live := a.cells.Live(x.ID)
		row := admin.Account{
			Name: x.Name, ID: x.ID, Origin: x.Origin.String(), Platform: x.Platform, BaseURL: x.BaseURL, Organization: x.Organization, Labels: x.Labels, Pools: x.Pools,
			Priority: x.Priority, Weight: x.Weight, InFlight: live.InFlight(), MaxInFlight: x.MaxInFlight, Sessions: sessions[x.ID], Rests: byAccount[x.ID],
			Quotas: byName(quotas[x.Name], func(q admin.Quota) string { return q.Window }), LastUsed: moment(later(x.LastUsed, live.LastUsed())),
		}
		if r, ok := rests[sched.OrganizationKey(x.Platform, sched.OrganizationOf(x))]; ok {
			row.Rests = append(row.Rests, r)
		}
		slices.SortFunc(row.Rests, func(a, b admin.Rest) int { return strings.Compare(a.Scope+"\x00"+a.Model, b.Scope+"\x00"+b.Model) })
		row.State = accountState(x, row.Rests, now)
		out = append(out, row)
	}
	return byName(out, func(x admin.Account) string { return x.Name })
}

func accountState(x *domain.Account, rests []admin.Rest, now time.Time) string {
	switch {
	case !x.Enabled:
		return admin.StateDisabled
	case !x.Limits.Expires.IsZero() && !now.Before(x.Limits.Expires):
		return admin.StateExpired
	case x.Paused:
		return admin.StatePaused
	case x.Draining:
		return admin.StateDraining
	case slices.ContainsFunc(rests, func(r admin.Rest) bool { return r.Model == "" }):
		return admin.StateResting
	}
	return admin.StateEligible
}

func (a *App) listPools(s *stored) ([]admin.Pool, error) {
	accounts := a.listAccounts(s)
	out := []admin.Pool{}
	for _, p := range s.pools {
		pol, err := readPolicy(p)
		if err != nil {
			return nil, err
		}
		row := admin.Pool{
			Name: p.Name, ID: p.ID, Origin: p.Origin.String(), State: enabled(p.Enabled), Strategy: pol.Strategy.String(), Profile: pol.Policy.Profile,
			Require: p.Require, Rates: pol.Rates, Spending: spendingOf(&p.Spending),
		}
		for _, x := range accounts {
			if x.State == admin.StateDisabled || !slices.Contains(x.Pools, p.Name) || !x.Labels.Satisfy(p.Require) {
				continue
			}
			row.Accounts++
			if x.State == admin.StateEligible {
				row.Eligible++
			}
		}
		for i := range s.keys {
			if slices.Contains(s.keys[i].Pools, p.Name) && s.keys[i].Enabled && !s.keys[i].Revoked {
				row.Keys++
			}
		}
		out = append(out, row)
	}
	return byName(out, func(p admin.Pool) string { return p.Name }), nil
}
