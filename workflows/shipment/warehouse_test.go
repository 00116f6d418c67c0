package shipment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// stored is a story whose route names a warehouse.
func stored(t *testing.T) *story {
	s := newStory(t)
	s.wms = "reno"
	return s
}

// accepted lets a carrier accept the freight.
func (s *story) accepted() { s.scan(milestone(freight.TenderAccepted, s.Now())) }

// left is everything after the acceptance.
func (s *story) left() { s.scan(carried(s.Now(), "")[1:]...) }

func down() error { return protocol.Transient.Of(errors.New("the WMS is down")) }

func TestWarehouseIsAskedOnceACarrierHasAccepted(t *testing.T) {
	s := stored(t)
	s.at(time.Hour, func() {
		if len(s.packs) != 0 {
			t.Error("the warehouse was asked before anyone comes for the goods")
		}
		s.accepted()
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageTransit || st.ShipOrder != (freight.ShipOrder{Ref: "W1", Tender: 1, Carrier: "FASTFRT", PRO: "PRO1"}) || !strings.Contains(shipment.Details(st), "reno W1") {
			t.Errorf("stage %s, ship order %+v\n%s", st.Stage, st.ShipOrder, shipment.Details(st))
		}
		s.left()
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	want := protocol.ShipOrderRequest{
		Shipment: shipmentID, Tender: 1, Order: "S00070", Delivery: "WH/OUT/7", ShipTo: freight.Place{Country: "US", Postcode: "75001"}, Weight: "120", Pieces: 1,
		Carrier: "FASTFRT", PRO: "PRO1", Target: "reno",
	}
	if len(s.packs) != 1 || s.packs[0] != want || len(s.unpacks) != 0 || len(s.plans) != 1 {
		t.Errorf("asked %+v, to stop %d times, %d postings", s.packs, len(s.unpacks), len(s.plans))
	}
	told := func(r protocol.RecordRequest) bool {
		return slices.ContainsFunc(r.Audits, func(a freight.AuditEntry) bool {
			return a.Kind == freight.AuditWarehouse && a.Detail == "WMS W1"
		})
	}
	if !slices.ContainsFunc(s.records, told) {
		t.Error("the audit trail does not say that the warehouse was asked")
	}
}

// TestShipmentWithoutAWarehouseAsksNone, neither when it goes nor when it is cancelled.
func TestShipmentWithoutAWarehouseAsksNone(t *testing.T) {
	for stage, then := range map[freight.Stage]func(*story){
		freight.StageClosed:    func(s *story) { s.left(); s.at(time.Hour, s.paid) },
		freight.StageCancelled: func(s *story) { s.cancel("odoo") },
	} {
		s := newStory(t)
		s.at(time.Hour, func() { s.accepted(); then(s) })
		s.run()
		if s.finished(stage); len(s.packs)+len(s.unpacks) != 0 {
			t.Errorf("%s: asked %+v, to stop %+v", stage, s.packs, s.unpacks)
		}
	}
}

func TestGoodsThatHaveLeftAreNotAskedFor(t *testing.T) {
	s := stored(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.packs) != 0 {
		t.Errorf("asked %+v", s.packs)
	}
}

func TestWarehouseThatRefusesParksTheShipmentUntilAPersonHasMendedIt(t *testing.T) {
	s := stored(t)
	mended := false
	s.pack = func() error {
		if !mended {
			return protocol.Rejected.Of(errors.New("there is no dock for FASTFRT"))
		}
		return nil
	}
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() {
		st := s.state()
		e := st.Exceptions[0]
		if st.Stage != freight.StageFulfilment || e.Kind != freight.PartnerFailed || e.Ref != "ship-order" || e.Owner != freight.Operations || e.Detail != "there is no dock for FASTFRT" {
			t.Errorf("stage %s, exceptions %+v", st.Stage, st.Exceptions)
		}
		if page := shipment.Details(st); !strings.Contains(page, `waybill exception resolve acme-7 1 --action retry --reason "..."`) || !strings.Contains(page, "Asks the warehouse") {
			t.Error(page)
		}
		mended = true
		s.resolve(1, freight.Retry)
	})
	s.at(3*time.Hour, s.left)
	s.at(4*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.packs) != 2 || st.ShipOrder.Ref != "W1" {
		t.Errorf("asked %d times, ship order %+v", len(s.packs), st.ShipOrder)
	}
}

// TestPersonMayCancelWhatTheWarehouseRefuses, and the truck that had accepted is called off.
func TestPersonMayCancelWhatTheWarehouseRefuses(t *testing.T) {
	s := stored(t)
	s.pack = func() error { return protocol.Rejected.Of(errors.New("the goods are not in stock")) }
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() { s.resolve(1, freight.Abandon) })
	s.run()
	if st := s.finished(freight.StageCancelled); len(s.cancels) != 1 || len(s.packs) != 1 || len(st.Exceptions.OpenKinds()) != 0 {
		t.Errorf("the TMS was asked to stop %d times, the warehouse asked %d times, open %v", len(s.cancels), len(s.packs), st.Exceptions.OpenKinds())
	}
}

