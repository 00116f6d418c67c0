package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// sharers bounds the sources that a look at what waits is shared by: SQLite takes 500 parts of a query.
const sharers = 200

// Waiting lists pending deliveries, at most limit, without those of the sources in except: the oldest of each source,
// as many of each as of any other that has as many, so that one that sends much does not hold up the rest. They stand
// in the order in which they came.
func (s *Store) Waiting(ctx context.Context, limit int, except ...string) ([]Delivery, error) {
	sources, err := s.waitingSources(ctx, except)
	if err != nil || len(sources) == 0 {
		return nil, wrap("waiting deliveries", err)
	}
	var parts []string
	for i := range sources {
		parts = append(parts, fmt.Sprintf(`SELECT source, seq FROM (SELECT source, seq FROM inbox WHERE state = 'pending' AND source = $%d ORDER BY seq LIMIT $1) AS part%d`, i+2, i))
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox WHERE seq IN (
		SELECT seq FROM (SELECT seq, row_number() OVER (PARTITION BY source ORDER BY seq) AS place FROM (`+strings.Join(parts, " UNION ALL ")+`) AS oldest) AS placed ORDER BY place, seq LIMIT $1
	) ORDER BY seq`, append([]any{limit}, anys(sources)...)...)
	ds, err := all(rows, err, func(r *sql.Rows) (Delivery, error) { return scanDelivery(r) })
	return ds, wrap("waiting deliveries", err)
}

// waitingSources are the sources with pending deliveries, without those in except. Of more than can share a look, each
// has a chance.
func (s *Store) waitingSources(ctx context.Context, except []string) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, `WITH RECURSIVE sources (source) AS (
		SELECT min(source) FROM inbox WHERE state = 'pending'
		UNION ALL SELECT (SELECT min(source) FROM inbox WHERE state = 'pending' AND source > sources.source) FROM sources WHERE source IS NOT NULL
	) SELECT source FROM sources WHERE source IS NOT NULL`) // it looks each up in the index, however many deliveries it has
	sources, err := all(rows, err, text)
	sources = slices.DeleteFunc(sources, func(s string) bool { return slices.Contains(except, s) })
	if len(sources) > sharers {
		rand.Shuffle(len(sources), func(i, j int) { sources[i], sources[j] = sources[j], sources[i] })
		sources = sources[:sharers]
	}
	return sources, err
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

// Received reports whether a source's delivery of an id was ever received.
func (s *Store) Received(ctx context.Context, source, id string) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM inbox WHERE source = $1 AND delivery_id = $2`, source, id).Scan(&n)
	return n > 0, wrap("received delivery", err)
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
