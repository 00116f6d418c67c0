package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"waybill/internal/routing"
	"waybill/workflows/freight"
)

// Notification is an event on its way to one subscriber.
type Notification struct {
	Subscriber string
	Shipment   freight.ShipmentID
	N          int64 // of the event in its shipment
	ID         string
	Body       []byte // the same at each try
	Tries      int    // refusals before

	token string // of the lease it was taken under
}

// Notifications takes what may be sent to a subscriber now, at most limit, for the caller alone until the lease of
// span runs out: of each shipment the first that waits, so that its events arrive in their order. There is none for
// a subscriber that is disabled or paused.
func (s *Store) Notifications(ctx context.Context, subscriber string, span time.Duration, limit int) (ns []Notification, err error) {
	err = s.tx(ctx, "lease notifications", func(t *sql.Tx) error {
		now, token := s.now(), rand.Text()
		rows, err := t.QueryContext(ctx, `UPDATE notifications SET due = $1, token = $2 WHERE (subscriber, shipment, n) IN (
			SELECT subscriber, shipment, n FROM notifications AS head WHERE subscriber = $3 AND state = 'waiting' AND due <= $4
			AND NOT EXISTS (SELECT 1 FROM subscribers WHERE name = $3 AND (disabled <> '' OR paused > $4))
			AND NOT EXISTS (SELECT 1 FROM notifications AS earlier WHERE earlier.subscriber = $3 AND earlier.state = 'waiting' AND earlier.shipment = head.shipment AND earlier.n < head.n)
			ORDER BY due, shipment LIMIT $5`+s.dialect.skipLocked+`) RETURNING shipment, n, tries`, stamp(now.Add(span)), token, subscriber, stamp(now), limit)
		ns, err = all(rows, err, func(r *sql.Rows) (n Notification, err error) {
			n.Subscriber, n.token = subscriber, token
			return n, r.Scan(&n.Shipment, &n.N, &n.Tries)
		})
		if err != nil {
			return err
		}
		for i, n := range ns {
			if err := t.QueryRowContext(ctx, `SELECT id, body FROM events WHERE shipment = $1 AND n = $2`, string(n.Shipment), n.N).Scan(&ns[i].ID, &ns[i].Body); err != nil {
				return err
			}
		}
		return nil
	})
	return ns, err
}

// Notified marks a notification as sent, if its lease still holds. The subscriber takes events, so it is not failing.
func (s *Store) Notified(ctx context.Context, n Notification) error {
	return s.tx(ctx, "notified", func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `UPDATE notifications SET state = 'sent', token = '', reason = '', due = $1 WHERE subscriber = $2 AND shipment = $3 AND n = $4 AND token = $5 AND state = 'waiting'`,
			stamp(s.now()), n.Subscriber, string(n.Shipment), n.N, n.token); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `UPDATE subscribers SET failing = '', reason = '' WHERE name = $1 AND failing <> '' AND disabled = ''`, n.Subscriber)
		return err
	})
}

// Refusal is why a notification was not taken, and what follows.
type Refusal struct {
	Reason string
	Wait   time.Duration // until this notification is tried again
	Pause  time.Duration // in which the subscriber wants nothing; 0: none
	Gone   bool          // it never wants anything again
	// GiveUp is how long a notification is tried while others are taken, and how long a subscriber may take nothing.
	GiveUp time.Duration
}

// Outcome says what a refusal led to.
type Outcome string

// The outcomes.
const (
	TriedAgain Outcome = "tried_again"
	Dropped    Outcome = "dropped"  // the others of its shipment go on without it
	Disabled   Outcome = "disabled" // the subscriber is sent nothing until a person enables it; what waits for it is kept
)

