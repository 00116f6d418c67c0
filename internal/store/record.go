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
		before, err := s.viewBefore(ctx, t, e.View.Shipment)
		if err != nil {
			return err
		}
		newer, err := putView(ctx, t, e.View)
		if err != nil {
			return err
		}
		fresh, err := putAudits(ctx, t, e.View.Shipment, e.Audits)
		if err != nil {
			return err
		}
		last = fresh.last
		if e.Final != nil {
			if err := putFinal(ctx, t, e.View.Revision, e.Final); err != nil {
				return err
			}
		}
		if err := s.putReferences(ctx, t, e); err != nil {
			return err
		}
		return s.announceRecord(ctx, t, before, e.View, newer, fresh.entries) // last: who numbers scans holds the rows of their numbers first, too
	})
	return last, err
}

// putView files a view that is newer than the one it has. Either way the shipment's row is locked, so that two
// records of one shipment follow each other.
func putView(ctx context.Context, t *sql.Tx, v freight.View) (newer bool, err error) {
	var move int64
	if v.Invoice != nil {
		move = v.Invoice.Move
	}
	settled := v.Closed || v.InvoiceState == freight.InvoicePaid || v.InvoiceState == freight.InvoiceReversed
	res, err := t.ExecContext(ctx, `INSERT INTO views (shipment, revision, stage, move, settled, closed, view) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (shipment) DO UPDATE SET revision = excluded.revision, stage = excluded.stage, move = excluded.move, settled = excluded.settled, closed = excluded.closed, view = excluded.view
		WHERE excluded.revision > views.revision`, string(v.Shipment), v.Revision, string(v.Stage), move, bit(settled), bit(v.Closed), toJSON(v))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// putFinal keeps the snapshot that a shipment closed with, if it is newer than the one it has.
func putFinal(ctx context.Context, t *sql.Tx, revision int64, final *freight.Shipment) error {
	_, err := t.ExecContext(ctx, `INSERT INTO finals (shipment, revision, snapshot) VALUES ($1, $2, $3) ON CONFLICT (shipment) DO UPDATE SET revision = excluded.revision, snapshot = excluded.snapshot
		WHERE excluded.revision > finals.revision`, string(final.ID), revision, toJSON(final))
	return err
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appended is what became of audit entries: those that were new, and the number of the last that the trail has.
type appended struct {
	entries []freight.AuditEntry
	last    int64
}

// putAudits appends what is new to the shipment's chain.
func putAudits(ctx context.Context, t *sql.Tx, id freight.ShipmentID, es []freight.AuditEntry) (a appended, err error) {
	head := start(id)
	err = t.QueryRowContext(ctx, `SELECT n, hash FROM audit_heads WHERE shipment = $1`, string(id)).Scan(&a.last, &head)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, err
	}
	for _, e := range es {
		switch {
		case e.N <= a.last:
			continue
		case e.N != a.last+1:
			return a, fmt.Errorf("audit entry %d of %s follows %d: %w", e.N, id, a.last, ErrGap)
		}
		entry := toJSON(e)
		head, a.last = link(head, entry), e.N
		a.entries = append(a.entries, e)
		if _, err := t.ExecContext(ctx, `INSERT INTO audit (shipment, n, entry, hash) VALUES ($1, $2, $3, $4)`, string(id), e.N, entry, head); err != nil {
			return a, err
		}
	}
	if len(a.entries) == 0 {
		return a, nil
	}
	_, err = t.ExecContext(ctx, `INSERT INTO audit_heads (shipment, n, hash) VALUES ($1, $2, $3) ON CONFLICT (shipment) DO UPDATE SET n = excluded.n, hash = excluded.hash`, string(id), a.last, head)
	return a, err
}

// start begins a chain, of this shipment and no other.
func start(id freight.ShipmentID) string { return link("", string(id)) }

// link chains an entry to the one before it.
func link(previous, entry string) string {
	sum := sha256.Sum256([]byte(previous + "\n" + entry))
	return hex.EncodeToString(sum[:])
}

// always is the time in which our own ids hold: nobody uses them again.
var always = [2]string{stamp(time.Time{}), stamp(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))}

