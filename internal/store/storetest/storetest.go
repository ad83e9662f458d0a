// Package storetest is the behaviour that every database behind package store
// must show. Each database's own tests call Run; a change in behaviour is a change
// here. It owns no database and must never look behind the interface.
package storetest

import (
	"context"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// Store is what the suite exercises: everything that package store offers but
// opening and closing.
type Store interface {
	Ping(context.Context) error

	Provision(context.Context, store.Desired) (store.Changes, error)
	Create(context.Context, store.Desired) error
	Accounts(context.Context) ([]domain.Account, error)
	Pools(context.Context) ([]store.Pool, error)
	Keys(context.Context) ([]domain.Key, error)
	Names(context.Context) (store.Names, error)
	Teams(context.Context) ([]domain.Team, error)
	Users(context.Context) ([]domain.User, error)
	SetAccountState(ctx context.Context, account string, state store.AccountState) error
	SetRevoked(ctx context.Context, key string, revoked bool) error
	Rotate(ctx context.Context, key string, hash [32]byte, formerUntil time.Time) error
	Replace(context.Context, store.Desired) error
	SetEnabled(ctx context.Context, kind store.Kind, name string, enabled bool) error
	SaveLastUse(context.Context, store.LastUse) error

	AppendRequests(context.Context, []store.RequestRow) error
	Requests(context.Context, store.RequestFilter) ([]store.RequestRow, error)
	Request(context.Context, domain.RequestID) (store.RequestRow, error)
	UsedSince(context.Context, time.Time) ([]store.Used, error)
	DeleteTracesBefore(context.Context, time.Time, int) (int, error)
	DeleteRequestsBefore(context.Context, time.Time, int) (int, error)

	SaveBindings(context.Context, []domain.Binding) error
	LoadBindings(context.Context, time.Time) ([]domain.Binding, error)
	DeleteBindingsBefore(context.Context, time.Time, int) (int, error)

	SaveObject(context.Context, domain.Object) error
	Object(context.Context, domain.ObjectID, time.Time) (domain.Object, error)
	DeleteObject(context.Context, domain.ObjectID) error
	DeleteObjectsBefore(context.Context, time.Time, int) (int, error)

	SaveWindows(context.Context, []store.Window) error
	LoadWindows(context.Context, time.Time) ([]store.Window, error)
	DeleteWindowsBefore(context.Context, time.Time, int) (int, error)

	Apply(context.Context, []domain.Settlement, domain.JournalPosition) error
	Applied(context.Context) (domain.JournalPosition, error)
	Durable(context.Context) error
	Restore(context.Context, []domain.Settlement) error
	Take(ctx context.Context, p domain.Spender, need, want, overdraft domain.NanoUSD, now time.Time) (got, left domain.NanoUSD, err error)
	Return(ctx context.Context, now time.Time, spenders ...domain.Spender) error
	Balance(context.Context, domain.Spender) (purse, grant domain.NanoUSD, err error)
	Credit(context.Context, store.Credit, time.Time) error
	ExpireCredits(context.Context, time.Time) (int, error)
	Spent(ctx context.Context, owner domain.Spender, since int64) ([]domain.Spent, error)
	FoldSpending(ctx context.Context, before int64) error
	CheckBooks(context.Context) (*store.Books, error)
	Settlement(context.Context, domain.RequestID) (*store.Settled, error)

	Usage(context.Context, store.UsageQuery) ([]store.UsageRow, error)
	HoursSince(context.Context) (int64, error)
	Interned(context.Context) (map[int64]string, error)
	Service(context.Context, store.ServiceQuery) ([]store.Service, error)
	FailuresBy(ctx context.Context, from, until time.Time) ([]store.Failures, error)
	DeleteSettlementsBefore(context.Context, time.Time, int) (int, error)
	DeleteHoursBefore(context.Context, time.Time, int) (int, error)
	Export(ctx context.Context, from, until time.Time, each func(store.Export) error) error
	FixedPrices(context.Context) (store.FixedPrices, error)
	OpenTeams(context.Context, store.Month) ([]int64, error)
	CloseMonth(ctx context.Context, teams []int64, month store.Month, fixed store.FixedPrices, now time.Time) error
	Statement(ctx context.Context, team int64, month store.Month, fixed store.FixedPrices) (*store.Statement, error)

	SaveRests(context.Context, []store.Rest) error
	LoadRests(context.Context, time.Time) ([]store.Rest, error)
	EndRests(context.Context, []store.RestKey) error
	DeleteRestsBefore(context.Context, time.Time, int) (int, error)
}

var _ Store = (*store.Store)(nil)

// Run exercises the store that open gives, which must be empty each time and is
// closed by open's own cleanup.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, g := range []struct {
		name string
		f    func(*testing.T, func(*testing.T) Store)
	}{
		{"objects", objects}, {"owners", owners}, {"requests", requests}, {"bindings", bindings}, {"owned", owned}, {"rests", rests}, {"windows", windows}, {"ledger", ledger}, {"usage", usage},
	} {
		t.Run(g.name, func(t *testing.T) { g.f(t, open) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}
