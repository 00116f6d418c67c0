package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"waybill/internal/routing"
	"waybill/workflows/freight"
)

// TenderQuery says which tenders a TMS is asked about.
type TenderQuery struct {
	Source string    // whose events its answers are
	TMS    string    // by the shipments' routes; "" is the default
	Silent time.Time // nobody has said anything of the freight since
	Span   time.Duration
	Limit  int
}

// Tender is a tender that a TMS is to be asked about: nobody has said what became of it, or it was accepted and people are
// asked for a number of the carrier's, which the TMS may have by now.
type Tender struct {
	Pull     // under the shipment's id
	Shipment freight.ShipmentID
	N        int // from 1

	tms        string // by the shipment's route
	unnumbered bool   // people are asked for a number of the carrier's
}

// TakeTenders takes the tenders that are due, at most limit, for the caller alone until the lease of span runs out. One of
// which anyone has said anything since is none of them: that the freight moves shows that it was accepted.
func (s *Store) TakeTenders(ctx context.Context, q TenderQuery) (ts []Tender, err error) {
	found, err := s.silentTenders(ctx, q)
	if err != nil {
		return nil, wrap("silent tenders", err)
	}
	var ps []Pull
	for _, t := range found {
		ps = append(ps, t.Pull)
	}
	mine, err := s.lease(ctx, q.Source, ps, q.Span)
	for _, p := range mine {
		i := slices.IndexFunc(found, func(t Tender) bool { return t.Number == p.Number })
		found[i].Pull = p
		ts = append(ts, found[i])
	}
	return ts, err
}

// silentTenders are those that are due. Of a first tender anything that was heard is an answer; the view of a later one
// says which it is, and what was heard before it was recorded is about an earlier one. Where a number is missing, what was
// heard is none.
func (s *Store) silentTenders(ctx context.Context, q TenderQuery) (ts []Tender, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT shipment, heard, view FROM (
		SELECT v.shipment, v.view, coalesce(p.due, '') AS due, coalesce((SELECT max(s.at) FROM scans s WHERE s.shipment = v.shipment AND s.number > 0), '') AS heard
		FROM views v LEFT JOIN pulls p ON p.source = $1 AND p.carrier = '' AND p.number = v.shipment
		WHERE v.settled = 0 AND v.closed = 0 AND (v.stage = 'fulfilment' OR v.stage = 'transit' AND v.view LIKE $3) AND coalesce(p.due, '') <= $2
	) AS known WHERE heard = '' OR view LIKE '%"tender":%' OR view LIKE $3 ORDER BY due, shipment`, q.Source, stamp(s.now()), numberMissing)
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		t, heard, err := scanTender(r)
		if t.Source = q.Source; err == nil && named(t.tms) == named(q.TMS) && (t.unnumbered || t.Heard.After(heard)) && t.Heard.Before(q.Silent) && len(ts) < q.Limit {
			ts = append(ts, t)
		}
		return struct{}{}, err
	})
	return ts, err
}

// named is a TMS by its name: the default has one as well.
func named(tms string) string { return cmp.Or(tms, routing.Default) }

// scanTender reads a tender, and when anything was last heard of its shipment.
func scanTender(r *sql.Rows) (t Tender, heard time.Time, err error) {
	var id, at, text string
	if err := r.Scan(&id, &at, &text); err != nil {
		return t, heard, err
	}
	var v freight.View
	err = json.Unmarshal([]byte(text), &v)
	t = Tender{Pull: Pull{Number: id, Heard: v.At, Promised: v.Promised}, Shipment: freight.ShipmentID(id), N: max(v.Tender, 1), tms: v.TMS, unnumbered: slices.Contains(v.Exceptions, freight.ReferenceMissing)}
	return t, unstamp(at), err
}
