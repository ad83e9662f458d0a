package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnout/internal/domain"
)

// balance is what is in an account of the books that is owed to somebody.
func balance(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, k ledgerKey) (n domain.NanoUSD, err error) {
	err = q.QueryRowContext(ctx, "SELECT credits - debits FROM ledger_accounts WHERE kind = ? AND ref = ?", k.kind, k.ref).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Balance is what is in a spender's purse, and what is in its grant besides.
func (s *Store) Balance(ctx context.Context, p domain.Spender) (purse, grant domain.NanoUSD, err error) {
	if purse, err = balance(ctx, s.read, purseOf(p)); err == nil {
		grant, err = balance(ctx, s.read, grantOf(p))
	}
	if err != nil {
		err = fmt.Errorf("read a balance: %w", explain(err))
	}
	return purse, grant, err
}

// Take moves up to want from a purse into its grant, but never so much that the purse is below -overdraft; and nothing, if it would be less
// than need. left is what is in the purse afterwards.
func (s *Store) Take(ctx context.Context, p domain.Spender, need, want, overdraft domain.NanoUSD, now time.Time) (got, left domain.NanoUSD, err error) {
	err = s.tx(ctx, "take from a balance", func(tx *sql.Tx) error {
		have, err := balance(ctx, tx, purseOf(p))
		if err != nil {
			return err
		}
		if got = min(want, have.Plus(overdraft)); got <= 0 || got < need {
			got, left = 0, have
			return nil
		}
		left = have - got
		b := newPostings(tx)
		if _, err := b.transfer(ctx, now, TransferTake, got, purseOf(p), grantOf(p), "", ""); err != nil {
			return err
		}
		return b.post(ctx)
	})
	if err != nil {
		return 0, 0, err
	}
	return got, left, nil
}

// Return moves what is in the grants of the spenders named, or of all, back to their purses. A grant that was overspent takes from its
// purse.
func (s *Store) Return(ctx context.Context, now time.Time, spenders ...domain.Spender) error {
	return s.tx(ctx, "give back what was taken", func(tx *sql.Tx) error {
		type grant struct {
			of   domain.Spender
			left domain.NanoUSD
		}
		var grants []grant
		const query = "SELECT kind, ref, credits - debits FROM ledger_accounts WHERE kind > ? AND kind <= ? AND credits <> debits"
		err := eachRow(ctx, tx, query, func(scan func(...any) error) error {
			var g grant
			if err := scan(&g.of.Kind, &g.of.ID, &g.left); err != nil {
				return err
			}
			g.of.Kind -= domain.SpenderKind(AccountGrant)
			if len(spenders) == 0 || slices.Contains(spenders, g.of) {
				grants = append(grants, g)
			}
			return nil
		}, AccountGrant, AccountGrant+AccountTeamPurse)
		if err != nil {
			return err
		}
		b := newPostings(tx)
		for _, g := range grants {
			debit, credit, amount := grantOf(g.of), purseOf(g.of), g.left
			if amount < 0 {
				debit, credit, amount = credit, debit, -amount
			}
			if _, err := b.transfer(ctx, now, TransferReturn, amount, debit, credit, "", ""); err != nil {
				return err
			}
		}
		return b.post(ctx)
	})
}

// Credit is money for a purse.
type Credit struct {
	To      domain.Spender
	Amount  domain.NanoUSD // negative: taken back
	Ref     string         // booked once only, if given
	Note    string
	Expires time.Time // zero: never
}

// mostCredit is the largest credit: a hundred million dollars.
const mostCredit = 100_000_000 * domain.Dollar

// ErrBooked is the error of a credit whose Ref has been booked.
var ErrBooked = errors.New("it has been booked already")

// Credit books money for a purse. The error is ErrBooked where its Ref has been booked before; nothing is booked then.
func (s *Store) Credit(ctx context.Context, c Credit, now time.Time) error {
	if c.Amount == 0 || c.To.ID == 0 || c.To.Kind < domain.SpenderKey || c.To.Kind > domain.SpenderTeam {
		return domain.Errorf(domain.KindInvalid, "credit", "a credit needs an amount and a key, user or team")
	}
	if c.Amount > mostCredit || c.Amount < -mostCredit {
		return domain.Errorf(domain.KindInvalid, "credit", "a credit of %s is more than can be booked at a time (%s)", c.Amount, mostCredit)
	}
	return s.tx(ctx, "credit", func(tx *sql.Tx) error {
		var credited float64
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(MAX(debits, credits)), 0) FROM ledger_accounts WHERE kind = ? OR kind = ? AND ref = ?",
			AccountFunding, purseOf(c.To).kind, purseOf(c.To).ref).Scan(&credited); err != nil {
			return err
		}
		if credited+max(float64(c.Amount), -float64(c.Amount)) > float64(domain.MaxNanoUSD/2) {
			return domain.Errorf(domain.KindInvalid, "credit", "with this credit more would have been booked than amounts can say")
		}
		have, err := balance(ctx, tx, purseOf(c.To))
		if err != nil {
			return err
		}
		if c.Ref != "" {
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ledger_transfers WHERE ref = ?", c.Ref).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return ErrBooked
			}
		}
		b := newPostings(tx)
		debit, credit, amount := ledgerKey{AccountFunding, 0}, purseOf(c.To), c.Amount
		if amount < 0 {
			debit, credit, amount = credit, debit, -amount
		}
		id, err := b.transfer(ctx, now, TransferCredit, amount, debit, credit, c.Ref, c.Note)
		if err != nil {
			return err
		}
		if c.Amount < 0 {
			err = (&booking{postings: b, tx: tx}).useCredits(ctx, purseOf(c.To), amount)
		} else {
			var expires int64
			if !c.Expires.IsZero() {
				expires = c.Expires.UnixMilli()
			}
			// What was owed before is paid with it first, and cannot expire.
			left := max(min(amount, have.Plus(amount)), 0)
			_, err = tx.ExecContext(ctx, "INSERT INTO ledger_credits (id, account, amount, left, expires) VALUES (?, ?, ?, ?, ?)", id, b.ids[purseOf(c.To)], int64(amount), int64(left), expires)
		}
		if err != nil {
			return err
		}
		return b.post(ctx)
	})
}

