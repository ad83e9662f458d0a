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
		"UPDATE usage_hours SET charged = 0", "UPDATE usage_days SET requests = 2", "UPDATE spending SET amount = amount - 1 WHERE kind = 1", "DELETE FROM spending WHERE kind = 4",
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
