package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnout/internal/domain"
)

// RequestFilter chooses records. Zero fields choose everything; several must all
// hold.
type RequestFilter struct {
	Key     domain.KeyID
	Account domain.AccountID
	Model   string // the model that was asked for, exactly
	Outcome Outcome
	Failed  bool // every outcome but OutcomeOK
	Status  int
	Session uint64
	Since   time.Time        // arrived at or after
	Until   time.Time        // arrived before
	Before  domain.RequestID // older than this one: the last of the page before
	Limit   int              // at most so many; 0: 50, and never more than 1000
}

const (
	defaultRequests = 50
	maxRequests     = 1000
)

// Requests lists records, the newest first, without their traces. Key, account
// and failures have indexes; other filters walk along time, so a Since bounds what
// a rare value costs.
func (s *Store) Requests(ctx context.Context, f RequestFilter) ([]RequestRow, error) {
	query, args := f.query()
	var out []RequestRow
	err := s.rows(ctx, "list request records", func(scan func(...any) error) error {
		var r RequestRow
		err := r.scan(scan)
		out = append(out, r)
		return err
	}, query, args...)
	return out, err
}

// Request finds one record with its trace (nil if that has been swept). An unknown
// id is a domain error of kind not found.
func (s *Store) Request(ctx context.Context, id domain.RequestID) (RequestRow, error) {
	const doing = "find a request record"
	var r RequestRow
	row := s.read.QueryRowContext(ctx, selectRequests+" WHERE r.id = ?", id[:])
	err := r.scan(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, domain.Errorf(domain.KindNotFound, doing, "there is no record of request %s: it is older than the retention, or not written yet", id)
	}
	if err == nil {
		err = s.read.QueryRowContext(ctx, "SELECT trace FROM traces WHERE id = ?", id[:]).Scan(&r.Trace)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", doing, explain(err))
	}
	return r, nil
}

// Used is what an account was used for.
type Used struct {
	Account          domain.AccountID
	Requests, Tokens int64 // tokens of prompt, cached or not, and output
}

// UsedSince adds up the records of requests that arrived at or after t, by account.
func (s *Store) UsedSince(ctx context.Context, t time.Time) ([]Used, error) {
	var out []Used
	err := s.rows(ctx, "add up what accounts were used for", func(scan func(...any) error) error {
		var u Used
		err := scan(&u.Account, &u.Requests, &u.Tokens)
		out = append(out, u)
		return err
	}, "SELECT account, COUNT(*), SUM(input + cache_read + cache_write_5m + cache_write_1h + output) FROM requests WHERE id >= ? AND account > 0 GROUP BY account ORDER BY account", idAt(t))
	return out, err
}

// DeleteTracesBefore deletes at most limit traces of requests that arrived before
// t, the oldest first, and says how many: call it again while that equals limit.
func (s *Store) DeleteTracesBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep traces", sweepTraces, idAt(t), limit)
}

// DeleteRequestsBefore is the same for records.
func (s *Store) DeleteRequestsBefore(ctx context.Context, t time.Time, limit int) (int, error) {
	return s.deleteBounded(ctx, "sweep request records", sweepRequests, idAt(t), limit)
}

const (
	sweepTraces   = "DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE id < ? ORDER BY id LIMIT ?)"
	sweepRequests = "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE id < ? ORDER BY id LIMIT ?)"
)

var selectRequests = "SELECT r." + strings.Join(requestColumns, ", r.") +
	", coalesce(n.name, '') FROM requests r LEFT JOIN names n ON n.id = r.model"

func (f RequestFilter) query() (string, []any) {
	var where []string
	var args []any
	add := func(cond string, arg ...any) {
		where = append(where, cond)
		args = append(args, arg...)
	}
	if f.Key != 0 {
		add("r.key = ?", int64(f.Key))
	}
	if f.Account != 0 {
		add("r.account = ?", int64(f.Account))
	}
	if f.Model != "" {
		add("r.model = (SELECT id FROM names WHERE name = ?)", f.Model)
	}
	if f.Outcome != 0 {
		add("r.outcome = ?", int64(f.Outcome))
	}
	if f.Failed || f.Outcome > OutcomeOK {
		add("r.outcome <> 1") // literally, so that the partial index is seen to fit
	}
	if f.Status != 0 {
		add("r.status = ?", f.Status)
	}
	if f.Session != 0 {
		add("r.session = ?", int64(f.Session))
	}
	if !f.Since.IsZero() {
		add("r.id >= ?", idAt(f.Since))
	}
	// One upper bound, because SQLite uses only one for the index.
	var upper []byte
	if !f.Until.IsZero() {
		upper = idAt(f.Until)
	}
	if !f.Before.IsZero() && (upper == nil || string(f.Before[:]) < string(upper)) {
		upper = f.Before[:]
	}
	if upper != nil {
		add("r.id < ?", upper)
	}
	q := selectRequests
	if len(where) > 0 {
		q += " WHERE " + strings.Join(where, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultRequests
	}
	return q + " ORDER BY r.id DESC LIMIT ?", append(args, min(limit, maxRequests))
}

func (r *RequestRow) scan(scan func(...any) error) error {
	var id []byte
	var model, flags, session, ttft, total, wait int64
	err := scan(&id, &r.Key, &r.Pool, &r.Account, &model, &r.Dialect, &flags, &r.Outcome, &r.Status, &r.Class, &r.Attempts, &session,
		&r.Usage.Input, &r.Usage.CacheRead, &r.Usage.CacheWrite5m, &r.Usage.CacheWrite1h, &r.Usage.Output, &r.Usage.Reasoning,
		&ttft, &total, &wait, &r.BytesIn, &r.BytesOut, &r.Model)
	if err != nil {
		return err
	}
	copy(r.ID[:], id)
	r.Stream, r.Usage.Reported = flags&flagStream != 0, flags&flagReported != 0
	r.Session = uint64(session)
	r.TTFT, r.Total, r.Wait = ms(ttft), ms(total), ms(wait)
	return nil
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// idAt is the smallest id of a request that arrived at t.
func idAt(t time.Time) []byte {
	var id domain.RequestID
	binary.BigEndian.PutUint64(id[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return id[:]
}
