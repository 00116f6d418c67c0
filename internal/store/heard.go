package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	// gapsKept is how far back a source's gaps are looked at: a week has a weekend in it.
	gapsKept = 7 * 24 * time.Hour
	// firstLook bounds the deliveries that the first look of a process reads.
	firstLook = 100_000
	// secondLook is how many deliveries a look reads again: numbers are not given in the order of commits.
	secondLook = 500
)

// Hear notes when each source sent something, of the deliveries after a number, and returns the number to go on from;
// from 0 it begins with those of late. What was pulled, or put there by ourselves, nobody sent. Again changes nothing.
func (s *Store) Hear(ctx context.Context, after int64) (next int64, err error) {
	var top int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM inbox`).Scan(&top); err != nil {
		return after, wrap("hear", err)
	}
	if after == 0 {
		after = top - firstLook
	}
	rows, err := s.read.QueryContext(ctx, `SELECT source, substr(received_at, 1, 15), min(received_at), max(received_at) FROM inbox
		WHERE seq > $1 AND seq <= $2 AND verified_by <> $3 AND received_at > $4 GROUP BY source, substr(received_at, 1, 15)`, after, top, Pulled, stamp(s.now().Add(-gapsKept)))
	heard, err := all(rows, err, func(r *sql.Rows) (h [4]string, err error) { return h, r.Scan(&h[0], &h[1], &h[2], &h[3]) })
	if err != nil {
		return after, wrap("hear", err)
	}
	if len(heard) > 0 {
		err = s.tx(ctx, "hear", func(t *sql.Tx) error { return s.note(ctx, t, heard) })
	}
	return max(1, top-secondLook), err
}

func (s *Store) note(ctx context.Context, t *sql.Tx, heard [][4]string) error {
	for _, h := range heard {
		if _, err := t.ExecContext(ctx, `INSERT INTO heard (source, slot, first, last) VALUES ($1, $2, $3, $4) ON CONFLICT (source, slot) DO UPDATE
			SET first = CASE WHEN excluded.first < heard.first THEN excluded.first ELSE heard.first END, last = CASE WHEN excluded.last > heard.last THEN excluded.last ELSE heard.last END`,
			h[0], h[1], h[2], h[3]); err != nil {
			return err
		}
	}
	_, err := t.ExecContext(ctx, `DELETE FROM heard WHERE slot < $1 AND EXISTS (SELECT 1 FROM heard AS later WHERE later.source = heard.source AND later.slot > heard.slot)`, slotOf(s.now().Add(-gapsKept)))
	return err // the last of each source stays: it tells since when it is silent
}

func slotOf(t time.Time) string { return stamp(t)[:15] }

// Hearing says how often a source is heard of.
type Hearing struct {
	Last    time.Time     // when it last sent something
	Longest time.Duration // between two deliveries of the last 7 days, to ten minutes; 0 where there were not two
}

// Silent reports whether a source has sent nothing for longer than a floor, and longer than it ever did of late, and
// for how long.
func (h Hearing) Silent(floor time.Duration, now time.Time) (quiet time.Duration, silent bool) {
	quiet = now.Sub(h.Last)
	return quiet, quiet > max(floor, h.Longest)
}

// Hearings are those of each source that Hear has noted.
func (s *Store) Hearings(ctx context.Context) (map[string]Hearing, error) {
	hs := map[string]Hearing{}
	rows, err := s.read.QueryContext(ctx, `SELECT source, first, last FROM heard ORDER BY source, slot`)
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		var source, first, last string
		err := r.Scan(&source, &first, &last)
		h, known := hs[source]
		if known {
			h.Longest = max(h.Longest, unstamp(first).Sub(h.Last))
		}
		h.Last = unstamp(last)
		hs[source] = h
		return struct{}{}, err
	})
	return hs, wrap("hearings", err)
}

// Known reports whether anything of a source was ever received, whoever put it there.
func (s *Store) Known(ctx context.Context, source string) (bool, error) {
	var known int
	err := s.read.QueryRowContext(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM inbox WHERE source = $1) OR EXISTS (SELECT 1 FROM heard WHERE source = $1) THEN 1 ELSE 0 END`, source).Scan(&known)
	return known == 1, wrap("known source", err)
}
