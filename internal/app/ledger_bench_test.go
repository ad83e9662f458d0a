//go:build unix

package app

import (
	"context"
	"syscall"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/journal"
	"turnout/internal/ledger"
	"turnout/internal/price"
	"turnout/internal/store"
)

// benchBook is a book as a gateway has it, with a key in a prepaid team that has two budgets.
func benchBook(b *testing.B) (*ledger.Book, *store.Store) {
	b.Helper()
	ctx := b.Context()
	s, err := store.Open(ctx, store.Options{Dir: b.TempDir(), Sealer: plainSeal{}})
	if err != nil {
		b.Fatal(err)
	}
	j, err := journal.Open(b.TempDir(), journal.Options{Sync: journalSync})
	if err != nil {
		b.Fatal(err)
	}
	list := &PriceList{}
	list.swap(&priced{catalogue: price.Builtin(), sellers: map[seat]string{}})
	book := ledger.NewBook(s, j, list, ledger.Events{})
	team := domain.Spender{Kind: domain.SpenderTeam, ID: 1}
	if err := s.Credit(ctx, store.Credit{To: team, Amount: 1_000_000 * domain.Dollar}, time.Now()); err != nil {
		b.Fatal(err)
	}
	budgets := []domain.Budget{{Period: domain.PeriodMonth, Hard: 1_000_000 * domain.Dollar}, {Period: domain.PeriodFiveHour, Rolling: true, Hard: 1_000_000 * domain.Dollar}}
	if err := book.Configure(ctx, []ledger.Owner{{Spender: team, Name: "team", Spending: domain.Spending{Prepaid: true, Budgets: budgets}}}, time.Now()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = j.Close(); _ = s.Close() })
	return book, s
}

type plainSeal struct{}

func (plainSeal) Seal(plain []byte, _, _, _ string) ([]byte, error)  { return plain, nil }
func (plainSeal) Open(sealed []byte, _, _, _ string) ([]byte, error) { return sealed, nil }
func (plainSeal) Current([]byte) bool                                { return true }

var (
	benchAccount = &domain.Account{ID: 1, Name: "a", Platform: "anthropic"}
	benchUsage   = domain.Usage{Input: 1000, CacheRead: 80_000, CacheWrite5m: 2000, Output: 500, Reasoning: 100, Reported: true}
)

func holdAndSettle(b *testing.B, book *ledger.Book) {
	b.Helper()
	now := time.Now()
	h, err := book.Hold(context.Background(), &ledger.Ask{
		Request: domain.NewRequestID(now), At: now, Key: 1, Team: 1, Pool: 1, Model: "claude-sonnet-4-5", Input: 80_000, Output: 32_000,
		Routes: []ledger.Route{{Account: benchAccount, Model: "claude-sonnet-4-5"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	h.Settle(ledger.Final{At: now, Account: benchAccount, Model: "claude-sonnet-4-5", Usage: benchUsage})
}

// cpu reports what of the processor an operation took, which a busy machine does not change.
func cpu(b *testing.B) func() {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkHoldAndSettle is what the books cost on a request's own goroutine: prices, a hold, the settlement in the journal.
func BenchmarkHoldAndSettle(b *testing.B) {
	book, _ := benchBook(b)
	b.ReportAllocs()
	done := cpu(b)
	for b.Loop() {
		holdAndSettle(b, book)
	}
	done()
}

// BenchmarkBooked is what they cost the process in all, with what comes of it in the database.
func BenchmarkBooked(b *testing.B) {
	book, _ := benchBook(b)
	b.ReportAllocs()
	n := 0
	done := cpu(b)
	for b.Loop() {
		holdAndSettle(b, book)
		if n++; n%100 == 0 { // as much as comes in a tenth of a second of a busy gateway
			if err := book.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	done()
}
