package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"turnout/internal/domain"
)

// Month is a calendar month in UTC: 202611 is November 2026.
type Month int32

// MonthOf is the month of a moment.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month(t.Year()*100 + int(t.Month()))
}

// ParseMonth reads "2026-11".
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, domain.Errorf(domain.KindInvalid, "read a month", "%q is no month; want one such as 2026-11", s)
	}
	return MonthOf(t), nil
}

// String is the month as ParseMonth reads it.
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m/100, m%100) }

// Start is when the month begins.
func (m Month) Start() time.Time {
	return time.Date(int(m/100), time.Month(m%100), 1, 0, 0, 0, 0, time.UTC)
}

// End is when the next one begins.
func (m Month) End() time.Time { return m.Start().AddDate(0, 1, 0) }

// days are the month's first day and the next one's, in Unix days.
func (m Month) days() (from, until int64) { return m.Start().Unix() / 86400, m.End().Unix() / 86400 }

type monthKey struct {
	team  int64
	month Month
}

// openHour is the hour in which usage of a team is counted: its own, or where its month is closed the first hour of the next month that
// is not. A closed month never changes.
func (b *booking) openHour(ctx context.Context, team, hour int64) (int64, error) {
	for {
		k := monthKey{team, MonthOf(time.Unix(hour*3600, 0))}
		closed, known := b.closed[k]
		if !known {
			err := b.tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM ledger_months WHERE team = ? AND month = ?)", team, k.month).Scan(&closed)
			if err != nil {
				return 0, err
			}
			b.closed[k] = closed
		}
		if !closed {
			return hour, nil
		}
		hour = k.month.End().Unix() / 3600
	}
}

// StatementLine is what one key of one user used of one model, with one set of tags.
type StatementLine struct {
	User  string `json:"user,omitempty"`
	Key   string `json:"key,omitempty"`
	Model string `json:"model,omitempty"`
	Tags  string `json:"tags,omitempty"`
	StatementSums
}

// StatementSums are a line's or a statement's amounts; money is in nano-USD.
type StatementSums struct {
	Requests   int64          `json:"requests"`
	Input      int64          `json:"input_tokens"`
	CacheRead  int64          `json:"cache_read_tokens"`
	CacheWrite int64          `json:"cache_write_tokens"`
	Output     int64          `json:"output_tokens"`
	Reasoning  int64          `json:"reasoning_tokens"`
	Charged    domain.NanoUSD `json:"charged_nano_usd"`
	WrittenOff domain.NanoUSD `json:"written_off_nano_usd"`
	Switched   domain.NanoUSD `json:"switched_nano_usd"`
	Cost       domain.NanoUSD `json:"cost_nano_usd"`
	Lost       domain.NanoUSD `json:"lost_nano_usd"`
}

// StatementShare is a team's part of an account's fixed price.
type StatementShare struct {
	Account string         `json:"account"`
	Fixed   domain.NanoUSD `json:"fixed_nano_usd"`  // the whole price
	Shadow  domain.NanoUSD `json:"shadow_nano_usd"` // what the team used there, at list prices
	All     domain.NanoUSD `json:"all_nano_usd"`    // what all used there
	Share   domain.NanoUSD `json:"share_nano_usd"`  // the team's part of the price
}

// Statement is a team's month.
type Statement struct {
	Team        string           `json:"team"` // empty: what belongs to no team
	Month       string           `json:"month"`
	Provisional bool             `json:"provisional,omitempty"` // the month is open: all of it may change
	Closed      *time.Time       `json:"closed,omitempty"`
	Totals      StatementSums    `json:"totals"`
	Lines       []StatementLine  `json:"lines"`
	Flat        []StatementShare `json:"flat_accounts,omitempty"`

	Hash string `json:"hash,omitempty"` // of a closed month; it is not part of what is hashed
}

// FixedPrices are what accounts with a fixed price cost a month.
type FixedPrices map[domain.AccountID]domain.NanoUSD

// monthHash is the fingerprint of a closed month.
func monthHash(team int64, month Month, closed int64, statement string) []byte {
	sum := sha256.Sum256([]byte("turnout month\n" + strconv.FormatInt(team, 10) + "\n" + month.String() + "\n" + strconv.FormatInt(closed, 10) + "\n" + statement))
	return sum[:]
}

