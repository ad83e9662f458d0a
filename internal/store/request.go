package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"turnout/internal/domain"
)

// Outcome is how a request ended, for the caller.
type Outcome uint8

// The outcomes. The numbers are stored: append, never renumber. Everything but
// OutcomeOK is indexed as a failure.
const (
	OutcomeOK       Outcome = 1 // a whole answer
	OutcomeFailed   Outcome = 2 // an upstream's failure was answered, after every hope
	OutcomeCut      Outcome = 3 // broke after content had gone to the caller
	OutcomeCanceled Outcome = 4 // the caller left
	OutcomeRefused  Outcome = 5 // Turnout turned it away before any attempt
)

var outcomeNames = [...]string{"", "ok", "failed", "cut", "canceled", "refused"}

// String is the outcome's name in tables and on the command line.
func (o Outcome) String() string {
	if o > 0 && int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// ParseOutcome reads what String wrote.
func ParseOutcome(s string) (Outcome, bool) {
	i := slices.Index(outcomeNames[:], s)
	return Outcome(max(i, 0)), i > 0
}

// RequestRow is the record of one request. It holds nothing of what was said.
type RequestRow struct {
	ID      domain.RequestID
	Key     domain.KeyID     // 0: no key was recognised
	Pool    domain.PoolID    // the pool that served it, or was asked last; 0: none
	Account domain.AccountID // the account that answered, or failed last; 0: none was asked

	// Model is the one that was asked for. Names are interned: at most maxNames
	// different ones of at most maxNameLen bytes are kept; more are "(other)".
	Model    string
	Dialect  domain.Dialect
	Stream   bool
	Outcome  Outcome
	Status   int    // the HTTP status that the caller got (499: it had left)
	Class    uint8  // the failure class that ended it, as package failover numbers them; 0 with OutcomeOK
	Attempts int    // how many times an upstream was asked
	Session  uint64 // a short hash of the session; 0: none

	Usage domain.Usage // of all attempts together

	TTFT  time.Duration // until the first content went to the caller; 0: none did. All times to the millisecond
	Total time.Duration // until the end
	Wait  time.Duration // spent waiting: in the queue and between attempts

	BytesIn, BytesOut int64 // bodies: the caller's request, the answer to the caller

	// Trace is the decision trace in the caller's own form; nil: none. Request
	// fills it, Requests does not.
	Trace []byte
}

const (
	flagStream   = 1 << 0
	flagReported = 1 << 1 // usage was reported
)

// The columns of requests, in the order in which append binds and scan reads them.
var requestColumns = []string{
	"id", "key", "pool", "account", "model", "dialect", "flags", "outcome", "status", "class", "attempts", "session",
	"input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning",
	"ttft", "total", "wait", "bytes_in", "bytes_out",
}

// appendRows is how many rows one INSERT carries: it shares the cost of a call
// into the driver. More does not help.
const appendRows = 16

// Bounds of the interned names. Callers choose the names of models, so both are
// limits on what a caller can make us keep for ever.
const (
	maxNames   = 1 << 16
	maxNameLen = 200
	otherName  = "(other)"
)

// appender holds the writer's prepared statements and the interned names.
type appender struct {
	many, one          *sql.Stmt
	manyTraces, aTrace *sql.Stmt
	name               *sql.Stmt
	services           [3]*sql.Stmt // as the table services has them
	failures           *sql.Stmt
	mu                 sync.Mutex       // held during a whole AppendRequests
	names              map[string]int64 // what is committed
	args               []any            // reused
}

func newAppender(ctx context.Context, db *sql.DB) (*appender, error) {
	// OR IGNORE: a batch whose commit was in doubt may be given again. It also
	// spares SQLite the journal that undoes half a statement.
	requests := "INSERT OR IGNORE INTO requests (" + strings.Join(requestColumns, ", ") + ") VALUES "
	const traces = "INSERT OR IGNORE INTO traces (id, trace) VALUES "
	a := &appender{names: map[string]int64{}}
	type prepared struct {
		stmt **sql.Stmt
		sql  string
	}
	all := []prepared{
		{&a.many, requests + values(appendRows, len(requestColumns))},
		{&a.one, requests + values(1, len(requestColumns))},
		{&a.manyTraces, traces + values(appendRows, 2)},
		{&a.aTrace, traces + values(1, 2)},
		{&a.name, "INSERT INTO names (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"},
		{&a.failures, upsert("failure_hours", failureBy, []string{"requests"})},
	}
	for i, t := range services {
		all = append(all, prepared{&a.services[i], upsert(t.table, append([]string{"period"}, t.by...), serviceSums)})
	}
	for _, p := range all {
		var err error
		if *p.stmt, err = db.PrepareContext(ctx, p.sql); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	rows, err := db.QueryContext(ctx, "SELECT name, id FROM names")
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var id int64
		if err := rows.Scan(&name, &id); err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.names[name] = id
	}
	if err := rows.Err(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *appender) close() error {
	var errs []error
	for _, s := range append(a.services[:], a.many, a.one, a.manyTraces, a.aTrace, a.name, a.failures) {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// values is a list of n tuples of c parameters.
func values(n, c int) string {
	tuple := "(" + strings.Repeat("?,", c-1) + "?)"
	return strings.Repeat(tuple+",", n-1) + tuple
}

// AppendRequests writes records and their traces in one transaction. An id that
// is stored already is left as it is. It sorts rows by id (neighbours in a batch
// are then neighbours in the file) and keeps none of them.
func (s *Store) AppendRequests(ctx context.Context, rows []RequestRow) error {
	const doing = "write request records"
	if len(rows) == 0 {
		return nil
	}
	if s.append == nil {
		return s.tx(ctx, doing, nil) // read-only: says so
	}
	slices.SortFunc(rows, func(x, y RequestRow) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	a := s.append
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { clear(a.args[:cap(a.args)]) }() // hold on to nobody's trace
	var fresh map[string]int64
	write := func(atOnce int) error {
		return s.tx(ctx, doing, func(tx *sql.Tx) error {
			fresh = map[string]int64{}
			if err := a.requests(ctx, tx, rows, fresh, atOnce); err != nil {
				return err
			}
			return a.traces(ctx, tx, rows)
		})
	}
	err := write(appendRows)
	if errors.Is(err, errStoredAlready) {
		err = write(1)
	}
	if err != nil {
		return err
	}
	for name, id := range fresh {
		a.names[name] = id
	}
	return nil
}

// errStoredAlready: of several rows one was there before, and which is not known. Only new ones are counted, so they are written one by one.
var errStoredAlready = errors.New("a record is stored already")

func (a *appender) requests(ctx context.Context, tx *sql.Tx, rows []RequestRow, fresh map[string]int64, atOnce int) error {
	many, one := tx.StmtContext(ctx, a.many), tx.StmtContext(ctx, a.one)
	var v served
	for len(rows) > 0 {
		stmt, n := one, 1
		if atOnce > 1 && len(rows) >= appendRows {
			stmt, n = many, appendRows
		}
		a.args = a.args[:0]
		var of [appendRows]int64
		for i := range rows[:n] {
			model, err := a.intern(ctx, tx, rows[i].Model, fresh)
			if err != nil {
				return err
			}
			of[i] = model
			a.args = rows[i].bind(a.args, model)
		}
		res, err := stmt.ExecContext(ctx, a.args...)
		if err != nil {
			return err
		}
		written, err := res.RowsAffected()
		switch {
		case err != nil:
			return err
		case n > 1 && written < int64(n):
			return errStoredAlready
		case written > 0:
			for i := range rows[:n] {
				v.add(&rows[i], of[i])
			}
		}
		rows = rows[n:]
	}
	return v.write(ctx, tx, a)
}

func (a *appender) traces(ctx context.Context, tx *sql.Tx, rows []RequestRow) error {
	a.args = a.args[:0]
	many, one := tx.StmtContext(ctx, a.manyTraces), tx.StmtContext(ctx, a.aTrace)
	for i := range rows {
		if len(rows[i].Trace) == 0 {
			continue
		}
		if a.args = append(a.args, rows[i].ID[:], rows[i].Trace); len(a.args) == 2*appendRows {
			if _, err := many.ExecContext(ctx, a.args...); err != nil {
				return err
			}
			a.args = a.args[:0]
		}
	}
	for rest := a.args; len(rest) > 0; rest = rest[2:] {
		if _, err := one.ExecContext(ctx, rest[:2]...); err != nil {
			return err
		}
	}
	return nil
}

// intern finds the number of a name, or makes one. Names that this transaction
// made are in fresh until it is committed.
func (a *appender) intern(ctx context.Context, tx *sql.Tx, name string, fresh map[string]int64) (int64, error) {
	if id, ok := a.names[name]; ok {
		return id, nil
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > maxNameLen {
		name = strings.ToValidUTF8(name[:maxNameLen], "") // not half a rune
	}
	if _, ok := a.names[name]; !ok && len(a.names)+len(fresh) >= maxNames {
		name = otherName
	}
	if id, ok := a.names[name]; ok {
		return id, nil
	}
	if id, ok := fresh[name]; ok {
		return id, nil
	}
	var id int64
	if err := tx.StmtContext(ctx, a.name).QueryRowContext(ctx, name).Scan(&id); err != nil {
		return 0, err
	}
	fresh[name] = id
	return id, nil
}

func (r *RequestRow) bind(args []any, model int64) []any {
	var flags int64
	if r.Stream {
		flags |= flagStream
	}
	if r.Usage.Reported {
		flags |= flagReported
	}
	return append(args, r.ID[:], int64(r.Key), int64(r.Pool), int64(r.Account), model, int64(r.Dialect), flags,
		int64(r.Outcome), int64(r.Status), int64(r.Class), int64(r.Attempts), int64(r.Session),
		r.Usage.Input, r.Usage.CacheRead, r.Usage.CacheWrite5m, r.Usage.CacheWrite1h, r.Usage.Output, r.Usage.Reasoning,
		r.TTFT.Milliseconds(), r.Total.Milliseconds(), r.Wait.Milliseconds(), r.BytesIn, r.BytesOut)
}
