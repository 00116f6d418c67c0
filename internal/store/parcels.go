package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"waybill/workflows/freight"
)

// nameParcels keeps what is said under one of several tracking numbers of a shipment from passing for what became of all
// of it: who tracks by number knows that parcel, and no other. Only here are all numbers of a shipment known, whoever gave
// them: the TMS, Odoo, a load, an acceptance or a person. A scan is the same scan afterwards: its key was made before.
func nameParcels(ctx context.Context, t *sql.Tx, found []*placement) error {
	ids := map[string]bool{}
	for _, p := range found {
		if p.byNumber() {
			ids[p.shipment] = true
		}
	}
	numbers, err := trackingNumbers(ctx, t, slices.Sorted(maps.Keys(ids)))
	if err != nil {
		return err
	}
	for _, p := range found {
		if p.byNumber() {
			p.nameParcel(numbers[p.shipment])
		}
	}
	return nil
}

// byNumber reports whether a scan may be about a parcel by its number alone. One whose sender names our shipment is about
// that; a text of the form of our ids that stands where customers' references do is what we printed on a label.
func (p *placement) byNumber() bool {
	tracked := slices.ContainsFunc(p.refs, func(r freight.Reference) bool { return r.Kind == freight.RefTracking })
	meant := slices.ContainsFunc(p.refs, func(r freight.Reference) bool {
		return r.Kind == freight.RefShipment && r.Value == p.shipment && !slices.Contains(p.refs, freight.Reference{Kind: freight.RefCustomer, Value: r.Value})
	})
	return tracked && !meant && p.scan.Invoice == nil && p.scan.Milestone != freight.TenderAccepted && p.scan.Milestone != freight.TenderDeclined
}

// trackingNumbers are those of shipments, by shipment. One that is its PRO number or bill of lading too, as where a person
// copied it to where Odoo keeps tracking numbers, is the whole shipment's.
func trackingNumbers(ctx context.Context, t *sql.Tx, ids []string) (map[string][]trackingNumber, error) {
	numbers := map[string][]trackingNumber{}
	for part := range slices.Chunk(ids, scansAtOnce) {
		rows, err := t.QueryContext(ctx, `SELECT value, carrier, shipment, since, until FROM refs r WHERE kind = $1 AND shipment IN (`+places(4, len(part), 1)+`)
			AND NOT EXISTS (SELECT 1 FROM refs w WHERE w.shipment = r.shipment AND w.value = r.value AND w.kind IN ($2, $3)) ORDER BY value`,
			append([]any{string(freight.RefTracking), string(freight.RefPRO), string(freight.RefBOL)}, anys(part)...)...)
		if _, err = all(rows, err, func(r *sql.Rows) (n trackingNumber, err error) {
			err = r.Scan(&n.value, &n.carrier, &n.shipment, &n.since, &n.until)
			numbers[n.shipment] = append(numbers[n.shipment], n)
			return n, err
		}); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// trackingNumber is one that is registered for a shipment.
type trackingNumber struct {
	value string
	registration
}

// nameParcel makes a scan that names one of its shipment's several numbers, and no parcel, one about that parcel, and says
// how many there are. One that names each of them, or counts as many pieces, is about all.
func (p *placement) nameParcel(known []trackingNumber) {
	values, named := p.numbers(known)
	s := &p.scan
	if len(values) < 2 || len(named) == 0 || len(named) == len(values) {
		return
	}
	if s.Parcel == "" && s.Pieces.Expected < len(values) {
		s.Parcel = freight.ParcelID(named[0])
	}
	if !slices.Contains(named, string(s.Parcel)) {
		return
	}
	s.Numbered = len(values)
	if s.Milestone == freight.Delivered && s.Classifier == freight.Actual && s.Pieces.Unit == "" {
		s.Pieces = freight.Pieces{Delivered: max(s.Pieces.Delivered, 1), Expected: max(s.Pieces.Expected, len(values))}
	}
}

// numbers are the shipment's numbers at the carrier that held when the scan occurred, each once, and those of them that
// it names, in its order. Another carrier's are of another leg of the way, and no more parcels.
func (p *placement) numbers(known []trackingNumber) (values, named []string) {
	at := stamp(p.scan.OccurredAt)
	for _, r := range p.refs {
		if r.Kind != freight.RefTracking {
			continue
		}
		carrier := string(p.carrierOf(r))
		for _, n := range known {
			if n.since > at || at > n.until || n.carrier != "" && carrier != "" && n.carrier != carrier {
				continue
			}
			if !slices.Contains(values, n.value) {
				values = append(values, n.value)
			}
			if n.value == r.Value && !slices.Contains(named, n.value) {
				named = append(named, n.value)
			}
		}
	}
	return values, named
}