// TestRefusalOfTheWarehouseIsOverWhenTheGoodsLeave: nobody has to say so, and they are billed.
func TestRefusalOfTheWarehouseIsOverWhenTheGoodsLeave(t *testing.T) {
	s := stored(t)
	s.pack = func() error { return protocol.Rejected.Of(errors.New("there is no dock for FASTFRT")) }
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, s.left)
	s.at(3*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 1 || st.Exceptions[0].Resolution.By != "waybill" || st.Exceptions[0].Resolution.Reason != "the cause has gone" || len(s.packs) != 1 {
		t.Errorf("exceptions %+v, asked %d times", st.Exceptions, len(s.packs))
	}
}

// TestWarehouseThatIsDownHoldsUpNoFreightThatLeft: it is asked no more, and nothing says that its answer is waited for.
func TestWarehouseThatIsDownHoldsUpNoFreightThatLeft(t *testing.T) {
	s := stored(t)
	s.pack = down
	s.at(time.Hour, s.accepted)
	s.at(time.Hour+time.Minute, func() {
		if st := s.state(); st.Stage != freight.StageFulfilment || !st.Intends("ship-order") || st.Shown.Status != freight.StatusAccepted {
			t.Errorf("stage %s, intents %+v, Odoo shows %s", st.Stage, st.Intents, st.Shown.Status)
		}
		s.left()
	})
	s.at(3*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageSettlement || st.Intends("ship-order") {
			t.Errorf("stage %s, intents %+v", st.Stage, st.Intents)
		}
		s.paid()
	})
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 0 || len(s.plans) != 1 {
		t.Errorf("exceptions %+v, %d postings", st.Exceptions, len(s.plans))
	}
}

