package ledger

import (
	"context"
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
	// Take moves up to want of an owner's balance, but never below -overdraft, into the grant that this process spends from.
	Take(ctx context.Context, payer domain.Spender, want, overdraft domain.NanoUSD, now time.Time) (got domain.NanoUSD, err error)
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
	Sync() error
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
	usual  usual

	orphans orphans // settlements that the journal did not take

	applying sync.Mutex // held by the applier
	applied  domain.JournalPosition
	broken   atomic.Bool // the journal does not take settlements
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
	return &Book{store: s, journal: j, prices: p, events: e, owners: map[domain.Spender]*owner{}}
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
// flight are settled with the owners that they were held at.
func (b *Book) Configure(ctx context.Context, owners []Owner, now time.Time) error {
	// Nothing is settled meanwhile, and everything that was is applied: so the store knows all that has been spent.
	b.gate.Lock()
	defer b.gate.Unlock()
	if err := b.flush(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	before := b.owners
	b.mu.Unlock()
	next := make(map[domain.Spender]*owner, len(owners))
	for _, o := range owners {
		n := &owner{Owner: o}
		if old := before[o.Spender]; old != nil {
			n = old
		}
		if len(o.Spending.Budgets) > 0 {
			spent, err := b.store.Spent(ctx, o.Spender, SlotOf(now.Add(-memory)))
			if err != nil {
				return err
			}
			b.mu.Lock()
			n.spent = spent
			b.mu.Unlock()
		}
		next[o.Spender] = n
	}
	var back []domain.Spender
	b.mu.Lock()
	for _, o := range owners {
		n := next[o.Spender]
		n.Owner, n.dry = o, time.Time{}
		n.budgets = nil
		for _, c := range o.Spending.Budgets {
			g := newBudget(c)
			g.roll(n.spent, now)
			n.budgets = append(n.budgets, g)
		}
		if len(n.budgets) == 0 {
			n.spent = nil
		}
	}
	for s, o := range before {
		if o.granted > 0 && o.held == 0 && (next[s] == nil || !o.Spending.Prepaid) {
			o.granted = 0
			back = append(back, s)
		}
	}
	b.owners = next
	b.mu.Unlock()
	if len(back) == 0 {
		return nil
	}
	return b.store.Return(ctx, now, back...)
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
