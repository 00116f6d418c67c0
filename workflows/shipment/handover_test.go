package shipment_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// handedOver is what the story gave to its next run; the test fails if it ended otherwise.
func (s *story) handedOver() protocol.ShipmentInput {
	s.t.Helper()
	var can *workflow.ContinueAsNewError
	if err := s.GetWorkflowError(); !errors.As(err, &can) {
		s.t.Fatalf("want a hand-over, have %v", err)
	}
	var in protocol.ShipmentInput
	if err := converter.GetDefaultDataConverter().FromPayloads(can.Input, &in); err != nil {
		s.t.Fatal(err)
	}
	return in
}

func TestHandOverKeepsTheCallThatWasOutAndAsksItAgainByTheSameKey(t *testing.T) {
	s := newStory(t)
	s.post = func(freight.InvoicePlan) (freight.Invoice, error) {
		return freight.Invoice{}, protocol.Transient.Of(errors.New("Odoo is down"))
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(time.Hour+time.Minute, func() {
		s.SetContinueAsNewSuggested(true)
		s.scan(milestone(freight.ArrivedAtDelivery, s.Now()))
	})
	s.run()
	in := s.handedOver()
	key := freight.InvoiceKey(shipmentID, 1)
	if in.Resume.Stage != freight.StageInvoicing || !in.Resume.Intends(key) || in.Resume.HighWater != 8 {
		t.Fatalf("handed over stage %s, intents %+v, high water %d", in.Resume.Stage, in.Resume.Intents, in.Resume.HighWater)
	}
	next := newStory(t)
	next.at(time.Hour, next.paid)
	next.ExecuteWorkflow(protocol.Shipment.Name, in)
	st := next.finished(freight.StageClosed)
	if len(next.plans) != 1 || next.plans[0].Key != key || next.claims != 0 || len(next.tenders) != 0 {
		t.Errorf("second run posted %+v, claimed %d, tendered %d", next.plans, next.claims, len(next.tenders))
	}
	if next.plans[0].LinesHash() != in.Resume.Validation.LinesHash || st.Invoice == nil {
		t.Error("second run posted other lines than were validated")
	}
}

func TestHandOverAfterAThousandScans(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		for i := range 1000 {
			e := milestone(freight.ETAUpdated, s.Now().Add(time.Duration(i)*time.Second))
			e.Classifier, e.ETA = freight.Estimated, s.Now().Add(time.Duration(i)*time.Minute)
			s.scan(e)
		}
	})
	s.run()
	if in := s.handedOver(); in.Resume.HighWater != 1000 || in.Resume.Journey.ETA.IsZero() || in.Terms != nil {
		t.Errorf("handed over high water %d, ETA %s", in.Resume.HighWater, in.Resume.Journey.ETA)
	}
}

func TestCancellationSurvivesAHandOver(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.SetContinueAsNewSuggested(true)
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: "odoo", Reason: "order cancelled", At: s.Now()})
	})
	s.run()
	if s.GetWorkflowError() == nil {
		s.finished(freight.StageCancelled)
		return
	}
	next := newStory(t)
	next.ExecuteWorkflow(protocol.Shipment.Name, s.handedOver())
	next.finished(freight.StageCancelled)
	if len(s.cancels)+len(next.cancels) == 0 {
		t.Error("the TMS was never asked to cancel")
	}
}

func TestOldDeadlineIsNotStartedAnewByAHandOver(t *testing.T) {
	s := newStory(t)
	s.at(23*time.Hour, func() {
		s.SetContinueAsNewSuggested(true)
		e := milestone(freight.ETAUpdated, s.Now())
		e.Classifier, e.ETA = freight.Estimated, s.Now().Add(time.Hour)
		s.scan(e)
	})
	s.run()
	in := s.handedOver()
	next := newStory(t)
	next.SetStartTime(in.Resume.Since.Add(23 * time.Hour))
	next.at(2*time.Hour, func() {
		if !next.state().Exceptions.Raised(freight.TenderOverdue) {
			t.Error("the clock of 24 h did not run out an hour into the second run")
		}
		next.CancelWorkflow()
	})
	next.ExecuteWorkflow(protocol.Shipment.Name, in)
}

// next runs what a run handed over, in a world of its own.
func (s *story) next(prepare func(*story)) *story {
	n := newStory(s.t)
	in := s.handedOver()
	n.n = in.Resume.HighWater
	prepare(n)
	n.ExecuteWorkflow(protocol.Shipment.Name, in)
	return n
}

// TestReferencesOutliveAHandOver: unregistered, no partner's scan would find the shipment.
func TestReferencesOutliveAHandOver(t *testing.T) {
	s := newStory(t)
	s.tracking = []string{"P1", "P2"}
	s.keep = func() error { return protocol.Transient.Of(errors.New("the store is down")) }
	s.at(time.Minute, func() {
		s.SetContinueAsNewSuggested(true)
		s.scan(milestone(freight.LabelCreated, s.Now()))
	})
	s.run()
	n := s.next(func(n *story) { n.at(time.Hour, func() { n.cancel("odoo") }) })
	n.finished(freight.StageCancelled)
	var have []freight.ReferenceKind
	for _, r := range n.records {
		for _, ref := range r.References {
			have = append(have, ref.Kind)
		}
	}
	if !slices.Contains(have, freight.RefOrder) || !slices.Contains(have, freight.RefPRO) || !slices.Contains(have, freight.RefTracking) {
		t.Errorf("registered after the hand-over: %v", have)
	}
}

