package store

import (
	"context"
	"database/sql"
	"time"
)

// ttftBounds part the times until the first content that service_hours counts: t0 counts those of at most the first bound, t15 those
// beyond the last.
var ttftBounds = [...]time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond,
	time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second, 5 * time.Second, 7 * time.Second, 10 * time.Second,
	15 * time.Second, 30 * time.Second, time.Minute,
}

// TTFTBuckets is how many counts of a histogram there are: one more than bounds.
const TTFTBuckets = len(ttftBounds) + 1

var (
	serviceSums = []string{
		"requests", "ok", "failed", "cut", "canceled", "refused", "attempts", "total", "wait", "ttft",
		"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t13", "t14", "t15",
	}
	failureBy = []string{"period", "account", "outcome", "class"}
)

type (
	serviceKey struct{ hour, account, model int64 }
	failureKey struct {
		hour, account  int64
		outcome, class int64
	}
)

// served adds records up by hours, for one transaction.
type served struct {
	sums     map[serviceKey]*[26]int64
	failures map[failureKey]int64
}

func (v *served) add(r *RequestRow, model int64) {
	if v.sums == nil {
		v.sums, v.failures = map[serviceKey]*[26]int64{}, map[failureKey]int64{}
	}
	hour := r.ID.Time().Unix() / 3600
	k := serviceKey{hour, int64(r.Account), model}
	s := v.sums[k]
	if s == nil {
		s = &[26]int64{}
		v.sums[k] = s
	}
	s[0]++
	if r.Outcome > 0 && int(r.Outcome) < len(outcomeNames) {
		s[r.Outcome]++
	}
	s[6], s[7], s[8] = s[6]+int64(r.Attempts), s[7]+r.Total.Milliseconds(), s[8]+r.Wait.Milliseconds()
	if r.TTFT > 0 {
		i := 0
		for i < len(ttftBounds) && r.TTFT > ttftBounds[i] {
			i++
		}
		s[9] += r.TTFT.Milliseconds()
		s[10+i]++
	}
	if r.Outcome != OutcomeOK {
		v.failures[failureKey{hour, int64(r.Account), int64(r.Outcome), int64(r.Class)}]++
	}
}

// write adds what was added up to the tables.
func (v *served) write(ctx context.Context, tx *sql.Tx, a *appender) error {
	if len(v.sums) == 0 {
		return nil
	}
	for i := range services {
		if err := v.writeTo(ctx, tx.StmtContext(ctx, a.services[i]), &services[i]); err != nil {
			return err
		}
	}
	fail := tx.StmtContext(ctx, a.failures)
	for k, n := range v.failures {
		if _, err := fail.ExecContext(ctx, k.hour, k.account, k.outcome, k.class, n); err != nil {
			return err
		}
	}
	return nil
}

// services are the tables that records are added up in.
var services = [3]rollUp{
	{"service_hours", 1, []string{"account", "model"}},
	{"service_days", 24, []string{"account", "model"}},
	{"service_totals", 1, nil},
}

