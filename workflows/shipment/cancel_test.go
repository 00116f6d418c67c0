package shipment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func TestTruckIsStoppedThoughOdooIsDown(t *testing.T) {
	s := newStory(t)
	down := false
	s.board = func() error {
		if down {
			return protocol.Transient.Of(errors.New("Odoo is down"))
		}
		return nil
	}
	s.at(time.Hour, func() { down = true; s.scan(milestone(freight.TenderAccepted, s.Now())); s.cancel("odoo") })
	s.at(time.Hour+time.Minute, func() {
		if len(s.cancels) != 1 {
			t.Errorf("the TMS was asked to stop %d times while Odoo is down, want once", len(s.cancels))
		}
		down = false
	})
	s.run()
	s.finished(freight.StageCancelled)
	if last := s.statuses[len(s.statuses)-1]; last.Report.Status != freight.StatusCancelled {
		t.Errorf("Odoo shows %+v at the end", last.Report)
	}
}

func TestTruckIsStoppedThoughTheBillingEngineIsDown(t *testing.T) {
	s := newStory(t)
	s.rate = func(protocol.RatingRequest) (freight.Rating, error) {
		return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
	}
	s.at(time.Minute, func() { s.cancel("odoo") })
	s.run()
	if s.finished(freight.StageCancelled); len(s.cancels) != 1 {
		t.Errorf("the TMS was asked to stop %d times, want once", len(s.cancels))
	}
}

func TestCancellationDuringPostingComesTooLateHoweverItIsAsked(t *testing.T) {
	for name, ask := range map[string]func(*story){"from Odoo": func(s *story) { s.cancel("odoo") }, "in Temporal": func(s *story) { s.CancelWorkflow() }} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			post, down := s.post, true
			s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
				if down {
					return freight.Invoice{}, protocol.Ambiguous.Of(errors.New("no answer"))
				}
				return post(p)
			}
			s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
			s.at(time.Hour+time.Minute, func() { ask(s) })
			s.at(time.Hour+2*time.Minute, func() { down = false })
			s.at(2*time.Hour, func() { s.paid() })
			s.run()
			st := s.finished(freight.StageClosed)
			if st.Invoice == nil || len(s.cancels) != 0 || !st.Exceptions.Raised(freight.CancelTooLate) || !strings.Contains(st.Exceptions[0].Detail, "its invoice is being posted") {
				t.Errorf("invoice %+v, TMS asked to stop %d times, exceptions %+v", st.Invoice, len(s.cancels), st.Exceptions)
			}
		})
	}
}

func TestCancellationInTemporalOfFreightThatMovesAsksNoTMS(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(2*time.Hour, s.CancelWorkflow)
	s.at(3*time.Hour, func() { s.scan(carried(s.Now(), "")[2:]...) })
	s.at(4*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.cancels) != 0 || len(s.plans) != 1 {
		t.Errorf("TMS asked to stop %d times, %d postings", len(s.cancels), len(s.plans))
	}
}

func TestCancellationWhileParkedCancels(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderDeclined, s.Now())) })
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.run()
	if st := s.finished(freight.StageCancelled); len(st.Exceptions.OpenKinds()) != 0 || len(s.cancels) != 1 {
		t.Errorf("open %v, TMS asked %d times; want nothing left to do", st.Exceptions.OpenKinds(), len(s.cancels))
	}
}

// TestClaimThatIsUnderWayIsWaitedFor: else Odoo would show a delivery as carried that nobody carries.
func TestClaimThatIsUnderWayIsWaitedFor(t *testing.T) {
	s := newStory(t)
	down := true
	s.claim = func() error {
		if down {
			return protocol.Ambiguous.Of(errors.New("no answer"))
		}
		return nil
	}
	s.at(time.Minute, func() { s.cancel("odoo") })
	s.at(2*time.Minute, func() { down = false })
	s.run()
	s.finished(freight.StageCancelled)
	if len(s.tenders) != 0 || len(s.statuses) == 0 || s.statuses[len(s.statuses)-1].Report.Status != freight.StatusCancelled {
		t.Errorf("tenders %v, statuses %+v; want the claimed delivery shown as cancelled", s.tenders, s.statuses)
	}
}

