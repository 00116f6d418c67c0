package store

import (
	"context"
	"database/sql"
	"time"
)

// Misread is how much came from a source that was not understood.
type Misread struct {
	Source     string
	Dead       int // deliveries that could not be read
	Unexpected int // statements that may not be what was meant, as their deliveries are read now
	// DeadSince and UnexpectedSince are when the first of them came; zero for none.
	DeadSince, UnexpectedSince time.Time
}

// Misread are the sources of which something was received since a time that was not understood, and has not been since.
func (s *Store) Misread(ctx context.Context, since time.Time) ([]Misread, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT source, CAST(sum(dead) AS BIGINT), CAST(sum(odd) AS BIGINT), coalesce(min(CASE WHEN dead > 0 THEN first END), ''), coalesce(min(CASE WHEN odd > 0 THEN first END), '') FROM (
		SELECT source, count(*) AS dead, 0 AS odd, min(received_at) AS first FROM inbox WHERE state = 'dead' AND received_at >= $1 GROUP BY source
		UNION ALL SELECT source, 0, count(*), min(at) FROM scans WHERE `+unexpected+` AND at >= $1 GROUP BY source
	) AS found GROUP BY source ORDER BY source`, stamp(since))
	ms, err := all(rows, err, func(r *sql.Rows) (m Misread, err error) {
		var dead, odd string
		err = r.Scan(&m.Source, &m.Dead, &m.Unexpected, &dead, &odd)
		m.DeadSince, m.UnexpectedSince = unstamp(dead), unstamp(odd)
		return m, err
	})
	return ms, wrap("what was not understood", err)
}
