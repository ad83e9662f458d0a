package app

import (
	"context"
	"sync"
	"time"

	"turnout/internal/domain"
	"turnout/internal/gateway"
	"turnout/internal/store"
)

// lastUseEvery is how often the times of last use that have moved are written. Nothing of it is done in a request.
const lastUseEvery = 10 * time.Second

// lastUse gathers when keys were used, from the records of requests, until it is written. Safe for concurrent use.
type lastUse struct {
	mu       sync.Mutex
	keys     map[domain.KeyID]time.Time // since the start
	unsaved  map[domain.KeyID]bool
	accounts map[domain.AccountID]time.Time // as they were saved
}

// note takes records in.
func (l *lastUse) note(recs []*gateway.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys, l.unsaved = map[domain.KeyID]time.Time{}, map[domain.KeyID]bool{}
	}
	for _, r := range recs {
		if r.Began.After(l.keys[r.Key]) {
			l.keys[r.Key], l.unsaved[r.Key] = r.Began, true
		}
	}
}

// of is when a key was used, as far as this process has seen it.
func (l *lastUse) of(id domain.KeyID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[id]
}

// saveLastUse writes what has moved since the last time. What fails is tried again with the next.
func (a *App) saveLastUse(ctx context.Context) {
	if a.store == nil || a.gateway == nil || a.gateway.Snapshot() == nil {
		return
	}
	u := store.LastUse{Keys: map[domain.KeyID]time.Time{}, Accounts: map[domain.AccountID]time.Time{}}
	l := &a.used
	l.mu.Lock()
	for id := range l.unsaved {
		u.Keys[id] = l.keys[id]
	}
	for _, acc := range a.gateway.Snapshot().Accounts {
		if at := a.cells.Live(acc.ID).LastUsed(); at.After(l.accounts[acc.ID]) {
			u.Accounts[acc.ID] = at
		}
	}
	l.mu.Unlock()
	if err := a.store.SaveLastUse(ctx, u); err != nil {
		a.log.Error("keep when keys and accounts were used last", "error", err.Error())
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, at := range u.Keys {
		if l.keys[id].Equal(at) {
			delete(l.unsaved, id)
		}
	}
	for id, at := range u.Accounts {
		if l.accounts == nil {
			l.accounts = map[domain.AccountID]time.Time{}
		}
		l.accounts[id] = at
	}
}
