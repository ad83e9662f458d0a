package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/sched/rest"
	"turnout/internal/store"
)

// restLog gathers the rests that must survive a restart until they are written.
// Safe for concurrent use.
type restLog struct {
	mu    sync.Mutex
	dirty map[sched.RestKey]*sched.Rest
	ended map[sched.RestKey]bool
}

// note remembers a rest that began or grew.
func (l *restLog) note(k sched.RestKey, r *sched.Rest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty == nil {
		l.dirty = map[sched.RestKey]*sched.Rest{}
	}
	l.dirty[k] = r
	delete(l.ended, k)
}

// end forgets a rest.
func (l *restLog) end(k sched.RestKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.dirty, k)
	if l.ended == nil {
		l.ended = map[sched.RestKey]bool{}
	}
	l.ended[k] = true
}

// drain hands over what happened since the last call.
func (l *restLog) drain() (rests []store.Rest, ended []store.RestKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, r := range l.dirty {
		until, ok := r.Until()
		if ok && until.IsZero() {
			continue // it has ended already
		}
		rests = append(rests, store.Rest{RestKey: storeKey(k), Until: until, Class: r.Class(), Streak: r.Streak()})
	}
	for k := range l.ended {
		ended = append(ended, storeKey(k))
	}
	clear(l.dirty)
	clear(l.ended)
	return rests, ended
}

// scopes maps the scheduler's cells to the numbers that are stored.
var scopes = map[int]failover.Scope{
	sched.RestAccount: failover.ScopeAccount, sched.RestAccountModel: failover.ScopeAccountModel,
	sched.RestOrganization: failover.ScopeOrganization, sched.RestProvider: failover.ScopeProvider,
}

func storeKey(k sched.RestKey) store.RestKey {
	return store.RestKey{Scope: uint8(scopes[k.Scope]), Subject: strconv.FormatInt(int64(k.Account), 10) + "\x00" + k.Name}
}

func schedKey(k store.RestKey) (sched.RestKey, error) {
	id, name, ok := strings.Cut(k.Subject, "\x00")
	n, err := strconv.ParseInt(id, 10, 64)
	if !ok || err != nil {
		return sched.RestKey{}, fmt.Errorf("a stored rest has the subject %q", k.Subject)
	}
	for cell, s := range scopes {
		if uint8(s) == k.Scope {
			return sched.RestKey{Scope: cell, Account: domain.AccountID(n), Name: name}, nil
		}
	}
	return sched.RestKey{}, fmt.Errorf("a stored rest has the scope %d", k.Scope)
}

// restore takes over the bindings and rests of a former process.
func (a *App) restore(ctx context.Context) error {
	now := time.Now()
	bindings, err := a.store.LoadBindings(ctx, now)
	if err != nil {
		return err
	}
	a.memory.Load(bindings)
	rests, err := a.store.LoadRests(ctx, now)
	if err != nil {
		return err
	}
	for _, r := range rests {
		k, err := schedKey(r.RestKey)
		if err != nil {
			return err
		}
		cell := a.cells.Rest(k)
		cell.Restore(r.Until, r.Class, rest.End(failover.Class(r.Class)), r.Streak)
		if r.Until.Sub(now) > sched.AskEarly {
			cell.AskAgain(now.Add(sched.AskEarly))
		}
	}
	if err := a.restoreDay(ctx, now); err != nil {
		return err
	}
	if err := a.restoreWindows(ctx, now); err != nil {
		return err
	}
	if len(bindings)+len(rests) > 0 {
		a.log.Info("taken over from the last run", "sessions", len(bindings), "rests", len(rests))
	}
	return nil
}

// restoreDay adds up what accounts with a limit of a day were used for today: a restart gives no new day.
func (a *App) restoreDay(ctx context.Context, now time.Time) error {
	if !slices.ContainsFunc(a.config.Accounts, func(acc domain.Account) bool { return acc.Limits.Counted() }) {
		return nil
	}
	used, err := a.store.UsedSince(ctx, now.UTC().Truncate(24*time.Hour))
	for _, u := range used {
		a.cells.Meter(u.Account).Restore(u.Requests, u.Tokens, now)
	}
	return err
}

// flush writes bindings and rests that changed. What fails is tried again with the next flush
// only as far as it changes again; both are reconstructible.
func (a *App) flush(ctx context.Context) {
	if err := a.store.SaveBindings(ctx, a.memory.Drain()); err != nil {
		a.log.Error("keep session bindings", "error", err.Error())
	}
	rests, ended := a.rests.drain()
	if err := a.store.SaveRests(ctx, rests); err != nil {
		a.log.Error("keep rests", "error", err.Error())
	}
	if err := a.store.EndRests(ctx, ended); err != nil {
		a.log.Error("end rests", "error", err.Error())
	}
}

// sweep deletes what is past its retention, a bounded number of rows at a time.
func (a *App) sweep(ctx context.Context) {
	now, c := time.Now(), a.current.Load()
	for what, del := range map[string]func() (int, error){
		"traces": func() (int, error) {
			return a.store.DeleteTracesBefore(ctx, now.Add(-c.TraceRetention), sweepRows)
		},
		"requests": func() (int, error) {
			return a.store.DeleteRequestsBefore(ctx, now.Add(-c.RequestRetention), sweepRows)
		},
		// By whole days, so that what is carried forward is little.
		"settlements": func() (int, error) {
			return a.store.DeleteSettlementsBefore(ctx, now.Add(-c.UsageRetention).Truncate(24*time.Hour), sweepRows)
		},
		"usage by hours": func() (int, error) {
			return a.store.DeleteHoursBefore(ctx, now.Add(-c.UsageRetention), sweepRows)
		},
		"bindings": func() (int, error) { return a.store.DeleteBindingsBefore(ctx, now, sweepRows) },
		"objects":  func() (int, error) { return a.store.DeleteObjectsBefore(ctx, now, sweepRows) },
		"windows":  func() (int, error) { return a.store.DeleteWindowsBefore(ctx, now, sweepRows) },
		"rests":    func() (int, error) { return a.store.DeleteRestsBefore(ctx, now, sweepRows) },
	} {
		for range 20 {
			n, err := del()
			if err != nil {
				a.log.Error("sweep", "what", what, "error", err.Error())
				break
			}
			if n < sweepRows {
				break
			}
		}
	}
}
