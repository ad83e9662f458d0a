package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnout/internal/domain"
)

// Whatever is changed behind its back, the check finds.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	for _, change := range []string{
		"UPDATE settlements SET charged = charged + 1", "UPDATE settlements SET cost = cost - 1", "UPDATE settlements SET account = 9", "DELETE FROM settlements",
		"UPDATE ledger_accounts SET debits = debits + 1 WHERE kind = 11", "UPDATE ledger_accounts SET credits = 0 WHERE kind = 20", "UPDATE ledger_accounts SET ref = 9 WHERE kind = 22",
		"UPDATE ledger_transfers SET amount = amount + 1 WHERE kind = 1", "DELETE FROM ledger_transfers WHERE kind = 2", "UPDATE ledger_transfers SET credit = debit WHERE kind = 1",
		"UPDATE usage_hours SET charged = 0", "UPDATE usage_days SET requests = 2", "UPDATE usage_payers SET cost = 1", "DELETE FROM usage_sources", "UPDATE spending SET amount = amount - 1 WHERE kind = 1", "DELETE FROM spending WHERE kind = 4",
		"UPDATE losses SET amount = 1", "DELETE FROM losses", "UPDATE ledger_credits SET left = amount + 1",
	} {
		t.Run(change, func(t *testing.T) {
			ctx := t.Context()
			s, err := Open(ctx, Options{Dir: t.TempDir(), Sealer: noSeal{}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			now := time.Now()
			payer := domain.Spender{Kind: domain.SpenderKey, ID: 1}
			one := domain.Settlement{
				Request: domain.NewRequestID(now), At: now, Key: 1, Pool: 2, Account: 3, Payer: payer, Charged: 40, Cost: 30, Flags: domain.FlagPrepaid,
				Losses: []domain.AccountCost{{Account: 3, Amount: 5}},
			}
			if err := s.Credit(ctx, Credit{To: payer, Amount: 100}, now); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Take(ctx, payer, 1, 80, 0, now); err != nil {
				t.Fatal(err)
			}
			if err := s.Apply(ctx, []domain.Settlement{one}, domain.JournalPosition{}); err != nil {
				t.Fatal(err)
			}
			if b, err := s.CheckBooks(ctx); err != nil || len(b.Wrong) > 0 {
				t.Fatalf("before anything was changed: %v, %q", err, b.Wrong)
			}
			res, err := s.write.ExecContext(ctx, change)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := res.RowsAffected(); n == 0 {
				t.Fatal("nothing was changed")
			}
			if b, err := s.CheckBooks(ctx); err != nil || len(b.Wrong) == 0 {
				t.Errorf("it finds nothing wrong (%v)", err)
			}
		})
	}
}

// So it does of what was swept and of closed months.
func TestCheckFindsWhatIsWrongInThePast(t *testing.T) {
	for _, change := range []string{
		"UPDATE ledger_sweeps SET charged = charged + 1 WHERE kind = 1", "UPDATE ledger_sweeps SET requests = 9 WHERE kind = 2", "DELETE FROM ledger_sweeps WHERE kind = 1",
		"DELETE FROM ledger_sweeps WHERE kind = 2", "UPDATE ledger_carried SET debits = debits + 1, credits = credits + 1", "DELETE FROM ledger_carried",
		"UPDATE ledger_carried SET account = 99 WHERE account = (SELECT MIN(account) FROM ledger_carried)", "UPDATE spending_carried SET amount = amount + 1", "DELETE FROM spending_carried",
		"UPDATE ledger_months SET statement = replace(statement, '40', '41')", "UPDATE ledger_months SET hash = x'00'", "UPDATE ledger_months SET closed = closed + 1",
		"UPDATE ledger_months SET team = 8", "UPDATE usage_days SET output = 7", "UPDATE ledger_shares SET amount = amount + 1", "DELETE FROM ledger_shares",
	} {
		t.Run(change, func(t *testing.T) {
			ctx := t.Context()
			s, err := Open(ctx, Options{Dir: t.TempDir(), Sealer: noSeal{}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if _, err := s.Provision(ctx, Desired{Teams: []domain.Team{{Name: "one"}}, Accounts: []domain.Account{{Name: "a", Flat: true, Monthly: 900}}}); err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 10, 5, 6, 7, 8, 0, time.UTC)
			one := domain.Settlement{
				Request: domain.NewRequestID(at), At: at, Key: 1, Team: 1, Pool: 2, Account: 1, Payer: domain.Spender{Kind: domain.SpenderKey, ID: 1}, Charged: 40, Cost: 30,
				Losses: []domain.AccountCost{{Account: 1, Amount: 5}},
			}
			if err := s.Apply(ctx, []domain.Settlement{one}, domain.JournalPosition{}); err != nil {
				t.Fatal(err)
			}
			if err := s.CloseMonth(ctx, []int64{1}, MonthOf(at), FixedPrices{1: 900}, at.AddDate(0, 1, 0)); err != nil {
				t.Fatal(err)
			}
			if n, err := s.DeleteSettlementsBefore(ctx, at.AddDate(0, 0, 1), 10); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if n, err := s.DeleteHoursBefore(ctx, at.AddDate(0, 0, 1), 10); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if b, err := s.CheckBooks(ctx); err != nil || len(b.Wrong) > 0 {
				t.Fatalf("before anything was changed: %v, %q", err, b.Wrong)
			}
			if _, err := s.write.ExecContext(ctx, "UPDATE ledger_months SET hash = x'01'"); err == nil {
				t.Fatal("a closed month was changed")
			}
			if _, err := s.write.ExecContext(ctx, "DELETE FROM ledger_months"); err == nil {
				t.Fatal("a closed month was deleted")
			}
			for _, trigger := range []string{"ledger_months_stay", "ledger_months_kept"} {
				if _, err := s.write.ExecContext(ctx, "DROP TRIGGER "+trigger); err != nil {
					t.Fatal(err)
				}
			}
			res, err := s.write.ExecContext(ctx, change)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := res.RowsAffected(); n == 0 {
				t.Fatal("nothing was changed")
			}
			if b, err := s.CheckBooks(ctx); err != nil || len(b.Wrong) == 0 {
				t.Errorf("it finds nothing wrong (%v)", err)
			}
		})
	}
}

type noSeal struct{}

func (noSeal) Seal(plain []byte, _, _, _ string) ([]byte, error)  { return plain, nil }
func (noSeal) Open(sealed []byte, _, _, _ string) ([]byte, error) { return sealed, nil }
func (noSeal) Current([]byte) bool                                { return true }

// What was applied survives a power failure once Durable has returned: the log is synced, which a commit that changes nothing does not do.
func TestDurableWrites(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s, err := Open(ctx, Options{Dir: dir, Sealer: noSeal{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Apply(ctx, nil, domain.JournalPosition{Segment: 1, Offset: 5}); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, FileName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if err := s.Durable(ctx); err != nil {
		t.Fatal(err)
	}
	if after := size(); after <= before {
		t.Errorf("the log had %d bytes and has %d: nothing was written, and nothing synced", before, after)
	}
	var mode int
	if err := s.write.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&mode); err != nil || mode != 1 {
		t.Errorf("synchronous is %d afterwards (%v)", mode, err)
	}
}
