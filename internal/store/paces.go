package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Turns are moments at which their taker may make a call, one at each, and nobody else.
type Turns struct {
	First time.Time
	Every time.Duration // from one to the next
	N     int
}

// holders bounds how many hold turns at a time. Turns taken further ahead than they can be were taken by a clock that was
// wrong, and nobody waits for them.
const holders = 100

// TakeTurns takes the next n moments at which what is called by a name may be called, so often a second by all
// who take turns under the name. What is taken and not used is lost.
func (s *Store) TakeTurns(ctx context.Context, name string, perSecond float64, n int) (Turns, error) {
	ts := Turns{Every: time.Duration(float64(time.Second) / perSecond), N: n}
	err := s.tx(ctx, "take turns", func(t *sql.Tx) error {
		if err := s.hold(ctx, t, "paces/"+name, false); err != nil {
			return err
		}
		var next string
		err := t.QueryRowContext(ctx, `SELECT next FROM paces WHERE name = $1`, name).Scan(&next)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		span := time.Duration(n) * ts.Every
		ts.First = s.now()
		if free := unstamp(next); free.After(ts.First) && free.Before(ts.First.Add(holders*span)) {
			ts.First = free
		}
		after := stamp(ts.First.Add(span))
		_, err = t.ExecContext(ctx, `INSERT INTO paces (name, next) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET next = excluded.next`, name, after)
		return err
	})
	return ts, err
}
