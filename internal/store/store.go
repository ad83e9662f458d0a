package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Sealer hides secrets at rest. The place (table, row, column) is bound to the
// sealed form: what was sealed for one place does not open in another.
type Sealer interface {
	Seal(plain []byte, table, row, column string) ([]byte, error)
	Open(sealed []byte, table, row, column string) ([]byte, error)
	// Current reports whether sealed was made with the key that Seal uses now.
	Current(sealed []byte) bool
}

// Options say what to open.
type Options struct {
	// Dir is the data directory. It and the database in it are made if they do
	// not exist, for the owner alone (0700 and 0600).
	Dir string
	// Sealer hides accounts' secrets. It may be nil with ReadOnly; Accounts then
	// fails if there are secrets.
	Sealer Sealer
	// ReadOnly opens an existing database that a server may be using at the same
	// time. Every method that writes then fails.
	ReadOnly bool
}

// Store is an open database. Its methods may be called from any goroutine; those
// that write wait for each other. The zero value is not usable: see Open.
type Store struct {
	path   string
	sealer Sealer
	read   *sql.DB
	write  *sql.DB // one connection: SQLite has one writer at a time, and a queue in Go is fairer than its retries; nil if read-only
	append *appender
}

// Open opens the database of a data directory and brings its schema up to date.
// It refuses a database that a newer Turnout has written. The caller must Close.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Sealer == nil && !o.ReadOnly {
		return nil, errors.New("open the store: no sealer given")
	}
	path, err := prepareFile(o.Dir, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, sealer: o.Sealer}
	if err := s.open(ctx, o.ReadOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, explain(err)), s.closePools())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, readOnly bool) (err error) {
	if !readOnly {
		if s.write, err = sql.Open("sqlite", dsn(s.path, modeWrite)); err != nil {
			return err
		}
		s.write.SetMaxOpenConns(1)
		s.write.SetMaxIdleConns(1)
		if err := migrate(ctx, s.write); err != nil {
			return err
		}
		if s.append, err = newAppender(ctx, s.write); err != nil {
			return err
		}
	}
	mode := modeRead
	if readOnly {
		mode = modeReadOnlyFile
	}
	if s.read, err = sql.Open("sqlite", dsn(s.path, mode)); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if readOnly {
		return checkSchema(ctx, s.read)
	}
	return s.read.PingContext(ctx)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ask the database %s: %w", s.path, explain(err))
	}
	return nil
}

// Close writes the log back into the database file and closes it. It waits for
// calls in progress. After Close every method fails.
func (s *Store) Close() error {
	var errs []error
	if s.write != nil {
		if s.append != nil {
			errs = append(errs, s.append.close())
		}
		// The readers go first: a snapshot that is still open would keep the log from
		// being emptied.
		errs = append(errs, s.read.Close())
		if _, err := s.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			errs = append(errs, fmt.Errorf("write the log back into %s: %w", s.path, explain(err)))
		}
	}
	errs = append(errs, s.closePools())
	return errors.Join(errs...)
}

func (s *Store) closePools() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// tx runs f in one transaction of the writer: committed if f returns nil, else
// rolled back.
func (s *Store) tx(ctx context.Context, doing string, f func(*sql.Tx) error) error {
	if s.write == nil {
		return fmt.Errorf("%s: the database %s is open for reading only", doing, s.path)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", doing, explain(err))
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("%s: %w", doing, explain(err))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: commit: %w", doing, explain(err))
	}
	return nil
}

// deleteBounded runs a DELETE whose last parameter is a limit, and says how many
// rows went.
func (s *Store) deleteBounded(ctx context.Context, doing, query string, args ...any) (n int, err error) {
	err = s.tx(ctx, doing, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		gone, err := res.RowsAffected()
		n = int(gone)
		return err
	})
	return n, err
}

// eachRow scans every row of a query, within a transaction or without one.
func eachRow(ctx context.Context, q querier, query string, scan func(func(...any) error) error, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
