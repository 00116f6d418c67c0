package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Mark is a number that grows in the store first and in Temporal after it, so that a store with a lower one than
// Temporal's is older: a backup was restored.
type Mark struct {
	N  int64     // from 1; 0 for a store that has never been worked on
	At time.Time // when it grew last
}

// The mark's row among what was used: a number that holds once.
const (
	markKind = "mark"
	markName = "store"
)

// Mark is the store's mark.
func (s *Store) Mark(ctx context.Context) (m Mark, err error) {
	var n, at string
	err = s.read.QueryRowContext(ctx, `SELECT result, at FROM used WHERE kind = $1 AND name = $2`, markKind, markName).Scan(&n, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return m, nil
	}
	if err == nil {
		m.At = unstamp(at)
		m.N, err = strconv.ParseInt(n, 10, 64)
	}
	return m, wrap("mark", err)
}

// Advance raises the mark by one if nobody has done so for every; of any number of workers one does.
func (s *Store) Advance(ctx context.Context, every time.Duration) error {
	now := s.now()
	return s.tx(ctx, "advance the mark", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ($1, $2, 'waybill', '1', $3) ON CONFLICT (kind, name) DO UPDATE
			SET result = CAST(CAST(used.result AS BIGINT) + 1 AS TEXT), at = excluded.at WHERE used.at <= $4`, markKind, markName, stamp(now), stamp(now.Add(-every)))
		return err
	})
}

// Gap is a time whose deliveries may be gone: after a backup was made, and before it was restored.
type Gap struct {
	From time.Time `json:"from"` // the backup has all that was received before
	To   time.Time `json:"to"`   // what is received since is kept
}

// Restored notes that the store has learned again what a restored backup lacked, and raises its mark over Temporal's:
// work may go on. The gap is kept for whoever asks partners to send again.
func (s *Store) Restored(ctx context.Context, temporal int64, gap Gap) error {
	return s.tx(ctx, "restored", func(t *sql.Tx) error {
		n := strconv.FormatInt(temporal+1, 10)
		if _, err := t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ('restored', $1, 'waybill', $2, $3) ON CONFLICT (kind, name) DO NOTHING`, n, toJSON(gap), stamp(s.now())); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ($1, $2, 'waybill', $3, $4) ON CONFLICT (kind, name) DO UPDATE
			SET result = excluded.result, at = excluded.at WHERE CAST(used.result AS BIGINT) < CAST(excluded.result AS BIGINT)`, markKind, markName, n, stamp(s.now()))
		return err
	})
}

// Gaps lists the times whose deliveries may be gone, oldest first: one for each backup that was restored.
func (s *Store) Gaps(ctx context.Context) ([]Gap, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT result FROM used WHERE kind = 'restored' ORDER BY at`)
	gaps, err := all(rows, err, func(r *sql.Rows) (g Gap, err error) {
		kept, err := text(r)
		if err != nil {
			return g, err
		}
		return g, json.Unmarshal([]byte(kept), &g)
	})
	return gaps, wrap("gaps", err)
}

// Last is the newest delivery of a source before a time.
type Last struct {
	Source     string    `json:"source"`
	ID         string    `json:"id"` // the sender's
	ReceivedAt time.Time `json:"receivedAt"`
}

// LastBefore is the newest delivery that each source sent before a time.
func (s *Store) LastBefore(ctx context.Context, before time.Time) ([]Last, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT source, delivery_id, received_at FROM inbox WHERE seq IN (SELECT max(seq) FROM inbox WHERE received_at < $1 GROUP BY source) ORDER BY source`, stamp(before))
	ls, err := all(rows, err, func(r *sql.Rows) (l Last, err error) {
		var at string
		err = r.Scan(&l.Source, &l.ID, &at)
		l.ReceivedAt = unstamp(at)
		return l, err
	})
	return ls, wrap("last deliveries", err)
}

// ErrGap means that an audit entry came whose predecessor the store does not have: an older backup was restored.
var ErrGap = errors.New("one is missing")
