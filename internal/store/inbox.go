package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// DeliveryState says what became of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	Pending DeliveryState = "pending" // committed, not read yet
	Done    DeliveryState = "done"
	Dead    DeliveryState = "dead" // authentic, and of no use as it is: kept, with the reason
)

// Delivery is one message exactly as a partner sent it.
type Delivery struct {
	Seq        int64             `json:"seq"`
	Source     string            `json:"source"`
	ID         string            `json:"id"` // the sender's, unique in its source
	Body       []byte            `json:"body"`
	Headers    map[string]string `json:"headers"` // those that tell something and hold no secret
	VerifiedBy string            `json:"verifiedBy"`
	ReceivedAt time.Time         `json:"receivedAt"`
	State      DeliveryState     `json:"state"`
	Reason     string            `json:"reason,omitzero"`
}

// ErrConflict means that an id came again with another body: a fault of the sender's, or a forgery.
var ErrConflict = errors.New("this id was received before with another body")

// Accept commits a delivery. The same one again is reported as a repeat; nil means it is on disk.
func (s *Store) Accept(ctx context.Context, d Delivery) (repeat bool, err error) {
	sum := sha256.Sum256(d.Body)
	hash := hex.EncodeToString(sum[:])
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return false, wrap("headers", err)
	}
	err = s.tx(ctx, "accept", func(t *sql.Tx) error {
		var known string
		switch err := t.QueryRowContext(ctx, `SELECT body_sha256 FROM inbox WHERE source = $1 AND delivery_id = $2`, d.Source, d.ID).Scan(&known); {
		case err == nil && known == hash:
			repeat = true
			return nil
		case err == nil:
			return ErrConflict
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		seq, err := next(ctx, t, "inbox")
		if err != nil {
			return err
		}
		_, err = t.ExecContext(ctx, `INSERT INTO inbox (seq, source, delivery_id, body, body_sha256, headers, verified_by, received_at, state, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, seq, d.Source, d.ID, d.Body, hash, string(headers), d.VerifiedBy, stamp(d.ReceivedAt), d.State, d.Reason)
		return err
	})
	return repeat, err
}

const deliveryColumns = `seq, source, delivery_id, body, headers, verified_by, received_at, state, reason`

func scanDelivery(rows interface{ Scan(...any) error }) (d Delivery, err error) {
	var headers, at string
	if err := rows.Scan(&d.Seq, &d.Source, &d.ID, &d.Body, &headers, &d.VerifiedBy, &at, &d.State, &d.Reason); err != nil {
		return d, err
	}
	d.ReceivedAt = unstamp(at)
	return d, json.Unmarshal([]byte(headers), &d.Headers)
}

// Waiting lists pending deliveries, oldest first, at most limit.
func (s *Store) Waiting(ctx context.Context, limit int) ([]Delivery, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE state = 'pending' ORDER BY seq LIMIT $1`, limit)
	ds, err := all(rows, err, func(r *sql.Rows) (Delivery, error) { return scanDelivery(r) })
	return ds, wrap("waiting deliveries", err)
}

// Deliveries lists the newest deliveries of a state and source, "" for any of either, at most limit.
func (s *Store) Deliveries(ctx context.Context, state DeliveryState, source string, limit int) ([]Delivery, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE ($1 = '' OR state = $1) AND ($2 = '' OR source = $2) ORDER BY seq DESC LIMIT $3`, string(state), source, limit)
	ds, err := all(rows, err, func(r *sql.Rows) (Delivery, error) { return scanDelivery(r) })
	return ds, wrap("deliveries", err)
}

// Delivery reads one delivery by its number.
func (s *Store) Delivery(ctx context.Context, seq int64) (Delivery, error) {
	d, err := scanDelivery(s.read.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE seq = $1`, seq))
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("store: there is no delivery %d: see waybill-admin inbox list", seq)
	}
	return d, wrap("delivery", err)
}

// SetDelivery marks a delivery done, or dead with the reason.
func (s *Store) SetDelivery(ctx context.Context, seq int64, state DeliveryState, reason string) error {
	_, err := s.write.ExecContext(ctx, `UPDATE inbox SET state = $1, reason = $2 WHERE seq = $3`, state, reason, seq)
	return wrap("set delivery", err)
}
