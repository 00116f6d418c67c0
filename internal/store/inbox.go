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
	Seq        int64             `json:"seq"` // ours, in order of arrival
	Source     string            `json:"source"`
	ID         string            `json:"id"`   // the sender's, unique in its source
	Body       []byte            `json:"body"` // raw bytes; empty once purged
	Headers    map[string]string `json:"headers"`
	VerifiedBy string            `json:"verifiedBy"` // how the sender was known; no secret
	ReceivedAt time.Time         `json:"receivedAt"`
	State      DeliveryState     `json:"state"`
	Reason     string            `json:"reason,omitzero"` // why it is dead
}

// ErrConflict means that an id came again with another body: a fault of the sender's, or a forgery.
var ErrConflict = errors.New("this id was received before with another body")

// ErrNotFound means that the store has no such thing.
var ErrNotFound = errors.New("not found")

// Accept commits a delivery; a nil error means that it is kept. The same one again is reported as a repeat and
// changes nothing; the same id with another body is ErrConflict. An empty state is Pending.
func (s *Store) Accept(ctx context.Context, d Delivery) (repeat bool, err error) {
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return false, wrap("headers", err)
	}
	if d.State == "" {
		d.State = Pending
	}
	hash := sha(d.Body)
	res, err := s.write.ExecContext(ctx, `INSERT INTO inbox (source, delivery_id, body, body_sha256, headers, verified_by, received_at, state, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (source, delivery_id) DO NOTHING`,
		d.Source, d.ID, d.Body, hash, string(headers), d.VerifiedBy, stamp(d.ReceivedAt), string(d.State), d.Reason)
	if err != nil {
		return false, wrap("accept", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return false, wrap("accept", err)
	}
	return s.isRepeat(ctx, d, hash)
}

func (s *Store) isRepeat(ctx context.Context, d Delivery, hash string) (bool, error) {
	var known string
	err := s.write.QueryRowContext(ctx, `SELECT body_sha256 FROM inbox WHERE source = $1 AND delivery_id = $2`, d.Source, d.ID).Scan(&known)
	if err == nil && known != hash {
		err = ErrConflict
	}
	return err == nil, wrap("accept", err)
}

// sha is the SHA-256 of b, lower-case hex.
func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
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

func readDelivery(r *sql.Rows) (Delivery, error) { return scanDelivery(r) }

// Waiting lists pending deliveries, oldest first, at most limit.
func (s *Store) Waiting(ctx context.Context, limit int) ([]Delivery, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE state = 'pending' ORDER BY seq LIMIT $1`, limit)
	ds, err := all(rows, err, readDelivery)
	return ds, wrap("waiting deliveries", err)
}

// DeliveryFilter chooses deliveries; its zero value chooses the newest 100.
type DeliveryFilter struct {
	Source string        // "" for any
	State  DeliveryState // "" for any
	Before int64         // only those with a lower Seq, for the next page; 0 for the first
	Limit  int           // at most; 0: 100
}

// defaultLimit is what a list shows where nothing is said.
const defaultLimit = 100

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

// Deliveries lists deliveries, newest first.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox
		WHERE ($1 = '' OR state = $1) AND ($2 = '' OR source = $2) AND ($3 = 0 OR seq < $3) ORDER BY seq DESC LIMIT $4`,
		string(f.State), f.Source, f.Before, limitOf(f.Limit))
	ds, err := all(rows, err, readDelivery)
	return ds, wrap("deliveries", err)
}

// Delivery reads one delivery; ErrNotFound if there is none.
func (s *Store) Delivery(ctx context.Context, source, id string) (Delivery, error) {
	d, err := scanDelivery(s.read.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE source = $1 AND delivery_id = $2`, source, id))
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("store: delivery %s of %s: %w: see waybill-admin inbox list", id, source, ErrNotFound)
	}
	return d, wrap("delivery", err)
}

// SetDelivery marks a delivery done, or dead with the reason.
func (s *Store) SetDelivery(ctx context.Context, seq int64, state DeliveryState, reason string) error {
	_, err := s.write.ExecContext(ctx, `UPDATE inbox SET state = $1, reason = $2 WHERE seq = $3`, string(state), reason, seq)
	return wrap("set delivery", err)
}

// Replay makes a delivery pending again, after its connector was mended. Scans that it brought before are known
// by their content and dropped. ErrNotFound if there is none, or if its body was purged.
func (s *Store) Replay(ctx context.Context, source, id string) error {
	res, err := s.write.ExecContext(ctx, `UPDATE inbox SET state = 'pending', reason = '' WHERE source = $1 AND delivery_id = $2 AND length(body) > 0`, source, id)
	if err != nil {
		return wrap("replay", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("store: delivery %s of %s: %w, or its body was purged", id, source, ErrNotFound))
	}
	return nil
}

// Purge drops the bodies of deliveries that were done before the given time, and returns how many. Ids and hashes
// stay, so that a repeat is still a repeat.
func (s *Store) Purge(ctx context.Context, before time.Time) (int64, error) {
	res, err := s.write.ExecContext(ctx, `UPDATE inbox SET body = $1 WHERE state = 'done' AND received_at < $2 AND length(body) > 0`, []byte{}, stamp(before))
	if err != nil {
		return 0, wrap("purge", err)
	}
	n, err := res.RowsAffected()
	return n, wrap("purge", err)
}

// Hint is a record that Odoo said had changed. It proves nothing: whoever reads it asks Odoo.
type Hint struct {
	Model  string `json:"model"` // "sale.order"
	Record int64  `json:"record"`
	n      int64
}

// PutHint notes that a record may have changed; many hints about one record are one.
func (s *Store) PutHint(ctx context.Context, model string, record int64) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO hints (model, record, n, at) VALUES ($1, $2, 1, $3)
		ON CONFLICT (model, record) DO UPDATE SET n = hints.n + 1`, model, record, stamp(s.now()))
	return wrap("hint", err)
}

// Hints lists the hints nobody has acknowledged, oldest first, at most limit.
func (s *Store) Hints(ctx context.Context, limit int) ([]Hint, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT model, record, n FROM hints ORDER BY at LIMIT $1`, limitOf(limit))
	hs, err := all(rows, err, func(r *sql.Rows) (h Hint, err error) { return h, r.Scan(&h.Model, &h.Record, &h.n) })
	return hs, wrap("hints", err)
}

// AckHints drops hints that Hints returned and somebody followed. One that came again meanwhile stays.
func (s *Store) AckHints(ctx context.Context, hs []Hint) error {
	return s.tx(ctx, "acknowledge hints", func(t *sql.Tx) error {
		for _, h := range hs {
			if _, err := t.ExecContext(ctx, `DELETE FROM hints WHERE model = $1 AND record = $2 AND n = $3`, h.Model, h.Record, h.n); err != nil {
				return err
			}
		}
		return nil
	})
}
