package app

import (
	"context"
	"fmt"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// Books is what a check of the books has found.
type Books struct {
	Accounts    []BookAccount `json:"accounts"`
	Settlements int64         `json:"settlements"`
	Transfers   int64         `json:"transfers"`
	Wrong       []string      `json:"wrong"` // what does not fit; empty: all of it does
}

// BookAccount is one account of the books.
type BookAccount struct {
	Name    string         `json:"name"`
	Debits  domain.NanoUSD `json:"debits_nano_usd"`
	Credits domain.NanoUSD `json:"credits_nano_usd"`
}

// CheckBooks adds the books up anew.
func (r *Records) CheckBooks(ctx context.Context) (*Books, error) {
	b, err := r.store.CheckBooks(ctx)
	if err != nil {
		return nil, err
	}
	out := &Books{Settlements: b.Settlements, Transfers: b.Transfers, Wrong: append([]string{}, b.Wrong...), Accounts: []BookAccount{}}
	for _, a := range b.Accounts {
		name := a.Kind.String()
		if a.Ref != 0 {
			if n := r.ownerName(a); n != "" {
				name += " " + n
			} else {
				name += fmt.Sprintf(" number %d", a.Ref)
			}
		}
		out.Accounts = append(out.Accounts, BookAccount{name, a.Debits, a.Credits})
	}
	return out, nil
}

// ownerName names whose an account of the books is.
func (r *Records) ownerName(a store.BookAccount) string {
	switch a.Kind {
	case store.AccountKeyPurse, store.AccountGrant + store.AccountKeyPurse:
		return r.names.Keys[domain.KeyID(a.Ref)]
	case store.AccountUserPurse, store.AccountGrant + store.AccountUserPurse:
		return r.names.Users[domain.UserID(a.Ref)]
	case store.AccountTeamPurse, store.AccountGrant + store.AccountTeamPurse:
		return r.names.Teams[domain.TeamID(a.Ref)]
	case store.AccountPayable, store.AccountFlat:
		return r.names.Accounts[domain.AccountID(a.Ref)]
	default:
		return ""
	}
}
