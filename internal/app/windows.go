package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
	"turnout/internal/store"
)

// windowsEvery is how often quota windows that have moved are written.
const windowsEvery = 10 * time.Second

// saveWindows writes what is known of quota windows that moved since the last time. What fails is tried again with the next.
func (a *App) saveWindows(ctx context.Context) {
	now := time.Now()
	var list []store.Window
	a.cells.EachQuota(func(k sched.QuotaKey, q *sched.Quota) {
		for _, w := range q.Save(a.windowsSaved, now) {
			state, err := json.Marshal(w)
			if err != nil {
				a.log.Error("keep quota windows", "error", err.Error())
				continue
			}
			list = append(list, store.Window{Subject: strconv.FormatInt(int64(k.Account), 10) + "\x00" + k.Name, Name: w.Window, State: state, Until: w.Until()})
		}
	})
	if err := a.store.SaveWindows(ctx, list); err != nil {
		a.log.Error("keep quota windows", "error", err.Error())
		return
	}
	a.windowsSaved = now
}

// restoreWindows takes over what a former process knew.
func (a *App) restoreWindows(ctx context.Context, now time.Time) error {
	list, err := a.store.LoadWindows(ctx, now)
	if err != nil {
		return err
	}
	for _, w := range list {
		id, name, ok := strings.Cut(w.Subject, "\x00")
		n, err := strconv.ParseInt(id, 10, 64)
		if !ok || err != nil {
			return fmt.Errorf("a stored quota window has the subject %q", w.Subject)
		}
		var saved sched.SavedWindow
		if err := json.Unmarshal(w.State, &saved); err != nil {
			return fmt.Errorf("read the stored quota window %s of %q: %w", w.Name, w.Subject, err)
		}
		a.cells.Quota(sched.QuotaKey{Account: domain.AccountID(n), Name: name}).Restore(&saved, now)
	}
	a.windowsSaved = now
	return nil
}
