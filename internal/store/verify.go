package store

import (
	"context"
	"database/sql"
	"fmt"
	"sort"

	"turnout/internal/domain"
)

// BookAccount is an account of the books with its sums.
type BookAccount struct {
	Kind            AccountKind
	Ref             int64
	Debits, Credits domain.NanoUSD
}

// Books is what a check of the books has found.
type Books struct {
	Accounts    []BookAccount
	Settlements int64
	Transfers   int64
	Months      int64 // closed ones
	// Wrong says what does not add up, in words; empty: all of it does.
	Wrong []string
}

// CheckBooks adds the books up anew, from every settlement and transfer, and compares: each account's sums, debits against credits, what
// owners were charged against the roll-ups and the budgets' slots. It reads one consistent state and may run beside a server.
func (s *Store) CheckBooks(ctx context.Context) (*Books, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("check the books: %w", explain(err))
	}
	defer func() { _ = tx.Rollback() }()
	c := &checker{ctx: ctx, tx: tx, want: map[int64]*[2]int64{}, ids: map[ledgerKey]int64{}, out: &Books{}}
	for _, step := range []func() error{c.accounts, c.transfers, c.settlements, c.losses, c.carried, c.compare, c.rollUps, c.credits, c.months} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("check the books: %w", explain(err))
		}
	}
	return c.out, nil
}

type checker struct {
	ctx  context.Context
	tx   *sql.Tx
	have []bookRow
	ids  map[ledgerKey]int64
	want map[int64]*[2]int64 // debits, credits by account
	out  *Books

	// Of all settlements, those that are swept among them.
	requests, charged, written, switched, cost, lost int64
	hours                                            carried // what was swept from usage by hours
}

type bookRow struct {
	id              int64
	key             ledgerKey
	debits, credits int64
}

func (c *checker) wrong(format string, args ...any) {
	c.out.Wrong = append(c.out.Wrong, fmt.Sprintf(format, args...))
}

func (c *checker) each(query string, scan func(func(...any) error) error, args ...any) error {
	return eachRow(c.ctx, c.tx, query, scan, args...)
}

func (c *checker) accounts() error {
	return c.each("SELECT id, kind, ref, debits, credits FROM ledger_accounts ORDER BY kind, ref", func(scan func(...any) error) error {
		var r bookRow
		if err := scan(&r.id, &r.key.kind, &r.key.ref, &r.debits, &r.credits); err != nil {
			return err
		}
		c.have = append(c.have, r)
		c.ids[r.key] = r.id
		c.want[r.id] = &[2]int64{}
		c.out.Accounts = append(c.out.Accounts, BookAccount{r.key.kind, r.key.ref, domain.NanoUSD(r.debits), domain.NanoUSD(r.credits)})
		return nil
	})
}

// book adds one leg to what the accounts should say.
func (c *checker) book(amount, debit, credit int64, what string) {
	for side, id := range [...]int64{debit, credit} {
		if c.want[id] == nil {
			c.wrong("%s names account %d of the books, which there is not", what, id)
			c.want[id] = &[2]int64{}
		}
		c.want[id][side] += amount
	}
}

func (c *checker) transfers() error {
	return c.each("SELECT id, debit, credit, amount FROM ledger_transfers", func(scan func(...any) error) error {
		var id, debit, credit, amount int64
		if err := scan(&id, &debit, &credit, &amount); err != nil {
			return err
		}
		c.out.Transfers++
		c.book(amount, debit, credit, fmt.Sprintf("transfer %d", id))
		return nil
	})
}

func (c *checker) settlements() error {
	leg := func(amount, debit int64, debitKey, creditKey ledgerKey, what string) {
		if amount == 0 {
			return
		}
		if debit == 0 {
			debit = c.ids[debitKey]
		}
		c.book(amount, debit, c.ids[creditKey], what)
	}
	income := ledgerKey{AccountIncome, 0}
	return c.each("SELECT payer, account, flags, SUM(charged), SUM(written_off), SUM(switched), SUM(cost), COUNT(*), MIN(MIN(charged, written_off, switched, cost)) FROM settlements GROUP BY payer, account, flags",
		func(scan func(...any) error) error {
			var payer, account, flags, charged, written, switched, cost, n, least int64
			if err := scan(&payer, &account, &flags, &charged, &written, &switched, &cost, &n, &least); err != nil {
				return err
			}
			what := fmt.Sprintf("%d settlements of account %d", n, account)
			if least < 0 {
				c.wrong("%s: one has a negative amount", what)
			}
			c.out.Settlements += n
			c.requests += n
			c.charged, c.written, c.switched, c.cost = c.charged+charged, c.written+written, c.switched+switched, c.cost+cost
			leg(charged, payer, ledgerKey{}, income, what)
			leg(written, 0, ledgerKey{AccountWriteOff, 0}, income, what)
			leg(switched, 0, ledgerKey{AccountSwitch, 0}, income, what)
			leg(cost, 0, ledgerKey{AccountCost, 0}, owedTo(domain.AccountID(account), domain.SettlementFlags(flags)&domain.FlagFlat != 0), what)
			return nil
		})
}