// querier is what reading needs: a transaction or the readers.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanRows is eachRow with what is done before what is asked.
func scanRows(ctx context.Context, q querier, scan func(func(...any) error) error, query string, args ...any) error {
	return eachRow(ctx, q, query, scan, args...)
}

const selectMonth = `SELECT COALESCE((SELECT name FROM users WHERE id = u.user), ''), COALESCE((SELECT name FROM keys WHERE id = u.key), ''),
	COALESCE((SELECT name FROM names WHERE id = u.model), ''), COALESCE((SELECT name FROM names WHERE id = u.tags), ''),
	SUM(requests), SUM(input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(reasoning), SUM(charged), SUM(written_off), SUM(switched), SUM(cost), SUM(lost)
	FROM usage_days u WHERE period >= ? AND period < ? AND team = ? GROUP BY user, key, model, tags ORDER BY 1, 2, 3, 4`

// statementOf adds a team's month up.
func statementOf(ctx context.Context, q querier, team int64, month Month, fixed FixedPrices) (*Statement, error) {
	s := &Statement{Month: month.String(), Lines: []StatementLine{}}
	if team != 0 {
		if err := q.QueryRowContext(ctx, "SELECT name FROM teams WHERE id = ?", team).Scan(&s.Team); err != nil {
			return nil, err
		}
	}
	from, until := month.days()
	var totals UsageSums
	err := scanRows(ctx, q, func(scan func(...any) error) error {
		var l StatementLine
		var sums UsageSums
		if err := scan(append([]any{&l.User, &l.Key, &l.Model, &l.Tags}, sums.places()...)...); err != nil {
			return err
		}
		l.StatementSums = StatementSums(sums)
		totals = totals.Plus(sums)
		s.Lines = append(s.Lines, l)
		return nil
	}, selectMonth, from, until, team)
	if err != nil {
		return nil, err
	}
	s.Totals = StatementSums(totals)
	s.Flat, err = flatOf(ctx, q, team, month, fixed)
	return s, err
}

// share is one team's use of an account with a fixed price.
type share struct {
	account, team  int64
	shadow, amount domain.NanoUSD
}

// sharesOf shares the fixed prices out by use at list prices, or gives what was shared out when the month's first team was closed.
func sharesOf(ctx context.Context, q querier, month Month, fixed FixedPrices) (out []share, frozen bool, err error) {
	if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM ledger_months WHERE month = ?)", month).Scan(&frozen); err != nil {
		return nil, false, err
	}
	if frozen {
		err = scanRows(ctx, q, func(scan func(...any) error) error {
			var s share
			err := scan(&s.account, &s.team, (*int64)(&s.shadow), (*int64)(&s.amount))
			out = append(out, s)
			return err
		}, "SELECT account, team, shadow, amount FROM ledger_shares WHERE month = ? ORDER BY account, team", month)
		return out, true, err
	}
	from, until := month.days()
	for _, account := range slices.Sorted(maps.Keys(fixed)) {
		var of []share
		var weights []domain.NanoUSD
		err := scanRows(ctx, q, func(scan func(...any) error) error {
			s := share{account: int64(account)}
			err := scan(&s.team, (*int64)(&s.shadow))
			of, weights = append(of, s), append(weights, s.shadow)
			return err
		}, "SELECT team, SUM(cost) FROM usage_days WHERE period >= ? AND period < ? AND account = ? GROUP BY team HAVING SUM(cost) > 0 ORDER BY team", from, until, int64(account))
		if err != nil {
			return nil, false, err
		}
		for i, part := range domain.ShareOut(fixed[account], weights) {
			of[i].amount = part
		}
		out = append(out, of...)
	}
	return out, false, nil
}

