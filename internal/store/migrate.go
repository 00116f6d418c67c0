package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrations only add: the release before runs on the tables of this one, so that it can be rolled back to.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date, under a lock, if they are not and this user may. Tables newer than this
// binary are those of a release that was rolled back.
func (s *Store) migrate(ctx context.Context) error {
	p, err := s.provider(ctx)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	have, err := s.Version(ctx)
	if err != nil || have >= want {
		return err
	}
	var may bool
	if err := s.read.QueryRowContext(ctx, s.dialect.mayMigrate).Scan(&may); err != nil {
		return wrap("open", err)
	}
	if !may {
		return fmt.Errorf("store: the tables are at version %d, this binary needs %d, and this user may not change them: run waybill-admin store migrate as their owner", have, want)
	}
	return s.alone(ctx, func() error {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("store: migrate: %w", err)
		}
		return nil
	})
}

func (s *Store) provider(ctx context.Context) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.*.sql") // those for one dialect alone
	if err != nil {
		return nil, err
	}
	var others []string
	for _, n := range names {
		if !strings.HasSuffix(n, "."+s.dialect.name+".sql") {
			others = append(others, n)
		}
	}
	options := []goose.ProviderOption{goose.WithExcludeNames(others)}
	if s.dialect.lock != "" {
		var id int64 // of this schema: others in the database are other stores
		if err := s.read.QueryRowContext(ctx, `SELECT hashtextextended(coalesce(current_schema(), '') || '/migrations', 0)`).Scan(&id); err != nil {
			return nil, err
		}
		l, err := lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 60)) // a minute, looking each second
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(l))
	}
	return goose.NewProvider(s.dialect.goose, s.write, files, options...)
}

// Version is that of the tables; 0 where there are none.
func (s *Store) Version(ctx context.Context) (v int64, err error) {
	var tables int
	if err := s.read.QueryRowContext(ctx, s.dialect.hasVersions).Scan(&tables); err != nil || tables == 0 {
		return 0, wrap("open", err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&v)
	return v, wrap("read the version of the tables", err)
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