func (v *served) writeTo(ctx context.Context, up *sql.Stmt, t *rollUp) error {
	rows := map[serviceKey]*[26]int64{}
	for k, s := range v.sums {
		at := serviceKey{hour: k.hour / t.hours}
		if t.by != nil {
			at.account, at.model = k.account, k.model
		}
		if rows[at] == nil {
			rows[at] = &[26]int64{}
		}
		for i, n := range s {
			rows[at][i] += n
		}
	}
	args := make([]any, 0, len(serviceSums)+3)
	for k, s := range rows {
		args = append(args[:0], k.hour)
		if t.by != nil {
			args = append(args, k.account, k.model)
		}
		for _, n := range s {
			args = append(args, n)
		}
		if _, err := up.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Service is how the requests of an hour went, at one account with one model or added up.
type Service struct {
	Hour           int64 // Unix hours; 0 where hours are added up
	Account, Model int64 // ids; 0 where they are added up, and where there was none

	Requests, OK, Failed, Cut, Canceled, Refused, Attempts int64

	Total, Wait, TTFT time.Duration // of all requests together
	Buckets           [TTFTBuckets]int64
}

// First is how many requests had content.
func (s *Service) First() (n int64) {
	for _, b := range s.Buckets {
		n += b
	}
	return n
}

// Percentile estimates the time until the first content that so many hundredths of the requests did not pass: within its bucket,
// evenly. Beyond the last bound it is that bound. ok is false where no request had content.
func (s *Service) Percentile(hundredths int64) (d time.Duration, ok bool) {
	n := s.First()
	if n == 0 {
		return 0, false
	}
	rank := (n*hundredths + 99) / 100
	var low time.Duration
	for i, b := range s.Buckets {
		if i == len(ttftBounds) {
			return low, true
		}
		if rank <= b {
			return low + (ttftBounds[i]-low)*time.Duration(rank)/time.Duration(b), true
		}
		rank -= b
		low = ttftBounds[i]
	}
	return low, true
}

// ServiceQuery asks how requests went. Zero fields choose everything.
type ServiceQuery struct {
	From, Until                time.Time // by whole hours
	Account                    int64
	ByHour, ByAccount, ByModel bool
}

// statements are what a query asks: of the totals where it can, else by whole days where it can, and by hours at the ends.
func (q *ServiceQuery) statements(hoursSince int64) []statement {
	from, until := q.From.Unix()/3600, hourAfter(q.Until)
	if q.Account == 0 && !q.ByAccount && !q.ByModel {
		return []statement{q.statement("service_totals", from, until)}
	}
	if q.ByHour {
		return []statement{q.statement("service_hours", from, until)}
	}
	return spans(from, until, hoursSince, func(days bool, from, until int64) statement {
		if days {
			return q.statement("service_days", from, until)
		}
		return q.statement("service_hours", from, until)
	})
}

func (q *ServiceQuery) statement(table string, from, until int64) statement {
	by, group := groupBy([]choice{{"period", q.ByHour}, {"account", q.ByAccount}, {"model", q.ByModel}})
	s := statement{"SELECT " + by + sums(serviceSums) + " FROM " + table + " WHERE period >= ? AND period < ?", []any{from, until}}
	if q.Account != 0 {
		s.query += " AND account = ?"
		s.args = append(s.args, q.Account)
	}
	s.query += group
	return s
}

// Service says how requests went, as it was written down with their records.
func (s *Store) Service(ctx context.Context, q ServiceQuery) ([]Service, error) {
	since, err := s.HoursSince(ctx)
	if err != nil {
		return nil, err
	}
	at := map[serviceKey]int{}
	var out []Service
	for _, st := range q.statements(since) {
		err := s.rows(ctx, "add up how requests went", func(scan func(...any) error) error {
			var v Service
			var total, wait, ttft int64
			to := []any{&v.Hour, &v.Account, &v.Model, &v.Requests, &v.OK, &v.Failed, &v.Cut, &v.Canceled, &v.Refused, &v.Attempts, &total, &wait, &ttft}
			for i := range v.Buckets {
				to = append(to, &v.Buckets[i])
			}
			err := scan(to...)
			v.Total, v.Wait, v.TTFT = ms(total), ms(wait), ms(ttft)
			k := serviceKey{v.Hour, v.Account, v.Model}
			if i, ok := at[k]; ok {
				out[i].plus(&v)
			} else {
				at[k] = len(out)
				out = append(out, v)
			}
			return err
		}, st.query, st.args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) plus(v *Service) {
	s.Requests, s.OK, s.Failed, s.Cut = s.Requests+v.Requests, s.OK+v.OK, s.Failed+v.Failed, s.Cut+v.Cut
	s.Canceled, s.Refused, s.Attempts = s.Canceled+v.Canceled, s.Refused+v.Refused, s.Attempts+v.Attempts
	s.Total, s.Wait, s.TTFT = s.Total+v.Total, s.Wait+v.Wait, s.TTFT+v.TTFT
	for i, n := range v.Buckets {
		s.Buckets[i] += n
	}
}

// Failures are how many requests ended in one way, in an hour.
type Failures struct {
	Hour     int64 // Unix hours
	Account  int64 // 0 where accounts are added up
	Outcome  Outcome
	Class    uint8
	Requests int64
}

const selectFailures = "SELECT period, 0, outcome, class, SUM(requests) FROM failure_hours WHERE period >= ? AND period < ? GROUP BY period, outcome, class"

// FailuresBy counts failures by hours and classes.
func (s *Store) FailuresBy(ctx context.Context, from, until time.Time) ([]Failures, error) {
	var out []Failures
	err := s.rows(ctx, "count failures", func(scan func(...any) error) error {
		var f Failures
		err := scan(&f.Hour, &f.Account, &f.Outcome, &f.Class, &f.Requests)
		out = append(out, f)
		return err
	}, selectFailures, from.Unix()/3600, hourAfter(until))
	return out, err
}

// hourAfter is the hour that begins at t or after it.
func hourAfter(t time.Time) int64 { return (t.Unix() + 3599) / 3600 }
