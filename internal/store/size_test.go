package store_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// TestBytesPerRecord holds the promise of at most 250 bytes for a request's record
// with all its indexes, as the file really grows.
func TestBytesPerRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 records")
	}
	const n, batch, most = sizeRows, 500, 250
	dir := t.TempDir()
	s := open(t, dir)
	from := time.UnixMilli(1_800_000_000_000)
	for i := 0; i < n; i += batch {
		if err := s.AppendRequests(t.Context(), randomRows(batch, from.Add(time.Duration(i)*time.Millisecond))); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT name, sum(pgsize) FROM dbstat WHERE name LIKE 'requests%' OR name IN ('traces', 'names') GROUP BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var total float64
	for rows.Next() {
		var name string
		var size float64
		if err := rows.Scan(&name, &size); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-20s %6.1f bytes a request", name, size/n)
		if name != "traces" {
			total += size / n
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if total < 50 || total > most {
		t.Errorf("a record takes %.1f bytes with its indexes, want at most %d (and more than 50, or this measures nothing)", total, most)
	}
}

// BenchmarkAppendRequests: one operation is one record with a trace of 500 bytes,
// in batches as the writer makes them.
func BenchmarkAppendRequests(b *testing.B) {
	const batch = 500
	s := open(b, b.TempDir())
	from := time.UnixMilli(1_800_000_000_000)
	pool := make([][]store.RequestRow, 0, b.N/batch+1)
	for i := 0; i < b.N; i += batch {
		pool = append(pool, randomRows(min(batch, b.N-i), from.Add(time.Duration(i)*time.Millisecond)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, rows := range pool {
		if err := s.AppendRequests(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSaveBindings(b *testing.B) {
	const batch = 500
	s := open(b, b.TempDir())
	now := time.UnixMilli(1_800_000_000_000)
	all := make([]domain.Binding, b.N)
	for i := range all {
		k := i % 20_000
		all[i] = domain.Binding{Session: [16]byte{byte(k * 7), byte(k >> 8), byte(k)}, Account: 3, Expires: now.Add(time.Duration(i) * time.Millisecond), WarmTokens: 9000}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for chunk := range slices.Chunk(all, batch) {
		if err := s.SaveBindings(b.Context(), chunk); err != nil {
			b.Fatal(err)
		}
	}
}