// TestResolutionReadWhileHandingOverIsNotLost sends the retry into the task that hands over.
func TestResolutionReadWhileHandingOverIsNotLost(t *testing.T) {
	s := newStory(t)
	s.board = func() error { return protocol.Transient.Of(errors.New("Odoo is down")) } // the hand-over waits for this call to stop
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderDeclined, s.Now())) })
	s.at(time.Hour+time.Minute, func() {
		s.SetContinueAsNewSuggested(true)
		s.scan(milestone(freight.Delayed, s.Now()))
		s.resolve(1, freight.Retry)
	})
	s.run()
	n := s.next(func(n *story) {
		n.at(time.Hour, func() { n.scan(carried(n.Now(), "")...) })
		n.at(2*time.Hour, n.paid)
	})
	if s.handedOver().Resume.Exceptions[0].Open() {
		t.Fatal("the retry was not read in the task that hands over: the test proves nothing")
	}
	if n.finished(freight.StageClosed); !slices.Equal(n.tenders, []int{2}) {
		t.Errorf("tenders %v after the retry, want the second", n.tenders)
	}
}

// TestExceptionOfAStepThatWorksAfterAHandOverIsSettled: the next run asks again without a person.
func TestExceptionOfAStepThatWorksAfterAHandOverIsSettled(t *testing.T) {
	s := newStory(t)
	s.post = func(freight.InvoicePlan) (freight.Invoice, error) {
		return freight.Invoice{}, protocol.Rejected.Of(errors.New("period is closed"))
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.SetContinueAsNewSuggested(true); s.scan(milestone(freight.Delayed, s.Now())) })
	s.run()
	n := s.next(func(n *story) { n.at(time.Hour, n.paid) })
	if st := n.finished(freight.StageClosed); len(st.Exceptions) != 1 || st.Exceptions[0].Resolution.By != "waybill" || len(n.plans) != 1 {
		t.Errorf("exceptions %+v, %d postings", st.Exceptions, len(n.plans))
	}
}

// TestDecisionReadBeforeAHandOverIsVerifiedAfterIt: the dispute has ended and says it once.
func TestDecisionReadBeforeAHandOverIsVerifiedAfterIt(t *testing.T) {
	s := newStory(t)
	verified := 0
	s.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if verified++; verified > 1 {
			return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
		}
		return decided(q), nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() { s.decide(1, "reject") })
	s.at(2*time.Hour+time.Minute, func() { s.SetContinueAsNewSuggested(true); s.scan(milestone(freight.Delayed, s.Now())) })
	s.run()
	n := s.next(func(n *story) { n.at(time.Hour, n.paid) })
	if n.finished(freight.StageClosed); len(n.plans) != 1 || n.plans[0].Net != usd("650.00") {
		t.Errorf("posted %+v", n.plans)
	}
}

func TestClosedShipmentGoesOnInSettlementWhenSomethingComesLate(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	final := s.records[len(s.records)-1].Final
	n := newStory(t)
	n.n = final.HighWater
	n.at(0, func() { n.scan(carrierBill(n.Now(), "C2", charged(freight.Detention, "50.00"))) })
	n.at(24*time.Hour, func() {
		if st := n.state(); st.Stage != freight.StageSettlement || !slices.Equal(st.Exceptions.OpenKinds(), []freight.ExceptionKind{freight.LateCharge}) {
			t.Errorf("stage %s, open %v", st.Stage, st.Exceptions.OpenKinds())
		}
		n.dismissAll(freight.LateCharge)
	})
	n.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "late-scan", Resume: final, Edition: protocol.Carrying})
	n.finished(freight.StageClosed)
	if len(n.plans)+n.claims+len(n.tenders) != 0 {
		t.Errorf("it was claimed, tendered or posted again: %d, %v, %+v", n.claims, n.tenders, n.plans)
	}
	first := n.records[0]
	if first.View.Closed || first.Audits[0].N != final.Audits+1 || first.View.Revision <= final.Views {
		t.Errorf("first record %+v does not follow the closing snapshot %d, %d", first, final.Audits, final.Views)
	}
}

func TestLateRepeatClosesTheShipmentAgainAtOnce(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	n := newStory(t)
	n.at(0, func() { n.scan(carried(n.Now(), "")[:2]...) })
	n.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "late-scan", Resume: s.records[len(s.records)-1].Final, Edition: protocol.Carrying})
	n.finished(freight.StageClosed)
}

// TestTenThousandAndOneScansAreAllRead hands over as often as it takes.
func TestTenThousandAndOneScansAreAllRead(t *testing.T) {
	const total, perSignal = 10_001, 200
	s, runs := newStory(t), 1
	feed := func(s *story) {
		s.at(time.Minute, func() {
			for s.n < total && s.n < int64(runs)*1_400 {
				var batch []freight.Scan
				for range min(perSignal, total-s.n) {
					e := milestone(freight.ETAUpdated, s.Now())
					e.Classifier, e.ETA = freight.Estimated, s.Now().Add(time.Hour)
					batch = append(batch, e)
				}
				s.scan(batch...)
			}
		})
		s.at(time.Hour, func() {
			if s.n == total {
				s.scan(carried(s.Now(), "")...)
			}
		})
		s.at(2*time.Hour, s.paid)
	}
	feed(s)
	s.run()
	for s.GetWorkflowError() != nil {
		runs++
		s = s.next(feed)
	}
	st := s.finished(freight.StageClosed)
	if st.HighWater != total+7 || st.Repeats != 0 || len(st.Missing) != 0 || runs < 7 {
		t.Errorf("read up to %d, %d repeats, missing %v, in %d runs", st.HighWater, st.Repeats, st.Missing, runs)
	}
}
