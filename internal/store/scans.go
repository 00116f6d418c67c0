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

// Document is a file a scan brought.
type Document struct {
	SHA256, MediaType, Signer string
	Body                      []byte
}

// Incoming is a decoded scan with the numbers its sender knows the shipment by.
type Incoming struct {
	Scan       freight.Scan
	References []freight.Reference
	Documents  []Document
}

// Admission says what became of the scans of a delivery.
type Admission struct {
	New, Repeats, Unmatched int
}

// Admit files the scans of one delivery and marks it done, in one transaction: repeats are dropped, documents
// kept, shipments found, numbers given.
func (s *Store) Admit(ctx context.Context, delivery int64, in []Incoming) (a Admission, err error) {
	err = s.tx(ctx, "admit", func(t *sql.Tx) error {
		for _, i := range in {
			if err := s.admitOne(ctx, t, delivery, i, &a); err != nil {
				return err
			}
		}
		_, err := t.ExecContext(ctx, `UPDATE inbox SET state = 'done', reason = '' WHERE seq = $1`, delivery)
		return err
	})
	return a, err
}

func (s *Store) admitOne(ctx context.Context, t *sql.Tx, delivery int64, i Incoming, a *Admission) error {
	for _, d := range i.Documents {
		if _, err := t.ExecContext(ctx, `INSERT INTO documents (sha256, body, media_type, signer) VALUES ($1, $2, $3, $4) ON CONFLICT (sha256) DO NOTHING`, d.SHA256, d.Body, d.MediaType, d.Signer); err != nil {
			return err
		}
	}
	refs, err := json.Marshal(i.References)
	if err != nil {
		return err
	}
	seq, err := next(ctx, t, "scans")
	if err != nil {
		return err
	}
	res, err := t.ExecContext(ctx, `INSERT INTO scans (seq, scan_key, source, delivery, state, refs, scan, at) VALUES ($1, $2, $3, $4, 'unmatched', $5, $6, $7) ON CONFLICT (scan_key) DO NOTHING`,
		seq, i.Scan.Key, i.Scan.Source, delivery, string(refs), toJSON(i.Scan), stamp(s.now()))
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		a.Repeats++
		return nil
	}
	matched, err := s.match(ctx, t, seq, i.Scan, i.References)
	if matched {
		a.New++
	} else {
		a.Unmatched++
	}
	return err
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err)) // only plain structs are stored
	}
	return string(b)
}

// match gives a scan to its shipment, with the next number there. Two candidates are as bad as none.
func (s *Store) match(ctx context.Context, t *sql.Tx, seq int64, scan freight.Scan, refs []freight.Reference) (bool, error) {
	shipment, err := candidate(ctx, t, refs, scan.OccurredAt)
	if err != nil || shipment == "" {
		return false, err
	}
	if scan.Invoice != nil {
		if err := s.claimInvoice(ctx, t, shipment, &scan); err != nil {
			return false, err
		}
	}
	if scan.Number, err = next(ctx, t, "shipment/"+shipment); err != nil {
		return false, err
	}
	_, err = t.ExecContext(ctx, `UPDATE scans SET shipment = $1, number = $2, state = 'matched', scan = $3 WHERE seq = $4`, shipment, scan.Number, toJSON(scan), seq)
	return err == nil, err
}

// candidate is the one shipment that a scan's references point to; "" for none or several. A more telling
// kind of reference is asked first.
func candidate(ctx context.Context, t *sql.Tx, refs []freight.Reference, at time.Time) (string, error) {
	for _, kind := range []freight.ReferenceKind{freight.RefShipment, freight.RefTracking, freight.RefPRO, freight.RefBOL, freight.RefOrder, freight.RefCustomer} {
		found := map[string]bool{}
		for _, r := range refs {
			if r.Kind != kind {
				continue
			}
			rows, err := t.QueryContext(ctx, `SELECT shipment FROM refs WHERE kind = $1 AND value = $2 AND (carrier = '' OR $3 = '' OR carrier = $3) AND since <= $4 AND until >= $4`,
				string(r.Kind), r.Value, string(r.Carrier), stamp(at))
			ids, err := all(rows, err, func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) })
			if err != nil {
				return "", err
			}
			for _, id := range ids {
				found[id] = true
			}
		}
		if len(found) > 1 {
			return "", nil
		}
		for id := range found {
			return id, nil
		}
	}
	return "", nil
}

