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
	if due, ok, err := s.Due(ctx); err != nil || !ok || due.After(s.now().Add(-gather)) {
		return nil, err
	}
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

// Due is from when the shipment that comes first may be taken, not counting the time to gather; ok is false where no
// scan waits. Asking takes no turn from those who write.
func (s *Store) Due(ctx context.Context) (due time.Time, ok bool, err error) {
	var first string
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(due), '') FROM outbox WHERE due <> ''`).Scan(&first)
	return unstamp(first), first != "", wrap("due", err)
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

// Sent marks batches as sent and gives their leases back, those that holder still has, in one transaction. A holder
// that lost one changes nothing there: whoever has it sends again, and the story knows the numbers.
func (s *Store) Sent(ctx context.Context, holder string, bs ...Batch) error {
	return s.settleBatches(ctx, holder, bs, "sent")
}

// Late marks a batch for a shipment that has closed, if holder still has its lease.
func (s *Store) Late(ctx context.Context, holder string, b Batch) error {
	return s.settleBatches(ctx, holder, []Batch{b}, "late")
}

func (s *Store) settleBatches(ctx context.Context, holder string, bs []Batch, state string) error {
	if len(bs) == 0 {
		return nil
	}
	return s.tx(ctx, "settle batches", func(t *sql.Tx) error {
		held, err := s.lockHeld(ctx, t, holder, bs)
		if err != nil || len(held) == 0 {
			return err
		}
		args, ids := []any{state}, make([]any, len(held))
		for i, b := range held {
			ids[i] = string(b.Shipment)
			last := int64(0)
			if len(b.Scans) > 0 {
				last = b.Scans[len(b.Scans)-1].Number
			}
			args = append(args, ids[i], last)
		}
		if _, err := t.ExecContext(ctx, `UPDATE scans SET state = $1 FROM (VALUES `+tuples(2, len(held), "TEXT", "BIGINT")+`) AS batch
			WHERE scans.shipment = batch.column1 AND scans.state = 'matched' AND scans.number <= batch.column2`, args...); err != nil {
			return err
		}
		_, err = t.ExecContext(ctx, `UPDATE outbox SET holder = '', token = '', tries = 0,
			due = coalesce((SELECT at FROM scans WHERE scans.shipment = outbox.shipment AND state = 'matched' ORDER BY number LIMIT 1), '')
			WHERE shipment IN (`+places(1, len(ids), 1)+`)`, ids...)
		return err
	})
}

// lockHeld are the batches whose lease holder still has. Their shipments' rows are locked, in one order, before
// anything else is looked at: what another adds to a shipment meanwhile is seen by what follows.
func (s *Store) lockHeld(ctx context.Context, t *sql.Tx, holder string, bs []Batch) (held []Batch, err error) {
	args, by := []any{holder}, map[string]Batch{}
	for _, b := range bs {
		args, by[string(b.Shipment)] = append(args, string(b.Shipment)), b
	}
	rows, err := t.QueryContext(ctx, `SELECT shipment, token FROM outbox WHERE holder = $1 AND shipment IN (`+places(2, len(bs), 1)+`) ORDER BY shipment`+s.dialect.forUpdate, args...)
	_, err = all(rows, err, func(r *sql.Rows) (id string, err error) {
		var token string
		err = r.Scan(&id, &token)
		if b := by[id]; b.token == token {
			held = append(held, b)
		}
		return id, err
	})
	return held, err
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
