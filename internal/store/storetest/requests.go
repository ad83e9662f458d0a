package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

var start = time.UnixMilli(1_800_000_000_000)

// row is a record whose every field is told apart, arrived i seconds after start.
func row(i int) store.RequestRow {
	n := int64(i)
	return store.RequestRow{
		ID: domain.NewRequestID(start.Add(time.Duration(i) * time.Second)), Key: domain.KeyID(1 + i%3), Pool: 7, Account: domain.AccountID(1 + i%4),
		Model: fmt.Sprintf("model-%d", i%5), Dialect: domain.DialectOpenAIChat, Stream: i%2 == 0, Outcome: store.Outcome(1 + i%5),
		Status: 200 + i%2, Class: uint8(i % 17), Attempts: 1 + i%6, Session: uint64(1)<<63 + uint64(i%2),
		Usage: domain.Usage{Input: n + 1, CacheRead: n + 2, CacheWrite5m: n + 3, CacheWrite1h: n + 4, Output: n + 5, Reasoning: n + 6, Reported: i%3 == 0},
		TTFT:  time.Duration(i) * time.Millisecond, Total: time.Duration(i+1) * time.Millisecond, Wait: time.Duration(i+2) * time.Millisecond,
		BytesIn: n + 7, BytesOut: n + 8, Trace: []byte(fmt.Sprintf("trace %d", i)),
	}
}

func rowsUpTo(n int) []store.RequestRow {
	rows := make([]store.RequestRow, n)
	for i := range rows {
		rows[i] = row(i)
	}
	return rows
}

