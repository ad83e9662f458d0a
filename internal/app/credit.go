package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"turnout/internal/admin"
	"turnout/internal/domain"
	"turnout/internal/ledger"
	"turnout/internal/store"
)

const crediting = "credit an owner"

// owner finds a key, user or team by its name.
func (s *stored) owner(kind, name string) (o ledger.Owner, ok bool) {
	o.Name = name
	switch kind {
	case admin.Keys:
		if i := slices.IndexFunc(s.keys, func(k domain.Key) bool { return k.Name == name }); i >= 0 {
			o.Spender, o.Spending, ok = domain.Spender{Kind: domain.SpenderKey, ID: int64(s.keys[i].ID)}, s.keys[i].Spending, true
		}
	case admin.Users:
		if i := slices.IndexFunc(s.users, func(u domain.User) bool { return u.Name == name }); i >= 0 {
			o.Spender, o.Spending, ok = domain.Spender{Kind: domain.SpenderUser, ID: int64(s.users[i].ID)}, s.users[i].Spending, true
		}
	case admin.Teams:
		if i := slices.IndexFunc(s.teams, func(t domain.Team) bool { return t.Name == name }); i >= 0 {
			o.Spender, o.Spending, ok = domain.Spender{Kind: domain.SpenderTeam, ID: int64(s.teams[i].ID)}, s.teams[i].Spending, true
		}
	}
	return o, ok
}

// credit books money for an owner, or takes it back.
func (a *App) credit(ctx context.Context, kind, name string, body []byte) (any, error) {
	var ask admin.CreditAsk
	if err := admin.Decode(body, &ask); err != nil {
		return nil, err
	}
	amount, err := admin.ParseUSD(ask.AmountUSD)
	if err != nil {
		return nil, domain.Errorf(domain.KindInvalid, crediting, "amount_usd: %v", err)
	}
	now := time.Now()
	if !ask.Expires.IsZero() && !ask.Expires.After(now) {
		return nil, domain.Errorf(domain.KindInvalid, crediting, "the credit would have expired already, at %s", ask.Expires.UTC().Format(time.RFC3339))
	}
	s, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	o, ok := s.owner(kind, name)
	if !ok {
		return nil, nobody(kind[:len(kind)-1], name)
	}
	err = a.store.Credit(ctx, store.Credit{To: o.Spender, Amount: amount, Ref: ask.Ref, Note: ask.Note, Expires: ask.Expires}, now)
	if errors.Is(err, store.ErrBooked) {
		return nil, domain.Errorf(domain.KindInvalid, crediting, "a credit with the reference %q has been booked already; nothing was booked now", ask.Ref)
	}
	if err != nil {
		return nil, err
	}
	if a.book != nil {
		a.book.Credited(o.Spender)
	}
	return a.balance(ctx, o)
}

// balance is what an owner has, and how far its budgets are spent.
func (a *App) balance(ctx context.Context, o ledger.Owner) (b admin.Balance, err error) {
	b.Owner, b.Prepaid, b.Overdraft = o.Spender.Kind.String()+":"+o.Name, o.Spending.Prepaid, o.Spending.Overdraft
	if a.book != nil { // what is settled and not yet booked counts too
		if err := a.book.Flush(ctx); err != nil {
			return b, err
		}
	}
	purse, grant, err := a.store.Balance(ctx, o.Spender)
	if err != nil {
		return b, err
	}
	b.Balance = purse + grant
	if a.book == nil {
		return b, nil
	}
	st := a.book.Standing(o.Spender, time.Now())
	b.Held = st.Held
	for _, g := range st.Budgets {
		b.Budgets = append(b.Budgets, admin.BudgetState{Name: g.Label(), Spent: g.Spent, Soft: g.Soft, Hard: g.Hard, Until: g.Until})
	}
	return b, nil
}

// balances lists owners that have money, owe some, or have limits.
func (a *App) balances(ctx context.Context, s *stored) (any, error) {
	out := []admin.Balance{}
	add := func(kind, name string) error {
		o, _ := s.owner(kind, name)
		b, err := a.balance(ctx, o)
		if err == nil && (b.Balance != 0 || b.Prepaid || len(o.Spending.Budgets) > 0) {
			out = append(out, b)
		}
		return err
	}
	var errs []error
	for i := range s.teams {
		errs = append(errs, add(admin.Teams, s.teams[i].Name))
	}
	for i := range s.users {
		errs = append(errs, add(admin.Users, s.users[i].Name))
	}
	for i := range s.keys {
		errs = append(errs, add(admin.Keys, s.keys[i].Name))
	}
	return out, errors.Join(errs...)
}
