// Package store is the one place with SQL: what was received, what is reported, and what must not happen twice.
// It runs on a SQLite file, shared by processes of one machine, and is written so that PostgreSQL can follow.
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
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the pure Go driver, "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an open database. Its methods may be called concurrently.
type Store struct {
	write *sql.DB // one connection: SQLite has one writer, and waiting here is fairer than in the file
	read  *sql.DB
	now   func() time.Time
}

// Open opens "sqlite:PATH", makes the file and its folder if need be, and brings its tables up to date.
func Open(ctx context.Context, address string) (*Store, error) {
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok || path == "" {
		return nil, fmt.Errorf("store url %q: want sqlite:PATH, as in sqlite:/var/lib/waybill/waybill.db", address)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("store: make folder: %w", err)
	}
	s := &Store{now: time.Now}
	var err error
	if s.write, err = openSQLite(path, "immediate", 1); err != nil {
		return nil, err
	}
	if s.read, err = openSQLite(path, "deferred", 4); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// busyMillis is how long a statement waits for another process's write.
const busyMillis = "10000"

func openSQLite(path, lock string, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}, "_pragma": {"busy_timeout(" + busyMillis + ")", "journal_mode(wal)", "synchronous(normal)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	return db, nil
}

func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	return s.alone(ctx, func() error {
		p, err := goose.NewProvider(goose.DialectSQLite3, s.write, files)
		if err != nil {
			return fmt.Errorf("store: migrations: %w", err)
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("store: migrate: %w", err)
		}
		return nil
	})
}

// alone runs f again while another process is migrating the same file.
func (s *Store) alone(ctx context.Context, f func() error) error {
	const tries = 20
	var err error
	for range tries {
		if err = f(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return err
}

// Close closes the database.
func (s *Store) Close() error { return errors.Join(s.write.Close(), s.read.Close()) }

// Health says why the store cannot be used; nil if it can.
func (s *Store) Health(ctx context.Context) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO counters (name, value) VALUES ('health', 1) ON CONFLICT (name) DO UPDATE SET value = 1`)
	return wrap("health", err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return nil
}

// tx runs f in one transaction on the writer.
func (s *Store) tx(ctx context.Context, what string, f func(*sql.Tx) error) error {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return wrap(what, err)
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	if err := f(t); err != nil {
		return wrap(what, err)
	}
	return wrap(what, t.Commit())
}

// next draws the next value of a counter, from 1.
func next(ctx context.Context, t *sql.Tx, name string) (n int64, err error) {
	err = t.QueryRowContext(ctx, `INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value`, name).Scan(&n)
	return n, err
}

const stampForm = "2006-01-02T15:04:05.000000000Z" // sorts as text

func stamp(t time.Time) string { return t.UTC().Format(stampForm) }

func unstamp(s string) time.Time {
	t, _ := time.Parse(stampForm, s)
	return t
}

// all reads every row of a query.
func all[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) (ts []T, _ error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, rows.Err()
}
