package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"turnout/internal/domain"
)

// booking is one batch of settlements on its way into the database.
type booking struct {
	*postings
	tx    *sql.Tx
	a     *appender // whose lock is held
	fresh map[string]int64

	settled, lost *sql.Stmt
	used          map[usageKey]*usageSum
	spent         map[spentKey]domain.NanoUSD
	paid          map[ledgerKey]domain.NanoUSD // by purses that have credits
	closed        map[monthKey]bool            // which months are closed, as far as it was asked
}

// usageKey is what usage is added up by.
type usageKey struct {
	hour                                        int64
	team, user, key, pool, account, model, tags int64
}

type usageSum struct {
	requests                               int64
	usage                                  domain.Usage
	charged, written, switched, cost, lost domain.NanoUSD
}

type spentKey struct {
	owner domain.Spender
	slot  int64
}

func newBooking(tx *sql.Tx, a *appender, fresh map[string]int64) *booking {
	return &booking{
		postings: newPostings(tx), tx: tx, a: a, fresh: fresh,
		used: map[usageKey]*usageSum{}, spent: map[spentKey]domain.NanoUSD{}, paid: map[ledgerKey]domain.NanoUSD{}, closed: map[monthKey]bool{},
	}
}

const (
	insertSettlement = `INSERT OR IGNORE INTO settlements (id, took, key, user, team, pool, account, payer, model, plan, tags, flags,
		charged, written_off, switched, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertLoss = `INSERT INTO losses (id, n, account, amount, flat) VALUES (?, (SELECT COUNT(*) FROM losses WHERE id = ?), ?, ?, ?)`
)

// settle books one settlement, if it is the request's first.
func (b *booking) settle(ctx context.Context, s *domain.Settlement) error {
	k, err := b.keyOf(ctx, s)
	if err != nil {
		return err
	}
	if !s.Late {
		first, err := b.insert(ctx, s, k)
		if err != nil || !first {
			return err
		}
	}
	for _, l := range s.Losses {
		if b.lost == nil {
			if b.lost, err = b.tx.PrepareContext(ctx, insertLoss); err != nil {
				return err
			}
		}
		if _, err := b.lost.ExecContext(ctx, s.Request[:], s.Request[:], int64(l.Account), int64(l.Amount), l.Flat); err != nil {
			return err
		}
	}
	b.count(s, k)
	return legs(s, func(amount domain.NanoUSD, debit, credit ledgerKey) error { return b.move(ctx, amount, debit, credit) })
}

// insert writes the row; first is false if there is one already.
func (b *booking) insert(ctx context.Context, s *domain.Settlement, k usageKey) (first bool, err error) {
	id, err := b.account(ctx, payerOf(s))
	if err != nil {
		return false, err
	}
	plan, err := b.a.intern(ctx, b.tx, s.Plan, b.fresh)
	if err != nil {
		return false, err
	}
	if b.settled == nil {
		if b.settled, err = b.tx.PrepareContext(ctx, insertSettlement); err != nil {
			return false, err
		}
	}
	res, err := b.settled.ExecContext(ctx, s.Request[:], s.At.Sub(s.Request.Time()).Milliseconds(), k.key, k.user, k.team, k.pool, k.account, id,
		k.model, plan, k.tags, int64(s.Flags), int64(s.Charged), int64(s.WrittenOff), int64(s.Switch), int64(s.Cost))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func (b *booking) keyOf(ctx context.Context, s *domain.Settlement) (k usageKey, err error) {
	hour, err := b.openHour(ctx, int64(s.Team), s.At.Unix()/3600)
	if err != nil {
		return k, err
	}
	k = usageKey{
		hour: hour, team: int64(s.Team), user: int64(s.User), key: int64(s.Key), pool: int64(s.Pool), account: int64(s.Account),
	}
	if k.model, err = b.a.intern(ctx, b.tx, s.Model, b.fresh); err != nil {
		return k, err
	}
	k.tags, err = b.a.intern(ctx, b.tx, s.Tags, b.fresh)
	return k, err
}

// count adds a settlement to the roll-ups and to what its owners have spent.
func (b *booking) count(s *domain.Settlement, k usageKey) {
	u := b.used[k]
	if u == nil {
		u = &usageSum{}
		b.used[k] = u
	}
	if !s.Late {
		u.requests++
		u.usage = u.usage.Plus(s.Usage)
	}
	u.charged, u.written, u.switched, u.cost = u.charged+s.Charged, u.written+s.WrittenOff, u.switched+s.Switch, u.cost+s.Cost
	for _, l := range s.Losses {
		u.lost += l.Amount
	}
	if s.Charged == 0 {
		return
	}
	b.paid[purseOf(s.Payer)] += s.Charged
	slot := s.At.Unix() / int64(domain.SpendingSlot/time.Second)
	for _, owner := range [...]domain.Spender{
		{Kind: domain.SpenderKey, ID: int64(s.Key)}, {Kind: domain.SpenderUser, ID: int64(s.User)},
		{Kind: domain.SpenderTeam, ID: int64(s.Team)}, {Kind: domain.SpenderPool, ID: int64(s.Pool)},
	} {
		if owner.ID != 0 {
			b.spent[spentKey{owner, slot}] += s.Charged
		}
	}
}

// finish writes what was added up.
func (b *booking) finish(ctx context.Context) error {
	defer func() {
		for _, s := range []*sql.Stmt{b.settled, b.lost} {
			if s != nil {
				_ = s.Close()
			}
		}
	}()
	if err := b.post(ctx); err != nil {
		return err
	}
	if err := b.rollUp(ctx); err != nil {
		return err
	}
	if err := b.spending(ctx); err != nil {
		return err
	}
	for purse, amount := range b.paid {
		if err := b.useCredits(ctx, purse, amount); err != nil {
			return err
		}
	}
	return nil
}

// rollUps are the tables that settlements are added up in.
var rollUps = []rollUp{
	{"usage_hours", 1, []string{"team", "user", "key", "pool", "account", "model", "tags"}},
	{"usage_days", 24, []string{"team", "user", "key", "pool", "account", "model", "tags"}},
	{"usage_payers", 24, []string{"team", "user", "key", "pool", "tags"}},
	{"usage_sources", 24, []string{"account", "model"}},
}

type rollUp struct {
	table string
	hours int64 // how many of them a period has
	by    []string
}

// of is one of the things that usage is added up by.
func (k *usageKey) of(column string) *int64 {
	switch column {
	case "team":
		return &k.team
	case "user":
		return &k.user
	case "key":
		return &k.key
	case "pool":
		return &k.pool
	case "account":
		return &k.account
	case "model":
		return &k.model
	}
	return &k.tags
}

// at is what a table has one row for.
func (r *rollUp) at(k *usageKey) (row usageKey) {
	row.hour = k.hour / r.hours
	for _, c := range r.by {
		*row.of(c) = *k.of(c)
	}
	return row
}

// The columns that roll-ups add up.
var usageSums = []string{"requests", "input", "cache_read", "cache_write", "output", "reasoning", "charged", "written_off", "switched", "cost", "lost"}

// upsert adds to the row of the first columns, by, what the others, sums, say.
func upsert(table string, by, sums []string) string {
	adds := make([]string, len(sums))
	for i, c := range sums {
		adds[i] = c + " = " + c + " + excluded." + c
	}
	return "INSERT INTO " + table + " (" + strings.Join(by, ", ") + ", " + strings.Join(sums, ", ") + ") VALUES " +
		values(1, len(by)+len(sums)) + " ON CONFLICT (" + strings.Join(by, ", ") + ") DO UPDATE SET " + strings.Join(adds, ", ")
}

func (u *usageSum) plus(v *usageSum) {
	u.requests, u.usage = u.requests+v.requests, u.usage.Plus(v.usage)
	u.charged, u.written, u.switched, u.cost, u.lost = u.charged+v.charged, u.written+v.written, u.switched+v.switched, u.cost+v.cost, u.lost+v.lost
}

func (b *booking) rollUp(ctx context.Context) error {
	for i := range rollUps {
		if err := b.rollUpInto(ctx, &rollUps[i]); err != nil {
			return fmt.Errorf("add to %s: %w", rollUps[i].table, err)
		}
	}
	return nil
}

func (b *booking) rollUpInto(ctx context.Context, t *rollUp) error {
	rows := map[usageKey]*usageSum{}
	for k, u := range b.used {
		at := t.at(&k)
		if rows[at] == nil {
			rows[at] = &usageSum{}
		}
		rows[at].plus(u)
	}
	up, err := b.tx.PrepareContext(ctx, upsert(t.table, append([]string{"period"}, t.by...), usageSums))
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	for k, u := range rows {
		args := []any{k.hour}
		for _, c := range t.by {
			args = append(args, *k.of(c))
		}
		args = append(args, u.requests, u.usage.Input, u.usage.CacheRead, u.usage.CacheWrite5m+u.usage.CacheWrite1h, u.usage.Output, u.usage.Reasoning,
			int64(u.charged), int64(u.written), int64(u.switched), int64(u.cost), int64(u.lost))
		if _, err := up.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *booking) spending(ctx context.Context) error {
	if len(b.spent) == 0 {
		return nil
	}
	up, err := b.tx.PrepareContext(ctx, `INSERT INTO spending (kind, ref, slot, amount) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, ref, slot) DO UPDATE SET amount = amount + excluded.amount`)
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	for k, amount := range b.spent {
		if _, err := up.ExecContext(ctx, k.owner.Kind, k.owner.ID, k.slot, int64(amount)); err != nil {
			return err
		}
	}
	return nil
}

// useCredits takes what a purse has paid from its credits, those that expire first before the others.
func (b *booking) useCredits(ctx context.Context, purse ledgerKey, amount domain.NanoUSD) error {
	id, err := b.account(ctx, purse)
	if err != nil {
		return err
	}
	type credit struct{ id, use int64 }
	var uses []credit
	err = eachRow(ctx, b.tx, "SELECT id, left FROM ledger_credits WHERE account = ? AND left > 0 ORDER BY expires = 0, expires, id", func(scan func(...any) error) error {
		var c credit
		var left int64
		if err := scan(&c.id, &left); err != nil {
			return err
		}
		if c.use = min(left, int64(amount)); c.use > 0 {
			amount -= domain.NanoUSD(c.use)
			uses = append(uses, c)
		}
		return nil
	}, id)
	if err != nil {
		return err
	}
	for _, c := range uses {
		if _, err := b.tx.ExecContext(ctx, "UPDATE ledger_credits SET left = left - ? WHERE id = ?", c.use, c.id); err != nil {
			return err
		}
	}
	return nil
}
