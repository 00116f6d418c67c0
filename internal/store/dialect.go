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

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the pure Go driver "sqlite"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// dialect is what differs between the databases.
type dialect struct {
	goose  goose.Dialect
	folder string // of its migrations
	lock   string // statement that takes a named lock for the transaction; "" where there is one writer anyway
}

// again reports whether the database asks for a transaction to be run again.
func (dialect) again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// busyMillis is how long a statement waits for another process's write.
const busyMillis = "10000"

func (s *Store) openSQLite(rest string) (err error) {
	path, query, _ := strings.Cut(rest, "?")
	set, err := url.ParseQuery(query)
	sync := set.Get("sync")
	if sync == "" {
		sync = "normal"
	}
	if err != nil || sync != "normal" && sync != "full" {
		return fmt.Errorf("store url: sync=%q: want normal or full", sync)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("store: make folder: %w", err)
	}
	s.on = dialect{goose: goose.DialectSQLite3, folder: "migrations/sqlite"}
	// One connection writes: SQLite has one writer, and waiting here is fairer than in the file.
	if s.write, err = sqliteDB(path, sync, "immediate", 1); err != nil {
		return err
	}
	if s.read, err = sqliteDB(path, sync, "deferred", 4); err != nil {
		return errors.Join(err, s.write.Close())
	}
	return nil
}

func sqliteDB(path, sync, lock string, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}, "_pragma": {"busy_timeout(" + busyMillis + ")", "journal_mode(wal)", "synchronous(" + sync + ")"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	return db, nil
}

// postgresConns is what one process takes of the server's connections: a bridge and two workers stay under
// the 100 that a server gives by default.
const postgresConns = 16

func (s *Store) openPostgres(address string) error {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return errors.New("store url: it is no PostgreSQL address: want postgres://USER@HOST/DB")
	}
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	s.write, s.read = db, db
	s.on = dialect{goose: goose.DialectPostgres, folder: "migrations/postgres", lock: `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`}
	return nil
}

// migrateTries and migratePause are how long another process's migration is waited for: 10 s.
const (
	migrateTries = 100
	migratePause = 100 * time.Millisecond
)

// migrate brings the tables up to date. On PostgreSQL a session lock lets one process do it; on SQLite each
// migration is one transaction, and whoever comes second finds it done when it looks again.
func (s *Store) migrate(ctx context.Context) (err error) {
	for range migrateTries {
		if err = s.migrateOnce(ctx); err == nil || s.read == s.write {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(migratePause):
		}
	}
	return err
}

func (s *Store) migrateOnce(ctx context.Context) error {
	files, err := fs.Sub(migrations, s.on.folder)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	var options []goose.ProviderOption
	if s.on.goose == goose.DialectPostgres {
		alone, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("store: migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(alone))
	}
	p, err := goose.NewProvider(s.on.goose, s.write, files, options...)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	return nil
}
