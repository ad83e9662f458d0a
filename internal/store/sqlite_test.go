package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

type noSealer struct{}

func (noSealer) Seal([]byte, string, string, string) ([]byte, error) { return nil, errors.New("none") }
func (noSealer) Open([]byte, string, string, string) ([]byte, error) { return nil, errors.New("none") }
func (noSealer) Current([]byte) bool                                 { return true }

// TestQueryPlans holds every question to the index that it is meant to use: none
// may read the whole table or sort.
func TestQueryPlans(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Sealer: noSealer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	id := domain.NewRequestID(now)
	for _, c := range []struct {
		name, want string
		query      string
		f          RequestFilter
		args       []any
	}{
		{name: "key", f: RequestFilter{Key: 1}, want: "USING INDEX requests_key (key=?)"},
		{name: "key, page", f: RequestFilter{Key: 1, Before: id}, want: "USING INDEX requests_key (key=? AND id<?)"},
		{name: "key, time", f: RequestFilter{Key: 1, Since: now, Until: now}, want: "USING INDEX requests_key (key=? AND id>? AND id<?)"},
		{name: "account", f: RequestFilter{Account: 1}, want: "USING INDEX requests_account (account=?)"},
		{name: "account, time", f: RequestFilter{Account: 1, Since: now}, want: "USING INDEX requests_account (account=? AND id>?)"},
		{name: "failed", f: RequestFilter{Failed: true}, want: "USING INDEX requests_failed"},
		{name: "outcome", f: RequestFilter{Outcome: OutcomeCut, Before: id}, want: "USING INDEX requests_failed (id<?)"},
		{name: "time", f: RequestFilter{Since: now, Until: now}, want: "USING PRIMARY KEY (id>? AND id<?)"},
		{name: "model, time", f: RequestFilter{Model: "m", Since: now}, want: "USING PRIMARY KEY (id>?)"},
		{name: "trace", query: "SELECT trace FROM traces WHERE id = ?", args: []any{id[:]}, want: "USING PRIMARY KEY (id=?)"},
		{name: "sweep traces", query: sweepTraces, args: []any{id[:], 1}, want: "USING PRIMARY KEY (id<?)"},
		{name: "sweep requests", query: sweepRequests, args: []any{id[:], 1}, want: "(id<?)"},
		{name: "sweep bindings", query: sweepBindings, args: []any{1, 1}, want: "USING COVERING INDEX bindings_expires (expires<?)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.query == "" {
				c.query, c.args = c.f.query()
			}
			plan := explainPlan(t, s, c.query, c.args)
			if !strings.Contains(plan, c.want) {
				t.Errorf("plan:\n%s\nwant %q in it", plan, c.want)
			}
			if strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("it sorts:\n%s", plan)
			}
			for line := range strings.Lines(plan) {
				if strings.Contains(line, "SCAN") && !strings.Contains(line, "requests_failed") {
					t.Errorf("it reads everything:\n%s", plan)
				}
			}
		})
	}

	// Newest first without a filter, or by a model, walks the primary key from its
	// end and stops at the limit.
	for _, f := range []RequestFilter{{}, {Model: "m"}} {
		q, args := f.query()
		if plan := explainPlan(t, s, q, args); strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%+v sorts:\n%s", f, plan)
		}
	}
}

func explainPlan(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.read.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// TestNamesAreBounded: callers choose models' names, so they must not be able to
// make us keep more and more.
func TestNamesAreBounded(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Sealer: noSealer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.append.names["known"] = 0 // as if a full table had been loaded
	for i := range int64(maxNames) {
		s.append.names[string(rune('a'+i%26))+time.Duration(i).String()] = i
	}
	rows := []RequestRow{{ID: domain.NewRequestID(time.Now()), Model: "new 1"}, {ID: domain.NewRequestID(time.Now()), Model: "new 2"}}
	if err := s.AppendRequests(context.Background(), rows); err != nil {
		t.Fatal(err)
	}
	var names int
	if err := s.read.QueryRow("SELECT count(*) FROM names").Scan(&names); err != nil || names != 1 {
		t.Errorf("%d new names, %v", names, err)
	}
	if r, err := s.Request(t.Context(), rows[0].ID); err != nil || r.Model != otherName {
		t.Errorf("model = %q, %v", r.Model, err)
	}
}