// ExpireCredits takes what is left of credits that have expired, as far as it is in their purses and not in a grant, and says how many
// it took from.
func (s *Store) ExpireCredits(ctx context.Context, now time.Time) (n int, err error) {
	err = s.tx(ctx, "expire credits", func(tx *sql.Tx) error {
		type expired struct {
			id         int64
			purse      ledgerKey
			left, have domain.NanoUSD
			granted    domain.NanoUSD // may hold some of it
		}
		var all []expired
		err := eachRow(ctx, tx, `SELECT c.id, a.kind, a.ref, c.left, a.credits - a.debits, COALESCE(g.credits - g.debits, 0)
			FROM ledger_credits c JOIN ledger_accounts a ON a.id = c.account LEFT JOIN ledger_accounts g ON g.kind = a.kind + 10 AND g.ref = a.ref
			WHERE c.left > 0 AND c.expires > 0 AND c.expires <= ? ORDER BY c.account, c.expires, c.id`, func(scan func(...any) error) error {
			var e expired
			err := scan(&e.id, &e.purse.kind, &e.purse.ref, &e.left, &e.have, &e.granted)
			all = append(all, e)
			return err
		}, now.UnixMilli())
		if err != nil {
			return err
		}
		b := newPostings(tx)
		taken := map[ledgerKey]domain.NanoUSD{}
		for _, e := range all {
			amount := max(min(e.left, e.have-taken[e.purse]), 0)
			// What is neither in the purse nor in its grant has been spent otherwise: it is not looked for in later credits.
			rest := max(min(e.left-amount, e.granted), 0)
			if amount == 0 && rest == e.left {
				continue
			}
			if _, err := tx.ExecContext(ctx, "UPDATE ledger_credits SET left = ? WHERE id = ?", int64(rest), e.id); err != nil {
				return err
			}
			if amount == 0 {
				continue
			}
			taken[e.purse] += amount
			if _, err := b.transfer(ctx, now, TransferExpire, amount, e.purse, ledgerKey{AccountExpired, 0}, "", ""); err != nil {
				return err
			}
			n++
		}
		return b.post(ctx)
	})
	return n, err
}

// Spent is what a spender has been charged, slot by slot since a slot, and before it in one entry.
func (s *Store) Spent(ctx context.Context, owner domain.Spender, since int64) ([]domain.Spent, error) {
	var out []domain.Spent
	err := s.rows(ctx, "read what was spent", func(scan func(...any) error) error {
		var e domain.Spent
		if err := scan(&e.Slot, &e.Amount); err != nil {
			return err
		}
		if e.Slot == 0 {
			e.Slot = domain.OlderSlot
		}
		out = append(out, e)
		return nil
	}, `SELECT CASE WHEN slot < ?1 THEN 0 ELSE slot END AS s, SUM(amount) FROM spending WHERE kind = ?2 AND ref = ?3 GROUP BY s ORDER BY s`, since, owner.Kind, owner.ID)
	return out, err
}

// FoldSpending adds what was spent before a slot up into one row for each spender.
func (s *Store) FoldSpending(ctx context.Context, before int64) error {
	return s.tx(ctx, "fold old spending", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO spending (kind, ref, slot, amount)
			SELECT kind, ref, 0, SUM(amount) FROM spending WHERE slot > 0 AND slot < ? GROUP BY kind, ref
			ON CONFLICT (kind, ref, slot) DO UPDATE SET amount = amount + excluded.amount`, before)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM spending WHERE slot > 0 AND slot < ?", before)
		}
		return err
	})
}