// claimInvoice makes a carrier's invoice number hold once: a second bill under it says whose it is.
func (s *Store) claimInvoice(ctx context.Context, t *sql.Tx, shipment string, scan *freight.Scan) error {
	inv := *scan.Invoice
	name := string(inv.Carrier) + "|" + inv.Number
	sum := sha256.Sum256([]byte(toJSON(inv)))
	content := hex.EncodeToString(sum[:])
	var owner, held string
	err := t.QueryRowContext(ctx, `SELECT owner, result FROM used WHERE kind = 'carrier-invoice' AND name = $1`, name).Scan(&owner, &held)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ('carrier-invoice', $1, $2, $3, $4)`, name, shipment, content, stamp(s.now()))
		return err
	case err != nil:
		return err
	case owner != shipment || held != content:
		inv.DuplicateOf = owner
		scan.Invoice = &inv
	}
	return nil
}

// Batch is what waits to be sent to one shipment.
type Batch struct {
	Shipment freight.ShipmentID
	Scans    []freight.Scan
}

// Lease takes shipments that have scans waiting, each for this holder alone until the lease runs out, and
// returns all that waits for each, in order, at most perBatch. A shipment is taken once its oldest scan has waited
// for gather, so that what comes in one burst goes in one signal.
func (s *Store) Lease(ctx context.Context, holder string, span, gather time.Duration, shipments, perBatch int) (bs []Batch, err error) {
	err = s.tx(ctx, "lease", func(t *sql.Tx) error {
		now := s.now()
		rows, err := t.QueryContext(ctx, `SELECT DISTINCT shipment FROM scans WHERE state = 'matched' AND at <= $3
			AND shipment NOT IN (SELECT name FROM leases WHERE until > $1) ORDER BY shipment LIMIT $2`, stamp(now), shipments, stamp(now.Add(-gather)))
		ids, err := all(rows, err, func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) })
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := t.ExecContext(ctx, `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until`, id, holder, stamp(now.Add(span))); err != nil {
				return err
			}
			scans, err := waitingScans(ctx, t, id, perBatch)
			if err != nil {
				return err
			}
			bs = append(bs, Batch{freight.ShipmentID(id), scans})
		}
		return nil
	})
	return bs, err
}

func waitingScans(ctx context.Context, t *sql.Tx, shipment string, limit int) ([]freight.Scan, error) {
	rows, err := t.QueryContext(ctx, `SELECT scan FROM scans WHERE shipment = $1 AND state = 'matched' ORDER BY number LIMIT $2`, shipment, limit)
	return all(rows, err, func(r *sql.Rows) (scan freight.Scan, err error) {
		var text string
		if err := r.Scan(&text); err != nil {
			return scan, err
		}
		return scan, json.Unmarshal([]byte(text), &scan)
	})
}

// Sent marks a batch as sent and gives its lease back, if holder still has it. A holder that lost it changes
// nothing: whoever has it sends again, and the story knows the numbers.
func (s *Store) Sent(ctx context.Context, holder string, b Batch) error {
	return s.settleBatch(ctx, holder, b, "sent")
}

// Late marks a batch for a shipment that has closed.
func (s *Store) Late(ctx context.Context, holder string, b Batch) error {
	return s.settleBatch(ctx, holder, b, "late")
}

func (s *Store) settleBatch(ctx context.Context, holder string, b Batch, state string) error {
	return s.tx(ctx, "settle batch", func(t *sql.Tx) error {
		res, err := t.ExecContext(ctx, `DELETE FROM leases WHERE name = $1 AND holder = $2`, string(b.Shipment), holder)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n == 0 {
			return nil
		}
		_, err = t.ExecContext(ctx, `UPDATE scans SET state = $1 WHERE shipment = $2 AND state = 'matched' AND number <= $3`, state, string(b.Shipment), b.Scans[len(b.Scans)-1].Number)
		return err
	})
}

// Closed reports whether the shipment has left its closing snapshot.
func (s *Store) Closed(ctx context.Context, id freight.ShipmentID) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM finals WHERE shipment = $1`, string(id)).Scan(&n)
	return n > 0, wrap("closed", err)
}

// ScanCounts counts the scans by state: matched, sent, unmatched, late.
func (s *Store) ScanCounts(ctx context.Context) (map[string]int, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*) FROM scans GROUP BY state`)
	counts := map[string]int{}
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		var state string
		var n int
		err := r.Scan(&state, &n)
		counts[state] = n
		return struct{}{}, err
	})
	return counts, wrap("scan counts", err)
}

// Document reads a document by the hash of its bytes.
func (s *Store) Document(ctx context.Context, hash string) (body []byte, mediaType, signer string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body, media_type, signer FROM documents WHERE sha256 = $1`, hash).Scan(&body, &mediaType, &signer)
	return body, mediaType, signer, wrap("document "+hash, err)
}
