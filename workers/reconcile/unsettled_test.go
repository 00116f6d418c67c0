package reconcile

import (
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// TestOnlyShipmentsThatMayHaveToldMoreAreAsked has shipments that closed at all times around the restored store's mark.
func TestOnlyShipmentsThatMayHaveToldMoreAreAsked(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	mark := time.Now()
	long, short := mark.Add(-time.Hour), mark.Add(-time.Minute)
	for id, move := range map[freight.ShipmentID]int64{"acme-1": 11, "acme-3": 13} {
		sh := freight.Shipment{ID: id, Stage: freight.StageClosed, Invoice: &freight.Invoice{Move: move}}
		if _, err := s.Record(t.Context(), store.Entry{View: sh.ViewAt(1, long), Audits: []freight.AuditEntry{{N: 1, At: long, Kind: freight.AuditClosed}}, Final: sh.Final()}); err != nil {
			t.Fatal(err)
		}
	}
	listed := map[string]listed{
		"shipment/acme-1": {closed: long},
		"shipment/acme-2": {closed: long},  // the store lacks its end
		"shipment/acme-3": {closed: short}, // another run may have closed after the backup: clocks are not so exact
		"shipment/acme-4": {},
	}
	b, r, known := &Books{Store: s}, Report{}, map[int64]bool{}
	open, err := b.unsettled(t.Context(), &r, listed, mark, known)
	if err != nil {
		t.Fatal(err)
	}
	if _, asked := open["shipment/acme-1"]; asked || len(open) != 3 || r.Shipments != 1 {
		t.Errorf("%v are asked, %d are not", open, r.Shipments)
	}
	if !known[11] || len(known) != 1 {
		t.Errorf("known invoices %v, want the one of the shipment that is not asked", known)
	}
}
