package app

import (
	"context"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/store"
)

// Records reads what was written down about requests, also while a gateway runs on
// the same data directory.
type Records struct {
	store *store.Store
	names store.Names
}

// Summary is one request's record with the names of what it concerned.
type Summary struct {
	store.RequestRow
	KeyName, PoolName, AccountName, ClassName string

	Cost *Cost // Find fills it; nil: nothing is booked
}

// Cost is what a request was settled with.
type Cost struct {
	store.Settled
	Payer string // "team:NAME"
}

// RecordFilter chooses records by names; empty fields choose everything.
type RecordFilter struct {
	Key, Account, Model, Outcome string
	Failed                       bool
	Since, Until                 time.Time
	Before                       domain.RequestID
	Limit                        int
}

// OpenRecords opens a data directory for reading.
func OpenRecords(ctx context.Context, dataDir string) (*Records, error) {
	s, err := store.Open(ctx, store.Options{Dir: dataDir, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	names, err := s.Names(ctx)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return &Records{s, names}, nil
}

// Close closes the store.
func (r *Records) Close() error { return r.store.Close() }

// List gives records, the newest first. A name that is not known is a domain error.
func (r *Records) List(ctx context.Context, f RecordFilter) ([]Summary, error) {
	q := store.RequestFilter{Model: f.Model, Failed: f.Failed, Since: f.Since, Until: f.Until, Before: f.Before, Limit: f.Limit}
	const op = "choose requests"
	if f.Key != "" {
		for id, n := range r.names.Keys {
			if n == f.Key {
				q.Key = id
			}
		}
		if q.Key == 0 {
			return nil, domain.Errorf(domain.KindNotFound, op, "there is no key named %q", f.Key)
		}
	}
	if f.Account != "" {
		for id, n := range r.names.Accounts {
			if n == f.Account {
				q.Account = id
			}
		}
		if q.Account == 0 {
			return nil, domain.Errorf(domain.KindNotFound, op, "there is no account named %q", f.Account)
		}
	}
	if f.Outcome != "" {
		var ok bool
		if q.Outcome, ok = store.ParseOutcome(f.Outcome); !ok {
			return nil, domain.Errorf(domain.KindInvalid, op, "the outcome %q is not one of ok, failed, cut, canceled, refused", f.Outcome)
		}
	}
	rows, err := r.store.Requests(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]Summary, len(rows))
	for i := range rows {
		out[i] = r.named(rows[i])
	}
	return out, nil
}

// Find gives one record with its trace.
func (r *Records) Find(ctx context.Context, id domain.RequestID) (Summary, error) {
	row, err := r.store.Request(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	out := r.named(row)
	settled, err := r.store.Settlement(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	if settled != nil {
		out.Cost = &Cost{*settled, settled.Payer.Kind.String() + ":" + r.ownerName(store.BookAccount{Kind: store.AccountKind(settled.Payer.Kind), Ref: settled.Payer.ID})}
	}
	return out, nil
}

// Account names an account.
func (r *Records) Account(id domain.AccountID) string { return r.names.Accounts[id] }

// AccountID is an account's id by its name; 0: there is none.
func (r *Records) AccountID(name string) domain.AccountID {
	for id, n := range r.names.Accounts {
		if n == name {
			return id
		}
	}
	return 0
}

func (r *Records) named(row store.RequestRow) Summary {
	s := Summary{RequestRow: row, KeyName: r.names.Keys[row.Key], PoolName: r.names.Pools[row.Pool], AccountName: r.names.Accounts[row.Account]}
	if row.Outcome != store.OutcomeOK && (row.Class != 0 || row.Attempts > 0) && row.Outcome != store.OutcomeCanceled {
		s.ClassName = failover.Class(row.Class).String()
	}
	return s
}