func (c *checker) losses() error {
	return c.each("SELECT account, flat, SUM(amount) FROM losses GROUP BY account, flat", func(scan func(...any) error) error {
		var account, amount int64
		var flat bool
		if err := scan(&account, &flat, &amount); err != nil {
			return err
		}
		c.lost += amount
		c.book(amount, c.ids[ledgerKey{AccountLoss, 0}], c.ids[owedTo(domain.AccountID(account), flat)], fmt.Sprintf("losses of account %d", account))
		return nil
	})
}

func (c *checker) compare() error {
	var debits, credits int64
	for _, r := range c.have {
		debits, credits = debits+r.debits, credits+r.credits
		if w := c.want[r.id]; w[0] != r.debits || w[1] != r.credits {
			c.wrong("the %s %d says %d debited and %d credited; its entries come to %d and %d", r.key.kind, r.key.ref, r.debits, r.credits, w[0], w[1])
		}
	}
	if debits != credits {
		c.wrong("the books do not sum to zero: %d debited, %d credited", debits, credits)
	}
	return nil
}

// rollUps compares what is added up by hours, by days and by slots with the settlements.
func (c *checker) rollUps() error {
	for _, t := range rollUps {
		var kept carried
		if t.hours == 1 {
			kept = c.hours
		}
		err := c.each("SELECT COALESCE(SUM(requests), 0)"+sumsOrZero([]string{"charged", "written_off", "switched", "cost", "lost"})+" FROM "+t.table, func(scan func(...any) error) error {
			var requests, charged, written, switched, cost, lost int64
			if err := scan(&requests, &charged, &written, &switched, &cost, &lost); err != nil {
				return err
			}
			requests, charged, written = requests+kept.requests, charged+kept.charged, written+kept.written
			switched, cost, lost = switched+kept.switched, cost+kept.cost, lost+kept.lost
			if requests != c.requests || charged != c.charged || written != c.written || switched != c.switched || cost != c.cost || lost != c.lost {
				c.wrong("%s adds up to %d requests, %d charged, %d written off, %d of switches, %d cost and %d lost; the settlements to %d, %d, %d, %d, %d and %d", t.table,
					requests, charged, written, switched, cost, lost, c.requests, c.charged, c.written, c.switched, c.cost, c.lost)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	spent := map[domain.Spender]int64{}
	add := func(scan func(...any) error) error {
		var who domain.Spender
		var n int64
		err := scan(&who.Kind, &who.ID, &n)
		if n != 0 {
			spent[who] += n
		}
		return err
	}
	for _, of := range spendingOwners {
		if err := c.each(fmt.Sprintf("SELECT %d, %s, SUM(charged) FROM settlements WHERE %s <> 0 GROUP BY 2", of.kind, of.column, of.column), add); err != nil {
			return err
		}
	}
	if err := c.each("SELECT kind, ref, SUM(amount) FROM spending_carried GROUP BY kind, ref", add); err != nil {
		return err
	}
	err := c.each("SELECT kind, ref, SUM(amount) FROM spending GROUP BY kind, ref", func(scan func(...any) error) error {
		var s domain.Spender
		var n int64
		err := scan(&s.Kind, &s.ID, &n)
		spent[s] -= n
		return err
	})
	var off []string
	for s, n := range spent {
		if n != 0 {
			off = append(off, fmt.Sprintf("what is remembered for budgets of %s %d is %d less than it was charged", s.Kind, s.ID, n))
		}
	}
	sort.Strings(off)
	c.out.Wrong = append(c.out.Wrong, off...)
	return err
}

// credits checks that no more is left of credits than was credited.
func (c *checker) credits() error {
	return c.each("SELECT id, amount, left FROM ledger_credits WHERE left > amount OR left < 0", func(scan func(...any) error) error {
		var id, amount, left int64
		err := scan(&id, &amount, &left)
		c.wrong("of credit %d over %d there is %d left", id, amount, left)
		return err
	})
}