// TestWishThatCameTooLateIsAnsweredOnce: whoever looks at Odoo repeats it at each look.
func TestWishThatCameTooLateIsAnsweredOnce(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	for i := range 5 {
		s.at(time.Duration(2+i)*time.Hour, func() { s.cancel("odoo") })
	}
	s.at(4*time.Hour+time.Minute, func() { s.dismissAll(freight.CancelTooLate) })
	s.at(8*time.Hour, func() {
		if st := s.state(); len(st.Exceptions) != 1 || st.Exceptions[0].Times != 1 || st.Exceptions[0].Open() {
			t.Errorf("exceptions %+v, want one, dismissed", st.Exceptions)
		}
		s.cancel("ann") // someone else may ask
		s.scan(carried(s.Now(), "")[2:]...)
	})
	s.at(9*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 2 {
		t.Errorf("exceptions %+v, want ann's wish answered too", st.Exceptions)
	}
}

func TestTMSThatDoesNotCancelIsAskedOnceForOneWish(t *testing.T) {
	s := newStory(t)
	s.refusal = "loaded"
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderAccepted, s.Now())); s.cancel("odoo") })
	s.at(2*time.Hour, func() { s.cancel("odoo") })
	s.at(3*time.Hour, func() { s.scan(carried(s.Now(), "")[1:]...) })
	s.at(4*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.cancels) != 1 || len(s.plans) != 1 {
		t.Errorf("TMS asked to stop %d times, %d postings", len(s.cancels), len(s.plans))
	}
}

func TestWishSentByHandCannotSayThatTheFreightIsLost(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(carried(s.Now(), "")[:2]...)
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: "mallory", Reason: "x", Final: true})
	})
	s.at(2*time.Hour, func() { s.scan(carried(s.Now(), "")[2:]...) })
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestLostFreightIsCancelledByAPersonThoughItMovedAndTheTMSSaysNo(t *testing.T) {
	s := newStory(t)
	s.refusal = "picked up"
	s.at(time.Hour, func() { s.scan(append(carried(s.Now(), "")[:2], milestone(freight.Lost, s.Now().Add(time.Hour)))...) })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Abandon) })
	s.run()
	if s.finished(freight.StageCancelled); len(s.plans) != 0 || len(s.cancels) != 1 {
		t.Errorf("%d postings, TMS asked %d times", len(s.plans), len(s.cancels))
	}
}

func TestPersonMayGiveUpAskingTheTMSToStop(t *testing.T) {
	s := newStory(t)
	s.stop = func() error { return protocol.Rejected.Of(errors.New("no such endpoint")) }
	s.at(time.Hour, func() { s.cancel("odoo") })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Retry) })
	s.at(3*time.Hour, func() { s.resolve(2, freight.Abandon) })
	s.run()
	if s.finished(freight.StageCancelled); len(s.cancels) != 2 {
		t.Errorf("TMS asked %d times, want twice", len(s.cancels))
	}
}

func TestDisputesOfACancelledShipmentEnd(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		lost := milestone(freight.Damaged, s.Now().Add(time.Hour))
		s.scan(append(carried(s.Now(), "90.00"), lost)...)
	})
	s.at(2*time.Hour, func() {
		for _, e := range s.state().Exceptions {
			if e.Kind == freight.FreightDamaged {
				s.resolve(e.ID, freight.Abandon)
			}
		}
	})
	s.run()
	st := s.finished(freight.StageCancelled)
	if len(st.OpenDisputes()) != 0 || len(st.Disputes) != 1 || len(s.plans) != 0 {
		t.Errorf("disputes %+v, withdrawn %v, %d postings", st.Disputes, st.Withdrawn, len(s.plans))
	}
}

func TestDeliveryThatIsNotOursIsLeftAlone(t *testing.T) {
	s := newStory(t)
	s.claim = func() error { return protocol.NotOurs.Of(errors.New("delivery 7 is carried by shipment acme-6")) }
	s.run()
	if s.finished(freight.StageCancelled); len(s.tenders)+len(s.statuses)+len(s.records) != 0 {
		t.Error("something was done for a delivery of another shipment")
	}
}

// TestAnswerWithoutMeaningForAStepParksIt: a partner's fault never fails the shipment.
func TestAnswerWithoutMeaningForAStepParksIt(t *testing.T) {
	s := newStory(t)
	broken := true
	s.commit = func() error {
		if broken {
			return protocol.NoContract.Of(errors.New("contract is gone"))
		}
		return nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() {
		if !slices.Contains(s.openKinds(), freight.PartnerFailed) {
			t.Errorf("open %v", s.openKinds())
		}
		broken = false
		s.resolve(1, freight.Retry)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); st.Draft != "D1" {
		t.Errorf("draft %q", st.Draft)
	}
}

func TestLongReasonsFailNoTask(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: "ann", Reason: strings.Repeat("x", 1000)})
	})
	s.run()
	s.finished(freight.StageCancelled)
}
