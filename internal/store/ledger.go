package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnout/internal/domain"
)

// AccountKind is what an account of the books is for. The numbers are stored: append, never renumber. Its ref says whose it is.
type AccountKind uint8

// The accounts of the books. Purses and grants are owed to their owners: credits minus debits is what is theirs.
const (
	AccountKeyPurse  AccountKind = 1  // ref: a key
	AccountUserPurse AccountKind = 2  // ref: a user
	AccountTeamPurse AccountKind = 3  // ref: a team
	AccountGrant     AccountKind = 10 // and 11, 12, 13: of the purses 1, 2, 3, what a process has taken to spend from
	AccountIncome    AccountKind = 20 // what answers cost by the list, times the owners' factors
	AccountFunding   AccountKind = 21 // where credits come from
	AccountPayable   AccountKind = 22 // ref: an upstream account; what is owed there
	AccountFlat      AccountKind = 23 // ref: an upstream account with a fixed price; what it would be
	AccountCost      AccountKind = 24 // of answers
	AccountLoss      AccountKind = 25 // of attempts that came to nothing
	AccountWriteOff  AccountKind = 26 // what owners could not be charged
	AccountSwitch    AccountKind = 27 // what owners were not charged because a switch had lost their cache
	AccountExpired   AccountKind = 28 // credits that nobody used in time
)

var accountNames = map[AccountKind]string{
	AccountKeyPurse: "purse of key", AccountUserPurse: "purse of user", AccountTeamPurse: "purse of team",
	AccountGrant + 1: "grant of key", AccountGrant + 2: "grant of user", AccountGrant + 3: "grant of team",
	AccountIncome: "income", AccountFunding: "funding", AccountPayable: "payable to account", AccountFlat: "flat-priced account",
	AccountCost: "cost", AccountLoss: "loss", AccountWriteOff: "written off", AccountSwitch: "switches", AccountExpired: "expired credits",
}

// String is the kind's name in reports.
func (k AccountKind) String() string {
	if n, ok := accountNames[k]; ok {
		return n
	}
	return "unknown"
}

// TransferKind is why money moved other than by a request. The numbers are stored: append, never renumber.
type TransferKind uint8

// The kinds.
const (
	TransferCredit TransferKind = 1 // funding to a purse, or back
	TransferTake   TransferKind = 2 // a purse to its grant
	TransferReturn TransferKind = 3 // a grant to its purse
	TransferExpire TransferKind = 4 // a purse to expired credits
)

// node is the process whose journal is applied and whose grants are taken: the only one, with a database of its own.
const node = 0

type ledgerKey struct {
	kind AccountKind
	ref  int64
}

func purseOf(p domain.Spender) ledgerKey { return ledgerKey{AccountKind(p.Kind), p.ID} }

func grantOf(p domain.Spender) ledgerKey { return ledgerKey{AccountGrant + AccountKind(p.Kind), p.ID} }

// payerOf is the account that a settlement is charged to.
func payerOf(s *domain.Settlement) ledgerKey {
	if s.Flags&domain.FlagPrepaid != 0 {
		return grantOf(s.Payer)
	}
	return purseOf(s.Payer)
}

// owedTo is the account of what an upstream account has cost.
func owedTo(a domain.AccountID, flat bool) ledgerKey {
	if flat {
		return ledgerKey{AccountFlat, int64(a)}
	}
	return ledgerKey{AccountPayable, int64(a)}
}

// postings gathers what is booked in one transaction, account by account.
type postings struct {
	ids   map[ledgerKey]int64
	sums  map[int64]*[2]domain.NanoUSD // debits, credits
	tx    *sql.Tx
	order []int64
}

func newPostings(tx *sql.Tx) *postings {
	return &postings{ids: map[ledgerKey]int64{}, sums: map[int64]*[2]domain.NanoUSD{}, tx: tx}
}

// account finds an account of the books, or opens it.
func (p *postings) account(ctx context.Context, k ledgerKey) (int64, error) {
	if id, ok := p.ids[k]; ok {
		return id, nil
	}
	var id int64
	err := p.tx.QueryRowContext(ctx, "SELECT id FROM ledger_accounts WHERE kind = ? AND ref = ?", k.kind, k.ref).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = p.tx.QueryRowContext(ctx, "INSERT INTO ledger_accounts (kind, ref) VALUES (?, ?) RETURNING id", k.kind, k.ref).Scan(&id)
	}
	if err == nil {
		p.ids[k] = id
	}
	return id, err
}

// move books an amount twice: a debit of one account, a credit of another one.
func (p *postings) move(ctx context.Context, amount domain.NanoUSD, debit, credit ledgerKey) error {
	if amount == 0 {
		return nil
	}
	for side, k := range [...]ledgerKey{debit, credit} {
		id, err := p.account(ctx, k)
		if err != nil {
			return err
		}
		s := p.sums[id]
		if s == nil {
			s = &[2]domain.NanoUSD{}
			p.sums[id] = s
			p.order = append(p.order, id)
		}
		s[side] += amount
	}
	return nil
}

// post writes the sums.
func (p *postings) post(ctx context.Context) error {
	if len(p.order) == 0 {
		return nil
	}
	up, err := p.tx.PrepareContext(ctx, "UPDATE ledger_accounts SET debits = debits + ?, credits = credits + ? WHERE id = ?")
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	slices.Sort(p.order)
	for _, id := range p.order {
		if _, err := up.ExecContext(ctx, int64(p.sums[id][0]), int64(p.sums[id][1]), id); err != nil {
			return err
		}
	}
	return nil
}

