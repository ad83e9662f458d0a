package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FileName is the database's name in the data directory.
const FileName = "turnout.db"

// readers bounds the connections that only read. Each has a page cache of its
// own (2 MB at most).
const readers = 8

type mode int

const (
	modeWrite mode = iota
	modeRead
	modeReadOnlyFile
)

// dsn names the file with the settings of each connection. The busy timeout comes
// first, because switching to WAL may itself have to wait for a lock.
// synchronous=NORMAL with WAL may lose the last commits in a power failure, never
// the database.
func dsn(path string, m mode) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") { // a Windows drive
		p = "/" + p
	}
	q := url.Values{}
	pragma := func(s ...string) { q["_pragma"] = append(q["_pragma"], s...) }
	pragma("busy_timeout(10000)")
	switch m {
	case modeWrite:
		q.Set("_txlock", "immediate") // take the lock at BEGIN, where waiting for it is safe
		pragma("journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)",
			"temp_store(MEMORY)", "cache_size(-16000)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)")
	case modeRead:
		pragma("synchronous(NORMAL)", "foreign_keys(1)", "temp_store(MEMORY)", "query_only(1)")
	case modeReadOnlyFile:
		q.Set("mode", "ro")
		pragma("temp_store(MEMORY)", "query_only(1)")
	}
	return (&url.URL{Scheme: "file", Path: p, OmitHost: true, RawQuery: q.Encode()}).String()
}

// prepareFile makes the directory and an empty database with narrow rights before
// SQLite could make them with wide ones. SQLite gives its -wal and -shm files the
// rights of the database.
func prepareFile(dir string, readOnly bool) (path string, err error) {
	if dir == "" {
		return "", errors.New("open the store: no data directory given: set data_dir")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	path = filepath.Join(dir, FileName)
	if readOnly {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("there is no database at %s: start the server once, or name the right data directory (data_dir)", path)
		} else if err != nil {
			return "", fmt.Errorf("find the database: %w", err)
		}
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory (data_dir): %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("make the database in the data directory (data_dir): %w", err)
	}
	return path, f.Close()
}

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

func provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// migrate brings the schema up to date, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	have, want, err := schema(ctx, db)
	if err != nil {
		return err
	}
	if have > want {
		return newerSchema(have, want)
	}
	if have == want {
		return nil
	}
	p, err := provider(db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema from version %d to %d: %w", have, want, err)
	}
	return nil
}

// checkSchema is migrate for a database that may not be written.
func checkSchema(ctx context.Context, db *sql.DB) error {
	have, want, err := schema(ctx, db)
	switch {
	case err != nil:
		return err
	case have > want:
		return newerSchema(have, want)
	case have < want:
		return fmt.Errorf("its schema has version %d and this Turnout needs %d: start the server of this version once, it brings it up to date", have, want)
	}
	return nil
}

func newerSchema(have, want int64) error {
	return fmt.Errorf("a newer Turnout has written it (schema %d; this one knows up to %d): "+
		"run that version again, or restore the copy of the data directory from before the upgrade", have, want)
}

// schema is the version of the database's schema (0: empty) and the newest known.
func schema(ctx context.Context, db *sql.DB) (have, want int64, err error) {
	p, err := provider(db)
	if err != nil {
		return 0, 0, err
	}
	for _, src := range p.ListSources() {
		want = max(want, src.Version)
	}
	// Not goose's own question, because that would write a table.
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'").Scan(&tables); err != nil {
		return 0, 0, err
	}
	if tables > 0 {
		err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&have)
	}
	return have, want, err
}

// explain adds to SQLite's terse errors what to do about them.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	var advice string
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		advice = "the file is damaged or is not Turnout's database: move it and its -wal and -shm files away and restore a copy " +
			"(or start with a new one: the objects of the configuration file come back, the records do not)"
	case sqlite3.SQLITE_FULL:
		advice = "the disk is full: make room and try again"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		advice = "check who owns the data directory and the files in it: the user that runs Turnout must be able to read and write them"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		advice = "another process holds the database: is a second Turnout using the same data directory?"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", advice, err)
}
