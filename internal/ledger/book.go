package ledger

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
)

// Store keeps the books. Implementations are safe for concurrent use, and every method is one transaction.
type Store interface {
	// Apply books settlements and remembers upto as the journal's position behind them. A request that is settled already is left
	// as it is, unless the settlement is Late.
	Apply(ctx context.Context, settlements []domain.Settlement, upto domain.JournalPosition) error
	// Applied is the position that was remembered last.
	Applied(ctx context.Context) (domain.JournalPosition, error)
	// Durable makes what was applied survive a power failure.
	Durable(ctx context.Context) error
	// Take moves up to want of an owner's balance, but never below -overdraft, into the grant that this process spends from; nothing, if it
	// would be less than need. left is what is in the balance then.
	Take(ctx context.Context, payer domain.Spender, need, want, overdraft domain.NanoUSD, now time.Time) (got, left domain.NanoUSD, err error)
	// Return gives back what is in the grants of the owners named, or of all.
	Return(ctx context.Context, now time.Time, payers ...domain.Spender) error
	// Restore makes up for records of requests that died with a process: of those that are settled and have none.
	Restore(ctx context.Context, settlements []domain.Settlement) error
	// Spent is what owners have spent, slot by slot since a slot, and before it in one.
	Spent(ctx context.Context, owner domain.Spender, since int64) ([]domain.Spent, error)
}

// Journal is where settlements are written down first; *journal.Journal is the real one.
type Journal interface {
	Append(record []byte) (domain.JournalPosition, error)
	Read(from domain.JournalPosition, f func(record []byte, end domain.JournalPosition) error) (domain.JournalPosition, error)
	Drop(upto domain.JournalPosition) error
}

// Plan is what a model costs at an account; *price.Plan is the real one.
type Plan interface {
	// Cost is what the usage costs. An error says that the usage cannot be: parts of it are larger than their whole.
	Cost(u domain.Usage, f domain.Factor) (domain.NanoUSD, error)
	// Most is the most that so many tokens of the prompt and of the answer can cost.
	Most(input, output int64, f domain.Factor) domain.NanoUSD
	// String names the prices.
	String() string
}

// tiered is a plan that knows in which tiers it has prices; in the others its standard ones hold, and the amount is an estimate.
type tiered interface {
	Has(t domain.Tier) bool
}

// Prices finds the plan for a model at an account. Safe for concurrent use.
type Prices interface {
	// Plan is nil where nothing is known of the model, nor of its family. Guessed: it is the family's dearest.
	Plan(a *domain.Account, model string, at time.Time) (plan Plan, guessed bool)
}

// Owner is an object that spends, as it is configured.
type Owner struct {
	domain.Spender
	Name     string
	Spending domain.Spending
}

// owner is an Owner with what it has spent. Guarded by Book.mu.
type owner struct {
	Owner
	held domain.NanoUSD // by requests in flight

	// Of a prepaid one:
	granted domain.NanoUSD // taken from the store and not yet charged; held is part of it
	left    domain.NanoUSD // in the store, when it was asked last
	dry     time.Time      // the store had no more at this time; zero: it may have

	// Of one with budgets:
	spent   series
	budgets []*budget

	taking sync.Mutex // held while more is taken from the store
}

// Book is the owners' money in memory. Safe for concurrent use.
type Book struct {
	store   Store
	journal Journal
	prices  Prices
	events  Events

	gate   sync.RWMutex // held for reading while something is settled; see Configure
	mu     sync.Mutex
	owners map[domain.Spender]*owner
	former map[domain.Spender]*owner // no longer configured, and with a grant that requests in flight may still be charged to
	usual  usual

	orphans orphans // settlements that the journal did not take

	applying sync.Mutex // held by the applier
	applied  domain.JournalPosition
	tidied   domain.JournalPosition // up to where the journal was tidied last
	broken   atomic.Bool            // the journal does not take settlements
}

// Events are told of what an operator should know. Nil fields are not called. They must not block.
type Events struct {
	Unpriced func(account *domain.Account, model string, refused bool) // a model without a price was asked for
	Failed   func(what string, err error)                              // something could not be written; it is tried again
	Soft     func(o Owner, b domain.Budget, spent domain.NanoUSD)      // a soft limit was passed, once for each period
	Refused  func(d *Denial)
}

// NewBook makes a book without owners. Call Recover before anything else.
func NewBook(s Store, j Journal, p Prices, e Events) *Book {
	if e.Unpriced == nil {
		e.Unpriced = func(*domain.Account, string, bool) {}
	}
	if e.Failed == nil {
		e.Failed = func(string, error) {}
	}
	if e.Soft == nil {
		e.Soft = func(Owner, domain.Budget, domain.NanoUSD) {}
	}
	if e.Refused == nil {
		e.Refused = func(*Denial) {}
	}
	return &Book{store: s, journal: j, prices: p, events: e, owners: map[domain.Spender]*owner{}, former: map[domain.Spender]*owner{}}
}

// memory is how much of the spending is kept slot by slot: a month of 31 days, and a day on each side for time zones.
const memory = 33 * 24 * time.Hour

