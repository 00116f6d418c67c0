package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"waybill/internal/routing"
	"waybill/workflows/freight"
)

// Subscription says which events a subscriber is told of.
type Subscription struct {
	Name      string
	Kinds     []freight.EventKind // none: all
	Shipments routing.Match       // the zero value: all
}

// wants reports whether an event of a shipment with a view is for the subscriber. One that is not recorded yet has no
// customer and no lane: only who wants every shipment is told.
func (n Subscription) wants(kind freight.EventKind, v freight.View) bool {
	return (len(n.Kinds) == 0 || slices.Contains(n.Kinds, kind)) && n.Shipments.Matches(routing.FactsOfView(v))
}

// WithSubscribers makes the store keep events for subscribers. Render writes an event down as it is sent, with its
// number in its shipment; it is asked once for each event.
func WithSubscribers(ss []Subscription, render func(e freight.Event, n int64) ([]byte, error)) Option {
	return func(s *Store) { s.subscriptions, s.render = ss, render }
}

// announceScan keeps what a scan tells subscribers, in the transaction that gives the scan its number.
func (s *Store) announceScan(ctx context.Context, t *sql.Tx, shipment string, scan freight.Scan) error {
	if len(s.subscriptions) == 0 {
		return nil
	}
	v, err := viewIn(ctx, t, shipment)
	if err != nil {
		return err
	}
	v.Shipment = freight.ShipmentID(shipment) // a shipment that is not recorded yet has no view
	e, ok := freight.ScanEvent(scan, v)
	if !ok {
		return nil
	}
	return s.announce(ctx, t, e, v)
}

// announceRecord keeps what a record tells subscribers, in the transaction that files it: the audit entries that are new
// with it, and its view where that is newer than the one before.
func (s *Store) announceRecord(ctx context.Context, t *sql.Tx, before, after freight.View, newer bool, entries []freight.AuditEntry) error {
	if !newer {
		before = after // it shows nothing new
	}
	for _, e := range freight.RecordEvents(before, after, entries) {
		if err := s.announce(ctx, t, e, after); err != nil {
			return err
		}
	}
	return nil
}

// viewBefore is the view that a record replaces, as far as anybody wants to know.
func (s *Store) viewBefore(ctx context.Context, t *sql.Tx, id freight.ShipmentID) (v freight.View, err error) {
	if len(s.subscriptions) == 0 {
		return v, nil
	}
	return viewIn(ctx, t, string(id))
}

func viewIn(ctx context.Context, t *sql.Tx, shipment string) (v freight.View, err error) {
	var text string
	err = t.QueryRowContext(ctx, `SELECT view FROM views WHERE shipment = $1`, shipment).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &v)
	}
	return v, err
}

// announce numbers an event of a shipment with a view and puts it on its way to each subscriber that wants it. One that was
// kept before is not kept again; its number stays unused.
func (s *Store) announce(ctx context.Context, t *sql.Tx, e freight.Event, v freight.View) error {
	var names []any
	for _, n := range s.subscriptions {
		if n.wants(e.Kind, v) {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	var n int64
	if err := t.QueryRowContext(ctx, `INSERT INTO event_heads (shipment, last) VALUES ($1, 1) ON CONFLICT (shipment) DO UPDATE SET last = event_heads.last + 1 RETURNING last`, string(e.Shipment)).Scan(&n); err != nil {
		return err
	}
	body, err := s.render(e, n)
	if err != nil {
		return fmt.Errorf("write event %s: %w", e.ID(), err)
	}
	now := stamp(s.now())
	res, err := t.ExecContext(ctx, `INSERT INTO events (shipment, n, id, kind, customer, body, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
		string(e.Shipment), n, e.ID(), string(e.Kind), string(e.Customer), string(body), now)
	if err != nil {
		return err
	}
	if kept, err := res.RowsAffected(); err != nil || kept == 0 {
		return err
	}
	for _, name := range names {
		if _, err := t.ExecContext(ctx, `INSERT INTO notifications (subscriber, shipment, n, due) VALUES ($1, $2, $3, $4)`, name, string(e.Shipment), n, now); err != nil {
			return err
		}
	}
	return nil
}
