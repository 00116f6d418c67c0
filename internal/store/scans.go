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
	"io/fs"
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
		named, learned := referencesOf(fs)
		if err := s.holdNames(ctx, t, namesOf(named), namesOf(learned)); err != nil {
			return err
		}
		mine, err := s.claim(ctx, t, fs)
		if err != nil {
			return err
		}
		var ps []*placement
		for i, f := range fs {
			if as[i].Elsewhere = !mine[f.Delivery]; as[i].Elsewhere {
				continue
			}
			delete(mine, f.Delivery) // the same one again in fs is not ours any more
			for _, in := range f.Scans {
				ps = append(ps, placementOf(f, in, &as[i]))
			}
		}
		return s.place(ctx, t, ps)
	})
	return as, err
}

// placementOf is a scan that was not in the store before, as far as its delivery knows.
func placementOf(f Filing, in Incoming, a *Admission) *placement {
	if sabotage.Dedupe {
		in.Scan.Key += "/" + strconv.FormatInt(f.Delivery, 10)
	}
	return &placement{delivery: f.Delivery, connector: f.Connector, surprise: plain(in.Surprise), scan: in.Scan, refs: in.References, documents: in.Documents, admission: a}
}

// place files the scans that are new and gives each its number, or keeps it where its shipment will find it.
func (s *Store) place(ctx context.Context, t *sql.Tx, ps []*placement) error {
	for _, p := range ps {
		if err := p.keepDocuments(ctx, t); err != nil {
			return err
		}
	}
	fresh, err := s.insertScans(ctx, t, ps)
	if err != nil {
		return err
	}
	if err := match(ctx, t, fresh); err != nil {
		return err
	}
	var found, strays []*placement
	for _, p := range fresh {
		if p.shipment == "" {
			p.admission.Unmatched++
			strays = append(strays, p)
			continue
		}
		p.admission.New++
		found = append(found, p)
	}
	if err := leave(ctx, t, strays); err != nil {
		return err
	}
	return s.number(ctx, t, found)
}

// referencesOf are the references that scans name, and those of them that they teach.
func referencesOf(fs []Filing) (named, learned []freight.Reference) {
	for _, f := range fs {
		for _, in := range f.Scans {
			named, learned = append(named, in.References...), append(learned, taught(in.Scan, in.References)...)
		}
	}
	return named, learned
}

// holdReferences makes admitting a scan and registering a reference it names exclude each other, so that one of the
// two sees what the other did; scans do not exclude each other. There are 256 names to hold, whatever the number of
// references, and they are held in one order.
func (s *Store) holdReferences(ctx context.Context, t *sql.Tx, rs []freight.Reference) error {
	return s.holdNames(ctx, t, nil, namesOf(rs))
}

// holdNames holds names with whoever shares them, and others alone.
func (s *Store) holdNames(ctx context.Context, t *sql.Tx, shared, alone map[string]bool) error {
	names := maps.Clone(alone)
	maps.Copy(names, shared)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := s.hold(ctx, t, name, !alone[name]); err != nil {
			return err
		}
	}
	return nil
}

