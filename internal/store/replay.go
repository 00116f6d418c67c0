package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"waybill/workflows/freight"
)

// ReadBetween lists deliveries of a source that a connector read, or could not, by their numbers: those over after,
// received from one time and before the other, at most limit.
func (s *Store) ReadBetween(ctx context.Context, source string, from, to time.Time, after int64, limit int) ([]Delivery, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM inbox
		WHERE source = $1 AND received_at >= $2 AND received_at < $3 AND seq > $4 AND connector <> '' AND state <> 'pending' ORDER BY seq LIMIT $5`, source, stamp(from), stamp(to), after, limit)
	ds, err := all(rows, err, func(r *sql.Rows) (Delivery, error) { return scanDelivery(r) })
	return ds, wrap("read deliveries", err)
}

// Filed is a scan as it was filed.
type Filed struct {
	Delivery   int64
	Connector  string             // the version that made it
	State      string             // unmatched, matched, sent, late, discarded or replaced
	Shipment   freight.ShipmentID // "": none has it
	Scan       freight.Scan
	References []freight.Reference
	Surprise   string
}

const filedColumns = `delivery, connector, state, shipment, scan, refs, surprise`

func scanFiled(r *sql.Rows) (f Filed, err error) {
	var scan, refs []byte
	if err := r.Scan(&f.Delivery, &f.Connector, &f.State, &f.Shipment, &scan, &refs, &f.Surprise); err != nil {
		return f, err
	}
	return f, errors.Join(json.Unmarshal(scan, &f.Scan), json.Unmarshal(refs, &f.References))
}

// FiledFrom lists the scans that a delivery was the first to bring, without those that a later reading of it replaced.
func (s *Store) FiledFrom(ctx context.Context, delivery int64) ([]Filed, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+filedColumns+` FROM scans WHERE delivery = $1 AND state <> 'replaced' ORDER BY seq`, delivery)
	fs, err := all(rows, err, scanFiled)
	return fs, wrap("scans of a delivery", err)
}

// ToldTo lists the scans of a source that a shipment was told of, or is about to be, in their order.
func (s *Store) ToldTo(ctx context.Context, id freight.ShipmentID, source string) ([]Filed, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+filedColumns+` FROM scans WHERE shipment = $1 AND number > 0 AND source = $2 AND state IN ('matched', 'sent') ORDER BY number`, string(id), source)
	fs, err := all(rows, err, scanFiled)
	return fs, wrap("scans of a shipment", err)
}

// keysAtOnce bounds the keys of one query: SQLite takes 32,766 arguments.
const keysAtOnce = 1000

// FiledAs says which of some content keys a scan has, whichever delivery brought it. One that a later reading replaced
// says nothing any more, and is filed anew where it is said again.
func (s *Store) FiledAs(ctx context.Context, keys []string) (map[string]bool, error) {
	known := map[string]bool{}
	for part := range slices.Chunk(keys, keysAtOnce) {
		rows, err := s.read.QueryContext(ctx, `SELECT scan_key, state FROM scans WHERE scan_key IN (`+places(1, len(part), 1)+`)`, anys(part)...)
		if _, err := all(rows, err, func(r *sql.Rows) (key string, err error) {
			var state string
			err = r.Scan(&key, &state)
			if state != "replaced" {
				known[key] = true
			}
			return key, err
		}); err != nil {
			return nil, wrap("scans by key", err)
		}
	}
	return known, nil
}

// superseded is the reason of a scan that a later reading of its delivery no longer makes.
const superseded = "a later reading of its delivery says otherwise"

// unexpected are the scans that may not be what their sender meant, as their delivery is read now.
const unexpected = `surprise <> '' AND state <> 'replaced' AND reason <> '` + superseded + `'`

// Unexpected lists scans that may not be what their sender meant, newest first, at most limit; source "" is any. Those that
// a later reading of their delivery no longer makes are not among them.
func (s *Store) Unexpected(ctx context.Context, source string, limit int) ([]Filed, error) {
	q, args := `SELECT `+filedColumns+` FROM scans WHERE `+unexpected, []any{limit}
	if source != "" {
		q, args = q+` AND source = $2`, append(args, source)
	}
	rows, err := s.read.QueryContext(ctx, q+` ORDER BY seq DESC LIMIT $1`, args...)
	fs, err := all(rows, err, scanFiled)
	return fs, wrap("unexpected scans", err)
}

// Readmit files what a connector now makes of a delivery that was read before, or could not be: the same statements
// are the same scans and stay as they are, new ones are filed. A statement that it no longer makes is replaced where
// it waits unmatched, until a reading makes it again; what a shipment was told is never taken back. Nothing is done with a pending delivery.
func (s *Store) Readmit(ctx context.Context, f Filing) (a Admission, err error) {
	err = s.tx(ctx, "readmit", func(t *sql.Tx) error {
		a = Admission{}
		named, learned := referencesOf([]Filing{f})
		if err := s.holdNames(ctx, t, namesOf(named), namesOf(learned)); err != nil {
			return err
		}
		res, err := t.ExecContext(ctx, `UPDATE inbox SET state = 'done', reason = '', connector = $1 WHERE seq = $2 AND state <> 'pending'`, f.Connector, f.Delivery)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			a.Elsewhere = true
			return err
		}
		if err := s.replace(ctx, t, f); err != nil {
			return err
		}
		var ps []*placement
		for _, in := range f.Scans {
			ps = append(ps, placementOf(f, in, &a))
		}
		return s.place(ctx, t, ps)
	})
	return a, err
}

// replace sets aside the unmatched scans of a delivery that it is no longer read as: matched later, they would say
// beside the right statement what it never meant. Of one that a shipment was told it notes that it is said no more.
func (s *Store) replace(ctx context.Context, t *sql.Tx, f Filing) error {
	still := map[string]bool{}
	for _, in := range f.Scans {
		still[in.Scan.Key] = true
	}
	rows, err := t.QueryContext(ctx, `SELECT seq, scan_key, state, reason FROM scans WHERE delivery = $1 AND (state = 'unmatched' OR surprise <> '') ORDER BY seq`+s.dialect.forUpdate, f.Delivery)
	rs, err := all(rows, err, func(r *sql.Rows) (v reread, err error) {
		return v, r.Scan(&v.seq, &v.key, &v.state, &v.reason)
	})
	if err != nil {
		return err
	}
	for _, v := range rs {
		if err := v.note(ctx, t, still[v.key]); err != nil {
			return err
		}
	}
	return nil
}

// reread is a scan whose delivery is read again.
type reread struct {
	seq                int64
	key, state, reason string
}

func (v reread) note(ctx context.Context, t *sql.Tx, still bool) error {
	var err error
	switch {
	case v.state == "unmatched" && !still:
		if _, err = t.ExecContext(ctx, `DELETE FROM unmatched_refs WHERE seq = $1`, v.seq); err == nil {
			_, err = t.ExecContext(ctx, `UPDATE scans SET state = 'replaced', reason = $1 WHERE seq = $2`, superseded, v.seq)
		}
	case (v.state == "matched" || v.state == "sent") && still == (v.reason == superseded):
		reason := superseded
		if still {
			reason = ""
		}
		_, err = t.ExecContext(ctx, `UPDATE scans SET reason = $1 WHERE seq = $2`, reason, v.seq)
	}
	return err
}
