package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	Connector  string            `json:"connector,omitzero"` // that read it, as gls@1; "": none has
}

const deliveryColumns = `seq, source, delivery_id, body, headers, verified_by, received_at, state, reason, connector`

func scanDelivery(rows interface{ Scan(...any) error }) (d Delivery, err error) {
	var headers, at string
	if err := rows.Scan(&d.Seq, &d.Source, &d.ID, &d.Body, &headers, &d.VerifiedBy, &at, &d.State, &d.Reason, &d.Connector); err != nil {
		return d, err
	}
	d.ReceivedAt = unstamp(at)
	return d, json.Unmarshal([]byte(headers), &d.Headers)
}

// Waiting lists pending deliveries, oldest first, at most limit, without those of the sources in except.
func (s *Store) Waiting(ctx context.Context, limit int, except ...string) ([]Delivery, error) {
	q, args := `SELECT `+deliveryColumns+` FROM inbox WHERE state = 'pending'`, []any{limit}
	if len(except) > 0 {
		q, args = q+` AND source NOT IN (`+places(2, len(except), 1)+`)`, append(args, anys(except)...)
	}
	rows, err := s.read.QueryContext(ctx, q+` ORDER BY seq LIMIT $1`, args...)
	ds, err := all(rows, err, func(r *sql.Rows) (Delivery, error) { return scanDelivery(r) })
	return ds, wrap("waiting deliveries", err)
}

// Deliveries lists the newest deliveries of a state and source, "" for any of either, at most limit.
func (s *Store) Deliveries(ctx context.Context, state DeliveryState, source string, limit int) ([]Delivery, error) {
	q, args := `SELECT `+deliveryColumns+` FROM inbox WHERE 1 = 1`, []any{limit}
	ask := func(column, value string) {
		if value != "" { // what is not asked must not stand in the query: no index serves "any"
			args = append(args, value)
			q += fmt.Sprintf(" AND %s = $%d", column, len(args))
		}
	}
	ask("state", string(state))
	ask("source", source)
	rows, err := s.read.QueryContext(ctx, q+` ORDER BY seq DESC LIMIT $1`, args...)
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

// DeliveryCounts counts the deliveries by state.
func (s *Store) DeliveryCounts(ctx context.Context) (map[DeliveryState]int, error) {
	return counts[DeliveryState](ctx, s, "inbox")
}

// SetDelivery marks a pending delivery done, or dead with the reason, or any delivery pending, to be read again. One
// that another has marked meanwhile stays as it is.
func (s *Store) SetDelivery(ctx context.Context, seq int64, state DeliveryState, reason string) error {
	return s.tx(ctx, "set delivery", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `UPDATE inbox SET state = $1, reason = $2 WHERE seq = $3 AND (state = 'pending' OR $1 = 'pending')`, string(state), plain(reason), seq)
		return err
	})
}

// Bury marks a pending delivery dead that a connector could not read, with the reason. One that another has marked
// meanwhile stays as it is.
func (s *Store) Bury(ctx context.Context, seq int64, connector, reason string) error {
	return s.tx(ctx, "bury", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `UPDATE inbox SET state = 'dead', reason = $1, connector = $2 WHERE seq = $3 AND state = 'pending'`, plain(reason), connector, seq)
		return err
	})
}

// plain makes a text that quotes a partner's bytes one that any database holds.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
}

// counts counts the rows of a table by their state.
func counts[S ~string](ctx context.Context, s *Store, table string) (map[S]int, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*) FROM `+table+` GROUP BY state`)
	counts := map[S]int{}
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		var state S
		var n int
		err := r.Scan(&state, &n)
		counts[state] = n
		return struct{}{}, err
	})
	return counts, wrap("count "+table, err)
}