// flatOf are a team's parts of fixed prices.
func flatOf(ctx context.Context, q querier, team int64, month Month, fixed FixedPrices) (out []StatementShare, err error) {
	shares, _, err := sharesOf(ctx, q, month, fixed)
	if err != nil {
		return nil, err
	}
	for _, mine := range shares {
		if mine.team != team {
			continue
		}
		s := StatementShare{Shadow: mine.shadow, Share: mine.amount}
		for _, other := range shares {
			if other.account == mine.account {
				s.All, s.Fixed = s.All.Plus(other.shadow), s.Fixed.Plus(other.amount)
			}
		}
		if err := q.QueryRowContext(ctx, "SELECT name FROM accounts WHERE id = ?", mine.account).Scan(&s.Account); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// ErrClosed is in the error of a month that is closed already.
var ErrClosed = errors.New("the month is closed already")

// CloseMonth freezes a month of teams (0: what belongs to no team), all of them or none. What is settled afterwards for a closed month is
// counted in the next one that is open.
func (s *Store) CloseMonth(ctx context.Context, teams []int64, month Month, fixed FixedPrices, now time.Time) error {
	const doing = "close a month"
	if now.Before(month.End()) {
		return domain.Errorf(domain.KindInvalid, doing, "%s is not over: it ends at %s", month, month.End().Format(time.RFC3339))
	}
	return s.tx(ctx, doing, func(tx *sql.Tx) error {
		shares, frozen, err := sharesOf(ctx, tx, month, fixed)
		if err != nil {
			return err
		}
		if !frozen {
			for _, sh := range shares {
				_, err := tx.ExecContext(ctx, "INSERT INTO ledger_shares (month, account, team, shadow, amount) VALUES (?, ?, ?, ?, ?)", month, sh.account, sh.team, int64(sh.shadow), int64(sh.amount))
				if err != nil {
					return err
				}
			}
		}
		// All statements come before all rows: the first row freezes the shares.
		at := now.UnixMilli()
		closed := time.UnixMilli(at).UTC()
		texts := make([]string, len(teams))
		for i, team := range teams {
			var exists bool
			if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM ledger_months WHERE team = ? AND month = ?)", team, month).Scan(&exists); err != nil {
				return err
			}
			st, err := statementOf(ctx, tx, team, month, fixed)
			if err != nil {
				return err
			}
			if exists {
				return &domain.Error{Kind: domain.KindInvalid, Op: doing, Message: fmt.Sprintf("%s of %s is closed already; a closed month never changes", month, teamText(st.Team)), Err: ErrClosed}
			}
			st.Closed = &closed
			text, err := json.Marshal(st)
			if err != nil {
				return err
			}
			texts[i] = string(text)
		}
		for i, team := range teams {
			_, err := tx.ExecContext(ctx, "INSERT INTO ledger_months (team, month, closed, statement, hash) VALUES (?, ?, ?, ?, ?)", team, month, at, texts[i], monthHash(team, month, at, texts[i]))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func teamText(name string) string {
	if name == "" {
		return "what belongs to no team"
	}
	return "the team " + strconv.Quote(name)
}

// OpenTeams are the teams whose month is not closed; what belongs to no team, 0, is among them if there is any.
func (s *Store) OpenTeams(ctx context.Context, month Month) (teams []int64, err error) {
	from, until := month.days()
	err = s.rows(ctx, "list teams whose month is open", func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		teams = append(teams, id)
		return err
	}, `SELECT id FROM teams WHERE NOT EXISTS (SELECT 1 FROM ledger_months m WHERE m.team = teams.id AND m.month = ?)
		UNION ALL SELECT 0 WHERE EXISTS (SELECT 1 FROM usage_days WHERE period >= ? AND period < ? AND team = 0)
			AND NOT EXISTS (SELECT 1 FROM ledger_months WHERE team = 0 AND month = ?) ORDER BY 1`, month, from, until, month)
	return teams, err
}

// Statement gives a team's month: as it was frozen, or a provisional one of an open month.
func (s *Store) Statement(ctx context.Context, team int64, month Month, fixed FixedPrices) (*Statement, error) {
	const doing = "make a statement"
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, explain(err))
	}
	defer func() { _ = tx.Rollback() }()
	var text string
	var hash []byte
	var closed int64
	err = tx.QueryRowContext(ctx, "SELECT statement, hash, closed FROM ledger_months WHERE team = ? AND month = ?", team, month).Scan(&text, &hash, &closed)
	if errors.Is(err, sql.ErrNoRows) {
		st, err := statementOf(ctx, tx, team, month, fixed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, explain(err))
		}
		st.Provisional = true
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, explain(err))
	}
	if !bytes.Equal(hash, monthHash(team, month, closed, text)) {
		return nil, fmt.Errorf("%s: %s of team %d is not what was frozen: its fingerprint differs", doing, month, team)
	}
	var st Statement
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	st.Hash = fmt.Sprintf("%x", hash)
	return &st, nil
}

