package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"waybill/workflows/freight"
)

// Register makes numbers a shipment's that became known beside its own records, as one that a person gave its delivery in
// Odoo. A tracking number whose carrier is not said is that of the carrier the shipment is known to have. What waits for
// one of them is tried again. The same again changes nothing.
func (s *Store) Register(ctx context.Context, id freight.ShipmentID, rs []freight.Reference) error {
	known, err := s.has(ctx, id, rs)
	if err != nil || known {
		return wrap("register", err)
	}
	return s.tx(ctx, "register", func(t *sql.Tx) error {
		carrier, err := recordedCarrier(ctx, t, id)
		if err != nil {
			return err
		}
		rs := slices.Clone(rs)
		for i := range rs {
			if rs[i].Kind == freight.RefTracking {
				rs[i].Carrier = cmp.Or(rs[i].Carrier, carrier)
			}
		}
		return s.putReferences(ctx, t, Entry{View: freight.View{Shipment: id}, References: rs})
	})
}

// has reports whether a shipment has these numbers. One that it has without a carrier, and whose carrier is known now, it
// has not. Asking takes no turn from those who write.
func (s *Store) has(ctx context.Context, id freight.ShipmentID, rs []freight.Reference) (bool, error) {
	for _, r := range rs {
		var carrier freight.CarrierCode
		err := s.read.QueryRowContext(ctx, `SELECT carrier FROM refs WHERE kind = $1 AND value = $2 AND shipment = $3 ORDER BY carrier DESC LIMIT 1`, string(r.Kind), r.Value, string(id)).Scan(&carrier)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if carrier == "" && r.Carrier == "" && r.Kind == freight.RefTracking && err == nil {
			r.Carrier, err = recordedCarrier(ctx, s.read, id)
		}
		if err != nil || carrier == "" && r.Carrier != "" {
			return false, err
		}
	}
	return true, nil
}

// asked is a database, or a transaction in it.
type asked interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// recordedCarrier is the carrier of a shipment as it was last recorded; "" where none is known.
func recordedCarrier(ctx context.Context, t asked, id freight.ShipmentID) (freight.CarrierCode, error) {
	var text string
	err := t.QueryRowContext(ctx, `SELECT view FROM views WHERE shipment = $1`, string(id)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	var v freight.View
	if err == nil {
		err = json.Unmarshal([]byte(text), &v)
	}
	return v.Carrier, err
}

// taught are the carrier's numbers in a scan that tells them of its shipment: who accepts freight says under which it
// will speak of it, beside the number by which we know it.
func taught(scan freight.Scan, refs []freight.Reference) (rs []freight.Reference) {
	if scan.Milestone != freight.TenderAccepted || scan.Classifier != freight.Actual || scan.Retracts != nil || len(refs) < 2 {
		return nil
	}
	p := placement{scan: scan}
	for _, r := range refs {
		if r.Kind == freight.RefTracking || r.Kind == freight.RefPRO {
			r.Carrier = p.carrierOf(r)
			rs = append(rs, r)
		}
	}
	return rs
}

// learn registers what scans teach of their shipments, and of numbers they had without a carrier whose they are. A number that is another shipment's at that time is left to it:
// what comes under it is never guessed at.
func (s *Store) learn(ctx context.Context, t *sql.Tx, ps []*placement) error {
	for _, p := range ps {
		var news []freight.Reference
		for _, r := range taught(p.scan, p.refs) {
			var held int
			err := t.QueryRowContext(ctx, `SELECT count(*) FROM refs WHERE kind = $1 AND value = $2 AND (CAST($5 AS TEXT) = '' OR carrier = $5 OR carrier = '' AND shipment <> $3) AND (shipment = $3 OR since <= $4 AND until >= $4)`,
				string(r.Kind), r.Value, p.shipment, stamp(p.scan.OccurredAt), string(r.Carrier)).Scan(&held)
			if err != nil {
				return err
			}
			if held == 0 {
				news = append(news, r)
			}
		}
		if err := s.putReferences(ctx, t, Entry{View: freight.View{Shipment: freight.ShipmentID(p.shipment)}, References: news}); err != nil {
			return err
		}
	}
	return nil
}

// Numbers are those of its carrier under which a shipment is registered: tracking and PRO numbers that still hold.
func (s *Store) Numbers(ctx context.Context, id freight.ShipmentID) ([]freight.Reference, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT kind, carrier, value FROM refs WHERE shipment = $1 AND kind IN ($2, $3) AND until > $4 ORDER BY kind, carrier, value`,
		string(id), string(freight.RefTracking), string(freight.RefPRO), stamp(s.now()))
	rs, err := all(rows, err, func(r *sql.Rows) (f freight.Reference, err error) { return f, r.Scan(&f.Kind, &f.Carrier, &f.Value) })
	return rs, wrap("numbers", err)
}

// numberMissing is what the view of a shipment has in it whose carrier's number people are asked for.
const numberMissing = `%"` + string(freight.ReferenceMissing) + `"%`

// Supplied are shipments that people are asked for a number of, and that have got one since, at most limit.
func (s *Store) Supplied(ctx context.Context, limit int) ([]freight.ShipmentID, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.shipment FROM views v WHERE v.closed = 0 AND v.stage IN ($1, $2) AND v.view LIKE $3
		AND EXISTS (SELECT 1 FROM refs r WHERE r.shipment = v.shipment AND r.kind IN ($4, $5) AND r.until > $6) ORDER BY v.shipment LIMIT $7`,
		string(freight.StageFulfilment), string(freight.StageTransit), numberMissing, string(freight.RefTracking), string(freight.RefPRO), stamp(s.now()), limit)
	ids, err := all(rows, err, func(r *sql.Rows) (id freight.ShipmentID, err error) { return id, r.Scan(&id) })
	return ids, wrap("supplied", err)
}
