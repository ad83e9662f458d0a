package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnout/internal/domain"
)

// UsageBy is one thing that usage can be added up by.
type UsageBy string

// What it can be added up by.
const (
	ByTeam    UsageBy = "team"
	ByUser    UsageBy = "user"
	ByKey     UsageBy = "key"
	ByPool    UsageBy = "pool"
	ByAccount UsageBy = "account"
	ByModel   UsageBy = "model"
	ByTags    UsageBy = "tags"
	ByDay     UsageBy = "day"
	ByHour    UsageBy = "hour"
)

// usageColumns are those that are columns of the roll-ups.
var usageColumns = []UsageBy{ByTeam, ByUser, ByKey, ByPool, ByAccount, ByModel, ByTags}

// UsageQuery chooses usage and says what to add it up by. Nil chooses everything; 0 chooses what belongs to none.
type UsageQuery struct {
	By          []UsageBy
	From, Until time.Time // by whole hours: from the hour of From to the end of the hour before Until
	Only        map[UsageBy]int64
	Tags        []int64 // ids of tags; nil: all
	Limit       int     // refuse to give more rows than that; 0: 200,000
}

const mostUsageRows = 200_000

// UsageSums are what is added up.
type UsageSums struct {
	Requests, Input, CacheRead, CacheWrite, Output, Reasoning int64

	Charged, WrittenOff, Switched, Cost, Lost domain.NanoUSD
}

// Plus adds.
func (u UsageSums) Plus(v UsageSums) UsageSums {
	return UsageSums{
		Requests: u.Requests + v.Requests, Input: u.Input + v.Input, CacheRead: u.CacheRead + v.CacheRead, CacheWrite: u.CacheWrite + v.CacheWrite,
		Output: u.Output + v.Output, Reasoning: u.Reasoning + v.Reasoning,
		Charged: u.Charged.Plus(v.Charged), WrittenOff: u.WrittenOff.Plus(v.WrittenOff), Switched: u.Switched.Plus(v.Switched), Cost: u.Cost.Plus(v.Cost), Lost: u.Lost.Plus(v.Lost),
	}
}

func (u *UsageSums) places() []any {
	return []any{
		&u.Requests, &u.Input, &u.CacheRead, &u.CacheWrite, &u.Output, &u.Reasoning, (*int64)(&u.Charged), (*int64)(&u.WrittenOff), (*int64)(&u.Switched),
		(*int64)(&u.Cost), (*int64)(&u.Lost),
	}
}

// UsageKey is what a row of usage is of. What it was not asked by is 0.
type UsageKey struct {
	Period                                      int64 // Unix hours or days, as was asked
	Team, User, Key, Pool, Account, Model, Tags int64
}

// UsageRow is usage, added up.
type UsageRow struct {
	UsageKey
	UsageSums
}

// choice is a column that may be asked for.
type choice struct {
	column string
	chosen bool
}

// groupBy lists columns as they are selected, with 0 for those that are not chosen, and gives the clause that groups by them.
func groupBy(choices []choice) (selected, group string) {
	var list, by []string
	for _, c := range choices {
		if c.chosen {
			list, by = append(list, c.column), append(by, c.column)
		} else {
			list = append(list, "0")
		}
	}
	if len(by) > 0 {
		group = " GROUP BY " + strings.Join(by, ", ")
	} else {
		group = " HAVING COUNT(*) > 0"
	}
	return strings.Join(list, ", "), group
}

func sums(columns []string) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString(", SUM(" + c + ")")
	}
	return b.String()
}

// statement is one question to the database.
type statement struct {
	query string
	args  []any
}

// statements are what a query asks: by whole days of a table of days where it can, and by hours at the ends. hoursSince is the first
// hour that hours are kept of.
func (q *UsageQuery) statements(hoursSince int64) []statement {
	from, until := q.From.Unix()/3600, hourAfter(q.Until)
	if slices.Contains(q.By, ByHour) {
		return []statement{q.statement("usage_hours", from, until, 1)}
	}
	return spans(from, until, hoursSince, func(days bool, from, until int64) statement {
		if days {
			return q.statement(q.daily(), from, until, 1)
		}
		return q.statement("usage_hours", from, until, 24)
	})
}

