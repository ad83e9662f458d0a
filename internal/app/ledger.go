package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"turnout/internal/domain"
	"turnout/internal/gateway"
	"turnout/internal/journal"
	"turnout/internal/ledger"
	"turnout/internal/store"
)

// The times of the books.
const (
	// journalSync is what a power failure can cost at most: settlements of that much time. The death of the process costs none.
	journalSync = time.Second
	applyEvery  = 100 * time.Millisecond
	tidyEvery   = time.Minute
	foldEvery   = 6 * time.Hour
	cutPatience = 5 * time.Second     // for requests that a stop has cut off
	foldAfter   = 40 * 24 * time.Hour // a month's budgets look back 33 days at most
)

// JournalDir is where settlements are written down first, in the data directory.
const JournalDir = "journal"

// openBook opens the journal, applies what a process before has left in it, and gives back what that had taken and not spent.
func (a *App) openBook(ctx context.Context, prices ledger.Prices) (err error) {
	a.journal, err = journal.Open(filepath.Join(a.config.DataDir, JournalDir), journal.Options{
		Sync: journalSync, Failed: func(err error) { a.bookFailed("keep the journal from a power failure", err) },
	})
	if err != nil {
		return err
	}
	if n := a.journal.Torn(); n > 0 {
		a.log.Warn("the end of the journal was half written when the process before died; no answer was given for it", "bytes", n, "dir", filepath.Join(a.config.DataDir, JournalDir))
	}
	a.book = ledger.NewBook(a.store, a.journal, prices, ledger.Events{Unpriced: a.unpriced, Failed: a.bookFailed, Soft: a.softLimit, Refused: a.refused})
	if err := a.book.Recover(ctx, time.Now()); err != nil {
		return fmt.Errorf("bring the books up to date: %w", err)
	}
	return nil
}

// holdings is the ledger as the gateway asks it.
type holdings struct {
	*ledger.Book
	store *store.Store
}

// Money implements gateway.Purses.
func (h holdings) Money(ctx context.Context, of domain.Spender, now time.Time) (m gateway.Money, err error) {
	st := h.Book.Standing(of, now)
	m.Prepaid, m.Budgets = st.Prepaid, st.Budgets
	if !st.Prepaid {
		return m, nil
	}
	purse, _, err := h.store.Balance(ctx, of)
	m.Left = purse + st.Granted - st.Held
	return m, err
}

// Hold implements gateway.Ledger.
func (h holdings) Hold(ctx context.Context, ask *ledger.Ask) (gateway.Holding, error) {
	held, err := h.Book.Hold(ctx, ask)
	if err != nil {
		return nil, err
	}
	return held, nil
}

// spenders are the objects that have something to spend or a limit on it.
func (s *stored) spenders() (out []ledger.Owner) {
	add := func(kind domain.SpenderKind, id int64, name string, spending domain.Spending) {
		if spending.Prepaid || spending.Factor != 0 || len(spending.Budgets) > 0 {
			out = append(out, ledger.Owner{Spender: domain.Spender{Kind: kind, ID: id}, Name: name, Spending: spending})
		}
	}
	for i := range s.keys {
		add(domain.SpenderKey, int64(s.keys[i].ID), s.keys[i].Name, s.keys[i].Spending)
	}
	for i := range s.users {
		add(domain.SpenderUser, int64(s.users[i].ID), s.users[i].Name, s.users[i].Spending)
	}
	for i := range s.teams {
		add(domain.SpenderTeam, int64(s.teams[i].ID), s.teams[i].Name, s.teams[i].Spending)
	}
	for i := range s.pools {
		add(domain.SpenderPool, int64(s.pools[i].ID), s.pools[i].Name, s.pools[i].Spending)
	}
	return out
}

// configureBook puts limits in force. While a gateway runs, a store that cannot be written keeps no key from being revoked: the limits before
// hold until the books can be brought up to date.
func (a *App) configureBook(ctx context.Context, owners []ledger.Owner) error {
	err := a.book.Configure(ctx, owners, time.Now())
	if err == nil {
		a.unconfigured.Store(nil)
		return nil
	}
	if a.gateway == nil || a.gateway.Snapshot() == nil {
		return fmt.Errorf("put budgets and balances in force: %w", err)
	}
	a.unconfigured.Store(&owners)
	a.bookFailed("put budgets and balances in force; those before hold until it is mended", err)
	return nil
}

