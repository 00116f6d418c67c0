package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/internal/sabotage"
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
	Surprise   string // why it may not be what its sender meant, for people; "" for what is as expected
}

// Filing is what one delivery was decoded to.
type Filing struct {
	Delivery  int64
	Connector string // the version that read it, as gls@1
	Scans     []Incoming
}

// Admission says what became of the scans of a delivery.
type Admission struct {
	Elsewhere               bool // it was not pending, or another relay is at it: nothing was done
	New, Repeats, Unmatched int
}

// Admit files the scans of one delivery; see AdmitAll.
func (s *Store) Admit(ctx context.Context, delivery int64, in []Incoming) (Admission, error) {
	as, err := s.AdmitAll(ctx, []Filing{{Delivery: delivery, Scans: in}})
	if err != nil {
		return Admission{}, err
	}
	return as[0], nil
}

// AdmitAll files the scans of pending deliveries and marks these done, in one transaction: repeats are dropped,
// documents kept, shipments found, numbers given.
func (s *Store) AdmitAll(ctx context.Context, fs []Filing) (as []Admission, err error) {
	if len(fs) == 0 {
		return nil, nil
	}
	err = s.tx(ctx, "admit", func(t *sql.Tx) error {
		as = make([]Admission, len(fs))
		if err := s.holdReferences(ctx, t, true, referencesOf(fs)); err != nil {
			return err
		}
		mine, err := s.claim(ctx, t, fs)
		if err != nil {
			return err
		}
		var found []placement
		for i, f := range fs {
			if as[i].Elsewhere = !mine[f.Delivery]; as[i].Elsewhere {
				continue
			}
			delete(mine, f.Delivery) // the same one again in fs is not ours any more
			for _, in := range f.Scans {
				if found, err = s.admitOne(ctx, t, f, in, &as[i], found); err != nil {
					return err
				}
			}
		}
		return s.number(ctx, t, found)
	})
	return as, err
}

func referencesOf(fs []Filing) (rs []freight.Reference) {
	for _, f := range fs {
		for _, in := range f.Scans {
			rs = append(rs, in.References...)
		}
	}
	return rs
}

// holdReferences makes admitting a scan and registering a reference it names exclude each other, so that one of the
// two sees what the other did; scans do not exclude each other. There are 256 names to hold, whatever the number of
// references, and they are held in one order.
func (s *Store) holdReferences(ctx context.Context, t *sql.Tx, shared bool, rs []freight.Reference) error {
	names := map[string]bool{}
	for _, r := range rs {
		sum := sha256.Sum256([]byte(string(r.Kind) + "|" + r.Value))
		names["references/"+hex.EncodeToString(sum[:1])] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := s.hold(ctx, t, name, shared); err != nil {
			return err
		}
	}
	return nil
}

// claim marks the deliveries done that are pending and that no other relay is at, and says which.
func (s *Store) claim(ctx context.Context, t *sql.Tx, fs []Filing) (map[int64]bool, error) {
	seqs := make([]any, len(fs))
	for i, f := range fs {
		seqs[i] = f.Delivery
	}
	in := places(1, len(seqs), 1)
	rows, err := t.QueryContext(ctx, `SELECT seq FROM inbox WHERE state = 'pending' AND seq IN (`+in+`) ORDER BY seq`+s.dialect.skipLocked, seqs...)
	mine := map[int64]bool{}
	_, err = all(rows, err, func(r *sql.Rows) (any, error) {
		var seq int64
		err := r.Scan(&seq)
		mine[seq] = true
		return seq, err
	})
	if err != nil {
		return nil, err
	}
	by := map[string][]any{}
	for _, f := range fs {
		if mine[f.Delivery] {
			by[f.Connector] = append(by[f.Connector], f.Delivery)
		}
	}
	for connector, seqs := range by {
		if _, err := t.ExecContext(ctx, `UPDATE inbox SET state = 'done', reason = '', connector = $1 WHERE seq IN (`+places(2, len(seqs), 1)+`)`, append([]any{connector}, seqs...)...); err != nil {
			return nil, err
		}
	}
	return mine, nil
}