// TestTenderIsNotOverdueWhileTheWarehouseIsAsked: a carrier has accepted it.
func TestTenderIsNotOverdueWhileTheWarehouseIsAsked(t *testing.T) {
	s := stored(t)
	s.pack = down
	s.at(24*time.Hour-30*time.Second, s.accepted)
	s.at(24*time.Hour+30*time.Second, func() {
		if st := s.state(); len(st.Exceptions) != 0 || !st.Intends("ship-order") {
			t.Errorf("exceptions %+v, intents %+v", st.Exceptions, st.Intents)
		}
		s.left()
	})
	s.at(25*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestCancelledShipmentIsStoppedInTheWarehouseThenAtTheTMS(t *testing.T) {
	s := stored(t)
	s.unpack = func() error {
		if len(s.cancels) != 0 {
			t.Error("the truck was called off while the goods may be on it")
		}
		return nil
	}
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.run()
	s.finished(freight.StageCancelled)
	if want := (protocol.ShipOrderCancel{Shipment: shipmentID, Tender: 1, ShipOrder: "W1", Reason: "order cancelled", Target: "reno"}); len(s.unpacks) != 1 || s.unpacks[0] != want || len(s.cancels) != 1 {
		t.Errorf("the warehouse was asked to stop %+v, the TMS %d times", s.unpacks, len(s.cancels))
	}
}

// TestWarehouseThatWasNotAskedIsNotToldToStop: no carrier had accepted.
func TestWarehouseThatWasNotAskedIsNotToldToStop(t *testing.T) {
	s := stored(t)
	s.at(time.Hour, func() { s.cancel("odoo") })
	s.run()
	if s.finished(freight.StageCancelled); len(s.unpacks) != 0 || len(s.cancels) != 1 {
		t.Errorf("the warehouse was asked to stop %+v, the TMS %d times", s.unpacks, len(s.cancels))
	}
}

func TestCancellationOfWhatTheWarehouseMayHaveHeardOfReachesIt(t *testing.T) {
	s := stored(t)
	s.pack = func() error { return protocol.Ambiguous.Of(errors.New("no answer")) }
	s.at(time.Hour, s.accepted)
	s.at(time.Hour+time.Minute, func() { s.cancel("odoo") })
	s.run()
	if s.finished(freight.StageCancelled); len(s.unpacks) != 1 || s.unpacks[0].ShipOrder != "" || len(s.cancels) != 1 {
		t.Errorf("the warehouse was asked to stop %+v, the TMS %d times", s.unpacks, len(s.cancels))
	}
}

// TestGoodsThatAreHandedOverAreCarriedAndBilled as those are that the TMS does not stop, and the truck is not called off.
func TestGoodsThatAreHandedOverAreCarriedAndBilled(t *testing.T) {
	s := stored(t)
	s.keeps = "handed over"
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.at(3*time.Hour, func() { s.cancel("odoo") }) // whoever looks at Odoo repeats it
	s.at(4*time.Hour, s.left)
	s.at(5*time.Hour, s.paid)
	s.run()
	st := s.finished(freight.StageClosed)
	if len(s.unpacks) != 1 || len(s.cancels) != 0 || len(s.plans) != 1 || len(st.Exceptions) != 1 || st.Exceptions[0].Kind != freight.CancelTooLate {
		t.Fatalf("the warehouse was asked to stop %d times, the TMS %d; %d postings, exceptions %+v", len(s.unpacks), len(s.cancels), len(s.plans), st.Exceptions)
	}
	if want := "odoo wants it cancelled (order cancelled), but the warehouse does not cancel it: handed over"; st.Exceptions[0].Detail != want {
		t.Errorf("it says %q, want %q", st.Exceptions[0].Detail, want)
	}
}

// TestPeopleHearThatTheWarehouseHasStoppedWhatTheCarrierTakes, else the truck would come for nothing.
func TestPeopleHearThatTheWarehouseHasStoppedWhatTheCarrierTakes(t *testing.T) {
	s := stored(t)
	s.refusal = "loaded"
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.at(3*time.Hour, s.left)
	s.at(4*time.Hour, s.paid)
	s.run()
	st := s.finished(freight.StageClosed)
	if want := "the TMS does not cancel it: loaded; the warehouse had cancelled it: reopen it there"; !strings.Contains(st.Exceptions[0].Detail, want) {
		t.Errorf("it says %q, want %q in it", st.Exceptions[0].Detail, want)
	}
}

// TestLostFreightIsNoMatterOfTheWarehouse: it left there.
func TestLostFreightIsNoMatterOfTheWarehouse(t *testing.T) {
	s := stored(t)
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() {
		s.scan(carried(s.Now(), "")[1], milestone(freight.Lost, s.Now().Add(time.Hour)))
	})
	s.at(3*time.Hour, func() { s.resolve(1, freight.Abandon) })
	s.run()
	if s.finished(freight.StageCancelled); len(s.unpacks) != 0 || len(s.cancels) != 1 {
		t.Errorf("the warehouse was asked to stop %+v, the TMS %d times", s.unpacks, len(s.cancels))
	}
}

// TestPersonMayGiveUpAskingTheWarehouseToStop, and the truck is called off all the same.
func TestPersonMayGiveUpAskingTheWarehouseToStop(t *testing.T) {
	s := stored(t)
	s.unpack = func() error { return protocol.Rejected.Of(errors.New("no such endpoint")) }
	s.at(time.Hour, s.accepted)
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.at(3*time.Hour, func() { s.resolve(1, freight.Retry) })
	s.at(4*time.Hour, func() { s.resolve(2, freight.Abandon) })
	s.run()
	if s.finished(freight.StageCancelled); len(s.unpacks) != 2 || len(s.cancels) != 1 {
		t.Errorf("the warehouse was asked %d times, the TMS %d times", len(s.unpacks), len(s.cancels))
	}
}

// TestFreshRunAsksTheWarehouseTheSameAgain, though another carrier is known since: what it was asked may be there.
func TestFreshRunAsksTheWarehouseTheSameAgain(t *testing.T) {
	s := stored(t)
	s.booked = &freight.Booking{Ref: "T1"} // the TMS names its carrier with the acceptance
	s.pack = func() error { return protocol.Ambiguous.Of(errors.New("no answer")) }
	s.at(time.Hour, s.accepted)
	s.at(time.Hour+time.Minute, func() {
		s.SetContinueAsNewSuggested(true)
		other := milestone(freight.TenderAccepted, s.Now())
		other.Key, other.Carrier = "another", "SLOWFRT"
		s.scan(other)
	})
	s.run()
	n := s.next(func(n *story) {
		n.at(time.Hour, n.left)
		n.at(2*time.Hour, n.paid)
	})
	if n.finished(freight.StageClosed); len(n.packs) != 1 || n.packs[0] != s.packs[0] || n.packs[0].Carrier != "FASTFRT" || n.claims+len(n.tenders) != 0 {
		t.Errorf("the first run asked %+v, the second %+v", s.packs[0], n.packs)
	}
}
