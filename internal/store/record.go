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

	"waybill/workflows/freight"
)

// Entry is all that one record brings.
type Entry struct {
	View       freight.View
	Audits     []freight.AuditEntry
	References []freight.Reference
	Final      *freight.Shipment
}

// referenceLife is how long a number points to its shipment: carriers use numbers again after about three
// months, and late bills come within two.
const referenceLife = 90 * 24 * time.Hour

// Record files a shipment's view, audit entries, references and closing snapshot in one transaction. All of it
// may come again. It returns the number of the last audit entry it has.
func (s *Store) Record(ctx context.Context, e Entry) (last int64, err error) {
	err = s.tx(ctx, "record", func(t *sql.Tx) error {
		if err := putView(ctx, t, e.View); err != nil {
			return err
		}
		if last, err = putAudits(ctx, t, e.View.Shipment, e.Audits); err != nil {
			return err
		}
		if e.Final != nil {
			if _, err := t.ExecContext(ctx, `INSERT INTO finals (shipment, snapshot) VALUES ($1, $2) ON CONFLICT (shipment) DO UPDATE SET snapshot = excluded.snapshot`, string(e.View.Shipment), toJSON(e.Final)); err != nil {
				return err
			}
		}
		return s.putReferences(ctx, t, e)
	})
	return last, err
}

