package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"waybill/workflows/freight"
)

// Batch is what waits to be sent to one shipment.
type Batch struct {
	Shipment freight.ShipmentID
	Scans    []freight.Scan
	Tries    int // takings of this shipment since something was sent to it, from 1

	token string // of the lease it was taken under
}

// batchBytes bounds the scans of one batch, unless the first alone has more: Temporal takes messages to 2 MiB.
const batchBytes = 1 << 20

// Lease takes shipments that have scans waiting, each for this holder alone until the lease runs out, and
// returns all that waits for each, in order, at most perBatch. A shipment is taken once its oldest scan has waited
// for gather, so that what comes in one burst goes in one signal; those that have waited longest come first.
// A lease that is not given back runs out after span and gather.
func (s *Store) Lease(ctx context.Context, holder string, span, gather time.Duration, shipments, perBatch int) (bs []Batch, err error) {
	err = s.tx(ctx, "lease", func(t *sql.Tx) error {
		bs = nil
		now, token := s.now(), rand.Text()
		rows, err := t.QueryContext(ctx, `SELECT shipment FROM outbox WHERE due <> '' AND due <= $1 ORDER BY due, shipment LIMIT $2`+s.dialect.skipLocked, stamp(now.Add(-gather)), shipments)
		ids, err := all(rows, err, text)
		if err != nil || len(ids) == 0 {
			return err
		}
		rows, err = t.QueryContext(ctx, `UPDATE outbox SET due = $1, holder = $2, token = $3, tries = tries + 1 WHERE shipment IN (`+places(4, len(ids), 1)+`) RETURNING shipment, tries`,
			append([]any{stamp(now.Add(span)), holder, token}, anys(ids)...)...)
		taken, err := all(rows, err, func(r *sql.Rows) (b Batch, err error) { return b, r.Scan(&b.Shipment, &b.Tries) })
		if err != nil {
			return err
		}
		for i := range taken {
			taken[i].token = token
		}
		bs = taken
		return fill(ctx, t, bs, perBatch)
	})
	return bs, err
}

// fill reads the scans that wait for the shipments of batches.
func fill(ctx context.Context, t *sql.Tx, bs []Batch, perBatch int) error {
	at, args := map[freight.ShipmentID]int{}, []any{perBatch}
	for i, b := range bs {
		at[b.Shipment] = i
		args = append(args, string(b.Shipment))
	}
	bytes := make([]int, len(bs))
	rows, err := t.QueryContext(ctx, `SELECT shipment, scan FROM (
		SELECT shipment, number, scan, row_number() OVER (PARTITION BY shipment ORDER BY number) AS place FROM scans WHERE state = 'matched' AND shipment IN (`+places(2, len(bs), 1)+`)
	) waiting WHERE place <= $1 ORDER BY shipment, number`, args...)
	_, err = all(rows, err, func(r *sql.Rows) (scan freight.Scan, err error) {
		var id freight.ShipmentID
		var said []byte
		if err := r.Scan(&id, &said); err != nil {
			return scan, err
		}
		b := at[id]
		if bytes[b] += len(said); bytes[b] > batchBytes && len(bs[b].Scans) > 0 {
			return scan, nil // this one and those after it go with the next batch
		}
		err = json.Unmarshal(said, &scan)
		bs[b].Scans = append(bs[b].Scans, scan)
		return scan, err
	})
	return err
}

// Sent marks a batch as sent and gives its lease back, if holder still has it. A holder that lost it changes
// nothing: whoever has it sends again, and the story knows the numbers.
func (s *Store) Sent(ctx context.Context, holder string, b Batch) error {
	return s.settleBatch(ctx, holder, b, "sent")
}

// Late marks a batch for a shipment that has closed, if holder still has its lease.
func (s *Store) Late(ctx context.Context, holder string, b Batch) error {
	return s.settleBatch(ctx, holder, b, "late")
}

func (s *Store) settleBatch(ctx context.Context, holder string, b Batch, state string) error {
	return s.tx(ctx, "settle batch", func(t *sql.Tx) error {
		// The row's lock comes first: what another adds to the shipment meanwhile is seen by the last statement.
		res, err := t.ExecContext(ctx, `UPDATE outbox SET holder = '', token = '', tries = 0 WHERE shipment = $1 AND holder = $2 AND token = $3`, string(b.Shipment), holder, b.token)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if len(b.Scans) > 0 {
			if _, err := t.ExecContext(ctx, `UPDATE scans SET state = $1 WHERE shipment = $2 AND state = 'matched' AND number <= $3`, state, string(b.Shipment), b.Scans[len(b.Scans)-1].Number); err != nil {
				return err
			}
		}
		_, err = t.ExecContext(ctx, `UPDATE outbox SET due = coalesce((SELECT at FROM scans WHERE shipment = $1 AND state = 'matched' ORDER BY number LIMIT 1), '') WHERE shipment = $1`, string(b.Shipment))
		return err
	})
}

// Defer puts a batch off that could not be sent, if holder still has its lease: nobody takes the shipment before
// the wait is over.
func (s *Store) Defer(ctx context.Context, holder string, b Batch, wait time.Duration) error {
	return s.tx(ctx, "defer", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `UPDATE outbox SET due = $1, holder = '', token = '' WHERE shipment = $2 AND holder = $3 AND token = $4`, stamp(s.now().Add(wait)), string(b.Shipment), holder, b.token)
		return err
	})
}

// Final is the snapshot that a shipment closed with last; ok is false for one that never has.
func (s *Store) Final(ctx context.Context, id freight.ShipmentID) (final freight.Shipment, ok bool, err error) {
	var snapshot []byte
	err = s.read.QueryRowContext(ctx, `SELECT snapshot FROM finals WHERE shipment = $1`, string(id)).Scan(&snapshot)
	if errors.Is(err, sql.ErrNoRows) {
		return final, false, nil
	}
	if err == nil {
		err = json.Unmarshal(snapshot, &final)
	}
	return final, err == nil, wrap("final of "+string(id), err)
}