// Refused puts a notification off that was not taken, if its lease still holds, or gives it or its subscriber up.
func (s *Store) Refused(ctx context.Context, n Notification, r Refusal) (o Outcome, err error) {
	err = s.tx(ctx, "refused", func(t *sql.Tx) error {
		now, o2, reason := s.now(), TriedAgain, freight.Clip(plain(r.Reason), reasonKept)
		failing, err := s.failing(ctx, t, n.Subscriber, reason, now)
		if err != nil {
			return err
		}
		var tried string
		err = t.QueryRowContext(ctx, `UPDATE notifications SET due = $1, reason = $2, token = '', tries = tries + 1, tried = CASE WHEN tried = '' THEN $3 ELSE tried END WHERE subscriber = $4 AND shipment = $5 AND n = $6 AND token = $7 AND state = 'waiting' RETURNING tried`,
			stamp(now.Add(r.Wait)), reason, stamp(now), n.Subscriber, string(n.Shipment), n.N, n.token).Scan(&tried)
		switch {
		case errors.Is(err, sql.ErrNoRows): // another has it
		case err != nil:
			return err
		case r.Gone || now.Sub(failing) >= r.GiveUp:
			o2 = Disabled
			_, err = t.ExecContext(ctx, `UPDATE subscribers SET disabled = $1, reason = $2 WHERE name = $3 AND disabled = ''`, stamp(now), reason, n.Subscriber)
		case now.Sub(unstamp(tried)) >= r.GiveUp:
			o2 = Dropped
			_, err = t.ExecContext(ctx, `UPDATE notifications SET state = 'dropped' WHERE subscriber = $1 AND shipment = $2 AND n = $3`, n.Subscriber, string(n.Shipment), n.N)
		case r.Pause > 0:
			_, err = t.ExecContext(ctx, `UPDATE subscribers SET paused = $1 WHERE name = $2 AND paused < $1`, stamp(now.Add(r.Pause)), n.Subscriber)
		default:
			err = nil
		}
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		o = o2
		return err
	})
	return o, err
}

// reasonKept bounds in bytes what is kept of a subscriber's words.
const reasonKept = 300

// failing notes that a subscriber took nothing just now, and says since when.
func (s *Store) failing(ctx context.Context, t *sql.Tx, name, reason string, now time.Time) (since time.Time, err error) {
	var text string
	err = t.QueryRowContext(ctx, `INSERT INTO subscribers (name, failing, reason) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
		SET failing = CASE WHEN subscribers.failing = '' THEN excluded.failing ELSE subscribers.failing END, reason = excluded.reason RETURNING failing`, name, stamp(now), reason).Scan(&text)
	return unstamp(text), err
}

// SubscriberState says how it goes with a subscriber.
type SubscriberState struct {
	Name     string         `json:"name"`
	Disabled time.Time      `json:"disabled,omitzero"` // since when nothing is sent to it
	Failing  time.Time      `json:"failing,omitzero"`  // since when it has taken nothing
	Paused   time.Time      `json:"paused,omitzero"`   // until when it wants nothing
	Reason   string         `json:"reason,omitzero"`
	Counts   map[string]int `json:"notifications"`   // by state: waiting, sent, dropped
	Oldest   time.Time      `json:"oldest,omitzero"` // of the events that wait
}

// SubscriberState reads how it goes with a subscriber. One nobody heard of has nothing waiting.
func (s *Store) SubscriberState(ctx context.Context, name string) (st SubscriberState, err error) {
	st = SubscriberState{Name: name, Counts: map[string]int{}}
	var disabled, failing, paused, oldest string
	err = s.read.QueryRowContext(ctx, `SELECT disabled, failing, paused, reason FROM subscribers WHERE name = $1`, name).Scan(&disabled, &failing, &paused, &st.Reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return st, wrap("subscriber", err)
	}
	st.Disabled, st.Failing, st.Paused = unstamp(disabled), unstamp(failing), unstamp(paused)
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*) FROM notifications WHERE subscriber = $1 GROUP BY state`, name)
	if _, err = all(rows, err, func(r *sql.Rows) (state string, err error) {
		var n int
		err = r.Scan(&state, &n)
		st.Counts[state] = n
		return state, err
	}); err != nil {
		return st, wrap("subscriber", err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(e.at), '') FROM notifications n JOIN events e ON e.shipment = n.shipment AND e.n = n.n WHERE n.subscriber = $1 AND n.state = 'waiting'`, name).Scan(&oldest)
	st.Oldest = unstamp(oldest)
	return st, wrap("subscriber", err)
}