// spans parts a time, in hours, into whole days and the hours before and after them. Days whose hours are not all kept are taken whole.
func spans(from, until, hoursSince int64, of func(days bool, from, until int64) statement) []statement {
	days, daysEnd := (from+23)/24, until/24
	if from < hoursSince {
		days = from / 24
	}
	if until < hoursSince {
		daysEnd = (until + 23) / 24
	}
	if days >= daysEnd {
		return []statement{of(false, from, until)}
	}
	var out []statement
	if from < days*24 {
		out = append(out, of(false, from, days*24))
	}
	out = append(out, of(true, days, daysEnd))
	if daysEnd*24 < until {
		out = append(out, of(false, daysEnd*24, until))
	}
	return out
}

// daily is the smallest table of days that has what is asked for.
func (q *UsageQuery) daily() string {
	for _, table := range []string{"usage_sources", "usage_payers"} {
		i := slices.IndexFunc(rollUps, func(r rollUp) bool { return r.table == table })
		has := func(c UsageBy) bool { return slices.Contains(rollUps[i].by, string(c)) }
		fits := q.Tags == nil || has(ByTags)
		for _, c := range usageColumns {
			_, only := q.Only[c]
			fits = fits && (has(c) || !only && !slices.Contains(q.By, c))
		}
		if fits {
			return table
		}
	}
	return "usage_days"
}

func (q *UsageQuery) statement(table string, from, until, parts int64) statement {
	period := choice{"period", slices.Contains(q.By, ByDay) || slices.Contains(q.By, ByHour)}
	if parts > 1 {
		period.column = fmt.Sprintf("period / %d", parts)
	}
	choices := []choice{period}
	for _, c := range usageColumns {
		choices = append(choices, choice{string(c), slices.Contains(q.By, c)})
	}
	by, group := groupBy(choices)
	s := statement{"SELECT " + by + sums(usageSums) + " FROM " + table + " WHERE period >= ? AND period < ?", []any{from, until}}
	for _, c := range usageColumns {
		if id, ok := q.Only[c]; ok {
			s.query += " AND " + string(c) + " = ?"
			s.args = append(s.args, id)
		}
	}
	if q.Tags != nil {
		s.query += " AND tags IN (0" + strings.Repeat(", ?", len(q.Tags)) + ")"
		for _, id := range q.Tags {
			s.args = append(s.args, id)
		}
	}
	s.query += group
	return s
}

// Usage adds usage up, in no order.
func (s *Store) Usage(ctx context.Context, q UsageQuery) ([]UsageRow, error) {
	const doing = "add up usage"
	most := q.Limit
	if most <= 0 {
		most = mostUsageRows
	}
	since, err := s.HoursSince(ctx)
	if err != nil {
		return nil, err
	}
	rows := map[UsageKey]UsageSums{}
	for _, st := range q.statements(since) {
		err := s.rows(ctx, doing, func(scan func(...any) error) error {
			var r UsageRow
			if err := scan(append([]any{&r.Period, &r.Team, &r.User, &r.Key, &r.Pool, &r.Account, &r.Model, &r.Tags}, r.places()...)...); err != nil {
				return err
			}
			rows[r.UsageKey] = rows[r.UsageKey].Plus(r.UsageSums)
			if len(rows) > most {
				return domain.Errorf(domain.KindInvalid, doing, "that is more than %d rows: ask for a shorter time, or add up by fewer things", most)
			}
			return nil
		}, st.query, st.args...)
		if err != nil {
			return nil, err
		}
	}
	out := make([]UsageRow, 0, len(rows))
	for k, v := range rows {
		out = append(out, UsageRow{k, v})
	}
	return out, nil
}

// HoursSince is the first hour that usage is kept by hours of; 0: all are kept.
func (s *Store) HoursSince(ctx context.Context) (hour int64, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(upto), 0) FROM ledger_sweeps WHERE kind = ?", sweptHours).Scan(&hour)
	if err != nil {
		err = fmt.Errorf("find what is kept by hours: %w", explain(err))
	}
	return hour, err
}

// Interned gives the names of models, plans and tags by their ids in roll-ups.
func (s *Store) Interned(ctx context.Context) (map[int64]string, error) {
	out := map[int64]string{}
	err := s.rows(ctx, "list interned names", func(scan func(...any) error) error {
		var id int64
		var name string
		err := scan(&id, &name)
		out[id] = name
		return err
	}, "SELECT id, name FROM names")
	return out, err
}