// months checks that closed months are what was frozen, and that the roll-ups still say so.
func (c *checker) months() error {
	type row struct {
		team, closed int64
		month        Month
		text         string
		hash         []byte
	}
	var all []row
	err := c.each("SELECT team, month, closed, statement, hash FROM ledger_months ORDER BY month, team", func(scan func(...any) error) error {
		var r row
		err := scan(&r.team, &r.month, &r.closed, &r.text, &r.hash)
		all = append(all, r)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		c.out.Months++
		if !bytes.Equal(r.hash, monthHash(r.team, r.month, r.closed, r.text)) {
			c.wrong("the closed month %s of team %d is not what was frozen: its fingerprint differs", r.month, r.team)
			continue
		}
		var st Statement
		if err := json.Unmarshal([]byte(r.text), &st); err != nil {
			c.wrong("the closed month %s of team %d cannot be read: %v", r.month, r.team, err)
			continue
		}
		var lines UsageSums
		for _, l := range st.Lines {
			lines = lines.Plus(UsageSums(l.StatementSums))
		}
		var now UsageSums
		from, until := r.month.days()
		err := c.each("SELECT COALESCE(SUM(requests), 0)"+sumsOrZero(usageSums[1:])+" FROM usage_days WHERE period >= ? AND period < ? AND team = ?",
			func(scan func(...any) error) error { return scan(now.places()...) }, from, until, r.team)
		if err != nil {
			return err
		}
		if lines != UsageSums(st.Totals) || lines != now {
			c.wrong("the closed month %s of team %d has lines of %d requests and %d charged, totals of %d and %d, and usage_days of %d and %d", r.month, r.team,
				lines.Requests, lines.Charged, st.Totals.Requests, st.Totals.Charged, now.Requests, now.Charged)
		}
		for _, f := range st.Flat {
			if err := c.share(r.month, r.team, &f); err != nil {
				return err
			}
		}
	}
	return nil
}

// share holds a statement's part of a fixed price against the parts of all.
func (c *checker) share(month Month, team int64, f *StatementShare) error {
	return c.each(`SELECT COALESCE(SUM(amount), 0), COALESCE(SUM(CASE WHEN team = ? THEN amount END), 0) FROM ledger_shares
		WHERE month = ? AND account = (SELECT id FROM accounts WHERE name = ?)`, func(scan func(...any) error) error {
		var all, mine domain.NanoUSD
		err := scan((*int64)(&all), (*int64)(&mine))
		if all != f.Fixed || mine != f.Share {
			c.wrong("in the closed month %s the parts of the fixed price of account %s sum to %d, of which team %d has %d; its statement says %d and %d", month, f.Account, all, team, mine, f.Fixed, f.Share)
		}
		return err
	}, team, month, f.Account)
}

func sumsOrZero(columns []string) string {
	var b bytes.Buffer
	for _, c := range columns {
		b.WriteString(", COALESCE(SUM(" + c + "), 0)")
	}
	return b.String()
}

// FixedPrices are the monthly prices of the accounts that have a fixed one, 0 where it is not said; of disabled ones too.
func (s *Store) FixedPrices(ctx context.Context) (FixedPrices, error) {
	out := FixedPrices{}
	err := s.rows(ctx, "list fixed prices", func(scan func(...any) error) error {
		var id domain.AccountID
		var text string
		if err := scan(&id, &text); err != nil {
			return err
		}
		var spec accountSpec
		if err := json.Unmarshal([]byte(text), &spec); err != nil {
			return err
		}
		if spec.Flat {
			out[id] = spec.Monthly
		}
		return nil
	}, "SELECT id, spec FROM accounts")
	return out, err
}