// admitOne files a scan that is new. If one shipment is meant, the scan joins those that wait for a number.
func (s *Store) admitOne(ctx context.Context, t *sql.Tx, f Filing, i Incoming, a *Admission, found []placement) ([]placement, error) {
	for _, d := range i.Documents {
		if _, err := t.ExecContext(ctx, `INSERT INTO documents (sha256, body, media_type, signer) VALUES ($1, $2, $3, $4) ON CONFLICT (sha256) DO NOTHING`, d.SHA256, d.Body, d.MediaType, d.Signer); err != nil {
			return nil, err
		}
	}
	if sabotage.Dedupe {
		i.Scan.Key += "/" + strconv.FormatInt(f.Delivery, 10)
	}
	p := placement{scan: i.Scan, refs: i.References}
	err := t.QueryRowContext(ctx, `INSERT INTO scans (scan_key, source, delivery, state, refs, scan, at, connector, surprise) VALUES ($1, $2, $3, 'unmatched', $4, $5, $6, $7, $8) ON CONFLICT (scan_key) DO NOTHING RETURNING seq`,
		i.Scan.Key, i.Scan.Source, f.Delivery, toJSON(i.References), toJSON(i.Scan), stamp(s.now()), f.Connector, plain(i.Surprise)).Scan(&p.seq)
	if errors.Is(err, sql.ErrNoRows) {
		a.Repeats++
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	if err := p.match(ctx, t); err != nil {
		return nil, err
	}
	if p.shipment == "" {
		a.Unmatched++
		return found, p.leave(ctx, t)
	}
	a.New++
	return append(found, p), nil
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err)) // only plain structs are stored
	}
	return string(b)
}

// placement is a scan on its way to its shipment.
type placement struct {
	seq      int64
	scan     freight.Scan
	refs     []freight.Reference
	shipment string // "": nobody knows
	why      string // nobody knows
}

// match finds the one shipment that the scan's references point to. A more telling kind of reference is asked first;
// two candidates are as bad as none.
func (p *placement) match(ctx context.Context, t *sql.Tx) error {
	found, err := p.candidates(ctx, t)
	if err != nil {
		return err
	}
	telling := []freight.ReferenceKind{freight.RefShipment, freight.RefTracking, freight.RefPRO, freight.RefBOL, freight.RefOrder, freight.RefCustomer}
	i := slices.IndexFunc(telling, func(k freight.ReferenceKind) bool { return len(found[k]) > 0 })
	switch {
	case i < 0:
		p.why = "no shipment has these references"
	case len(found[telling[i]]) > 1:
		p.why = fmt.Sprintf("its %s is that of several shipments: %s", telling[i], strings.Join(found[telling[i]], ", "))
	default:
		p.shipment = found[telling[i]][0]
	}
	return nil
}

// candidates are the shipments with a reference of the scan's that held when it occurred, by kind of reference.
func (p *placement) candidates(ctx context.Context, t *sql.Tx) (map[freight.ReferenceKind][]string, error) {
	found := map[freight.ReferenceKind][]string{}
	if len(p.refs) == 0 {
		return found, nil
	}
	args := []any{stamp(p.scan.OccurredAt)}
	var ors []string
	for _, r := range p.refs {
		n := len(args)
		ors = append(ors, fmt.Sprintf(`kind = $%d AND value = $%d AND (carrier = '' OR $%d = '' OR carrier = $%d)`, n+1, n+2, n+3, n+3))
		args = append(args, string(r.Kind), r.Value, string(p.carrierOf(r)))
	}
	rows, err := t.QueryContext(ctx, `SELECT DISTINCT kind, shipment FROM refs WHERE since <= $1 AND until >= $1 AND (`+strings.Join(ors, " OR ")+`) ORDER BY kind, shipment`, args...)
	_, err = all(rows, err, func(r *sql.Rows) (id string, err error) {
		var kind freight.ReferenceKind
		err = r.Scan(&kind, &id)
		found[kind] = append(found[kind], id)
		return id, err
	})
	return found, err
}