// transfer books an amount and keeps why.
func (p *postings) transfer(ctx context.Context, now time.Time, kind TransferKind, amount domain.NanoUSD, debit, credit ledgerKey, ref, note string) (id int64, err error) {
	if err := p.move(ctx, amount, debit, credit); err != nil {
		return 0, err
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	err = p.tx.QueryRowContext(ctx, "INSERT INTO ledger_transfers (at, kind, debit, credit, amount, ref, note) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
		now.UnixMilli(), kind, p.ids[debit], p.ids[credit], int64(amount), text(ref), text(note)).Scan(&id)
	return id, err
}

// legs are what a settlement books.
func legs(s *domain.Settlement, each func(amount domain.NanoUSD, debit, credit ledgerKey) error) error {
	income := ledgerKey{AccountIncome, 0}
	for _, l := range [...]struct {
		amount        domain.NanoUSD
		debit, credit ledgerKey
	}{
		{s.Charged, payerOf(s), income},
		{s.WrittenOff, ledgerKey{AccountWriteOff, 0}, income},
		{s.Switch, ledgerKey{AccountSwitch, 0}, income},
		{s.Cost, ledgerKey{AccountCost, 0}, owedTo(s.Account, s.Flags&domain.FlagFlat != 0)},
	} {
		if err := each(l.amount, l.debit, l.credit); err != nil {
			return err
		}
	}
	for _, l := range s.Losses {
		if err := each(l.Amount, ledgerKey{AccountLoss, 0}, owedTo(l.Account, l.Flat)); err != nil {
			return err
		}
	}
	return nil
}

// Apply books settlements, adds them to the roll-ups, and remembers how far the journal is applied, in one transaction. A request that
// is settled already is left as it is, unless the settlement is Late: that adds losses.
func (s *Store) Apply(ctx context.Context, settlements []domain.Settlement, upto domain.JournalPosition) error {
	const doing = "book settlements"
	if s.append == nil {
		return s.tx(ctx, doing, nil) // read-only: says so
	}
	sorted := make([]*domain.Settlement, len(settlements))
	for i := range settlements {
		sorted[i] = &settlements[i]
	}
	slices.SortStableFunc(sorted, func(x, y *domain.Settlement) int { return bytes.Compare(x.Request[:], y.Request[:]) })
	a := s.append
	a.mu.Lock()
	defer a.mu.Unlock()
	var fresh map[string]int64
	err := s.tx(ctx, doing, func(tx *sql.Tx) error {
		fresh = map[string]int64{}
		b := newBooking(tx, a, fresh)
		for _, one := range sorted {
			if err := b.settle(ctx, one); err != nil {
				return fmt.Errorf("request %s: %w", one.Request, err)
			}
		}
		if err := b.finish(ctx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO ledger_journals (node, segment, offset) VALUES (?, ?, ?)
			ON CONFLICT (node) DO UPDATE SET segment = excluded.segment, offset = excluded.offset`, node, int64(upto.Segment), upto.Offset)
		return err
	})
	if err != nil {
		return err
	}
	for name, id := range fresh {
		a.names[name] = id
	}
	return nil
}

// Applied is how far the journal is applied.
func (s *Store) Applied(ctx context.Context) (p domain.JournalPosition, err error) {
	var segment int64
	err = s.read.QueryRowContext(ctx, "SELECT segment, offset FROM ledger_journals WHERE node = ?", node).Scan(&segment, &p.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	p.Segment = uint64(segment)
	if err != nil {
		err = fmt.Errorf("read how far the journal is applied: %w", explain(err))
	}
	return p, err
}

// Durable makes everything that was written survive a power failure.
func (s *Store) Durable(ctx context.Context) error {
	if s.write == nil {
		return nil
	}
	// A commit with synchronous=FULL syncs the log, and with it all that was committed before. It has to change something: what changes nothing
	// is not written.
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("make the database durable: %w", explain(err))
	}
	defer func() { _ = conn.Close() }()
	for _, q := range []string{"PRAGMA synchronous=FULL", "UPDATE ledger_journals SET synced = synced + 1 WHERE node = 0", "PRAGMA synchronous=NORMAL"} {
		if _, e := conn.ExecContext(ctx, q); e != nil {
			err = errors.Join(err, fmt.Errorf("make the database durable: %w", explain(e)))
		}
	}
	return err
}

// Restore writes records of settled requests that have none: they were in the memory of a process that died. What is not known of them is
// left out.
func (s *Store) Restore(ctx context.Context, settlements []domain.Settlement) error {
	rows := make([]RequestRow, len(settlements))
	for i := range settlements {
		one := &settlements[i]
		rows[i] = RequestRow{
			ID: one.Request, Key: one.Key, Pool: one.Pool, Account: one.Account, Model: one.Model, Outcome: OutcomeOK, Status: 200, Attempts: 1 + len(one.Losses),
			Usage: one.Usage, Total: max(one.At.Sub(one.Request.Time()), 0),
		}
		if one.Flags&domain.FlagInterrupted != 0 {
			rows[i].Outcome = OutcomeCut
		}
	}
	return s.AppendRequests(ctx, rows)
}
