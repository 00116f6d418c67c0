package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// UseOnce runs decide for a name that has not been used and keeps its result; for one that has, it returns the
// kept owner and result. Decide runs in the transaction, anew if that has to be repeated: nobody else decides about
// the name meanwhile, and what it reads through spent cannot change before it commits.
func (s *Store) UseOnce(ctx context.Context, kind, name, owner string, decide func(spent func(kind, prefix string, since time.Time) ([]string, error)) (result string, keep bool, err error)) (heldBy, result string, err error) {
	err = s.tx(ctx, "use once", func(t *sql.Tx) error {
		if err := s.hold(ctx, t, "used/"+kind+"/"+name, false); err != nil {
			return err
		}
		err := t.QueryRowContext(ctx, `SELECT owner, result FROM used WHERE kind = $1 AND name = $2`, kind, name).Scan(&heldBy, &result)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		r, keep, err := decide(func(kind, prefix string, since time.Time) ([]string, error) {
			return s.spent(ctx, t, kind, prefix, since)
		})
		if err != nil {
			return err
		}
		heldBy, result = owner, r
		if !keep {
			return nil
		}
		_, err = t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ($1, $2, $3, $4, $5)`, kind, name, owner, r, stamp(s.now()))
		return err
	})
	return heldBy, result, err
}

// spent lists the results kept under names that begin with prefix. Two that add up the same hold each other off.
func (s *Store) spent(ctx context.Context, t *sql.Tx, kind, prefix string, since time.Time) ([]string, error) {
	if err := s.hold(ctx, t, "spent/"+kind+"/"+prefix, false); err != nil {
		return nil, err
	}
	rows, err := t.QueryContext(ctx, `SELECT result FROM used WHERE kind = $1 AND substr(name, 1, $2) = $3 AND at >= $4 ORDER BY at`, kind, len([]rune(prefix)), prefix, stamp(since))
	return all(rows, err, text)
}
