package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"time"

	"waybill/workflows/freight"
)

// Pulled is what a delivery is verified by that its source was asked for: nobody sent it, so it shows no sign of life.
const Pulled = "pull"

// PullQuery says which numbers a source is asked about.
type PullQuery struct {
	Source   string
	Kind     freight.ReferenceKind // of number that the source answers to
	Carriers []freight.CarrierCode // whose numbers; none: anyone's
	Silent   time.Time             // the source has told nothing of the shipment since
	Charges  bool                  // it tells of charges too: shipments that wait for these are asked about
	Span     time.Duration         // of the lease
	Limit    int
}

// Pull is a number that a source is to be asked about. It stands for every shipment that is on its way under it.
type Pull struct {
	Source   string
	Carrier  freight.CarrierCode
	Number   string
	Heard    time.Time // when the source last told of it; when the number became known, if it never has
	Promised time.Time // when the promise ends, of the shipment whose ends last; zero for none

	token string // of the lease it was taken under
}

// pullsKept is how long a number is remembered that is not asked about any more.
const pullsKept = 30 * 24 * time.Hour

// TakePulls takes the numbers that are due, at most limit, for the caller alone until the lease of span runs out: those
// of shipments that are tendered, in transit, or delivered without proof, of which the source has long told nothing. Those
// that have waited longest come first.
func (s *Store) TakePulls(ctx context.Context, q PullQuery) (ps []Pull, err error) {
	found, err := s.silentNumbers(ctx, q, s.now())
	if err != nil {
		return nil, wrap("silent numbers", err)
	}
	return s.lease(ctx, q.Source, found, q.Span)
}

// lease takes those of the pulls of a source that are due and that nobody else has taken.
func (s *Store) lease(ctx context.Context, source string, found []Pull, span time.Duration) (ps []Pull, err error) {
	if len(found) == 0 {
		return nil, nil
	}
	now := s.now()
	err = s.tx(ctx, "take pulls", func(t *sql.Tx) error {
		ps = nil
		if _, err := t.ExecContext(ctx, `DELETE FROM pulls WHERE source = $1 AND due < $2`, source, stamp(now.Add(-pullsKept))); err != nil {
			return err
		}
		token := rand.Text()
		args := []any{stamp(now)}
		for _, p := range found {
			args = append(args, source, string(p.Carrier), p.Number, stamp(now.Add(span)), token)
		}
		rows, err := t.QueryContext(ctx, `INSERT INTO pulls (source, carrier, number, due, token) VALUES `+places(2, len(found), 5)+` ON CONFLICT (source, carrier, number)
			DO UPDATE SET due = excluded.due, token = excluded.token WHERE pulls.due <= $1 RETURNING carrier, number`, args...)
		mine, err := all(rows, err, func(r *sql.Rows) (k [2]string, err error) { return k, r.Scan(&k[0], &k[1]) })
		for _, k := range mine {
			for _, p := range found {
				if string(p.Carrier) == k[0] && p.Number == k[1] {
					p.token = token
					ps = append(ps, p)
				}
			}
		}
		return err
	})
	return ps, err
}

// silentNumbers are the numbers that are due, each once however many shipments have it. Asking takes no turn from those
// who write.
func (s *Store) silentNumbers(ctx context.Context, q PullQuery, now time.Time) (ps []Pull, err error) {
	args := []any{q.Source, string(q.Kind), stamp(now), stamp(q.Silent), stamp(q.Silent.Add(referenceLife)), q.Limit}
	of, stages := "", `'fulfilment', 'transit', 'proof'` // that it is on its way is recorded with the next that is to be said of it
	if q.Charges {
		stages += `, 'charges'`
	}
	if len(q.Carriers) > 0 {
		of = ` AND r.carrier IN (` + places(len(args)+1, len(q.Carriers), 1) + `)`
		args = append(args, texts(q.Carriers)...)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT carrier, value, until, heard, view FROM (
		SELECT r.carrier, r.value, r.until, v.view, coalesce(p.due, '') AS due,
			coalesce((SELECT max(s.at) FROM scans s WHERE s.shipment = r.shipment AND s.number > 0 AND s.source = $1), '') AS heard
		FROM views v JOIN refs r ON r.shipment = v.shipment LEFT JOIN pulls p ON p.source = $1 AND p.carrier = r.carrier AND p.number = r.value
		WHERE v.settled = 0 AND v.stage IN (`+stages+`) AND r.kind = $2 AND r.until > $3 AND coalesce(p.due, '') <= $3`+of+`
	) AS known WHERE heard < $4 AND until < $5 ORDER BY due, carrier, value LIMIT $6`, args...)
	at := map[[2]string]int{}
	_, err = all(rows, err, func(r *sql.Rows) (struct{}, error) {
		p, err := scanPull(r)
		p.Source = q.Source
		k := [2]string{string(p.Carrier), p.Number}
		i, known := at[k]
		if !known {
			at[k], ps = len(ps), append(ps, p)
			return struct{}{}, err
		}
		if p.Promised.After(ps[i].Promised) {
			ps[i].Promised = p.Promised
		}
		if p.Heard.After(ps[i].Heard) {
			ps[i].Heard = p.Heard
		}
		return struct{}{}, err
	})
	return ps, err
}

func scanPull(r *sql.Rows) (p Pull, err error) {
	var until, heard, text string
	if err := r.Scan(&p.Carrier, &p.Number, &until, &heard, &text); err != nil {
		return p, err
	}
	if p.Heard = unstamp(heard); heard == "" {
		p.Heard = unstamp(until).Add(-referenceLife) // it holds so long from when it became known
	}
	var v freight.View
	err = json.Unmarshal([]byte(text), &v)
	p.Promised = v.Promised
	return p, err
}

// PullAgain puts a number off until it is to be asked about again, if its lease still holds.
func (s *Store) PullAgain(ctx context.Context, p Pull, due time.Time) error {
	return s.tx(ctx, "pull again", func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `UPDATE pulls SET due = $1, token = '' WHERE source = $2 AND carrier = $3 AND number = $4 AND token = $5`, stamp(due), p.Source, string(p.Carrier), p.Number, p.token)
		return err
	})
}
