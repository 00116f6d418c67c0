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
	Silent time.Time // nobody has answered the tender since
	Span   time.Duration
	Limit  int
}

// Tender is a tender that a TMS is to be asked about: nobody has said what became of it, or it was accepted and people are
// asked for a number of the carrier's, which the TMS may have by now.
type Tender struct {
	Pull     // under the shipment's id
	Shipment freight.ShipmentID
	N        int // from 1

	tms        string    // by the shipment's route
	answered   time.Time // when the last came that says what became of it, or of one before; zero for none
	unnumbered bool      // people are asked for a number of the carrier's
}

// TakeTenders takes the tenders that are due, at most limit, for the caller alone until the lease of span runs out. One
// that was answered since, by whomever, is none of them.
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

// silentTenders are those that are due and unanswered. The view of a later tender says which it is, and what was heard
// before it was recorded is about an earlier one. Where people are asked for a number, an acceptance is no answer.
func (s *Store) silentTenders(ctx context.Context, q TenderQuery) (ts []Tender, err error) {
	known, err := s.openTenders(ctx, q.Source)
	if err != nil {
		return nil, err
	}
	for _, t := range known {
		unanswered := t.unnumbered || t.answered.IsZero() || t.N > 1 && t.Heard.After(t.answered)
		if unanswered && named(t.tms) == named(q.TMS) && t.Heard.Before(q.Silent) && len(ts) < q.Limit {
			ts = append(ts, t)
		}
	}
	return ts, nil
}

// openTenders are those of all shipments that wait for a carrier and of which the source may be asked now.
func (s *Store) openTenders(ctx context.Context, source string) (ts []Tender, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.shipment, v.view, coalesce(s.scan, ''), coalesce(s.at, '')
		FROM views v LEFT JOIN pulls p ON p.source = $1 AND p.carrier = '' AND p.number = v.shipment LEFT JOIN scans s ON s.shipment = v.shipment AND s.number > 0
		WHERE v.settled = 0 AND v.closed = 0 AND (v.stage = 'fulfilment' OR v.stage = 'transit' AND v.view LIKE $3) AND coalesce(p.due, '') <= $2
		ORDER BY coalesce(p.due, ''), v.shipment`, source, stamp(s.now()), numberMissing)
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		t, err := scanTender(r)
		t.Source = source
		switch last := len(ts) - 1; {
		case err != nil:
		case last < 0 || ts[last].Shipment != t.Shipment:
			ts = append(ts, t)
		case t.answered.After(ts[last].answered):
			ts[last].answered = t.answered
		}
		return struct{}{}, err
	})
	return ts, err
}

// named is a TMS by its name: the default has one as well.
func named(tms string) string { return cmp.Or(tms, routing.Default) }

// scanTender reads a tender with one scan of its shipment, which may be none.
func scanTender(r *sql.Rows) (t Tender, err error) {
	var id, text, said, at string
	if err := r.Scan(&id, &text, &said, &at); err != nil {
		return t, err
	}
	var v freight.View
	var scan freight.Scan
	err = json.Unmarshal([]byte(text), &v)
	if said != "" && err == nil {
		err = json.Unmarshal([]byte(said), &scan)
	}
	t = Tender{Pull: Pull{Number: id, Heard: v.At, Promised: v.Promised}, Shipment: freight.ShipmentID(id), N: max(v.Tender, 1), tms: v.TMS, unnumbered: slices.Contains(v.Exceptions, freight.ReferenceMissing)}
	if answers(scan) {
		t.answered = unstamp(at)
	}
	return t, err
}

// answers reports whether a scan says what became of a tender: that the freight moves shows that it was accepted. A notice
// that it was sent, an ETA or a document is no answer.
func answers(s freight.Scan) bool {
	return s.Classifier == freight.Actual && s.Retracts == nil && (s.Milestone == freight.TenderDeclined || s.Milestone.Rank() >= freight.TenderAccepted.Rank())
}
