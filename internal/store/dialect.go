package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is all in which the two databases differ.
type dialect struct {
	name  string // in the names of migrations that are for it alone
	goose goose.Dialect
	// start begins a transaction. Each statement must see what was committed before it, so that a row lock waited for
	// is followed by a look at what its holder left.
	start func(context.Context, *sql.Conn) (*sql.Tx, error)
	// forUpdate and skipLocked end a query whose rows nobody else may change until the end of the transaction; "" on
	// SQLite, where a transaction that writes is alone from its beginning.
	forUpdate, skipLocked string
	// lock and lockShared hold a name until the end of the transaction; "" as above.
	lock, lockShared string
	// hasVersions counts the tables of versions; mayMigrate asks whether this user may make and change tables.
	hasVersions, mayMigrate string
	// groups is how many groups of deliveries are committed at a time.
	groups int
	// collided tells that another transaction was in the way of this one: the same again may succeed, after a pause.
	collided func(error) bool
	// refuses tells that the data itself is refused: the same again cannot succeed.
	refuses func(error) bool
}

// readerWaits is how long a connection that reads waits for the file, in ms: never for a writer, only while the file
// is made or recovered.
const readerWaits = 10_000

// openSQLite opens a file with one connection that writes, since SQLite has one writer and waiting here is fairer
// than in the file, and some that read.
//
// The writer is synchronous(full): each commit is on disk before it is answered. With normal, the usual advice for
// WAL, the last commits are lost when power is, though the file stays whole; a partner who was answered 202 would
// never send them again. Groups of deliveries share a commit, so it costs little where it matters: BenchmarkAccept,
// on a disk of 0.2 ms a flush, had 4,100 against 12,800 a second for one caller, and 25,000 against 32,000 for 64.
func (s *Store) openSQLite(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("store: make folder: %w", err)
	}
	s.dialect = dialect{
		name: "sqlite", goose: goose.DialectSQLite3, groups: 1, start: queue{flock.New(path+"-turn", flock.SetPermissions(0o640))}.start,
		hasVersions: `SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'`, mayMigrate: `SELECT 1 = 1`,
		collided: busySQLite, refuses: refusedBySQLite,
	}
	if s.write, err = sqliteFile(path, "immediate", 1, 0); err != nil {
		return err
	}
	if s.read, err = sqliteFile(path, "deferred", 4, readerWaits); err != nil {
		return errors.Join(err, s.write.Close())
	}
	return nil
}

func sqliteFile(path, lock string, conns, waits int) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", waits), "journal_mode(wal)", "synchronous(full)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	return db, nil
}

func busySQLite(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY // the rest says at what
}

func refusedBySQLite(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains([]int{sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}, e.Code())
}

// poolSize bounds a process's connections to PostgreSQL, of the hundred it has by default for all.
const poolSize = 16

func (s *Store) openPostgres(address string) error {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return fmt.Errorf("store: %w", err) // it hides the password
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "waybill"
	}
	s.dialect = dialect{
		name: "postgres", goose: goose.DialectPostgres, groups: 2,
		start: func(ctx context.Context, c *sql.Conn) (*sql.Tx, error) {
			return c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		},
		forUpdate: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED",
		lock:        `SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || $1, 0))`,
		lockShared:  `SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/' || $1, 0))`,
		hasVersions: `SELECT count(*) FROM pg_class WHERE oid = to_regclass('goose_db_version')`,
		mayMigrate:  `SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`,
		collided:    postgresClass("40"), refuses: postgresClass("22", "23502", "54"),
	}
	db := stdlib.OpenDB(*c, stdlib.OptionAfterConnect(settle))
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s.write, s.read = db, db
	return nil
}

// settle makes a connection keep what the store promises: a commit answered is on disk, whatever the database's
// default; and a process that is stopped in the middle does not hold its locks for ever.
func settle(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '30s', false),
		CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`)
	return err
}

// postgresClass tells errors whose SQLSTATE begins so: 40 is a rolled back transaction, 22 a value that no column
// holds, 23502 one that is missing, 54 one too long for an index.
func postgresClass(classes ...string) func(error) bool {
	return func(err error) bool {
		var e *pgconn.PgError
		return errors.As(err, &e) && slices.ContainsFunc(classes, func(c string) bool { return strings.HasPrefix(e.Code, c) })
	}
}

// hold keeps a name for this transaction alone until it ends; with shared, for all that share it.
func (s *Store) hold(ctx context.Context, t *sql.Tx, name string, shared bool) error {
	q := s.dialect.lock
	if shared {
		q = s.dialect.lockShared
	}
	if q == "" {
		return nil
	}
	_, err := t.ExecContext(ctx, q, name)
	return err
}