func putView(ctx context.Context, t *sql.Tx, v freight.View) error {
	var move int64
	if v.Invoice != nil {
		move = v.Invoice.Move
	}
	settled := v.Closed || v.InvoiceState == freight.InvoicePaid || v.InvoiceState == freight.InvoiceReversed
	_, err := t.ExecContext(ctx, `INSERT INTO views (shipment, revision, stage, move, settled, closed, view) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (shipment) DO UPDATE SET revision = excluded.revision, stage = excluded.stage, move = excluded.move, settled = excluded.settled, closed = excluded.closed, view = excluded.view
		WHERE excluded.revision > views.revision`, string(v.Shipment), v.Revision, string(v.Stage), move, bit(settled), bit(v.Closed), toJSON(v))
	return err
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// putAudits appends what is new to the shipment's chain.
func putAudits(ctx context.Context, t *sql.Tx, id freight.ShipmentID, es []freight.AuditEntry) (last int64, err error) {
	var hash string
	err = t.QueryRowContext(ctx, `SELECT n, hash FROM audit WHERE shipment = $1 ORDER BY n DESC LIMIT 1`, string(id)).Scan(&last, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	for _, e := range es {
		switch {
		case e.N <= last:
			continue
		case e.N != last+1:
			return last, fmt.Errorf("audit entry %d of %s follows %d: one is missing", e.N, id, last)
		}
		text := toJSON(e)
		hash, last = link(hash, text), e.N
		if _, err := t.ExecContext(ctx, `INSERT INTO audit (shipment, n, entry, hash) VALUES ($1, $2, $3, $4)`, string(id), e.N, text, hash); err != nil {
			return last, err
		}
	}
	return last, nil
}

// link chains an entry to the one before it.
func link(previous, entry string) string {
	sum := sha256.Sum256([]byte(previous + "\n" + entry))
	return hex.EncodeToString(sum[:])
}

func (s *Store) putReferences(ctx context.Context, t *sql.Tx, e Entry) error {
	now := s.now()
	for _, r := range e.References {
		if _, err := t.ExecContext(ctx, `INSERT INTO refs (kind, carrier, value, shipment, since, until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			string(r.Kind), string(r.Carrier), r.Value, string(e.View.Shipment), stamp(now.Add(-referenceLife)), stamp(now.Add(referenceLife))); err != nil {
			return err
		}
	}
	if len(e.References) == 0 {
		return nil
	}
	return s.redrive(ctx, t)
}

// redrive tries the scans again that nobody could place.
func (s *Store) redrive(ctx context.Context, t *sql.Tx) error {
	type row struct {
		seq        int64
		scan, refs string
	}
	rows, err := t.QueryContext(ctx, `SELECT seq, scan, refs FROM scans WHERE state = 'unmatched' ORDER BY seq LIMIT 1000`)
	waiting, err := all(rows, err, func(r *sql.Rows) (w row, err error) { return w, r.Scan(&w.seq, &w.scan, &w.refs) })
	if err != nil {
		return err
	}
	for _, w := range waiting {
		var scan freight.Scan
		var refs []freight.Reference
		if err := errors.Join(json.Unmarshal([]byte(w.scan), &scan), json.Unmarshal([]byte(w.refs), &refs)); err != nil {
			return err
		}
		if _, err := s.match(ctx, t, w.seq, scan, refs); err != nil {
			return err
		}
	}
	return nil
}

// Audit reads a shipment's audit trail.
func (s *Store) Audit(ctx context.Context, id freight.ShipmentID) ([]freight.AuditEntry, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT entry FROM audit WHERE shipment = $1 ORDER BY n`, string(id))
	es, err := all(rows, err, func(r *sql.Rows) (e freight.AuditEntry, err error) {
		var text string
		if err := r.Scan(&text); err != nil {
			return e, err
		}
		return e, json.Unmarshal([]byte(text), &e)
	})
	return es, wrap("audit", err)
}

// VerifyChain says where a shipment's audit trail has been changed; nil and the number of entries if nowhere.
func (s *Store) VerifyChain(ctx context.Context, id freight.ShipmentID) (n int64, err error) {
	type row struct {
		n           int64
		entry, hash string
	}
	rows, err := s.read.QueryContext(ctx, `SELECT n, entry, hash FROM audit WHERE shipment = $1 ORDER BY n`, string(id))
	es, err := all(rows, err, func(r *sql.Rows) (e row, err error) { return e, r.Scan(&e.n, &e.entry, &e.hash) })
	if err != nil {
		return 0, wrap("audit", err)
	}
	hash := ""
	for _, e := range es {
		n++
		if hash = link(hash, e.entry); e.n != n || hash != e.hash {
			return n, fmt.Errorf("store: audit trail of %s is broken at entry %d: it was changed, or one before it was removed", id, n)
		}
	}
	return n, nil
}

// Unsettled is a posted invoice that is not paid yet, as the store last told of it.
type Unsettled struct {
	Shipment freight.ShipmentID
	Move     int64
	Told     string // the payment state last told to the shipment
}

// Unsettled lists posted invoices that are not settled, at most limit.
func (s *Store) Unsettled(ctx context.Context, limit int) ([]Unsettled, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.shipment, v.move, coalesce(p.told, '') FROM views v LEFT JOIN payments p ON p.move = v.move WHERE v.settled = 0 AND v.move > 0 ORDER BY v.move LIMIT $1`, limit)
	us, err := all(rows, err, func(r *sql.Rows) (u Unsettled, err error) { return u, r.Scan(&u.Shipment, &u.Move, &u.Told) })
	return us, wrap("unsettled", err)
}

// Told notes the payment state that the shipment was told.
func (s *Store) Told(ctx context.Context, u Unsettled) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO payments (move, shipment, told) VALUES ($1, $2, $3) ON CONFLICT (move) DO UPDATE SET told = excluded.told`, u.Move, string(u.Shipment), u.Told)
	return wrap("told", err)
}

// View reads a shipment's row; ok is false where there is none.
func (s *Store) View(ctx context.Context, id freight.ShipmentID) (v freight.View, ok bool, err error) {
	var text string
	err = s.read.QueryRowContext(ctx, `SELECT view FROM views WHERE shipment = $1`, string(id)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &v)
	}
	return v, err == nil, wrap("view", err)
}

// UseOnce runs decide for a name that has not been used and keeps its result; for one that has, it returns the
// kept owner and result. Decide runs in the transaction: what it reads through spent cannot change before it commits.
func (s *Store) UseOnce(ctx context.Context, kind, name, owner string, decide func(spent func(kind, prefix string, since time.Time) ([]string, error)) (result string, keep bool, err error)) (heldBy, result string, err error) {
	err = s.tx(ctx, "use once", func(t *sql.Tx) error {
		err := t.QueryRowContext(ctx, `SELECT owner, result FROM used WHERE kind = $1 AND name = $2`, kind, name).Scan(&heldBy, &result)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		r, keep, err := decide(func(kind, prefix string, since time.Time) ([]string, error) {
			return spent(ctx, t, kind, prefix, since)
		})
		if err != nil {
			return err
		}
		heldBy, result = owner, r
		if !keep {
			return nil
		}
		_, err = t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ($1, $2, $3, $4, $5)`, kind, name, owner, r, stamp(s.now()))
		return err
	})
	return heldBy, result, err
}

func spent(ctx context.Context, t *sql.Tx, kind, prefix string, since time.Time) ([]string, error) {
	rows, err := t.QueryContext(ctx, `SELECT result FROM used WHERE kind = $1 AND substr(name, 1, length($2)) = $2 AND at >= $3`, kind, prefix, stamp(since))
	return all(rows, err, func(r *sql.Rows) (result string, err error) { return result, r.Scan(&result) })
}
