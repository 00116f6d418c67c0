// Package store is the one place with SQL: what was received, what is reported, and what must not happen twice.
// It runs on a SQLite file, shared by processes of one machine, or on PostgreSQL, shared by any number of machines.
// Both have the same tables and run the same statements; what differs is in dialect.go.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"waybill/workflows/freight"
)

// Store is an open database. Its methods may be called concurrently.
type Store struct {
	dialect dialect
	write   *sql.DB
	read    *sql.DB
	now     func() time.Time
	inbox   gate

	subscriptions []Subscription
	render        func(freight.Event, int64) ([]byte, error)

	mu       sync.Mutex
	lastMove int64 // where Unsettled goes on
}

// Option changes how a store works.
type Option func(*Store)

// WithClock makes the store take the time from now instead of the machine.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// Open opens "sqlite:PATH", whose file and folder it makes if need be, or "postgres://USER@HOST/DATABASE". It
// brings the tables up to date where the user may do so; where not, it says who has to if they are not.
func Open(ctx context.Context, address string, options ...Option) (*Store, error) {
	s := &Store{now: time.Now}
	for _, o := range options {
		o(s)
	}
	var err error
	switch scheme, path, _ := strings.Cut(address, ":"); {
	case scheme == "sqlite" && path != "":
		err = s.openSQLite(path)
	case scheme == "postgres" || scheme == "postgresql":
		err = s.openPostgres(address)
	default: // the address is not shown: it may hold a password
		err = errors.New("store url: want sqlite:PATH, as in sqlite:/var/lib/waybill/waybill.db, or postgres://USER@HOST/DATABASE")
	}
	if err != nil {
		return nil, err
	}
	s.inbox.slots = make(chan struct{}, s.dialect.groups)
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error { return errors.Join(s.write.Close(), s.read.Close()) }

var errUndo = errors.New("undo")

// Health says why no delivery can be taken; nil if one can. It takes one, and undoes it.
func (s *Store) Health(ctx context.Context) error {
	err := s.tx(ctx, "health", func(t *sql.Tx) error {
		if _, err := insertNew(ctx, t, []*arrival{{Delivery: Delivery{Source: "waybill-health", Body: []byte{}, State: Done}}}); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return nil
}

// ErrRefused means that the database cannot hold the data itself: the same again would be refused again.
var ErrRefused = errors.New("the database refuses this")

// persistence is how long a transaction is done anew that others are in the way of.
const persistence = 10 * time.Second

// tx runs f in one transaction, and anew if another was in its way or the database undid it because of one: f must
// start from nothing each time.
func (s *Store) tx(ctx context.Context, what string, f func(*sql.Tx) error) (err error) {
	began := time.Now()
	for try := 0; ; try++ {
		if err = s.once(ctx, f); err == nil || !s.dialect.collided(err) || time.Since(began) > persistence {
			break
		}
		select {
		case <-ctx.Done():
			return wrap(what, errors.Join(err, ctx.Err()))
		case <-time.After(rand.N(time.Millisecond << min(try, 8))): // those that undid each other come back apart
		}
	}
	if err != nil && s.dialect.refuses(err) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return wrap(what, err)
}

func (s *Store) once(ctx context.Context, f func(*sql.Tx) error) error {
	c, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it goes back to the pool
	t, err := s.dialect.start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	if err := f(t); err != nil {
		return err
	}
	return t.Commit()
}

const stampForm = "2006-01-02T15:04:05.000000000Z" // sorts as text, in any collation

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

// text reads a row of one text.
func text(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) }

// places writes n groups of placeholders, each of size, numbered from first: "($1,$2),($3,$4)"; without the brackets
// where size is 1.
func places(first, n, size int) string {
	var b strings.Builder
	for i := range n * size {
		switch {
		case i > 0 && i%size == 0 && size > 1:
			b.WriteString("),(")
		case i > 0:
			b.WriteByte(',')
		case size > 1:
			b.WriteByte('(')
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	if size > 1 {
		b.WriteByte(')')
	}
	return b.String()
}

// tuples writes n groups of placeholders of these types, numbered from first: "(CAST($1 AS TEXT),CAST($2 AS BIGINT))".
// In VALUES that stand for a table, PostgreSQL takes a placeholder for a text unless its type is said.
func tuples(first, n int, types ...string) string {
	var b strings.Builder
	for i := range n * len(types) {
		switch {
		case i > 0 && i%len(types) == 0:
			b.WriteString("),(")
		case i > 0:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "CAST($%d AS %s)", first+i, types[i%len(types)])
	}
	return "(" + b.String() + ")"
}

// anys makes arguments of values.
func anys[T any](vs []T) []any {
	as := make([]any, len(vs))
	for i, v := range vs {
		as[i] = v
	}
	return as
}