// keepBooks applies settlements and tidies, until it is stopped.
func (a *App) keepBooks(ctx context.Context, last bool) {
	if last { // Close applies the rest
		return
	}
	if err := a.book.Flush(ctx); err != nil && ctx.Err() == nil {
		a.bookFailed("book settlements", err)
	} else if owners := a.unconfigured.Load(); err == nil && owners != nil {
		a.reload.Lock()
		if a.unconfigured.Load() == owners {
			_ = a.configureBook(ctx, *owners) // says what is wrong itself
		}
		a.reload.Unlock()
	}
}

func (a *App) tidyBooks(ctx context.Context, last bool) {
	if last {
		return
	}
	now := time.Now()
	for what, do := range map[string]func() error{
		"tidy the journal": func() error { return a.book.Tidy(ctx, now) },
		"fold spending": func() error {
			if !a.said.due("fold", foldEvery, now) {
				return nil
			}
			return a.store.FoldSpending(ctx, ledger.SlotOf(now.Add(-foldAfter)))
		},
		"expire credits": func() error { _, err := a.store.ExpireCredits(ctx, now); return err },
	} {
		if err := do(); err != nil && ctx.Err() == nil {
			a.bookFailed(what, err)
		}
	}
}

// closeBook applies what there is, gives back what was taken, and closes the journal.
func (a *App) closeBook() {
	if a.book != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if a.gateway != nil { // requests that were cut off settle as they end
			ending, done := context.WithTimeout(ctx, cutPatience)
			_ = a.gateway.Wait(ending)
			done()
		}
		if err := a.book.Close(ctx, time.Now()); err != nil {
			a.log.Error("close the books; the journal keeps what is not booked, and the next start books it", "error", err.Error())
		}
	}
	if a.journal != nil {
		if err := a.journal.Close(); err != nil {
			a.log.Error("close the journal", "error", err.Error())
		}
	}
}

// sayEvery is how often one trouble is logged.
const sayEvery = 10 * time.Second

// seldom says the same thing no more often than every while.
type seldom struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// maxSaid bounds what is remembered: names of models come from callers.
const maxSaid = 4096

func (s *seldom) due(what string, every time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.said[what]) < every {
		return false
	}
	if s.said == nil || len(s.said) >= maxSaid {
		s.said = map[string]time.Time{}
	}
	s.said[what] = now
	return true
}

func (a *App) bookFailed(what string, err error) {
	a.metrics.Ledger("failed", "")
	if a.said.due(what, sayEvery, time.Now()) {
		a.log.Error("the books have a trouble", "what", what, "error", err.Error())
	}
}

// unpriced tells of a model without a price: each once an hour, and every time in the metrics.
func (a *App) unpriced(acc *domain.Account, model string, refused bool) {
	detail, what := "charged", "charged at its family's highest price, and marked as estimated"
	if plan, _ := a.prices.Plan(acc, model, time.Now()); refused {
		detail, what = "refused", "refused"
	} else if plan == nil {
		detail, what = "unknown", "counted as costing nothing, and marked: nothing is known of its family either"
	}
	a.metrics.Ledger("unpriced", detail)
	if a.said.due(acc.Platform+"\x00"+model, time.Hour, time.Now()) {
		a.log.Warn("a model has no price", "platform", acc.Platform, "account", acc.Name, "model", model, "requests_are", what, "mend_it_with", "turnout prices, or prices: in the configuration")
	}
}

func (a *App) softLimit(o ledger.Owner, b domain.Budget, spent domain.NanoUSD) {
	a.metrics.Ledger("soft_limit", o.Spender.Kind.String())
	a.log.Warn("a budget is past its soft limit", "of", o.Spender.Kind.String(), "name", o.Name, "budget", b.Label(), "spent", spent.String(), "soft", b.Soft.String(), "hard", b.Hard.String())
}

func (a *App) refused(d *ledger.Denial) {
	what := "balance"
	if d.Budget != "" {
		what = "budget"
	}
	a.metrics.Ledger("refused", d.Owner.Spender.Kind.String()+" "+what)
}