func requests(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()

	t.Run("a record comes back whole", func(t *testing.T) {
		s := open(t)
		rows := rowsUpTo(40) // more than one INSERT's worth, and a remainder
		rows[5].Trace = nil
		shuffled := slices.Clone(rows)
		slices.Reverse(shuffled)
		must(t, s.AppendRequests(ctx, shuffled))
		must(t, s.AppendRequests(ctx, nil))
		for _, want := range rows {
			r := got(s.Request(ctx, want.ID))(t)
			if !reflect.DeepEqual(r, want) {
				t.Errorf("got %+v, want %+v", r, want)
			}
		}
		if _, err := s.Request(ctx, domain.NewRequestID(start)); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("err = %v", err)
		}
	})

	t.Run("what accounts were used for adds up", func(t *testing.T) {
		s := open(t)
		rows := rowsUpTo(10) // of accounts 1, 2, 3 and 4 by turns
		rows[4].Account = 0
		must(t, s.AppendRequests(ctx, rows))
		got := got(s.UsedSince(ctx, start.Add(2*time.Second)))(t)
		// Row n has n+1 to n+5 tokens.
		want := []store.Used{{Account: 1, Requests: 1, Tokens: 5*8 + 15}, {Account: 2, Requests: 2, Tokens: 5*(5+9) + 30}, {Account: 3, Requests: 2, Tokens: 5*(2+6) + 30}, {Account: 4, Requests: 2, Tokens: 5*(3+7) + 30}}
		if !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})

	t.Run("the same batch again changes nothing", func(t *testing.T) {
		s := open(t)
		rows := rowsUpTo(20)
		must(t, s.AppendRequests(ctx, slices.Clone(rows)))
		again := slices.Clone(rows)
		again[3].Attempts, again[3].Trace = 99, []byte("other")
		must(t, s.AppendRequests(ctx, again))
		if r := got(s.Request(ctx, rows[3].ID))(t); !reflect.DeepEqual(r, rows[3]) {
			t.Errorf("got %+v", r)
		}
		if n := len(got(s.Requests(ctx, store.RequestFilter{}))(t)); n != 20 {
			t.Errorf("%d records", n)
		}
	})

	t.Run("every filter, alone and together", func(t *testing.T) {
		s := open(t)
		rows := rowsUpTo(120)
		must(t, s.AppendRequests(ctx, slices.Clone(rows)))
		at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
		for _, c := range []struct {
			name string
			f    store.RequestFilter
			keep func(i int, r store.RequestRow) bool
		}{
			{"none", store.RequestFilter{}, func(int, store.RequestRow) bool { return true }},
			{"key", store.RequestFilter{Key: 2}, func(_ int, r store.RequestRow) bool { return r.Key == 2 }},
			{"account", store.RequestFilter{Account: 3}, func(_ int, r store.RequestRow) bool { return r.Account == 3 }},
			{"model", store.RequestFilter{Model: "model-4"}, func(_ int, r store.RequestRow) bool { return r.Model == "model-4" }},
			{"model unknown", store.RequestFilter{Model: "nope"}, func(int, store.RequestRow) bool { return false }},
			{"outcome", store.RequestFilter{Outcome: store.OutcomeCut}, func(_ int, r store.RequestRow) bool { return r.Outcome == store.OutcomeCut }},
			{"outcome ok", store.RequestFilter{Outcome: store.OutcomeOK}, func(_ int, r store.RequestRow) bool { return r.Outcome == store.OutcomeOK }},
			{"failed", store.RequestFilter{Failed: true}, func(_ int, r store.RequestRow) bool { return r.Outcome != store.OutcomeOK }},
			{"status", store.RequestFilter{Status: 201}, func(_ int, r store.RequestRow) bool { return r.Status == 201 }},
			{"session", store.RequestFilter{Session: 1<<63 + 1}, func(_ int, r store.RequestRow) bool { return r.Session == 1<<63+1 }},
			{"since", store.RequestFilter{Since: at(100)}, func(i int, _ store.RequestRow) bool { return i >= 100 }},
			{"until", store.RequestFilter{Until: at(20)}, func(i int, _ store.RequestRow) bool { return i < 20 }},
			{"before", store.RequestFilter{Before: rows[30].ID}, func(i int, _ store.RequestRow) bool { return i < 30 }},
			{"before and until", store.RequestFilter{Before: rows[30].ID, Until: at(50)}, func(i int, _ store.RequestRow) bool { return i < 30 }},
			{"until and before", store.RequestFilter{Before: rows[50].ID, Until: at(30)}, func(i int, _ store.RequestRow) bool { return i < 30 }},
			{"together", store.RequestFilter{Key: 1, Account: 2, Since: at(10), Until: at(90)}, func(i int, r store.RequestRow) bool {
				return r.Key == 1 && r.Account == 2 && i >= 10 && i < 90
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				for _, limit := range []int{0, 5, 1000} {
					c.f.Limit = limit
					var want []store.RequestRow
					for i, r := range slices.Backward(rows) {
						if r.Trace = nil; c.keep(i, r) {
							want = append(want, r)
						}
					}
					n := limit
					if n == 0 {
						n = 50
					}
					want = want[:min(n, len(want))]
					if list := got(s.Requests(ctx, c.f))(t); !reflect.DeepEqual(list, want) {
						t.Errorf("limit %d: %d records, want %d, newest first", limit, len(list), len(want))
					}
				}
			})
		}
	})

	t.Run("pages meet without a gap", func(t *testing.T) {
		s := open(t)
		must(t, s.AppendRequests(ctx, rowsUpTo(23)))
		var seen int
		for f := (store.RequestFilter{Limit: 5}); ; {
			page := got(s.Requests(ctx, f))(t)
			seen += len(page)
			if len(page) < 5 {
				break
			}
			f.Before = page[len(page)-1].ID
		}
		if seen != 23 {
			t.Errorf("saw %d of 23", seen)
		}
	})

	t.Run("sweeps are bounded and take the oldest", func(t *testing.T) {
		s := open(t)
		rows := rowsUpTo(30)
		must(t, s.AppendRequests(ctx, slices.Clone(rows)))
		until := start.Add(20 * time.Second)
		for i, want := range []int{8, 8, 4, 0} {
			if n := got(s.DeleteTracesBefore(ctx, until, 8))(t); n != want {
				t.Fatalf("sweep %d: %d traces, want %d", i, n, want)
			}
			if i == 0 && (got(s.Request(ctx, rows[7].ID))(t).Trace != nil || got(s.Request(ctx, rows[8].ID))(t).Trace == nil) {
				t.Fatal("the first sweep did not take the oldest")
			}
		}
		if r := got(s.Request(ctx, rows[20].ID))(t); !bytes.Equal(r.Trace, rows[20].Trace) {
			t.Errorf("a younger trace is gone: %q", r.Trace)
		}
		if n := got(s.DeleteRequestsBefore(ctx, until, 100))(t); n != 20 {
			t.Errorf("%d records, want 20", n)
		}
		if n := len(got(s.Requests(ctx, store.RequestFilter{}))(t)); n != 10 {
			t.Errorf("%d records left, want 10", n)
		}
	})

	t.Run("a model's name may be anything", func(t *testing.T) {
		s := open(t)
		names := []string{"", "a\x00b", "\xff\xfe", strings.Repeat("é", 5000), strings.Repeat("é", 4000)}
		rows := rowsUpTo(len(names))
		for i, n := range names {
			rows[i].Model = n
		}
		must(t, s.AppendRequests(ctx, slices.Clone(rows)))
		long := strings.Repeat("é", 100)
		for i, want := range []string{"", "a\x00b", "\uFFFD", long, long} {
			if m := got(s.Request(ctx, rows[i].ID))(t).Model; m != want {
				t.Errorf("%d: model = %.20q (%d bytes)", i, m, len(m))
			}
		}
	})
}