// putReferences registers the numbers of a shipment, and tries the scans again that wait for one of them.
func (s *Store) putReferences(ctx context.Context, t *sql.Tx, e Entry) error {
	if len(e.References) == 0 {
		return nil
	}
	if err := s.holdReferences(ctx, t, e.References); err != nil {
		return err
	}
	now := s.now()
	for _, r := range e.References {
		span := [2]string{stamp(now.Add(-referenceLife)), stamp(now.Add(referenceLife))}
		if r.Kind == freight.RefShipment {
			span = always
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO refs (kind, carrier, value, shipment, since, until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			string(r.Kind), string(r.Carrier), r.Value, string(e.View.Shipment), span[0], span[1]); err != nil {
			return err
		}
		if r.Carrier == "" {
			continue
		}
		// Known without a carrier it is asked about at none, and answered for by all.
		if _, err := t.ExecContext(ctx, `DELETE FROM refs WHERE kind = $1 AND value = $2 AND shipment = $3 AND carrier = ''`, string(r.Kind), r.Value, string(e.View.Shipment)); err != nil {
			return err
		}
	}
	return s.redrive(ctx, t, e.References)
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
	// The head is read first: what is appended after it is no fault.
	head := row{hash: start(id)}
	err = s.read.QueryRowContext(ctx, `SELECT n, hash FROM audit_heads WHERE shipment = $1`, string(id)).Scan(&head.n, &head.hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, wrap("audit", err)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT n, entry, hash FROM audit WHERE shipment = $1 ORDER BY n`, string(id))
	es, err := all(rows, err, func(r *sql.Rows) (e row, err error) { return e, r.Scan(&e.n, &e.entry, &e.hash) })
	if err != nil {
		return 0, wrap("audit", err)
	}
	hash := start(id)
	for _, e := range es {
		n++
		if hash = link(hash, e.entry); e.n != n || hash != e.hash || n == head.n && hash != head.hash {
			return n, fmt.Errorf("store: audit trail of %s is broken at entry %d: it was changed, or one before it was removed", id, n)
		}
	}
	if n < head.n {
		return n, fmt.Errorf("store: audit trail of %s ends at entry %d of %d: the rest was removed", id, n, head.n)
	}
	return n, nil
}

// Unsettled is a posted invoice that is not paid yet, as the store last told of it.
type Unsettled struct {
	Shipment freight.ShipmentID
	Move     int64
	Told     string // the payment state last told to the shipment
}

// Unsettled lists posted invoices that are not settled, at most limit. The next call goes on where this one ended,
// and from the beginning after the last, so that every one has its turn.
func (s *Store) Unsettled(ctx context.Context, limit int) ([]Unsettled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.read.QueryContext(ctx, `SELECT v.shipment, v.move, coalesce(p.told, '') FROM views v LEFT JOIN payments p ON p.move = v.move WHERE v.settled = 0 AND v.move > $1 ORDER BY v.move LIMIT $2`, s.lastMove, limit)
	us, err := all(rows, err, func(r *sql.Rows) (u Unsettled, err error) { return u, r.Scan(&u.Shipment, &u.Move, &u.Told) })
	if err != nil {
		return nil, wrap("unsettled", err)
	}
	s.lastMove = 0
	if len(us) == limit {
		s.lastMove = us[limit-1].Move
	}
	return us, nil
}

// Told notes the payment state that the shipment was told.
func (s *Store) Told(ctx context.Context, u Unsettled) error {
	return s.tx(ctx, "told", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `INSERT INTO payments (move, shipment, told) VALUES ($1, $2, $3) ON CONFLICT (move) DO UPDATE SET told = excluded.told`, u.Move, string(u.Shipment), u.Told)
		return err
	})
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