// Recover applies what the journal holds from before, and gives back what a process that died had taken and not spent.
func (b *Book) Recover(ctx context.Context, now time.Time) error {
	var err error
	if b.applied, err = b.store.Applied(ctx); err != nil {
		return err
	}
	if err := b.Flush(ctx); err != nil {
		return err
	}
	last, err := b.last()
	if err != nil {
		return err
	}
	if err := b.store.Restore(ctx, last); err != nil {
		return err
	}
	return b.store.Return(ctx, now)
}

// lastMoments is how long before its death a process can have had records in memory.
const lastMoments = 30 * time.Second

// last are the settlements of the last moments of the journal.
func (b *Book) last() (last []domain.Settlement, err error) {
	_, err = b.journal.Read(domain.JournalPosition{}, func(record []byte, _ domain.JournalPosition) error {
		s, err := Decode(record)
		if err != nil || s.Late {
			return err
		}
		n := 0
		for n < len(last) && last[n].At.Before(s.At.Add(-lastMoments)) {
			n++
		}
		last = append(last[n:], s)
		return nil
	})
	return last, err
}

// Configure puts owners in place of those before; an owner that remains keeps what it has spent and holds. Requests in
// flight are settled with the owners that they were held at, and count in the budgets that there are then.
func (b *Book) Configure(ctx context.Context, owners []Owner, now time.Time) error {
	// Nothing is settled meanwhile, and everything that was is applied: so the store knows all that has been spent.
	b.gate.Lock()
	defer b.gate.Unlock()
	if err := b.Flush(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	next := make(map[domain.Spender]*owner, len(owners))
	var ask []*owner // whose spending is not in memory yet
	for _, o := range owners {
		n := b.owners[o.Spender]
		if n == nil {
			n = b.former[o.Spender]
		}
		if n == nil {
			n = &owner{Owner: o}
		}
		next[o.Spender] = n
		if len(o.Spending.Budgets) > 0 && len(n.budgets) == 0 {
			ask = append(ask, n)
		}
	}
	b.mu.Unlock()
	spent := make(map[*owner]series, len(ask))
	for _, n := range ask {
		s, err := b.store.Spent(ctx, n.Spender, SlotOf(now.Add(-memory)))
		if err != nil {
			return err
		}
		spent[n] = s
	}
	b.mu.Lock()
	for _, o := range owners {
		n := next[o.Spender]
		delete(b.former, o.Spender)
		if s, asked := spent[n]; asked {
			n.spent = s
		}
		before := n.budgets
		n.Owner, n.dry, n.budgets = o, time.Time{}, nil
		for _, c := range o.Spending.Budgets {
			g := newBudget(c)
			g.roll(n.spent, now)
			// Who was warned of it is not warned again because something else is configured.
			g.warned = slices.ContainsFunc(before, func(was *budget) bool { return was.Budget == c && was.warned })
			n.budgets = append(n.budgets, g)
		}
		if len(n.budgets) == 0 {
			n.spent = nil
		}
	}
	for s, o := range b.owners {
		if next[s] == nil {
			o.Spending.Prepaid, o.budgets, o.spent = false, nil, nil
			b.former[s] = o
		}
	}
	b.owners = next
	b.mu.Unlock()
	return b.giveBack(ctx, now)
}

// giveBack returns the grants of owners that pay before no longer, once nothing is held of them. The gate is locked, and everything
// is applied.
func (b *Book) giveBack(ctx context.Context, now time.Time) error {
	for _, o := range b.ended() {
		o.taking.Lock() // what somebody is just taking comes first
		b.mu.Lock()
		back := o.held == 0 && !o.Spending.Prepaid
		if back {
			o.granted = 0
			delete(b.former, o.Spender)
		}
		b.mu.Unlock()
		var err error
		if back {
			err = b.store.Return(ctx, now, o.Spender)
		}
		o.taking.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// ended are the owners that pay before no longer and may have a grant.
func (b *Book) ended() (out []*owner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, owners := range []map[domain.Spender]*owner{b.owners, b.former} {
		for s, o := range owners {
			if !o.Spending.Prepaid && o.held == 0 && (o.granted != 0 || b.former[s] == o) {
				out = append(out, o)
			}
		}
	}
	return out
}

// Limited reports whether money limits any of them: a balance, or a budget's hard limit.
func (b *Book) Limited(key domain.KeyID, user domain.UserID, team domain.TeamID, pool domain.PoolID) bool {
	a := Ask{Key: key, User: user, Team: team, Pool: pool}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range a.scopes() {
		if o := b.owners[s]; o != nil && o.limited() {
			return true
		}
	}
	return false
}

// limited reports whether the owner has a balance or a hard limit. Book.mu is held.
func (o *owner) limited() bool {
	return o.Spending.Prepaid || slices.ContainsFunc(o.budgets, func(g *budget) bool { return g.Hard > 0 })
}

// Credited tells that owners' balances have grown: who was refused for want of money may be let in again.
func (b *Book) Credited(owners ...domain.Spender) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range owners {
		if o := b.owners[s]; o != nil {
			o.dry = time.Time{}
		}
	}
}

// Close applies everything and gives back what was taken and not spent. No request may be in flight.
func (b *Book) Close(ctx context.Context, now time.Time) error {
	if err := b.Flush(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	for _, o := range b.owners {
		o.granted = 0
	}
	b.mu.Unlock()
	if err := b.store.Return(ctx, now); err != nil {
		return err
	}
	if err := b.store.Durable(ctx); err != nil {
		return err
	}
	return b.journal.Drop(b.applied)
}
