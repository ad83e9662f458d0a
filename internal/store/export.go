package store

import (
	"bytes"
	"context"
	"time"

	"turnout/internal/domain"
)

// SettlementRow is a settlement as it is stored.
type SettlementRow struct {
	Request domain.RequestID
	Took    time.Duration // from the request's arrival
	Key     domain.KeyID
	User    domain.UserID
	Team    domain.TeamID
	Pool    domain.PoolID
	Account domain.AccountID

	Model, Plan, Tags string
	Flags             domain.SettlementFlags

	Charged, WrittenOff, Switched, Cost, Lost domain.NanoUSD
}

// Export is a request's record with its settlement; one of the two may be nil: a request that cost nothing has no settlement, and
// records may be swept before settlements.
type Export struct {
	Request    *RequestRow
	Settlement *SettlementRow
}

// exportRows is how many rows are read at a time.
const exportRows = 500

const (
	exportRequests    = " WHERE r.id > ? AND r.id < ? ORDER BY r.id LIMIT ?"
	exportSettlements = `SELECT s.id, took, key, user, team, pool, account, COALESCE(m.name, ''), COALESCE(p.name, ''), COALESCE(t.name, ''), flags, charged, written_off,
		switched, cost, (SELECT COALESCE(SUM(amount), 0) FROM losses l WHERE l.id = s.id) FROM settlements s LEFT JOIN names m ON m.id = s.model
		LEFT JOIN names p ON p.id = s.plan LEFT JOIN names t ON t.id = s.tags WHERE s.id > ? AND s.id < ? ORDER BY s.id LIMIT ?`
)

// page reads one kind of rows in the order of their ids, a bounded number at a time.
type page[T any] struct {
	read      func(after []byte) ([]T, error)
	id        func(*T) []byte
	rows      []T
	next      int
	after     []byte
	exhausted bool
}

func (p *page[T]) peek() (*T, error) {
	if p.next == len(p.rows) && !p.exhausted {
		rows, err := p.read(p.after)
		if err != nil {
			return nil, err
		}
		p.rows, p.next = rows, 0
		p.exhausted = len(rows) < exportRows
		if len(rows) > 0 {
			p.after = bytes.Clone(p.id(&rows[len(rows)-1]))
		}
	}
	if p.next == len(p.rows) {
		return nil, nil
	}
	return &p.rows[p.next], nil
}

// Export gives every request that arrived from from on and before until to each, the oldest first. It holds a bounded number of rows, and
// nothing in the database between reading them.
func (s *Store) Export(ctx context.Context, from, until time.Time, each func(Export) error) error {
	end := idAt(until)
	requests := &page[RequestRow]{id: func(r *RequestRow) []byte { return r.ID[:] }, read: func(after []byte) (out []RequestRow, err error) {
		err = s.rows(ctx, "export request records", func(scan func(...any) error) error {
			var r RequestRow
			err := r.scan(scan)
			out = append(out, r)
			return err
		}, selectRequests+exportRequests, after, end, exportRows)
		return out, err
	}}
	settlements := &page[SettlementRow]{id: func(r *SettlementRow) []byte { return r.Request[:] }, read: func(after []byte) (out []SettlementRow, err error) {
		err = s.rows(ctx, "export settlements", func(scan func(...any) error) error {
			var r SettlementRow
			var id []byte
			var took int64
			err := scan(&id, &took, &r.Key, &r.User, &r.Team, &r.Pool, &r.Account, &r.Model, &r.Plan, &r.Tags, &r.Flags, (*int64)(&r.Charged), (*int64)(&r.WrittenOff),
				(*int64)(&r.Switched), (*int64)(&r.Cost), (*int64)(&r.Lost))
			copy(r.Request[:], id)
			r.Took = ms(took)
			out = append(out, r)
			return err
		}, exportSettlements, after, end, exportRows)
		return out, err
	}}
	// The smallest id of the moment is nobody's: its random bits are 0.
	requests.after, settlements.after = idAt(from), idAt(from)
	for {
		r, err := requests.peek()
		if err != nil {
			return err
		}
		x, err := settlements.peek()
		if err != nil {
			return err
		}
		if r == nil && x == nil {
			return nil
		}
		order := 0
		if r != nil && x != nil {
			order = bytes.Compare(r.ID[:], x.Request[:])
		}
		var e Export
		if r != nil && (x == nil || order <= 0) {
			e.Request = r
			requests.next++
		}
		if x != nil && (r == nil || order >= 0) {
			e.Settlement = x
			settlements.next++
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
