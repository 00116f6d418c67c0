// Package store is the one place with SQL: what was received, what is reported, and what must not happen twice.
//
// It runs on a SQLite file, which several processes of one machine may share, or on PostgreSQL; the statements are
// the same on both. On SQLite there is one writer at a time by nature; on PostgreSQL the few places that need that
// take a named lock for their transaction.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Store is an open database. Its methods may be called concurrently, from several processes.
type Store struct {
	write *sql.DB
	read  *sql.DB // the same as write on PostgreSQL
	on    dialect
	now   func() time.Time
}

// Option changes how a store is opened.
type Option func(*Store)

// WithClock makes the store take the time from now instead of the system.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// Open opens the store and brings its tables up to date; several processes may do so at once. The address is
//
//	sqlite:PATH              a file, made with its folder where it is missing
//	sqlite:PATH?sync=full    the same, flushed to disk at each commit: outlives a power cut, not only a crash
//	postgres://USER@HOST/DB  PostgreSQL 13 or newer
func Open(ctx context.Context, address string, options ...Option) (*Store, error) {
	s := &Store{now: time.Now}
	for _, o := range options {
		o(s)
	}
	scheme, rest, _ := strings.Cut(address, ":")
	var err error
	switch {
	case scheme == "sqlite" && rest != "":
		err = s.openSQLite(rest)
	case scheme == "postgres" || scheme == "postgresql":
		err = s.openPostgres(address)
	default: // the address is not repeated: it may hold a password
		return nil, errors.New("store url: want sqlite:PATH, as in sqlite:/var/lib/waybill/waybill.db, or postgres://USER@HOST/DB")
	}
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.write.Close(), s.read.Close())
}

// Health says why the store cannot be written to; nil if it can.
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

// txTries bounds how often a transaction that PostgreSQL rolled back to untangle a deadlock is run again.
const txTries = 5

// tx runs f in one transaction. F may run more than once, each time from nothing.
func (s *Store) tx(ctx context.Context, what string, f func(*sql.Tx) error) (err error) {
	for range txTries {
		if err = s.txOnce(ctx, f); !s.on.again(err) {
			break
		}
	}
	return wrap(what, err)
}

func (s *Store) txOnce(ctx context.Context, f func(*sql.Tx) error) error {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	if err := f(t); err != nil {
		return err
	}
	return t.Commit()
}

// lock makes the transaction the only one that holds name, until it ends.
func (s *Store) lock(ctx context.Context, t *sql.Tx, name string) error {
	if s.on.lock == "" {
		return nil
	}
	_, err := t.ExecContext(ctx, s.on.lock, name)
	return err
}

// next draws the next value of a counter, from 1; a rolled back transaction gives its value back.
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

// text reads a row of one column.
func text(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) }
