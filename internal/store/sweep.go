package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"turnout/internal/domain"
)

// What a row of ledger_sweeps stands for. The numbers are stored.
const (
	sweptSettlements = 1
	sweptHours       = 2
)

// carried is what deleted settlements had booked.
type carried struct {
	requests                               int64
	charged, written, switched, cost, lost int64
	accounts                               map[int64]*[2]int64 // debits and credits by ledger_accounts.id
	spent                                  map[domain.Spender]int64
}

func (c *carried) book(amount, debit, credit int64) {
	if amount == 0 {
		return
	}
	for side, id := range [...]int64{debit, credit} {
		if c.accounts[id] == nil {
			c.accounts[id] = &[2]int64{}
		}
		c.accounts[id][side] += amount
	}
}

// DeleteSettlementsBefore deletes at most limit settlements of requests that arrived before t, the oldest first, with what their failed
// attempts have cost, and carries forward what they had booked: the books add up afterwards as before. It says how many.
func (s *Store) DeleteSettlementsBefore(ctx context.Context, t time.Time, limit int) (n int, err error) {
	err = s.tx(ctx, "sweep settlements", func(tx *sql.Tx) error {
		end := idAt(t)
		var later []byte
		err := tx.QueryRowContext(ctx, "SELECT id FROM settlements WHERE id < ? ORDER BY id LIMIT 1 OFFSET ?", end, limit).Scan(&later)
		switch {
		case err == nil:
			end = later
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		c := &carried{accounts: map[int64]*[2]int64{}, spent: map[domain.Spender]int64{}}
		if err := c.gather(ctx, tx, end); err != nil {
			return err
		}
		if c.requests == 0 && c.lost == 0 {
			return nil
		}
		n = int(c.requests)
		if err := c.write(ctx, tx, sweptSettlements, t.UnixMilli()); err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM settlements WHERE id < ?", "DELETE FROM losses WHERE id < ?"} {
			if _, err := tx.ExecContext(ctx, q, end); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// gather adds up what settlements before an id have booked.
func (c *carried) gather(ctx context.Context, tx *sql.Tx, end []byte) error {
	p := newPostings(tx)
	id := func(k ledgerKey) (int64, error) { return p.account(ctx, k) }
	income, err := id(ledgerKey{AccountIncome, 0})
	if err != nil {
		return err
	}
	type group struct{ payer, account, flags, charged, written, switched, cost, n int64 }
	var groups []group
	err = scanRows(ctx, tx, func(scan func(...any) error) error {
		var g group
		err := scan(&g.payer, &g.account, &g.flags, &g.charged, &g.written, &g.switched, &g.cost, &g.n)
		groups = append(groups, g)
		return err
	}, "SELECT payer, account, flags, SUM(charged), SUM(written_off), SUM(switched), SUM(cost), COUNT(*) FROM settlements WHERE id < ? GROUP BY payer, account, flags", end)
	if err != nil {
		return err
	}
	for _, g := range groups {
		c.requests += g.n
		c.charged, c.written, c.switched, c.cost = c.charged+g.charged, c.written+g.written, c.switched+g.switched, c.cost+g.cost
		c.book(g.charged, g.payer, income)
		for _, l := range [...]struct {
			amount        int64
			debit, credit ledgerKey
		}{
			{g.written, ledgerKey{AccountWriteOff, 0}, ledgerKey{AccountIncome, 0}},
			{g.switched, ledgerKey{AccountSwitch, 0}, ledgerKey{AccountIncome, 0}},
			{g.cost, ledgerKey{AccountCost, 0}, owedTo(domain.AccountID(g.account), domain.SettlementFlags(g.flags)&domain.FlagFlat != 0)},
		} {
			if err := c.leg(l.amount, l.debit, l.credit, id); err != nil {
				return err
			}
		}
	}
	type loss struct {
		account, amount int64
		flat            bool
	}
	var losses []loss
	err = scanRows(ctx, tx, func(scan func(...any) error) error {
		var l loss
		err := scan(&l.account, &l.flat, &l.amount)
		losses = append(losses, l)
		return err
	}, "SELECT account, flat, SUM(amount) FROM losses WHERE id < ? GROUP BY account, flat", end)
	if err != nil {
		return err
	}
	for _, l := range losses {
		c.lost += l.amount
		if err := c.leg(l.amount, ledgerKey{AccountLoss, 0}, owedTo(domain.AccountID(l.account), l.flat), id); err != nil {
			return err
		}
	}
	for _, of := range spendingOwners {
		err := scanRows(ctx, tx, func(scan func(...any) error) error {
			who := domain.Spender{Kind: of.kind}
			var amount int64
			err := scan(&who.ID, &amount)
			c.spent[who] = amount
			return err
		}, "SELECT "+of.column+", SUM(charged) FROM settlements WHERE id < ? AND "+of.column+" <> 0 GROUP BY 1 HAVING SUM(charged) <> 0", end)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *carried) leg(amount int64, debit, credit ledgerKey, id func(ledgerKey) (int64, error)) error {
	if amount == 0 {
		return nil
	}
	d, err := id(debit)
	if err != nil {
		return err
	}
	k, err := id(credit)
	if err == nil {
		c.book(amount, d, k)
	}
	return err
}

// write puts down what was swept.
func (c *carried) write(ctx context.Context, tx *sql.Tx, kind, upto int64) error {
	var sweep int64
	err := tx.QueryRowContext(ctx, `INSERT INTO ledger_sweeps (kind, upto, requests, charged, written_off, switched, cost, lost) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		kind, upto, c.requests, c.charged, c.written, c.switched, c.cost, c.lost).Scan(&sweep)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.accounts)) {
		a := c.accounts[id]
		if _, err := tx.ExecContext(ctx, "INSERT INTO ledger_carried (sweep, account, debits, credits) VALUES (?, ?, ?, ?)", sweep, id, a[0], a[1]); err != nil {
			return err
		}
	}
	for who, amount := range c.spent {
		if _, err := tx.ExecContext(ctx, "INSERT INTO spending_carried (sweep, kind, ref, amount) VALUES (?, ?, ?, ?)", sweep, who.Kind, who.ID, amount); err != nil {
			return err
		}
	}
	return nil
}

// DeleteHoursBefore deletes rows of usage by hours before the day of t, about limit of them, the oldest first and whole hours, and how
// requests went in those hours. Days stay.
func (s *Store) DeleteHoursBefore(ctx context.Context, t time.Time, limit int) (n int, err error) {
	end := t.Unix() / 86400 * 24
	err = s.tx(ctx, "sweep usage by hours", func(tx *sql.Tx) error {
		gone := 0
		for _, table := range []string{"service_hours", "service_totals", "failure_hours"} {
			upto, err := hoursUpto(ctx, tx, table, end, limit)
			if err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE period < ?", upto) //nolint:gosec // one of three names
			if err != nil {
				return err
			}
			k, err := res.RowsAffected()
			if err != nil {
				return err
			}
			gone = max(gone, int(k))
		}
		upto, err := hoursUpto(ctx, tx, "usage_hours", end, limit)
		if err != nil {
			return err
		}
		var c carried
		var rows int
		err = tx.QueryRowContext(ctx, "SELECT COUNT(*)"+sumsOrZero([]string{"requests", "charged", "written_off", "switched", "cost", "lost"})+" FROM usage_hours WHERE period < ?", upto).
			Scan(&rows, &c.requests, &c.charged, &c.written, &c.switched, &c.cost, &c.lost)
		if err != nil {
			return err
		}
		n = max(rows, gone)
		if rows == 0 {
			return nil
		}
		if err := c.write(ctx, tx, sweptHours, upto); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM usage_hours WHERE period < ?", upto)
		return err
	})
	return n, err
}

// hoursUpto is up to which hour a table's oldest rows are swept at once: about limit rows, whole hours.
func hoursUpto(ctx context.Context, tx *sql.Tx, table string, end int64, limit int) (int64, error) {
	var later int64
	err := tx.QueryRowContext(ctx, "SELECT period FROM "+table+" WHERE period < ? ORDER BY period LIMIT 1 OFFSET ?", end, limit).Scan(&later)
	if errors.Is(err, sql.ErrNoRows) {
		return end, nil
	}
	return min(later+1, end), err
}

// carried adds what was swept to what the accounts should say, and holds each time against itself.
func (c *checker) carried() error {
	sweeps := map[int64][2]int64{} // what its rows debit and credit
	err := c.each("SELECT sweep, account, debits, credits FROM ledger_carried", func(scan func(...any) error) error {
		var sweep, account, debits, credits int64
		if err := scan(&sweep, &account, &debits, &credits); err != nil {
			return err
		}
		sum := sweeps[sweep]
		sweeps[sweep] = [2]int64{sum[0] + debits, sum[1] + credits}
		if c.want[account] == nil {
			c.wrong("what was swept (%d) names account %d of the books, which there is not", sweep, account)
			return nil
		}
		c.want[account][0] += debits
		c.want[account][1] += credits
		return nil
	})
	if err != nil {
		return err
	}
	err = c.each("SELECT id, kind, requests, charged, written_off, switched, cost, lost FROM ledger_sweeps", func(scan func(...any) error) error {
		var id, kind, requests, charged, written, switched, cost, lost int64
		if err := scan(&id, &kind, &requests, &charged, &written, &switched, &cost, &lost); err != nil {
			return err
		}
		if kind == sweptHours {
			h := &c.hours
			h.requests, h.charged, h.written, h.switched, h.cost, h.lost = h.requests+requests, h.charged+charged, h.written+written, h.switched+switched, h.cost+cost, h.lost+lost
			return nil
		}
		c.requests += requests
		c.charged, c.written, c.switched, c.cost, c.lost = c.charged+charged, c.written+written, c.switched+switched, c.cost+cost, c.lost+lost
		if sum, want := sweeps[id], charged+written+switched+cost+lost; sum[0] != want || sum[1] != want {
			c.wrong("what was swept (%d) came to %d, and %d debited and %d credited are carried forward", id, want, sum[0], sum[1])
		}
		delete(sweeps, id)
		return nil
	})
	for id := range sweeps {
		c.wrong("amounts are carried forward of a sweep %d that was not", id)
	}
	return err
}

// spendingOwners are those whose spending is remembered, with their columns.
var spendingOwners = []struct {
	kind   domain.SpenderKind
	column string
}{{domain.SpenderKey, "key"}, {domain.SpenderUser, "user"}, {domain.SpenderTeam, "team"}, {domain.SpenderPool, "pool"}}
