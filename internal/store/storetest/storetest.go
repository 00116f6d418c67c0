// Package storetest gives a test an empty store of its own, on SQLite and on PostgreSQL: what holds on one must hold
// on the other.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"waybill/internal/store"
)

// Variable is the environment variable with the URL of a PostgreSQL whose user may make schemas and roles.
const Variable = "WAYBILL_TEST_POSTGRES"

// DB is an empty database.
type DB struct{ URL string }

// Each runs a test on an empty database of each kind. PostgreSQL is left out where there is none.
func Each(t *testing.T, f func(t *testing.T, db DB)) {
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// SQLite makes a file that is deleted at the end of the test.
func SQLite(t testing.TB) DB { return DB{"sqlite:" + filepath.Join(t.TempDir(), "store.db")} }

// Postgres makes a schema of its own that is dropped at the end of the test: a database of its own would cost a
// checkpoint each time.
func Postgres(t testing.TB) DB {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		t.Skip("no PostgreSQL: export " + Variable + "=$(deploy/postgres.sh up)")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is no URL", Variable) // not shown: it holds a password
	}
	name := made(t, DB{server}.SQL(t), `CREATE SCHEMA %s`, `DROP SCHEMA %s CASCADE`)
	q := u.Query()
	q.Set("search_path", name)
	q.Set("application_name", name) // so that a test tells its own statements from others
	u.RawQuery = q.Encode()
	return DB{u.String()}
}

// made makes something under a new name, and undoes it at the end of the test.
func made(t testing.TB, db *sql.DB, do string, undo ...string) string {
	t.Helper()
	name := "waybill_" + strings.ToLower(rand.Text())
	run(t.Context(), t, db, fmt.Sprintf(do, name))
	t.Cleanup(func() {
		for _, statement := range undo {
			run(context.Background(), t, db, fmt.Sprintf(statement, name)) // the test's own context has ended
		}
	})
	return name
}

func run(ctx context.Context, t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// Role makes a role that is dropped at the end of the test, and returns its name and the database as it sees it.
func (db DB) Role(t *testing.T) (string, DB) {
	t.Helper()
	name := made(t, db.SQL(t), `CREATE ROLE %s LOGIN PASSWORD 'guest'`, `DROP OWNED BY %s`, `DROP ROLE %s`)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, "guest")
	return name, DB{u.String()}
}

// Open opens the store, until the end of the test.
func (db DB) Open(t testing.TB, options ...store.Option) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), db.URL, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// SQL opens the database as someone with psql or sqlite3 would.
func (db DB) SQL(t testing.TB) *sql.DB {
	t.Helper()
	driver, address := "pgx", db.URL
	if path, ok := strings.CutPrefix(db.URL, "sqlite:"); ok {
		driver, address = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	d, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Clock is a time that only the test moves. It begins at noon on 24 November 2026, UTC.
type Clock struct {
	mu     sync.Mutex
	passed time.Duration
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Add(c.passed)
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}