// carrierOf is the carrier whose number a reference is: two carriers may have given the same. "" is any.
func (p *placement) carrierOf(r freight.Reference) freight.CarrierCode {
	if r.Kind == freight.RefTracking || r.Kind == freight.RefPRO {
		return cmp.Or(r.Carrier, p.scan.Carrier)
	}
	return r.Carrier
}

// leave keeps a scan nobody can place where registering one of its references finds it.
func (p *placement) leave(ctx context.Context, t *sql.Tx) error {
	if _, err := t.ExecContext(ctx, `UPDATE scans SET reason = $1 WHERE seq = $2`, p.why, p.seq); err != nil {
		return err
	}
	for _, r := range p.refs {
		if _, err := t.ExecContext(ctx, `INSERT INTO unmatched_refs (kind, value, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, string(r.Kind), r.Value, p.seq); err != nil {
			return err
		}
	}
	return nil
}

// number gives each scan the next number of its shipment. Shipments are taken in one order, so that two who number
// wait for each other and not in a circle; scans of a shipment keep theirs.
func (s *Store) number(ctx context.Context, t *sql.Tx, found []placement) error {
	slices.SortStableFunc(found, func(a, b placement) int { return strings.Compare(a.shipment, b.shipment) })
	for _, p := range found {
		if p.scan.Invoice != nil {
			if err := s.claimInvoice(ctx, t, p.shipment, &p.scan); err != nil {
				return err
			}
		}
		err := t.QueryRowContext(ctx, `INSERT INTO outbox (shipment, last, due) VALUES ($1, 1, $2) ON CONFLICT (shipment) DO UPDATE
			SET last = outbox.last + 1, due = CASE WHEN outbox.due = '' THEN excluded.due ELSE outbox.due END RETURNING last`, p.shipment, stamp(s.now())).Scan(&p.scan.Number)
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `UPDATE scans SET shipment = $1, number = $2, state = 'matched', reason = '', scan = $3 WHERE seq = $4`, p.shipment, p.scan.Number, toJSON(p.scan), p.seq); err != nil {
			return err
		}
	}
	return nil
}

// claimInvoice makes a carrier's invoice number hold once: a second bill under it says whose it is.
func (s *Store) claimInvoice(ctx context.Context, t *sql.Tx, shipment string, scan *freight.Scan) error {
	inv := *scan.Invoice
	name := string(inv.Carrier) + "|" + inv.Number
	sum := sha256.Sum256([]byte(toJSON(inv)))
	content := hex.EncodeToString(sum[:])
	if _, err := t.ExecContext(ctx, `INSERT INTO used (kind, name, owner, result, at) VALUES ('carrier-invoice', $1, $2, $3, $4) ON CONFLICT DO NOTHING`, name, shipment, content, stamp(s.now())); err != nil {
		return err
	}
	var owner, held string
	if err := t.QueryRowContext(ctx, `SELECT owner, result FROM used WHERE kind = 'carrier-invoice' AND name = $1`, name).Scan(&owner, &held); err != nil {
		return err
	}
	if owner != shipment || held != content {
		inv.DuplicateOf = owner
		scan.Invoice = &inv
	}
	return nil
}

// redrive tries the scans again that name one of these references.
func (s *Store) redrive(ctx context.Context, t *sql.Tx, rs []freight.Reference) error {
	var found []placement
	tried := map[int64]bool{}
	for _, r := range rs {
		rows, err := t.QueryContext(ctx, `SELECT seq, scan, refs FROM scans WHERE state = 'unmatched' AND seq IN (SELECT seq FROM unmatched_refs WHERE kind = $1 AND value = $2) ORDER BY seq`+s.dialect.forUpdate, string(r.Kind), r.Value)
		ps, err := all(rows, err, scanPlacement)
		if err != nil {
			return err
		}
		for _, p := range ps {
			if tried[p.seq] {
				continue
			}
			tried[p.seq] = true
			if err := p.again(ctx, t); err != nil {
				return err
			}
			if p.shipment != "" {
				found = append(found, p)
			}
		}
	}
	slices.SortFunc(found, func(a, b placement) int { return cmp.Compare(a.seq, b.seq) })
	return s.number(ctx, t, found)
}

func scanPlacement(r *sql.Rows) (p placement, err error) {
	var scan, refs string
	if err := r.Scan(&p.seq, &scan, &refs); err != nil {
		return p, err
	}
	return p, errors.Join(json.Unmarshal([]byte(scan), &p.scan), json.Unmarshal([]byte(refs), &p.refs))
}

// again matches an unmatched scan anew.
func (p *placement) again(ctx context.Context, t *sql.Tx) error {
	if err := p.match(ctx, t); err != nil {
		return err
	}
	if p.shipment == "" {
		_, err := t.ExecContext(ctx, `UPDATE scans SET reason = $1 WHERE seq = $2`, p.why, p.seq)
		return err
	}
	_, err := t.ExecContext(ctx, `DELETE FROM unmatched_refs WHERE seq = $1`, p.seq)
	return err
}

// Stray is a scan that reached no shipment.
type Stray struct {
	Seq        int64               `json:"seq"`
	Source     string              `json:"source"`
	Delivery   int64               `json:"delivery"`   // Delivery.Seq
	DeliveryID string              `json:"deliveryId"` // the sender's
	Milestone  freight.Milestone   `json:"milestone"`
	OccurredAt time.Time           `json:"occurredAt"`
	Shipment   freight.ShipmentID  `json:"shipment,omitzero"` // the one that had closed; "" for an unmatched scan
	References []freight.Reference `json:"references"`
	Reason     string              `json:"reason,omitzero"` // why it is unmatched
	At         time.Time           `json:"at"`              // when it was read
	Age        time.Duration       `json:"age"`             // since then
}

// Unmatched lists scans nobody could place, oldest first, at most limit. They wait until one of their references is
// registered.
func (s *Store) Unmatched(ctx context.Context, limit int) ([]Stray, error) {
	return s.strays(ctx, "unmatched", limit)
}

// LateScans lists scans that came after their shipment had closed, oldest first, at most limit.
func (s *Store) LateScans(ctx context.Context, limit int) ([]Stray, error) {
	return s.strays(ctx, "late", limit)
}

func (s *Store) strays(ctx context.Context, state string, limit int) ([]Stray, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT s.seq, s.source, s.delivery, coalesce(i.delivery_id, ''), s.shipment, s.refs, s.scan, s.reason, s.at
		FROM scans s LEFT JOIN inbox i ON i.seq = s.delivery WHERE s.state = $1 ORDER BY s.seq LIMIT $2`, state, limit)
	now := s.now()
	ss, err := all(rows, err, func(r *sql.Rows) (st Stray, err error) {
		var refs, scan, at string
		if err := r.Scan(&st.Seq, &st.Source, &st.Delivery, &st.DeliveryID, &st.Shipment, &refs, &scan, &st.Reason, &at); err != nil {
			return st, err
		}
		var said freight.Scan
		err = errors.Join(json.Unmarshal([]byte(refs), &st.References), json.Unmarshal([]byte(scan), &said))
		st.Milestone, st.OccurredAt, st.At = said.Milestone, said.OccurredAt, unstamp(at)
		st.Age = now.Sub(st.At)
		return st, err
	})
	return ss, wrap(state+" scans", err)
}

// ScanCounts counts the scans by state: matched, sent, unmatched, late.
func (s *Store) ScanCounts(ctx context.Context) (map[string]int, error) {
	return counts[string](ctx, s, "scans")
}

// Document reads a document by the hash of its bytes.
func (s *Store) Document(ctx context.Context, hash string) (body []byte, mediaType, signer string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body, media_type, signer FROM documents WHERE sha256 = $1`, hash).Scan(&body, &mediaType, &signer)
	return body, mediaType, signer, wrap("document "+hash, err)
}