// namesOf are the names that references are held by.
func namesOf(rs []freight.Reference) map[string]bool {
	names := map[string]bool{}
	for _, r := range rs {
		sum := sha256.Sum256([]byte(string(r.Kind) + "|" + r.Value))
		names["references/"+hex.EncodeToString(sum[:1])] = true
	}
	return names
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

// scansAtOnce bounds the rows of one statement: PostgreSQL takes 65,535 placeholders, SQLite half as many.
const scansAtOnce = 500

// insertScans files the scans that are not in the store, or that a later reading had set aside there, and returns these in
// the order they came in.
func (s *Store) insertScans(ctx context.Context, t *sql.Tx, ps []*placement) (fresh []*placement, err error) {
	const columns = 8
	for part := range slices.Chunk(ps, scansAtOnce) {
		args := make([]any, 0, columns*len(part))
		for _, p := range part {
			args = append(args, p.scan.Key, p.scan.Source, p.delivery, toJSON(p.refs), toJSON(p.scan), stamp(s.now()), p.connector, p.surprise)
		}
		rows, err := t.QueryContext(ctx, `INSERT INTO scans (scan_key, source, delivery, refs, scan, at, connector, surprise, state) SELECT column1, column2, column3, column4, column5, column6, column7, column8, 'unmatched'
			FROM (VALUES `+tuples(1, len(part), "TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT")+`) AS scan WHERE true ON CONFLICT (scan_key) DO NOTHING RETURNING scan_key, seq`, args...)
		seqs := map[string]int64{}
		if _, err = all(rows, err, func(r *sql.Rows) (key string, err error) {
			var seq int64
			err = r.Scan(&key, &seq)
			seqs[key] = seq
			return key, err
		}); err != nil {
			return nil, err
		}
		if err := s.revive(ctx, t, part, seqs); err != nil {
			return nil, err
		}
		for _, p := range part {
			if p.seq = seqs[p.scan.Key]; p.seq == 0 {
				p.admission.Repeats++
				continue
			}
			delete(seqs, p.scan.Key) // the next of the part that says the same is a repeat
			fresh = append(fresh, p)
		}
	}
	return fresh, nil
}

// revive files those scans of a part again that were replaced, as they are read now, and adds them to seqs, which has the
// ones that are new: a mapping that is rolled back says again what the one after it did not.
func (s *Store) revive(ctx context.Context, t *sql.Tx, part []*placement, seqs map[string]int64) error {
	replaced, err := replacedOf(ctx, t, part, seqs)
	if err != nil {
		return err
	}
	for _, p := range part {
		if !replaced[p.scan.Key] {
			continue
		}
		delete(replaced, p.scan.Key)
		rows, err := t.QueryContext(ctx, `UPDATE scans SET delivery = $1, refs = $2, scan = $3, at = $4, connector = $5, surprise = $6, state = 'unmatched', reason = ''
			WHERE scan_key = $7 AND state = 'replaced' RETURNING seq`, p.delivery, toJSON(p.refs), toJSON(p.scan), stamp(s.now()), p.connector, p.surprise, p.scan.Key)
		if _, err = all(rows, err, func(r *sql.Rows) (seq int64, err error) {
			err = r.Scan(&seq)
			seqs[p.scan.Key] = seq
			return seq, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// replacedOf says which scans of a part are in the store as replaced. The state is looked at here: a database that knows
// nothing of how states are spread would go through all that are replaced.
func replacedOf(ctx context.Context, t *sql.Tx, part []*placement, seqs map[string]int64) (map[string]bool, error) {
	var keys []any
	for _, p := range part {
		if seqs[p.scan.Key] == 0 {
			keys = append(keys, p.scan.Key)
		}
	}
	replaced := map[string]bool{}
	if len(keys) == 0 {
		return replaced, nil
	}
	rows, err := t.QueryContext(ctx, `SELECT scan_key, state FROM scans WHERE scan_key IN (`+places(1, len(keys), 1)+`)`, keys...)
	_, err = all(rows, err, func(r *sql.Rows) (key string, err error) {
		var state string
		err = r.Scan(&key, &state)
		if state == "replaced" {
			replaced[key] = true
		}
		return key, err
	})
	return replaced, err
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

	// of a scan that comes in
	delivery  int64
	connector string
	surprise  string
	documents []Document
	admission *Admission // of its delivery
}

func (p *placement) keepDocuments(ctx context.Context, t *sql.Tx) error {
	for _, d := range p.documents {
		if _, err := t.ExecContext(ctx, `INSERT INTO documents (sha256, body, media_type, signer) VALUES ($1, $2, $3, $4) ON CONFLICT (sha256) DO NOTHING`, d.SHA256, d.Body, d.MediaType, d.Signer); err != nil {
			return err
		}
	}
	return nil
}

// match finds for each scan the one shipment that its references point to. A more telling kind of reference is asked
// first; two candidates are as bad as none.
func match(ctx context.Context, t *sql.Tx, ps []*placement) error {
	known, err := registered(ctx, t, ps)
	if err != nil {
		return err
	}
	telling := telling()
	for _, p := range ps {
		found := p.candidates(known)
		i := slices.IndexFunc(telling, func(k freight.ReferenceKind) bool { return len(found[k]) > 0 })
		switch {
		case len(p.refs) == 0:
			p.why = "it names no shipment"
		case i < 0:
			p.why = "no shipment has these references"
		case len(found[telling[i]]) > 1:
			p.why = fmt.Sprintf("its %s is that of several shipments: %s", telling[i], strings.Join(found[telling[i]], ", "))
		default:
			p.shipment = found[telling[i]][0]
		}
	}
	return nil
}

// telling are the kinds of references, the most telling first.
func telling() []freight.ReferenceKind {
	return []freight.ReferenceKind{freight.RefShipment, freight.RefTracking, freight.RefPRO, freight.RefBOL, freight.RefOrder, freight.RefCustomer}
}

// number is a reference without the carrier that gave it.
type number struct{ kind, value string }

// registration says whose a number is, and when.
type registration struct{ carrier, shipment, since, until string }

// registered reads what is registered under the numbers of scans.
func registered(ctx context.Context, t *sql.Tx, ps []*placement) (map[number][]registration, error) {
	known := map[number][]registration{}
	var args []any
	for _, p := range ps {
		for _, r := range p.refs {
			n := number{string(r.Kind), r.Value}
			if _, ok := known[n]; !ok {
				known[n], args = nil, append(args, n.kind, n.value)
			}
		}
	}
	for part := range slices.Chunk(args, 2*scansAtOnce) {
		rows, err := t.QueryContext(ctx, `SELECT kind, value, carrier, shipment, since, until FROM refs WHERE (kind, value) IN (VALUES `+places(1, len(part)/2, 2)+`)`, part...)
		if _, err = all(rows, err, func(r *sql.Rows) (n number, err error) {
			var g registration
			err = r.Scan(&n.kind, &n.value, &g.carrier, &g.shipment, &g.since, &g.until)
			known[n] = append(known[n], g)
			return n, err
		}); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// candidates are the shipments with a reference of the scan's that held when it occurred, by kind of reference.
func (p *placement) candidates(known map[number][]registration) map[freight.ReferenceKind][]string {
	found, at := map[freight.ReferenceKind][]string{}, stamp(p.scan.OccurredAt)
	for _, r := range p.refs {
		carrier := string(p.carrierOf(r))
		for _, g := range known[number{string(r.Kind), r.Value}] {
			if g.since <= at && at <= g.until && (g.carrier == "" || carrier == "" || g.carrier == carrier) && !slices.Contains(found[r.Kind], g.shipment) {
				found[r.Kind] = append(found[r.Kind], g.shipment)
			}
		}
		slices.Sort(found[r.Kind])
	}
	return found
}

// carrierOf is the carrier whose number a reference is: two carriers may have given the same. "" is any.
func (p *placement) carrierOf(r freight.Reference) freight.CarrierCode {
	if r.Kind == freight.RefTracking || r.Kind == freight.RefPRO {
		return cmp.Or(r.Carrier, p.scan.Carrier)
	}
	return r.Carrier
}

// leave keeps scans nobody can place where registering one of their references finds them.
func leave(ctx context.Context, t *sql.Tx, ps []*placement) error {
	for part := range slices.Chunk(ps, scansAtOnce) {
		var whys, refs []any
		for _, p := range part {
			whys = append(whys, p.seq, p.why)
			for _, r := range p.refs {
				refs = append(refs, string(r.Kind), r.Value, p.seq)
			}
		}
		if _, err := t.ExecContext(ctx, `UPDATE scans SET reason = stray.column2 FROM (VALUES `+tuples(1, len(part), "BIGINT", "TEXT")+`) AS stray WHERE seq = stray.column1`, whys...); err != nil {
			return err
		}
		for some := range slices.Chunk(refs, 3*scansAtOnce) {
			if _, err := t.ExecContext(ctx, `INSERT INTO unmatched_refs (kind, value, seq) VALUES `+places(1, len(some)/3, 3)+` ON CONFLICT DO NOTHING`, some...); err != nil {
				return err
			}
		}
	}
	return nil
}

// number gives each scan the next number of its shipment, names its parcel, and learns from it. Shipments are taken in one
// order, so that two who number wait for each other and not in a circle; scans of a shipment keep theirs.
func (s *Store) number(ctx context.Context, t *sql.Tx, found []*placement) error {
	slices.SortStableFunc(found, func(a, b *placement) int { return strings.Compare(a.shipment, b.shipment) })
	if err := nameParcels(ctx, t, found); err != nil {
		return err
	}
	for _, p := range found {
		if p.scan.Invoice != nil {
			if err := s.claimInvoice(ctx, t, p.shipment, &p.scan); err != nil {
				return err
			}
		}
	}
	for part := range slices.Chunk(found, scansAtOnce) {
		next, err := s.draw(ctx, t, part)
		if err != nil {
			return err
		}
		var args []any
		for _, p := range part {
			p.scan.Number = next[p.shipment]
			next[p.shipment]++
			args = append(args, p.seq, p.shipment, p.scan.Number, toJSON(p.scan))
		}
		if _, err := t.ExecContext(ctx, `UPDATE scans SET shipment = placed.column2, number = placed.column3, state = 'matched', reason = '', scan = placed.column4
			FROM (VALUES `+tuples(1, len(part), "BIGINT", "TEXT", "BIGINT", "TEXT")+`) AS placed WHERE seq = placed.column1`, args...); err != nil {
			return err
		}
	}
	for _, p := range found {
		if err := s.announceScan(ctx, t, p.shipment, p.scan); err != nil {
			return err
		}
	}
	return s.learn(ctx, t, found)
}

// draw takes as many numbers of each shipment as it has scans, and returns the first of each.
func (s *Store) draw(ctx context.Context, t *sql.Tx, found []*placement) (next map[string]int64, err error) {
	many := map[string]int64{}
	for _, p := range found {
		many[p.shipment]++
	}
	var args []any
	for _, id := range slices.Sorted(maps.Keys(many)) {
		args = append(args, id, many[id], stamp(s.now()))
	}
	rows, err := t.QueryContext(ctx, `INSERT INTO outbox (shipment, last, due) VALUES `+places(1, len(many), 3)+` ON CONFLICT (shipment) DO UPDATE
		SET last = outbox.last + excluded.last, due = CASE WHEN outbox.due = '' THEN excluded.due ELSE outbox.due END RETURNING shipment, last`, args...)
	next = map[string]int64{}
	_, err = all(rows, err, func(r *sql.Rows) (id string, err error) {
		var last int64
		err = r.Scan(&id, &last)
		next[id] = last - many[id] + 1
		return id, err
	})
	return next, err
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
	var ps []*placement
	tried := map[int64]bool{}
	for _, r := range rs {
		rows, err := t.QueryContext(ctx, `SELECT seq, scan, refs FROM scans WHERE state = 'unmatched' AND seq IN (SELECT seq FROM unmatched_refs WHERE kind = $1 AND value = $2) ORDER BY seq`+s.dialect.forUpdate, string(r.Kind), r.Value)
		named, err := all(rows, err, scanPlacement)
		if err != nil {
			return err
		}
		for _, p := range named {
			if !tried[p.seq] {
				tried[p.seq], ps = true, append(ps, p)
			}
		}
	}
	slices.SortFunc(ps, func(a, b *placement) int { return cmp.Compare(a.seq, b.seq) })
	if err := match(ctx, t, ps); err != nil {
		return err
	}
	var found []*placement
	for _, p := range ps {
		if err := p.again(ctx, t); err != nil {
			return err
		}
		if p.shipment != "" {
			found = append(found, p)
		}
	}
	return s.number(ctx, t, found)
}

func scanPlacement(r *sql.Rows) (*placement, error) {
	var p placement
	var scan, refs string
	if err := r.Scan(&p.seq, &scan, &refs); err != nil {
		return nil, err
	}
	return &p, p.read(scan, refs)
}

// read takes a scan and its references as they are in the store.
func (p *placement) read(scan, refs string) error {
	return errors.Join(json.Unmarshal([]byte(scan), &p.scan), json.Unmarshal([]byte(refs), &p.refs))
}

// again notes what became of an unmatched scan that was matched anew.
func (p *placement) again(ctx context.Context, t *sql.Tx) error {
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

// ScanCounts counts the scans by state: matched, sent, unmatched, late, discarded, replaced.
func (s *Store) ScanCounts(ctx context.Context) (map[string]int, error) {
	return counts[string](ctx, s, "scans")
}

// Document reads a document by the hash of its bytes; fs.ErrNotExist for one that is not here, as after an older backup was
// put back.
func (s *Store) Document(ctx context.Context, hash string) (body []byte, mediaType, signer string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body, media_type, signer FROM documents WHERE sha256 = $1`, hash).Scan(&body, &mediaType, &signer)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return body, mediaType, signer, wrap("document "+hash, err)
}