// Enable lets a subscriber be sent events again, at once and from the first that waits.
func (s *Store) Enable(ctx context.Context, name string) error {
	return s.tx(ctx, "enable", func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `DELETE FROM subscribers WHERE name = $1`, name); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `UPDATE notifications SET due = $1, token = '', tries = 0, tried = '' WHERE subscriber = $2 AND state = 'waiting'`, stamp(s.now()), name)
		return err
	})
}

// Replay sends a subscriber all events again that it wants of those that became known from a time until before
// another, under their old ids and in their order. It returns how many.
func (s *Store) Replay(ctx context.Context, n Subscription, from, until time.Time) (count int64, err error) {
	err = s.tx(ctx, "replay", func(t *sql.Tx) error {
		groups, err := replayed(ctx, t, n, from, until)
		if err != nil {
			return err
		}
		count = 0
		for _, shipments := range groups {
			again, err := s.replay(ctx, t, n, from, until, shipments)
			if err != nil {
				return err
			}
			count += again
		}
		return nil
	})
	return count, err
}

// replayGroup is of how many shipments events are sent again in one statement, which takes only so many values.
const replayGroup = 500

// replayed are the shipments whose events are sent again, in groups. A group of none stands for all: where nothing but the
// customer decides, which each event has with it, no view is read.
func replayed(ctx context.Context, t *sql.Tx, n Subscription, from, until time.Time) (groups [][]any, err error) {
	if n.Shipments.ByCustomerAlone() {
		return [][]any{nil}, nil
	}
	rows, err := t.QueryContext(ctx, `SELECT view FROM views WHERE shipment IN (SELECT shipment FROM events WHERE at >= $1 AND at < $2) ORDER BY shipment`, stamp(from), stamp(until))
	views, err := all(rows, err, func(r *sql.Rows) (v freight.View, err error) {
		var said string
		if err := r.Scan(&said); err != nil {
			return v, err
		}
		return v, json.Unmarshal([]byte(said), &v)
	})
	var ids []any
	for _, v := range views {
		if n.Shipments.Matches(routing.FactsOfView(v)) {
			ids = append(ids, string(v.Shipment))
		}
	}
	return slices.Collect(slices.Chunk(ids, replayGroup)), err
}

// replay sends the events of shipments again, of all where none is named.
func (s *Store) replay(ctx context.Context, t *sql.Tx, n Subscription, from, until time.Time, shipments []any) (int64, error) {
	q, args := `SELECT $1, shipment, n, $2 FROM events WHERE at >= $3 AND at < $4`, []any{n.Name, stamp(s.now()), stamp(from), stamp(until)}
	among := func(column string, values []any) {
		if len(values) > 0 {
			q, args = q+fmt.Sprintf(` AND %s IN (%s)`, column, places(len(args)+1, len(values), 1)), append(args, values...)
		}
	}
	among("kind", texts(n.Kinds))
	among("customer", texts(n.Shipments.Customers))
	among("shipment", shipments)
	res, err := t.ExecContext(ctx, `INSERT INTO notifications (subscriber, shipment, n, due) `+q+` ON CONFLICT (subscriber, shipment, n) DO UPDATE
		SET state = 'waiting', due = excluded.due, token = '', tries = 0, tried = '', reason = ''`, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func texts[T ~string](ts []T) (as []any) {
	for _, t := range ts {
		as = append(as, string(t))
	}
	return as
}

// ForgetEvents deletes the events that became known before a time, at most limit, but for those that still wait.
func (s *Store) ForgetEvents(ctx context.Context, before time.Time, limit int) (count int64, err error) {
	err = s.tx(ctx, "forget events", func(t *sql.Tx) error {
		old, args := `SELECT shipment, n FROM events e WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM notifications w WHERE w.shipment = e.shipment AND w.n = e.n AND w.state = 'waiting') ORDER BY at, shipment, n LIMIT $2`, []any{stamp(before), limit}
		if _, err := t.ExecContext(ctx, `DELETE FROM notifications WHERE (shipment, n) IN (`+old+`)`, args...); err != nil {
			return err
		}
		res, err := t.ExecContext(ctx, `DELETE FROM events WHERE (shipment, n) IN (`+old+`)`, args...)
		if err != nil {
			return err
		}
		count, err = res.RowsAffected()
		return err
	})
	return count, err
}
