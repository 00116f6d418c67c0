package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"waybill/workflows/freight"
)

// Transits are how the shipments were carried that have closed, and were picked up since.
func (s *Store) Transits(ctx context.Context, since time.Time) (ts []freight.Transit, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT snapshot FROM finals ORDER BY shipment`)
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		var text string
		var closed freight.Shipment
		if err := r.Scan(&text); err != nil {
			return struct{}{}, err
		}
		err := json.Unmarshal([]byte(text), &closed)
		if t, ok := closed.Transit(); ok && !t.PickedUp.Before(since) {
			ts = append(ts, t)
		}
		return struct{}{}, err
	})
	return ts, wrap("transits", err)
}
