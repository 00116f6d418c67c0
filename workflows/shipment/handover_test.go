package shipment_test

import (
	"errors"
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
