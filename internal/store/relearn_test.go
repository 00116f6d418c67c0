package store_test

import (
	"testing"

	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

func TestStoreRestoredFromAnOldBackupLearnsFromTheStory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		record(t, s, 1, trail(1, 2)) // all that the backup had
		bill := freight.CarrierInvoice{Carrier: "FASTFRT", Number: "CI-1", Total: freight.MustMoney("10.00 USD"), Lines: []freight.Charge{{Ref: "CI-1/1", Code: freight.Linehaul, Amount: freight.MustMoney("10.00 USD")}}}
		sh := freight.Shipment{
			ID: "acme-1", Stage: freight.StageSettlement, HighWater: 7, Views: 9, Audits: 6, Release: freight.Release{OrderName: "S00001"},
			Unsaid: []freight.AuditEntry{{N: 6, At: noon, Kind: freight.AuditPaid}}, Journey: freight.Journey{Invoices: []freight.CarrierInvoice{bill}, Marks: []freight.Mark{{Milestone: freight.PickedUp, At: noon, Key: "picked up"}}},
		}
		if behind, err := s.Behind(t.Context(), sh); err != nil || !behind {
			t.Errorf("behind %t, %v: the story has told more than the backup has", behind, err)
		}
		for range 2 {
			if _, err := s.Relearn(t.Context(), sh); err != nil {
				t.Fatal(err)
			}
		}
		if behind, err := s.Behind(t.Context(), sh); err != nil || behind {
			t.Errorf("behind %t, %v: it has learned all", behind, err)
		}
		if a := admit(t, s, scan("picked up", ref(freight.RefShipment, "", "acme-1"))); a.Repeats != 1 {
			t.Errorf("what the story has read is taken for new: %+v", a)
		}
		if last := record(t, s, 10, sh.Unsaid); last != 6 {
			t.Errorf("the trail goes on to %d, want 6", last)
		}
		es, err := s.Audit(t.Context(), "acme-1")
		if err != nil || len(es) != 6 || es[2].Kind != freight.AuditLost || es[4].Kind != freight.AuditLost {
			t.Errorf("trail %+v, %v: want entries 3 to 5 marked as lost", es, err)
		}
		if n, err := s.VerifyChain(t.Context(), "acme-1"); err != nil || n != 6 {
			t.Errorf("chain of %d, %v", n, err)
		}
		admit(t, s, scan("new", ref(freight.RefOrder, "", "S00001")))
		again := scan("its bill, from another shipment", ref(freight.RefShipment, "", "acme-1"))
		again.Scan.Milestone, again.Scan.Invoice = freight.ChargesReceived, &bill
		admit(t, s, again)
		bs, err := s.Lease(t.Context(), "relay", 1, 0, 10, 10)
		if err != nil || len(bs) != 1 || len(bs[0].Scans) != 2 || bs[0].Scans[0].Number != 8 {
			t.Fatalf("leased %+v, %v: want numbers from 8 on, which the story has not read", bs, err)
		}
		if dup := bs[0].Scans[1].Invoice.DuplicateOf; dup != "" {
			t.Errorf("the shipment's own bill counts as a duplicate of %q", dup)
		}
	})
}

func TestClosedShipmentCanBeReopenedFromWhatWasLearnedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		sh := freight.Shipment{ID: "acme-1", Stage: freight.StageClosed, HighWater: 3, Views: 4, Audits: 2}
		if _, err := s.Relearn(t.Context(), sh); err != nil {
			t.Fatal(err)
		}
		if f, ok, err := s.Final(t.Context(), "acme-1"); err != nil || !ok || f.HighWater != 3 || f.Stage != freight.StageClosed {
			t.Errorf("final %+v, %t, %v", f, ok, err)
		}
	})
}
